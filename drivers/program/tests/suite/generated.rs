// SPDX-License-Identifier: Apache-2.0
//! Files at random; and programs in which each field holds every telling
//! number in turn.

use crate::builder::{ENTRY, Elf, FIELDS, HEADER_FIELDS, R, TABLE, W, X, put};
use crate::package::{DIRECTORY, FILE, Item, LINK, archive};
use crate::telling::TELLING;
use crate::{examine, oracle};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use skimmer_program::archive::Archive;
use skimmer_program::image::Program;

/// Every field of a file with that many program headers.
fn fields(headers: usize) -> Vec<(usize, usize)> {
    let of_header =
        |index: usize| HEADER_FIELDS.map(|(offset, size)| (TABLE + ENTRY * index + offset, size));
    FIELDS.into_iter().chain((0..headers).flat_map(of_header)).collect()
}

fn victims() -> Vec<(Vec<u8>, usize)> {
    let mut dynamic = Elf::pie();
    dynamic.dynamic(&[(7, 0x280), (0, 0)]);
    [Elf::fixed(), Elf::pie(), dynamic].map(|elf| (elf.bytes(), elf.headers.len())).to_vec()
}

#[test]
fn every_field_with_every_telling_number() {
    let (mut refused, mut accepted) = (0, 0);
    for (victim, headers) in victims() {
        for field in fields(headers) {
            let (at, size) = field;
            let mut number = [0; 8];
            number[..size].copy_from_slice(&victim[at..at + size]);
            let number = u64::from_le_bytes(number);
            let near = [1, 2, 8, 0x1000].into_iter();
            let near = near.flat_map(|by| [number.wrapping_add(by), number.wrapping_sub(by)]);
            let bits = (0..8 * size).map(|bit| number ^ 1 << bit);
            for other in TELLING.into_iter().chain(near).chain(bits) {
                let mut file = victim.clone();
                put(&mut file, field, other);
                match examine::program(&file) {
                    Ok(_) => accepted += 1,
                    Err(_) => refused += 1,
                }
                oracle::program(&file);
            }
        }
    }
    assert!(refused > 2000 && accepted > 2000, "{refused} refused, {accepted} accepted");
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let prefix = select(vec!["", "./", "/"]);
    let name = (prefix, "[a-zA-Zä0-9][a-zA-Zä0-9._-]{0,40}(/[a-z]{1,9}){0,3}");
    let name = name.prop_map(|(prefix, name)| format!("{prefix}{name}"));
    let mode = select(vec![FILE, DIRECTORY, LINK, 0o100_644]);
    vec((name, mode, vec(any::<u8>(), 0..200)), 0..12)
}

fn header() -> impl Strategy<Value = (u64, u32, usize, u64)> {
    let flags = select(vec![R, R, R | W, R | W, R | X, X, W, W | X, 0]);
    (0u64..6, flags, 0usize..64, prop_oneof![0u64..0x40, 0u64..0x3000])
}

proptest! {
    #[test]
    fn archives_come_back_as_they_went(items in items(), zeros in 0usize..600) {
        let mut bytes = archive(&items);
        bytes.resize(bytes.len() + zeros, 0);
        prop_assert_eq!(examine::archive(&bytes), Ok(items.len()));
        prop_assert!(oracle::archive(&bytes));
        let entries = Archive::new(&bytes).entries();
        for (entry, (name, mode, data)) in entries.zip(&items) {
            let entry = entry.unwrap();
            let name = name.strip_prefix("./").or(name.strip_prefix('/')).unwrap_or(name);
            prop_assert_eq!((entry.name, entry.mode, entry.data), (name, *mode, &data[..]));
            prop_assert_eq!(entry.is_file(), mode >> 12 == 8);
        }
    }

    #[test]
    fn archives_cut_anywhere_are_refused(items in items(), cut in any::<prop::sample::Index>()) {
        let bytes = archive(&items);
        let nul = bytes.iter().rposition(|&byte| byte == b'!').unwrap() + 2;
        prop_assert!(examine::archive(&bytes[..cut.index(nul)]).is_err());
    }

    #[test]
    fn programs_of_any_segments(
        kind in 2u16..4,
        headers in vec(header(), 0..8),
        start in 0usize..8,
    ) {
        let mut elf = Elf::new(kind);
        for (index, (page, flags, bytes, size)) in headers.into_iter().enumerate() {
            // Mostly each on pages of its own.
            let page = 0x1000 * (page + 16 + 4 * index as u64);
            elf.load(page, flags, &vec![0x13; bytes], size);
        }
        if let Some(header) = elf.headers.get(start) {
            elf.entry = header.address;
        }
        let file = elf.bytes();
        let outcome = examine::program(&file);
        prop_assert_eq!(oracle::program(&file), outcome.is_ok());
        if let Ok(count) = outcome {
            let there = elf.headers.iter().filter(|header| header.size != 0);
            prop_assert_eq!(count, there.count());
        }
    }

    #[test]
    fn programs_with_one_field_changed(
        kind in 2u16..4,
        field in any::<prop::sample::Index>(),
        number in any::<u64>(),
        bits in 0u32..65,
    ) {
        let elf = Elf::usual(kind);
        let mut file = elf.bytes();
        let fields = fields(elf.headers.len());
        put(&mut file, fields[field.index(fields.len())], number.checked_shr(bits).unwrap_or(0));
        prop_assert_eq!(oracle::program(&file), examine::program(&file).is_ok());
    }

    #[test]
    fn a_higher_limit_changes_nothing_else(size in 1u64..0x100_0000, limit in 0usize..0x200_0000) {
        let mut elf = Elf::fixed();
        elf.headers[2].size = size.max(4);
        let file = elf.bytes();
        let need = Program::parse(&file, usize::MAX).unwrap().memory();
        prop_assert_eq!(Program::parse(&file, limit).is_ok(), need <= limit);
    }
}
