// SPDX-License-Identifier: Apache-2.0
//! That the fake obeys the specification: without this crate, by hand.

use crate::fake::{Fake, Kind, Rules};

const CLAIM_0: u32 = 0x20_0004;
const CLAIM_1: u32 = 0x20_1004;

/// Sources 1 to 3 enabled on context 0, with priority 1.
fn enabled(kind: Kind) -> Fake {
    let fake = Fake::new(Rules::Specification, &[kind; 3], 2);
    fake.poke(0x2000, 0b1110);
    (1..4).for_each(|source| fake.poke(4 * source, 1));
    fake
}

#[test]
fn the_most_urgent_comes_first_and_of_equals_the_lowest() {
    let fake = enabled(Kind::Level);
    fake.poke(4 * 3, 2);
    [2, 1, 3].into_iter().for_each(|source| fake.raise(source));
    assert_eq!([(); 4].map(|()| fake.peek(CLAIM_0)), [3, 1, 2, 0]);
    assert_eq!(fake.peek(CLAIM_1), 0, "not enabled there");
}

#[test]
fn a_claim_clears_the_pending_bit_and_the_gateway_waits_for_the_completion() {
    let fake = enabled(Kind::Level);
    fake.raise(2);
    assert_eq!(fake.peek(0x1000), 0b100);
    assert_eq!(fake.peek(CLAIM_0), 2);
    assert_eq!(fake.peek(0x1000), 0);
    fake.raise(2);
    assert_eq!(fake.peek(0x1000), 0);
    fake.poke(CLAIM_0, 2);
    assert_eq!(fake.peek(0x1000), 0b100, "the line is still up");
}

#[test]
fn a_completion_of_what_is_not_enabled_there_is_ignored() {
    let fake = enabled(Kind::Level);
    fake.raise(2);
    assert_eq!(fake.peek(CLAIM_0), 2);
    fake.poke(CLAIM_1, 2);
    fake.poke(0x2000, 0);
    fake.poke(CLAIM_0, 2);
    fake.poke(0x2000, 0b1110);
    assert_eq!((fake.watch().ignored, fake.peek(CLAIM_0)), (2, 0));
    fake.poke(CLAIM_0, 2);
    assert_eq!(fake.peek(CLAIM_0), 2);
}

#[test]
fn a_request_is_not_retracted() {
    let fake = enabled(Kind::Level);
    fake.raise(1);
    fake.lower(1);
    assert_eq!(fake.peek(CLAIM_0), 1);
    fake.poke(CLAIM_0, 1);
    assert_eq!(fake.peek(CLAIM_0), 0);
}

#[test]
fn priority_0_is_never_and_the_threshold_hides_but_does_not_keep() {
    let fake = enabled(Kind::Level);
    fake.poke(4, 0);
    fake.raise(1);
    assert!(!fake.notifies(0) && fake.peek(CLAIM_0) == 0);
    fake.poke(4, 3);
    fake.poke(0x20_0000, 3);
    assert!(!fake.notifies(0));
    fake.poke(0x20_0000, 2);
    assert!(fake.notifies(0));
    fake.poke(0x20_0000, 7);
    assert_eq!(fake.peek(CLAIM_0), 1);
}

#[test]
fn edges_are_ignored_or_counted_while_a_request_is_out() {
    for (kind, requests) in [(Kind::Edge, 1), (Kind::CountedEdge, 3)] {
        let fake = enabled(kind);
        (0..3).for_each(|_| fake.raise(3));
        for _ in 0..requests {
            assert_eq!(fake.peek(CLAIM_0), 3, "{kind:?}");
            fake.poke(CLAIM_0, 3);
        }
        assert_eq!(fake.peek(CLAIM_0), 0, "{kind:?}");
    }
}
