// SPDX-License-Identifier: Apache-2.0
//! The host bridge's windows, as a device tree's `ranges` has them.

/// What a window is for (PCI Bus Binding to IEEE 1275, 2.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSpace {
    /// I/O ports.
    Io,
    /// Memory, wherever on the bus its addresses are.
    Memory,
}

/// Addresses that the host bridge passes on from harts to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// What it is for.
    pub space: WindowSpace,
    /// Whether accesses may be merged on the way, so that only what is
    /// prefetchable may lie there.
    pub prefetchable: bool,
    /// Its first address on the bus.
    pub bus: u64,
    /// Its first address as a hart counts them.
    pub hart: u64,
    /// In bytes. Of a window that wraps on either side nothing is used.
    pub size: u64,
}

impl Window {
    /// The address after the last one on the bus, if the window does not wrap.
    pub(crate) fn end(&self) -> Option<u64> {
        self.hart.checked_add(self.size)?;
        self.bus.checked_add(self.size)
    }
}
