// SPDX-License-Identifier: Apache-2.0
//! `all`: a program (`init=`), `msgstorm`, `kstress` and reads of every test disk
//! at once. What is beside the program has begun before it, and goes on until it
//! has ended; the reads go on until there are as many as was asked for.

use alloc::vec::Vec;

use skimmer_core::cmdline::CommandLine;

use super::{Report, drives, failed, msgstorm, program};
use crate::nvme::Drive;

/// Reads at the least, unless the command line says otherwise: the reference's
/// mean.
const READS: u64 = 27_600;

pub(super) fn run(line: &CommandLine<'_>, drives: Vec<Drive>) -> Report {
    let reads = drives::begin(line, drives, line.reads.unwrap_or(READS));
    let storm = msgstorm::start_endless(line.seed);
    let before = reads.count();
    let mut report = program::run(line);
    let is_rising = reads.count() > before;
    let storm = storm.finish();
    let read = reads.finish();
    report.errors +=
        storm.errors + read.errors + failed("drives are read while the program runs", is_rising);
    report.storm = Some(storm.verified);
    report.interrupts = read.interrupts;
    report.drives = read.drives;
    report
}
