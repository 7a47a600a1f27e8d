// SPDX-License-Identifier: Apache-2.0
//! One entry of an Sv39 page table.
//!
//! A valid entry is made by three constructors, and none can make a page that
//! is both writable and executable: [`Protection`] has no such value. Pages
//! have A set from the start, and D where they are writable, so a hart that
//! traps instead of setting these bits never has to.
//!
//! An entry can also be *parked*: it keeps its frame, but the hardware sees
//! nothing. That is how frames wait in the tables themselves, before a mapping
//! is complete and after it was removed, and why neither needs memory for a
//! list. Of a page that is not there an entry can be a *note*: a number of ours.

use crate::frames::FrameNumber;

const VALID: u64 = 1 << 0;
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 2;
const EXECUTE: u64 = 1 << 3;
const USER: u64 = 1 << 4;
const GLOBAL: u64 = 1 << 5;
const ACCESSED: u64 = 1 << 6;
const DIRTY: u64 = 1 << 7;
/// The first of two bits that the hardware leaves to us. Never in a valid entry.
const PARKED: u64 = 1 << 8;
/// The second one.
const NOTE: u64 = 1 << 9;

const RIGHTS: u64 = READ | WRITE | EXECUTE;
const FRAME_AT: u32 = 10;
const FRAME_BITS: u32 = 44;

/// What may be done with a page. Writing and executing exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protection {
    /// Constants.
    ReadOnly,
    /// Data.
    ReadWrite,
    /// Code with constants in it.
    ReadExecute,
    /// Code.
    ExecuteOnly,
}

/// What is done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// A load.
    Read,
    /// A store, or an atomic operation.
    Write,
    /// An instruction.
    Execute,
}

impl Protection {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::ReadOnly, Self::ReadWrite, Self::ReadExecute, Self::ExecuteOnly];

    /// Whether it allows that.
    #[must_use]
    pub const fn permits(self, access: Access) -> bool {
        match access {
            Access::Read => !matches!(self, Self::ExecuteOnly),
            Access::Write => matches!(self, Self::ReadWrite),
            Access::Execute => matches!(self, Self::ReadExecute | Self::ExecuteOnly),
        }
    }

    const fn bits(self) -> u64 {
        let rights = match self {
            Self::ReadOnly => READ,
            Self::ReadWrite => READ | WRITE | DIRTY,
            Self::ReadExecute => READ | EXECUTE,
            Self::ExecuteOnly => EXECUTE,
        };
        rights | ACCESSED
    }

    const fn of(bits: u64) -> Option<Self> {
        match bits & RIGHTS {
            READ => Some(Self::ReadOnly),
            rights if rights == READ | WRITE => Some(Self::ReadWrite),
            rights if rights == READ | EXECUTE => Some(Self::ReadExecute),
            EXECUTE => Some(Self::ExecuteOnly),
            _ => None,
        }
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing.
    Empty,
    /// The next table.
    Table(FrameNumber),
    /// A page of a program.
    User(FrameNumber, Protection),
    /// A page of the kernel.
    Kernel(FrameNumber, Protection),
    /// A table that the hardware does not see yet.
    ParkedTable(FrameNumber),
    /// A page of a program that the hardware does not see yet, or no longer.
    ParkedUser(FrameNumber, Protection),
    /// A number; there is no page.
    Note(u64),
    /// None of what is made here: writable and executable, a page without its
    /// A or D, reserved bits.
    Foreign,
}

/// An entry, as it stands in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Entry(u64);

impl Entry {
    /// An entry that says nothing: what a zeroed frame is full of.
    pub const EMPTY: Self = Self(0);

    /// What was read from a table.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// What is written to a table.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A page of a program.
    ///
    /// # Panics
    /// When no entry can name the frame.
    #[must_use]
    pub const fn user(frame: FrameNumber, protection: Protection) -> Self {
        Self(place(frame) | protection.bits() | USER | VALID)
    }

    /// A page of the kernel: global, and out of programs' reach. At a higher
    /// level it is a large page; `frame` is its first then.
    ///
    /// # Panics
    /// When no entry can name the frame.
    #[must_use]
    pub const fn kernel(frame: FrameNumber, protection: Protection) -> Self {
        Self(place(frame) | protection.bits() | GLOBAL | VALID)
    }

    /// The next table.
    ///
    /// # Panics
    /// When no entry can name the frame.
    #[must_use]
    pub const fn table(frame: FrameNumber) -> Self {
        Self(place(frame) | VALID)
    }

    /// A number, for whoever keeps one where there is no page.
    ///
    /// # Panics
    /// When it has more than 44 bits.
    #[must_use]
    pub const fn note(number: u64) -> Self {
        assert!(number >> FRAME_BITS == 0, "a note has 44 bits");
        Self(number << FRAME_AT | NOTE)
    }

    /// The same, but the hardware sees nothing.
    #[must_use]
    pub(crate) const fn parked(self) -> Self {
        Self(self.0 & !VALID | PARKED)
    }

    /// Whether the hardware looks at it.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 & VALID != 0
    }

    /// The frame, for a walk that does what the hardware would: of a valid entry.
    #[inline]
    #[must_use]
    pub const fn frame(self) -> FrameNumber {
        FrameNumber::new((self.0 >> FRAME_AT & ((1 << FRAME_BITS) - 1)) as usize)
    }

    /// Whether the hardware goes on to the next table.
    #[inline]
    #[must_use]
    pub const fn leads_on(self) -> bool {
        self.0 & (VALID | RIGHTS) == VALID
    }

    /// Whether the hardware lets a program do that.
    #[inline]
    #[must_use]
    pub const fn lets_program(self, access: Access) -> bool {
        let right = match access {
            Access::Read => READ,
            Access::Write => WRITE,
            Access::Execute => EXECUTE,
        };
        let due = VALID | USER | right;
        self.0 & due == due
    }

    /// What it says.
    #[must_use]
    pub const fn meaning(self) -> Meaning {
        if self.0 == 0 {
            return Meaning::Empty;
        }
        let frame = FrameNumber::new((self.0 >> FRAME_AT & ((1 << FRAME_BITS) - 1)) as usize);
        if self.0 == Self::note(frame.get() as u64).0 {
            return Meaning::Note(frame.get() as u64);
        }
        let is_valid = self.is_valid();
        if same(self, Self::table(frame), is_valid) {
            return if is_valid { Meaning::Table(frame) } else { Meaning::ParkedTable(frame) };
        }
        let Some(protection) = Protection::of(self.0) else {
            return Meaning::Foreign;
        };
        if same(self, Self::user(frame, protection), is_valid) {
            return if is_valid {
                Meaning::User(frame, protection)
            } else {
                Meaning::ParkedUser(frame, protection)
            };
        }
        if self.0 == Self::kernel(frame, protection).0 {
            return Meaning::Kernel(frame, protection);
        }
        Meaning::Foreign
    }
}

/// Whether `entry` is what was made, or if it is not valid, that one parked.
const fn same(entry: Entry, made: Entry, is_valid: bool) -> bool {
    entry.0 == if is_valid { made.0 } else { made.parked().0 }
}

const fn place(frame: FrameNumber) -> u64 {
    let number = frame.get() as u64;
    assert!(number >> FRAME_BITS == 0, "no such frame: Sv39 names 2^44");
    number << FRAME_AT
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    const FRAME: FrameNumber = FrameNumber::new(0x8_1234);

    fn made() -> Vec<(Entry, Meaning)> {
        let number = FRAME.get() as u64;
        let mut made = vec![
            (Entry::EMPTY, Meaning::Empty),
            (Entry::note(number), Meaning::Note(number)),
            (Entry::table(FRAME), Meaning::Table(FRAME)),
            (Entry::table(FRAME).parked(), Meaning::ParkedTable(FRAME)),
        ];
        for p in Protection::ALL {
            made.push((Entry::user(FRAME, p), Meaning::User(FRAME, p)));
            made.push((Entry::user(FRAME, p).parked(), Meaning::ParkedUser(FRAME, p)));
            made.push((Entry::kernel(FRAME, p), Meaning::Kernel(FRAME, p)));
        }
        made
    }

    #[test]
    fn what_is_made_is_understood() {
        for (entry, meaning) in made() {
            assert_eq!(entry.meaning(), meaning);
            assert_eq!(Entry::from_bits(entry.bits()), entry);
        }
    }

    #[test]
    fn bits_are_those_of_the_privileged_specification() {
        assert_eq!(Entry::user(FRAME, Protection::ReadWrite).bits(), 0x8_1234 << 10 | 0b1101_0111);
        assert_eq!(Entry::user(FRAME, Protection::ReadOnly).bits(), 0x8_1234 << 10 | 0b0101_0011);
        assert_eq!(
            Entry::user(FRAME, Protection::ReadExecute).bits(),
            0x8_1234 << 10 | 0b0101_1011
        );
        assert_eq!(
            Entry::user(FRAME, Protection::ExecuteOnly).bits(),
            0x8_1234 << 10 | 0b0101_1001
        );
        assert_eq!(
            Entry::kernel(FRAME, Protection::ReadWrite).bits(),
            0x8_1234 << 10 | 0b1110_0111
        );
        assert_eq!(Entry::table(FRAME).bits(), 0x8_1234 << 10 | 1);
    }

    /// Of all 2^10 combinations of flags, only what is made is understood, and
    /// nothing of it is writable and executable.
    #[test]
    fn nothing_else_is_understood() {
        let made = made();
        for flags in 0..1 << FRAME_AT {
            let entry = Entry::from_bits(place(FRAME) | flags);
            let known = made.iter().any(|(known, _)| *known == entry);
            assert_eq!(entry.meaning() != Meaning::Foreign, known, "{flags:#b}");
            let both = flags & (WRITE | EXECUTE) == WRITE | EXECUTE;
            assert!(!(known && both));
        }
        assert_eq!(
            Entry::from_bits(Entry::user(FRAME, Protection::ReadOnly).bits() | 1 << 63).meaning(),
            Meaning::Foreign,
            "reserved bits"
        );
    }

    #[test]
    #[should_panic(expected = "44 bits")]
    fn a_note_that_is_too_long() {
        let _ = Entry::note(1 << 44);
    }

    #[test]
    #[should_panic(expected = "no such frame")]
    fn a_frame_that_no_entry_names() {
        let _ = Entry::table(FrameNumber::new(1 << 44));
    }
}
