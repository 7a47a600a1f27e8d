// SPDX-License-Identifier: Apache-2.0
//! Devices found by what they are compatible with, and where their registers
//! are.
//!
//! Role: from a name to addresses that a hart can use.
//! Invariant: a region that is yielded lies, at every bus on the way to the
//! root, wholly inside one of that bus's `ranges` (section 2.3.8).

use crate::error::ValueError;
use crate::events::Event;
use crate::node::Node;
use crate::nodes::{Level, Nodes};
use crate::region::{Cells, Region, Regions, Widths};
use crate::tree::Fdt;

/// How many entries of one `ranges` are looked at. Real buses have a handful;
/// without a bound, many devices below a huge table would take quadratic time.
const MAX_RANGES: usize = 64;

/// The test device by which a machine is ended with a status.
const TEST_DEVICES: [&str; 2] = ["sifive,test1", "sifive,test0"];

/// The available nodes that are compatible with one name.
#[derive(Clone, Debug)]
pub struct Compatible<'a, 'n> {
    nodes: Nodes<'a>,
    name: &'n str,
}

impl<'a, 'n> Compatible<'a, 'n> {
    pub(crate) fn new(nodes: Nodes<'a>, name: &'n str) -> Self {
        Compatible { nodes, name }
    }
}

impl<'a> Iterator for Compatible<'a, '_> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let name = self.name;
        self.nodes.find(|node| node.is_available() && node.is_compatible(name))
    }
}

impl<'a> Fdt<'a> {
    /// The registers of the device that ends the machine when written to
    /// (compatible with `sifive,test1` or `sifive,test0`), if there is one.
    pub fn test_device(&self) -> Option<Region> {
        self.nodes()
            .filter(|node| node.is_device(&TEST_DEVICES))
            .find_map(|node| node.registers().ok())
    }
}

/// The regions of a `reg`, in the addresses that a hart uses.
#[derive(Clone, Debug)]
pub struct Mmio<'a> {
    node: Node<'a>,
    regions: Regions<'a>,
}

impl<'a> Mmio<'a> {
    pub(crate) fn new(node: Node<'a>, regions: Regions<'a>) -> Self {
        Mmio { node, regions }
    }
}

impl Iterator for Mmio<'_> {
    type Item = Result<Region, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        let region = self.regions.next()?;
        Some(region.and_then(|region| to_root(&self.node, region)))
    }
}

/// Takes a region of `node`'s bus up to the root's addresses.
pub(crate) fn to_root(node: &Node<'_>, region: Region) -> Result<Region, ValueError> {
    // The buses are the node's ancestors below the root, nearest first.
    let buses = 1..node.depth;
    buses.rev().try_fold(region, |region, depth| {
        let bus = node.lineage.at(Some(depth));
        let above = node.lineage.at(depth.checked_sub(1));
        across(&node.tree, bus, above.widths, region, depth)
    })
}

/// Takes a region across one bus.
fn across(
    tree: &Fdt<'_>,
    bus: &Level,
    above: Widths,
    region: Region,
    depth: usize,
) -> Result<Region, ValueError> {
    let at = bus.ranges.ok_or(ValueError::NotMapped)?;
    let at = usize::try_from(at.get()).map_err(|_| ValueError::NotMapped)?;
    let Some(Ok(Event::Property { property, .. })) = tree.events_inside(at, depth).next() else {
        return Err(ValueError::NotMapped);
    };
    let mut cells = property.cells();
    if cells.is_empty() {
        return Ok(region);
    }
    for _ in 0..MAX_RANGES {
        if cells.is_empty() {
            break;
        }
        let range = Range::take(&mut cells, bus.widths, above)?;
        if let Some(base) = range.translate(region) {
            return Region::new(base, region.size());
        }
    }
    Err(ValueError::NotMapped)
}

/// One entry of `ranges`.
struct Range {
    below: u64,
    above: u64,
    size: u64,
}

impl Range {
    fn take(cells: &mut Cells<'_>, bus: Widths, above: Widths) -> Result<Self, ValueError> {
        Ok(Range {
            below: cells.number(bus.address)?,
            above: cells.number(above.address)?,
            size: cells.number(bus.size)?,
        })
    }

    /// Where `region` begins above the bus, if it lies wholly inside.
    fn translate(&self, region: Region) -> Option<u64> {
        let offset = region.base().checked_sub(self.below)?;
        let end = offset.checked_add(region.size())?;
        if end > self.size {
            return None;
        }
        self.above.checked_add(offset)
    }
}
