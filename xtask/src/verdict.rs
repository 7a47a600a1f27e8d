// SPDX-License-Identifier: Apache-2.0
//! The one place that says whether a boot passed.
//!
//! A pure function of what was seen and what was asked. Invariant: a pass
//! needs the guest's own success record *and* the exit status that only
//! success gives *and* numbers that the host checked again; whatever is
//! missing, doubled, damaged or different is a failure with a kind.

use std::fmt;

use serde::{Deserialize, Serialize};
use skimmer_abi::exit::ExitStatus;
use skimmer_abi::scenario::Scenario;

use crate::console::{Gap, Text};
use crate::record::{Outcome, Record};
use crate::rounds::{Due, Rounds, kstress_messages};
use crate::show;
use crate::watchdog::Hang;

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
    check_outcome(expected, seen, &mut add);
    // What a program prints is its own business.
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
    check_numbers(expected, outcome, seen.records, add);
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
    // Figures come from programs only.
    let is_hot = |r: &Record| {
        !matches!(r, Record::CheckFailed { .. } | Record::Figure { .. } | Record::Shortage(_))
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

fn check_numbers(
    expected: &Expected,
    outcome: &Outcome,
    records: &[Record],
    add: &mut impl FnMut(Kind, String),
) {
    let mut check = |holds: bool, what: String| {
        if !holds {
            add(Kind::NumbersWrong, what);
        }
    };
    let up = count(records, |r| matches!(r, Record::HartUp { .. }));
    let failed = count(records, |r| matches!(r, Record::HartFailed { .. }));
    let mut ids: Vec<u64> = records
        .iter()
        .filter_map(|r| if let Record::HartUp { hartid, .. } = r { Some(*hartid) } else { None })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    check(ids.len() as u64 == up, "a hart came up twice".to_owned());
    for record in records {
        if let Record::Boot { harts, .. } = record {
            let told = up + failed == u64::from(*harts);
            check(told, format!("{harts} harts found, {up} came up, {failed} failed"));
        }
    }
    match expected.harts {
        Some(due) => {
            let due = u64::from(due) + u64::from(boots_on_a_skipped_hart(records));
            check(up == due, format!("{up} harts came up, {due} were due"));
        }
        None => {
            check(up > 0, "no hart came up".to_owned());
            check(up > 1 || failed < 2, format!("all {failed} other harts failed to start"));
        }
    }
    let told = outcome.kstress;
    check(
        expected.rounds.kstress_is_right(told),
        match told {
            _ if !expected.rounds.kstress => "kstress ran and was not asked for".to_owned(),
            None => "kstress was asked for and did not run".to_owned(),
            Some(count) => format!("kstress made {count} round trips: it did not go on"),
        },
    );
    let Some(due) = expected.rounds.due(expected.scenario, up) else { return };
    let harts = u64::from(outcome.harts);
    check(harts == up, format!("{harts} harts took part, {up} came up"));
    check_announced(&due, up, records, &mut check);
    check_work(expected.scenario, &due, outcome, &mut check);
}

/// Whether the machine booted on a hart that its tree calls unusable: firmware
/// chooses, and the kernel uses the hart that it runs on.
fn boots_on_a_skipped_hart(records: &[Record]) -> bool {
    records.iter().any(|record| match record {
        Record::Boot { boot_hart, .. } => records.iter().any(
            |other| matches!(other, Record::HartSkipped { hartid, .. } if hartid == boot_hart),
        ),
        _ => false,
    })
}

/// What the guest announced must be what it was asked for.
fn check_announced(due: &Due, up: u64, records: &[Record], check: &mut impl FnMut(bool, String)) {
    for record in records {
        let Record::Start { harts, clients, rounds, .. } = *record else { continue };
        let (asked, wanted) = (due.rounds, due.clients);
        check(rounds == asked, format!("{rounds} rounds were begun, {asked} were asked for"));
        let clients = u64::from(clients);
        check(clients == wanted, format!("{clients} clients were begun, {wanted} were due"));
        check(u64::from(harts) == up, format!("begun on {harts} harts, {up} came up"));
    }
}

/// The work that was done, against what was asked for and against the kernel's
/// own counters.
fn check_work(
    scenario: Scenario,
    due: &Due,
    outcome: &Outcome,
    check: &mut impl FnMut(bool, String),
) {
    let Outcome { round_trips, kernel_sends: sends, kernel_replies: replies, .. } = *outcome;
    let (least, most) = (*due.verified.start(), *due.verified.end());
    let in_words = match least {
        _ if least == most => format!("{least} were due"),
        _ if most == u64::MAX => format!("at least {least} were due"),
        _ => format!("{least} to {most} were due"),
    };
    let is_due = due.verified.contains(&round_trips);
    check(is_due, format!("{round_trips} verified, {in_words}"));
    let is_alone = scenario == Scenario::Ports && outcome.harts == 1;
    check(is_alone || round_trips > 0, "nothing was done".to_owned());
    check(outcome.canaries > 0, "no stack canary was checked".to_owned());
    // Every message is answered in the end, if only because nobody is there.
    check(sends == replies, format!("{sends} sends, {replies} replies"));
    let all =
        due.messages.map(|messages| messages.saturating_add(kstress_messages(outcome.kstress)));
    let fewest = all.unwrap_or(round_trips.saturating_add(outcome.kstress.unwrap_or(0)));
    let covers = |n: u64| n == fewest || all.is_none() && n > fewest;
    check(covers(sends), format!("{sends} sends, the work makes {fewest}"));
    check(covers(replies), format!("{replies} replies, the work makes {fewest}"));
    if scenario == Scenario::Ports {
        let ops = outcome.remote_ops;
        check(
            ops >= round_trips,
            format!("{ops} ring operations for {round_trips} round trips between harts"),
        );
    }
}

fn count(records: &[Record], which: impl Fn(&Record) -> bool) -> u64 {
    records.iter().filter(|r| which(r)).count() as u64
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
