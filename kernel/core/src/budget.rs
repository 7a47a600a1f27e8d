// SPDX-License-Identifier: Apache-2.0
//! How much of something there may be: for one process with all that come from
//! it, and so for each of its ancestors.

use core::sync::atomic::{AtomicUsize, Ordering};

/// What one may have, and has.
#[derive(Debug, Default)]
pub struct Budget {
    limit: AtomicUsize,
    used: AtomicUsize,
}

impl Budget {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: AtomicUsize::new(0), used: AtomicUsize::new(0) }
    }

    /// Says how much there may be.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// How much there may be.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// How much there is.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, count: usize) -> bool {
        let limit = self.limit();
        let more = |used: usize| used.checked_add(count).filter(|sum| *sum <= limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give(&self, count: usize) {
        let before = self.used.fetch_sub(count, Ordering::Relaxed);
        debug_assert!(before >= count, "what is given back was taken");
    }
}

/// The most budgets that one taking counts against.
pub const MOST_DEPTH: usize = 8;

/// The budgets that something counts against: one's own, one's ancestors'.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line([Option<&'static Budget>; MOST_DEPTH]);

impl Line {
    /// Counts against nobody.
    #[must_use]
    pub const fn none() -> Self {
        Self([None; MOST_DEPTH])
    }

    /// With one more; none if there are as many as can be.
    #[must_use]
    pub fn with(mut self, own: &'static Budget) -> Option<Self> {
        let place = self.0.iter_mut().find(|place| place.is_none())?;
        *place = Some(own);
        Some(self)
    }

    /// Takes so many, if all of them allow it; else nothing has changed.
    #[must_use]
    pub fn take(&self, count: usize) -> bool {
        let budgets = || self.0.iter().flatten();
        let granted = budgets().take_while(|budget| budget.take(count)).count();
        let is_granted = granted == budgets().count();
        if !is_granted {
            budgets().take(granted).for_each(|budget| budget.give(count));
        }
        is_granted
    }

    /// Gives so many back.
    pub fn give(&self, count: usize) {
        self.0.iter().flatten().for_each(|budget| budget.give(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ancestor_has_a_say() {
        static ALL: Budget = Budget::new();
        static ONE: Budget = Budget::new();
        static OTHER: Budget = Budget::new();
        ALL.set_limit(10);
        ONE.set_limit(8);
        OTHER.set_limit(8);
        let all = Line::none().with(&ALL).unwrap();
        let (one, other) = (all.with(&ONE).unwrap(), all.with(&OTHER).unwrap());
        assert!(one.take(8));
        assert!(!one.take(1));
        assert!(!other.take(3), "the one above has only two left");
        assert_eq!((ALL.used(), ONE.used(), OTHER.used()), (8, 8, 0));
        assert!(other.take(2));
        one.give(8);
        other.give(2);
        assert_eq!((ALL.used(), ONE.used(), OTHER.used()), (0, 0, 0));
        assert!(!one.take(usize::MAX));
    }

    #[test]
    fn a_line_has_an_end() {
        static SOME: Budget = Budget::new();
        let mut line = Line::none();
        for _ in 0..MOST_DEPTH {
            line = line.with(&SOME).unwrap();
        }
        assert!(line.with(&SOME).is_none());
    }
}
