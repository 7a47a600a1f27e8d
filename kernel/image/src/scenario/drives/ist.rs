// SPDX-License-Identifier: Apache-2.0
//! The interrupt service threads of `nvme-read`: one for each source, on one
//! hart, with all drives that interrupt by it.
//!
//! A drive's level is down when all its completion queues are empty. So the
//! thread looks again after it has emptied them, until nothing comes: only then
//! may the source be unmasked (`interrupts::Interrupt`).

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use skimmer_abi::errno::Errno;
use skimmer_arch::time;
use skimmer_core::ids::ThreadId;
use skimmer_sync::once::Once;

use super::{super::spawn, Disk, Tally, failed, forever, reader::Reader, required};
use crate::{interrupts::Interrupt, lwkt};

/// Below what watches, and above the workloads: its device waits.
pub(super) const PRIORITY: u8 = 200;

/// Looks in a second at whether an interrupt should have come. An emulator whose
/// time jumps to the next deadline when all harts sleep has a second pass as a
/// drive works; many small jumps give the drive time.
pub(super) const LOOKS: u64 = 1_000;

/// Looks in a row, with nothing heard in between, after which drives are attended
/// to: a second's.
pub(super) const PATIENCE: u64 = LOOKS;

/// Threads that read.
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
    /// Starts threads on the hart of that service thread: at least so many reads,
    /// each drive its share of them.
    pub(super) fn start(
        seed: u64,
        disks: Vec<Disk>,
        service: ThreadId,
        reads: u64,
        is_over: bool,
    ) -> Self {
        let shared = forever(Shared {
            is_over: AtomicBool::new(is_over),
            begun: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        });
        let threads = by_source(seed, disks, reads);
        let tallies: &'static [Once<Tally>] =
            Box::leak(threads.iter().map(|_| Once::new()).collect());
        let collector = lwkt::current();
        for ((source, readers), place) in threads.into_iter().zip(tallies) {
            let tally = required(Tally::new());
            let ist = Ist { source, readers, shared, shown: 0, tally };
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
        while self.shared.begun.load(Ordering::Relaxed) < self.tallies.len() as u64 {
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

/// The drives by their sources, each with its share of the reads.
fn by_source(seed: u64, disks: Vec<Disk>, reads: u64) -> Vec<(u32, Vec<Reader>)> {
    let count = disks.len() as u64;
    let mut threads: Vec<(u32, Vec<Reader>)> = Vec::new();
    for (disk, place) in disks.into_iter().zip(0..) {
        let source = disk.source;
        let share = reads / count + u64::from(place < reads % count);
        let reader = required(Reader::new(disk, seed, share));
        match threads.iter_mut().find(|(other, _)| *other == source) {
            Some((_, readers)) => readers.push(reader),
            None => threads.push((source, alloc::vec![reader])),
        }
    }
    threads
}

struct Ist {
    source: u32,
    readers: Vec<Reader>,
    shared: &'static Shared,
    /// Reads that `shared` knows of.
    shown: u64,
    tally: Tally,
}

impl Ist {
    fn run(mut self) -> Tally {
        match Interrupt::attach(self.source) {
            Ok(interrupt) => self.serve(&interrupt),
            Err(_) => self.tally.errors = failed("a drive's source can be attached", false),
        }
        if self.shown == 0 {
            self.shared.begun.fetch_add(1, Ordering::Relaxed);
        }
        for reader in self.readers {
            self.tally.add(&reader.finish());
        }
        self.tally
    }

    fn serve(&mut self, interrupt: &Interrupt) {
        let mut quiet = 0;
        loop {
            let goes_on = !self.shared.is_over.load(Ordering::Relaxed);
            self.readers.iter_mut().for_each(|reader| reader.read_on(goes_on));
            if !self.readers.iter().any(Reader::is_busy) {
                return;
            }
            match interrupt.wait(Some(time::now() + time::ticks_per_second() / LOOKS)) {
                Ok(()) => quiet = 0,
                Err(Errno::ETIMEDOUT) => {
                    quiet += 1;
                    if quiet % PATIENCE == 0 {
                        self.readers.iter_mut().for_each(Reader::attend);
                        self.readers.iter_mut().for_each(Reader::verify);
                    }
                    continue;
                }
                Err(_) => return,
            }
            self.harvest(true);
            // The level is down once nothing came since the last look.
            while self.harvest(false) > 0 {}
            self.readers.iter_mut().for_each(Reader::verify);
            self.show();
        }
    }

    /// Shows how far it is.
    fn show(&mut self) {
        let reads = self.readers.iter().map(Reader::reads).sum();
        if self.shown == 0 && reads > 0 {
            self.shared.begun.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.reads.fetch_add(reads - self.shown, Ordering::Relaxed);
        self.shown = reads;
    }

    fn harvest(&mut self, by_interrupt: bool) -> usize {
        self.readers.iter_mut().map(|reader| reader.harvest(by_interrupt)).sum()
    }
}
