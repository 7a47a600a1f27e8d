// SPDX-License-Identifier: Apache-2.0
//! `all`: a program (`init=`), `msgstorm`, `kstress` and reads of every test disk
//! at once. What is beside the program has begun before it, and goes on until it
//! has ended; the program is run again until there are as many reads as was asked
//! for. In each run, or in a few where the host stands still, all of the others
//! must have gone on. With `rounds=1` the program is run once, unless reads are
//! missing; it tells as it goes, and between what it tells the others must have gone on.

use alloc::vec::Vec;

use skimmer_abi::record::Beside;
use skimmer_core::cmdline::CommandLine;

use super::{Report, drives, failed, kstress::Kstress, msgstorm, pace::Pace, program};
use crate::{nvme::Drive, process};
use program::Moment;

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
    let (mut last, mut beside, mut together) = (count(), Beside::default(), 0);
    let mut told = last.program;
    let mut report = program::run_while(line, pace, |moment| {
        let now = count();
        let has_ended = moment == Moment::Ended;
        beside.runs += u64::from(has_ended);
        let is_look = if pace.is_some() { now.program > told } else { has_ended };
        if is_look {
            told = now.program;
            together += 1;
            if last.has_all_moved(&now) || together == Beside::RUNS {
                last.advance(&now, &mut beside);
                (last, together) = (now, 0);
            }
        }
        let is_seen = if pace.is_some() {
            beside.windows >= Beside::LOOKS
        } else {
            beside.runs >= Beside::RUNS && together == 0
        };
        let is_enough = beside.reads >= due && is_seen;
        // What has ended with an error goes on no more.
        !is_enough && (beside.windows == 0 || is_moving(&beside))
    });
    if let Some(pace) = pace {
        pace.stop();
    }
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

/// Whether everything has moved in every window.
fn is_moving(beside: &Beside) -> bool {
    let Beside { least_program, least_reads, least_storm, least_kstress, .. } = *beside;
    [least_program, least_reads, least_storm, least_kstress].iter().all(|least| *least > 0)
}

/// The program and what runs beside it, at a moment.
struct Counts {
    /// Units that it told.
    program: u64,
    reads: u64,
    storm: u64,
    kstress: u64,
}

impl Counts {
    fn has_all_moved(&self, now: &Self) -> bool {
        now.program > self.program
            && now.reads > self.reads
            && now.storm > self.storm
            && now.kstress > self.kstress
    }

    /// Takes in what was done from here to `now`.
    fn advance(&self, now: &Self, beside: &mut Beside) {
        let is_first = beside.windows == 0;
        let least = |before: u64, more: u64| if is_first { more } else { before.min(more) };
        let reads = now.reads - self.reads;
        *beside = Beside {
            runs: beside.runs,
            windows: beside.windows + 1,
            least_program: least(beside.least_program, now.program - self.program),
            reads: beside.reads + reads,
            least_reads: least(beside.least_reads, reads),
            least_storm: least(beside.least_storm, now.storm - self.storm),
            least_kstress: least(beside.least_kstress, now.kstress - self.kstress),
        };
    }
}
