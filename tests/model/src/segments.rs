// SPDX-License-Identifier: Apache-2.0
//! The growing table: two harts grow it into the same segment while a third
//! looks. An element is seen whole or not at all, and stays where it is.

use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use skimmer_sync::segments::Segments;

use crate::explore::{Depth, harts, holds};

/// An element is an atomic so that an early look is seen: it is zero before it
/// is made.
fn made(index: u32) -> AtomicU32 {
    let element = AtomicU32::new(0);
    element.store(index, Relaxed);
    element
}

pub(crate) fn grows() {
    let table = Segments::new();
    let grow = |index| {
        assert_eq!(table.ensure(index, made), Ok(()));
        let element = table.get(index).map(std::ptr::from_ref);
        assert!(
            element.is_some_and(|place| table.get(index).map(std::ptr::from_ref) == Some(place))
        );
    };
    harts([
        // First, so that loom lets it look late too: of several loads of one
        // place it remembers the last when it comes to exchange steps.
        Box::new(|| {
            if let Some(element) = table.get(2) {
                assert_eq!(element.load(Relaxed), 2, "seen before it was made");
            }
        }),
        Box::new(|| grow(2)),
        Box::new(|| grow(3)),
    ]);
    assert_eq!(table.get(3).map(|element| element.load(Relaxed)), Some(3));
    assert!(table.get(0).is_none() && table.get(6).is_none());
}

#[test]
fn segments_grow() {
    holds("segments: two grow, one looks", Depth::Whole, grows);
}
