// SPDX-License-Identifier: Apache-2.0
//! The set-once cell: one value wins, and who sees it sees all of it.

use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use skimmer_sync::once::Once;

use crate::explore::{Depth, harts, holds};

/// Two harts set, one reads. The value is an atomic so that an early look is
/// seen: it is zero before it is made.
pub(crate) fn one_wins() {
    let once = Once::new();
    let made = |number| {
        let value = Box::new(AtomicU32::new(0));
        value.store(number, Relaxed);
        value
    };
    let (mut first, mut second) = (false, false);
    harts([
        Box::new(|| first = once.set(made(1)).is_ok()),
        Box::new(|| second = once.set(made(2)).is_ok()),
        Box::new(|| {
            if let Some(value) = once.get() {
                assert_ne!(value.load(Relaxed), 0, "seen before it was made");
            }
        }),
    ]);
    assert!(first != second, "one hart sets it");
    let value = once.get().map(|value| value.load(Relaxed));
    assert_eq!(value, Some(if first { 1 } else { 2 }));
}

#[test]
fn once_one_wins() {
    holds("once: one wins", Depth::Whole, one_wins);
}
