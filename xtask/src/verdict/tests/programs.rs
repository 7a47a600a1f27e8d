// SPDX-License-Identifier: Apache-2.0
//! What programs report, against what was asked of them.

use super::*;
use crate::record::{Beside, Programs};

/// 3 threads, 2 rounds, 4 channels.
const CHANNELS: u64 = 24;

fn work(program: &str, words: &[&str]) -> Work {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    Work::of(program, &words, None, 7, false).expect("a workload")
}

fn chanstorm() -> Work {
    work("chanstorm", &["threads=3", "rounds=2", "channels=4"])
}

/// The sum of its threads' digests, as a guest told it.
const DIGEST: u64 = 0xac8e_bade_f9be_edaf;

fn programs() -> Programs {
    let (channels_created, channels_destroyed) = (CHANNELS, CHANNELS);
    Programs { digest: DIGEST, channels_created, channels_destroyed, messages: None }
}

/// What is wrong with a boot of that work which told that.
fn wrong(work: Option<Work>, change: impl FnOnce(&mut Outcome)) -> String {
    let scenario = Scenario::Program;
    let mut records = with(|o| {
        o.scenario = scenario;
        o.programs = Some(programs());
        (o.round_trips, o.kernel_sends, o.kernel_replies) = (CHANNELS, 4, 4);
        change(o);
    });
    records[3] = Record::Start { scenario, harts: 2, clients: 1, rounds: 0 };
    let expected = Expected { scenario, work, ..expected() };
    let seen = seen(&records, &OK);
    let problems = judge(&expected, &seen).problems;
    assert!(problems.iter().all(|p| p.kind == Kind::NumbersWrong), "{problems:?}");
    problems.iter().map(|p| format!("{}\n", p.what)).collect()
}

#[test]
fn a_chanstorm_that_does_what_was_asked_passes() {
    assert_eq!(wrong(Some(chanstorm()), |_| {}), "");
}

/// Beside ten runs of the program.
const BESIDE: Beside = Beside {
    runs: 10,
    windows: 9,
    least_program: 24,
    reads: 100,
    least_reads: 4,
    least_storm: 1,
    least_kstress: 1,
};

/// What is wrong with a boot of all at once which told that.
fn wrong_with_all(change: impl FnOnce(&mut Outcome)) -> String {
    let scenario = Scenario::All;
    let mut records = with(|o| {
        o.scenario = scenario;
        (o.round_trips, o.kernel_sends, o.kernel_replies) = (10 * CHANNELS, 80, 80);
        (o.kstress, o.beside) = (Some(9), Some(BESIDE));
        o.programs = Some(Programs {
            digest: DIGEST.wrapping_mul(10),
            channels_created: 10 * CHANNELS,
            channels_destroyed: 10 * CHANNELS,
            messages: None,
        });
        o.interrupts = Some(Interrupts { hartid: 0, here: 30, elsewhere: 0, stray: 0 });
        o.drives = Some(Drives {
            drives: 1,
            queue_pairs: 2,
            reads: 110,
            distinct: 110,
            blocks: 880,
            by_interrupt: 110,
            latency: Latency { least: 9, median: 10, percent99: 12, most: 12 },
            ..Drives::default()
        });
        change(o);
    });
    records[3] = Record::Start { scenario, harts: 2, clients: 1, rounds: 0 };
    let rounds = Rounds { reads: Some(100), kstress: true, ..Rounds::default() };
    let disks = vec![Layout { bytes: 200 * 4096, ..DISK }];
    let expected = Expected { scenario, work: Some(chanstorm()), rounds, disks, ..expected() };
    let seen = seen(&records, &OK);
    judge(&expected, &seen).problems.iter().map(|p| format!("{}\n", p.what)).collect()
}

#[test]
fn of_all_at_once_each_part_is_judged() {
    assert_eq!(wrong_with_all(|_| {}), "");
    type Change = fn(&mut Outcome);
    let changes: &[(Change, &str)] = &[
        (|o| o.beside = None, "what ran beside it is not told"),
        (|o| beside(o).runs = 9, "9 runs of the program"),
        (|o| beside(o).runs = 11, "were due"),
        (|o| beside(o).windows = 0, "0 looked at"),
        (|o| beside(o).windows = 11, "11 looked at"),
        (|o| beside(o).reads = 99, "99 reads beside the program, 100 were due"),
        (|o| beside(o).reads = 111, "110 reads, 111..="),
        (|o| beside(o).least_program = 0, "the program stood still"),
        (|o| beside(o).least_reads = 0, "drives stood still"),
        (|o| beside(o).least_storm = 0, "msgstorm stood still"),
        (|o| beside(o).least_kstress = 0, "kstress stood still"),
        (|o| o.kstress = None, "kstress was asked for"),
        (|o| o.kstress = Some(1), "did not go on"),
        (|o| o.drives = None, "what drives did is not told"),
        (|o| o.interrupts = None, "interrupts are not told"),
        (|o| o.round_trips -= 1, "were due"),
        (|o| o.drives.iter_mut().for_each(|told| told.reads = 99), "99 reads"),
        (|o| o.drives.iter_mut().for_each(|told| told.distinct = 109), "109 different places"),
        (|o| o.drives.iter_mut().for_each(polled), "104 of 110 completions came by interrupt"),
        (|o| o.drives.iter_mut().for_each(|told| told.distinct = 111), "111 different places"),
        (|o| o.programs.iter_mut().for_each(|told| told.digest = 1), "the digest is"),
    ];
    for (change, words) in changes {
        let said = wrong_with_all(change);
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = wrong(Some(chanstorm()), |o| o.beside = Some(Beside { runs: 1, ..BESIDE }));
    assert!(said.contains("nobody asked"), "{said}");
}

fn polled(told: &mut Drives) {
    (told.by_interrupt, told.polled) = (104, 6);
}

fn beside(outcome: &mut Outcome) -> &mut Beside {
    outcome.beside.as_mut().expect("there")
}

#[test]
fn a_program_verifies_what_was_asked() {
    let chanstorm = Some(chanstorm());
    for wrong_count in [0, CHANNELS - 1, CHANNELS + 1] {
        let said = wrong(chanstorm, |o| o.round_trips = wrong_count);
        assert!(said.contains(&format!("{wrong_count} verified, 24 were due")), "{said}");
    }
    let spawnstorm = Some(work("spawnstorm", &["rounds=3"]));
    let none = Some(Programs::default());
    assert_eq!(wrong(spawnstorm, |o| (o.round_trips, o.programs) = (12, none)), "");
    let said = wrong(spawnstorm, |o| (o.round_trips, o.programs) = (11, none));
    assert_eq!(said, "11 verified, 12 were due\n");
    let faults = Some(work("faults", &[]));
    assert_eq!(wrong(faults, |o| (o.round_trips, o.programs) = (72, none)), "");
    let said = wrong(faults, |o| (o.round_trips, o.programs) = (69, none));
    assert_eq!(said, "69 verified, 72 were due\n");
}

#[test]
fn the_order_of_the_destroys_is_the_seeds() {
    let said = wrong(Some(chanstorm()), |o| {
        o.programs = Some(Programs { digest: DIGEST ^ 1, ..programs() });
    });
    assert!(said.starts_with("the digest is ") && said.ends_with(" was due\n"), "{said}");
}

#[test]
fn the_kernel_counts_the_channels_that_were_asked_for() {
    let counted = |created, destroyed| {
        let counts =
            Programs { channels_created: created, channels_destroyed: destroyed, ..programs() };
        wrong(Some(chanstorm()), |o| o.programs = Some(counts))
    };
    assert_eq!(counted(24, 23), "the kernel counts 24 channels created and 23 destroyed\n");
    assert_eq!(counted(25, 25), "25 channels were created, 24 were due\n");
}

#[test]
fn every_program_is_told_of_and_leaves_no_channel() {
    assert_eq!(wrong(None, |o| o.programs = None), "nothing was told of programs\n");
    let left = Programs { channels_created: 2, digest: 5, ..Programs::default() };
    let said = wrong(None, |o| o.programs = Some(left));
    assert_eq!(said, "the kernel counts 2 channels created and 0 destroyed\n");
}
