// SPDX-License-Identifier: Apache-2.0
//! Failures of drives: neither less than was injected nor more.

use super::*;
use crate::disk::DiskSpec;
use crate::record::{DriveFault, DriveOperation, DriveTold};
use DriveOperation::{Flush, Read, Write};

/// The drives: a good one of two namespaces, bad blocks, writes and flushes that
/// fail, a full one, one that dies, and one that is pulled.
const SPECS: [&str; 6] = [
    "64K,namespaces=2,write",
    "64K,write,fails=read@3,fails-once=read@9",
    "64K,write,fails=write@70,fails-once=flush",
    "64K,write,full-after=2",
    "64K,write,dies-after=5",
    "64K,root-port,write,pulled",
];

fn fault(
    drive: u32,
    operation: DriveOperation,
    attempt: u32,
    first: u64,
    count: u64,
) -> DriveFault {
    let status = if operation == Read { 0x281 } else { 0x280 };
    DriveFault { drive, operation, status, attempt, first, count }
}

fn good_faults() -> Vec<DriveFault> {
    vec![
        fault(1, Read, 0, 0, 6),
        fault(1, Read, 0, 8, 4),
        fault(1, Read, 1, 3, 1),
        fault(1, Read, 2, 3, 1),
        fault(2, Write, 0, 64, 8),
        fault(2, Write, 1, 70, 1),
        fault(2, Write, 2, 70, 1),
        fault(2, Flush, 0, 0, 0),
        fault(3, Write, 0, 66, 4),
        fault(3, Write, 1, 66, 4),
        fault(3, Write, 2, 66, 4),
        fault(4, Read, 0, 0, 10),
        fault(4, Read, 1, 0, 10),
        fault(4, Read, 2, 0, 10),
        fault(4, Write, 0, 64, 2),
        fault(4, Flush, 0, 0, 0),
        fault(4, Flush, 1, 0, 0),
        fault(4, Flush, 2, 0, 0),
    ]
}

fn good_tolds() -> Vec<DriveTold> {
    let of = |drive, blocks| DriveTold {
        blocks,
        reads: 20,
        writes: 4,
        flushes: 1,
        ..DriveTold::of(drive)
    };
    vec![
        DriveTold { beside: 7, flushes: 2, ..of(0, 128) },
        DriveTold { failed_reads: 4, ..of(1, 127) },
        DriveTold { failed_writes: 3, failed_flushes: 1, ..of(2, 128) },
        DriveTold { writes: 2, failed_writes: 9, ..of(3, 128) },
        DriveTold {
            reads: 3,
            writes: 2,
            flushes: 0,
            failed_reads: 21,
            failed_writes: 1,
            failed_flushes: 3,
            ..of(4, 40)
        },
        DriveTold { gone: 6, refused: 1, nanos: 9_000_000, ..of(5, 128) },
    ]
}

/// What is wrong with a boot that tells this.
fn problems(faults: &[DriveFault], tolds: &[DriveTold]) -> Vec<Problem> {
    let specs: Vec<DiskSpec> = SPECS.iter().map(|spec| spec.parse().expect("a disk")).collect();
    let disks = specs.iter().map(|_| Layout { bytes: 1 << 16, block: 512, seed: 1 }).collect();
    let scenario = Scenario::NvmeFaults;
    let reads = good_tolds().iter().map(|told| told.reads).sum();
    let mut records = with(|outcome| {
        (outcome.scenario, outcome.round_trips) = (scenario, reads);
        outcome.interrupts = Some(Interrupts { hartid: 0, here: 90, elsewhere: 0, stray: 0 });
        outcome.drives = Some(Drives {
            drives: 6,
            queue_pairs: 12,
            reads,
            by_interrupt: 200,
            latency: Latency { least: 9, median: 10, percent99: 12, most: 12 },
            ..Drives::default()
        });
    });
    records[3] = Record::Start { scenario, harts: 2, clients: 1, rounds: 0 };
    let end = records.pop();
    records.extend(faults.iter().map(|fault| Record::DriveFault(*fault)));
    records.extend(tolds.iter().map(|told| Record::DriveTold(*told)));
    records.extend(end);
    let expected = Expected { scenario, disks, specs, ..expected() };
    judge(&expected, &seen(&records, &OK)).problems
}

fn told(change: impl FnOnce(&mut [DriveTold])) -> Vec<Problem> {
    let mut tolds = good_tolds();
    change(&mut tolds);
    problems(&good_faults(), &tolds)
}

#[test]
fn failures_that_were_asked_for_pass() {
    assert_eq!(problems(&good_faults(), &good_tolds()), []);
}

#[test]
fn every_failure_that_is_missing_is_found() {
    for at in 0..good_faults().len() {
        let mut faults = good_faults();
        let missing = faults.remove(at);
        // The counts agree: only what was injected tells.
        let mut tolds = good_tolds();
        let told = &mut tolds[missing.drive as usize];
        let failed = match missing.operation {
            Read => &mut told.failed_reads,
            Write => &mut told.failed_writes,
            Flush => &mut told.failed_flushes,
        };
        *failed -= missing.commands();
        let found = problems(&faults, &tolds);
        // Of the first attempt at a block another may still tell; how often one
        // fails that fails always, nobody says.
        let may_miss = missing.drive >= 3 || (missing.attempt < 2 && missing.first != 8);
        let is_once = missing.operation == Flush && missing.drive == 2;
        assert!(!found.is_empty() || (may_miss && !is_once), "{missing:?}");
        assert!(!problems(&faults, &good_tolds()).is_empty(), "{missing:?} is counted");
    }
}

#[test]
fn every_failure_too_many_is_found() {
    for (surplus, why) in [
        (fault(0, Read, 0, 5, 3), "failed for no block"),
        (fault(0, Write, 0, 64, 3), "failed for no block"),
        (fault(0, Flush, 0, 0, 0), "failed for no block"),
        (fault(1, Read, 0, 4, 4), "failed for no block"),
        (fault(1, Read, 0, 9, 1), "failures of 1 that fail once"),
        (fault(1, Read, 1, 4, 1), "read of 1 from 4 on failed at attempt 1"),
        (fault(1, Read, 2, 9, 1), "read of 1 from 9 on failed at attempt 2"),
        (fault(1, Read, 2, 2, 2), "read of 2 from 2 on failed at attempt 2"),
        (fault(2, Flush, 1, 0, 0), "failed at attempt 1"),
        (fault(3, Read, 0, 5, 3), "failed for no block"),
        (fault(5, Read, 0, 5, 3), "failed for no block"),
    ] {
        let mut tolds = good_tolds();
        let told = &mut tolds[surplus.drive as usize];
        match surplus.operation {
            Read => told.failed_reads += surplus.commands(),
            Write => told.failed_writes += surplus.commands(),
            Flush => told.failed_flushes += surplus.commands(),
        }
        let faults: Vec<_> = good_faults().into_iter().chain([surplus]).collect();
        let found = problems(&faults, &tolds);
        assert!(found.iter().any(|p| p.what.contains(why)), "{surplus:?}: {found:?}");
    }
}

#[test]
fn a_failure_of_another_kind_is_found() {
    for at in 0..good_faults().len() {
        let mut faults = good_faults();
        faults[at].status = 0x006;
        let found = problems(&faults, &good_tolds());
        assert!(found.iter().any(|p| p.what.contains("status 0x006")), "{at}: {found:?}");
    }
}

#[test]
fn what_drives_tell_is_held_against_what_happened_to_them() {
    type Change = fn(&mut [DriveTold]);
    let changes: &[Change] = &[
        |told| told[0].blocks -= 1,
        |told| told[0].beside = 0,
        |told| told[0].reads -= 1,
        |told| told[0].gone = 1,
        |told| told[0].drive = 7,
        |told| told[0].flushes = 1,
        |told| told[2].flushes = 2,
        |told| told[1].blocks = 128,
        |told| told[1].failed_reads += 1,
        |told| told[2].failed_flushes += 1,
        |told| told[3].writes = 3,
        |told| told[3].writes = 1,
        |told| told[4].writes = 3,
        |told| told[4].writes = 1,
        |told| told[5].gone = 3,
        |told| told[5].gone = 9,
        |told| told[5].refused = 0,
        |told| told[5].nanos = 0,
        |told| told[5].nanos = 6_000_000_000,
    ];
    for (at, change) in changes.iter().enumerate() {
        let kinds: Vec<_> = told(change).iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds.first(), Some(&Kind::NumbersWrong), "change {at}");
    }
    assert!(!problems(&good_faults(), &good_tolds()[1..]).is_empty());
}

#[test]
fn nobody_else_tells_of_failures() {
    for record in [Record::DriveFault(fault(0, Read, 0, 5, 3)), Record::DriveTold(DriveTold::of(0))]
    {
        let mut records = good();
        records.insert(4, record);
        assert_eq!(kind(&records, OK), Some(Kind::NumbersWrong));
    }
}
