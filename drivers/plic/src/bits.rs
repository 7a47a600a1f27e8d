// SPDX-License-Identifier: Apache-2.0
//! A set of sources, as the PLIC itself would write it down.

use crate::number::{Source, Word};

/// A bit for each source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    words: [u32; Word::COUNT],
}

impl Bits {
    /// No source.
    pub(crate) const NONE: Self = Self { words: [0; Word::COUNT] };

    /// The bits of 32 sources.
    pub(crate) fn word(&self, word: Word) -> u32 {
        // A word's number is below the length, so it is always there.
        self.words.get(word.number() as usize).copied().unwrap_or(0)
    }

    /// Whether the source is among them.
    pub(crate) fn has(&self, source: Source) -> bool {
        self.word(source.word()) & source.bit() != 0
    }

    /// Puts the source in. `true` if it was not among them.
    pub(crate) fn insert(&mut self, source: Source) -> bool {
        let is_new = !self.has(source);
        if let Some(word) = self.words.get_mut(source.word().number() as usize) {
            *word |= source.bit();
        }
        is_new
    }

    /// Takes the source out. `true` if it was among them.
    pub(crate) fn remove(&mut self, source: Source) -> bool {
        let was_there = self.has(source);
        if let Some(word) = self.words.get_mut(source.word().number() as usize) {
            *word &= !source.bit();
        }
        was_there
    }
}
