// SPDX-License-Identifier: Apache-2.0
//! The numbers of a PLIC, each within what the specification allows
//! ("Introduction": up to 1023 sources and 15872 contexts).

use core::num::{NonZeroU16, NonZeroU32};

/// An interrupt source: 1 to 1023. Source 0 means "no interrupt"
/// ("Interrupt Identifiers (IDs)") and cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(NonZeroU16);

impl Source {
    /// The last that there can be.
    pub const LAST: Self = Self(NonZeroU16::MIN.saturating_add(1022));

    /// The source of that number, if there can be one.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number > Self::LAST.number() {
            return None;
        }
        match NonZeroU16::new(number as u16) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number: 1 to 1023.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get() as u32
    }

    /// The word of an array of bits that has its bit.
    #[must_use]
    pub const fn word(self) -> Word {
        Word((self.0.get() / 32) as u8)
    }

    /// Its bit in that word ("Interrupt Pending Bits": N mod 32 of word N/32).
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << (self.0.get() % 32)
    }

    /// The sources from the first to this one.
    pub fn up_to_here(self) -> impl Iterator<Item = Self> {
        (1..=self.number()).filter_map(Self::new)
    }
}

/// A word of an array that has a bit for each source: 0 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(u8);

impl Word {
    /// How many there are at the most.
    pub const COUNT: usize = 32;

    /// Its number: 0 to 31.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 as u32
    }

    /// The words from the first to this one.
    pub fn up_to_here(self) -> impl Iterator<Item = Self> {
        (0..=self.0).map(Self)
    }
}

/// A context: a line from the PLIC into one privilege mode of one hart, 0 to
/// 15871 ("Interrupt Targets and Hart Contexts").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Context(u16);

impl Context {
    /// The first.
    pub const FIRST: Self = Self(0);

    /// The last that there can be.
    pub const LAST: Self = Self(15871);

    /// The context of that number, if there can be one.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number > Self::LAST.number() { None } else { Some(Self(number as u16)) }
    }

    /// Its number: 0 to 15871.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 as u32
    }
}

/// How urgent a source is: 1 is the least. 0 is no priority but the mask
/// ("Interrupt Priorities": "never interrupt"), and cannot be said. How many
/// levels a PLIC has is its own affair; what it made of a wish is in
/// [`Attached::priority`](crate::Attached::priority).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(NonZeroU32);

impl Priority {
    /// The least urgent, which every PLIC that can be masked has.
    pub const LEAST: Self = Self(NonZeroU32::MIN);

    /// The priority of that number; 0 is none.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number: 1 or more.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

/// What a source's priority must exceed for a context to be told
/// ("Priority Thresholds"). Priorities decide by themselves here, so there are
/// two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    /// Every source that is not masked is told.
    Open,
    /// As good as none is told: the highest value that the register can hold,
    /// whatever that is (it is WARL).
    Shut,
}

impl Threshold {
    /// What to write.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Open => 0,
            Self::Shut => u32::MAX,
        }
    }
}
