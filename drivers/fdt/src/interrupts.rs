// SPDX-License-Identifier: Apache-2.0
//! Which interrupts a device raises, and where they go (section 2.4).
//!
//! Role: turns `interrupts` and `interrupts-extended` into a controller and
//! what is said to it.
//! Invariant: how many cells a controller takes is asked of the controller.
//! That is a second look through the tree for a phandle, and one list gets at
//! most [`MAX_LOOKS`] of them, so that no list makes a walk quadratic.

use crate::error::ValueError;
use crate::node::Node;
use crate::region::Cells;
use crate::tree::Fdt;

/// How often one list may go on to another controller than the one before,
/// until it is given up. Devices name one or two; a PLIC, which names a hundred
/// harts, is read without a look at any of them.
const MAX_LOOKS: u32 = 16;

/// One interrupt: a controller and the cells it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt<'a> {
    /// The controller's phandle.
    pub controller: u32,
    /// What the controller is told; its binding says what it means.
    pub cells: Cells<'a>,
}

impl Interrupt<'_> {
    /// The first cell, which is the source's number for a PLIC and an APLIC.
    ///
    /// # Errors
    /// When the controller takes no cells.
    pub fn source(&self) -> Result<u32, ValueError> {
        let mut cells = self.cells;
        cells.word()
    }
}

/// How many cells the controllers of one list take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looker<'a> {
    tree: Fdt<'a>,
    last: Option<(u32, Shape)>,
    looks_left: u32,
}

/// What a controller's node says about references to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Cells of an interrupt.
    pub(crate) interrupt: u32,
    /// Cells of an address in an `interrupt-map`; none where nothing is said,
    /// which is what trees mean by it, though section 2.3.5 has a default.
    pub(crate) address: u32,
}

impl<'a> Looker<'a> {
    pub(crate) fn new(tree: Fdt<'a>) -> Self {
        Looker { tree, last: None, looks_left: MAX_LOOKS }
    }

    /// The shape of the controller with this phandle.
    pub(crate) fn shape(&mut self, phandle: u32) -> Result<Shape, ValueError> {
        match self.last {
            Some((known, shape)) if known == phandle => return Ok(shape),
            _ => {}
        }
        let left = self.looks_left.checked_sub(1);
        self.looks_left = left.ok_or(ValueError::BadPhandle)?;
        let node = self.tree.by_phandle(phandle);
        let node = node.ok_or(ValueError::BadPhandle)?;
        let shape = Shape {
            interrupt: node.u32("#interrupt-cells")?,
            address: node.u32("#address-cells").unwrap_or(0),
        };
        self.last = Some((phandle, shape));
        Ok(shape)
    }
}

/// The interrupts of one node. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Interrupts<'a> {
    looker: Looker<'a>,
    cells: Cells<'a>,
    /// The one controller of a plain list; an extended list names one each time.
    parent: Option<u32>,
}

impl<'a> Interrupts<'a> {
    /// `interrupts-extended` counts where there are both (section 2.4.1).
    pub(crate) fn of(node: &Node<'a>) -> Self {
        let extended = node.property("interrupts-extended");
        let plain = node.property("interrupts");
        let parent = match extended {
            Some(_) => None,
            None => Some(parent_of(node)),
        };
        let list = extended.or(plain);
        Interrupts {
            looker: Looker::new(node.tree),
            cells: list.map_or(Cells::new(&[]), |list| list.cells()),
            parent,
        }
    }

    fn take(&mut self) -> Result<Interrupt<'a>, ValueError> {
        let controller = match self.parent {
            Some(parent) => parent,
            None => self.cells.word()?,
        };
        let shape = self.looker.shape(controller)?;
        if shape.interrupt == 0 {
            return Err(ValueError::BadCells);
        }
        Ok(Interrupt { controller, cells: self.cells.take(shape.interrupt)? })
    }
}

impl<'a> Iterator for Interrupts<'a> {
    type Item = Result<Interrupt<'a>, ValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cells.is_empty() {
            return None;
        }
        let interrupt = self.take();
        if interrupt.is_err() {
            self.cells = Cells::new(&[]);
        }
        Some(interrupt)
    }
}

/// A node's interrupt parent: its own, else the one it inherits.
fn parent_of(node: &Node<'_>) -> u32 {
    let own = node.u32("interrupt-parent");
    own.unwrap_or(node.parent().interrupt_parent)
}
