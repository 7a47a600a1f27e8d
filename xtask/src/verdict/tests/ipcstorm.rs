// SPDX-License-Identifier: Apache-2.0
//! What `ipcstorm` tells, by itself and with everything beside it, against what was
//! asked of it.

use super::*;
use crate::record::{Beside, Drives, Exchanged, Programs};
use crate::round_trips::{CHANSTORM, PREFIX};

/// Runs of `chanstorm` beside it.
const RUNS: u64 = 3;

fn work() -> Work {
    let words = ["clients=2", "rounds=20", "chanstorm=1"].map(ToOwned::to_owned);
    Work::of("ipcstorm", &words, None, 1, true).expect("a workload")
}

/// What all of it amounts to, of each kind.
fn due(of: impl Fn(&Work) -> u64) -> u64 {
    let beside = work().beside().expect("chanstorm");
    of(&work()).wrapping_add(of(&beside).wrapping_mul(RUNS))
}

fn good_outcome() -> Outcome {
    let messages = work().messages(RUNS).expect("known");
    let channels = due(|work| work.channels().expect("known"));
    let programs = Programs {
        digest: due(Work::digest),
        channels_created: channels,
        channels_destroyed: channels,
        messages: Some(Exchanged { sent: messages, answered: messages }),
    };
    let beside = Beside {
        runs: 1,
        windows: 10,
        least_program: 1,
        reads: 100,
        least_reads: 4,
        least_storm: 1,
        least_kstress: 1,
    };
    let drives = Drives {
        drives: 1,
        queue_pairs: 2,
        reads: 110,
        distinct: 110,
        blocks: 880,
        by_interrupt: 110,
        latency: Latency { least: 9, median: 10, percent99: 12, most: 12 },
        ..Drives::default()
    };
    Outcome {
        scenario: Scenario::All,
        round_trips: due(Work::verified),
        kernel_sends: 80,
        kernel_replies: 80,
        kstress: Some(9),
        beside: Some(beside),
        programs: Some(programs),
        interrupts: Some(Interrupts { hartid: 0, here: 30, elsewhere: 0, stray: 0 }),
        drives: Some(drives),
        ..outcome()
    }
}

/// The figures of a good boot.
fn figures() -> Vec<Record> {
    let figure = |name: &str, operations, instructions| Record::Figure {
        name: name.to_owned(),
        operations,
        instructions,
        counts: None,
    };
    let time = |name: &str, nanos| figure(&format!("{PREFIX}{name}"), 40, nanos);
    let times = [("least", 10), ("median", 20), ("percent99", 30), ("most", 40)];
    let times = times.map(|(name, nanos)| time(name, nanos));
    times.into_iter().chain([figure(CHANSTORM, RUNS, 1)]).collect()
}

/// What is wrong with a boot that told that.
fn wrong(outcome: impl FnOnce(&mut Outcome), figure: impl FnOnce(&mut Vec<Record>)) -> String {
    let scenario = Scenario::All;
    let (mut told, mut figures) = (good_outcome(), figures());
    outcome(&mut told);
    figure(&mut figures);
    let mut records = good();
    records[3] = Record::Start { scenario, harts: 2, clients: 1, rounds: 0 };
    records[4] = Record::End(told);
    records.splice(4..4, figures);
    let rounds = Rounds { reads: Some(100), kstress: true, ..Rounds::default() };
    let disks = vec![Layout { bytes: 200 * 4096, ..DISK }];
    let expected = Expected { scenario, work: Some(work()), rounds, disks, ..expected() };
    let seen = seen(&records, &OK);
    judge(&expected, &seen).problems.iter().map(|p| format!("{}\n", p.what)).collect()
}

fn programs(outcome: &mut Outcome) -> &mut Programs {
    outcome.programs.as_mut().expect("there")
}

fn messages(outcome: &mut Outcome) -> &mut Exchanged {
    programs(outcome).messages.as_mut().expect("there")
}

fn beside(outcome: &mut Outcome) -> &mut Beside {
    outcome.beside.as_mut().expect("there")
}

#[test]
fn all_that_was_told_is_reckoned_again() {
    assert_eq!(wrong(|_| {}, |_| {}), "");
    type Change = fn(&mut Outcome);
    let changes: &[(Change, &str)] = &[
        (|o| o.round_trips -= 1, "were due"),
        (|o| programs(o).digest ^= 1, "the digest is"),
        (|o| programs(o).channels_created += 1, "channels created and"),
        (|o| messages(o).sent += 1, "the kernel counts"),
        (|o| messages(o).answered -= 1, "answered"),
        (|o| programs(o).messages = None, "messages of programs are not told"),
        (|o| beside(o).windows = 4, "4 looked at"),
        (|o| beside(o).runs = 0, "0 runs of the program"),
        (|o| beside(o).least_program = 0, "the program stood still"),
        (|o| beside(o).least_reads = 0, "drives stood still"),
        (|o| beside(o).least_storm = 0, "msgstorm stood still"),
        (|o| beside(o).least_kstress = 0, "kstress stood still"),
        (|o| o.beside = None, "what ran beside it is not told"),
        (|o| o.kstress = None, "kstress was asked for"),
    ];
    for (change, words) in changes {
        let said = wrong(change, |_| {});
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn figures_must_be_there_and_make_sense() {
    type Change = fn(&mut Vec<Record>);
    let set = |record: &mut Record, count, value| {
        if let Record::Figure { operations, instructions, .. } = record {
            (*operations, *instructions) = (count, value);
        }
    };
    assert!(wrong(|_| {}, |all| drop(all.remove(3))).contains("of round trips was told: None"));
    assert!(wrong(|_| {}, |all| set(&mut all[1], 40, 50)).contains("of round trips was told"));
    let changes: &[(Change, &str)] = &[
        (|all| all.truncate(4), "another 0 times beside itself"),
        (|all| all.extend_from_within(4..), "were due"),
    ];
    for (change, words) in changes {
        let said = wrong(|_| {}, change);
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = wrong(|_| {}, |all| set(&mut all[4], RUNS, 0));
    assert_eq!(said, "it ran 0 times between two looks\n");
}
