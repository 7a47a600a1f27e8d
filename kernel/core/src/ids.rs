// SPDX-License-Identifier: Apache-2.0
//! Names of kernel objects. Law ids-never-alias: every name carries the
//! generation of its slot, and a slot whose generations are used up is retired.

use core::fmt;

pub use skimmer_sync::irq::HartIndex;

/// How urgent a thread is: 0 (idle) to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// The idle thread's, below every other.
    pub const IDLE: Self = Self(0);
    /// The most urgent.
    pub const MAX: Self = Self(255);

    /// That priority.
    #[must_use]
    pub const fn new(level: u8) -> Self {
        Self(level)
    }

    /// As a number, 0 to 255.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.0
    }
}

/// A slot in a table together with the generation of what lives in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId {
    index: u32,
    generation: u32,
}

impl SlotId {
    pub(crate) const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The most slots that words tell apart.
    pub const MAX: u32 = 1 << Self::INDEX_BITS;
    const INDEX_BITS: u32 = 24;

    /// In one word, as programs know it: generation, slot. Never 0, and positive
    /// as an `i64`.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        (self.generation as u64) << Self::INDEX_BITS | self.index as u64
    }

    /// The name in such a word. Any word is a name; most name nobody.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let generation = word >> Self::INDEX_BITS;
        // Generation 0 names nobody.
        let generation = if generation > u32::MAX as u64 { 0 } else { generation as u32 };
        Self { index: (word & (Self::MAX as u64 - 1)) as u32, generation }
    }

    /// The slot.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which of the slot's occupants.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// Names one thread of one hart, for ever: a recycled slot has another name. One word, as
/// it travels: generation, home, slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(u64);

const SLOT_BITS: u32 = 20;
const HART_BITS: u32 = 12;

/// The most harts that names can tell apart.
pub const MAX_HARTS: usize = 1 << HART_BITS;

impl ThreadId {
    /// Names no thread: generations begin with 1.
    pub const NOBODY: Self = Self(0);

    /// Bits of a place that name the slot.
    pub(crate) const PLACE_SLOT_BITS: u32 = SLOT_BITS;

    /// The most threads that one hart can name.
    pub const MAX_PER_HART: u32 = 1 << SLOT_BITS;

    #[inline]
    pub(crate) const fn new(home: HartIndex, slot: SlotId) -> Self {
        let home = (home.get() as u64) << SLOT_BITS;
        Self((slot.generation as u64) << (SLOT_BITS + HART_BITS) | home | slot.index as u64)
    }

    /// The hart the thread belongs to.
    #[inline]
    #[must_use]
    pub const fn home(self) -> HartIndex {
        HartIndex::new((self.0 >> SLOT_BITS & ((1 << HART_BITS) - 1)) as u16)
    }

    #[inline]
    pub(crate) const fn slot(self) -> SlotId {
        let index = self.0 as u32 & (Self::MAX_PER_HART - 1);
        SlotId { index, generation: self.generation() }
    }

    #[inline]
    const fn generation(self) -> u32 {
        (self.0 >> (SLOT_BITS + HART_BITS)) as u32
    }

    /// Whether it is another name for the place that `old` had.
    #[must_use]
    pub const fn succeeds(self, old: Self) -> bool {
        self.place() == old.place() && self.generation() != old.generation()
    }

    /// Home and slot in one word, without the generation.
    #[inline]
    pub(crate) const fn place(self) -> u32 {
        self.0 as u32
    }

    /// Home and slot out of such a word.
    #[inline]
    pub(crate) const fn split_place(place: u32) -> (usize, u32) {
        ((place >> SLOT_BITS) as usize, place & (Self::MAX_PER_HART - 1))
    }

    /// In one word, as messages and records carry it: generation, home, slot.
    #[inline]
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.0
    }

    /// The name in such a word. Any word is a name; most name nobody.
    #[inline]
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadId({self})")
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}#{}", self.home(), self.slot().index, self.generation())
    }
}
