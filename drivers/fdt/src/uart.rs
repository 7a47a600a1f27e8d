// SPDX-License-Identifier: Apache-2.0
//! Serial ports, and which of them is the console.
//!
//! Role: enough to drive a port without firmware's help.
//! Invariant: a register stride or width that no known port has is an error.

use crate::chosen::Chosen;
use crate::error::ValueError;
use crate::interrupts::Interrupts;
use crate::node::Node;
use crate::nodes::Nodes;
use crate::region::Region;
use crate::tree::Fdt;

const NS16550: [&str; 5] = ["ns16550a", "ns16550", "snps,dw-apb-uart", "ns16450", "ns8250"];
const SIFIVE: [&str; 1] = ["sifive,uart0"];

/// Which registers a serial port has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UartKind {
    /// Those of the 16550 and its many descendants.
    Ns16550,
    /// Those of SiFive's port.
    SiFive,
}

/// One serial port.
#[derive(Clone, Copy, Debug)]
pub struct Uart<'a> {
    node: Node<'a>,
    kind: UartKind,
}

impl<'a> Uart<'a> {
    /// The port at `node`, if it is one of a known kind.
    pub fn at(node: Node<'a>) -> Option<Self> {
        let kind = if node.is_device(&NS16550) {
            UartKind::Ns16550
        } else if node.is_device(&SIFIVE) {
            UartKind::SiFive
        } else {
            return None;
        };
        Some(Uart { node, kind })
    }

    /// Which registers it has.
    pub fn kind(&self) -> UartKind {
        self.kind
    }

    /// Its registers.
    ///
    /// # Errors
    /// When `reg` cannot be read or reached.
    pub fn registers(&self) -> Result<Region, ValueError> {
        self.node.registers()
    }

    /// The clock that is divided down to the line's rate, in hertz.
    ///
    /// # Errors
    /// When it is not said in a number: it may come from a clock's node.
    pub fn clock(&self) -> Result<u32, ValueError> {
        self.node.u32("clock-frequency")
    }

    /// By how many bits a register's number is shifted to become its offset.
    ///
    /// # Errors
    /// When it is not a number up to 3.
    pub fn register_shift(&self) -> Result<u32, ValueError> {
        match self.node.u32("reg-shift") {
            Err(ValueError::Missing) => Ok(0),
            Ok(shift @ 0..=3) => Ok(shift),
            Ok(_) => Err(ValueError::OutOfRange),
            Err(why) => Err(why),
        }
    }

    /// How many bytes one access to a register must have.
    ///
    /// # Errors
    /// When it is neither 1, 2 nor 4.
    pub fn register_width(&self) -> Result<u32, ValueError> {
        match self.node.u32("reg-io-width") {
            Err(ValueError::Missing) => Ok(match self.kind {
                UartKind::Ns16550 => 1,
                UartKind::SiFive => 4,
            }),
            Ok(width @ (1 | 2 | 4)) => Ok(width),
            Ok(_) => Err(ValueError::OutOfRange),
            Err(why) => Err(why),
        }
    }

    /// Its interrupts.
    pub fn interrupts(&self) -> Interrupts<'a> {
        self.node.interrupts()
    }

    /// The node itself.
    pub fn node(&self) -> &Node<'a> {
        &self.node
    }
}

/// The available serial ports of a known kind.
#[derive(Clone, Debug)]
pub struct Uarts<'a> {
    nodes: Nodes<'a>,
}

impl<'a> Iterator for Uarts<'a> {
    type Item = Uart<'a>;

    fn next(&mut self) -> Option<Uart<'a>> {
        self.nodes.find_map(Uart::at)
    }
}

impl<'a> Fdt<'a> {
    /// The available serial ports of a known kind.
    pub fn uarts(&self) -> Uarts<'a> {
        Uarts { nodes: self.nodes() }
    }

    /// The node that a path or an alias (section 3.3) stands for.
    pub fn find_alias(&self, name: &str) -> Option<Node<'a>> {
        if name.starts_with('/') {
            return self.find(name);
        }
        let path = self.find("/aliases")?.string(name).ok()?;
        self.find(path)
    }
}

impl<'a> Chosen<'a> {
    /// The node of the console that `stdout-path` names, options left aside.
    pub fn stdout(&self) -> Option<Node<'a>> {
        let path = self.stdout_path().ok()?;
        let name = path.split(':').next()?;
        self.node().ok()?.tree.find_alias(name)
    }
}
