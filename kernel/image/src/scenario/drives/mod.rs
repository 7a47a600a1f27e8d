// SPDX-License-Identifier: Apache-2.0
//! The scenarios with drives. Only test disks are touched, which say so by their
//! serial numbers (`abi::disk`). What is read is verified byte
//! by byte.

mod faults;
mod ist;
mod plan;
mod reader;
pub(super) mod seen;
mod verify;
mod worker;

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use skimmer_abi::{
    disk,
    record::{Drives, Interrupts, Latency},
};
use skimmer_arch::{cpu, println};
use skimmer_core::{
    cmdline::CommandLine,
    histogram::Histogram,
    ids::{HartIndex, ThreadId},
    table::OutOfMemory,
};

use skimmer_nvme::{PAGE_SIZE, Span, Unspanned};

use super::{Report, announce, failed, mix, sum};
use crate::{
    interrupts,
    nvme::{Drive, Parts},
    smp,
};
pub(super) use faults::run as faults;
use ist::Reading;
use reader::Reader;
pub(super) use verify::run as verify;

/// Reads, unless the command line says otherwise.
const READS: u64 = 10_000;

/// The id of the hart that drives interrupt, if there is one.
const HART: u64 = 3;

/// `nvme-read`: interrupt service threads on one hart read, verify and read on.
pub(super) fn read(line: &CommandLine<'_>, drives: Vec<Drive>) -> Report {
    let disks = usable(line, drives);
    let place = Place::chosen(line);
    let reads = line.rounds.unwrap_or(READS);
    announce(line, 1, reads);
    Reads::start(line.seed, disks, place, reads, true).finish()
}

/// Reads units of all test disks until it is finished; returns when all threads
/// have read.
pub(super) fn begin(line: &CommandLine<'_>, drives: Vec<Drive>) -> Reads {
    let disks = usable(line, drives);
    let reads = Reads::start(line.seed, disks, Place::chosen(line), 0, false);
    reads.reading.wait_begun();
    reads
}

/// Reads that go on.
pub(super) struct Reads {
    reading: Reading,
    place: Place,
    before: Heard,
}

impl Reads {
    fn start(seed: u64, disks: Vec<Disk>, place: Place, reads: u64, is_over: bool) -> Self {
        let before = Heard::on(place.hart());
        let readers = readers(seed, disks, reads);
        let reading = Reading::start(readers, place.service, is_over);
        Self { reading, place, before }
    }

    /// Reads so far.
    pub(super) fn count(&self) -> u64 {
        self.reading.count()
    }

    /// What came of them.
    pub(super) fn finish(self) -> Report {
        let (tally, messages) = self.reading.finish();
        let hart = self.place.hart();
        Report {
            verified: tally.reads,
            errors: tally.errors,
            messages: Some(messages),
            interrupts: Some(Heard::on(hart).since(&self.before, hart)),
            drives: Some(tally.told()),
            ..Report::default()
        }
    }
}

/// A reader for each disk, with its share of the reads.
fn readers(seed: u64, disks: Vec<Disk>, reads: u64) -> Vec<Reader> {
    let count = disks.len() as u64;
    let reader = |(disk, place)| {
        let share = reads / count + u64::from(place < reads % count);
        required(Reader::new(disk, seed, share))
    };
    disks.into_iter().zip(0..).map(reader).collect()
}

/// A test disk: the namespaces of its drive, one behind the other.
struct Disk {
    /// Its number among them.
    number: u32,
    /// What its blocks state.
    seed: u64,
    /// Of its interrupts.
    source: u32,
    /// Where its blocks are.
    span: &'static Span,
    drive: Drive,
}

/// Why a drive's disk is left alone.
enum Unfit {
    /// It is no test disk.
    Unknown,
    /// It cannot interrupt.
    Mute,
    /// Some of its namespaces are not used: the rest is not the disk.
    Part,
    Unspanned(Unspanned),
    /// What is read at a time does not fit, or not into one namespace.
    Uneven,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "it is no test disk",
            Self::Mute => "it cannot interrupt",
            Self::Part => "only some of its namespaces can be used",
            Self::Unspanned(why) => return why.fmt(f),
            Self::Uneven => "what is read at a time does not fit into a namespace",
        })
    }
}

impl Disk {
    /// What is one: its number, source and namespaces.
    fn judge(drive: &Drive) -> Result<(u32, u32, Span), Unfit> {
        let number = drive.test_disk().ok_or(Unfit::Unknown)?;
        let source = drive.source().ok_or(Unfit::Mute)?;
        if drive.has_rejected() {
            return Err(Unfit::Part);
        }
        let span = Span::new(drive.namespaces()).map_err(Unfit::Unspanned)?;
        let unit = PAGE_SIZE as u64 / u64::from(span.block_size());
        let mut starts = (0..span.count()).filter_map(|number| span.start(number));
        let is_even = starts.all(|start| start.is_multiple_of(unit));
        if is_even && span.blocks() >= unit {
            Ok((number, source, span))
        } else {
            Err(Unfit::Uneven)
        }
    }
}

/// The test disks that can be used; without any, or with another number of them
/// than was asked for, there is nothing to do.
fn usable(line: &CommandLine<'_>, drives: Vec<Drive>) -> Vec<Disk> {
    let mut disks = Vec::new();
    let first = line.disk_seed.unwrap_or(0);
    for drive in drives {
        match Disk::judge(&drive) {
            Ok((number, source, span)) => {
                let seed = disk::seed_of(first, number);
                disks.push(Disk { number, seed, source, span: forever(span), drive });
            }
            Err(why) => {
                println!("drive {}: left alone: {why}", drive.name());
                drive.shut_down();
            }
        }
    }
    if disks.is_empty() {
        crate::refuse(&"the scenario needs a test disk");
    }
    if line.disks.is_some_and(|due| due as usize != disks.len()) {
        crate::refuse(&format_args!("{} test disks were found", disks.len()));
    }
    disks
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
    queue_pairs: u64,
    reads: u64,
    distinct: u64,
    blocks: u64,
    written: u64,
    by_interrupt: u64,
    polled: u64,
    missed: u64,
    stray: u64,
    resets: u64,
    errors: u64,
    latency: Histogram,
}

impl Tally {
    fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            drives: 0,
            queue_pairs: 0,
            reads: 0,
            distinct: 0,
            blocks: 0,
            written: 0,
            by_interrupt: 0,
            polled: 0,
            missed: 0,
            stray: 0,
            resets: 0,
            errors: 0,
            latency: Histogram::new()?,
        })
    }

    fn add(&mut self, other: &Self) {
        self.drives += other.drives;
        self.queue_pairs += other.queue_pairs;
        self.reads += other.reads;
        self.distinct += other.distinct;
        self.blocks += other.blocks;
        self.written += other.written;
        self.by_interrupt += other.by_interrupt;
        self.polled += other.polled;
        self.missed += other.missed;
        self.stray += other.stray;
        self.resets += other.resets;
        self.errors += other.errors;
        self.latency.merge(&other.latency);
    }

    /// Takes in what a drive's queue pairs and controller have seen, and turns it
    /// off.
    fn close(&mut self, mut drive: Drive) {
        let Parts { controller, queues, .. } = drive.parts();
        self.queue_pairs = queues.len() as u64;
        let (mut completed, mut leaked) = (0, 0);
        for counts in queues.iter().map(|queue| queue.counts()) {
            completed += counts.completed;
            leaked += counts.leaked;
            self.stray += counts.unknown
                + counts.stale
                + counts.duplicate
                + counts.wrong_queue
                + counts.bad_head;
        }
        self.polled = completed.saturating_sub(self.by_interrupt);
        self.resets = controller.resets();
        self.errors += failed("no completion is missed or stray", self.stray == 0);
        self.errors += failed("no memory is left to a drive at large", leaked == 0);
        drive.shut_down();
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
            queue_pairs: self.queue_pairs,
            reads: self.reads,
            distinct: self.distinct,
            blocks: self.blocks,
            written: self.written,
            by_interrupt: self.by_interrupt,
            polled: self.polled,
            missed: self.missed,
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
