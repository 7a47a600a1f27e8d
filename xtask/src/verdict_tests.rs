// SPDX-License-Identifier: Apache-2.0
//! Tests of the judgement: one good boot, and every way to spoil it.

use super::*;
use crate::record::{FaultInfo, PanicInfo};

fn outcome() -> Outcome {
    Outcome {
        scenario: Scenario::Ports,
        harts: 2,
        round_trips: 14,
        errors: 0,
        kernel_sends: 14,
        kernel_replies: 14,
        remote_ops: 28,
        ring_waits: 0,
        doorbells: 0,
        switches: 40,
        canaries: 4,
        preemptions: 0,
        kstress: None,
        nanos: 1000,
        off_times: None,
    }
}

fn good() -> Vec<Record> {
    vec![
        Record::Boot {
            version: "0.1.0".to_owned(),
            boot_hart: 1,
            harts: 2,
            memory: 1 << 28,
            ring_bytes: 4096,
            sbi: (1, 1),
            seed: 9,
        },
        Record::HartUp { hartid: 1, index: 0 },
        Record::HartUp { hartid: 0, index: 1 },
        Record::Start { scenario: Scenario::Ports, harts: 2, clients: 1, rounds: 14 },
        Record::End(outcome()),
    ]
}

fn expected() -> Expected {
    Expected {
        scenario: Scenario::Ports,
        rounds: Rounds::default(),
        harts: Some(2),
        exit_checked: true,
        seed: 9,
    }
}

fn verdict(records: &[Record], ending: Ending) -> Verdict {
    judge_texts(records, &[], ending)
}

fn judge_texts(records: &[Record], texts: &[Text], ending: Ending) -> Verdict {
    let seen = Seen { records, texts, damaged: 0, silent: false, gaps: &[], ending: &ending };
    judge(&expected(), &seen)
}

fn kind(records: &[Record], ending: Ending) -> Option<Kind> {
    verdict(records, ending).kind()
}

fn with(change: impl FnOnce(&mut Outcome)) -> Vec<Record> {
    let mut records = good();
    let mut outcome = outcome();
    change(&mut outcome);
    *records.last_mut().expect("not empty") = Record::End(outcome);
    records
}

fn without(at: usize) -> Vec<Record> {
    let mut records = good();
    records.remove(at);
    records
}

fn panic() -> Record {
    Record::Panic(PanicInfo {
        hartid: 0,
        message: "broken".to_owned(),
        file: String::new(),
        line: 0,
        scause: None,
        pc: 0,
        stval: 0,
        frames: vec![],
    })
}

/// Makes the scenario announce that one hart is alone and has nothing to do.
fn announce_nothing(records: &mut [Record]) {
    for record in records {
        if let Record::Start { rounds, harts, clients, .. } = record {
            (*rounds, *harts, *clients) = (0, 1, 0);
        }
    }
}

const OK: Ending = Ending::Exited(85);

#[test]
fn a_good_boot_passes() {
    assert_eq!(kind(&good(), OK), None);
}

#[test]
fn qemus_own_zero_is_never_success() {
    assert_eq!(kind(&good(), Ending::Exited(0)), Some(Kind::WrongExit));
}

#[test]
fn a_success_record_with_a_wrong_exit_fails() {
    for code in [1, 84, 86, 87, 88, 255, -1] {
        assert_eq!(kind(&good(), Ending::Exited(code)), Some(Kind::WrongExit), "{code}");
    }
}

#[test]
fn a_right_exit_without_a_record_fails() {
    assert_eq!(kind(&good()[..4], OK), Some(Kind::NoRecord));
    assert_eq!(kind(&[], OK), Some(Kind::NoRecord));
}

#[test]
fn killed_half_way_fails() {
    assert_eq!(kind(&good()[..3], Ending::Signalled(9)), Some(Kind::Killed));
    assert_eq!(kind(&good(), Ending::Signalled(9)), Some(Kind::Killed));
    assert_eq!(kind(&good()[..3], Ending::Interrupted), Some(Kind::Interrupted));
}

#[test]
fn hang_and_timeout_fail_even_after_a_good_outcome() {
    let hang = Ending::Hang(Hang::Asleep { seconds: 10 });
    assert_eq!(kind(&good(), hang), Some(Kind::Hang));
    assert_eq!(kind(&good(), Ending::Timeout(120)), Some(Kind::Timeout));
}

#[test]
fn without_an_exit_device_the_outcome_is_enough_but_only_there() {
    let ending = Ending::EndedAfterOutcome;
    assert_eq!(kind(&good(), ending.clone()), Some(Kind::WrongExit));
    let expected = Expected { exit_checked: false, ..expected() };
    let records = good();
    let mut seen = Seen {
        records: &records,
        texts: &[],
        damaged: 0,
        silent: false,
        gaps: &[],
        ending: &ending,
    };
    assert!(judge(&expected, &seen).passed());
    seen.records = &records[..4];
    assert_eq!(judge(&expected, &seen).kind(), Some(Kind::NoRecord));
}

#[test]
fn a_panic_names_the_boot_whatever_else_happened() {
    let mut records = good();
    records.insert(3, panic());
    assert_eq!(kind(&records, Ending::Exited(87)), Some(Kind::Panic));
    let mut records = good();
    records.push(panic());
    assert_eq!(kind(&records, OK), Some(Kind::Panic));
    assert_eq!(kind(&[panic()], Ending::Hang(Hang::Asleep { seconds: 1 })), Some(Kind::Panic));
}

#[test]
fn damage_and_loss_fail() {
    let records = good();
    let seen =
        Seen { records: &records, texts: &[], damaged: 1, silent: false, gaps: &[], ending: &OK };
    assert_eq!(judge(&expected(), &seen).kind(), Some(Kind::Damaged));
    let seen = Seen { damaged: 0, gaps: &[Gap { due: 1, came: 2 }], ..seen };
    assert_eq!(judge(&expected(), &seen).kind(), Some(Kind::RecordLost));
}

#[test]
fn guest_errors_fail() {
    assert_eq!(kind(&with(|o| o.errors = 1), OK), Some(Kind::GuestErrors));
}

#[test]
fn what_was_begun_must_be_done() {
    let mut records = good();
    announce_nothing(&mut records);
    assert_eq!(kind(&records, OK), Some(Kind::NumbersWrong));
}

#[test]
fn another_scenarios_outcome_fails() {
    let records = with(|o| o.scenario = Scenario::Threads);
    assert_eq!(kind(&records, OK), Some(Kind::WrongScenario));
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
fn one_hart_has_no_round_trips() {
    let mut records = with(|o| {
        o.harts = 1;
        o.round_trips = 0;
        o.kernel_sends = 0;
        o.kernel_replies = 0;
    });
    records.remove(2);
    announce_nothing(&mut records);
    if let Record::Boot { harts, .. } = &mut records[0] {
        *harts = 1;
    }
    let expected = Expected { harts: Some(1), ..expected() };
    let seen =
        Seen { records: &records, texts: &[], damaged: 0, silent: false, gaps: &[], ending: &OK };
    assert_eq!(judge(&expected, &seen), Verdict { problems: vec![] });
}

#[test]
fn missing_harts_fail() {
    assert_eq!(kind(&without(1), OK), Some(Kind::NumbersWrong));
    let mut twice = good();
    twice[2] = twice[1].clone();
    assert_eq!(kind(&twice, OK), Some(Kind::NumbersWrong));
    let mut failed = good();
    failed[2] = Record::HartFailed { hartid: 0, error: -3 };
    assert_eq!(kind(&failed, OK), Some(Kind::NumbersWrong));
}

#[test]
fn a_failed_check_fails_the_boot_whatever_the_count_says() {
    let mut records = good();
    records.insert(4, Record::CheckFailed { name: "order".to_owned() });
    let verdict = verdict(&records, OK);
    assert_eq!(verdict.kind(), Some(Kind::GuestErrors));
    assert!(verdict.problems[0].what.contains("order"));
}

#[test]
fn a_hart_that_fails_is_allowed_where_the_tree_was_changed() {
    let mut records = with(|o| o.harts = 1);
    records[2] = Record::HartFailed { hartid: 0, error: -3 };
    let expected = Expected { harts: None, ..expected() };
    let seen =
        Seen { records: &records, texts: &[], damaged: 0, silent: false, gaps: &[], ending: &OK };
    // One hart has no clients, so it may not claim round trips.
    assert_eq!(judge(&expected, &seen).kind(), Some(Kind::NumbersWrong));
    let mut records: Vec<Record> = records
        .iter()
        .map(|r| match r {
            Record::End(o) => Record::End(Outcome { round_trips: 0, ..*o }),
            other => other.clone(),
        })
        .collect();
    announce_nothing(&mut records);
    let seen = Seen { records: &records, ..seen };
    assert!(judge(&expected, &seen).passed());
}

/// The outcome of one hart that is alone, and `failed` others.
fn alone(failed: u64) -> Vec<Record> {
    let mut records = with(|o| {
        o.harts = 1;
        o.round_trips = 0;
    });
    records.remove(2);
    announce_nothing(&mut records);
    if let Record::Boot { harts, .. } = &mut records[0] {
        *harts = 1 + failed as u32;
    }
    for hartid in 0..failed {
        records.insert(2, Record::HartFailed { hartid: 10 + hartid, error: -3 });
    }
    records
}

#[test]
fn where_the_number_of_harts_is_unknown_not_all_may_fail() {
    let unknown = Expected { harts: None, ..expected() };
    let kind = |records: &[Record]| {
        judge(
            &unknown,
            &Seen { records, texts: &[], damaged: 0, silent: false, gaps: &[], ending: &OK },
        )
        .kind()
    };
    assert_eq!(kind(&alone(0)), None);
    assert_eq!(kind(&alone(1)), None, "nobody started several");
    assert_eq!(kind(&alone(2)), Some(Kind::NumbersWrong));
    let mut nobody = alone(0);
    nobody.remove(1);
    if let Record::Boot { harts, .. } = &mut nobody[0] {
        *harts = 0;
    }
    if let Some(Record::End(outcome)) = nobody.last_mut() {
        outcome.harts = 0;
    }
    assert_eq!(kind(&nobody), Some(Kind::NumbersWrong));
}

#[test]
fn no_rounds_asked_is_nothing_done() {
    let mut records = with(|o| o.round_trips = 0);
    if let Record::Start { rounds, .. } = &mut records[3] {
        *rounds = 0;
    }
    let rounds = Rounds { total: Some(0), ..Rounds::default() };
    let expected = Expected { rounds, ..expected() };
    let seen =
        Seen { records: &records, texts: &[], damaged: 0, silent: false, gaps: &[], ending: &OK };
    let verdict = judge(&expected, &seen);
    assert_eq!(verdict.problems.len(), 1);
    assert_eq!(verdict.problems[0].to_string(), "numbers-wrong: nothing was done");
}

#[test]
fn silence_is_said() {
    let ending = Ending::Hang(Hang::Busy { cpu_seconds: 20 });
    let mut seen =
        Seen { records: &[], texts: &[], damaged: 0, silent: true, gaps: &[], ending: &ending };
    let said = |seen: &Seen<'_>| judge(&expected(), seen).problems[0].to_string();
    assert!(said(&seen).contains("printed nothing: is the device tree whole?"));
    seen.silent = false;
    assert!(!said(&seen).contains("printed nothing"));
}

#[test]
fn the_beginning_must_be_there_once() {
    assert_eq!(kind(&without(0), OK), Some(Kind::Contradiction));
    assert_eq!(kind(&without(3), OK), Some(Kind::Contradiction));
    let mut twice = good();
    twice.insert(0, twice[0].clone());
    assert_eq!(kind(&twice, OK), Some(Kind::Contradiction));
    let mut started_twice = good();
    started_twice.insert(3, started_twice[3].clone());
    assert_eq!(kind(&started_twice, OK), Some(Kind::Contradiction));
}

#[test]
fn skipped_harts_may_be_told_first() {
    let mut records = good();
    let reason = crate::record::SkipReason::Disabled;
    records.insert(0, Record::HartSkipped { hartid: 7, reason });
    assert_eq!(kind(&records, OK), None);
}

#[test]
fn two_outcomes_or_records_after_the_outcome_fail() {
    let mut twice = good();
    twice.push(Record::End(outcome()));
    assert_eq!(kind(&twice, OK), Some(Kind::Contradiction));
    let mut late = good();
    late.push(Record::HartUp { hartid: 5, index: 5 });
    assert_eq!(kind(&late, OK), Some(Kind::Contradiction));
}

#[test]
fn a_wrong_seed_is_a_contradiction() {
    let mut records = good();
    if let Record::Boot { seed, .. } = &mut records[0] {
        *seed = 8;
    }
    assert_eq!(kind(&records, OK), Some(Kind::Contradiction));
}

#[test]
fn bad_input_is_named() {
    let records = [Record::BadInput { message: "no such scenario".to_owned() }];
    assert_eq!(kind(&records, Ending::Exited(88)), Some(Kind::BadInput));
}

#[test]
fn a_qemu_that_fails_is_named() {
    let ending = Ending::QemuFailed("bad option".to_owned());
    assert_eq!(kind(&[], ending), Some(Kind::QemuFailed));
}

fn text(after: usize, line: &str) -> Text {
    Text { after, line: line.to_owned() }
}

#[test]
fn a_line_while_the_scenario_runs_is_a_hot_print() {
    let verdict = judge_texts(&good(), &[text(3, "before"), text(4, "hello"), text(4, "more")], OK);
    assert_eq!(verdict.kind(), Some(Kind::HotPrint));
    assert_eq!(verdict.problems.len(), 1);
    assert_eq!(verdict.problems[0].to_string(), "hot-print: printed while the scenario ran: hello");
}

#[test]
fn text_before_the_start_and_after_the_end_is_none() {
    assert!(
        judge_texts(&good(), &[text(0, "banner"), text(3, "kstress"), text(5, "bye")], OK).passed()
    );
}

#[test]
fn what_a_program_prints_is_its_own_business() {
    let program = Scenario::Program;
    let mut records = with(|o| o.scenario = program);
    records[3] = Record::Start { scenario: program, harts: 2, clients: 0, rounds: 0 };
    let judged = |records: &[Record]| {
        let (expected, texts) = (Expected { scenario: program, ..expected() }, [text(4, "hello")]);
        let seen =
            Seen { records, texts: &texts, damaged: 0, silent: false, gaps: &[], ending: &OK };
        judge(&expected, &seen)
    };
    assert!(judged(&records).passed());
    let fault = FaultInfo { program: "hello".to_owned(), scause: 15, ..FaultInfo::default() };
    records.insert(4, Record::Fault(fault));
    assert!(judged(&records).passed());
    records.insert(4, Record::HartFailed { hartid: 7, error: -1 });
    assert!(judged(&records).problems.iter().any(|p| p.kind == Kind::HotPrint));
}

#[test]
fn a_record_while_the_scenario_runs_is_a_hot_print_too() {
    let mut records = good();
    records.insert(4, Record::HartFailed { hartid: 7, error: -1 });
    let what = |texts: &[Text]| {
        let problems = judge_texts(&records, texts, OK).problems;
        let hot = problems.into_iter().find(|p| p.kind == Kind::HotPrint);
        hot.expect("a hot print").what
    };
    assert!(what(&[]).contains("hart 7: did not start"));
    assert!(what(&[text(5, "later")]).contains("hart 7"));
    assert!(what(&[text(4, "sooner")]).contains("sooner"));
}

#[test]
fn a_print_before_a_hang_comes_second() {
    let hang = Ending::Hang(Hang::Asleep { seconds: 10 });
    let problems = judge_texts(&good()[..4], &[text(4, "hello")], hang).problems;
    let kinds: Vec<Kind> = problems.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [Kind::Hang, Kind::NoRecord, Kind::HotPrint]);
}

#[test]
fn who_panics_gives_up_or_names_a_failed_check_may_speak() {
    let hot = |last: Record, line: &str| {
        let mut records = good();
        *records.last_mut().expect("not empty") = last;
        let problems = judge_texts(&records, &[text(4, line)], OK).problems;
        problems.iter().any(|p| p.kind == Kind::HotPrint)
    };
    assert!(!hot(panic(), "a trap"));
    assert!(!hot(Record::BadInput { message: "no memory".to_owned() }, "cannot go on"));
    assert!(hot(Record::End(outcome()), "hello"));
}

#[test]
fn failed_checks_have_names_and_are_no_hot_prints() {
    let failed = |name: &str| Record::CheckFailed { name: name.to_owned() };
    let mut records = with(|o| o.errors = 2);
    records.splice(4..4, [failed("one"), failed("two")]);
    assert_eq!(kind(&records, OK), Some(Kind::GuestErrors));
    let problems = verdict(&records, OK).problems;
    assert!(problems.iter().all(|p| p.kind != Kind::HotPrint), "{problems:?}");
    records.insert(5, Record::HartFailed { hartid: 7, error: -1 });
    let problems = verdict(&records, OK).problems;
    assert!(problems.iter().any(|p| p.kind == Kind::HotPrint && p.what.contains("hart 7")));
    assert_eq!(failed_checks(&records).collect::<Vec<_>>(), ["one", "two"]);
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
    let seen =
        Seen { records: &records, texts: &[], damaged: 0, silent: false, gaps: &[], ending: &OK };
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
        let seen = Seen {
            records: &records,
            texts: &[],
            damaged: 0,
            silent: false,
            gaps: &[],
            ending: &OK,
        };
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
