// SPDX-License-Identifier: Apache-2.0
//! The first process's own channel: servers say where they are, clients what they
//! have done. Watches that all of them go on.

use alloc::vec::Vec;
use core::time::Duration;

use skimmer_rt::message::{self, Received, states};
use skimmer_rt::report::{Check, Report, report};
use skimmer_rt::{Errno, process, time};

use crate::histogram::Histogram;
use crate::note::{self, BILL, Bill, ENDED, HERE, LAST, RAN, TELL, WHERE};
use crate::sizes::{Address, Sizes};

/// The longest that a client may do without telling anything: of guest time, of which
/// a busy host makes much out of little work.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked.
const LOOK: u64 = 1_000_000_000;

/// Runs of `chanstorm` in a storm, at the most: on few harts both must get on, and on
/// an emulator's host there are few. In a small storm there are fewer.
const RUNS: u64 = 50;
const PAUSE: u64 = 200;

/// Looks in a row in which `chanstorm` may stand still: a host may.
const LOOKS: u64 = 20;

/// What came of a storm.
pub(crate) struct Collected {
    /// What clients told, all together.
    pub(crate) bill: Bill,
    /// What clients count, beside: their messages to each server; in a storm with
    /// deaths how calls ended.
    pub(crate) counts: Vec<u64>,
    /// Of round trips.
    pub(crate) times: Histogram,
    /// Runs of `chanstorm`, and the fewest between two looks.
    pub(crate) runs: u64,
    pub(crate) least: u64,
}

/// Who collects.
pub(crate) struct Collector {
    chid: u64,
    /// Where each server is, and how late it said so.
    servers: Vec<Option<(Address, u64)>>,
    /// Who asked for one that was not there yet.
    asking: Vec<(u64, u64)>,
    /// When each client told something, until it told all.
    heard: Vec<Option<Duration>>,
    /// When anything was heard that shows that the storm goes on.
    last: Duration,
    /// Whether those who wait for an answer may die.
    may_die: bool,
    beside: Beside,
    has_ended: bool,
    so_far: Collected,
}

/// `chanstorm`, as it is seen from here.
struct Beside {
    is_on: bool,
    /// Who waits until the storm has gone on.
    waiting: Option<u64>,
    /// Messages of the storm that were told, those when it ran last, and those when
    /// it was looked at.
    told: u64,
    told_then: u64,
    looked: u64,
    /// How many are between two looks, and between two runs at the least.
    step: u64,
    pause: u64,
    /// Runs at the last look, and looks in a row without one.
    runs_then: u64,
    still: u64,
    windows: u64,
}

impl Collector {
    /// At that channel, of clients that count so many things beside.
    pub(crate) fn new(sizes: &Sizes, chid: u64, counts: usize) -> Self {
        let now = time::now();
        let all = sizes.rounds * sizes.clients;
        let pause = (all / RUNS).max(PAUSE);
        // One that dies tells nothing.
        let heard = Some(now).filter(|_| sizes.deaths == 0);
        Self {
            chid,
            servers: alloc::vec![None; sizes.servers as usize],
            asking: Vec::new(),
            heard: alloc::vec![heard; sizes.clients as usize],
            last: now,
            may_die: sizes.deaths > 0,
            beside: Beside {
                is_on: sizes.chanstorm > 0,
                waiting: None,
                told: 0,
                told_then: 0,
                looked: 0,
                step: (sizes.step() * sizes.clients).max(pause),
                pause,
                runs_then: 0,
                still: 0,
                windows: 0,
            },
            has_ended: false,
            so_far: Collected {
                bill: Bill::default(),
                counts: alloc::vec![0; counts],
                times: Histogram::new(),
                runs: 0,
                least: 0,
            },
        }
    }

    /// Until all children have ended.
    pub(crate) fn collect(mut self) -> Collected {
        let mut buffer = alloc::vec![0; 16 * 1024];
        while !self.has_ended || self.beside.is_on {
            let armed = message::timeout(states::RECEIVE, LOOK);
            let received = message::receive(self.chid, &mut buffer);
            match (armed, received) {
                (Ok(()), Ok(received)) => self.take(received, &buffer[..received.copied]),
                (Ok(()), Err(Errno::ETIMEDOUT)) => {}
                (armed, received) => {
                    let why = format_args!("the collector: {armed:?}, {received:?}");
                    self.so_far.bill.fail(Check::ResultAllowed, why);
                    self.give_up()
                }
            }
            self.watch();
        }
        if self.beside.windows == 0 {
            // It was small.
            self.so_far.least = self.so_far.runs;
        }
        self.so_far
    }

    fn take(&mut self, received: Received, bytes: &[u8]) {
        let id = received.id.number();
        let mut words = note::words(bytes);
        let mut word = || words.next().unwrap_or_default();
        let (kind, number) = (word(), word());
        match kind {
            HERE => {
                let (address, age) = (Address { pid: word(), chid: word() }, word());
                if let Some(place) = self.servers.get_mut(number as usize)
                    && place.is_none_or(|(_, before)| before < age)
                {
                    *place = Some((address, age));
                }
                self.answer(id, &[]);
                let asking = core::mem::take(&mut self.asking);
                asking.into_iter().for_each(|(id, server)| self.say_where(id, server));
            }
            WHERE => self.say_where(id, number),
            TELL => {
                let (verified, errors, failed) = (word(), word(), word());
                self.hear(number, Some(time::now()));
                let told = Bill { verified, errors, failed, ..Bill::default() };
                self.add(&told);
                self.answer(id, &[]);
            }
            BILL => {
                self.hear(number, None);
                self.take_bill(number, words);
                self.answer(id, &[]);
            }
            RAN => {
                self.so_far.runs += 1;
                (self.beside.waiting, self.beside.told_then) = (Some(id), self.beside.told);
                self.wake_beside();
            }
            ENDED => {
                self.has_ended = true;
                self.last = time::now();
                self.answer(id, &[]);
                self.wake_beside();
            }
            LAST => {
                self.beside.is_on = false;
                self.answer(id, &[]);
            }
            kind => {
                let why = format_args!("a note of {kind:#x}");
                self.so_far.bill.fail(Check::MessageWhole, why);
                self.answer(id, &[]);
            }
        }
    }

    fn take_bill(&mut self, number: u64, mut words: impl Iterator<Item = u64>) {
        let bill = Bill::read(&mut words);
        let counts: Vec<u64> = words.by_ref().take(self.so_far.counts.len()).collect();
        let (Some(bill), Some(times)) = (bill, Histogram::of(words.collect())) else {
            let why = format_args!("the bill of client {number}");
            return self.so_far.bill.fail(Check::MessageWhole, why);
        };
        self.so_far.counts.iter_mut().zip(counts).for_each(|(sum, more)| *sum += more);
        self.so_far.times.merge(&times);
        self.add(&bill);
    }

    /// Where that server is, as soon as it is known.
    fn say_where(&mut self, id: u64, server: u64) {
        match self.servers.get(server as usize) {
            Some(Some((at, _))) => self.answer(id, &[at.pid, at.chid]),
            Some(None) => self.asking.push((id, server)),
            None => self.answer(id, &[0, 0]),
        }
    }

    fn answer(&mut self, id: u64, words: &[u64]) {
        let given = message::reply(id, 0, &note::bytes(words));
        let why = format_args!("an answer to a note: {given:?}");
        let is_dead = self.may_die && given == Err(Errno::ESRCH);
        self.so_far.bill.check(Check::ResultAllowed, given.is_ok() || is_dead, why);
    }

    fn hear(&mut self, client: u64, at: Option<Duration>) {
        self.last = time::now();
        if let Some(heard) = self.heard.get_mut(client as usize).filter(|_| !self.may_die) {
            *heard = at;
        }
    }

    /// Takes in what a client told, and tells what was verified: the kernel sees that
    /// there is progress.
    fn add(&mut self, told: &Bill) {
        self.so_far.bill.add(told);
        let verified = told.verified;
        if !self.may_die {
            let came = report(&Report { verified, ..Report::default() });
            let why = format_args!("report: {came:?}");
            self.so_far.bill.check(Check::ResultAllowed, came.is_ok(), why);
        }
        self.beside.told += verified;
        self.look_beside();
        self.wake_beside();
    }

    /// Whether `chanstorm` has run while the storm has gone on for a while.
    fn look_beside(&mut self) {
        let Self { beside, so_far, .. } = self;
        if !beside.is_on || beside.told - beside.looked < beside.step {
            return;
        }
        beside.looked = beside.told;
        let runs = so_far.runs - beside.runs_then;
        beside.still += 1;
        if runs == 0 && beside.still < LOOKS {
            return;
        }
        so_far.least = if beside.windows == 0 { runs } else { so_far.least.min(runs) };
        (beside.windows, beside.still, beside.runs_then) = (beside.windows + 1, 0, so_far.runs);
    }

    /// Lets `chanstorm` run again, if the storm has gone on since.
    fn wake_beside(&mut self) {
        let since = self.beside.told - self.beside.told_then;
        let is_due = self.has_ended || since >= self.beside.pause;
        if let Some(id) = self.beside.waiting.take_if(|_| is_due) {
            self.answer(id, &[u64::from(self.has_ended)]);
        }
    }

    /// Ends all of it if somebody hangs.
    fn watch(&mut self) {
        let now = time::now();
        let is_late = |heard: &Duration| now.saturating_sub(*heard) > PATIENCE;
        let client = self.heard.iter().position(|heard| heard.as_ref().is_some_and(is_late));
        if let Some(client) = client {
            let why = format_args!("client {client} tells nothing");
            self.so_far.bill.fail(Check::CallEnds, why);
            self.give_up()
        }
        if is_late(&self.last) {
            self.so_far.bill.fail(Check::CallEnds, format_args!("nobody tells anything"));
            self.give_up()
        }
    }

    /// All children end with us.
    fn give_up(&self) -> ! {
        let Bill { errors, failed, .. } = self.so_far.bill;
        let _ = report(&Report { errors, failed, ..Report::default() });
        process::exit(1)
    }
}
