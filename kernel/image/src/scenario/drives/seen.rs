// SPDX-License-Identifier: Apache-2.0
//! Which units of a disk were read: a bit for each.

use alloc::vec::Vec;

use skimmer_core::table::OutOfMemory;

/// The units of a disk that were read.
#[derive(Debug)]
pub(in crate::scenario) struct Seen {
    words: Vec<u64>,
}

impl Seen {
    /// None yet of so many.
    pub(in crate::scenario) fn new(units: u64) -> Result<Self, OutOfMemory> {
        let length = units.div_ceil(u64::from(u64::BITS)) as usize;
        let mut words = Vec::new();
        words.try_reserve_exact(length).map_err(|_| OutOfMemory)?;
        words.resize(length, 0);
        Ok(Self { words })
    }

    /// Takes in that a unit was read: 1 if it is the first time.
    pub(in crate::scenario) fn add(&mut self, unit: u64) -> u64 {
        let (word, bit) = (unit / u64::from(u64::BITS), unit % u64::from(u64::BITS));
        let Some(word) = self.words.get_mut(word as usize) else { return 0 };
        let is_first = *word & (1 << bit) == 0;
        *word |= 1 << bit;
        u64::from(is_first)
    }
}
