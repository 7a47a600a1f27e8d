// SPDX-License-Identifier: Apache-2.0
//! Several namespaces as one row of blocks, one behind the other.
//!
//! Invariant: every block of the row lies in exactly one namespace, and what
//! [`Span::together`] allows lies in that one as a whole. A command names one
//! namespace (section 3.2.1), so none may go on into the next.

use alloc::vec::Vec;
use core::fmt;

use crate::identify::Namespace;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    parts: Vec<Part>,
    block_size: u32,
    blocks: u64,
}

/// A namespace, and its blocks in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    namespace: Namespace,
    start: u64,
    end: u64,
}

/// Where a block of the row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The namespace that has it.
    pub namespace: Namespace,
    /// The block's number there.
    pub first: u64,
}

/// Why namespaces are no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unspanned {
    /// There is none.
    Nothing,
    /// Their blocks are of different sizes.
    BlockSizes,
    /// More blocks than can be counted.
    TooMany,
    /// There is no memory for it.
    NoMemory,
}

impl fmt::Display for Unspanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "it has no namespace",
            Self::BlockSizes => "its namespaces have blocks of different sizes",
            Self::TooMany => "its namespaces have more blocks than can be counted",
            Self::NoMemory => "no memory for its namespaces",
        })
    }
}

impl core::error::Error for Unspanned {}

impl Span {
    /// The row of these, in their order.
    ///
    /// # Errors
    /// When they are none.
    pub fn new(namespaces: &[Namespace]) -> Result<Self, Unspanned> {
        let block_size = namespaces.first().ok_or(Unspanned::Nothing)?.block_size;
        let mut parts = Vec::new();
        parts.try_reserve_exact(namespaces.len()).map_err(|_| Unspanned::NoMemory)?;
        let mut start = 0u64;
        for &namespace in namespaces {
            if namespace.block_size != block_size {
                return Err(Unspanned::BlockSizes);
            }
            let end = start.checked_add(namespace.blocks).ok_or(Unspanned::TooMany)?;
            parts.push(Part { namespace, start, end });
            start = end;
        }
        Ok(Self { parts, block_size, blocks: start })
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> u32 {
        self.block_size
    }

    /// How many blocks it has.
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// How many namespaces.
    pub const fn count(&self) -> usize {
        self.parts.len()
    }

    /// The first block of a namespace, counted from 0; `None` behind the last.
    pub fn start(&self, number: usize) -> Option<u64> {
        self.parts.get(number).map(|part| part.start)
    }

    /// Where a block is; `None` behind the last.
    pub fn locate(&self, block: u64) -> Option<Place> {
        let part = self.part_of(block)?;
        Some(Place { namespace: part.namespace, first: block.checked_sub(part.start)? })
    }

    /// How many blocks from `first` on one command may name, at most `most`; none
    /// behind the last.
    pub fn together(&self, first: u64, most: u64) -> u64 {
        let Some(part) = self.part_of(first) else { return 0 };
        most.min(part.end.saturating_sub(first)).min(part.namespace.most_blocks.into())
    }

    fn part_of(&self, block: u64) -> Option<&Part> {
        let number = self.parts.partition_point(|part| part.end <= block);
        self.parts.get(number)
    }
}
