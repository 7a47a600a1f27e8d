// SPDX-License-Identifier: Apache-2.0
//! What may be printed while a scenario runs.

use super::*;
use crate::record::{FaultInfo, Programs};

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
    let mut records = with(|o| {
        o.scenario = program;
        o.programs = Some(Programs::default());
    });
    records[3] = Record::Start { scenario: program, harts: 2, clients: 0, rounds: 0 };
    let judged_as = |scenario: Scenario, records: &[Record]| {
        let (expected, texts) = (Expected { scenario, ..expected() }, [text(4, "hello")]);
        judge(&expected, &Seen { texts: &texts, ..seen(records, &OK) })
    };
    let judged = |records: &[Record]| judged_as(program, records);
    assert!(judged(&records).passed());
    // That of `all` has nothing to say.
    let all = judged_as(Scenario::All, &records).problems;
    assert!(all.iter().any(|p| p.kind == Kind::HotPrint), "{all:?}");
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
