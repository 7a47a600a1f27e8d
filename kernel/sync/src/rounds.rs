// SPDX-License-Identifier: Apache-2.0
//! When has every hart let go of what it had found?
//!
//! What is found in a masked section is let go of at its end ([`crate::retire`]).
//! Who takes something away begins a round; each hart passes it outside of masked
//! sections; when all have, nobody has what was taken away:
//!
//! - a section before the pass: the pass releases its accesses, and the look
//!   that finds it acquires them;
//! - a section after it: the pass acquires what the beginning released, so the
//!   section finds that the thing is gone.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::Ordering;

use crate::{irq::HartIndex, order::Site, shim::AtomicU64};

/// The rounds of all harts. A hart takes part from its first pass on: one that never
/// came up, or came too late, is asked nothing and finds nothing.
#[derive(Debug)]
pub struct Rounds {
    begun: AtomicU64,
    /// Of each hart, the last round that it has passed, and one; 0: it takes no
    /// part.
    passed: Box<[AtomicU64]>,
}

/// A round that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Round(u64);

impl Rounds {
    /// For a machine with that many harts, unless memory is out.
    #[must_use]
    pub fn new(harts: usize) -> Option<Self> {
        let mut passed = Vec::new();
        passed.try_reserve_exact(harts).ok()?;
        passed.extend((0..harts).map(|_| AtomicU64::new(0)));
        Some(Self { begun: AtomicU64::new(0), passed: passed.into_boxed_slice() })
    }

    /// Begins a round. What was taken away before is gone for a hart that has
    /// passed it.
    pub fn begin(&self) -> Round {
        Round(self.begun.fetch_add(1, Site::RoundBegin.ordering()) + 1)
    }

    /// The hart passes every round that has begun, and does `forget` in between:
    /// after it knows what was taken away, before others know of it. Threads of the
    /// hart call this, outside of masked sections.
    pub fn pass(&self, hart: HartIndex, forget: impl FnOnce()) {
        let begun = self.begun.load(Site::RoundSee.ordering());
        forget();
        // Never back: another thread of the hart may have been faster.
        self.passed[hart.index()].fetch_max(begun + 1, Site::RoundPass.ordering());
    }

    /// Whether every hart that takes part has passed it.
    #[must_use]
    pub fn is_over(&self, round: Round) -> bool {
        let has_passed = |passed: u64| passed == 0 || passed > round.0;
        self.passed.iter().all(|passed| has_passed(passed.load(Site::RoundLook.ordering())))
    }

    /// Whether the hart takes part.
    #[must_use]
    pub fn has(&self, hart: HartIndex) -> bool {
        self.passed[hart.index()].load(Ordering::Relaxed) != 0
    }
}
