// SPDX-License-Identifier: Apache-2.0
//! The platform-level interrupt controller, by the device tree bindings of
//! `sifive,plic-1.0.0` and `riscv,plic0`.
//!
//! Role: where its registers are, how many sources it has, and which of its
//! contexts belongs to which hart.
//! Invariant: a context's number is its position in the list and never exceeds
//! what the PLIC specification allows.

use crate::error::ValueError;
use crate::harts::Hart;
use crate::node::Node;
use crate::nodes::Nodes;
use crate::region::{Cells, Region};
use crate::tree::Fdt;

const NAMES: [&str; 4] =
    ["sifive,plic-1.0.0", "riscv,plic0", "thead,c900-plic", "andestech,nceplic100"];

/// The most sources a PLIC can have: ids 1 to 1023.
const MAX_SOURCES: u32 = 1023;

/// The most contexts a PLIC can have.
const MAX_CONTEXTS: u32 = 15872;

/// The supervisor external interrupt in a hart's `scause`.
const SUPERVISOR_EXTERNAL: u32 = 9;

/// One PLIC.
#[derive(Clone, Copy, Debug)]
pub struct Plic<'a> {
    node: Node<'a>,
}

impl<'a> Plic<'a> {
    /// Its registers.
    ///
    /// # Errors
    /// When `reg` cannot be read or reached.
    pub fn registers(&self) -> Result<Region, ValueError> {
        self.node.registers()
    }

    /// How many sources it has (`riscv,ndev`); their ids run from 1 to this.
    ///
    /// # Errors
    /// When it does not say, or says more than a PLIC can have.
    pub fn sources(&self) -> Result<u32, ValueError> {
        match self.node.u32("riscv,ndev")? {
            count @ 1..=MAX_SOURCES => Ok(count),
            _ => Err(ValueError::OutOfRange),
        }
    }

    /// What devices refer to it by.
    pub fn phandle(&self) -> Option<u32> {
        self.node.phandle()
    }

    /// Its contexts, in order. Ends after the first error.
    ///
    /// # Errors
    /// When there is no list of them.
    pub fn contexts(&self) -> Result<Contexts<'a>, ValueError> {
        let list = self.node.property("interrupts-extended");
        Ok(Contexts { cells: list.ok_or(ValueError::Missing)?.cells(), next: 0 })
    }

    /// The number of the context through which `hart` takes external
    /// interrupts in S-mode. Of several the first counts.
    ///
    /// # Errors
    /// [`ValueError::Missing`] when there is none; otherwise the list is
    /// malformed.
    pub fn context_of(&self, hart: &Hart<'_>) -> Result<u32, ValueError> {
        let intc = hart.intc_phandle().ok_or(ValueError::Missing)?;
        for context in self.contexts()? {
            let context = context?;
            if context.is_supervisor() && context.hart_intc == intc {
                return Ok(context.index);
            }
        }
        Err(ValueError::Missing)
    }

    /// The node itself.
    pub fn node(&self) -> &Node<'a> {
        &self.node
    }
}

/// One context: a line from the PLIC into a hart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its number, by which its registers are found.
    pub index: u32,
    /// The hart's own interrupt controller
    /// ([`Hart::intc_phandle`](crate::Hart::intc_phandle)).
    pub hart_intc: u32,
    /// The interrupt it raises there; [`u32::MAX`] if it is not connected.
    pub line: u32,
}

impl Context {
    /// Whether it raises the supervisor's external interrupt: the one context
    /// of a hart that the kernel can use.
    pub fn is_supervisor(&self) -> bool {
        self.line == SUPERVISOR_EXTERNAL
    }
}

/// The contexts of a PLIC: pairs of a hart's interrupt controller and a line.
/// The pairs have that shape because `riscv,cpu-intc` takes exactly one cell.
#[derive(Clone, Debug)]
pub struct Contexts<'a> {
    cells: Cells<'a>,
    next: u32,
}

impl Contexts<'_> {
    fn take(&mut self) -> Result<Context, ValueError> {
        let index = self.next;
        if index >= MAX_CONTEXTS {
            return Err(ValueError::OutOfRange);
        }
        self.next = index.saturating_add(1);
        Ok(Context { index, hart_intc: self.cells.word()?, line: self.cells.word()? })
    }
}

impl Iterator for Contexts<'_> {
    type Item = Result<Context, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cells.is_empty() {
            return None;
        }
        let context = self.take();
        if context.is_err() {
            self.cells = Cells::new(&[]);
        }
        Some(context)
    }
}

/// The available PLICs.
#[derive(Clone, Debug)]
pub struct Plics<'a> {
    nodes: Nodes<'a>,
}

impl<'a> Iterator for Plics<'a> {
    type Item = Plic<'a>;

    fn next(&mut self) -> Option<Plic<'a>> {
        let node = self.nodes.find(|node| node.is_device(&NAMES))?;
        Some(Plic { node })
    }
}

impl<'a> Fdt<'a> {
    /// The available PLICs.
    pub fn plics(&self) -> Plics<'a> {
        Plics { nodes: self.nodes() }
    }
}
