// SPDX-License-Identifier: Apache-2.0
//! Configuration space: its addresses, and how one gets there.
//!
//! Role: the one door to the hardware.
//! Invariant: an address that exists can be expressed on the bus: device below
//! 32, function below 8, register below 4,096 and a multiple of 4.

use core::fmt;

/// Devices on a bus (PCI 3.2.2.3.2; PCIe 7.2.1).
pub(crate) const DEVICES: u8 = 32;
/// Functions of a device (PCI 6.2.1; PCIe 7.5.1.1.9).
pub(crate) const FUNCTIONS: u8 = 8;
/// Bytes of a function's configuration space (PCIe 7.2.2). A conventional one
/// has 256 of them.
const SPACE: u16 = 4096;

/// The door to a host bridge's configuration space. All accesses are of 32 bits.
pub trait ConfigSpace {
    /// Reads a register. Where nobody answers, or the address lies outside of
    /// what the host bridge has, the answer is all ones (PCI 6.1).
    fn read32(&self, address: ConfigAddress) -> u32;

    /// Writes a register. It has reached the function before the next access.
    /// Where nobody is, nothing happens.
    fn write32(&mut self, address: ConfigAddress, value: u32);
}

/// A function: bus, device on the bus, function of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionAddress {
    bus: u8,
    device: u8,
    function: u8,
}

impl FunctionAddress {
    /// The address, if device is below 32 and function below 8.
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Self> {
        match device < DEVICES && function < FUNCTIONS {
            true => Some(FunctionAddress { bus, device, function }),
            false => None,
        }
    }

    /// The bus.
    #[must_use]
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// The device on the bus, 0 to 31.
    #[must_use]
    pub const fn device(self) -> u8 {
        self.device
    }

    /// The function of the device, 0 to 7.
    #[must_use]
    pub const fn function(self) -> u8 {
        self.function
    }

    /// The function as the first cell of a device tree's PCI address has it
    /// (PCI Bus Binding to IEEE 1275, 2.2.1.1), with no register and no space.
    #[must_use]
    pub fn cell(self) -> u32 {
        u32::from(self.bus) << 16 | u32::from(self.device) << 11 | u32::from(self.function) << 8
    }
}

impl fmt::Display for FunctionAddress {
    /// As it is usually written: `bus:device.function`, the first two in
    /// hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.bus, self.device, self.function)
    }
}

/// A register's offset in a function's configuration space, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(u16);

impl Register {
    /// The register at `offset`, if that is a multiple of 4 below 4,096.
    #[must_use]
    pub const fn new(offset: u16) -> Option<Self> {
        match offset < SPACE && offset & 3 == 0 {
            true => Some(Register(offset)),
            false => None,
        }
    }

    /// The register that the byte at `offset` is in.
    pub(crate) const fn holding(offset: u8) -> Self {
        Register((offset & !3) as u16)
    }

    /// Its offset in bytes.
    #[must_use]
    pub const fn offset(self) -> u16 {
        self.0
    }
}

/// A register of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigAddress {
    /// Whose.
    pub function: FunctionAddress,
    /// Which.
    pub register: Register,
}

/// The bus numbers that a host bridge has: the first to the last, both
/// included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusRange {
    first: u8,
    last: u8,
}

impl BusRange {
    /// The range, unless the first comes after the last.
    #[must_use]
    pub const fn new(first: u8, last: u8) -> Option<Self> {
        match first <= last {
            true => Some(BusRange { first, last }),
            false => None,
        }
    }

    /// The bus right below the host bridge.
    #[must_use]
    pub const fn first(self) -> u8 {
        self.first
    }

    /// The last number that may be given out.
    #[must_use]
    pub const fn last(self) -> u8 {
        self.last
    }

    /// Whether `bus` is one of them.
    #[must_use]
    pub const fn contains(self, bus: u8) -> bool {
        self.first <= bus && bus <= self.last
    }
}

/// One function's registers.
pub(crate) struct Registers<'c, C> {
    config: &'c mut C,
    function: FunctionAddress,
}

impl<'c, C: ConfigSpace> Registers<'c, C> {
    pub(crate) fn new(config: &'c mut C, function: FunctionAddress) -> Self {
        Registers { config, function }
    }

    pub(crate) fn read(&self, register: Register) -> u32 {
        read(self.config, self.function, register)
    }

    pub(crate) fn write(&mut self, register: Register, value: u32) {
        self.config.write32(ConfigAddress { function: self.function, register }, value);
    }

    /// Writes the bits of `mask` and says whether they read as written.
    pub(crate) fn settle(&mut self, register: Register, value: u32, mask: u32) -> bool {
        self.write(register, value);
        (self.read(register) ^ value) & mask == 0
    }
}

pub(crate) fn read<C: ConfigSpace>(
    config: &C,
    function: FunctionAddress,
    register: Register,
) -> u32 {
    config.read32(ConfigAddress { function, register })
}
