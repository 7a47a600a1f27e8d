// SPDX-License-Identifier: Apache-2.0
//! Numbers that an archive or a program may trip over.

use skimmer_damage::Dice;

/// A number that tends to be on an edge.
pub(crate) fn telling(dice: &mut Dice) -> u64 {
    match dice.below(4) {
        0 => dice.number(),
        1 => dice.number() % 0x3000,
        2 => (dice.number() % 64) << 12,
        _ => dice.pick(&TELLING),
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
