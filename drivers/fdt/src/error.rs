// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a device tree.
//!
//! Two kinds are kept apart: an [`FdtError`] refuses the whole blob, because
//! its shape is broken; a [`ValueError`] is about one property of a well-formed
//! tree, and the reader says so and goes on.

use core::fmt;

/// Why a blob is not a device tree that can be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdtError {
    /// Fewer bytes than the header, or than the header's total size, claims.
    TooShort {
        /// Bytes that were needed.
        need: usize,
        /// Bytes that were there.
        have: usize,
    },
    /// The first word is not `0xd00dfeed`.
    BadMagic(u32),
    /// A version that this walker cannot read.
    BadVersion {
        /// The header's version.
        version: u32,
        /// The oldest version the header claims to be compatible with.
        last_compatible: u32,
    },
    /// A total size below the header's or above [`MAX_SIZE`](crate::MAX_SIZE).
    BadSize(u32),
    /// A block lies outside the blob, inside the header, or is misaligned.
    BadBlock(Block),
    /// The structure block breaks its grammar (section 5.4) at byte `at` of it.
    BadStructure {
        /// Offset of the offending tag within the structure block.
        at: usize,
        /// What is wrong there.
        flaw: Flaw,
    },
}

/// The blocks of a blob (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// The memory reservation block.
    Reservations,
    /// The structure block.
    Structure,
    /// The strings block.
    Strings,
}

/// The ways in which the structure block can break its grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The block ends before the tag or its contents do.
    Truncated,
    /// A word that is no tag.
    UnknownTag(u32),
    /// A node deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// A name that is unterminated, too long, outside its block or not UTF-8.
    BadName,
    /// A property outside every node, or after a child of its node.
    StrayProperty,
    /// An end of node where no node is open.
    StrayEndNode,
    /// A second root node.
    SecondRoot,
    /// The end of the tree with a node still open, or with no node at all.
    EarlyEnd,
}

impl fmt::Display for FdtError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FdtError::TooShort { need, have } => {
                write!(out, "device tree cut short: {have} bytes of {need}")
            }
            FdtError::BadMagic(word) => write!(out, "not a device tree: magic {word:#010x}"),
            FdtError::BadVersion { version, last_compatible } => write!(
                out,
                "device tree version {version}, compatible back to {last_compatible}, is not supported"
            ),
            FdtError::BadSize(size) => write!(out, "device tree of impossible size {size}"),
            FdtError::BadBlock(block) => {
                let name = match block {
                    Block::Reservations => "reservations",
                    Block::Structure => "structure",
                    Block::Strings => "strings",
                };
                write!(out, "device tree's {name} block is out of place")
            }
            FdtError::BadStructure { at, flaw } => {
                write!(out, "device tree broken at structure offset {at:#x}: {flaw}")
            }
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Flaw::Truncated => "it ends too early",
            Flaw::UnknownTag(tag) => return write!(out, "unknown tag {tag:#x}"),
            Flaw::TooDeep => "nodes are nested too deeply",
            Flaw::BadName => "unreadable name",
            Flaw::StrayProperty => "property outside its place",
            Flaw::StrayEndNode => "end of a node that was not begun",
            Flaw::SecondRoot => "second root node",
            Flaw::EarlyEnd => "it ends inside a node",
        };
        out.write_str(text)
    }
}

impl core::error::Error for FdtError {}

/// Why a property's value could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// The property is not there.
    Missing,
    /// The value's length does not fit its type.
    BadLength,
    /// A string without its NUL, or not UTF-8.
    BadString,
    /// `#address-cells` or `#size-cells` that cannot be read as a number here.
    BadCells,
    /// A number outside what the property allows.
    OutOfRange,
    /// An address plus its size does not fit 64 bits.
    Wraps,
    /// A bus on the way to the root has no mapping for the address.
    NotMapped,
    /// A phandle that no node has, or that comes after too many others.
    BadPhandle,
}

impl fmt::Display for ValueError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            ValueError::Missing => "property missing",
            ValueError::BadLength => "value of the wrong length",
            ValueError::BadString => "unreadable string",
            ValueError::BadCells => "unusable number of cells",
            ValueError::OutOfRange => "value out of range",
            ValueError::Wraps => "address and size exceed 64 bits",
            ValueError::NotMapped => "address not mapped by its bus",
            ValueError::BadPhandle => "reference to no node",
        })
    }
}

impl core::error::Error for ValueError {}

/// A node that had to be passed over, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadNode<'a> {
    /// The node's name.
    pub name: &'a str,
    /// What is wrong with it.
    pub why: ValueError,
}

impl fmt::Display for BadNode<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.name, self.why)
    }
}
