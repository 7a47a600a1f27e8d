// SPDX-License-Identifier: Apache-2.0
//! What an NVMe drive says of itself: Identify Controller, the list of
//! namespaces, Identify Namespace and the number of queues that it grants, to
//! a driver that starts it (a fake obeys in all else). What is accepted has
//! blocks of 512 or 4,096 bytes without metadata, sizes that can be calculated
//! with, transfers between a page and MDTS, no more queues than wanted and
//! granted; what is refused leaves the drive off and no memory behind. The
//! bytes are read a second time, by hand.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use skimmer_damage::Dice;

#[allow(dead_code, unused_imports, reason = "the tests use the rest of it")]
#[path = "../../../drivers/nvme/tests/suite/fake/mod.rs"]
mod fake;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../../drivers/nvme/tests/suite/identified.rs"]
mod identified;
#[path = "../../../drivers/nvme/tests/suite/started.rs"]
mod started;

/// Where the words are that mean something, per structure.
const TELLING: [&[usize]; 3] = [
    &[4, 24, 77, 512, 513, 516, 517, 519, 525],
    &[0, 4, 8, 28, 32, 4092],
    &[0, 1, 7, 8, 15, 24, 25, 26, 128, 130, 132, 134, 144, 146, 380],
];

fuzz_target!(|words: &[u8]| {
    skimmer_fuzz::count(started::start(words).is_ok_and(|namespaces| namespaces > 0));
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    skimmer_fuzz::mutate(data, size, max_size, seed, damage)
});

/// Changes some of the bytes that matter.
fn damage(words: &mut Vec<u8>, dice: &mut Dice) {
    words.resize(started::WORDS, 0);
    for _ in 0..=dice.below(3) {
        let structure = dice.below(4);
        let within = match TELLING.get(structure) {
            Some(known) => dice.pick(known),
            None => dice.below(4),
        };
        let any = dice.below(256) as u8;
        let new = dice.pick(&[0, 1, 2, 3, 9, 12, 0x7f, 0x80, 0xff, any]);
        words[4096 * structure + within] = new;
    }
}
