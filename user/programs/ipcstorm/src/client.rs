// SPDX-License-Identifier: Apache-2.0
//! A client: sends what its plan says, and checks what comes back, and that nothing
//! else was written.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use skimmer_rt::connection::Connection;
use skimmer_rt::digest::Digest;
use skimmer_rt::report::Check;
use skimmer_rt::{Args, Errno, Result as Called, thread, time};

use crate::histogram::Histogram;
use crate::note::{self, BILL, Bill, HELLO, TELL};
use crate::plan::{Answer, Plan, Step};
use crate::room::Room;
use crate::sizes::{Address, Sizes};

/// The longest message, and the longest answer, of a round trip whose time is told:
/// of others that of copying would be told.
const SHORT: usize = 4096;

/// One client.
struct Client {
    number: u64,
    home: Connection,
    servers: Vec<Connection>,
    /// Messages to each server.
    sent: Vec<u64>,
    bill: Bill,
    digest: Digest,
    times: Histogram,
    message: Room,
    reply: Room,
}

pub(crate) fn run(sizes: &Sizes, args: Args) -> Result<(), String> {
    let said = |errno: Errno| errno.to_string();
    let number = args.number("number", 0).map_err(|bad| bad.to_string())?;
    let attach = |at: Address| Connection::attach(at.pid, at.chid);
    let home = Address::all(args, "home")?.into_iter().next().map(attach);
    let home = home.ok_or("no home")?.map_err(said)?;
    let servers = Address::all(args, "at")?.into_iter().map(attach);
    let servers: Vec<Connection> = servers.collect::<Called<_>>().map_err(said)?;
    if servers.len() as u64 != sizes.servers {
        return Err(format!("{} servers of {}", servers.len(), sizes.servers));
    }
    let mut client = Client {
        number,
        home,
        sent: alloc::vec![0; servers.len()],
        servers,
        bill: Bill::default(),
        digest: Digest::new(),
        times: Histogram::new(),
        message: Room::new(),
        reply: Room::new(),
    };
    client.greet();
    client.storm(sizes).map_err(said)?;
    client.settle().map_err(said)
}

impl Client {
    fn greet(&mut self) {
        let hello = note::bytes(&[HELLO, self.number, 0, 0]);
        for server in &self.servers {
            let came = server.send(&hello, &mut []);
            let is_good = came == Ok(0);
            self.bill.check(Check::ResultAllowed, is_good, format_args!("hello: {came:?}"));
        }
    }

    fn storm(&mut self, sizes: &Sizes) -> Called<()> {
        let mut plan = Plan::of(sizes, self.number);
        let mut priority = 0;
        for sequence in 1..=sizes.rounds {
            let step = plan.next();
            if step.priority != priority {
                priority = step.priority;
                thread::set_priority(priority)?;
            }
            let is_good = self.one(&step);
            self.bill.verified += u64::from(is_good);
            if sequence % sizes.step() == 0 {
                self.tell()?;
            }
        }
        Ok(())
    }

    /// One message. Whether all of it was right.
    fn one(&mut self, step: &Step) -> bool {
        self.message.lay(step.offset(0), step.length);
        step.message().write(self.message.place_mut());
        self.reply.lay(step.offset(1), step.room);
        let connection = &self.servers[step.server as usize];
        let since = time::now();
        let came = connection.send(self.message.place(), self.reply.place_mut());
        let took = time::now() - since;
        if step.length <= SHORT && step.answer_length <= SHORT {
            self.times.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        self.sent[step.server as usize] += 1;
        self.bill.messages += 1;
        let is_good = self.judge(step, came);
        self.message.trim();
        self.reply.trim();
        is_good
    }

    fn judge(&mut self, step: &Step, came: Called<i64>) -> bool {
        let Self { bill, digest, reply, message, .. } = self;
        let sequence = step.sequence;
        let (due, written) = match step.answer {
            Answer::Letter => (Ok(step.status()), step.answer_length.min(step.room)),
            Answer::Refusal(errno) => (Err(errno), 0),
            Answer::Nothing => (Ok(0), 0),
        };
        let name = format_args!("message {sequence} of client {}", self.number);
        let is_due = bill.check(
            Check::ResultAllowed,
            came == due,
            format_args!("{name}: {came:?}, {due:?} was due"),
        );
        let sum = step.reply().sum(&reply.place()[..written]);
        let is_whole = bill.check(
            Check::MessageWhole,
            sum.is_some(),
            format_args!("{name}: its answer of {written} bytes"),
        );
        let is_quiet = reply.is_quiet_behind(written)
            && reply.is_quiet_around(reply.place().len())
            && message.is_quiet_around(step.length);
        let is_quiet =
            bill.check(Check::BytesAround, is_quiet, format_args!("{name}, at the client"));
        digest.add(sequence);
        digest.add(sum.unwrap_or(0));
        is_due && is_whole && is_quiet
    }

    /// Tells what was verified since it told last.
    fn tell(&mut self) -> Called<()> {
        let Bill { verified, errors, failed, .. } = self.bill;
        let told = note::bytes(&[TELL, self.number, verified, errors, failed]);
        self.home.send(&told, &mut [])?;
        (self.bill.verified, self.bill.errors) = (0, 0);
        Ok(())
    }

    /// Tells the rest.
    fn settle(mut self) -> Called<()> {
        self.bill.digest = self.digest.value();
        let mut words = alloc::vec![BILL, self.number];
        words.extend(self.bill.to_words());
        words.extend(&self.sent);
        words.extend(self.times.words());
        self.home.send(&note::bytes(&words), &mut [])?;
        Ok(())
    }
}
