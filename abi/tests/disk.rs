// SPDX-License-Identifier: Apache-2.0
//! Blocks of a test disk: what is right is accepted, and everything else is
//! called by its name.

use proptest::prelude::*;
use skimmer_abi::disk::{
    AS_MADE, LEAST, Stamp, Wrong, check, check_words, drive_of, fill, fill_words, seed_of,
};

fn block(size: usize, stamp: Stamp) -> Vec<u8> {
    let mut block = vec![0xa5; size];
    fill(&mut block, stamp);
    block
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(LEAST), Just(512), Just(4096), (LEAST / 8..300).prop_map(|words| words * 8),]
}

fn stamps() -> impl Strategy<Value = Stamp> {
    // Small numbers are the likely ones, and the likeliest to be confused.
    let number = || prop_oneof![0..4_u64, any::<u64>()];
    (number(), number(), number()).prop_map(|(seed, number, generation)| Stamp {
        seed,
        number,
        generation,
    })
}

#[test]
fn the_layout_stands() {
    let block = block(LEAST, Stamp { seed: 2, number: 0x0102, generation: AS_MADE });
    let words: Vec<u64> =
        block.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    assert_eq!(words[..3], [0x0102, 2, 0]);
    // Reckoned by hand from the description: SplitMix64's mixing, the sum of
    // the four other words and the sum of their sums.
    let mix = skimmer_abi::random::mix;
    let filling = mix(2 ^ mix(0x0102 ^ mix(0)));
    let (a, b) = (0x0102_u64, 0x0102_u64 + 2);
    let last = b.wrapping_add(filling);
    let sums = a.wrapping_add(b).wrapping_add(b).wrapping_add(last);
    assert_eq!(words[3..], [mix(last) ^ sums, filling]);
}

#[test]
fn others_are_called_by_their_names() {
    let right = Stamp { seed: 7, number: 100, generation: 1 };
    for size in [512, 4096] {
        let told = |stamp| check(&block(size, stamp), right);
        assert_eq!(told(right), Ok(()));
        assert_eq!(told(Stamp { number: 101, ..right }), Err(Wrong::Number(101)));
        assert_eq!(told(Stamp { generation: 0, ..right }), Err(Wrong::Generation(0)));
        // Another disk's block is that first, whatever else it is.
        let foreign = Stamp { seed: 8, number: 3, generation: 9 };
        assert_eq!(told(foreign), Err(Wrong::Seed(8)));
        assert_eq!(check(&vec![0; size], right), Err(Wrong::Zeros));
        let garbage = vec![0xff; size];
        assert_eq!(check(&garbage, right), Err(Wrong::Garbage(u64::MAX)));
    }
    // The block of stamp zero states zeros, and is none.
    let zero = Stamp { seed: 0, number: 0, generation: 0 };
    assert_eq!(check(&[0; 512], zero), Err(Wrong::Zeros));
}

#[test]
fn what_is_torn_is_told_from_where() {
    let (new, old) = (Stamp { seed: 7, number: 100, generation: 2 }, 1);
    let new_block = block(4096, new);
    let old_block = block(4096, Stamp { generation: old, ..new });
    // The new one's beginning reached the disk, or its end.
    let begun = [&new_block[..512], &old_block[512..]].concat();
    assert_eq!(check(&begun, new), Err(Wrong::Torn { at: 512 }));
    let ended = [&old_block[..512], &new_block[512..]].concat();
    assert_eq!(check(&ended, new), Err(Wrong::Torn { at: 16 }));
    // The header is right, and nothing else.
    let mut head = new_block.clone();
    head[32..].fill(0);
    assert_eq!(check(&head, new), Err(Wrong::Torn { at: 32 }));
    let mut late = new_block;
    late[4095] ^= 0x80;
    assert_eq!(check(&late, new), Err(Wrong::Torn { at: 4095 }));
}

#[test]
fn a_drive_is_known_by_its_serial_number() {
    assert_eq!(drive_of(b"skimmer-0"), Some(0));
    assert_eq!(drive_of(b"skimmer-12          "), Some(12));
    for other in ["", "skimmer-", "skimmer-x", "skimmer--1", "another-0", "skimmer-4294967296"] {
        assert_eq!(drive_of(other.as_bytes()), None, "{other}");
    }
    assert_eq!(drive_of(&[0xff; 20]), None);
    assert_eq!([seed_of(7, 0), seed_of(7, 1), seed_of(u64::MAX, 1)], [7, 8, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_filled_is_right(size in sizes(), stamp in stamps()) {
        let bytes = block(size, stamp);
        prop_assert_eq!(check(&bytes, stamp), Ok(()));
        let mut words = vec![0; size / 8];
        fill_words(&mut words, stamp);
        prop_assert_eq!(check_words(&words, stamp), Ok(()));
        let same: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        prop_assert_eq!(same, bytes);
    }

    #[test]
    fn a_flipped_bit_is_found(size in sizes(), stamp in stamps(), at: prop::sample::Index) {
        let mut bytes = block(size, stamp);
        let bit = at.index(size * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let told = check(&bytes, stamp);
        prop_assert_eq!(told, Err(Wrong::Torn { at: bit / 8 }));
    }

    #[test]
    fn another_stamp_is_found(size in sizes(), right in stamps(), found in stamps()) {
        let due = if found == right {
            Ok(())
        } else if found.seed != right.seed {
            Err(Wrong::Seed(found.seed))
        } else if found.number != right.number {
            Err(Wrong::Number(found.number))
        } else {
            Err(Wrong::Generation(found.generation))
        };
        prop_assert_eq!(check(&block(size, found), right), due);
    }

    #[test]
    fn what_changed_places_is_found(
        size in sizes(),
        stamp in stamps(),
        one: prop::sample::Index,
        other: prop::sample::Index,
    ) {
        let bytes = block(size, stamp);
        let mut halves = bytes.clone();
        halves.rotate_left(size / 16 * 8);
        prop_assert!(check(&halves, stamp).is_err());
        let mut words = bytes.as_chunks::<8>().0.to_vec();
        let (one, other) = (one.index(words.len()), other.index(words.len()));
        words.swap(one, other);
        let is_same = words.as_flattened() == bytes;
        prop_assert_eq!(check(words.as_flattened(), stamp).is_ok(), is_same);
    }

    #[test]
    fn a_shift_is_found(size in sizes(), stamp in stamps(), by: prop::sample::Index) {
        // As if a transfer had begun at a wrong place of two blocks on end.
        let next = Stamp { number: stamp.number.wrapping_add(1), ..stamp };
        let both = [block(size, stamp), block(size, next)].concat();
        let by = 1 + by.index(size - 1);
        prop_assert!(check(&both[by..by + size], stamp).is_err());
    }

    #[test]
    fn a_block_torn_in_two_is_torn(
        stamp in stamps(),
        other in stamps(),
        at in 1..8_usize,
    ) {
        prop_assume!(stamp != other);
        let (right, wrong) = (block(4096, stamp), block(4096, other));
        let at = at * 512;
        let begun = [&right[..at], &wrong[at..]].concat();
        // The first bytes of two words may be alike.
        let told = check(&begun, stamp);
        let is_there = matches!(told, Err(Wrong::Torn { at: byte }) if byte / 8 == at / 8);
        prop_assert!(is_there, "{:?}", told);
        let ended = [&wrong[..at], &right[at..]].concat();
        let told = check(&ended, stamp);
        prop_assert!(matches!(told, Err(Wrong::Torn { at: 0..24 })), "{:?}", told);
    }
}
