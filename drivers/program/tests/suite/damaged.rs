// SPDX-License-Identifier: Apache-2.0
//! Damaged files: no panic, no broken promise, every error is met, and the
//! other readers agree wherever we accept.

use crate::damage::{self, Reader, Tally};
use crate::{examine, oracle};
use skimmer_damage::Turns;

const FILES: u64 = 100_000;
const SEED: u64 = 0x5eed_0e1f;

/// All errors there are: damage must reach each.
const ARCHIVE_ERRORS: usize = 12;
const PROGRAM_ERRORS: usize = 23 + 9;

fn check(reader: Reader, judge: fn(&[u8]) -> bool) -> Tally {
    let (mut seen, mut compared) = (0u64, 0u64);
    let tally = damage::run(reader, Turns::count(FILES), SEED, |file| {
        seen += 1;
        compared += u64::from(judge(file));
    });
    println!("{tally}; {compared} of them compared");
    assert_eq!((tally.files, seen), (FILES, FILES));
    // Damage must reach every layer, or this test shows nothing.
    assert!(tally.accepted > FILES / 10 && compared > FILES / 10, "{tally}");
    tally
}

#[test]
fn damaged_archives() {
    assert_eq!(check(Reader::Archive, oracle::archive).refused.len(), ARCHIVE_ERRORS);
}

#[test]
fn damaged_programs() {
    assert_eq!(check(Reader::Program, oracle::program).refused.len(), PROGRAM_ERRORS);
}

#[test]
fn a_seed_repeats_its_damage() {
    let digest = |seed| {
        let mut sum = 0u64;
        for reader in [Reader::Archive, Reader::Program] {
            damage::run(reader, Turns::count(300), seed, |file| {
                for byte in file {
                    sum = sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
                }
            });
        }
        sum
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn every_byte_with_every_bit_flipped() {
    for victim in damage::archives() {
        for bit in 0..8 * victim.len() {
            let mut file = victim.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let _ = examine::archive(&file);
            oracle::archive(&file);
        }
    }
    for victim in damage::programs() {
        for bit in 0..8 * victim.len() {
            let mut file = victim.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let _ = examine::program(&file);
            oracle::program(&file);
        }
    }
}
