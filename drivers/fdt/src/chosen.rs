// SPDX-License-Identifier: Apache-2.0
//! What firmware chose for this boot: `/chosen` (section 3.6).
//!
//! Role: the command line, the console, the initial RAM disk.
//! Invariant: an initial RAM disk has at least one byte and ends after it
//! begins.

use crate::error::ValueError;
use crate::node::Node;
use crate::region::Region;
use crate::tree::Fdt;

/// The chosen node.
#[derive(Clone, Copy, Debug)]
pub struct Chosen<'a> {
    node: Option<Node<'a>>,
}

impl<'a> Chosen<'a> {
    /// The command line.
    ///
    /// # Errors
    /// [`ValueError::Missing`] when there is none; otherwise it is malformed.
    pub fn bootargs(&self) -> Result<&'a str, ValueError> {
        self.node()?.string("bootargs")
    }

    /// The console: a path or an alias, options after a colon.
    ///
    /// # Errors
    /// [`ValueError::Missing`] when there is none; otherwise it is malformed.
    pub fn stdout_path(&self) -> Result<&'a str, ValueError> {
        self.node()?.string("stdout-path")
    }

    /// The initial RAM disk: `linux,initrd-start` up to, not including,
    /// `linux,initrd-end`.
    ///
    /// # Errors
    /// [`ValueError::Missing`] when there is none; otherwise it is malformed.
    pub fn initrd(&self) -> Result<Region, ValueError> {
        let start = self.node()?.number("linux,initrd-start")?;
        let end = self.node()?.number("linux,initrd-end")?;
        match end.checked_sub(start) {
            None | Some(0) => Err(ValueError::OutOfRange),
            Some(size) => Region::new(start, size),
        }
    }

    /// The node itself.
    ///
    /// # Errors
    /// [`ValueError::Missing`] when the tree has none.
    pub fn node(&self) -> Result<&Node<'a>, ValueError> {
        self.node.as_ref().ok_or(ValueError::Missing)
    }
}

impl<'a> Fdt<'a> {
    /// What firmware chose; a tree without `/chosen` chose nothing.
    pub fn chosen(&self) -> Chosen<'a> {
        Chosen { node: self.find("/chosen") }
    }
}
