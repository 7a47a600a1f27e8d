// SPDX-License-Identifier: Apache-2.0
//! One node and the questions that every node can answer (section 2.3).
//!
//! Role: what drivers look at.
//! Invariant: asking costs at most one look through the node's own properties;
//! what comes from above was gathered on the way down.

use crate::device::Mmio;
use crate::error::{BadNode, ValueError};
use crate::events::{Event, Events};
use crate::interrupts::Interrupts;
use crate::nodes::{Children, Level, Lineage, Nodes, is_okay};
use crate::property::{Property, Strings};
use crate::region::{Region, Regions};
use crate::tree::Fdt;

/// A node of a tree. It is a copyable place in the blob, with the facts it
/// inherits beside it (some hundred bytes).
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(crate) tree: Fdt<'a>,
    pub(crate) name: &'a str,
    pub(crate) depth: usize,
    pub(crate) lineage: Lineage,
}

impl<'a> Node<'a> {
    /// The name with its unit address, as in `cpu@0`.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The name without its unit address.
    pub fn base_name(&self) -> &'a str {
        self.name.split('@').next().unwrap_or(self.name)
    }

    /// How far it is from the root, whose depth is 0.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Its properties.
    pub fn properties(&self) -> Properties<'a> {
        Properties::new(self.events())
    }

    /// The first property called `name`.
    pub fn property(&self, name: &str) -> Option<Property<'a>> {
        self.properties().find(|property| property.name == name)
    }

    /// The 32-bit number `name`.
    ///
    /// # Errors
    /// When there is none, or it is not such a number.
    pub fn u32(&self, name: &str) -> Result<u32, ValueError> {
        self.required(name)?.u32()
    }

    /// The number `name`, of 32 or 64 bits.
    ///
    /// # Errors
    /// When there is none, or it is not such a number.
    pub fn number(&self, name: &str) -> Result<u64, ValueError> {
        self.required(name)?.number()
    }

    /// The string `name`.
    ///
    /// # Errors
    /// When there is none, or it is not a string.
    pub fn string(&self, name: &str) -> Result<&'a str, ValueError> {
        self.required(name)?.string()
    }

    /// The list of strings `name`.
    ///
    /// # Errors
    /// When there is none, or it is not such a list.
    pub fn strings(&self, name: &str) -> Result<Strings<'a>, ValueError> {
        self.required(name)?.strings()
    }

    /// Whether `name` is among what the node says it is compatible with
    /// (section 2.3.1). Names are compared without regard to case, as Linux
    /// does.
    pub fn is_compatible(&self, name: &str) -> bool {
        self.is_compatible_with_any(&[name])
    }

    /// Whether it is an available device compatible with any of `names`.
    pub(crate) fn is_device(&self, names: &[&str]) -> bool {
        self.is_available() && self.is_compatible_with_any(names)
    }

    fn is_compatible_with_any(&self, names: &[&str]) -> bool {
        let is_wanted = |one: &str| names.iter().any(|name| one.eq_ignore_ascii_case(name));
        match self.strings("compatible") {
            Ok(mut own) => own.any(is_wanted),
            Err(_) => false,
        }
    }

    /// Whether the node itself is enabled: no `status`, or `okay` (section
    /// 2.3.4).
    pub fn is_okay(&self) -> bool {
        self.property("status").is_none_or(|status| is_okay(&status))
    }

    /// Whether the node and every node above it are enabled.
    pub fn is_available(&self) -> bool {
        self.level().available
    }

    /// What other nodes refer to it by (section 2.3.3).
    pub fn phandle(&self) -> Option<u32> {
        let phandle = self.u32("phandle");
        let phandle = phandle.or_else(|_| self.u32("linux,phandle"));
        phandle.ok().filter(|&phandle| phandle != 0 && phandle != u32::MAX)
    }

    /// The addresses in `reg` as its bus counts them (section 2.3.6).
    ///
    /// # Errors
    /// When there is no `reg`, or it is not a list of addresses and sizes of
    /// the parent's widths.
    pub fn reg(&self) -> Result<Regions<'a>, ValueError> {
        Regions::new(self.required("reg")?.value, self.parent().widths)
    }

    /// The addresses in `reg` as a hart counts them: taken through the `ranges`
    /// of every bus above.
    ///
    /// # Errors
    /// As [`Node::reg`]; each region can fail by itself as well.
    pub fn mmio(&self) -> Result<Mmio<'a>, ValueError> {
        self.reg().map(|regions| Mmio::new(*self, regions))
    }

    /// Its first addresses as a hart counts them.
    ///
    /// # Errors
    /// When there are none, they are empty, or cannot be read or reached.
    pub fn registers(&self) -> Result<Region, ValueError> {
        match self.mmio()?.next() {
            Some(Ok(region)) if region.is_empty() => Err(ValueError::OutOfRange),
            Some(region) => region,
            None => Err(ValueError::BadLength),
        }
    }

    /// Its interrupts, each with the controller it goes to.
    pub fn interrupts(&self) -> Interrupts<'a> {
        Interrupts::of(self)
    }

    /// Its children.
    pub fn children(&self) -> Children<'a> {
        Children::of(self)
    }

    /// Every node below it.
    pub fn descendants(&self) -> Nodes<'a> {
        Nodes::below(self)
    }

    /// The first child called `name`, with its unit address or without.
    pub fn child(&self, name: &str) -> Option<Node<'a>> {
        self.children().find(|child| child.is_called(name))
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.base_name() == name
    }

    /// The node with what is wrong with it.
    pub(crate) fn bad(&self, why: ValueError) -> BadNode<'a> {
        BadNode { name: self.name, why }
    }

    /// A walk that begins among its properties.
    pub(crate) fn events(&self) -> Events<'a> {
        let head = usize::try_from(self.level().head).unwrap_or(usize::MAX);
        self.tree.events_inside(head, self.depth)
    }

    /// The facts it passes on.
    pub(crate) fn level(&self) -> &Level {
        self.lineage.at(Some(self.depth))
    }

    /// The facts its parent passes on.
    pub(crate) fn parent(&self) -> &Level {
        self.lineage.at(self.depth.checked_sub(1))
    }

    fn required(&self, name: &str) -> Result<Property<'a>, ValueError> {
        self.property(name).ok_or(ValueError::Missing)
    }
}

/// The properties of one node.
#[derive(Clone, Debug)]
pub struct Properties<'a> {
    events: Events<'a>,
}

impl<'a> Properties<'a> {
    /// The properties that `events` is about to yield.
    pub(crate) fn new(events: Events<'a>) -> Self {
        Properties { events }
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        match self.events.next() {
            Some(Ok(Event::Property { property, .. })) => Some(property),
            _ => {
                // What follows belongs to other nodes.
                self.events.finish();
                None
            }
        }
    }
}
