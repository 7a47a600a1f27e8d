// SPDX-License-Identifier: Apache-2.0
//! Interrupt pins, and the way from a function's to the host bridge.
//!
//! Role: a bridge hands on the pins of the devices behind it as its own, moved
//! along by the device's number (bridge 9.1; PCIe 2.2.8.1). What comes out on
//! the first bus is looked up in the host bridge's `interrupt-map`.
//! Invariant: a way has at most as many steps as there are buses.

use crate::config::FunctionAddress;
use crate::tree::Tree;

/// An interrupt pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// INTA.
    A,
    /// INTB.
    B,
    /// INTC.
    C,
    /// INTD.
    D,
}

impl Pin {
    /// The pin by its number in configuration space and in device trees: 1 to
    /// 4. 0 means none (PCI 6.2.4).
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            1 => Some(Pin::A),
            2 => Some(Pin::B),
            3 => Some(Pin::C),
            4 => Some(Pin::D),
            _ => None,
        }
    }

    /// Its number, 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Pin::A => 1,
            Pin::B => 2,
            Pin::C => 3,
            Pin::D => 4,
        }
    }

    /// The pin in front of a bridge that this pin of `device` behind it comes
    /// out at.
    #[must_use]
    pub const fn swizzled(self, device: u8) -> Self {
        let steps = device & 3;
        match self.number().wrapping_sub(1).wrapping_add(steps) & 3 {
            0 => Pin::A,
            1 => Pin::B,
            2 => Pin::C,
            _ => Pin::D,
        }
    }
}

/// Where an interrupt comes out on the host bridge's bus: what its
/// `interrupt-map` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intx {
    /// The function on the first bus: the one that interrupts, or the bridge
    /// that it is behind.
    pub function: FunctionAddress,
    /// The pin there.
    pub pin: Pin,
}

/// A host bridge's `interrupt-map`.
pub trait InterruptMap {
    /// What names an interrupt to its controller.
    type Interrupt;

    /// The interrupt that a pin on the first bus leads to.
    fn interrupt(&self, intx: Intx) -> Option<Self::Interrupt>;
}

/// One entry of an `interrupt-map`: the bus's side, and what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapEntry<I> {
    /// The three cells of the address and the one of the pin.
    pub key: [u32; 4],
    /// What it leads to.
    pub interrupt: I,
}

/// A map as plain data (Devicetree Specification v0.4, 2.4.3). The first entry
/// that fits counts.
#[derive(Clone, Copy, Debug)]
pub struct MapTable<'a, I> {
    /// `interrupt-map-mask`: which bits are compared.
    pub mask: [u32; 4],
    /// The entries.
    pub entries: &'a [MapEntry<I>],
}

impl<I: Copy> InterruptMap for MapTable<'_, I> {
    type Interrupt = I;

    fn interrupt(&self, intx: Intx) -> Option<I> {
        let wanted = [intx.function.cell(), 0, 0, u32::from(intx.pin.number())];
        let fits = |entry: &&MapEntry<I>| {
            let mut sides = entry.key.iter().zip(&wanted).zip(&self.mask);
            sides.all(|((key, wanted), mask)| key & mask == wanted & mask)
        };
        self.entries.iter().find(fits).map(|entry| entry.interrupt)
    }
}

impl Tree {
    /// Where the interrupt pin of function `index` comes out; `None` if it has
    /// no pin.
    #[must_use]
    pub fn intx(&self, index: usize) -> Option<Intx> {
        let function = self.functions.get(index)?;
        let (mut address, mut pin) = (function.address, function.pin?);
        for _ in 0..self.buses.len() {
            match self.bridge_above(address.bus()) {
                None => break,
                Some(bridge) => {
                    pin = pin.swizzled(address.device());
                    address = bridge.address;
                }
            }
        }
        Some(Intx { function: address, pin })
    }

    /// The interrupt that function `index` raises by its pin.
    pub fn interrupt<M: InterruptMap>(&self, index: usize, map: &M) -> Option<M::Interrupt> {
        map.interrupt(self.intx(index)?)
    }
}
