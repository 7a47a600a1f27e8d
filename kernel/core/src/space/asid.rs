// SPDX-License-Identifier: Apache-2.0
//! Address-space numbers (ASIDs), by hart: each hart numbers the spaces that
//! run on it by itself, and no hart asks another.
//!
//! Numbers are dealt out upwards. When they run out a new generation begins:
//! the hart forgets all translations that are not global, and every number of
//! the old generation is void. So a number is never used for a second space
//! before the hart has forgotten the first one's translations. A machine with
//! no ASID bits has one number, 0; then each change of space is a generation.
//! On any other, 0 is never used.
//!
//! What a hart with interrupts masked does to change to a space, in this order:
//!
//! 1. [`HartAsids::activate`], which enters the hart into the space's set;
//! 2. write satp, with the space's root and the number;
//! 3. flush as [`Activation::flush`] says. *After* 2: what is flushed before,
//!    the hart may fill again from the space it is still in, under a number
//!    that is void. And before anything of the user half is touched.
//!
//! The kernel's own root is a space like any other here, with a slot and a set
//! of its own, because a walk that finds nothing has a number, too.

use skimmer_sync::active::ActiveHarts;

use crate::{
    ids::HartIndex,
    space::{pages::UserPages, shootdown::Scope},
};

/// What one hart knows about one space. Touched by that hart only, with
/// interrupts masked.
///
/// While it has a number of the hart's present generation, the hart is in the
/// space's set, and may hold translations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceOnHart {
    asid: u16,
    // 0: none, ever or any more.
    generation: u64,
}

impl SpaceOnHart {
    /// The hart has never seen the space.
    #[must_use]
    pub const fn new() -> Self {
        Self { asid: 0, generation: 0 }
    }

    /// The generation of its number. While that is the [hart's](HartAsids::generation),
    /// the hart is in the space's set, and to load the space nothing is to be flushed.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }
}

/// The numbers of one hart.
#[derive(Debug)]
pub struct HartAsids {
    hart: HartIndex,
    first: u16,
    last: u16,
    // One past `last` when they are used up.
    next: u32,
    generation: u64,
}

/// What to flush after satp is written. Each flush is followed by `fence.i`:
/// the pages may hold code that this hart has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Nothing: the number is this space's, and was before.
    None,
    /// `sfence.vma x0, asid`: nothing is held under the new number, but table
    /// walks must come after the entry into the set.
    Walks,
    /// `sfence.vma x0, x0`: a new generation.
    All,
}

/// How to change to a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is not flushed may be another space's"]
pub struct Activation {
    /// The number for satp. 0 only where the machine has no other.
    pub asid: u16,
    /// What to flush once satp is written.
    pub flush: Flush,
}

/// What a hart does that was asked to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "what is not flushed can still be used"]
pub enum Answer {
    /// Nothing, and acknowledge.
    Acknowledge,
    /// Flush those pages under that number (or more than that), and acknowledge.
    Flush(u16, UserPages),
    /// Change to the kernel's own root, and answer again.
    ChangeAway,
}

impl HartAsids {
    /// For a hart whose satp keeps that many bits of an ASID (at most 16).
    #[must_use]
    pub const fn new(hart: HartIndex, bits: u32) -> Self {
        let last = if bits >= u16::BITS { u16::MAX } else { (1 << bits) - 1 };
        let first = if last == 0 { 0 } else { 1 };
        Self { hart, first, last, next: first as u32, generation: 1 }
    }

    /// The present generation: never 0.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Prepares the change to the space whose `slot` and set these are.
    pub fn activate(&mut self, slot: &mut SpaceOnHart, active: &ActiveHarts) -> Activation {
        if slot.generation == self.generation {
            return Activation { asid: slot.asid, flush: Flush::None };
        }
        let mut flush = Flush::Walks;
        if self.next > u32::from(self.last) {
            self.next = u32::from(self.first);
            self.generation += 1;
            flush = Flush::All;
        }
        // Fits: not above `last`.
        let asid = self.next as u16;
        self.next += 1;
        *slot = SpaceOnHart { asid, generation: self.generation };
        active.enter(self.hart);
        Activation { asid, flush }
    }

    /// Makes the hart one of those that may hold translations of the space whose
    /// `slot` and set these are: it is about to walk the tables itself, in this masked
    /// section. It gets no number for that.
    #[inline]
    pub fn look_into(&self, slot: &SpaceOnHart, active: &ActiveHarts) {
        if slot.generation != self.generation {
            active.enter(self.hart);
        }
    }

    /// What to do about a shootdown of the space whose `slot` and set these
    /// are; `is_loaded` says whether its root is in this hart's satp.
    ///
    /// A space that is not loaded loses its number instead of being flushed:
    /// nothing can use what the hart holds under it, until the generation ends.
    pub fn answer(
        &mut self,
        slot: &mut SpaceOnHart,
        active: &ActiveHarts,
        scope: Scope,
        is_loaded: bool,
    ) -> Answer {
        if is_loaded {
            return match scope {
                Scope::Pages(pages) => Answer::Flush(slot.asid, pages),
                Scope::Everything => Answer::ChangeAway,
            };
        }
        *slot = SpaceOnHart::new();
        active.leave(self.hart);
        Answer::Acknowledge
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::UserAddr;

    const HART: HartIndex = HartIndex::new(0);

    fn set() -> ActiveHarts {
        ActiveHarts::new(1).unwrap()
    }

    fn is_in(set: &ActiveHarts) -> bool {
        let mut seen = false;
        set.look(|_| seen = true);
        seen
    }

    fn pages() -> UserPages {
        UserPages::aligned(UserAddr::new(0x10_0000), 0x1000).unwrap()
    }

    #[test]
    fn two_bits_are_three_spaces() {
        let (mut asids, active) = (HartAsids::new(HART, 2), set());
        let mut slots = [SpaceOnHart::new(); 4];
        for asid in 1..=3 {
            let got = asids.activate(&mut slots[usize::from(asid)], &active);
            assert_eq!(got, Activation { asid, flush: Flush::Walks });
        }
        let again = asids.activate(&mut slots[2], &active);
        assert_eq!(again, Activation { asid: 2, flush: Flush::None });
        let fourth = asids.activate(&mut slots[0], &active);
        assert_eq!(fourth, Activation { asid: 1, flush: Flush::All });
        let old = asids.activate(&mut slots[1], &active);
        assert_eq!(old, Activation { asid: 2, flush: Flush::Walks }, "its number was void");
        assert!(is_in(&active));
    }

    #[test]
    fn without_bits_every_change_flushes() {
        let (mut asids, active) = (HartAsids::new(HART, 0), set());
        let mut slots = [SpaceOnHart::new(); 2];
        let first = asids.activate(&mut slots[0], &active);
        assert_eq!(first, Activation { asid: 0, flush: Flush::Walks });
        let same = asids.activate(&mut slots[0], &active);
        assert_eq!(same, Activation { asid: 0, flush: Flush::None });
        for turn in 1..10 {
            let other = asids.activate(&mut slots[turn % 2], &active);
            assert_eq!(other, Activation { asid: 0, flush: Flush::All });
        }
    }

    #[test]
    fn sixteen_bits_are_all_used() {
        let (mut asids, active) = (HartAsids::new(HART, 16), set());
        for asid in 1..=u16::MAX {
            let got = asids.activate(&mut SpaceOnHart::new(), &active);
            assert_eq!(got, Activation { asid, flush: Flush::Walks });
        }
        let got = asids.activate(&mut SpaceOnHart::new(), &active);
        assert_eq!(got, Activation { asid: 1, flush: Flush::All });
    }

    #[test]
    fn who_is_not_loaded_loses_its_number_and_leaves() {
        let (mut asids, active) = (HartAsids::new(HART, 4), set());
        let mut slot = SpaceOnHart::new();
        let _ = asids.activate(&mut slot, &active);
        let scope = Scope::Pages(pages());
        assert_eq!(asids.answer(&mut slot, &active, scope, true), Answer::Flush(1, pages()));
        assert!(is_in(&active));
        assert_eq!(asids.answer(&mut slot, &active, scope, false), Answer::Acknowledge);
        assert!(!is_in(&active));
        let again = asids.activate(&mut slot, &active);
        assert_eq!(again, Activation { asid: 2, flush: Flush::Walks }, "not the old number");
        assert!(is_in(&active));
    }

    #[test]
    fn a_dying_space_is_left_first() {
        let (mut asids, active) = (HartAsids::new(HART, 4), set());
        let mut slot = SpaceOnHart::new();
        let _ = asids.activate(&mut slot, &active);
        let loaded = asids.answer(&mut slot, &active, Scope::Everything, true);
        assert_eq!(loaded, Answer::ChangeAway);
        assert!(is_in(&active));
        let left = asids.answer(&mut slot, &active, Scope::Everything, false);
        assert_eq!(left, Answer::Acknowledge);
        assert!(!is_in(&active));
    }
}
