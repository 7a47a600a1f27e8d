// SPDX-License-Identifier: Apache-2.0
//! Tests of the judgement: one good boot, and every way to spoil it.

mod faults;
mod harts;
mod hot_print;
mod ipcstorm;
mod programs;
mod work;

use super::*;
use crate::record::{DiskWritten, Drives, Interrupts, Latency, PanicInfo};

/// What a good boot tells at its end.
pub(crate) fn outcome() -> Outcome {
    Outcome {
        harts: 2,
        round_trips: 14,
        kernel_sends: 14,
        kernel_replies: 14,
        remote_ops: 28,
        switches: 40,
        canaries: 4,
        nanos: 1000,
        ..Outcome::of(Scenario::Ports)
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

pub(in crate::verdict) fn expected() -> Expected {
    Expected {
        scenario: Scenario::Ports,
        rounds: Rounds::default(),
        work: None,
        disks: vec![],
        specs: vec![],
        harts: Some(2),
        exit_checked: true,
        seed: 9,
    }
}

/// A boot that showed these records and nothing else.
fn seen<'a>(records: &'a [Record], ending: &'a Ending) -> Seen<'a> {
    Seen { records, texts: &[], damaged: 0, silent: false, gaps: &[], disks: &[], ending }
}

/// A disk of 200 blocks.
const DISK: Layout = Layout { bytes: 200 * 512, block: 512, seed: 1 };

fn verdict(records: &[Record], ending: Ending) -> Verdict {
    judge_texts(records, &[], ending)
}

fn judge_texts(records: &[Record], texts: &[Text], ending: Ending) -> Verdict {
    judge(&expected(), &Seen { texts, ..seen(records, &ending) })
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
    let mut seen = seen(&records, &ending);
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
    let seen = Seen { damaged: 1, ..seen(&records, &OK) };
    assert_eq!(judge(&expected(), &seen).kind(), Some(Kind::Damaged));
    let seen = Seen { damaged: 0, gaps: &[Gap { due: 1, came: 2 }], ..seen };
    assert_eq!(judge(&expected(), &seen).kind(), Some(Kind::RecordLost));
}

#[test]
fn guest_errors_fail() {
    assert_eq!(kind(&with(|o| o.errors = 1), OK), Some(Kind::GuestErrors));
}

#[test]
fn a_wrong_disk_fails_and_names_the_boot() {
    let judged = |records: &[Record]| {
        let disks = &["disk 0: 1 of 8 blocks are wrong".to_owned()];
        judge(&expected(), &Seen { disks, ..seen(records, &OK) })
    };
    let verdict = judged(&good());
    assert_eq!(verdict.problems[0].to_string(), "disk-wrong: disk 0: 1 of 8 blocks are wrong");
    assert_eq!(judged(&with(|o| o.errors = 1)).kind(), Some(Kind::DiskWrong));
}

#[test]
fn what_was_written_may_be_told_before_the_end() {
    let mut records = good();
    let written = DiskWritten { drive: 0, first: 0, count: 1, generation: 1 };
    records.insert(4, Record::DiskWritten(written));
    assert_eq!(kind(&records, OK), None);
}

#[test]
fn another_scenarios_outcome_fails() {
    let records = with(|o| o.scenario = Scenario::Threads);
    assert_eq!(kind(&records, OK), Some(Kind::WrongScenario));
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
fn silence_is_said() {
    let ending = Ending::Hang(Hang::Busy { cpu_seconds: 20 });
    let mut seen = Seen {
        records: &[],
        texts: &[],
        damaged: 0,
        silent: true,
        gaps: &[],
        disks: &[],
        ending: &ending,
    };
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
