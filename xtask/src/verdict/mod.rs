// SPDX-License-Identifier: Apache-2.0
//! The one place that says whether a boot passed.
//!
//! A pure function of what was seen and what was asked. Invariant: a pass
//! needs the guest's own success record *and* the exit status that only
//! success gives *and* numbers that the host checked again; whatever is
//! missing, doubled, damaged or different is a failure with a kind.

mod beside;
pub mod cases;
mod drives;
mod faults;
mod numbers;

use std::fmt;

use serde::{Deserialize, Serialize};
use skimmer_abi::exit::ExitStatus;
use skimmer_abi::scenario::Scenario;

use crate::console::{Gap, Text};
use crate::disk::{DiskSpec, Layout};
use crate::record::{Outcome, Record};
use crate::rounds::Rounds;
use crate::show;
use crate::watchdog::Hang;
use crate::workloads::Work;

/// How the machine came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// QEMU exited with this status.
    Exited(i32),
    /// QEMU was ended by this signal, and not by us.
    Signalled(i32),
    /// We ended it because its outcome had arrived and the machine has no
    /// device to exit through.
    EndedAfterOutcome,
    /// The watchdog ended it.
    Hang(Hang),
    /// Nothing got done for this many seconds.
    Timeout(u64),
    /// The user interrupted.
    Interrupted,
    /// QEMU did not run the guest at all, and said this.
    QemuFailed(String),
}

/// What a boot was asked for.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The scenario.
    pub scenario: Scenario,
    /// How much work: the units that must be verified are reckoned from it.
    pub rounds: Rounds,
    /// The same, of a program.
    pub work: Option<Work>,
    /// The test disks that it has.
    pub disks: Vec<Layout>,
    /// What is wrong with each of them.
    pub specs: Vec<DiskSpec>,
    /// Harts that must come up, where the number is known.
    pub harts: Option<u32>,
    /// Whether the machine can tell an exit status.
    pub exit_checked: bool,
    /// The seed that the guest must have read.
    pub seed: u64,
}

/// What a boot showed.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The records, in order.
    pub records: &'a [Record],
    /// The lines of text, with their places among the records.
    pub texts: &'a [Text],
    /// Lines that had a record's mark and were none.
    pub damaged: u32,
    /// Whether the guest and its firmware printed nothing at all.
    pub silent: bool,
    /// Sequence numbers that did not follow each other.
    pub gaps: &'a [Gap],
    /// What is wrong on its disks, in words.
    pub disks: &'a [String],
    /// How it ended.
    pub ending: &'a Ending,
}

/// What kind of failure, for counting. In order of precedence: the first
/// that applies names the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The user stopped it.
    Interrupted,
    /// The boot could not be made at all.
    NotMade,
    /// QEMU did not start.
    QemuFailed,
    /// The kernel panicked.
    Panic,
    /// The guest could not do what was asked.
    BadInput,
    /// The watchdog saw no progress.
    Hang,
    /// Nothing got done, by the wall clock.
    Timeout,
    /// QEMU was killed.
    Killed,
    /// A record was damaged.
    Damaged,
    /// A record is missing between others.
    RecordLost,
    /// No outcome was reported.
    NoRecord,
    /// The outcome is of another scenario.
    WrongScenario,
    /// A disk does not hold what it should.
    DiskWrong,
    /// The guest found errors.
    GuestErrors,
    /// The exit status is not the one of success.
    WrongExit,
    /// Records that contradict each other.
    Contradiction,
    /// The guest's numbers do not add up.
    NumbersWrong,
    /// The guest printed while its scenario ran.
    HotPrint,
}

impl Kind {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::NotMade => "not-made",
            Self::QemuFailed => "qemu-failed",
            Self::Panic => "panic",
            Self::BadInput => "bad-input",
            Self::Hang => "hang",
            Self::Timeout => "timeout",
            Self::Killed => "killed",
            Self::Damaged => "damaged",
            Self::RecordLost => "record-lost",
            Self::NoRecord => "no-record",
            Self::Contradiction => "contradiction",
            Self::WrongScenario => "wrong-scenario",
            Self::DiskWrong => "disk-wrong",
            Self::GuestErrors => "guest-errors",
            Self::NumbersWrong => "numbers-wrong",
            Self::WrongExit => "wrong-exit",
            Self::HotPrint => "hot-print",
        }
    }
}

/// One thing that is wrong with a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its kind.
    pub kind: Kind,
    /// In words.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.what)
    }
}

/// The judgement: no problems is a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Everything that is wrong, the most telling first.
    pub problems: Vec<Problem>,
}

impl Verdict {
    /// Whether the boot passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// The kind of the failure, if it is one.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.problems.first().map(|p| p.kind)
    }
}

/// Judges a boot.
#[must_use]
pub fn judge(expected: &Expected, seen: &Seen<'_>) -> Verdict {
    let mut problems = Vec::new();
    let mut add = |kind, what: String| problems.push(Problem { kind, what });
    for record in seen.records {
        match record {
            Record::Panic(panic) => add(Kind::Panic, panic.message.clone()),
            Record::CheckFailed { name } => {
                add(Kind::GuestErrors, format!("the first check to fail: {name}"));
            }
            Record::BadInput { message } => add(Kind::BadInput, message.clone()),
            _ => {}
        }
    }
    check_ending(expected, seen, &mut add);
    if seen.damaged > 0 {
        add(Kind::Damaged, format!("{} damaged record(s)", seen.damaged));
    }
    for Gap { due, came } in seen.gaps {
        add(Kind::RecordLost, format!("record {due} was due, {came} came"));
    }
    seen.disks.iter().for_each(|what| add(Kind::DiskWrong, what.clone()));
    cases::check(expected, seen.records, &mut add);
    check_outcome(expected, seen, &mut add);
    // What a program prints is its own business; that of `all` prints nothing.
    let texts = if expected.scenario == Scenario::Program { &[] } else { seen.texts };
    if let Some(line) = hot_print(seen.records, texts) {
        add(Kind::HotPrint, format!("printed while the scenario ran: {line}"));
    }
    problems.sort_by_key(|p| p.kind);
    if seen.silent
        && let Some(first) = problems.first_mut()
        && matches!(first.kind, Kind::Hang | Kind::Timeout)
    {
        first.what += "; the guest printed nothing: is the device tree whole?";
    }
    Verdict { problems }
}

fn check_ending(expected: &Expected, seen: &Seen<'_>, add: &mut impl FnMut(Kind, String)) {
    match seen.ending {
        Ending::Exited(code) => {
            if *code != ExitStatus::Success as i32 {
                add(Kind::WrongExit, exit_in_words(*code));
            }
        }
        Ending::EndedAfterOutcome if !expected.exit_checked => {}
        Ending::EndedAfterOutcome => {
            add(Kind::WrongExit, "the machine reported an outcome and did not end".to_owned());
        }
        Ending::Signalled(signal) => add(Kind::Killed, format!("signal {signal} ended QEMU")),
        Ending::Hang(hang) => add(Kind::Hang, hang.to_string()),
        Ending::Timeout(seconds) => {
            add(Kind::Timeout, format!("nothing done in {seconds} s, and no end"))
        }
        Ending::Interrupted => add(Kind::Interrupted, "stopped by the user".to_owned()),
        Ending::QemuFailed(said) => add(Kind::QemuFailed, said.clone()),
    }
}

fn exit_in_words(code: i32) -> String {
    let meaning = match ExitStatus::from_code(code) {
        Some(ExitStatus::Success) => "success",
        Some(ExitStatus::Failure) => "the guest says failure",
        Some(ExitStatus::Panic) => "the guest says panic",
        Some(ExitStatus::BadInput) => "the guest says bad input",
        None => "no status of the guest's",
    };
    format!("QEMU exited with {code} ({meaning}), {} was due", ExitStatus::Success as i32)
}

fn check_outcome(expected: &Expected, seen: &Seen<'_>, add: &mut impl FnMut(Kind, String)) {
    let outcomes: Vec<(usize, &Outcome)> = seen
        .records
        .iter()
        .enumerate()
        .filter_map(|(at, r)| if let Record::End(o) = r { Some((at, o)) } else { None })
        .collect();
    let (at, outcome) = match outcomes.as_slice() {
        [] => return add(Kind::NoRecord, "the guest reported no outcome".to_owned()),
        [one] => *one,
        [one, ..] => {
            add(Kind::Contradiction, format!("{} outcomes of one boot", outcomes.len()));
            *one
        }
    };
    if at + 1 != seen.records.len() {
        add(Kind::Contradiction, "records came after the outcome".to_owned());
    }
    if outcome.scenario != expected.scenario {
        let (got, asked) = (outcome.scenario.name(), expected.scenario.name());
        add(Kind::WrongScenario, format!("an outcome of `{got}`, `{asked}` was asked"));
    }
    if outcome.errors > 0 {
        add(Kind::GuestErrors, format!("the guest counted {} errors", outcome.errors));
    }
    check_beginning(expected, &seen.records[..at], add);
    numbers::check(expected, outcome, seen.records, add);
}

/// The first line of the console between the start of the scenario and its
/// end, or until the guest falls silent; in words. The law no-hot-prints wants
/// none. A boot that panics or gives up may say why, and a check that fails is
/// named at the end. What a program measured it tells between measuring.
fn hot_print(records: &[Record], texts: &[Text]) -> Option<String> {
    let gives_up = |r: &Record| matches!(r, Record::Panic(_) | Record::BadInput { .. });
    if records.iter().any(gives_up) {
        return None;
    }
    let start = records.iter().position(|r| matches!(r, Record::Start { .. }))? + 1;
    let end = records[start..].iter().position(|r| matches!(r, Record::End(_)));
    let end = end.map_or(records.len(), |length| start + length);
    let text = texts.iter().find(|t| (start..=end).contains(&t.after));
    let text = text.map(|t| (t.after, t.line.clone()));
    // Figures, faults and shortages come from programs only; what was written and
    // what drives have failed is told once the workload is done.
    let is_hot = |record: &Record| {
        !matches!(
            record,
            Record::CheckFailed { .. }
                | Record::Figure { .. }
                | Record::Case(_)
                | Record::Fault(_)
                | Record::Shortage(_)
                | Record::DiskWritten(_)
                | Record::DriveFault(_)
                | Record::DriveTold(_)
        )
    };
    let record = records[start..end].iter().position(is_hot);
    let record = record.map(|at| (start + at, show::record(&records[start + at], None)));
    // Of a text and a record at the same place the text came first.
    [text, record].into_iter().flatten().min_by_key(|(at, _)| *at).map(|(_, line)| line)
}

/// The names of the guest's checks that failed, in order.
pub fn failed_checks(records: &[Record]) -> impl Iterator<Item = &str> {
    records.iter().filter_map(|r| match r {
        Record::CheckFailed { name } => Some(name.as_str()),
        _ => None,
    })
}

/// What must come before an outcome: one boot, the harts, one start.
fn check_beginning(expected: &Expected, before: &[Record], add: &mut impl FnMut(Kind, String)) {
    let wrong = Kind::Contradiction;
    // Harts that the tree rules out are told while the tree is read.
    let first = before.iter().find(|r| !matches!(r, Record::HartSkipped { .. }));
    match first {
        Some(Record::Boot { seed, .. }) if *seed != expected.seed => {
            let asked = expected.seed;
            add(wrong, format!("the guest read seed {seed}, {asked} was given"));
        }
        Some(Record::Boot { .. }) => {}
        _ => add(wrong, "the first record is not the boot's".to_owned()),
    }
    let boots = before.iter().filter(|r| matches!(r, Record::Boot { .. })).count();
    if boots > 1 {
        add(wrong, format!("the guest booted {boots} times"));
    }
    let starts: Vec<Scenario> = before
        .iter()
        .filter_map(|r| if let Record::Start { scenario, .. } = r { Some(*scenario) } else { None })
        .collect();
    if starts != [expected.scenario] {
        add(wrong, format!("one start of `{}` was due, got {starts:?}", expected.scenario.name()));
    }
}

#[cfg(test)]
pub(crate) mod tests;
