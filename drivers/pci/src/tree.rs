// SPDX-License-Identifier: Apache-2.0
//! The tree that a scan makes.
//!
//! Role: keeps functions in the order of their buses, and buses so that a bus
//! comes after the one that its bridge is on.
//! Invariant: indices in here are of this tree's lists; a bus's functions and a
//! function's BARs are runs of them. Buses are numbered as they are listed:
//! the one at index `i` is the range's first plus `i`.

use alloc::vec::Vec;
use core::ops::Range;

use crate::bar::Bar;
use crate::bridge::IoWidth;
use crate::config::{BusRange, FunctionAddress};
use crate::function::Function;
use crate::problem::Problem;

/// All that is below a host bridge.
#[derive(Debug)]
pub struct Tree {
    pub(crate) range: BusRange,
    pub(crate) buses: Vec<Bus>,
    pub(crate) functions: Vec<Function>,
    pub(crate) bars: Vec<Bar>,
    pub(crate) problems: Vec<Problem>,
}

/// One bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus {
    pub(crate) number: u8,
    /// The bridge that leads here, as an index of the tree's functions.
    pub(crate) bridge: Option<usize>,
    pub(crate) functions: Range<usize>,
    /// How much of I/O addresses comes through to here.
    pub(crate) io: Option<IoWidth>,
    /// Whether all bridges up to the root have prefetchable windows of 64 bits.
    pub(crate) prefetchable64: bool,
}

impl Bus {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// The bridge that leads here, as an index of the tree's functions; none on
    /// the first bus.
    #[must_use]
    pub const fn bridge(&self) -> Option<usize> {
        self.bridge
    }
}

impl Tree {
    /// The buses; the first is the host bridge's, and each comes after the bus
    /// that its bridge is on.
    #[must_use]
    pub fn buses(&self) -> &[Bus] {
        &self.buses
    }

    /// The functions, by bus, device and function within a bus.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function at an address, as an index.
    #[must_use]
    pub fn find(&self, address: FunctionAddress) -> Option<usize> {
        self.functions.iter().position(|function| function.address == address)
    }

    /// A function's base address registers, those that are there and make sense.
    #[must_use]
    pub fn bars(&self, function: &Function) -> &[Bar] {
        self.bars.get(function.bars.clone()).unwrap_or_default()
    }

    /// What was strange so far.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The bridge that leads to the bus of this number.
    pub(crate) fn bridge_above(&self, bus: u8) -> Option<&Function> {
        let index = usize::from(bus.checked_sub(self.range.first())?);
        self.functions.get(self.buses.get(index)?.bridge?)
    }
}
