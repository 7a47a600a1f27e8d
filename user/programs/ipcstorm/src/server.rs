// SPDX-License-Identifier: Apache-2.0
//! A server: one channel, and one or several threads that receive from it. Each knows
//! what every client sends it, in which order, and checks that it came.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::message::{self, Received, ReplyReceiveError};
use skimmer_rt::random::Random;
use skimmer_rt::report::Check;
use skimmer_rt::{Args, Errno, Lock, Result as Called, env, process, thread};

use crate::letter;
use crate::note::{self, Bill, HELLO, HERE, STOP};
use crate::plan::{Answer, Plan, Step};
use crate::room::Room;
use crate::sizes::{Address, MOST, Sizes};

/// What threads that receive begin with: less than any client has.
const LOW: u8 = 10;

/// What threads keep whose channel leaves them their priority.
const FIXED: u8 = 95;

/// The first process's, and so the highest of any.
const HIGHEST: u8 = 100;

/// A client as a server knows it.
struct Known {
    pid: AtomicU64,
    /// What it has not sent yet.
    plan: Lock<Plan>,
}

/// What the threads of one server share.
struct Server {
    number: u64,
    chid: u64,
    is_fixed: bool,
    room: usize,
    seed: u64,
    clients: Vec<Known>,
}

pub(crate) fn run(sizes: &Sizes, args: Args) -> Result<(), String> {
    let said = |errno: Errno| errno.to_string();
    let number = args.number("number", 0).map_err(|bad| bad.to_string())?;
    let home = Address::all(args, "home")?.into_iter().next().ok_or("no home")?;
    let is_fixed = sizes.is_fixed(number);
    let flags = if is_fixed { ChannelFlags::FIXED_PRIORITY } else { ChannelFlags::NONE };
    let channel = Channel::create(flags).map_err(said)?;
    let known = |client| Known { pid: AtomicU64::new(0), plan: Lock::new(Plan::of(sizes, client)) };
    let server = Arc::new(Server {
        number,
        chid: channel.id().number(),
        is_fixed,
        room: sizes.room(number),
        seed: sizes.seed,
        clients: (0..sizes.clients).map(known).collect(),
    });
    let start = |place: u64| {
        let server = Arc::clone(&server);
        let priority = if is_fixed { FIXED } else { LOW };
        let hart = (number + place) % env::harts();
        let builder = thread::Builder::new().priority(priority).hart(hart);
        builder.spawn(move || Serving::new(&server, place).serve())
    };
    let threads: Vec<_> = (0..sizes.threads).map(start).collect::<Called<_>>().map_err(said)?;
    let here = [HERE, number, process::id().map_err(said)?.number(), server.chid, 1];
    let told = Connection::attach(home.pid, home.chid).and_then(|home| {
        home.send(&note::bytes(&here), &mut [])?;
        home.detach()
    });
    told.map_err(|errno| format!("server {number} cannot say where it is: {errno}"))?;
    for thread in threads {
        thread.join().map_err(said)?;
    }
    channel.destroy().map_err(said)
}

/// One thread that serves.
struct Serving<'a> {
    server: &'a Server,
    random: Random,
    bill: Bill,
    inbox: Room,
    outbox: Room,
}

/// How a message is answered.
enum Given {
    /// With the content of the outbox.
    Letter(i64),
    Refusal(Option<Errno>),
    /// Not at all: it cannot be known.
    Unknown,
}

impl<'a> Serving<'a> {
    fn new(server: &'a Server, place: u64) -> Self {
        let random = Random::of(!server.seed, server.number << 16 | place);
        let (inbox, outbox) = (Room::of(server.room), Room::new());
        Self { server, random, bill: Bill::default(), inbox, outbox }
    }

    /// Until it is told to stop.
    fn serve(mut self) {
        let chid = self.server.chid;
        let mut next = message::receive(chid, self.inbox.place_mut());
        loop {
            let received = match next {
                Ok(received) => received,
                Err(errno) => {
                    // Nobody hears of it: the process fails.
                    self.bill.fail(Check::ResultAllowed, format_args!("to receive: {errno}"));
                    process::exit(1)
                }
            };
            let id = received.id.number();
            let header = letter::header(&self.inbox.place()[..received.copied]);
            next = match header {
                Some([HELLO, client, ..]) => {
                    self.meet(id, client);
                    self.inbox.calm(received.copied);
                    self.give(id, &Given::Letter(0))
                }
                Some([STOP, ..]) => {
                    let bill = note::bytes(&self.bill.to_words());
                    if let Err(errno) = message::reply(id, 0, &bill) {
                        self.bill.fail(Check::ResultAllowed, format_args!("the bill: {errno}"));
                    }
                    return;
                }
                _ => {
                    let given = self.one(&received, header);
                    self.give(id, &given)
                }
            };
        }
    }

    /// A client's first message: who sends it is known from now on.
    fn meet(&mut self, id: u64, client: u64) {
        self.outbox.lay(0, 0);
        let info = message::info(id);
        let known = self.server.clients.get(client as usize);
        let (Ok(info), Some(known)) = (info, known) else {
            self.bill.fail(Check::InfoRight, format_args!("hello of {client}: {info:?}"));
            return;
        };
        let before = known.pid.swap(info.pid, Ordering::Relaxed);
        self.bill.check(Check::InOrder, before == 0, format_args!("hello of {client} again"));
    }

    /// One message: checks it, and makes the answer.
    fn one(&mut self, received: &Received, header: Option<[u64; letter::HEADER]>) -> Given {
        let priority = thread::priority();
        let server = self.server;
        let by_header = header.filter(|header| header[0] == letter::MESSAGE);
        let client = match by_header {
            Some([_, client, ..]) if self.random.below(8) > 0 => client,
            by_header => match self.who(received, by_header.map(|[_, client, ..]| client)) {
                Some(client) => client,
                None => return Given::Unknown,
            },
        };
        let Some(known) = server.clients.get(client as usize) else {
            self.bill.fail(Check::MessageWhole, format_args!("there is no client {client}"));
            return Given::Unknown;
        };
        let step = known.plan.lock().next_to(server.number);
        let errors = self.bill.errors;
        self.content(received, &step, client);
        self.urgency(priority, &step);
        let given = self.answer(&step);
        self.urgency(thread::priority(), &step);
        self.inbox.calm(received.copied);
        self.bill.messages += 1;
        self.bill.verified += u64::from(errors == self.bill.errors);
        given
    }

    /// Who has sent it, by what the kernel knows.
    fn who(&mut self, received: &Received, by_header: Option<u64>) -> Option<u64> {
        let info = match message::info(received.id.number()) {
            Ok(info) => info,
            Err(errno) => {
                self.bill.fail(Check::InfoRight, format_args!("info: {errno}"));
                return None;
            }
        };
        let clients = &self.server.clients;
        let found = clients.iter().position(|it| it.pid.load(Ordering::Relaxed) == info.pid);
        let client = found.map(|place| place as u64);
        let (copied, sent) = (received.copied as u64, received.sent as u64);
        let is_right = client.is_some()
            && by_header.is_none_or(|number| Some(number) == client)
            && (info.msglen, info.srcmsglen) == (copied, sent)
            && info.chid == self.server.chid;
        let why = format_args!("client {client:?}, by its header {by_header:?}: {info:?}");
        self.bill.check(Check::InfoRight, is_right, why);
        client
    }

    /// Checks what came, and that nothing else was written.
    fn content(&mut self, received: &Received, step: &Step, client: u64) {
        let Self { bill, inbox, server, .. } = self;
        let Received { copied, sent, .. } = *received;
        let name = format_args!("message {} of client {client}", step.sequence);
        let is_due = sent == step.length && copied == step.length.min(server.room);
        let why = format_args!("{name}: {copied} of {sent} bytes, {} were due", step.length);
        bill.check(Check::InOrder, is_due, why);
        let sum = step.message().sum(&inbox.place()[..copied]);
        bill.check(Check::MessageWhole, sum.is_some(), format_args!("{name}"));
        let is_quiet = inbox.is_quiet_around(copied);
        bill.check(Check::BytesAround, is_quiet, format_args!("{name}, at the server"));
        bill.digest = bill.digest.wrapping_add(step.digest(sum.unwrap_or(0)));
    }

    /// Checks our own priority, which is the client's, or that of somebody more
    /// urgent who waits.
    fn urgency(&mut self, priority: Called<u8>, step: &Step) {
        let due = step.priority;
        let is_right = match priority {
            Ok(priority) if self.server.is_fixed => priority == FIXED,
            Ok(priority) => due <= priority && priority <= HIGHEST,
            Err(_) => false,
        };
        self.bill.looks += u64::from(!self.server.is_fixed);
        self.bill.exact += u64::from(!self.server.is_fixed && priority == Ok(due));
        let why = format_args!("{priority:?} for a client of {due}");
        self.bill.check(Check::Inherits, is_right, why);
    }

    /// The answer that is due, in the outbox if it is one.
    fn answer(&mut self, step: &Step) -> Given {
        match step.answer {
            Answer::Letter => {
                self.outbox.lay(step.offset(2), step.answer_length);
                step.reply().write(self.outbox.place_mut());
                Given::Letter(step.status())
            }
            Answer::Refusal(errno) => Given::Refusal(Some(errno)),
            Answer::Nothing => Given::Refusal(None),
        }
    }

    /// Answers, and receives the next.
    fn give(&mut self, id: u64, given: &Given) -> Called<Received> {
        let chid = self.server.chid;
        let given = match *given {
            Given::Letter(status) if self.random.below(2) == 0 => {
                let (answer, into) = (self.outbox.place(), self.inbox.place_mut());
                let came = message::reply_receive(id, status, answer, chid, into);
                self.outbox.trim();
                match came {
                    Ok(received) => return Ok(received),
                    Err(ReplyReceiveError::Receive(errno)) => return Err(errno),
                    Err(ReplyReceiveError::Reply(errno)) => Err(errno),
                }
            }
            Given::Letter(status) => message::reply(id, status, self.outbox.place()),
            Given::Refusal(errno) => message::error(id, errno),
            Given::Unknown => message::error(id, Some(Errno::ENOTSUP)),
        };
        self.outbox.trim();
        self.bill.check(Check::ResultAllowed, given.is_ok(), format_args!("to answer: {given:?}"));
        debug_assert!(self.inbox.place().len() <= MOST, "nobody sends more");
        message::receive(chid, self.inbox.place_mut())
    }
}
