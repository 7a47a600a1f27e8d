// SPDX-License-Identifier: Apache-2.0
//! The state machine over the structure block (section 5.4).
//!
//! Role: turns tags into [`Event`]s, once through, in order. Everything else
//! stands on this.
//! Invariant: an event is yielded only if it lies wholly inside its blocks and
//! fits the grammar so far; the first flaw ends the walk. Every turn consumes
//! at least one tag, so a walk ends after at most (block size / 4) turns.

use crate::bytes::{align4, be32, until_nul};
use crate::error::{FdtError, Flaw};
use crate::property::Property;

/// How many nodes may lie on one path, the root included. Real trees stay below
/// a dozen; the bound keeps the facts inherited along a path in a small array.
pub const MAX_DEPTH: usize = 32;

/// The longest name that is read. The specification asks for 31 (sections
/// 2.2.1 and 2.2.4.1), real trees go beyond.
pub const MAX_NAME: usize = 255;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// One step through the tree. The root's depth is 0, and a property's depth is
/// that of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A node begins; its properties follow, then its children.
    BeginNode {
        /// The node's name with its unit address; empty for the root.
        name: &'a str,
        /// The node's depth.
        depth: usize,
    },
    /// A property of the innermost open node.
    Property {
        /// The property.
        property: Property<'a>,
        /// The depth of its node.
        depth: usize,
    },
    /// A node ends.
    EndNode {
        /// The node's depth.
        depth: usize,
    },
}

/// The walk. It ends after the tree's end or after the first error.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    /// Offset of the next tag in the structure block.
    at: usize,
    /// How many nodes are open.
    open: usize,
    /// Whether the innermost open node can still have properties.
    in_head: bool,
    /// Whether the root has begun.
    rooted: bool,
    /// Whether the walk has ended.
    over: bool,
}

impl<'a> Events<'a> {
    /// A walk from the beginning.
    pub(crate) fn new(structure: &'a [u8], strings: &'a [u8]) -> Self {
        Events { structure, strings, at: 0, open: 0, in_head: false, rooted: false, over: false }
    }

    /// A walk that starts among the properties of the node at `depth`, whose
    /// first tag after its name is at offset `at`.
    pub(crate) fn inside(structure: &'a [u8], strings: &'a [u8], at: usize, depth: usize) -> Self {
        Events {
            structure,
            strings,
            at,
            open: depth.saturating_add(1),
            in_head: true,
            rooted: true,
            over: false,
        }
    }

    /// Offset of the next tag.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Ends the walk here.
    pub(crate) fn finish(&mut self) {
        self.over = true;
    }

    /// Takes the next tag that is not a NOP, with all that belongs to it.
    fn step(&mut self, tag_at: &mut usize) -> Result<Option<Event<'a>>, Flaw> {
        loop {
            *tag_at = self.at;
            return match self.word()? {
                NOP => continue,
                BEGIN_NODE => self.begin_node().map(Some),
                END_NODE => self.end_node().map(Some),
                PROP => self.property(*tag_at).map(Some),
                END if self.rooted && self.open == 0 => Ok(None),
                END => Err(Flaw::EarlyEnd),
                unknown => Err(Flaw::UnknownTag(unknown)),
            };
        }
    }

    fn begin_node(&mut self) -> Result<Event<'a>, Flaw> {
        let depth = self.open;
        if depth == 0 && self.rooted {
            return Err(Flaw::SecondRoot);
        }
        if depth >= MAX_DEPTH {
            return Err(Flaw::TooDeep);
        }
        let name = name_at(self.structure, self.at)?;
        let after = self.at.checked_add(name.len());
        let end = after.and_then(|end| align4(end.checked_add(1)?));
        self.at = end.ok_or(Flaw::Truncated)?;
        self.open = depth.saturating_add(1);
        self.in_head = true;
        self.rooted = true;
        Ok(Event::BeginNode { name, depth })
    }

    fn end_node(&mut self) -> Result<Event<'a>, Flaw> {
        let depth = self.open.checked_sub(1).ok_or(Flaw::StrayEndNode)?;
        self.open = depth;
        self.in_head = false;
        Ok(Event::EndNode { depth })
    }

    fn property(&mut self, at: usize) -> Result<Event<'a>, Flaw> {
        let depth = match self.open.checked_sub(1) {
            Some(depth) if self.in_head => depth,
            _ => return Err(Flaw::StrayProperty),
        };
        let length = self.size()?;
        let name_offset = self.size()?;
        let end = self.at.checked_add(length).ok_or(Flaw::Truncated)?;
        let value = self.structure.get(self.at..end).ok_or(Flaw::Truncated)?;
        let name = name_at(self.strings, name_offset)?;
        self.at = align4(end).ok_or(Flaw::Truncated)?;
        let property = Property { name, value, at };
        Ok(Event::Property { property, depth })
    }

    /// Takes the next word.
    fn word(&mut self) -> Result<u32, Flaw> {
        let word = be32(self.structure, self.at).ok_or(Flaw::Truncated)?;
        self.at = self.at.checked_add(4).ok_or(Flaw::Truncated)?;
        Ok(word)
    }

    /// Takes the next word as a length or an offset.
    fn size(&mut self) -> Result<usize, Flaw> {
        usize::try_from(self.word()?).map_err(|_| Flaw::Truncated)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, FdtError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let mut tag_at = self.at;
        let step = self.step(&mut tag_at);
        self.over = !matches!(step, Ok(Some(_)));
        step.map_err(|flaw| FdtError::BadStructure { at: tag_at, flaw }).transpose()
    }
}

impl core::iter::FusedIterator for Events<'_> {}

/// The name at `at` of a block.
fn name_at(block: &[u8], at: usize) -> Result<&str, Flaw> {
    let name = until_nul(block, at, MAX_NAME).ok_or(Flaw::BadName)?;
    core::str::from_utf8(name).map_err(|_| Flaw::BadName)
}
