// SPDX-License-Identifier: Apache-2.0
//! `all`: a program (`init=`), `msgstorm`, `kstress` and reads of every test disk
//! at once. What is beside the program has begun before it, and goes on until it
//! has ended; the program is run again until there are as many reads as was asked
//! for. In each run, or in a few where the host stands still, all of the others
//! must have gone on. With `rounds=1` the program is run once, unless reads are
//! missing; it tells as it goes, and between what it tells the others must have gone on.

use alloc::vec::Vec;

use skimmer_core::{
    cmdline::CommandLine,
    looks::{After, Counts, Looks},
};

use super::{Report, drives, failed, kstress::Kstress, msgstorm, pace::Pace, program};
use crate::{nvme::Drive, process};

/// Reads at the least, unless the command line says otherwise: the reference's
/// mean.
const READS: u64 = 27_600;

pub(super) fn run(line: &CommandLine<'_>, drives: Vec<Drive>, kstress: Option<&Kstress>) -> Report {
    let due = line.reads.unwrap_or(READS);
    let reads = drives::begin(line, drives);
    let storm = msgstorm::start_endless(line.seed);
    let count = || Counts {
        program: process::reported().verified,
        reads: reads.count(),
        storm: storm.count(),
        kstress: kstress.map_or(0, Kstress::count),
    };
    let pace = (line.rounds == Some(1)).then(Pace::start);
    let after = if pace.is_some() { After::Tales } else { After::Runs };
    let mut looks = Looks::new(after, count());
    let mut report = program::run_while(line, pace, |moment| looks.take(moment, count(), due));
    if let Some(pace) = pace {
        pace.stop();
    }
    let beside = looks.beside();
    let storm = storm.finish();
    let read = reads.finish();
    report.errors += storm.errors
        + read.errors
        + failed("the program goes on beside others", beside.least_program > 0)
        + failed("drives are read while the program runs", beside.least_reads > 0)
        + failed("msgstorm goes on while the program runs", beside.least_storm > 0)
        + failed("kstress goes on while the program runs", beside.least_kstress > 0);
    report.beside = Some(beside);
    report.interrupts = read.interrupts;
    report.drives = read.drives;
    report
}
