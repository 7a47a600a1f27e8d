// SPDX-License-Identifier: Apache-2.0
//! `all`: a program (`init=`), `msgstorm`, `kstress` and reads of every test disk
//! at once. What is beside the program has begun before it, and goes on until it
//! has ended; the program is run again until there are as many reads as was asked
//! for. In each run all of the others must have gone on.

use alloc::vec::Vec;

use skimmer_abi::record::Beside;
use skimmer_core::cmdline::CommandLine;

use super::{Report, drives, failed, kstress::Kstress, msgstorm, program};
use crate::nvme::Drive;

/// Reads at the least, unless the command line says otherwise: the reference's
/// mean.
const READS: u64 = 27_600;

pub(super) fn run(line: &CommandLine<'_>, drives: Vec<Drive>, kstress: Option<&Kstress>) -> Report {
    let due = line.reads.unwrap_or(READS);
    let reads = drives::begin(line, drives);
    let storm = msgstorm::start_endless(line.seed);
    let count = || Counts {
        reads: reads.count(),
        storm: storm.count(),
        kstress: kstress.map_or(0, Kstress::count),
    };
    let (mut last, mut beside, mut still) = (count(), Beside::default(), 0);
    let mut report = program::run_while(line, || {
        let now = count();
        last.advance(&now, &mut beside);
        last = now;
        // Readers that have ended with an error read no more.
        still += failed("drives are read while the program runs", beside.least_reads > 0);
        beside.reads < due && still == 0
    });
    let storm = storm.finish();
    let read = reads.finish();
    report.errors += storm.errors
        + read.errors
        + still
        + failed("msgstorm goes on while the program runs", beside.least_storm > 0)
        + failed("kstress goes on while the program runs", beside.least_kstress > 0);
    report.beside = Some(beside);
    report.interrupts = read.interrupts;
    report.drives = read.drives;
    report
}

/// What runs beside the program, at a moment.
struct Counts {
    reads: u64,
    storm: u64,
    kstress: u64,
}

impl Counts {
    /// Takes a run of the program in, which began here and ended at `now`.
    fn advance(&self, now: &Self, beside: &mut Beside) {
        let is_first = beside.runs == 0;
        let least = |before: u64, more: u64| if is_first { more } else { before.min(more) };
        let reads = now.reads - self.reads;
        *beside = Beside {
            runs: beside.runs + 1,
            reads: beside.reads + reads,
            least_reads: least(beside.least_reads, reads),
            least_storm: least(beside.least_storm, now.storm - self.storm),
            least_kstress: least(beside.least_kstress, now.kstress - self.kstress),
        };
    }
}
