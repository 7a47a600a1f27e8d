// SPDX-License-Identifier: Apache-2.0
//! What the machine has to offer.

use crate::map::Offset;

/// The registers of one PLIC, from any hart.
///
/// To be kept by whoever implements it:
/// - One access of 32 bits for each call, none more: reading a claim register
///   takes an interrupt away.
/// - A hart's accesses reach the PLIC in program order. In a strongly ordered
///   I/O region volatile accesses suffice.
/// - The PLIC's bytes are little-endian, whatever the hart is.
pub trait Registers {
    /// How many bytes of registers there are (the device tree's `reg`).
    fn bytes(&self) -> u64;

    /// Reads the register there.
    fn read(&self, at: Offset) -> u32;

    /// Writes the register there.
    fn write(&self, at: Offset, value: u32);
}

impl<R: Registers + ?Sized> Registers for &R {
    fn bytes(&self) -> u64 {
        (**self).bytes()
    }

    fn read(&self, at: Offset) -> u32 {
        (**self).read(at)
    }

    fn write(&self, at: Offset, value: u32) {
        (**self).write(at, value);
    }
}
