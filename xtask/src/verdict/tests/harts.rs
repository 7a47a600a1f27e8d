// SPDX-License-Identifier: Apache-2.0
//! Which harts came up and took part.

use super::*;

/// Makes the scenario announce that one hart is alone and has nothing to do.
pub(super) fn announce_nothing(records: &mut [Record]) {
    for record in records {
        if let Record::Start { rounds, harts, clients, .. } = record {
            (*rounds, *harts, *clients) = (0, 1, 0);
        }
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
    let seen = seen(&records, &OK);
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
fn a_hart_that_fails_is_allowed_where_the_tree_was_changed() {
    let mut records = with(|o| o.harts = 1);
    records[2] = Record::HartFailed { hartid: 0, error: -3 };
    let expected = Expected { harts: None, ..expected() };
    let seen = seen(&records, &OK);
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
    let kind = |records: &[Record]| judge(&unknown, &seen(records, &OK)).kind();
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
