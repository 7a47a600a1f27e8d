// SPDX-License-Identifier: Apache-2.0
//! Numbers from a seed, and damage that fits any file.

/// SplitMix64: a number that is different each time and the same for a seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("fits");
        usize::try_from(self.next() % bound).expect("fits")
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number that tends to be on an edge.
    pub(crate) fn telling(&mut self) -> u64 {
        match self.below(4) {
            0 => self.next(),
            1 => self.next() % 0x3000,
            2 => (self.next() % 64) << 12,
            _ => self.pick(&TELLING),
        }
    }
}

/// Numbers on an edge of something.
pub(crate) const TELLING: [u64; 24] = [
    0,
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    55,
    56,
    64,
    65,
    0xfff,
    0x1000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x3f_bfff_f000,
    0x3f_c000_0000,
    0x40_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_f000,
    0xffff_ffff_ffff_ffff,
];

pub(crate) fn flip_bits(file: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(file.len());
        if let Some(byte) = file.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

/// Overwrites a piece with another one of the same file.
pub(crate) fn copy_piece(file: &mut [u8], unit: usize, random: &mut Random) {
    let (from, to) = (random.below(file.len()), random.below(file.len()));
    let length = unit * (1 + random.below(3));
    if from + length <= file.len() && to + length <= file.len() {
        file.copy_within(from..from + length, to);
    }
}
