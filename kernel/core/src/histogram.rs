// SPDX-License-Identifier: Apache-2.0
//! How a quantity is distributed, in a fixed amount of memory: each power of two
//! is cut into 32 parts, so that a quantile is told to within a 32nd.

use alloc::vec::Vec;

use crate::table::OutOfMemory;

/// Bits of a value after its highest that a place is chosen by.
const BITS: u32 = 5;
/// Parts of a power of two.
const PARTS: usize = 1 << BITS;
/// Places: values below [`PARTS`] have one each.
const PLACES: usize = (u64::BITS - BITS + 1) as usize * PARTS;

/// Values that were seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    places: Vec<u64>,
    count: u64,
    least: u64,
    most: u64,
}

impl Histogram {
    /// Of no values yet.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new() -> Result<Self, OutOfMemory> {
        let mut places = Vec::new();
        places.try_reserve_exact(PLACES).map_err(|_| OutOfMemory)?;
        places.resize(PLACES, 0);
        Ok(Self { places, count: 0, least: u64::MAX, most: 0 })
    }

    /// Takes a value in.
    pub fn add(&mut self, value: u64) {
        self.places[place_of(value)] += 1;
        self.count += 1;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    /// Takes all values of another in.
    pub fn merge(&mut self, other: &Self) {
        self.places.iter_mut().zip(&other.places).for_each(|(sum, more)| *sum += more);
        self.count += other.count;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// How many values there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The least; 0 if there was none.
    #[must_use]
    pub const fn least(&self) -> u64 {
        if self.count == 0 { 0 } else { self.least }
    }

    /// The greatest; 0 if there was none.
    #[must_use]
    pub const fn most(&self) -> u64 {
        self.most
    }

    /// What at least `percent` of a hundred values do not exceed, rounded up to
    /// the end of its place; 0 if there was none.
    #[must_use]
    pub fn quantile(&self, percent: u64) -> u64 {
        let due = (u128::from(self.count) * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0_u128;
        let found = self.places.iter().position(|count| {
            seen += u128::from(*count);
            seen >= due
        });
        found.map_or(0, end_of).clamp(self.least(), self.most)
    }
}

const fn place_of(value: u64) -> usize {
    if value < PARTS as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - BITS;
    (shift as usize + 1) * PARTS + (value >> shift) as usize % PARTS
}

/// The greatest value of a place.
const fn end_of(place: usize) -> u64 {
    if place < PARTS {
        return place as u64;
    }
    let shift = place / PARTS - 1;
    let next = (PARTS + place % PARTS + 1) as u128;
    ((next << shift) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_is_near(mut values in prop::collection::vec(any::<u64>(), 1..200), percent in 0..=100_u64) {
            let mut histogram = Histogram::new().unwrap();
            values.iter().for_each(|value| histogram.add(*value));
            values.sort_unstable();
            let due = (values.len() as u64 * percent).div_ceil(100).max(1) as usize;
            let exact = values[due - 1];
            let told = histogram.quantile(percent);
            prop_assert!(told >= exact && told - exact <= exact / PARTS as u64, "{told} for {exact}");
            prop_assert_eq!(histogram.least(), values[0]);
            prop_assert_eq!(histogram.most(), values[values.len() - 1]);
        }

        #[test]
        fn every_value_is_in_its_place(value: u64) {
            let place = place_of(value);
            prop_assert!(place < PLACES && end_of(place) >= value);
            prop_assert!(place == 0 || end_of(place - 1) < value);
        }
    }

    #[test]
    fn of_nothing_nothing_is_told() {
        let histogram = Histogram::new().unwrap();
        assert_eq!((histogram.count(), histogram.least(), histogram.quantile(50)), (0, 0, 0));
    }

    #[test]
    fn two_are_joined() {
        let (mut one, mut two) = (Histogram::new().unwrap(), Histogram::new().unwrap());
        one.add(3);
        two.add(7);
        one.merge(&two);
        assert_eq!((one.count(), one.least(), one.most()), (2, 3, 7));
        assert_eq!((one.quantile(50), one.quantile(100)), (3, 7));
    }
}
