// SPDX-License-Identifier: Apache-2.0
//! How long round trips took: each power of two is cut into 16 parts. As words, so
//! that a client can send it.

use alloc::vec::Vec;

/// Bits of a time after its highest that a place is chosen by.
const BITS: u32 = 4;
const PARTS: usize = 1 << BITS;
/// Times of 2^40 ns (18 minutes) and more are all in the last place.
const POWERS: usize = 40;
const PLACES: usize = (POWERS - BITS as usize + 1) * PARTS;

/// Times that were seen, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// The least, the greatest, and how many there are in each place.
    words: Vec<u64>,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        let mut words = alloc::vec![0; 2 + PLACES];
        words[0] = u64::MAX;
        Self { words }
    }

    /// From its words, if they are any's.
    pub(crate) fn of(words: Vec<u64>) -> Option<Self> {
        (words.len() == 2 + PLACES).then_some(Self { words })
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(crate) fn add(&mut self, nanos: u64) {
        self.words[0] = self.words[0].min(nanos);
        self.words[1] = self.words[1].max(nanos);
        self.words[2 + place_of(nanos)] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.words[0] = self.words[0].min(other.words[0]);
        self.words[1] = self.words[1].max(other.words[1]);
        let more = &other.words[2..];
        self.words[2..].iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }

    pub(crate) fn count(&self) -> u64 {
        self.words[2..].iter().sum()
    }

    pub(crate) fn least(&self) -> u64 {
        if self.count() == 0 { 0 } else { self.words[0] }
    }

    pub(crate) fn most(&self) -> u64 {
        self.words[1]
    }

    /// What at least so many of a hundred do not exceed.
    pub(crate) fn quantile(&self, percent: u64) -> u64 {
        let due = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.words[2..].iter().position(|count| {
            seen += count;
            seen >= due
        });
        found.map_or(0, end_of).clamp(self.least(), self.most())
    }
}

fn place_of(nanos: u64) -> usize {
    if nanos < PARTS as u64 {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - BITS;
    let place = (shift as usize + 1) * PARTS + (nanos >> shift) as usize % PARTS;
    place.min(PLACES - 1)
}

/// The greatest time of a place.
fn end_of(place: usize) -> u64 {
    if place < PARTS {
        return place as u64;
    }
    let shift = place / PARTS - 1;
    (((PARTS + place % PARTS + 1) as u64) << shift) - 1
}
