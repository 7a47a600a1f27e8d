// SPDX-License-Identifier: Apache-2.0
//! Cases that a program tries one by one and tells of, each in a record: those of
//! `conform` and of `hogs`. Which there are the host knows by itself; a case that
//! is missing is as bad as one that failed.

use std::collections::BTreeSet;

use super::{Expected, Kind};
use crate::record::{CaseTold, Record};
use crate::workloads::Work;

/// The cases of `conform`, for people and for us.
const CONFORM: &str = include_str!("../../../docs/conform.md");

/// What `hogs` counts, in the order in which it does: round trips of a pair, of a
/// hundred that it makes alone in the same time, beside hogs of such priorities.
const HOGS: &[Bound] = &[
    // The same again: what the measure itself is worth.
    Bound { name: "alone", least: 95, most: 105 },
    Bound { name: "below-the-pair", least: 90, most: 105 },
    // The server has its client's priority while it serves.
    Bound { name: "above-the-servers-own", least: 90, most: 105 },
    // The pair and two hogs are three families that take turns.
    Bound { name: "equal-to-the-pair", least: 15, most: 75 },
    // Who is between keeps the client from its hart, as nobody waits for it.
    Bound { name: "above-the-client", least: 0, most: 1 },
    Bound { name: "above-the-pair", least: 0, most: 1 },
    Bound { name: "after-the-hogs", least: 95, most: 105 },
];

/// What a count must be, in percent of what it is held against.
#[derive(Clone, Copy, Debug)]
struct Bound {
    name: &'static str,
    least: u64,
    most: u64,
}

/// A case that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due<'a> {
    /// Its name.
    pub name: &'a str,
    /// The clause of the specification that it is about.
    pub clause: &'a str,
    /// Whether it is due on two harts, too, where there are two.
    pub is_twofold: bool,
    /// What would break it.
    pub mutation: &'a str,
}

/// The cases of `conform`: the rows of the table in its document.
pub fn conform() -> impl Iterator<Item = Due<'static>> {
    CONFORM.lines().filter_map(row)
}

/// How many cases the program of that work must tell of, each counted once.
#[must_use]
pub fn count(work: &Work) -> u64 {
    match work {
        Work::Conform => conform().count() as u64,
        Work::Hogs => HOGS.len() as u64,
        _ => 0,
    }
}

/// A row of the table; neither its head nor its rule are rows.
fn row(line: &str) -> Option<Due<'_>> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    let (clause, places, mutation) = (cells.next()?, cells.next()?, cells.next()?);
    Some(Due { name, clause, is_twofold: places == "one and two", mutation })
}

/// A case as a line.
pub(crate) fn line(told: &CaseTold) -> String {
    let CaseTold { name, clause, seen, is_apart, holds, count, beside } = told;
    let place = if *is_apart { ", on two harts" } else { "" };
    let against = if *beside > 0 { format!(" beside {beside}") } else { String::new() };
    let verdict = if *holds { "holds".to_owned() } else { format!("FAILS: {seen}") };
    format!("case {name} ({clause}{place}): {verdict}, {count}{against}")
}

/// Holds what was told against what is due. Cases that failed are told whatever the
/// program was asked for.
pub(super) fn check(expected: &Expected, records: &[Record], add: &mut impl FnMut(Kind, String)) {
    let told: Vec<&CaseTold> = records
        .iter()
        .filter_map(|r| if let Record::Case(it) = r { Some(it) } else { None })
        .collect();
    for case in told.iter().filter(|case| !case.holds) {
        add(Kind::GuestErrors, line(case));
    }
    for case in told.iter().filter(|case| case.holds && case.count == 0 && case.beside == 0) {
        add(Kind::NumbersWrong, format!("{} observed nothing", line(case)));
    }
    match expected.work {
        Some(Work::Conform) => {
            let up = records.iter().filter(|r| matches!(r, Record::HartUp { .. })).count();
            complete(due_of_conform(up), &told, add);
        }
        Some(Work::Hogs) => {
            complete(HOGS.iter().map(|bound| (bound.name, "12", false)), &told, add);
            told.iter().for_each(|case| bounded(case, add));
        }
        _ => {}
    }
}

/// The cases that are due with so many harts, and where.
fn due_of_conform(harts: usize) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    conform().flat_map(move |due| {
        let apart = (due.is_twofold && harts > 1).then_some(true);
        [Some(false), apart].into_iter().flatten().map(move |it| (due.name, due.clause, it))
    })
}

/// Whether just these were told, each once.
fn complete(
    due: impl Iterator<Item = (&'static str, &'static str, bool)>,
    told: &[&CaseTold],
    add: &mut impl FnMut(Kind, String),
) {
    let mut due: BTreeSet<(&str, &str, bool)> = due.collect();
    for case in told {
        if !due.remove(&(&*case.name, &*case.clause, case.is_apart)) {
            add(Kind::Contradiction, format!("twice, or not due: {}", line(case)));
        }
    }
    for (name, clause, is_apart) in due {
        let place = if is_apart { " on two harts" } else { "" };
        add(Kind::NumbersWrong, format!("case {name} ({clause}){place} is missing"));
    }
}

/// Whether a count of `hogs` is what it must be.
fn bounded(case: &CaseTold, add: &mut impl FnMut(Kind, String)) {
    let Some(bound) = HOGS.iter().find(|bound| bound.name == case.name) else { return };
    let percent = case.count.saturating_mul(100) / case.beside.max(1);
    let is_right = case.beside > 0 && (bound.least..=bound.most).contains(&percent);
    if !is_right {
        let Bound { least, most, .. } = bound;
        let what = format!("{}: {percent} %, {least} to {most} were due", line(case));
        add(Kind::NumbersWrong, what);
    }
}

#[cfg(test)]
mod tests;
