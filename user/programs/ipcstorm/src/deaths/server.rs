// SPDX-License-Identifier: Apache-2.0
//! One life of a server: answers, now and later, itself or in place of a thread that has
//! ended; refuses; destroys its channel and makes another; ends in the middle of it.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_rt::channel::{Channel, ChannelFlags, ChannelId};
use skimmer_rt::connection::Connection;
use skimmer_rt::message::{self, Received, states};
use skimmer_rt::random::Random;
use skimmer_rt::report::Check;
use skimmer_rt::{Args, Errno, Lock, Result as Called, env, process, thread};

use super::{answer, message as letter, rules, wrong};
use crate::letter::{MESSAGE, header};
use crate::note::{self, HERE};
use crate::room::Room;
use crate::sizes::{Address, Sizes};

/// Room for a message: as long as any that clients send here.
const ROOM: usize = 4096;

/// The most that one life has unanswered for later.
const LATER: usize = 4;

/// The longest that these wait, if nobody else comes.
const PATIENCE: u64 = 2_000_000;

/// A message that is answered later.
#[derive(Clone, Copy)]
struct Held {
    id: u64,
    client: u64,
    sequence: u64,
}

/// What the threads share.
struct Server {
    sizes: Sizes,
    number: u64,
    life: u64,
    home: Connection,
    /// The channel that there is now, and how many there were.
    channel: Lock<(ChannelId, u64)>,
    held: Lock<Vec<Held>>,
    /// Threads that were made.
    threads: AtomicU64,
}

pub(crate) fn run(sizes: &Sizes, args: Args) -> Result<(), String> {
    let said = |errno: Errno| errno.to_string();
    let number = |key| args.number(key, 0_u64).map_err(|bad| bad.to_string());
    let home = Address::all(args, "home")?.into_iter().next().ok_or("no home")?;
    let (number, life) = (number("number")?, number("life")?);
    let channel = Channel::create(flags(number + life)).map_err(said)?.into_id();
    let server = Arc::new(Server {
        sizes: *sizes,
        number,
        life,
        home: Connection::attach(home.pid, home.chid).map_err(said)?,
        channel: Lock::new((channel, 0)),
        held: Lock::new(Vec::new()),
        threads: AtomicU64::new(0),
    });
    for _ in 1..sizes.threads {
        another(&server).map_err(said)?;
    }
    server.say_where(channel, 0).map_err(said)?;
    let place = server.threads.fetch_add(1, Ordering::Relaxed);
    // This one is never replaced: the process ends with it.
    while Serving::new(&server, place).serve() == Next::Replace {}
    Ok(())
}

/// Some keep their priority.
const fn flags(which: u64) -> ChannelFlags {
    if which % 4 == 3 { ChannelFlags::FIXED_PRIORITY } else { ChannelFlags::NONE }
}

/// One more thread that serves.
fn another(server: &Arc<Server>) -> Called<()> {
    let place = server.threads.fetch_add(1, Ordering::Relaxed);
    let hart = (server.number + server.life + place) % env::harts();
    let theirs = Arc::clone(server);
    let made = thread::Builder::new().hart(hart).spawn(move || {
        if Serving::new(&theirs, place).serve() == Next::Replace
            && let Err(errno) = another(&theirs)
        {
            wrong(Check::ResultAllowed, format_args!("another thread: {errno}"));
        }
    });
    // Nobody joins it.
    made.map(drop)
}

impl Server {
    fn say_where(&self, channel: ChannelId, count: u64) -> Called<()> {
        let pid = process::id()?.number();
        let here = [HERE, self.number, pid, channel.number(), (self.life + 1) << 32 | count];
        self.home.send(&note::bytes(&here), &mut [])?;
        Ok(())
    }

    /// Destroys the channel, and makes another. Whoever waits there is told ESRCH.
    fn renew(&self) -> Called<()> {
        let fresh = Channel::create(flags(self.number))?.into_id();
        let mut channel = self.channel.lock();
        let (old, count) = *channel;
        *channel = (fresh, count + 1);
        drop(channel);
        old.destroy()?;
        self.say_where(fresh, count + 1)
    }

    fn channel(&self) -> ChannelId {
        self.channel.lock().0
    }
}

/// What becomes of a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Goes,
    /// It ends, and another takes its place.
    Replace,
}

/// One thread that serves.
struct Serving<'a> {
    server: &'a Server,
    random: Random,
    inbox: Room,
    outbox: Room,
}

impl<'a> Serving<'a> {
    fn new(server: &'a Server, place: u64) -> Self {
        let name = server.number << 48 | server.life << 16 | place;
        let random = Random::of(!server.sizes.seed, name);
        Self { server, random, inbox: Room::of(ROOM), outbox: Room::new() }
    }

    /// Until it is to be replaced, or the process ends.
    fn serve(&mut self) -> Next {
        loop {
            let channel = self.server.channel();
            let has_deadline = !self.server.held.lock().is_empty();
            let armed =
                if has_deadline { message::timeout(states::RECEIVE, PATIENCE) } else { Ok(()) };
            let came = message::receive(channel.number(), self.inbox.place_mut());
            match came {
                Ok(received) => {
                    if self.one(&received) == Next::Replace {
                        return Next::Replace;
                    }
                }
                Err(errno) => {
                    let is_destroyed = self.server.channel() != channel;
                    if armed != Ok(()) || !rules::may_receive(errno, is_destroyed, has_deadline) {
                        let why = format_args!("to receive: {armed:?}, {errno}, {is_destroyed}");
                        wrong(Check::ResultAllowed, why);
                    }
                    self.answer_later(0);
                }
            }
        }
    }

    /// One message.
    fn one(&mut self, received: &Received) -> Next {
        let Received { id, copied, sent } = *received;
        let id = id.number();
        let got = &self.inbox.place()[..copied];
        let Some([MESSAGE, client, sequence, _]) = header(got) else {
            let why = format_args!("a message of {copied} of {sent} bytes");
            if sent == 0 {
                // A client that tries a dead connection sends nothing; ours is not dead.
                wrong(Check::ResultAllowed, why);
            } else {
                wrong(Check::MessageWhole, why);
            }
            self.give(message::error(id, Some(rules::REFUSAL)));
            return Next::Goes;
        };
        let due = letter(&self.server.sizes, client, sequence, sent);
        if copied != sent || due.sum(got).is_none() || !self.inbox.is_quiet_around(copied) {
            let why = format_args!("{sequence} of {client:#x}, {copied} of {sent} bytes");
            wrong(Check::MessageWhole, why);
        }
        self.inbox.calm(copied);
        let held = Held { id, client, sequence };
        match self.random.below(256) {
            0 => process::exit(0),
            1 => {
                if let Err(errno) = self.server.renew() {
                    wrong(Check::ResultAllowed, format_args!("another channel: {errno}"));
                }
                // Its client has heard already.
                self.answer(&held);
            }
            2..10 => self.give(message::error(id, Some(rules::REFUSAL))),
            10..30 => {
                self.server.held.lock().push(held);
                self.answer_later(LATER);
            }
            30..32 => {
                self.server.held.lock().push(held);
                return Next::Replace;
            }
            _ => self.answer(&held),
        }
        Next::Goes
    }

    /// Answers what waits, but for so many.
    fn answer_later(&mut self, kept: usize) {
        loop {
            let mut held = self.server.held.lock();
            if held.len() <= kept {
                return;
            }
            // Not in the order in which they came.
            let which = self.random.below(held.len() as u64) as usize;
            let one = held.swap_remove(which);
            drop(held);
            self.answer(&one);
        }
    }

    fn answer(&mut self, held: &Held) {
        let Held { id, client, sequence } = *held;
        let length = 32 + self.random.below(ROOM as u64 - 31) as usize;
        self.outbox.lay(0, length);
        answer(&self.server.sizes, client, sequence, length).write(self.outbox.place_mut());
        self.give(message::reply(id, 0, self.outbox.place()));
    }

    fn give(&self, came: Called<()>) {
        if !rules::may_answer(came) {
            wrong(Check::ResultAllowed, format_args!("to answer: {came:?}"));
        }
    }
}
