// SPDX-License-Identifier: Apache-2.0
//! Interrupt service threads that do all that is done with their drives: one for
//! each source, on one hart, with all drives that interrupt by it.
//!
//! A drive's level is down when all its completion queues are empty. So the
//! thread looks again after it has emptied them, until nothing comes: only then
//! may the source be unmasked (`interrupts::Interrupt`).

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use skimmer_abi::errno::Errno;
use skimmer_arch::time;
use skimmer_core::ids::ThreadId;
use skimmer_nvme::Error;
use skimmer_sync::once::Once;

use super::{super::spawn, Tally, failed, forever, required};
use crate::{
    interrupts::Interrupt,
    lwkt,
    nvme::{Drive, Parts},
};

/// Below what watches, and above the workloads: its device waits.
pub(super) const PRIORITY: u8 = 200;

/// Looks in a second at whether an interrupt should have come. An emulator whose
/// time jumps to the next deadline when all harts sleep has a second pass as a
/// drive works; many small jumps give the drive time.
pub(super) const LOOKS: u64 = 1_000;

/// Looks in a row, with nothing heard in between, after which drives are attended
/// to: a second's.
pub(super) const PATIENCE: u64 = LOOKS;

/// Of a second: how often it is looked whether drives are there and well.
const VISITS: u64 = 100;

/// Of a second: what an interrupt has to come in after its completion was seen.
/// One that comes later was lost.
pub(super) const GRACE: u64 = 10;

/// Of a second: the shortest rest of a thread that leaves its hart to others, and the
/// longest, for where the host takes a hart away its thread seems to work for long.
const SHORTEST_REST: u64 = 100;
const LONGEST_REST: u64 = 20;

/// What a thread does with one of its drives.
pub(super) trait Work: Send + 'static {
    /// The source of the drive's interrupts.
    fn source(&self) -> u32;
    /// The drive, and what came of it so far.
    fn drive(&mut self) -> (&mut Drive, &mut Tally);
    /// Begins commands, as many as may be in flight.
    fn begin(&mut self, goes_on: bool);
    /// Whether something is in flight.
    fn is_busy(&self) -> bool;
    /// Reads that were verified.
    fn reads(&self) -> u64;
    /// Looks at all that has ended.
    fn verify(&mut self);
    /// The drive does not recover: all its commands have ended.
    fn is_lost(&mut self, error: Error);
    /// Turns the drive off: what came of it.
    fn finish(self) -> Tally;

    /// Takes new completions out of the rings, and says how many there were.
    fn harvest(&mut self, by_interrupt: bool) -> usize {
        let (drive, tally) = self.drive();
        let found: usize = drive.parts().queues.iter_mut().map(|queue| queue.harvest()).sum();
        if by_interrupt {
            tally.by_interrupt += found as u64;
        }
        found
    }

    /// Whether there are new completions.
    fn has_news(&mut self) -> bool {
        self.drive().0.parts().queues.iter().any(|queue| queue.has_news())
    }

    /// Whether the controller is there and well.
    fn is_well(&mut self) -> bool {
        self.drive().0.parts().controller.health().is_ok()
    }

    /// No interrupt came in time, or the drive is not well. What is found now no
    /// interrupt has told of.
    fn attend(&mut self) {
        let (drive, tally) = self.drive();
        let Parts { controller, queues, .. } = drive.parts();
        match controller.attend(queues) {
            Ok(attended) => tally.missed += attended.found as u64,
            Err(error) => self.is_lost(error),
        }
        self.verify();
    }
}

/// Threads that work with drives.
pub(super) struct Reading {
    shared: &'static Shared,
    /// What came of each.
    tallies: &'static [Once<Tally>],
}

/// What they and whoever stops them share.
#[derive(Debug)]
struct Shared {
    /// Whether they stop when they have done their share.
    is_over: AtomicBool,
    /// Threads that have verified something, or have ended without.
    begun: AtomicU64,
    /// Reads that were verified.
    reads: AtomicU64,
}

impl Reading {
    /// Starts threads on the hart of that service thread.
    pub(super) fn start<W: Work>(works: Vec<W>, service: ThreadId, is_over: bool) -> Self {
        let shared = forever(Shared {
            is_over: AtomicBool::new(is_over),
            begun: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        });
        let threads = by_source(works);
        let tallies: &'static [Once<Tally>] =
            Box::leak(threads.iter().map(|_| Once::new()).collect());
        let collector = lwkt::current();
        let count = threads.len() as u64;
        for ((source, served), place) in threads.into_iter().zip(tallies) {
            let tally = required(Tally::new());
            let share = Share::of(count);
            let ist = Ist { source, served, shared, share, shown: 0, next_visit: 0, tally };
            let thread = spawn(service, "nvme-ist", PRIORITY, move || {
                let _ = place.set(Box::new(ist.run()));
                let _ = lwkt::call(collector, lwkt::message([0; 8]));
            });
            lwkt::schedule(thread);
        }
        Self { shared, tallies }
    }

    /// Waits until each has read, or has ended.
    pub(super) fn wait_begun(&self) {
        self.wait_until(|| self.shared.begun.load(Ordering::Relaxed) >= self.tallies.len() as u64);
    }

    /// Waits until that is so, or all have ended.
    pub(super) fn wait_until(&self, is_so: impl Fn() -> bool) {
        while !is_so() && self.tallies.iter().any(|place| place.get().is_none()) {
            lwkt::sleep_until(time::now() + time::ticks_per_second() / LOOKS);
        }
    }

    /// Reads so far.
    pub(super) fn count(&self) -> u64 {
        self.shared.reads.load(Ordering::Relaxed)
    }

    /// Stops them when their share is done: what came of it, and the messages
    /// that it took.
    pub(super) fn finish(self) -> (Tally, u64) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut sum = required(Tally::new());
        for _ in self.tallies {
            lwkt::reply(lwkt::receive(), 0);
        }
        self.tallies.iter().filter_map(Once::get).for_each(|tally| sum.add(tally));
        // Each was given a home, and told its end.
        (sum, 2 * self.tallies.len() as u64)
    }
}

/// The drives by their sources.
fn by_source<W: Work>(works: Vec<W>) -> Vec<(u32, Vec<Served<W>>)> {
    let mut threads: Vec<(u32, Vec<Served<W>>)> = Vec::new();
    for work in works {
        let source = work.source();
        let served = Served { work, heard: time::now() };
        match threads.iter_mut().find(|(other, _)| *other == source) {
            Some((_, all)) => all.push(served),
            None => threads.push((source, alloc::vec![served])),
        }
    }
    threads
}

/// A drive, and when it was last heard of.
struct Served<W> {
    work: W,
    heard: u64,
}

impl<W: Work> Served<W> {
    /// Whether something is in flight, and nothing was heard for long.
    fn is_silent(&self, now: u64) -> bool {
        let patience = time::ticks_per_second() / LOOKS * PATIENCE;
        self.work.is_busy() && now.saturating_sub(self.heard) >= patience
    }
}

/// What a thread that reads on beside others may take of its hart: with all that do so
/// there, half of it. It is more urgent than the others, who would never run where drives
/// are done before what was read last is verified. (They are where harts take turns:
/// little guest time goes by while a drive works.)
struct Share {
    /// Ticks that are to be left for each tick of work.
    rests: u64,
    /// When it began to work.
    since: u64,
    /// Ticks that are still to be left.
    due: u64,
}

impl Share {
    /// Of one of so many threads.
    fn of(threads: u64) -> Self {
        Self { rests: 2 * threads - 1, since: time::now(), due: 0 }
    }

    /// Work is done: leaves the hart, if much is due. Says since when it does not work.
    fn rest(&mut self, goes_on: bool) -> u64 {
        let now = time::now();
        let due = self.due + now.saturating_sub(self.since) * self.rests;
        self.due = due.min(time::ticks_per_second() / LONGEST_REST);
        if goes_on && self.due >= time::ticks_per_second() / SHORTEST_REST {
            lwkt::sleep_until(now + self.due);
        }
        now
    }

    /// Work goes on, after none since then.
    fn resume(&mut self, rested: u64) {
        self.since = time::now();
        self.due = self.due.saturating_sub(self.since.saturating_sub(rested));
    }
}

struct Ist<W> {
    source: u32,
    served: Vec<Served<W>>,
    shared: &'static Shared,
    share: Share,
    /// Reads that `shared` knows of.
    shown: u64,
    /// When it is looked at the drives next.
    next_visit: u64,
    tally: Tally,
}

impl<W: Work> Ist<W> {
    fn run(mut self) -> Tally {
        match Interrupt::attach(self.source) {
            Ok(interrupt) => self.serve(&interrupt),
            Err(_) => self.tally.errors = failed("a drive's source can be attached", false),
        }
        if self.shown == 0 {
            self.shared.begun.fetch_add(1, Ordering::Relaxed);
        }
        for served in self.served {
            self.tally.add(&served.work.finish());
        }
        self.tally
    }

    fn serve(&mut self, interrupt: &Interrupt) {
        loop {
            let goes_on = !self.shared.is_over.load(Ordering::Relaxed);
            let now = time::now();
            for Served { work, heard } in &mut self.served {
                if !work.is_busy() {
                    *heard = now;
                }
                work.begin(goes_on);
            }
            if !self.served.iter().any(|served| served.work.is_busy()) {
                return;
            }
            let rested = self.share.rest(goes_on);
            let came = interrupt.wait(Some(time::now() + time::ticks_per_second() / LOOKS));
            self.share.resume(rested);
            match came {
                Ok(()) => self.hear(),
                Err(Errno::ETIMEDOUT) => {}
                Err(_) => return,
            }
            if time::now() >= self.next_visit {
                self.visit(interrupt);
                self.next_visit = time::now() + time::ticks_per_second() / VISITS;
            }
        }
    }

    /// An interrupt came.
    fn hear(&mut self) {
        self.harvest(true);
        // The level is down once nothing came since the last look.
        while self.harvest(false) > 0 {}
        self.served.iter_mut().for_each(|served| served.work.verify());
        self.show();
    }

    /// Looks whether drives are there and well, and after those of which nothing
    /// was heard for long.
    fn visit(&mut self, interrupt: &Interrupt) {
        let busy = self.served.iter_mut().filter(|served| served.work.is_busy());
        busy.filter_map(|served| (!served.work.is_well()).then_some(&mut served.work))
            .for_each(Work::attend);
        let now = time::now();
        let mut silent = self.served.iter_mut().filter(|served| served.is_silent(now));
        if silent.any(|served| served.work.has_news())
            && interrupt.wait(Some(now + time::ticks_per_second() / GRACE)).is_ok()
        {
            // It was late, as whoever asked was early.
            return self.hear();
        }
        for served in self.served.iter_mut().filter(|served| served.is_silent(now)) {
            served.work.attend();
            served.heard = now;
        }
    }

    /// Shows how far it is.
    fn show(&mut self) {
        let reads = self.served.iter().map(|served| served.work.reads()).sum();
        if self.shown == 0 && reads > 0 {
            self.shared.begun.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.reads.fetch_add(reads - self.shown, Ordering::Relaxed);
        self.shown = reads;
    }

    fn harvest(&mut self, by_interrupt: bool) -> usize {
        let now = time::now();
        let mut sum = 0;
        for Served { work, heard } in &mut self.served {
            let found = work.harvest(by_interrupt);
            if found > 0 {
                *heard = now;
            }
            sum += found;
        }
        sum
    }
}
