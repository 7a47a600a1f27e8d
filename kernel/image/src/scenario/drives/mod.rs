// SPDX-License-Identifier: Apache-2.0
//! The scenarios with drives. Every block of a drive says which it is
//! (`abi::disk`): the drive's seed is the boot's, plus its place among the
//! drives. What is read is verified byte by byte.

mod ist;
mod reader;

use alloc::{boxed::Box, vec::Vec};

use skimmer_abi::record::{Drives, Interrupts, Latency};
use skimmer_arch::{cpu, println};
use skimmer_core::{
    cmdline::CommandLine,
    histogram::Histogram,
    ids::{HartIndex, ThreadId},
    table::OutOfMemory,
};

use super::{Report, announce, failed, mix, sum};
use crate::{interrupts, nvme::Drive, smp};
use ist::Reading;

/// Reads, unless the command line says otherwise.
const READS: u64 = 10_000;

/// The id of the hart that drives interrupt, if there is one.
const HART: u64 = 3;

/// `nvme-read`: interrupt service threads on one hart read, verify and read on.
pub(super) fn read(line: &CommandLine<'_>, drives: Vec<Drive>) -> Report {
    let drives = usable(drives);
    let place = Place::chosen(line);
    let reads = line.rounds.unwrap_or(READS);
    announce(line, 1, reads);
    let before = Heard::on(place.hart());
    let reading = Reading::start(line.seed, drives, place.service, reads, true);
    let (tally, messages) = reading.finish();
    let interrupts = Heard::on(place.hart()).since(&before, place.hart());
    Report {
        verified: tally.reads,
        errors: tally.errors,
        messages: Some(messages),
        interrupts: Some(interrupts),
        drives: Some(tally.told()),
        ..Report::default()
    }
}

/// The drives that can be used; without any there is nothing to do.
fn usable(drives: Vec<Drive>) -> Vec<Drive> {
    let mut usable = Vec::new();
    for drive in drives {
        if drive.source().is_some() && !drive.namespaces().is_empty() {
            usable.push(drive);
        } else {
            println!("drive {}: left alone", drive.name());
            drive.shut_down();
        }
    }
    if usable.is_empty() {
        crate::refuse(&"the scenario needs an NVMe drive that can interrupt");
    }
    usable
}

/// The hart that drives interrupt.
#[derive(Clone, Copy, Debug)]
struct Place {
    service: ThreadId,
}

impl Place {
    /// The one that was asked for, else hart 3, else hart 0.
    fn chosen(line: &CommandLine<'_>) -> Self {
        let id_of = |service: &ThreadId| cpu::harts()[service.home().index()].hartid();
        let find = |id| smp::services().iter().copied().find(|service| id_of(service) == id);
        let service = match line.hart {
            Some(id) => find(id),
            None => find(HART).or_else(|| find(0)),
        };
        let Some(service) = service else {
            crate::refuse(&"the hart that drives should interrupt is not there");
        };
        if !interrupts::reaches(service.home()) {
            crate::refuse(&"no device can interrupt the hart that drives should interrupt");
        }
        Self { service }
    }

    fn hart(self) -> HartIndex {
        self.service.home()
    }
}

/// What harts had heard of devices at a time.
struct Heard {
    here: u64,
    elsewhere: u64,
    stray: u64,
}

impl Heard {
    fn on(hart: HartIndex) -> Self {
        Self {
            here: sum(|inspect| &inspect.interrupts, |index| index == hart),
            elsewhere: sum(|inspect| &inspect.interrupts, |index| index != hart),
            stray: sum(|inspect| &inspect.stray_interrupts, |_| true),
        }
    }

    fn since(&self, before: &Self, hart: HartIndex) -> Interrupts {
        Interrupts {
            hartid: cpu::harts()[hart.index()].hartid(),
            here: self.here - before.here,
            elsewhere: self.elsewhere - before.elsewhere,
            stray: self.stray - before.stray,
        }
    }
}

/// What came of a drive's work, or of several drives'.
struct Tally {
    drives: u32,
    reads: u64,
    blocks: u64,
    written: u64,
    by_interrupt: u64,
    polled: u64,
    stray: u64,
    resets: u64,
    errors: u64,
    latency: Histogram,
}

impl Tally {
    fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            drives: 0,
            reads: 0,
            blocks: 0,
            written: 0,
            by_interrupt: 0,
            polled: 0,
            stray: 0,
            resets: 0,
            errors: 0,
            latency: Histogram::new()?,
        })
    }

    fn add(&mut self, other: &Self) {
        self.drives += other.drives;
        self.reads += other.reads;
        self.blocks += other.blocks;
        self.written += other.written;
        self.by_interrupt += other.by_interrupt;
        self.polled += other.polled;
        self.stray += other.stray;
        self.resets += other.resets;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
    }

    fn told(&self) -> Drives {
        let latency = Latency {
            least: self.latency.least(),
            median: self.latency.quantile(50),
            percent99: self.latency.quantile(99),
            most: self.latency.most(),
        };
        Drives {
            drives: self.drives,
            reads: self.reads,
            blocks: self.blocks,
            written: self.written,
            by_interrupt: self.by_interrupt,
            polled: self.polled,
            stray: self.stray,
            resets: self.resets,
            latency,
        }
    }
}

/// What memory must be there for. A scenario that cannot be what was asked for
/// ends the boot.
fn required<T>(made: Result<T, OutOfMemory>) -> T {
    made.unwrap_or_else(|OutOfMemory| crate::refuse(&"not enough memory for the drives' work"))
}

/// A value for ever.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
