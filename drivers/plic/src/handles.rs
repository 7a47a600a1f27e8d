// SPDX-License-Identifier: Apache-2.0
//! What stands for a source in somebody's hands.
//!
//! Invariant: none of these can be copied or made outside of this crate, so
//! a source is a [`Line`] in one place, or [`Attached`] in one place.
//!
//! ```compile_fail,E0599
//! fn twice(line: skimmer_plic::Line) -> (skimmer_plic::Line, skimmer_plic::Line) {
//!     (line.clone(), line)
//! }
//! ```
//! ```compile_fail,E0382
//! use skimmer_plic::{Claim, InterruptController};
//! fn twice(hart: &mut impl InterruptController, claim: Claim) {
//!     hart.complete(claim);
//!     hart.complete(claim);
//! }
//! ```
//! ```compile_fail,E0382
//! use skimmer_plic::{InterruptController, Line, Priority};
//! fn on_two_harts(a: &mut impl InterruptController, b: &mut impl InterruptController, line: Line) {
//!     let _here = a.attach(line, Priority::LEAST);
//!     let _there = b.attach(line, Priority::LEAST);
//! }
//! ```
//! Each done once compiles:
//! ```
//! use skimmer_plic::{Attached, Claim, InterruptController, Line, Priority};
//! fn once(hart: &mut impl InterruptController, claim: Claim, line: Line) -> Option<Attached> {
//!     hart.complete(claim);
//!     hart.attach(line, Priority::LEAST).ok()
//! }
//! ```

use crate::number::{Context, Priority, Source};

/// A source that is enabled nowhere. There is one for each source
/// ([`crate::Plic::line`]); one that is dropped is gone until the next boot.
#[must_use = "a line that is dropped cannot be attached again"]
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    source: Source,
}

impl Line {
    pub(crate) const fn new(source: Source) -> Self {
        Self { source }
    }

    /// Which source it is.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }
}

/// A source that is enabled on one hart, masked or not. Whoever drops it
/// leaves it there, as it is.
#[must_use = "a source that is attached can be masked and detached by this only"]
#[derive(Debug, PartialEq, Eq)]
pub struct Attached {
    source: Source,
    context: Context,
    priority: Priority,
}

impl Attached {
    pub(crate) const fn new(source: Source, context: Context, priority: Priority) -> Self {
        Self { source, context, priority }
    }

    /// Which source it is.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Where it is enabled.
    #[must_use]
    pub const fn context(&self) -> Context {
        self.context
    }

    /// How urgent it is while it is not masked: what the controller made of
    /// the priority that it was attached with.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }
}

/// An interrupt that was taken and is owed a completion. Whoever has one has
/// a source that is masked. Dropping it is a bug: nothing more would come from
/// that source.
#[must_use = "a claim that is not completed stops its source for ever"]
#[derive(Debug)]
pub struct Claim {
    source: Source,
    context: Context,
}

impl Claim {
    pub(crate) const fn new(source: Source, context: Context) -> Self {
        Self { source, context }
    }

    /// Who interrupts.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Ends it without the assertion; for whoever completes it at once.
    pub(crate) fn into_parts(self) -> (Source, Context) {
        let parts = (self.source, self.context);
        core::mem::forget(self);
        parts
    }
}

impl Drop for Claim {
    #[expect(clippy::panic, reason = "the line would be lost without a trace")]
    fn drop(&mut self) {
        panic!("the claim of source {} was dropped, not completed", self.source.number());
    }
}
