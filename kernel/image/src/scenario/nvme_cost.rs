// SPDX-License-Identifier: Apache-2.0
//! `nvme-read` with `load=busy`: what a read of 4 KiB costs the kernel, in
//! instructions, for `cargo xtask bench`.
//!
//! An interrupt service thread reads one unit at a time. It submits the command,
//! lets the drive have its time without leaving the hart, and waits for the
//! interrupt, which then comes at once. Counted is what the kernel does: command,
//! PRP and doorbell; the wait, and the switch to a less urgent thread, which is
//! there so that the hart does not sleep; trap, claim, mask, post, switch,
//! completion, doorbell, the second look, and the buffer that comes back. The
//! drive's own time is in between, so it does not count, however long it is. If
//! the drive needed longer, the less urgent thread has run, and the read does not
//! count; nor does it if an interrupt came with nothing to do.

use alloc::{boxed::Box, vec, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use skimmer_abi::{
    call::Counts,
    disk::{self, Stamp},
    random::Order,
    record::{Drives, Interrupts, Latency, Record},
};
use skimmer_arch::{console, cpu, time};
use skimmer_core::{cmdline::CommandLine, histogram::Histogram, ids::ThreadId};
use skimmer_nvme::{Completion, Dma, Extent, Namespace, PAGE_SIZE, Request};
use skimmer_sync::once::Once;

use super::{Report, announce, drives::seen::Seen, failed, mix, spawn, sum};
use crate::{
    interrupts::Interrupt,
    lwkt,
    nvme::{Drive, Frames, Transfer},
    process::counts,
    smp,
};

/// Reads, unless the command line says otherwise.
const READS: u64 = 500;

/// Of the thread that reads: as in `nvme-read`.
const PRIORITY: u8 = 200;

/// Of the thread that has the hart meanwhile.
const BUSY_PRIORITY: u8 = 20;

/// Seconds after which an interrupt that has not come will not.
const PATIENCE: u64 = 5;

/// What the drive gets before the wait begins: a 5,000th of a second.
const DRIVES_TIME: u64 = 5_000;

/// Words of a unit.
const WORDS: usize = PAGE_SIZE / size_of::<u64>();

/// What the two threads share.
#[derive(Debug, Default)]
struct Meanwhile {
    /// Whether the less urgent one has run.
    has_run: AtomicBool,
    is_over: AtomicBool,
}

impl Meanwhile {
    /// The less urgent thread.
    fn run(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            self.has_run.store(true, Ordering::Relaxed);
        }
    }
}

pub(super) fn run(line: &CommandLine<'_>, drives: Vec<Drive>) -> Report {
    let &[service] = smp::services() else {
        crate::refuse(&"scenario=nvme-read with load=busy needs a machine of one hart");
    };
    let Some(disk) = Disk::find(line, drives) else {
        crate::refuse(&"the scenario needs a test disk");
    };
    let reads = line.rounds.unwrap_or(READS);
    announce(line, 1, reads);
    let interrupts = || sum(|hart| &hart.interrupts, |_| true);
    let strays = || sum(|hart| &hart.stray_interrupts, |_| true);
    let before = (interrupts(), strays());
    let meanwhile: &'static Meanwhile = Box::leak(Box::default());
    start(service, "busy", BUSY_PRIORITY, || meanwhile.run());
    let place: &'static Once<Tally> = Box::leak(Box::new(Once::new()));
    let seed = line.seed;
    start(service, "nvme-ist", PRIORITY, move || {
        let _ = place.set(Box::new(Reads::new(disk, meanwhile).run(reads, seed)));
        meanwhile.is_over.store(true, Ordering::Relaxed);
    });
    for _ in 0..2 {
        lwkt::reply(lwkt::receive(), 0);
    }
    let Some(tally) = place.get() else {
        return Report { errors: failed("the reads were made", false), ..Report::default() };
    };
    Report {
        verified: tally.verified,
        errors: tally.errors,
        // Each thread is given a home, and tells its end.
        messages: Some(4),
        interrupts: Some(Interrupts {
            hartid: cpu::harts()[service.home().index()].hartid(),
            here: interrupts() - before.0,
            elsewhere: 0,
            stray: strays() - before.1,
        }),
        drives: Some(tally.told()),
        ..Report::default()
    }
}

/// A thread that tells its end.
fn start(
    service: ThreadId,
    name: &'static str,
    priority: u8,
    entry: impl FnOnce() + Send + 'static,
) {
    let collector = lwkt::current();
    let thread = spawn(service, name, priority, move || {
        entry();
        let _ = lwkt::call(collector, lwkt::message([0; 8]));
    });
    lwkt::schedule(thread);
}

/// The test disk that is read.
struct Disk {
    drive: Drive,
    namespace: Namespace,
    source: u32,
    /// What its blocks state.
    seed: u64,
}

impl Disk {
    /// The first that can be read; all others are turned off.
    fn find(line: &CommandLine<'_>, drives: Vec<Drive>) -> Option<Self> {
        let mut found = None;
        for drive in drives {
            let namespace = drive.namespaces().first().copied();
            match (namespace, drive.test_disk(), drive.source()) {
                (Some(namespace), Some(number), Some(source)) if found.is_none() => {
                    let seed = disk::seed_of(line.disk_seed.unwrap_or(0), number);
                    found = Some(Self { drive, namespace, source, seed });
                }
                _ => drive.shut_down(),
            }
        }
        found
    }
}

/// What came of the reads.
#[derive(Debug)]
struct Tally {
    queue_pairs: u64,
    verified: u64,
    distinct: u64,
    errors: u64,
    blocks: u64,
    /// Completions that were found because of an interrupt.
    by_interrupt: u64,
    /// What submissions and whole reads cost, of those that count.
    submits: Vec<u64>,
    wholes: Vec<u64>,
    latency: Histogram,
}

impl Tally {
    fn told(&self) -> Drives {
        Drives {
            drives: 1,
            queue_pairs: self.queue_pairs,
            reads: self.verified,
            distinct: self.distinct,
            blocks: self.blocks,
            by_interrupt: self.by_interrupt,
            latency: Latency {
                least: self.latency.least(),
                median: self.latency.quantile(50),
                percent99: self.latency.quantile(99),
                most: self.latency.most(),
            },
            ..Drives::default()
        }
    }
}

/// The interrupt service thread.
struct Reads {
    disk: Disk,
    meanwhile: &'static Meanwhile,
    /// Blocks of a unit.
    blocks: u32,
    tally: Tally,
}

impl Reads {
    fn new(mut disk: Disk, meanwhile: &'static Meanwhile) -> Self {
        let Ok(latency) = Histogram::new() else { crate::refuse(&"not enough memory for reads") };
        let (submits, wholes) = (Vec::new(), Vec::new());
        let (verified, distinct, errors, blocks, by_interrupt) = (0, 0, 0, 0, 0);
        let queue_pairs = disk.drive.parts().queues.len() as u64;
        let tally = Tally {
            queue_pairs,
            verified,
            distinct,
            errors,
            blocks,
            by_interrupt,
            submits,
            wholes,
            latency,
        };
        let blocks = PAGE_SIZE as u32 / disk.namespace.block_size;
        Self { disk, meanwhile, blocks, tally }
    }

    fn run(mut self, reads: u64, seed: u64) -> Tally {
        let machine = *self.disk.drive.parts().controller.machine();
        let interrupt = Interrupt::attach(self.disk.source);
        if let (Ok(interrupt), Some(frames)) = (&interrupt, machine.allocate(1)) {
            let before = counts();
            self.all(interrupt, frames, reads, seed);
            self.tell(counts().zip(before).map(|(now, before)| now.since(&before)));
        } else {
            self.tally.errors += failed("a drive can be read", false);
        }
        drop(interrupt);
        self.disk.drive.shut_down();
        self.tally
    }

    fn all(&mut self, interrupt: &Interrupt, mut frames: Frames, reads: u64, seed: u64) {
        // In its loop it is interrupted at another cost than on its way there.
        while !self.meanwhile.has_run.load(Ordering::Relaxed) {
            lwkt::sleep_until(time::now() + time::ticks_per_second() / DRIVES_TIME);
        }
        let units = self.disk.namespace.blocks / u64::from(self.blocks);
        let Ok(mut seen) = Seen::new(units) else { crate::refuse(&"not enough memory for reads") };
        for number in 0..reads {
            let unit = Order::new(units, mix(seed ^ mix(number / units))).at(number % units);
            let first = unit * u64::from(self.blocks);
            let Some(back) = self.one(interrupt, frames, first) else {
                self.tally.errors += failed("a drive reads", false);
                return;
            };
            frames = back;
            let wrong = self.count_wrong(&frames, first);
            self.tally.errors += failed("a block is what was written there", wrong == 0);
            self.tally.verified += 1;
            self.tally.distinct += seen.add(unit);
            self.tally.blocks += u64::from(self.blocks);
            lwkt::count_work();
        }
    }

    /// One read, which is measured: the memory with what is there.
    fn one(&mut self, interrupt: &Interrupt, frames: Frames, first: u64) -> Option<Frames> {
        let submitted = time::now();
        let queue = self.disk.drive.parts().queues.first_mut()?;
        let (namespace, blocks) = (self.disk.namespace, self.blocks);

        let begin = time::instructions();
        let memory = Extent::new(frames, 0, PAGE_SIZE).ok()?;
        let transfer = Transfer { memory, first, submitted };
        queue.submit(Request::Read { namespace, first, blocks }, Some(transfer)).ok()?;
        let submit = time::instructions() - begin;

        let until = time::now() + time::ticks_per_second() / DRIVES_TIME;
        while time::now() < until {
            core::hint::spin_loop();
        }
        self.meanwhile.has_run.store(false, Ordering::Relaxed);

        let (mut waits, mut found) = (0, 0);
        let begin = time::instructions();
        // An interrupt may be followed by another with nothing to do.
        while found == 0 {
            waits += 1;
            let patience = time::now() + PATIENCE * time::ticks_per_second();
            interrupt.wait(Some(patience)).ok()?;
            found = queue.harvest();
            // The level is down once nothing came since the last look.
            found += queue.harvest();
        }
        let done = queue.take();
        let complete = time::instructions() - begin;

        self.tally.by_interrupt += found as u64;
        self.tally.latency.add(time::now() - submitted);
        if waits == 1 && !self.meanwhile.has_run.load(Ordering::Relaxed) {
            self.tally.submits.push(submit);
            self.tally.wholes.push(submit + complete);
        }
        match done? {
            Completion { buffer: Some(transfer), result: Ok(_), .. } => {
                Some(transfer.memory.into_memory())
            }
            _ => None,
        }
    }

    /// Blocks that are not what was written there.
    fn count_wrong(&self, frames: &Frames, first: u64) -> usize {
        let mut words = vec![0; WORDS];
        frames.read_words(0, &mut words);
        let blocks = words.chunks_exact(WORDS / self.blocks as usize);
        let is_wrong = |(block, number): &(&[u64], u64)| {
            let stamp = Stamp { seed: self.disk.seed, number: *number, generation: disk::AS_MADE };
            disk::check_words(block, stamp).is_err()
        };
        blocks.zip(first..).filter(is_wrong).count()
    }

    /// Tells what was measured, as if every read had cost what the median one did:
    /// where exactly the less urgent thread is interrupted makes a difference of a
    /// few instructions, for a few reads.
    fn tell(&mut self, counts: Option<Counts>) {
        let operations = self.tally.verified;
        let costs = [&mut self.tally.submits, &mut self.tally.wholes];
        for (name, costs) in ["nvme-submit-4k", "nvme-read-4k"].into_iter().zip(costs) {
            costs.sort_unstable();
            let Some(each) = costs.get(costs.len() / 2) else { return };
            let instructions = each.saturating_mul(operations);
            console::send(Record::Figure { name, operations, instructions, counts });
        }
    }
}
