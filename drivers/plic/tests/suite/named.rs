// SPDX-License-Identifier: Apache-2.0
//! The tests that catch the named bugs. Each must pass here and fail in a
//! build with its bug, which `../bugs.rs` looks at.

use crate::fake::{Fake, opened, served, source};
use skimmer_plic::{InterruptController, Priority};

/// `bug-plic-eoi-order`. A device that interrupts, is served, and interrupts
/// again, as devices do.
#[test]
fn a_line_that_was_served_comes_again() {
    let fake = Fake::levels(1, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = harts[0].attach(plic.line(source(1)).unwrap(), Priority::LEAST).unwrap();
    for round in 0..3 {
        harts[0].unmask(&attached);
        fake.raise(1);
        assert!(fake.notifies(0), "the line is lost: up, unmasked, not told, in round {round}");
        assert_eq!(served(&mut harts[0]), [1]);
        assert_eq!(fake.watch().ignored, 0, "the line is lost: its completion was ignored");
        fake.lower(1);
        harts[0].unmask(&attached);
        // The request of the level that was still up at the completion.
        assert_eq!(served(&mut harts[0]), [1]);
    }
}

/// `bug-irq-two-harts`. A source moves from one hart to another.
#[test]
fn a_source_interrupts_one_hart() {
    let fake = Fake::levels(1, 2);
    let (mut plic, mut harts) = opened(&fake);
    let attached = harts[0].attach(plic.line(source(1)).unwrap(), Priority::LEAST).unwrap();
    harts[0].unmask(&attached);
    let line = harts[0].detach(attached).unwrap();
    let attached = harts[1].attach(line, Priority::LEAST).unwrap();
    assert_eq!(fake.enabled_on(1), [1], "one-irq-one-hart: enabled on these contexts");
    harts[1].unmask(&attached);
    fake.raise(1);
    assert!(!fake.notifies(0) && fake.notifies(1));
    assert_eq!((served(&mut harts[0]), served(&mut harts[1])), (vec![], vec![1]));
    assert_eq!(harts[0].counts().strays, 0);
}
