// SPDX-License-Identifier: Apache-2.0
//! Functions: what one says that it is.
//!
//! Role: the record of one function in the tree.
//! Invariant: its BARs are a run of the tree's list.

use core::ops::Range;

use crate::bridge::Bridge;
use crate::config::FunctionAddress;
use crate::intx::Pin;
use crate::message::{Known, Msi, MsiX, Pcie};
use crate::register::byte;

/// Who made it, and what it is (PCI 6.2.1, 6.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The vendor.
    pub vendor: u16,
    /// The vendor's number for the device.
    pub device: u16,
    /// Class (PCI appendix D): 01h is storage, 06h a bridge.
    pub class: u8,
    /// Subclass; 08h of class 01h is non-volatile memory.
    pub subclass: u8,
    /// Programming interface; 02h of these is NVMe.
    pub interface: u8,
    /// Revision.
    pub revision: u8,
}

impl Identity {
    pub(crate) fn of(id: u32, class: u32) -> Self {
        let (vendor, device) = crate::message::halves(id);
        Identity {
            vendor,
            device,
            class: byte(class, 3),
            subclass: byte(class, 2),
            interface: byte(class, 1),
            revision: byte(class, 0),
        }
    }

    /// Whether it is the host bridge, seen from below.
    pub(crate) fn is_host_bridge(&self) -> bool {
        self.class == 6 && self.subclass == 0
    }
}

/// What a function is to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A header of type 0.
    Endpoint,
    /// The host bridge itself. Its BARs, if it has any, say where the bus sees
    /// memory, and are left alone with all else of it.
    HostBridge,
    /// A header of type 1.
    Bridge(Bridge),
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub(crate) address: FunctionAddress,
    pub(crate) identity: Identity,
    pub(crate) kind: Kind,
    pub(crate) pin: Option<Pin>,
    pub(crate) known: Known,
    pub(crate) bars: Range<usize>,
    /// A base address register of it made no sense.
    pub(crate) bad_bar: bool,
}

impl Function {
    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> FunctionAddress {
        self.address
    }

    /// What it says that it is.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// What it is to the tree.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its interrupt pin, if it has one.
    #[must_use]
    pub const fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// Its MSI capability.
    #[must_use]
    pub const fn msi(&self) -> Option<Msi> {
        self.known.msi
    }

    /// Its MSI-X capability.
    #[must_use]
    pub const fn msi_x(&self) -> Option<MsiX> {
        self.known.msi_x
    }

    /// Its PCI Express capability.
    #[must_use]
    pub const fn pcie(&self) -> Option<Pcie> {
        self.known.pcie
    }

    pub(crate) fn bridge(&self) -> Option<Bridge> {
        match self.kind {
            Kind::Bridge(bridge) => Some(bridge),
            _ => None,
        }
    }
}
