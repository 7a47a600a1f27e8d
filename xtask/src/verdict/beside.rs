// SPDX-License-Identifier: Apache-2.0
//! What ran beside a program, and that it went on: what the kernel had beside it
//! ([`Beside`]), and what the program itself did.

use skimmer_abi::scenario::Scenario;

use super::Expected;
use crate::record::{Beside, Exchanged, Outcome, Record};
use crate::round_trips;
use crate::workloads::Work;

/// Times that a program ran another beside itself, as its figure says.
pub(super) fn runs_of_its_own(records: &[Record]) -> u64 {
    round_trips::figures(records, round_trips::CHANSTORM).map(|(runs, _)| runs).sum()
}

/// What ran beside the program of `all`: enough reads, and between any two looks all
/// of the others went on.
pub(super) fn check(
    expected: &Expected,
    told: Option<Beside>,
    records: &[Record],
    check: &mut impl FnMut(bool, String),
) {
    check_own(expected.work, records, check);
    let is_all = expected.scenario == Scenario::All;
    let Some(told) = told.filter(|_| is_all) else {
        let is_right = !is_all && told.is_none();
        return check(is_right, "what ran beside it is not told, or nobody asked".to_owned());
    };
    let Beside { runs, windows, reads, .. } = told;
    let due = expected.rounds.reads_beside();
    check(reads >= due, format!("{reads} reads beside the program, {due} were due"));
    let is_looked_at = if tells_as_it_goes(expected.work) {
        runs > 0 && windows >= Beside::LOOKS
    } else {
        runs >= Beside::RUNS && windows > 0 && windows <= runs
    };
    check(is_looked_at, format!("{runs} runs of the program, {windows} looked at"));
    let each = [
        ("the program", told.least_program),
        ("drives", told.least_reads),
        ("msgstorm", told.least_storm),
        ("kstress", told.least_kstress),
    ];
    for (name, least) in each {
        check(least > 0, format!("{name} stood still beside the program"));
    }
}

/// What the program ran beside itself, where it was asked to.
fn check_own(work: Option<Work>, records: &[Record], check: &mut impl FnMut(bool, String)) {
    let is_due = work.and_then(|work| work.beside()).is_some();
    let runs = runs_of_its_own(records);
    check(is_due == (runs > 0), format!("the program ran another {runs} times beside itself"));
    let least = round_trips::figures(records, round_trips::CHANSTORM).map(|(_, least)| least);
    let least = least.min().unwrap_or(0);
    check(!is_due || least > 0, format!("it ran {least} times between two looks"));
}

/// Whether a program tells what it has done while it runs.
const fn tells_as_it_goes(work: Option<Work>) -> bool {
    matches!(work, Some(Work::Ipcstorm(_)))
}

/// Messages between programs, as the kernel counts them, against what was asked.
pub(super) fn check_messages(
    work: Option<&Work>,
    (runs, beside): (u64, u64),
    outcome: &Outcome,
    check: &mut impl FnMut(bool, String),
) {
    let told = outcome.programs.and_then(|programs| programs.messages);
    // Whoever runs it once says that there is no more once; so runs have one each.
    let due = work.and_then(|work| {
        let all = work.messages(beside)?;
        let one = work.messages(0)?;
        Some(all.saturating_add(one.saturating_mul(runs.saturating_sub(1))))
    });
    let Some(due) = due else { return };
    let Some(Exchanged { sent, answered }) = told else {
        return check(false, "messages of programs are not told".to_owned());
    };
    check(sent == due, format!("the kernel counts {sent} messages, {due} were due"));
    check(sent == answered, format!("{sent} messages were sent, {answered} answered"));
}
