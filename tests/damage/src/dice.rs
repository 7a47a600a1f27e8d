// SPDX-License-Identifier: Apache-2.0
//! Numbers from a seed, and damage that fits any file.

use skimmer_abi::random::Random;

/// Numbers drawn from a seed, in the shapes that a generator asks for.
#[derive(Debug)]
pub struct Dice(Random);

impl Dice {
    /// The dice of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Dice(Random::new(seed))
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.0.next()
    }

    /// Any number of 32 bits.
    pub const fn word(&mut self) -> u32 {
        (self.0.next() >> 32) as u32
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.below(end as u64) as usize
    }

    /// One of `from`.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Flips up to eight bits anywhere.
pub fn flip_bits(file: &mut [u8], dice: &mut Dice) {
    for _ in 0..=dice.below(8) {
        let at = dice.below(file.len());
        if let Some(byte) = file.get_mut(at) {
            *byte ^= 1 << dice.below(8);
        }
    }
}

/// Overwrites a piece with another one of the same file. A piece is `length`
/// bytes long and begins at a multiple of `align`.
pub fn copy_piece(file: &mut [u8], align: usize, length: usize, dice: &mut Dice) {
    let places = file.len() / align;
    let (from, to) = (align * dice.below(places), align * dice.below(places));
    if from + length <= file.len() && to + length <= file.len() {
        file.copy_within(from..from + length, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_fits_any_file() {
        let mut dice = Dice::new(1);
        for length in 0..64 {
            let mut file: Vec<u8> = (0..length).collect();
            flip_bits(&mut file, &mut dice);
            copy_piece(&mut file, 4, 8, &mut dice);
            assert_eq!(file.len(), usize::from(length));
        }
    }

    #[test]
    fn damage_is_done() {
        let mut dice = Dice::new(1);
        let sound: Vec<u8> = (0..64).collect();
        let mut broken = [0, 0];
        for _ in 0..100 {
            let (mut flipped, mut copied) = (sound.clone(), sound.clone());
            flip_bits(&mut flipped, &mut dice);
            copy_piece(&mut copied, 4, 8, &mut dice);
            broken[0] += usize::from(flipped != sound);
            broken[1] += usize::from(copied != sound);
            let words: Vec<_> = copied.chunks(4).collect();
            assert!(
                words.iter().all(|word| sound.chunks(4).any(|one| one == *word)),
                "whole words"
            );
        }
        assert!(broken.iter().all(|&count| count > 80), "{broken:?}");
    }
}
