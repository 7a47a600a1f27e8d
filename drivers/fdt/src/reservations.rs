// SPDX-License-Identifier: Apache-2.0
//! Memory that is taken: the reservation block (section 5.3) and the children
//! of `/reserved-memory` (section 3.5).
//!
//! Role: what the kernel must keep off. The blob itself and the initrd are not
//! always among it; they are the caller's to add.
//! Invariant: a reservation that cannot be read is yielded as an error, never
//! dropped in silence: missing one means overwriting firmware.

use crate::bytes::be64;
use crate::error::{BadNode, ValueError};
use crate::node::Node;
use crate::nodes::Children;
use crate::region::{Region, Regions};
use crate::tree::Fdt;

/// One taken piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation<'a> {
    /// Where it is; never empty.
    pub region: Region,
    /// Who says so.
    pub by: ReservedBy<'a>,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedBy<'a> {
    /// The reservation block.
    Block,
    /// A node below `/reserved-memory`.
    Node {
        /// The node's name.
        name: &'a str,
        /// It must not even be mapped: harts may fetch ahead into it otherwise.
        no_map: bool,
    },
}

/// Everything that is taken, the block first. Nodes that ask for memory anywhere
/// (a `size` without a `reg`) take none yet and are left out, as are disabled
/// ones.
#[derive(Clone, Debug)]
pub struct Reservations<'a> {
    block: &'a [u8],
    children: Option<Children<'a>>,
    current: Option<(ReservedBy<'a>, Regions<'a>)>,
}

impl<'a> Reservations<'a> {
    /// The next entry of the block: an address and a size of eight bytes each.
    fn entry(&mut self) -> Option<Result<Region, ValueError>> {
        let (entry, rest) = self.block.split_at_checked(16)?;
        self.block = rest;
        let base = be64(entry, 0)?;
        Some(Region::new(base, be64(entry, 8)?))
    }

    /// The next region of the node being read.
    fn region(&mut self) -> Option<(ReservedBy<'a>, Result<Region, ValueError>)> {
        let (by, regions) = self.current.as_mut()?;
        Some((*by, regions.next()?))
    }

    /// Goes on to the next node that takes memory.
    fn open(&mut self) -> Option<Result<(), BadNode<'a>>> {
        let node = self.children.as_mut()?.find(takes_memory)?;
        let by = ReservedBy::Node { name: node.name(), no_map: node.property("no-map").is_some() };
        Some(match node.reg() {
            Ok(regions) => {
                self.current = Some((by, regions));
                Ok(())
            }
            Err(why) => Err(node.bad(why)),
        })
    }
}

impl<'a> Iterator for Reservations<'a> {
    type Item = Result<Reservation<'a>, BadNode<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.entry().map(|region| (ReservedBy::Block, region));
            if let Some((by, region)) = entry.or_else(|| self.region()) {
                match region {
                    Ok(region) if region.is_empty() => continue,
                    Ok(region) => return Some(Ok(Reservation { region, by })),
                    Err(why) => return Some(Err(by.bad(why))),
                }
            }
            if let Err(bad) = self.open()? {
                return Some(Err(bad));
            }
        }
    }
}

impl<'a> ReservedBy<'a> {
    fn bad(self, why: ValueError) -> BadNode<'a> {
        let name = match self {
            ReservedBy::Block => "reservation block",
            ReservedBy::Node { name, .. } => name,
        };
        BadNode { name, why }
    }
}

fn takes_memory(node: &Node<'_>) -> bool {
    node.is_okay() && node.property("reg").is_some()
}

impl<'a> Fdt<'a> {
    /// Everything that is taken.
    pub fn reservations(&self) -> Reservations<'a> {
        Reservations {
            block: self.reserved,
            children: self.find("/reserved-memory").map(|parent| parent.children()),
            current: None,
        }
    }
}
