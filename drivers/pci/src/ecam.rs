// SPDX-License-Identifier: Apache-2.0
//! The enhanced configuration access mechanism (PCIe 7.2.2): a megabyte of
//! memory for each bus, 4 KiB for each function.
//!
//! Role: says where a register lies in the window that the device tree names.
//! Invariant: an [`EcamOffset`] and the three bytes after it lie in the window
//! of the [`Ecam`] that it came from.

use crate::config::{BusRange, ConfigAddress};

/// Bytes for one bus.
const BUS_SIZE: u64 = 1 << 20;

/// A window of configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecam {
    buses: BusRange,
}

/// A register's place in a window, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EcamOffset(u64);

impl EcamOffset {
    /// In bytes from the window's beginning; a multiple of 4.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Ecam {
    /// A window of `size` bytes that begins with the first of `buses`, as the
    /// binding of `pci-host-ecam-generic` says. Buses that are not wholly in it
    /// cannot be reached and are left out; `None` if that is all of them.
    #[must_use]
    pub fn new(size: u64, buses: BusRange) -> Option<Self> {
        let more = (size / BUS_SIZE).checked_sub(1)?;
        let more = u8::try_from(more).unwrap_or(u8::MAX);
        let last = buses.first().saturating_add(more).min(buses.last());
        BusRange::new(buses.first(), last).map(|buses| Ecam { buses })
    }

    /// The buses that can be reached.
    #[must_use]
    pub const fn buses(&self) -> BusRange {
        self.buses
    }

    /// Where a register lies, if its bus can be reached (PCIe table 7-1).
    #[must_use]
    pub fn offset(&self, address: ConfigAddress) -> Option<EcamOffset> {
        let function = address.function;
        if !self.buses.contains(function.bus()) {
            return None;
        }
        let bus = u64::from(function.bus().checked_sub(self.buses.first())?) << 20;
        let device = u64::from(function.device()) << 15;
        let number = u64::from(function.function()) << 12;
        Some(EcamOffset(bus | device | number | u64::from(address.register.offset())))
    }
}
