// SPDX-License-Identifier: Apache-2.0
//! PLICs with hard-wired bits, which the specification allows: the line comes
//! back, and nothing is left enabled.

use crate::fake::{Fake, opened, source};
use skimmer_plic::{AttachError, InterruptController, Line, Priority};

/// What comes of attaching source 1 to context 1 with that priority.
fn tried(fake: &Fake, priority: u32) -> Result<u32, AttachError> {
    let (mut plic, mut harts) = opened(fake);
    let line = plic.line(source(1)).unwrap();
    match harts[1].attach(line, Priority::new(priority).unwrap()) {
        Ok(attached) => Ok(attached.priority().number()),
        Err(refused) => {
            assert_eq!(fake.enabled_on(1), Vec::<usize>::new());
            plic.put_back(refused.line);
            assert_eq!(plic.line(source(1)).as_ref().map(Line::source), Some(source(1)));
            Err(refused.why)
        }
    }
}

#[test]
fn a_priority_that_cannot_be_0_is_refused() {
    let fake = Fake::levels(2, 2).with_priorities(7, 1);
    assert_eq!(tried(&fake, 1), Err(AttachError::CannotBeMasked));
}

#[test]
fn a_priority_that_would_be_0_is_refused() {
    let fake = Fake::levels(2, 2);
    assert_eq!(tried(&fake, 7), Ok(7));
    assert_eq!(tried(&fake, 8), Err(AttachError::CannotBeHeard));
    assert_eq!(tried(&fake, 9), Ok(1));
    let fake = Fake::levels(2, 2).with_priorities(0, 0);
    assert_eq!(tried(&fake, 1), Err(AttachError::CannotBeHeard));
}

#[test]
fn a_priority_that_the_threshold_hides_is_refused() {
    let fake = Fake::levels(2, 2).with_thresholds(0, 2);
    assert_eq!(tried(&fake, 2), Err(AttachError::CannotBeHeard));
    assert_eq!(tried(&fake, 3), Ok(3));
}

#[test]
fn a_source_that_is_not_connected_to_the_hart_is_refused() {
    let fake = Fake::levels(2, 2).without(1, 1);
    assert_eq!(tried(&fake, 1), Err(AttachError::CannotBeRouted));
    assert_eq!(fake.watch().most_enabled, 0);
}

#[test]
fn a_line_of_a_bigger_plic_is_refused() {
    let (big, small) = (Fake::levels(40, 1), Fake::levels(30, 1));
    let (mut plic, _) = opened(&big);
    let (_, mut harts) = opened(&small);
    let refused = harts[0].attach(plic.line(source(31)).unwrap(), Priority::LEAST).unwrap_err();
    assert_eq!(refused.why, AttachError::NoSuchSource);
}
