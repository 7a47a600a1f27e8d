// SPDX-License-Identifier: Apache-2.0
//! Three capabilities: MSI, MSI-X and PCI Express.
//!
//! Role: lists what a function could do; nothing is switched on here.
//! Invariant: only registers inside of the capability are read, and those lie
//! in the first 256 bytes. A table that an [`MsiX`] names may still lie outside
//! of its BAR, until [`TableAt::within`] has said otherwise.

use crate::bar::Bar;
use crate::capability::{Capability, ListFlaw};
use crate::config::{ConfigSpace, FunctionAddress, Register, read};
use crate::register::{byte, lower, upper};

/// Capability numbers (PCI appendix H).
pub(crate) const MSI: u8 = 0x05;
pub(crate) const PCIE: u8 = 0x10;
pub(crate) const MSI_X: u8 = 0x11;

/// Bytes of an entry of an MSI-X table (PCIe 7.7.2).
const VECTOR_SIZE: u64 = 16;

/// Message-signalled interrupts (PCI 6.8.1; PCIe 7.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msi {
    /// Where the capability is.
    pub offset: u8,
    /// How many messages the function asks for: 1 to 32.
    pub messages: u8,
    /// Whether the address to write to may have 64 bits.
    pub wide: bool,
    /// Whether messages can be masked one by one.
    pub maskable: bool,
}

/// Message-signalled interrupts by a table (PCI 6.8.2; PCIe 7.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiX {
    /// Where the capability is.
    pub offset: u8,
    /// How many entries the table has: 1 to 2,048.
    pub entries: u16,
    /// The table, 16 bytes an entry.
    pub table: TableAt,
    /// The bits of pending messages, 8 bytes for 64 entries.
    pub pending: TableAt,
}

/// A table in a function's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableAt {
    /// The base address register's index, 0 to 5.
    pub bar: u8,
    /// From what that register says, in bytes; a multiple of 8.
    pub offset: u32,
    /// In bytes.
    pub size: u32,
}

/// A table does not lie in the memory that it should be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideBar;

impl TableAt {
    /// The BAR among `bars` that the table is in.
    ///
    /// # Errors
    /// When there is none, it is of I/O, or it is too small.
    pub fn within<'b>(&self, bars: &'b [Bar]) -> Result<&'b Bar, OutsideBar> {
        let end = u64::from(self.offset).saturating_add(u64::from(self.size));
        let mut bars = bars.iter();
        let found = bars.find(|bar| bar.index == self.bar && !bar.is_io() && end <= bar.size);
        found.ok_or(OutsideBar)
    }

    /// Takes BIR and offset apart (PCIe 7.7.2.3).
    fn of(word: u32, size: u64) -> Option<Self> {
        let bar = byte(word, 0) & 7;
        let size = u32::try_from(size).ok()?;
        (bar < 6).then_some(TableAt { bar, offset: word & !7, size })
    }
}

/// PCI Express (PCIe 7.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcie {
    /// Where the capability is.
    pub offset: u8,
    /// Its version: 1 or 2 today.
    pub version: u8,
    /// What it is in the tree of links.
    pub port: PortType,
    /// Whether the link leads to a slot.
    pub slot: bool,
}

/// Device/port types (PCIe 7.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortType {
    /// An endpoint.
    Endpoint,
    /// An endpoint that has I/O space.
    LegacyEndpoint,
    /// A root complex's port.
    RootPort,
    /// A switch's port towards the root.
    Upstream,
    /// A switch's port away from the root.
    Downstream,
    /// A bridge from PCI Express to PCI.
    ToPci,
    /// A bridge from PCI to PCI Express.
    FromPci,
    /// An endpoint inside of the root complex.
    Integrated,
    /// A root complex's event collector.
    EventCollector,
    /// Something else.
    Unknown(u8),
}

impl PortType {
    fn of(code: u8) -> Self {
        match code {
            0 => PortType::Endpoint,
            1 => PortType::LegacyEndpoint,
            4 => PortType::RootPort,
            5 => PortType::Upstream,
            6 => PortType::Downstream,
            7 => PortType::ToPci,
            8 => PortType::FromPci,
            9 => PortType::Integrated,
            10 => PortType::EventCollector,
            other => PortType::Unknown(other),
        }
    }

    /// Whether a link begins here, on which there is no device but 0
    /// (PCIe 7.3.1).
    pub(crate) const fn begins_link(self) -> bool {
        matches!(self, PortType::RootPort | PortType::Downstream | PortType::FromPci)
    }
}

/// The registers of one capability.
struct Body<'c, C> {
    config: &'c C,
    function: FunctionAddress,
    offset: u8,
}

impl<C: ConfigSpace> Body<'_, C> {
    /// The register `at` bytes on, if it is in the first 256.
    fn read(&self, at: u8) -> Result<u32, ListFlaw> {
        let offset = self.offset.checked_add(at).ok_or(ListFlaw::Malformed(self.offset))?;
        Ok(read(self.config, self.function, Register::holding(offset)))
    }

    fn msi(&self) -> Result<Msi, ListFlaw> {
        let control = upper(self.read(0)?);
        let (wide, maskable) = (control & 1 << 7 != 0, control & 1 << 8 != 0);
        // The last register that there must be: data, or the pending bits.
        let last = match (wide, maskable) {
            (false, false) => 8,
            (true, false) => 12,
            (false, true) => 16,
            (true, true) => 20,
        };
        self.read(last)?;
        let messages = 1_u8.checked_shl(u32::from(control >> 1 & 7)).unwrap_or(0);
        match messages {
            1..=32 => Ok(Msi { offset: self.offset, messages, wide, maskable }),
            _ => Err(ListFlaw::Malformed(self.offset)),
        }
    }

    fn msi_x(&self) -> Result<MsiX, ListFlaw> {
        let last = upper(self.read(0)?) & 0x7ff;
        let entries = last.saturating_add(1);
        let words = u64::from(last >> 6).saturating_add(1);
        let table = u64::from(entries).saturating_mul(VECTOR_SIZE);
        let table = TableAt::of(self.read(4)?, table);
        let pending = TableAt::of(self.read(8)?, words.saturating_mul(8));
        match (table, pending) {
            (Some(table), Some(pending)) => {
                Ok(MsiX { offset: self.offset, entries, table, pending })
            }
            _ => Err(ListFlaw::Malformed(self.offset)),
        }
    }

    fn pcie(&self) -> Result<Pcie, ListFlaw> {
        let kind = upper(self.read(0)?);
        let version = (kind & 15) as u8;
        let port = PortType::of((kind >> 4 & 15) as u8);
        Ok(Pcie { offset: self.offset, version, port, slot: kind & 1 << 8 != 0 })
    }
}

/// The capabilities that this crate knows. Of two of a kind the first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) msi: Option<Msi>,
    pub(crate) msi_x: Option<MsiX>,
    pub(crate) pcie: Option<Pcie>,
}

impl Known {
    /// Takes a capability in, if it is one of these.
    pub(crate) fn add<C: ConfigSpace>(
        &mut self,
        config: &C,
        function: FunctionAddress,
        capability: Capability,
    ) -> Result<(), ListFlaw> {
        let body = Body { config, function, offset: capability.offset };
        match capability.id {
            MSI if self.msi.is_none() => self.msi = Some(body.msi()?),
            MSI_X if self.msi_x.is_none() => self.msi_x = Some(body.msi_x()?),
            PCIE if self.pcie.is_none() => self.pcie = Some(body.pcie()?),
            _ => {}
        }
        Ok(())
    }
}

/// Vendor and device of a function's subsystem come in one register.
pub(crate) fn halves(word: u32) -> (u16, u16) {
    (lower(word), upper(word))
}
