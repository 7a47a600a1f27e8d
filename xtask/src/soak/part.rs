// SPDX-License-Identifier: Apache-2.0
//! Which boots of a soak one command makes, and which stand in for those that repeat
//! others. Pure.
//!
//! A soak too long for one sitting is made in parts: boots 0 to 256, then 257 to 499.
//! A boot's number is all that its seed depends on, so parts add up if no number is in
//! two of them. Invariant: each boot has one substitute, which is its alone, and whose
//! number is no boot's. So no part takes a number of another, whatever it leaves out.

use anyhow::{Result, ensure};

/// Boots of a soak have numbers below this, and their substitutes from here on.
pub const MOST: u32 = 1_000_000;

/// Boots `first`, `first + 1`, … of a soak, so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    first: u32,
    boots: u32,
}

impl Part {
    /// That part.
    ///
    /// # Errors
    /// When it is beyond the numbers there are.
    pub fn new(first: u32, boots: u32) -> Result<Self> {
        let end = u64::from(first) + u64::from(boots);
        ensure!(
            end <= u64::from(MOST),
            "--first {first} --boots {boots}: a soak's boots have numbers below {MOST}"
        );
        Ok(Self { first, boots })
    }

    /// How many boots that count were asked for.
    #[must_use]
    pub const fn boots(self) -> u32 {
        self.boots
    }

    /// The numbers of its boots.
    pub fn numbers(self) -> impl DoubleEndedIterator<Item = u32> {
        self.first..self.first + self.boots
    }

    /// The numbers of those that stand in for boots that repeat others.
    pub fn substitutes(self) -> impl DoubleEndedIterator<Item = u32> {
        self.numbers().map(|number| MOST + number)
    }

    /// The most boots that are made.
    #[must_use]
    pub const fn attempts(self) -> u32 {
        2 * self.boots
    }

    /// What it is about: which boots of which soak, of which these were made and count.
    #[must_use]
    pub fn in_words(self, seed: u64, counted: impl Iterator<Item = u32>) -> String {
        let Self { first, boots } = self;
        let mut text = format!("boots {first} to {} of seed {seed}", first + boots - 1);
        let substitutes: Vec<String> =
            counted.filter(|number| *number >= MOST).map(|number| number.to_string()).collect();
        if !substitutes.is_empty() {
            text += &format!("; for those left out, boots {}", substitutes.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::record::derive_seed;
    use super::*;

    fn part(first: u32, boots: u32) -> Part {
        Part::new(first, boots).expect("a part")
    }

    fn all(part: Part) -> Vec<u32> {
        part.numbers().chain(part.substitutes()).collect()
    }

    #[test]
    fn parts_take_no_number_of_each_other_whatever_they_leave_out() {
        let parts = [part(0, 257), part(257, 243), part(500, 1), part(MOST - 1, 1)];
        let numbers: Vec<u32> = parts.into_iter().flat_map(all).collect();
        let mut seeds: HashSet<u64> = HashSet::new();
        for number in &numbers {
            assert!(seeds.insert(derive_seed(1, *number)), "boot {number} is in two parts");
        }
        for part in parts {
            assert_eq!(all(part).len(), part.attempts() as usize);
        }
    }

    #[test]
    fn two_parts_are_the_boots_of_the_whole() {
        let parts = [part(0, 257), part(257, 243)];
        let whole = part(0, 500);
        assert!(parts.into_iter().flat_map(Part::numbers).eq(whole.numbers()));
        assert!(parts.into_iter().flat_map(Part::substitutes).eq(whole.substitutes()));
    }

    #[test]
    fn there_are_no_numbers_beyond_the_last() {
        assert_eq!(part(MOST - 1, 1).numbers().collect::<Vec<_>>(), [MOST - 1]);
        for (first, boots) in [(MOST, 1), (MOST - 1, 2), (0, MOST + 1), (u32::MAX, u32::MAX)] {
            let why = Part::new(first, boots).expect_err("beyond").to_string();
            assert!(why.contains("numbers below 1000000"), "{why}");
        }
    }

    #[test]
    fn it_says_which_boots_it_is_about() {
        let of = |counted: &[u32]| part(257, 243).in_words(7, counted.iter().copied());
        assert_eq!(of(&[257, 258]), "boots 257 to 499 of seed 7");
        assert_eq!(
            of(&[257, 1_000_257, 1_000_258]),
            "boots 257 to 499 of seed 7; for those left out, boots 1000257, 1000258"
        );
    }
}
