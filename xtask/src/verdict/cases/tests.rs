// SPDX-License-Identifier: Apache-2.0
//! The cases of `conform` as document, host and program have them; and that what is
//! missing, doubled or failed is found.

use std::collections::BTreeMap;

use super::*;
use crate::verdict::tests::expected;
use crate::workspace::root;

/// Where `conform` declares its cases.
const SOURCES: &str = "user/programs/conform/src";

/// So many cases there are. Who takes one away says so here.
const CASES: usize = 153;

/// Texts in the sources behind `one(` and `both(`: the first three of each.
fn declared() -> Vec<(String, String, String, bool)> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(SOURCES))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("readable");
        for (word, is_twofold) in [("one(", false), ("both(", true)] {
            for (at, _) in text.match_indices(word) {
                let rest = text[at + word.len()..].trim_start();
                if rest.starts_with('"') {
                    let mut texts = rest.split('"').skip(1).step_by(2).map(ToOwned::to_owned);
                    let mut next = || texts.next().expect("three texts");
                    all.push((next(), next(), next(), is_twofold));
                }
            }
        }
    }
    all
}

/// The document is what the program declares; this prints the table that it must
/// have where it is not.
#[test]
fn the_document_is_the_programs_table() {
    let mut due = declared();
    due.sort_by_key(|(name, clause, ..)| (order(clause), name.clone()));
    let rows: Vec<String> = due
        .iter()
        .map(|(name, clause, mutation, is_twofold)| {
            let places = if *is_twofold { "one and two" } else { "one" };
            format!("| `{name}` | {clause} | {places} | {mutation} |")
        })
        .collect();
    let has: Vec<&str> = CONFORM.lines().filter(|line| row(line).is_some()).collect();
    assert!(has == rows, "docs/conform.md must have these rows:\n{}\n", rows.join("\n"));
    assert_eq!(has.len(), CASES);
}

/// Clauses in the order of their numbers.
fn order(clause: &str) -> (u32, String) {
    let number = clause.split(['.', ' ']).next().and_then(|word| word.parse().ok());
    (number.unwrap_or(u32::MAX), clause.to_owned())
}

#[test]
fn names_are_unique_and_every_case_says_what_breaks_it() {
    let mut names = BTreeMap::new();
    for due in conform() {
        assert!(names.insert(due.name, due).is_none(), "{} is twice", due.name);
        assert!(due.mutation.contains(": "), "{}: no room and change", due.name);
        assert!(due.name.len() <= 64 && due.clause.len() <= 64, "{}", due.name);
    }
}

/// What is said of those cases.
fn problems(work: Option<Work>, harts: usize, cases: &[CaseTold]) -> Vec<(Kind, String)> {
    let up = |index| Record::HartUp { hartid: index as u64, index: index as u32 };
    let told = cases.iter().cloned().map(Record::Case);
    let records: Vec<Record> = (0..harts).map(up).chain(told).collect();
    let mut found = Vec::new();
    check(&Expected { work, ..expected() }, &records, &mut |kind, what| found.push((kind, what)));
    found
}

/// All that are due, as they must be.
fn good(harts: usize) -> Vec<CaseTold> {
    let told = |(name, clause, is_apart): (&str, &str, bool)| CaseTold {
        name: name.to_owned(),
        clause: clause.to_owned(),
        is_apart,
        holds: true,
        count: 3,
        ..CaseTold::default()
    };
    due_of_conform(harts).map(told).collect()
}

#[test]
fn a_case_that_is_missing_doubled_or_failed_is_found() {
    let conform = Some(Work::Conform);
    for harts in [1, 4] {
        assert_eq!(problems(conform, harts, &good(harts)), []);
        let missing = problems(conform, harts, &good(harts)[1..]);
        assert!(matches!(&missing[..], [(Kind::NumbersWrong, what)] if what.contains("missing")));
        let mut twice = good(harts);
        twice.push(twice[0].clone());
        let found = problems(conform, harts, &twice);
        assert!(matches!(&found[..], [(Kind::Contradiction, what)] if what.contains("twice")));
        let mut failed = good(harts);
        (failed[0].holds, failed[0].seen) = (false, "Ok(())".to_owned());
        let found = problems(conform, harts, &failed);
        assert!(
            matches!(&found[..], [(Kind::GuestErrors, what)] if what.contains("FAILS: Ok(())"))
        );
        let mut blind = good(harts);
        blind[0].count = 0;
        let found = problems(conform, harts, &blind);
        assert!(
            matches!(&found[..], [(Kind::NumbersWrong, what)] if what.contains("observed nothing"))
        );
    }
    // On two harts where there is one nothing can have been.
    assert!(problems(conform, 1, &good(4)).iter().all(|(kind, _)| *kind == Kind::Contradiction));
    // One by itself is due nothing else, and must hold.
    assert_eq!(problems(None, 1, &good(1)[..1]), []);
}

#[test]
fn counts_of_hogs_are_held_against_their_bounds() {
    let told = |bound: &Bound, percent| CaseTold {
        name: bound.name.to_owned(),
        clause: "12".to_owned(),
        holds: true,
        count: percent * 7,
        beside: 700,
        ..CaseTold::default()
    };
    let good: Vec<CaseTold> = HOGS.iter().map(|bound| told(bound, bound.most)).collect();
    assert_eq!(problems(Some(Work::Hogs), 1, &good), []);
    for (at, bound) in HOGS.iter().enumerate() {
        let mut bad = good.clone();
        bad[at] = told(bound, bound.most + 1);
        assert_eq!(problems(Some(Work::Hogs), 1, &bad).len(), 1, "{}", bound.name);
        if bound.least > 0 {
            bad[at] = told(bound, bound.least - 1);
            assert_eq!(problems(Some(Work::Hogs), 1, &bad).len(), 1, "{}", bound.name);
        }
        bad[at].beside = 0;
        assert!(!problems(Some(Work::Hogs), 1, &bad).is_empty(), "{}", bound.name);
    }
}
