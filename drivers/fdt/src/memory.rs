// SPDX-License-Identifier: Apache-2.0
//! The banks of memory (section 3.4).
//!
//! Role: where RAM is, before anything is taken from it; what is taken is in
//! `reservations`.
//! Invariant: every bank has at least one byte. Banks may come in any order,
//! and in a bad tree they may overlap, which the caller must settle.

use crate::error::BadNode;
use crate::node::Node;
use crate::nodes::Nodes;
use crate::region::{Region, Regions};
use crate::tree::Fdt;

/// The banks of RAM, node after node; a node that cannot be read is yielded as
/// an error and passed over.
#[derive(Clone, Debug)]
pub struct Memory<'a> {
    nodes: Nodes<'a>,
    /// The node being read and what is left of its `reg`.
    current: Option<(&'a str, Regions<'a>)>,
}

impl<'a> Iterator for Memory<'a> {
    type Item = Result<Region, BadNode<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((name, regions)) = &mut self.current {
                let name = *name;
                match regions.next() {
                    Some(Ok(bank)) if bank.is_empty() => continue,
                    Some(bank) => return Some(bank.map_err(|why| BadNode { name, why })),
                    None => self.current = None,
                }
            }
            let node = self.nodes.find(is_memory)?;
            match node.reg() {
                Ok(regions) => self.current = Some((node.name(), regions)),
                Err(why) => return Some(Err(node.bad(why))),
            }
        }
    }
}

/// Memory lies directly below the root; disabled banks do not count.
fn is_memory(node: &Node<'_>) -> bool {
    node.depth() == 1 && node.is_okay() && is_memory_by_name(node)
}

fn is_memory_by_name(node: &Node<'_>) -> bool {
    match node.string("device_type") {
        Ok(kind) => kind == "memory",
        Err(_) => node.base_name() == "memory",
    }
}

impl<'a> Fdt<'a> {
    /// The banks of RAM.
    pub fn memory(&self) -> Memory<'a> {
        Memory { nodes: self.nodes(), current: None }
    }
}
