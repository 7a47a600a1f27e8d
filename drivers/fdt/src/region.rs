// SPDX-License-Identifier: Apache-2.0
//! Addresses, sizes and the cells they are written in (section 2.3.5).
//!
//! Role: reads `reg` and everything shaped like it.
//! Invariant: a [`Region`]'s end does not exceed 64 bits, so that `base + size`
//! can be computed by whoever holds one.

use crate::bytes::be32;
use crate::error::ValueError;

/// A piece of an address space: from `base`, `size` bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    base: u64,
    size: u64,
}

impl Region {
    /// A region, if its end can be expressed.
    ///
    /// # Errors
    /// [`ValueError::Wraps`] when `base + size` exceeds 64 bits.
    pub fn new(base: u64, size: u64) -> Result<Self, ValueError> {
        match base.checked_add(size) {
            Some(_) => Ok(Region { base, size }),
            None => Err(ValueError::Wraps),
        }
    }

    /// Its first address.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Its number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The address after its last.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.size)
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }
}

/// A value's 32-bit cells, taken one number after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Cells<'a> {
    /// The cells of a value.
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Cells { rest: value }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes one cell.
    ///
    /// # Errors
    /// When fewer than four bytes are left.
    pub fn word(&mut self) -> Result<u32, ValueError> {
        let word = be32(self.rest, 0).ok_or(ValueError::BadLength)?;
        self.rest = self.rest.get(4..).unwrap_or_default();
        Ok(word)
    }

    /// Takes `count` cells as they are.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn take(&mut self, count: u32) -> Result<Cells<'a>, ValueError> {
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(4));
        let split = bytes.and_then(|bytes| self.rest.split_at_checked(bytes));
        let (taken, rest) = split.ok_or(ValueError::BadLength)?;
        self.rest = rest;
        Ok(Cells { rest: taken })
    }

    /// Takes a number of `cells` cells; of none it is 0.
    ///
    /// # Errors
    /// When it has more than two cells, or they are not there.
    pub fn number(&mut self, cells: u8) -> Result<u64, ValueError> {
        match cells {
            0 => Ok(0),
            1 => self.word().map(u64::from),
            2 => {
                let high = u64::from(self.word()?);
                Ok(high << 32 | u64::from(self.word()?))
            }
            _ => Err(ValueError::BadCells),
        }
    }
}

/// How many cells an address and a size have on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Widths {
    pub(crate) address: u8,
    pub(crate) size: u8,
}

impl Widths {
    /// What holds where a bus says nothing (section 2.3.5).
    pub(crate) const DEFAULT: Widths = Widths { address: 2, size: 1 };

    /// Bytes in one address and one size.
    fn pair(self) -> usize {
        let cells = usize::from(self.address).saturating_add(usize::from(self.size));
        cells.saturating_mul(4)
    }
}

/// The regions of a `reg`, in its bus's addresses. One that wraps is an error of
/// its own, and the rest follow.
#[derive(Clone, Debug)]
pub struct Regions<'a> {
    cells: Cells<'a>,
    widths: Widths,
}

impl<'a> Regions<'a> {
    /// Checks that `value` is a whole number of pairs of readable width.
    pub(crate) fn new(value: &'a [u8], widths: Widths) -> Result<Self, ValueError> {
        if widths.address > 2 || widths.size > 2 {
            return Err(ValueError::BadCells);
        }
        match value.len().checked_rem(widths.pair()) {
            None => Err(ValueError::BadCells),
            Some(0) => Ok(Regions { cells: Cells::new(value), widths }),
            Some(_) => Err(ValueError::BadLength),
        }
    }
}

impl Iterator for Regions<'_> {
    type Item = Result<Region, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cells.is_empty() {
            return None;
        }
        let base = self.cells.number(self.widths.address);
        let size = self.cells.number(self.widths.size);
        Some(base.and_then(|base| Region::new(base, size?)))
    }
}
