// SPDX-License-Identifier: Apache-2.0
//! Registers of devices.
//!
//! They are reached where the linear map shows them: global pages, readable and
//! writable, never executable. That a page is device memory, strongly ordered
//! and not cached, is the platform's to know (PMA); Sv39 has no bits for it.
//! Invariant: a [`Mmio`] lies in the linear map and nowhere in RAM, so nothing
//! of Rust's is behind it.

use skimmer_core::memory::{Extent, NotRegisters};

use crate::{
    addr::{self, PhysAddr},
    memory,
};

/// The registers of one device, or some of them.
#[derive(Clone, Copy, Debug)]
pub struct Mmio {
    start: usize,
    size: usize,
}

impl Mmio {
    /// Those at `claim`.
    ///
    /// # Errors
    /// When they cannot be there.
    pub fn new(claim: Extent) -> Result<Self, NotRegisters> {
        memory::registers(claim)?;
        let (start, size) = (usize::try_from(claim.0), usize::try_from(claim.1));
        let (Ok(start), Ok(size)) = (start, size) else { return Err(NotRegisters::OutOfReach) };
        Ok(Self { start: addr::to_virtual(PhysAddr::new(start)), size })
    }

    /// Bytes of registers.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Reads the 32 bits at `offset`.
    ///
    /// # Panics
    /// When they are not all there, or not aligned.
    #[inline]
    #[must_use]
    pub fn read(&self, offset: usize) -> u32 {
        // SAFETY: device memory, mapped readable and writable, and aligned.
        unsafe { self.register(offset).read_volatile() }
    }

    /// Writes the 32 bits at `offset`.
    ///
    /// # Panics
    /// When they are not all there, or not aligned.
    #[inline]
    pub fn write(&self, offset: usize, value: u32) {
        // SAFETY: device memory, mapped readable and writable, and aligned.
        unsafe { self.register(offset).write_volatile(value) };
    }

    #[inline]
    fn register(&self, offset: usize) -> *mut u32 {
        let is_there = offset.is_multiple_of(4) && offset < self.size && self.size - offset >= 4;
        assert!(is_there, "a device has no register at {offset:#x}");
        core::ptr::with_exposed_provenance_mut(self.start + offset)
    }
}
