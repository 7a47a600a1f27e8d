// SPDX-License-Identifier: Apache-2.0
//! One life of a client: calls to servers that may die, on a connection that a second
//! thread may give up, some with a deadline.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use skimmer_rt::connection::{Connection, ConnectionId};
use skimmer_rt::message::{self, states};
use skimmer_rt::random::Random;
use skimmer_rt::report::Check;
use skimmer_rt::{Args, Errno, Lock, Result as Called, env, thread, time};

use super::kinds::Kind;
use super::rules::{self, Done};
use super::sleeper::Sleeper;
use super::{answer, message as letter, wrong};
use crate::histogram::Histogram;
use crate::note::{self, BILL, Bill, TELL, WHERE};
use crate::room::Room;
use crate::sizes::{Address, Sizes};

/// The most bytes of a message, and of an answer. Each has a header.
const LONGEST: u64 = 4096;
const SHORTEST: u64 = 32;

/// The longest deadline of a call.
const DEADLINE: u64 = 3_000_000;

/// The longest pause of the thread that gives connections up.
const PAUSE: u64 = 40_000_000;

/// A pause before a server that is dead is asked for again.
const AGAIN: u64 = 500_000;

/// A connection that two threads have. Who takes its name out gives it up, or goes on
/// with it; the other does neither.
#[derive(Debug)]
struct Shared {
    connection: Lock<Option<ConnectionId>>,
    is_over: AtomicBool,
}

impl Shared {
    fn take(&self) -> Option<ConnectionId> {
        self.connection.lock().take()
    }

    fn put(&self, connection: ConnectionId) {
        *self.connection.lock() = Some(connection);
    }
}

struct Client {
    sizes: Sizes,
    /// Its place among the clients, and in which life.
    slot: u64,
    name: u64,
    home: Connection,
    shared: Arc<Shared>,
    random: Random,
    bill: Bill,
    kinds: [u64; Kind::ALL.len()],
    times: Histogram,
    message: Room,
    reply: Room,
    sleeper: Sleeper,
}

pub(crate) fn run(sizes: &Sizes, args: Args) -> Result<(), String> {
    let said = |errno: Errno| errno.to_string();
    let number = |key| args.number(key, 0_u64).map_err(|bad| bad.to_string());
    let (slot, life) = (number("number")?, number("life")?);
    let home = Address::all(args, "home")?.into_iter().next().ok_or("no home")?;
    let name = slot << 16 | life;
    let (connection, is_over) = (Lock::new(None), AtomicBool::new(false));
    let shared = Arc::new(Shared { connection, is_over });
    let other = Arc::clone(&shared);
    let hart = (name + 1) % env::harts();
    let random = Random::of(sizes.seed, !name);
    let detacher = thread::Builder::new().hart(hart).spawn(move || detach(&other, random));
    let detacher = detacher.map_err(said)?;
    let client = Client {
        sizes: *sizes,
        slot,
        name,
        home: Connection::attach(home.pid, home.chid).map_err(said)?,
        shared: Arc::clone(&shared),
        random: Random::of(sizes.seed, name),
        bill: Bill::default(),
        kinds: [0; Kind::ALL.len()],
        times: Histogram::new(),
        message: Room::new(),
        reply: Room::new(),
        sleeper: Sleeper::new().map_err(said)?,
    };
    let lived = client.live().map_err(said);
    shared.is_over.store(true, Ordering::Relaxed);
    detacher.join().map_err(said)?;
    lived
}

/// Gives the other thread's connection up, now and then.
fn detach(shared: &Shared, mut random: Random) {
    let sleeper = match Sleeper::new() {
        Ok(sleeper) => sleeper,
        Err(errno) => return wrong(Check::ResultAllowed, format_args!("a channel: {errno}")),
    };
    while !shared.is_over.load(Ordering::Relaxed) {
        sleeper.sleep(random.below(PAUSE));
        if let Some(connection) = shared.take() {
            give_up(connection);
        }
    }
}

/// Gives a connection up, which is there: a dead one stays until then.
fn give_up(connection: ConnectionId) {
    let came = connection.detach();
    if came != Ok(()) {
        wrong(Check::ResultAllowed, format_args!("to detach: {came:?}"));
    }
}

impl Client {
    fn live(mut self) -> Called<()> {
        let calls = (self.sizes.rounds / self.sizes.deaths).max(1);
        for sequence in 0..calls {
            let connection = match self.shared.take() {
                Some(connection) => connection,
                None => self.attach()?,
            };
            self.call(connection, sequence);
            if (sequence + 1) % self.sizes.step() == 0 {
                self.tell()?;
            }
            if self.random.below(8) == 0 {
                thread::set_priority(50 + 10 * self.random.below(6) as u8)?;
            }
        }
        if let Some(connection) = self.shared.take() {
            give_up(connection);
        }
        self.settle()
    }

    /// A connection to some server that is alive, or was.
    fn attach(&mut self) -> Called<ConnectionId> {
        loop {
            let server = self.random.below(self.sizes.servers);
            let mut at = [0; 2 * size_of::<u64>()];
            self.home.send(&note::bytes(&[WHERE, server]), &mut at)?;
            let mut words = note::words(&at);
            let (pid, chid) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
            match Connection::attach(pid, chid) {
                Ok(connection) => return Ok(connection.into_id()),
                Err(errno) if rules::may_attach(errno) => self.sleeper.sleep(AGAIN),
                Err(errno) => {
                    wrong(Check::ResultAllowed, format_args!("to attach: {errno}"));
                    return Err(errno);
                }
            }
        }
    }

    /// One call on a connection that is ours until others may give it up.
    fn call(&mut self, connection: ConnectionId, sequence: u64) {
        let length = SHORTEST + self.random.below(LONGEST - SHORTEST + 1);
        let sent = letter(&self.sizes, self.name, sequence, length as usize);
        self.message.lay(0, length as usize);
        sent.write(self.message.place_mut());
        self.reply.lay(0, LONGEST as usize);
        let deadline = (self.random.below(8) == 0).then(|| {
            let states = [states::SEND, states::REPLY, states::SEND | states::REPLY];
            (states[self.random.below(3) as usize], self.random.below(DEADLINE))
        });
        let since = time::now();
        self.shared.put(connection);
        // Nothing may come between a deadline and its call.
        let armed = deadline.map_or(Ok(()), |(states, nanos)| message::timeout(states, nanos));
        let came = message::send(connection.number(), self.message.place(), self.reply.place_mut());
        let is_detached = self.shared.take().is_none();
        let took = time::now() - since;
        if armed != Ok(()) {
            wrong(Check::ResultAllowed, format_args!("a deadline: {armed:?}"));
        }
        let done = Done { has_deadline: deadline.is_some(), is_detached };
        let Some(kind) = rules::kind(done, came) else {
            let why = format_args!("call {sequence} of {:#x}: {done:?}, {came:?}", self.name);
            return wrong(Check::ResultAllowed, why);
        };
        self.kinds[kind as usize] += 1;
        self.bill.messages += 1;
        self.bill.verified += 1;
        self.judge(kind, sequence);
        if kind == Kind::Answered {
            self.times.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        if is_detached {
            return;
        }
        if rules::is_alive(kind) {
            self.shared.put(connection);
        } else {
            self.leave(connection, kind);
        }
    }

    /// What came back.
    fn judge(&self, kind: Kind, sequence: u64) {
        let name = format_args!("call {sequence} of {:#x}, {kind:?}", self.name);
        let reply = &self.reply;
        let written = if kind == Kind::Answered {
            let length = crate::letter::header(reply.place()).map_or(0, |header| header[3]);
            let length = (length as usize).min(reply.place().len());
            let due = answer(&self.sizes, self.name, sequence, length);
            let is_whole = length as u64 >= SHORTEST && due.sum(&reply.place()[..length]).is_some();
            if !is_whole {
                wrong(Check::MessageWhole, format_args!("{name}: {length} bytes"));
            }
            length
        } else {
            0
        };
        let is_quiet = reply.is_quiet_around(reply.place().len())
            && reply.is_quiet_behind(written)
            && self.message.is_quiet_around(self.message.place().len());
        // What was being written as it died is not known.
        if !is_quiet && matches!(kind, Kind::Answered | Kind::Refused | Kind::Gone) {
            wrong(Check::BytesAround, name);
        }
    }

    /// A connection that leads nowhere any more: it stays dead until it is given up.
    fn leave(&mut self, connection: ConnectionId, kind: Kind) {
        if self.random.below(2) == 0 {
            let again = message::send(connection.number(), &[], &mut []);
            if !rules::may_still_be_dead(kind, again) {
                wrong(Check::ResultAllowed, format_args!("after {kind:?}: {again:?}"));
            }
        }
        give_up(connection);
    }

    /// Tells what was done since it told last.
    fn tell(&mut self) -> Called<()> {
        let told = note::bytes(&[TELL, self.slot, self.bill.verified, 0, 0]);
        self.home.send(&told, &mut [])?;
        self.bill.verified = 0;
        Ok(())
    }

    /// Tells the rest.
    fn settle(self) -> Called<()> {
        let mut words = alloc::vec![BILL, self.slot];
        words.extend(self.bill.to_words());
        words.extend(self.kinds);
        words.extend(self.times.words());
        self.home.send(&note::bytes(&words), &mut [])?;
        Ok(())
    }
}
