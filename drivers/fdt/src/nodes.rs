// SPDX-License-Identifier: Apache-2.0
//! Nodes in the order of the tree, each with what it inherits.
//!
//! Role: puts nodes on top of events. Walking keeps, for every open node, the
//! few facts that its descendants need: cell widths, where its `ranges` is, its
//! interrupt parent and whether it is available.
//! Invariant: a node's own head is read once to learn its facts, so a walk
//! stays linear in the tree's size.

use core::num::NonZeroU32;

use crate::events::{Event, Events, MAX_DEPTH};
use crate::node::{Node, Properties};
use crate::property::Property;
use crate::region::Widths;
use crate::tree::Fdt;

/// A number of cells that is no number of cells: reading with it is an error.
const UNREADABLE: u8 = u8::MAX;

/// What a node passes on to those below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Cell widths for its children's `reg`.
    pub(crate) widths: Widths,
    /// Whether it and all above it are enabled.
    pub(crate) available: bool,
    /// The phandle of its children's interrupt parent; 0 is none.
    pub(crate) interrupt_parent: u32,
    /// Where its properties begin in the structure block.
    pub(crate) head: u32,
    /// Where its `ranges` is in the structure block, if it has one.
    pub(crate) ranges: Option<NonZeroU32>,
}

impl Level {
    /// What holds above the root.
    pub(crate) const TOP: Level = Level {
        widths: Widths::DEFAULT,
        available: true,
        interrupt_parent: 0,
        head: 0,
        ranges: None,
    };

    /// The facts of a node at `head` whose parent passes on `above`.
    fn below(above: Level, head: u32, own: &Head<'_>) -> Level {
        let inherited =
            own.interrupt_parent.map_or(above.interrupt_parent, |parent| parent.u32().unwrap_or(0));
        // Interrupts of the children go to the node itself if it takes any
        // (section 2.4.1).
        let itself = own.phandle.and_then(|phandle| phandle.u32().ok());
        Level {
            widths: Widths {
                address: width(own.address_cells, Widths::DEFAULT.address),
                size: width(own.size_cells, Widths::DEFAULT.size),
            },
            available: above.available && own.status.is_none_or(|status| is_okay(&status)),
            interrupt_parent: match own.interrupt_cells {
                Some(_) => itself.unwrap_or(0),
                None => inherited,
            },
            head,
            ranges: own.ranges.and_then(place),
        }
    }
}

/// What a node says of itself that concerns those below it. Of several
/// properties with one name the first counts, here as everywhere.
#[derive(Default)]
struct Head<'a> {
    address_cells: Option<Property<'a>>,
    size_cells: Option<Property<'a>>,
    ranges: Option<Property<'a>>,
    status: Option<Property<'a>>,
    interrupt_parent: Option<Property<'a>>,
    interrupt_cells: Option<Property<'a>>,
    phandle: Option<Property<'a>>,
}

impl<'a> Head<'a> {
    fn read(properties: Properties<'a>) -> Self {
        let mut head = Head::default();
        for property in properties {
            let slot = match property.name {
                "#address-cells" => &mut head.address_cells,
                "#size-cells" => &mut head.size_cells,
                "ranges" => &mut head.ranges,
                "status" => &mut head.status,
                "interrupt-parent" => &mut head.interrupt_parent,
                "#interrupt-cells" => &mut head.interrupt_cells,
                "phandle" => &mut head.phandle,
                _ => continue,
            };
            slot.get_or_insert(property);
        }
        head
    }
}

fn place(property: Property<'_>) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(property.at).ok()?)
}

fn width(property: Option<Property<'_>>, default: u8) -> u8 {
    let Some(property) = property else {
        return default;
    };
    let cells = property.u32().ok();
    cells.and_then(|cells| u8::try_from(cells).ok()).unwrap_or(UNREADABLE)
}

/// Whether a `status` says that the node is in working order (section 2.3.4).
pub(crate) fn is_okay(status: &Property<'_>) -> bool {
    matches!(status.string(), Ok("okay" | "ok"))
}

/// The facts of every node on the way from the root to one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lineage {
    levels: [Level; MAX_DEPTH],
}

impl Lineage {
    /// Nothing known yet.
    pub(crate) const EMPTY: Lineage = Lineage { levels: [Level::TOP; MAX_DEPTH] };

    /// The facts at `depth`; those above the root for `None`.
    pub(crate) fn at(&self, depth: Option<usize>) -> &Level {
        let level = depth.and_then(|depth| self.levels.get(depth));
        level.unwrap_or(&Level::TOP)
    }

    fn set(&mut self, depth: usize, level: Level) {
        if let Some(slot) = self.levels.get_mut(depth) {
            *slot = level;
        }
    }
}

/// Nodes in tree order: a node, then its descendants, then its next sibling.
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    tree: Fdt<'a>,
    events: Events<'a>,
    lineage: Lineage,
    /// The walk ends when the node at this depth does; `None` is the whole tree.
    within: Option<usize>,
}

impl<'a> Nodes<'a> {
    /// All nodes of a tree.
    pub(crate) fn all(tree: Fdt<'a>) -> Self {
        Nodes { tree, events: tree.events(), lineage: Lineage::EMPTY, within: None }
    }

    /// The nodes below `node`.
    pub(crate) fn below(node: &Node<'a>) -> Self {
        Nodes {
            tree: node.tree,
            events: node.events(),
            lineage: node.lineage,
            within: Some(node.depth),
        }
    }

    fn begin(&mut self, name: &'a str, depth: usize) -> Option<Node<'a>> {
        let head = u32::try_from(self.events.offset()).ok()?;
        let above = *self.lineage.at(depth.checked_sub(1));
        let own = Head::read(Properties::new(self.events.clone()));
        self.lineage.set(depth, Level::below(above, head, &own));
        Some(Node { tree: self.tree, name, depth, lineage: self.lineage })
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    /// The next node. A broken structure would end the walk, but there is none
    /// in a tree that [`Fdt::new`] let through.
    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            match self.events.next()?.ok()? {
                Event::BeginNode { name, depth } => return self.begin(name, depth),
                Event::EndNode { depth } if Some(depth) == self.within => self.events.finish(),
                Event::EndNode { .. } | Event::Property { .. } => {}
            }
        }
    }
}

/// The children of one node.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    below: Nodes<'a>,
    depth: usize,
}

impl<'a> Children<'a> {
    pub(crate) fn of(node: &Node<'a>) -> Self {
        Children { below: Nodes::below(node), depth: node.depth.saturating_add(1) }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let depth = self.depth;
        self.below.find(|node| node.depth == depth)
    }
}
