// SPDX-License-Identifier: Apache-2.0
//! The harts: the children of `/cpus` (section 3.8, and the RISC-V bindings
//! that extend it).
//!
//! Role: which harts there are and which of them can run the kernel.
//! Invariant: nothing is assumed about ids: they are sparse, in any order, and
//! a damaged tree may even repeat one, which the caller must notice.

use core::fmt;

use crate::error::ValueError;
use crate::isa;
use crate::node::Node;
use crate::nodes::Children;
use crate::tree::Fdt;

/// What the RISC-V bindings call the interrupt controller inside a hart.
const HART_INTC: &str = "riscv,cpu-intc";

/// One hart as the tree describes it.
#[derive(Clone, Copy, Debug)]
pub struct Hart<'a> {
    node: Node<'a>,
}

/// Why a hart cannot run the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Its `reg` holds no id.
    NoId(ValueError),
    /// Its `status` says that it is not in working order.
    Disabled,
    /// It has no `mmu-type`, or one that says it has no MMU. A hart without
    /// S-mode looks like this, too.
    NoMmu,
}

impl fmt::Display for Unusable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::NoId(why) => write!(out, "no hart id: {why}"),
            Unusable::Disabled => out.write_str("disabled"),
            Unusable::NoMmu => out.write_str("no MMU"),
        }
    }
}

impl<'a> Hart<'a> {
    /// Its hart id.
    ///
    /// # Errors
    /// When `reg` is missing or malformed.
    pub fn id(&self) -> Result<u64, ValueError> {
        match self.node.reg()?.next() {
            Some(region) => region.map(|region| region.base()),
            None => Err(ValueError::BadLength),
        }
    }

    /// Its hart id, if it can run the kernel.
    ///
    /// # Errors
    /// When it cannot, why.
    pub fn usable(&self) -> Result<u64, Unusable> {
        let id = self.id().map_err(Unusable::NoId)?;
        if !self.is_okay() {
            return Err(Unusable::Disabled);
        }
        if !self.has_mmu() {
            return Err(Unusable::NoMmu);
        }
        Ok(id)
    }

    /// Its name, for reports.
    pub fn name(&self) -> &'a str {
        self.node.name()
    }

    /// Whether it is enabled.
    pub fn is_okay(&self) -> bool {
        self.node.is_okay()
    }

    /// The largest translation mode, as in `riscv,sv39`.
    pub fn mmu_type(&self) -> Option<&'a str> {
        self.node.string("mmu-type").ok()
    }

    /// Whether it can translate addresses by Sv39: the larger modes include it.
    pub fn has_mmu(&self) -> bool {
        matches!(self.mmu_type(), Some("riscv,sv39" | "riscv,sv48" | "riscv,sv57"))
    }

    /// Its `riscv,isa` string.
    pub fn isa(&self) -> Option<&'a str> {
        self.node.string("riscv,isa").ok()
    }

    /// Whether it has an extension, as in `sstc` or `f`. The list
    /// `riscv,isa-extensions` decides where there is one, else the string
    /// `riscv,isa`.
    pub fn has_extension(&self, name: &str) -> bool {
        match self.node.strings("riscv,isa-extensions") {
            Ok(mut names) => names.any(|one| one.eq_ignore_ascii_case(name)),
            Err(_) => self.isa().is_some_and(|text| isa::names(text, name)),
        }
    }

    /// The phandle of its own interrupt controller, by which the platform's
    /// interrupt controller refers to the hart.
    pub fn intc_phandle(&self) -> Option<u32> {
        let mut children = self.node.children();
        let intc = children.find(|child| child.is_compatible(HART_INTC))?;
        intc.phandle()
    }

    /// The node itself.
    pub fn node(&self) -> &Node<'a> {
        &self.node
    }
}

/// The harts in the order of the tree, unusable ones included.
#[derive(Clone, Debug)]
pub struct Harts<'a> {
    children: Option<Children<'a>>,
}

impl<'a> Iterator for Harts<'a> {
    type Item = Hart<'a>;

    fn next(&mut self) -> Option<Hart<'a>> {
        let node = self.children.as_mut()?.find(is_hart)?;
        Some(Hart { node })
    }
}

/// `/cpus` has other children, too, such as `cpu-map`.
fn is_hart(node: &Node<'_>) -> bool {
    node.base_name() == "cpu" || node.string("device_type") == Ok("cpu")
}

impl<'a> Fdt<'a> {
    /// The harts in the order of the tree, unusable ones included; none if
    /// there is no `/cpus`.
    pub fn harts(&self) -> Harts<'a> {
        Harts { children: self.find("/cpus").map(|cpus| cpus.children()) }
    }

    /// How often the time counter ticks in a second: `timebase-frequency` of
    /// `/cpus` or, failing that, of the first enabled hart that has one.
    ///
    /// # Errors
    /// When nobody says, or what is said is no number above 0.
    pub fn timebase_frequency(&self) -> Result<u64, ValueError> {
        const NAME: &str = "timebase-frequency";
        let cpus = self.find("/cpus").ok_or(ValueError::Missing)?;
        let mut harts = self.harts().filter(Hart::is_okay);
        let property =
            cpus.property(NAME).or_else(|| harts.find_map(|hart| hart.node.property(NAME)));
        match property.ok_or(ValueError::Missing)?.number() {
            Ok(0) => Err(ValueError::OutOfRange),
            other => other,
        }
    }
}
