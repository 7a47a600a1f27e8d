// SPDX-License-Identifier: Apache-2.0
//! The harts that may hold translations of one address space.
//!
//! A hart enters before it first loads the space's root. Whoever has taken
//! entries back looks, and tells the harts that it sees. Both are
//! read-modify-writes of one word, so one comes after the other:
//!
//! - the look comes later: it sees the hart, which is told;
//! - the hart enters later: it acquires what the look released, which is the
//!   changed entries. It finds them, and has nothing to be told. (The machine
//!   fences its table walks behind the entry.)
//!
//! A hart leaves when it can use none of its translations any more, and has
//! ended every access that it made through one. The leave releases those
//! accesses and the look acquires them: a frame is not used again while a hart
//! that is gone from the set still reads it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::{footprint, irq::HartIndex, order::Site, shim::AtomicU64};

const BITS: usize = u64::BITS as usize;

/// The set. Any hart enters and leaves for itself; others look.
#[derive(Debug)]
pub struct ActiveHarts(Box<[AtomicU64]>);

impl ActiveHarts {
    /// The empty set for a machine with that many harts, unless memory is out.
    #[must_use]
    pub fn new(harts: usize) -> Option<Self> {
        let count = harts.div_ceil(BITS);
        let mut words = Vec::new();
        words.try_reserve_exact(count).ok()?;
        words.extend((0..count).map(|_| AtomicU64::new(0)));
        Some(Self(words.into_boxed_slice()))
    }

    /// Bytes of the heap that the set takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        footprint::array::<AtomicU64>(self.0.len())
    }

    /// This hart is about to load the root.
    #[inline]
    pub fn enter(&self, hart: HartIndex) {
        self.0[hart.index() / BITS].fetch_or(bit(hart), Site::ActiveEnter.ordering());
    }

    /// This hart holds nothing of the space that it could use.
    #[inline]
    pub fn leave(&self, hart: HartIndex) {
        self.0[hart.index() / BITS].fetch_and(!bit(hart), Site::ActiveLeave.ordering());
    }

    /// Hands out the harts in the set. For whoever has changed entries, on the
    /// hart that changed them.
    pub fn look(&self, mut each: impl FnMut(HartIndex)) {
        for (number, word) in self.0.iter().enumerate() {
            // Changes nothing; takes its place among the other changes.
            let mut bits = word.fetch_or(0, Site::ActiveLook.ordering());
            while bits != 0 {
                let place = number * BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                #[expect(clippy::cast_possible_truncation, reason = "made from a HartIndex")]
                each(HartIndex::new(place as u16));
            }
        }
    }
}

const fn bit(hart: HartIndex) -> u64 {
    1 << (hart.index() % BITS)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_entered_is_seen_until_it_leaves() {
        let set = ActiveHarts::new(130).unwrap();
        let seen = || {
            let mut seen = Vec::new();
            set.look(|hart| seen.push(hart.get()));
            seen
        };
        assert_eq!(seen(), []);
        for hart in [129, 0, 64, 63] {
            set.enter(HartIndex::new(hart));
        }
        set.enter(HartIndex::new(64));
        assert_eq!(seen(), [0, 63, 64, 129]);
        set.leave(HartIndex::new(64));
        set.leave(HartIndex::new(1));
        assert_eq!(seen(), [0, 63, 129]);
    }
}
