// SPDX-License-Identifier: Apache-2.0
//! Spans: addresses from which room is taken, from the bottom up.
//!
//! Role: the arithmetic of placing.
//! Invariant: what is taken lies in the span, at a multiple of the alignment,
//! and is not taken again.

/// What wants room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// In bytes.
    pub(crate) size: u64,
    /// A power of two.
    pub(crate) align: u64,
    /// It must end at or below this address.
    pub(crate) ceiling: u64,
}

/// Addresses on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first that is not taken.
    pub(crate) next: u64,
    /// The one after the last.
    pub(crate) end: u64,
    /// The host bridge's window that it is in, as an index.
    pub(crate) window: usize,
}

impl Span {
    /// First and last address; `None` if there are none.
    pub(crate) fn bounds(&self) -> Option<(u64, u64)> {
        let last = self.end.checked_sub(1)?;
        (self.next <= last).then_some((self.next, last))
    }

    /// Where `wish` would begin.
    pub(crate) fn start(&self, wish: Wish) -> Option<u64> {
        let start = align_up(self.next, wish.align)?;
        let end = start.checked_add(wish.size)?;
        (end <= self.end.min(wish.ceiling)).then_some(start)
    }

    /// Takes room.
    pub(crate) fn take(&mut self, wish: Wish) -> Option<Span> {
        let start = self.start(wish)?;
        let end = start.checked_add(wish.size)?;
        self.next = end;
        Some(Span { next: start, end, window: self.window })
    }

    /// What is left of it below `ceiling`, in whole grains.
    pub(crate) fn rest(&self, grain: u64, ceiling: u64) -> Option<Span> {
        let next = align_up(self.next, grain)?;
        let end = self.end.min(ceiling);
        let end = end.checked_sub(end & grain.checked_sub(1)?)?;
        (next < end).then_some(Span { next, end, window: self.window })
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }
}

/// The next multiple of `align`, a power of two.
pub(crate) fn align_up(value: u64, align: u64) -> Option<u64> {
    let mask = align.checked_sub(1)?;
    Some(value.checked_add(mask)? & !mask)
}
