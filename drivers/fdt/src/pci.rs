// SPDX-License-Identifier: Apache-2.0
//! PCI host bridges, by the PCI bus binding to IEEE 1275 and the binding of
//! `pci-host-ecam-generic`.
//!
//! Role: where configuration space is, which addresses the bridge passes on,
//! and to which interrupt each pin leads.
//! Invariant: a window's addresses do not wrap on either side. The bridge's
//! interrupt map is searched one entry after the other; what it leads to may
//! be another map, which is not followed.

use crate::device::to_root;
use crate::error::ValueError;
use crate::interrupts::{Interrupt, Looker};
use crate::node::Node;
use crate::nodes::Nodes;
use crate::region::{Cells, Region, Widths};
use crate::tree::Fdt;

const ECAM: &str = "pci-host-ecam-generic";

/// Cells of an address on a PCI bus.
const ADDRESS_CELLS: u8 = 3;

/// One host bridge.
#[derive(Clone, Copy, Debug)]
pub struct PciHost<'a> {
    node: Node<'a>,
}

/// A function on a PCI bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciAddress {
    /// The bus.
    pub bus: u8,
    /// The device on the bus, 0 to 31.
    pub device: u8,
    /// The function of the device, 0 to 7.
    pub function: u8,
}

impl PciAddress {
    /// The first cell of the function's address in the tree.
    fn cell(self) -> u32 {
        let device = u32::from(self.device & 31) << 11;
        let function = u32::from(self.function & 7) << 8;
        u32::from(self.bus) << 16 | device | function
    }
}

impl<'a> PciHost<'a> {
    /// Whether configuration space is laid out as ECAM says. If not, the bridge
    /// is an unfamiliar one and [`PciHost::config`] is something else.
    pub fn is_ecam(&self) -> bool {
        self.node.is_compatible(ECAM)
    }

    /// Configuration space: the first `reg`. It begins with the first bus of
    /// [`PciHost::buses`].
    ///
    /// # Errors
    /// When `reg` cannot be read or reached.
    pub fn config(&self) -> Result<Region, ValueError> {
        self.node.registers()
    }

    /// The first bus and the last; all of them where nothing is said.
    ///
    /// # Errors
    /// When what is said is no such pair.
    pub fn buses(&self) -> Result<(u8, u8), ValueError> {
        let Some(property) = self.node.property("bus-range") else {
            return Ok((0, u8::MAX));
        };
        let mut cells = property.cells();
        let mut bus = || u8::try_from(cells.word()?).map_err(|_| ValueError::OutOfRange);
        let (first, last) = (bus()?, bus()?);
        match cells.is_empty() {
            false => Err(ValueError::BadLength),
            true if first > last => Err(ValueError::OutOfRange),
            true => Ok((first, last)),
        }
    }

    /// The number of its segment (`linux,pci-domain`); 0 where nothing is said.
    ///
    /// # Errors
    /// When what is said is no number.
    pub fn segment(&self) -> Result<u32, ValueError> {
        match self.node.u32("linux,pci-domain") {
            Err(ValueError::Missing) => Ok(0),
            other => other,
        }
    }

    /// The windows through which harts reach devices. Ends after the first
    /// error.
    ///
    /// # Errors
    /// When there is no `ranges`, or the bus does not count in PCI addresses.
    pub fn windows(&self) -> Result<PciWindows<'a>, ValueError> {
        let widths = self.node.level().widths;
        if widths.address != ADDRESS_CELLS {
            return Err(ValueError::BadCells);
        }
        let ranges = self.node.property("ranges").ok_or(ValueError::Missing)?;
        Ok(PciWindows { node: self.node, cells: ranges.cells() })
    }

    /// The interrupt that pin 1 to 4 (INTA to INTD) of a function on the first
    /// bus leads to. Behind bridges the caller moves the pin along first.
    ///
    /// # Errors
    /// [`ValueError::NotMapped`] when the map has no such entry; otherwise it
    /// is missing or malformed.
    pub fn interrupt(&self, function: PciAddress, pin: u8) -> Result<Interrupt<'a>, ValueError> {
        let mask = self.interrupt_mask()?;
        let wanted = [function.cell(), 0, 0, u32::from(pin)];
        let map = self.node.property("interrupt-map");
        let mut cells = map.ok_or(ValueError::Missing)?.cells();
        let mut looker = Looker::new(self.node.tree);
        while !cells.is_empty() {
            let entry = MapEntry::take(&mut cells, &mut looker)?;
            if entry.matches(wanted, mask) {
                return Ok(entry.interrupt);
            }
        }
        Err(ValueError::NotMapped)
    }

    /// Which bits of address and pin the map compares; all where nothing is
    /// said.
    fn interrupt_mask(&self) -> Result<[u32; 4], ValueError> {
        let pins = self.node.u32("#interrupt-cells")?;
        if self.node.level().widths.address != ADDRESS_CELLS || pins != 1 {
            return Err(ValueError::BadCells);
        }
        match self.node.property("interrupt-map-mask") {
            None => Ok([u32::MAX; 4]),
            Some(mask) => four(&mut mask.cells()),
        }
    }

    /// The node itself.
    pub fn node(&self) -> &Node<'a> {
        &self.node
    }
}

fn four(cells: &mut Cells<'_>) -> Result<[u32; 4], ValueError> {
    Ok([cells.word()?, cells.word()?, cells.word()?, cells.word()?])
}

/// One entry of an interrupt map (section 2.4.3): the bus's side, the phandle
/// of a controller, and the controller's side.
struct MapEntry<'a> {
    key: [u32; 4],
    interrupt: Interrupt<'a>,
}

impl<'a> MapEntry<'a> {
    fn take(cells: &mut Cells<'a>, looker: &mut Looker<'a>) -> Result<Self, ValueError> {
        let key = four(cells)?;
        let controller = cells.word()?;
        let shape = looker.shape(controller)?;
        cells.take(shape.address)?;
        let interrupt = Interrupt { controller, cells: cells.take(shape.interrupt)? };
        Ok(MapEntry { key, interrupt })
    }

    /// The mask goes for both sides, as in Linux; the specification only speaks
    /// of the one that is looked up.
    fn matches(&self, wanted: [u32; 4], mask: [u32; 4]) -> bool {
        let sides = self.key.iter().zip(&wanted).zip(&mask);
        sides.fold(true, |so_far, ((key, wanted), mask)| so_far && (key & mask) == (wanted & mask))
    }
}

/// What kind of access a window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PciSpace {
    /// Configuration space.
    Config,
    /// I/O space.
    Io,
    /// Memory space below 4 GiB on the bus.
    Memory32,
    /// Memory space anywhere.
    Memory64,
}

/// A window through which harts reach devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciWindow {
    /// What kind of access it is for.
    pub space: PciSpace,
    /// Whether reads have no side effects, so that they may be merged.
    pub prefetchable: bool,
    /// Its addresses on the bus: what is written into a device's BAR.
    pub bus: Region,
    /// Its addresses as a hart counts them.
    pub hart: Region,
}

/// The windows of one bridge.
#[derive(Clone, Debug)]
pub struct PciWindows<'a> {
    node: Node<'a>,
    cells: Cells<'a>,
}

impl PciWindows<'_> {
    fn take(&mut self) -> Result<PciWindow, ValueError> {
        let Widths { size, .. } = self.node.level().widths;
        let high = self.cells.word()?;
        let below = self.cells.number(2)?;
        let above = self.cells.number(self.node.parent().widths.address)?;
        let size = self.cells.number(size)?;
        Ok(PciWindow {
            space: match high >> 24 & 3 {
                0 => PciSpace::Config,
                1 => PciSpace::Io,
                2 => PciSpace::Memory32,
                _ => PciSpace::Memory64,
            },
            prefetchable: high & 1 << 30 != 0,
            bus: Region::new(below, size)?,
            hart: to_root(&self.node, Region::new(above, size)?)?,
        })
    }
}

impl Iterator for PciWindows<'_> {
    type Item = Result<PciWindow, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cells.is_empty() {
            return None;
        }
        let window = self.take();
        if window.is_err() {
            self.cells = Cells::new(&[]);
        }
        Some(window)
    }
}

/// The available host bridges, familiar or not.
#[derive(Clone, Debug)]
pub struct PciHosts<'a> {
    nodes: Nodes<'a>,
}

impl<'a> Iterator for PciHosts<'a> {
    type Item = PciHost<'a>;

    fn next(&mut self) -> Option<PciHost<'a>> {
        let node = self.nodes.find(is_host)?;
        Some(PciHost { node })
    }
}

/// A bridge below another one is a device on its bus, found by looking there.
fn is_host(node: &Node<'_>) -> bool {
    let is_bridge = node.string("device_type") == Ok("pci") || node.is_compatible(ECAM);
    is_bridge && node.is_available() && node.parent().widths.address != ADDRESS_CELLS
}

impl<'a> Fdt<'a> {
    /// The available host bridges, familiar or not.
    pub fn pci_hosts(&self) -> PciHosts<'a> {
        PciHosts { nodes: self.nodes() }
    }
}
