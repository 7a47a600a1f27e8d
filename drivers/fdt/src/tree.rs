// SPDX-License-Identifier: Apache-2.0
//! The tree: a blob whose shape was checked.
//!
//! Role: the door to everything else.
//! Invariant: whoever holds an [`Fdt`] holds a blob whose header is sound and
//! whose whole structure block was walked once without a flaw.

use crate::device::Compatible;
use crate::error::FdtError;
use crate::events::Events;
use crate::header::Header;
use crate::node::Node;
use crate::nodes::Nodes;

/// A device tree.
#[derive(Clone, Copy, Debug)]
pub struct Fdt<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    pub(crate) reserved: &'a [u8],
    boot_hart: u32,
    total_size: usize,
}

impl<'a> Fdt<'a> {
    /// Checks a blob: header, blocks, and the grammar of the whole structure
    /// block. `bytes` may be longer than the blob.
    ///
    /// # Errors
    /// When the blob is not a device tree of a known version, is cut short, or
    /// is broken anywhere.
    pub fn new(bytes: &'a [u8]) -> Result<Self, FdtError> {
        let header = Header::read(bytes)?;
        let tree = Fdt {
            structure: header.structure,
            strings: header.strings,
            reserved: header.reservations,
            boot_hart: header.boot_hart,
            total_size: header.total_size,
        };
        for event in tree.events() {
            event?;
        }
        Ok(tree)
    }

    /// The blob's size in bytes, which whoever keeps the blob must reserve.
    pub fn total_size(&self) -> usize {
        self.total_size
    }

    /// The hart that the header calls the boot hart (section 5.2). Firmware's
    /// own argument is the better source.
    pub fn boot_hart(&self) -> u32 {
        self.boot_hart
    }

    /// The structure block, tag by tag.
    pub fn events(&self) -> Events<'a> {
        Events::new(self.structure, self.strings)
    }

    /// Every node, in the order of the tree.
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes::all(*self)
    }

    /// The node at an absolute path such as `/soc/uart@10000000`. A component
    /// may leave out its unit address (section 2.2.3); the first match counts.
    pub fn find(&self, path: &str) -> Option<Node<'a>> {
        let root = self.nodes().next()?;
        path.strip_prefix('/')?
            .split('/')
            .filter(|component| !component.is_empty())
            .try_fold(root, |node, component| node.child(component))
    }

    /// The node with a phandle.
    pub fn by_phandle(&self, phandle: u32) -> Option<Node<'a>> {
        self.nodes().find(|node| node.phandle() == Some(phandle))
    }

    /// The available nodes that say they are compatible with `name`.
    pub fn find_compatible<'n>(&self, name: &'n str) -> Compatible<'a, 'n> {
        Compatible::new(self.nodes(), name)
    }

    /// A walk that starts among the properties of a node.
    pub(crate) fn events_inside(&self, head: usize, depth: usize) -> Events<'a> {
        Events::inside(self.structure, self.strings, head, depth)
    }
}
