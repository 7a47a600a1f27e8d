// SPDX-License-Identifier: Apache-2.0
//! Damaged blobs: no panic, no broken promise, and the other parser agrees
//! wherever it accepts the blob too.

use crate::{damage, oracle};
use skimmer_damage::Turns;
use std::cell::Cell;

const BLOBS: u64 = 100_000;
const SEED: u64 = 0x5eed_0fd7;

#[test]
fn damaged_blobs() {
    let (seen, compared) = (Cell::new(0u64), Cell::new(0u64));
    let tally = damage::run(Turns::count(BLOBS), SEED, |blob| {
        seen.set(seen.get() + 1);
        if seen.get().is_multiple_of(8) && oracle::agree(blob) {
            compared.set(compared.get() + 1);
        }
    });
    println!("{tally}; {} of them compared", compared.get());
    assert_eq!(tally.blobs, BLOBS);
    // Damage must reach every layer, or this test shows nothing.
    assert!(tally.refused_by_header > BLOBS / 20, "{tally}");
    assert!(tally.refused_by_structure > BLOBS / 20, "{tally}");
    assert!(tally.walked > BLOBS / 10, "{tally}");
    assert!(compared.get() > BLOBS / 200, "{} compared", compared.get());
}

#[test]
fn the_committed_dense_tree_is_what_damage_starts_from() {
    assert_eq!(damage::victims()[0], include_bytes!("../trees/dense.dtb"));
}

#[test]
fn a_seed_repeats_its_damage() {
    let digest = |seed| {
        let mut sum = 0u64;
        damage::run(Turns::count(500), seed, |blob| {
            for byte in blob {
                sum = sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
            }
        });
        sum
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn every_truncation() {
    for victim in damage::victims() {
        for length in (0..victim.len()).step_by(3) {
            let mut blob = victim[..length].to_vec();
            assert!(damage::exercise(&blob).is_err());
            if length >= 40 {
                let size = u32::try_from(length).expect("small");
                blob[4..8].copy_from_slice(&size.to_be_bytes());
                assert!(damage::exercise(&blob).is_err());
            }
        }
    }
}
