// SPDX-License-Identifier: Apache-2.0
//! Numbers drawn from a seed: the same seed, the same numbers. For workloads;
//! nothing about them is secret.

/// SplitMix64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// One for the `number`th user of a seed, whose numbers have nothing to do
    /// with the others'.
    #[must_use]
    pub const fn of(seed: u64, number: u64) -> Self {
        Self::new(mix(seed ^ mix(number)))
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        let number = mix(self.state);
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        number
    }

    /// One less than `end`, each as likely as the other (as nearly as 64 bits
    /// allow); 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(end);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Brings `items` into an order drawn at random, by Fisher and Yates: from
    /// the last place down, each is exchanged with one at or before it.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}

/// An order drawn at random of the numbers below some end, without a list of
/// them: each place has one number, and each number one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    end: u64,
    /// Bits of each of a number's halves: both together reach `end`.
    half: u32,
    seed: u64,
}

/// Rounds of the Feistel network: four make any order look like any other.
const ROUNDS: u64 = 4;

impl Order {
    /// An order of the numbers below `end`, by the seed.
    #[must_use]
    pub const fn new(end: u64, seed: u64) -> Self {
        let bits = u64::BITS - end.saturating_sub(1).leading_zeros();
        Self { end, half: bits.div_ceil(2), seed }
    }

    /// The number at a place below `end`; 0 at any other.
    #[must_use]
    pub const fn at(&self, place: u64) -> u64 {
        if place >= self.end {
            return 0;
        }
        let mut number = self.step(place);
        // Less than four times as many numbers are exchanged as there are; those
        // beyond the end lead back to one that is below it.
        while number >= self.end {
            number = self.step(number);
        }
        number
    }

    /// Exchanges the numbers of twice `half` bits (Luby and Rackoff).
    const fn step(&self, number: u64) -> u64 {
        let mask = (1_u64 << self.half).wrapping_sub(1);
        let (mut high, mut low) = (number >> self.half & mask, number & mask);
        let mut round = 0;
        while round < ROUNDS {
            (high, low) = (low, high ^ mix(self.seed ^ mix(low ^ round << 32)) & mask);
            round += 1;
        }
        high << self.half | low
    }
}

/// One number from another, well mixed.
#[must_use]
pub const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn the_numbers_are_splitmix64s() {
        let mut random = Random::new(1_234_567);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn every_order_of_three_comes_up_about_as_often() {
        let mut random = Random::new(1);
        let mut seen = [0_u32; 27];
        for _ in 0..60_000 {
            let mut order = [0_usize, 1, 2];
            random.shuffle(&mut order);
            seen[order[0] * 9 + order[1] * 3 + order[2]] += 1;
        }
        let seen: Vec<u32> = seen.into_iter().filter(|count| *count > 0).collect();
        assert_eq!(seen.len(), 6);
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
    }

    proptest! {
        #[test]
        fn a_shuffle_loses_nothing(seed: u64, length in 0..300_usize) {
            let mut items: Vec<usize> = (0..length).collect();
            let mut again = items.clone();
            Random::new(seed).shuffle(&mut items);
            Random::new(seed).shuffle(&mut again);
            prop_assert_eq!(&items, &again);
            items.sort_unstable();
            prop_assert_eq!(items, (0..length).collect::<Vec<_>>());
        }

        #[test]
        fn an_order_has_each_number_once(seed: u64, end in 0..700_u64) {
            let order = Order::new(end, seed);
            let mut numbers: Vec<u64> = (0..end).map(|place| order.at(place)).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..end).collect::<Vec<_>>());
        }

        #[test]
        fn an_order_stays_below_its_end(seed: u64, end in 1_u64.., place: u64) {
            prop_assert!(Order::new(end, seed).at(place) < end);
        }

        #[test]
        fn below_is_below(seed: u64, end in 1_u64..) {
            prop_assert!(Random::new(seed).below(end) < end);
        }
    }
}
