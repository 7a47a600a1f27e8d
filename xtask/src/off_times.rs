// SPDX-License-Identifier: Apache-2.0
//! Worst off-times in words: how long a kernel with the feature `off-times`
//! kept interrupts masked, and where.

use crate::boot::Booted;
use crate::inspect::{self, HartCounters, Longest};
use crate::record::{OffTimes, Record};
use crate::schedule::Schedule;
use crate::symbols::Symbols;

/// Where every section passes; naming them helps nobody.
const PLUMBING: &[&str] = &["kernel/arch/src/off_times.rs", "kernel/arch/src/irq.rs"];

/// Where a hart shows the longest interval of one kind: those of its own, and
/// those in which another hart was seen to run.
type Kind = (fn(&inspect::OffTimes) -> Longest, fn(&inspect::OffTimes) -> Longest);

const MASKED: Kind = (|of| of.masked, |of| of.masked_shared);
const DEFERRED: Kind = (|of| of.deferred, |of| of.deferred_shared);

/// Whether the guest's counter counts instructions, one a step.
#[must_use]
pub const fn are_instructions(schedule: Schedule) -> bool {
    matches!(schedule, Schedule::Rr(0))
}

/// The off-times that a boot reported.
#[must_use]
pub fn reported(booted: &Booted) -> Option<OffTimes> {
    booted.records.iter().find_map(|record| match record {
        Record::End(outcome) => outcome.off_times,
        _ => None,
    })
}

/// Rows for the summary of a boot; none if its kernel did not measure.
#[must_use]
pub fn rows(
    booted: &Booted,
    schedule: Schedule,
    symbols: Option<&Symbols>,
) -> Vec<(&'static str, String)> {
    let Some(told) = reported(booted) else { return Vec::new() };
    let say = |steps| in_words(steps, &told, schedule);
    let mut rows = vec![
        ("interrupts masked", most(booted, schedule, symbols, MASKED)),
        ("preemption deferred", most(booted, schedule, symbols, DEFERRED)),
        ("waiting for a lock", format!("at most {}, not counted above", say(told.lock_wait))),
    ];
    if are_instructions(schedule) {
        let shared = format!(
            "{} of {}, in which another hart ran: masked at most {}, theirs included",
            told.set_apart,
            told.intervals,
            say(told.masked_shared)
        );
        rows.push(("sections set apart", shared));
    }
    rows
}

/// The longest of one kind that counts, and where it was.
fn most(
    booted: &Booted,
    schedule: Schedule,
    symbols: Option<&Symbols>,
    (own, shared): Kind,
) -> String {
    let Some(told) = reported(booted) else { return String::new() };
    // Where each hart has a clock of its own, all that it counts is its own.
    let is_exact = are_instructions(schedule);
    let of = |hart: &HartCounters| {
        let times = &hart.off_times;
        if is_exact { own(times) } else { own(times).max(shared(times)) }
    };
    let longest = booted.harts.iter().map(of).max().unwrap_or_default();
    let length = in_words(longest.length, &told, schedule);
    format!("at most {length}{}", place(&longest, symbols))
}

/// Steps of the counter as instructions, or as the time that they took.
fn in_words(steps: u64, told: &OffTimes, schedule: Schedule) -> String {
    if are_instructions(schedule) {
        return format!("{steps} instructions");
    }
    let nanos = u128::from(steps) * u128::from(told.nanos) / u128::from(told.steps.max(1));
    format!("{nanos} ns (not exact)")
}

/// Where an interval began and ended, in so many more lines.
fn place(longest: &Longest, symbols: Option<&Symbols>) -> String {
    let name = |address| symbols.map_or_else(|| format!("{address:#x}"), |s| chain(s, address));
    format!("\n    from {}\n    to   {}", name(longest.from), name(longest.to))
}

/// The calls that led to `address` where they were inlined, innermost first.
fn chain(symbols: &Symbols, address: u64) -> String {
    let places = symbols.places(address);
    let outer = places.last().map(|place| place.function.clone()).unwrap_or_default();
    let lines: Vec<String> = places
        .into_iter()
        .filter_map(|place| place.at)
        .filter(|at| !PLUMBING.iter().any(|file| at.starts_with(file)))
        .collect();
    format!("{} in {outer}", lines.join(" < "))
}
