// SPDX-License-Identifier: Apache-2.0
//! Base address registers (PCI 6.2.5.1; PCIe 7.5.1.2.1).
//!
//! Role: finds out what a function wants to have where.
//! Invariant: a [`Bar`]'s size is a power of two of at least 4 (I/O) or 16
//! (memory) bytes, and its place, once it has one, is a multiple of its size.

use crate::config::{ConfigSpace, Registers};
use crate::register::{NOBODY, bar};

/// What a base address register is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarSpace {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB on the bus.
    Memory32,
    /// Memory anywhere on the bus.
    Memory64,
}

/// One base address register, or a pair that makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    pub(crate) index: u8,
    pub(crate) space: BarSpace,
    pub(crate) prefetchable: bool,
    pub(crate) size: u64,
    pub(crate) place: Option<Place>,
}

/// Where a base address register was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address on the bus: what is written into the register.
    pub bus: u64,
    /// Its address as a hart counts them.
    pub hart: u64,
}

impl Bar {
    /// Its number, 0 to 5; of a pair, the first one's.
    #[must_use]
    pub const fn index(&self) -> u8 {
        self.index
    }

    /// What it is for.
    #[must_use]
    pub const fn space(&self) -> BarSpace {
        self.space
    }

    /// Whether reads have no side effects.
    #[must_use]
    pub const fn is_prefetchable(&self) -> bool {
        self.prefetchable
    }

    /// In bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where it lies, if it found room.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    pub(crate) const fn is_io(&self) -> bool {
        matches!(self.space, BarSpace::Io)
    }
}

/// What can be wrong with a base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarFlaw {
    /// It reads as all ones.
    AllOnes,
    /// Reserved bits say what no device says.
    ReservedType,
    /// It has 64 bits and is the last one.
    NoUpperHalf,
    /// The bits that can be written make no power of two.
    BadSize,
}

/// What one look at a register found: the next register to look at, and the
/// one that is there, if there is one.
type Look = (u8, Result<Option<Bar>, BarFlaw>);

/// Sizes the register `index` of `count`. The function must not decode
/// addresses meanwhile; the register has its old value afterwards.
pub(crate) fn size<C: ConfigSpace>(registers: &mut Registers<'_, C>, index: u8, count: u8) -> Look {
    let next = index.saturating_add(1);
    let low = probe(registers, index);
    let found = match Flags::of(low) {
        Ok(None) => Ok(None),
        Err(flaw) => Err(flaw),
        Ok(Some(flags)) if flags.space == BarSpace::Memory64 => {
            // Even if it makes no sense, the next register is not looked at as
            // if it stood by itself: it is half an address.
            let after = next.saturating_add(1);
            let wide = match next < count {
                false => Err(BarFlaw::NoUpperHalf),
                true => flags.bar(index, u64::from(probe(registers, next)) << 32 | flags.mask),
            };
            return (after, wide.map(Some));
        }
        Ok(Some(flags)) => flags.bar(index, u64::from(NOBODY) << 32 | flags.mask).map(Some),
    };
    (next, found)
}

/// Which bits can be written, and those that cannot as they are.
fn probe<C: ConfigSpace>(registers: &mut Registers<'_, C>, index: u8) -> u32 {
    let old = registers.read(bar(index));
    registers.write(bar(index), u32::MAX);
    let answer = registers.read(bar(index));
    registers.write(bar(index), old);
    answer
}

/// The low bits of a register, and the others below 4 GiB that can be written.
struct Flags {
    space: BarSpace,
    prefetchable: bool,
    mask: u64,
}

impl Flags {
    /// `None` if no register is there.
    fn of(low: u32) -> Result<Option<Self>, BarFlaw> {
        let (space, flag_bits) = match (low, low & 1, low >> 1 & 3) {
            (0, ..) => return Ok(None),
            (NOBODY, ..) => return Err(BarFlaw::AllOnes),
            (_, 1, 0 | 2) => (BarSpace::Io, 3),
            (_, 0, 0) => (BarSpace::Memory32, 15),
            (_, 0, 2) => (BarSpace::Memory64, 15),
            _ => return Err(BarFlaw::ReservedType),
        };
        let mut mask = u64::from(low & !flag_bits);
        // Half an I/O register may be missing, as ports are 16 bits on a PC.
        if space == BarSpace::Io && mask != 0 && mask >> 16 == 0 {
            mask |= 0xffff_0000;
        }
        // A register of 32 bits none of which can be written is no size.
        if mask == 0 && space != BarSpace::Memory64 {
            return Err(BarFlaw::BadSize);
        }
        let prefetchable = space != BarSpace::Io && low & 8 != 0;
        Ok(Some(Flags { space, prefetchable, mask }))
    }

    /// The bits that can be written run from the top down to the size's.
    fn bar(&self, index: u8, mask: u64) -> Result<Bar, BarFlaw> {
        let size = (!mask).checked_add(1).filter(|size| size.is_power_of_two());
        let size = size.ok_or(BarFlaw::BadSize)?;
        let (space, prefetchable) = (self.space, self.prefetchable);
        Ok(Bar { index, space, prefetchable, size, place: None })
    }
}
