// SPDX-License-Identifier: Apache-2.0
//! What kernel scenarios do, against what was asked of them.

use super::harts::announce_nothing;
use super::*;
use crate::rounds::kstress_messages;

#[test]
fn what_was_begun_must_be_done() {
    let mut records = good();
    announce_nothing(&mut records);
    assert_eq!(kind(&records, OK), Some(Kind::NumbersWrong));
}

#[test]
fn every_number_is_checked_again() {
    type Change = fn(&mut Outcome);
    let changes: &[Change] = &[
        |o| o.round_trips = 13,
        |o| o.round_trips = 15,
        |o| o.round_trips = 0,
        |o| o.kernel_sends = 13,
        |o| o.kernel_replies = 13,
        |o| o.remote_ops = 0,
        |o| o.harts = 1,
        |o| o.harts = 3,
        |o| o.canaries = 0,
    ];
    for (at, change) in changes.iter().enumerate() {
        assert_eq!(kind(&with(change), OK), Some(Kind::NumbersWrong), "change {at}");
    }
}

#[test]
fn no_rounds_asked_is_nothing_done() {
    let mut records = with(|o| o.round_trips = 0);
    if let Record::Start { rounds, .. } = &mut records[3] {
        *rounds = 0;
    }
    let rounds = Rounds { total: Some(0), ..Rounds::default() };
    let expected = Expected { rounds, ..expected() };
    let seen = seen(&records, &OK);
    let verdict = judge(&expected, &seen);
    assert_eq!(verdict.problems.len(), 1);
    assert_eq!(verdict.problems[0].to_string(), "numbers-wrong: nothing was done");
}

/// What eight clients and eight servers on two harts must tell, who were asked
/// for one round each, with a ping-pong beside them.
fn storm() -> Outcome {
    let round_trips = 64;
    // Threads of the storm and its watchers, then what belongs to `kstress`.
    let messages = round_trips + 2 * (8 + 8 + 2) + (100 + 5);
    Outcome {
        scenario: Scenario::Msgstorm,
        round_trips,
        kernel_sends: messages,
        kernel_replies: messages,
        kstress: Some(100),
        ..outcome()
    }
}

/// The kinds of the problems of a boot that began like this and told that,
/// which was asked for `rounds` of a storm beside `kstress`.
fn storm_problems(begun: (u32, u32, u64), outcome: Outcome) -> Vec<Problem> {
    let (harts, clients, rounds) = begun;
    let mut records = good();
    records[3] = Record::Start { scenario: Scenario::Msgstorm, harts, clients, rounds };
    records[4] = Record::End(outcome);
    let rounds = Rounds { total: Some(64), kstress: true, ..Rounds::default() };
    let expected = Expected { scenario: Scenario::Msgstorm, rounds, ..expected() };
    let seen = seen(&records, &OK);
    judge(&expected, &seen).problems
}

/// The same, of a storm that began as asked.
fn changed_storm(change: impl FnOnce(&mut Outcome)) -> String {
    let mut outcome = storm();
    change(&mut outcome);
    let problems = storm_problems((2, 8, 64), outcome);
    assert!(problems.iter().all(|p| p.kind == Kind::NumbersWrong), "{problems:?}");
    problems.iter().map(|p| format!("{}\n", p.what)).collect()
}

#[test]
fn a_storm_that_does_what_was_asked_passes() {
    assert_eq!(changed_storm(|_| {}), "");
}

#[test]
fn less_work_than_was_asked_fails_whatever_the_guest_announces() {
    let mut little = storm();
    (little.round_trips, little.kernel_sends, little.kernel_replies) = (1, 142, 142);
    let said = storm_problems((2, 8, 1), little).iter().map(|p| p.what.clone()).collect::<String>();
    assert!(said.contains("1 rounds were begun, 64 were asked for"), "{said}");
    assert!(said.contains("1 verified, 64 were due"), "{said}");
    assert!(changed_storm(|o| o.round_trips = 65).contains("65 verified, 64 were due"));
}

#[test]
fn what_is_announced_must_be_what_was_asked() {
    for (begun, what) in [
        ((2, 8, 65), "65 rounds were begun"),
        ((2, 7, 64), "7 clients were begun, 8 were due"),
        ((1, 8, 64), "begun on 1 harts, 2 came up"),
    ] {
        let problems = storm_problems(begun, storm());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].what.contains(what), "{problems:?}");
    }
}

#[test]
fn the_kernel_counts_every_message_of_a_storm() {
    let all = storm().kernel_sends;
    for wrong in [3, all - 1, all + 1] {
        let said = changed_storm(|o| o.kernel_sends = wrong);
        assert!(said.contains(&format!("{wrong} sends, the work makes {all}")), "{said}");
        let said = changed_storm(|o| o.kernel_replies = wrong);
        assert!(said.contains(&format!("{wrong} replies, the work makes {all}")), "{said}");
    }
    assert!(changed_storm(|o| o.kernel_replies = 0).contains("sends, 0 replies"));
    // More pings than the kernel counted messages.
    assert!(changed_storm(|o| o.kstress = Some(101)).contains("the work makes"));
}

#[test]
fn a_kstress_that_was_asked_for_must_tell_its_count() {
    let quiet = |o: &mut Outcome, told| {
        o.kstress = told;
        o.kernel_sends = 64 + 36 + kstress_messages(told);
        o.kernel_replies = o.kernel_sends;
    };
    assert_eq!(changed_storm(|o| quiet(o, Some(2))), "");
    assert!(changed_storm(|o| quiet(o, None)).contains("asked for and did not run"));
    assert!(changed_storm(|o| quiet(o, Some(1))).contains("did not go on"));
    let problems =
        verdict(&with(|o| (o.kstress, o.kernel_sends, o.kernel_replies) = (Some(9), 99, 99)), OK)
            .problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].to_string(), "numbers-wrong: kstress ran and was not asked for");
}

#[test]
fn messages_and_answers_are_as_many() {
    let problems = verdict(&with(|o| o.kernel_sends = 20), OK).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].what, "20 sends, 14 replies");
    assert_eq!(kind(&with(|o| (o.kernel_sends, o.kernel_replies) = (20, 20)), OK), None);
}

#[test]
fn a_bound_is_a_bound() {
    let kind = |scenario, verified| {
        let mut records = good();
        records[3] = Record::Start { scenario, harts: 2, clients: 2, rounds: 2 };
        records[4] = Record::End(Outcome {
            scenario,
            round_trips: verified,
            kernel_sends: 500,
            kernel_replies: 500,
            ..outcome()
        });
        let rounds = Rounds { total: Some(2), ..Rounds::default() };
        let seen = seen(&records, &OK);
        judge(&Expected { scenario, rounds, ..expected() }, &seen).kind()
    };
    // Two harts, two rounds: 25 checks each time, and of 16 and 32 dead.
    assert_eq!(kind(Scenario::Threads, 195), Some(Kind::NumbersWrong));
    assert_eq!(kind(Scenario::Threads, 196), None);
    assert_eq!(kind(Scenario::Threads, 200), None);
    assert_eq!(kind(Scenario::Preempt, 0), Some(Kind::NumbersWrong));
    assert_eq!(kind(Scenario::Preempt, 1), Some(Kind::NumbersWrong));
    assert_eq!(kind(Scenario::Preempt, 2), None);
    assert_eq!(kind(Scenario::Preempt, 3), Some(Kind::NumbersWrong));
}

/// The kind of a boot of `ist` on two harts, with 50 alarms on hart 1.
fn alarms(change: impl FnOnce(&mut Outcome)) -> Option<Kind> {
    let mut outcome = Outcome {
        scenario: Scenario::Ist,
        round_trips: 54,
        kernel_sends: 4,
        kernel_replies: 4,
        interrupts: Some(Interrupts { hartid: 1, here: 50, elsewhere: 4, stray: 0 }),
        ..outcome()
    };
    change(&mut outcome);
    let mut records = good();
    records[3] = Record::Start { scenario: Scenario::Ist, harts: 2, clients: 2, rounds: 50 };
    records[4] = Record::End(outcome);
    let rounds = Rounds { total: Some(50), hart: Some(1), ..Rounds::default() };
    let expected = Expected { scenario: Scenario::Ist, rounds, ..expected() };
    let seen = seen(&records, &OK);
    judge(&expected, &seen).kind()
}

#[test]
fn interrupts_come_where_they_were_asked_for() {
    assert_eq!(alarms(|_| {}), None);
    type Change = fn(&mut Interrupts);
    let changes: &[Change] = &[
        |told| told.hartid = 0,
        |told| told.hartid = 9,
        |told| told.here = 51,
        |told| told.here = 49,
        |told| told.elsewhere = 5,
        |told| told.elsewhere = 3,
        |told| told.stray = 1,
    ];
    for (at, change) in changes.iter().enumerate() {
        let kind = alarms(|outcome| outcome.interrupts.iter_mut().for_each(change));
        assert_eq!(kind, Some(Kind::NumbersWrong), "change {at}");
    }
    assert_eq!(alarms(|outcome| outcome.interrupts = None), Some(Kind::NumbersWrong));
    let elsewhere = with(|outcome| outcome.interrupts = Some(Interrupts::default()));
    assert_eq!(kind(&elsewhere, OK), Some(Kind::NumbersWrong), "ports has none");
}

/// The kind of a boot of that scenario with drives, on two harts, that has 200
/// units to verify; `written` blocks are named by a record.
fn with_drives(scenario: Scenario, outcome: Outcome, written: u64) -> Option<Kind> {
    let mut records = good();
    records[3] = Record::Start { scenario, harts: 2, clients: 1, rounds: 200 };
    records[4] = Record::End(outcome);
    if written > 0 {
        let written = DiskWritten { drive: 0, first: 9, count: written, generation: 1 };
        records.insert(4, Record::DiskWritten(written));
    }
    let rounds = Rounds { total: Some(200), ..Rounds::default() };
    let expected = Expected { scenario, rounds, disks: vec![DISK], ..expected() };
    let seen = seen(&records, &OK);
    judge(&expected, &seen).kind()
}

/// What a boot of `nvme-verify` tells that was not told how much, of a disk of 200
/// blocks.
#[test]
fn all_of_a_disk_is_verified_unless_less_was_asked_for() {
    let kind = |verified: u64| {
        let drives = Drives {
            drives: 1,
            queue_pairs: 2,
            reads: 60,
            blocks: verified + 25,
            written: 25,
            by_interrupt: 70,
            latency: Latency { least: 9, median: 10, percent99: 12, most: 12 },
            ..Drives::default()
        };
        let mut records = with(|o| {
            (o.scenario, o.round_trips, o.drives) = (Scenario::NvmeVerify, verified, Some(drives));
            o.interrupts = Some(Interrupts { hartid: 0, here: 30, elsewhere: 0, stray: 0 });
        });
        let scenario = Scenario::NvmeVerify;
        records[3] = Record::Start { scenario, harts: 2, clients: 1, rounds: verified };
        let written = DiskWritten { drive: 0, first: 9, count: 25, generation: 1 };
        records.insert(4, Record::DiskWritten(written));
        let expected = Expected { scenario, disks: vec![DISK], ..expected() };
        judge(&expected, &seen(&records, &OK)).kind()
    };
    assert_eq!((kind(200), kind(199)), (None, Some(Kind::NumbersWrong)));
}

/// The kind of a boot of `nvme-read`.
fn reads(change: impl FnOnce(&mut Outcome)) -> Option<Kind> {
    let mut outcome = Outcome {
        scenario: Scenario::NvmeRead,
        round_trips: 200,
        kernel_sends: 2,
        kernel_replies: 2,
        interrupts: Some(Interrupts { hartid: 0, here: 30, elsewhere: 0, stray: 0 }),
        drives: Some(Drives {
            drives: 1,
            queue_pairs: 2,
            reads: 200,
            distinct: 25,
            blocks: 1600,
            by_interrupt: 195,
            polled: 5,
            latency: Latency { least: 9, median: 10, percent99: 12, most: 12 },
            ..Drives::default()
        }),
        ..outcome()
    };
    change(&mut outcome);
    with_drives(Scenario::NvmeRead, outcome, 0)
}

#[test]
fn what_is_written_is_read_again() {
    let drives = Drives {
        drives: 1,
        queue_pairs: 2,
        reads: 60,
        blocks: 225,
        written: 25,
        by_interrupt: 70,
        latency: Latency { least: 9, median: 10, percent99: 12, most: 12 },
        ..Drives::default()
    };
    let outcome = |drives| Outcome {
        scenario: Scenario::NvmeVerify,
        round_trips: 200,
        kernel_sends: 2,
        kernel_replies: 2,
        interrupts: Some(Interrupts { hartid: 0, here: 30, elsewhere: 0, stray: 0 }),
        drives: Some(drives),
        ..outcome()
    };
    let kind = |drives, named| with_drives(Scenario::NvmeVerify, outcome(drives), named);
    assert_eq!(kind(drives, 25), None);
    assert_eq!(kind(drives, 24), Some(Kind::NumbersWrong));
    assert_eq!(kind(drives, 0), Some(Kind::NumbersWrong));
    assert_eq!(kind(Drives { blocks: 224, ..drives }, 25), Some(Kind::NumbersWrong));
    assert_eq!(kind(Drives { written: 0, blocks: 200, ..drives }, 0), Some(Kind::NumbersWrong));
    let fewer = Outcome { round_trips: 199, ..outcome(Drives { blocks: 224, ..drives }) };
    assert_eq!(with_drives(Scenario::NvmeVerify, fewer, 25), Some(Kind::NumbersWrong));
}

#[test]
fn drives_do_what_they_were_asked_for() {
    assert_eq!(reads(|_| {}), None);
    type Change = fn(&mut Drives);
    let changes: &[Change] = &[
        |told| told.drives = 0,
        |told| told.drives = 2,
        |told| told.reads = 199,
        |told| told.blocks = 200,
        |told| told.blocks = 1599,
        |told| told.blocks = 1601,
        |told| told.written = 1,
        |told| (told.by_interrupt, told.polled) = (159, 41),
        |told| told.polled = 6,
        |told| told.missed = 1,
        |told| told.queue_pairs = 1,
        |told| told.queue_pairs = 3,
        |told| told.stray = 1,
        |told| told.resets = 1,
        |told| told.latency.median = 8,
        |told| told.latency.percent99 = 13,
        |told| told.latency = Latency::default(),
    ];
    for (at, change) in changes.iter().enumerate() {
        let kind = reads(|outcome| outcome.drives.iter_mut().for_each(change));
        assert_eq!(kind, Some(Kind::NumbersWrong), "change {at}");
    }
    assert_eq!(reads(|outcome| outcome.round_trips = 199), Some(Kind::NumbersWrong));
    let distinct = |n| reads(|o| o.drives.iter_mut().for_each(|told| told.distinct = n));
    assert_eq!((distinct(24), distinct(26)), (Some(Kind::NumbersWrong), Some(Kind::NumbersWrong)));
    // No more than eight reads come with an interrupt.
    let heard = |here| reads(|o| o.interrupts.iter_mut().for_each(|told| told.here = here));
    assert_eq!((heard(25), heard(24)), (None, Some(Kind::NumbersWrong)));
    assert_eq!(reads(|outcome| outcome.drives = None), Some(Kind::NumbersWrong));
    assert_eq!(reads(|outcome| outcome.interrupts = None), Some(Kind::NumbersWrong));
    let elsewhere = |outcome: &mut Outcome| {
        outcome.interrupts = Some(Interrupts { hartid: 1, here: 30, elsewhere: 0, stray: 0 });
    };
    assert_eq!(reads(elsewhere), Some(Kind::NumbersWrong), "hart 0 was due");
    let other = with(|outcome| outcome.drives = Some(Drives::default()));
    assert_eq!(kind(&other, OK), Some(Kind::NumbersWrong), "ports has none");
}
