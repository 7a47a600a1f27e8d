// SPDX-License-Identifier: Apache-2.0
//! `nvme-faults`: every drive goes through the same course, and nobody here knows
//! which of them was told to fail, and how. What fails is tried again block by
//! block, and told to the host, which knows what it injected. Drives that read
//! well read on until all have gone through; one that is to be pulled
//! (`pull=MASK`) loses the power of its slot with commands in flight.

mod course;
mod findings;
mod subject;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use skimmer_abi::record::Record;
use skimmer_arch::console;
use skimmer_core::cmdline::CommandLine;
use skimmer_sync::once::Once;

use super::{
    super::{Report, announce},
    Heard, Place, Reads, forever,
    ist::Reading,
    required, usable,
};
use crate::nvme::Drive;
use findings::Findings;
use subject::Subject;

/// What drives share while they go through their courses.
#[derive(Debug, Default)]
struct Shared {
    /// Drives that have gone through.
    finished: AtomicU64,
    /// Whether one has failed, or was pulled.
    is_in_trouble: AtomicBool,
}

/// The scenario.
pub(in crate::scenario) fn run(line: &CommandLine<'_>, drives: Vec<Drive>) -> Report {
    let disks = usable(line, drives);
    let place = Place::chosen(line);
    announce(line, 1, 0);
    let shared: &'static Shared = forever(Shared::default());
    let findings: &'static [Once<Findings>] =
        forever(disks.iter().map(|_| Once::new()).collect::<Vec<_>>());
    let pulled = line.pull.unwrap_or(0);
    let subjects: Vec<Subject> = disks
        .into_iter()
        .zip(findings)
        .map(|(disk, place)| {
            let is_pulled = pulled.checked_shr(disk.number).unwrap_or(0) & 1 != 0;
            required(Subject::new(disk, line.seed, is_pulled, shared, place))
        })
        .collect();
    let due = subjects.len() as u64;
    let before = Heard::on(place.hart());
    let reading = Reading::start(subjects, place.service, false);
    reading.wait_until(|| shared.finished.load(Ordering::Relaxed) >= due);
    let report = Reads { reading, place, before }.finish();
    for found in findings.iter().filter_map(Once::get) {
        found.faults.iter().for_each(|fault| console::send(Record::DriveFault(*fault)));
        found.written.iter().for_each(|told| console::send(Record::DiskWritten(*told)));
        console::send(Record::DriveTold(found.told));
    }
    report
}
