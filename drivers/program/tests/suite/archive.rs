// SPDX-License-Identifier: Apache-2.0
//! Archives, whole ones and ones with one thing wrong.

use crate::examine;
use crate::package::{self, FILE, archive, item, open};
use skimmer_program::archive::{Archive, ArchiveError, Flaw, HEADER_SIZE, MAX_NAME};

/// Where fields begin in a header, by name.
const MODE: usize = 14;
const LINKS: usize = 38;
const FILE_SIZE: usize = 54;
const NAME_SIZE: usize = 94;
const CHECK: usize = 102;

/// An archive with one file of eight bytes, `init`.
fn small() -> Vec<u8> {
    archive(&[item("init", FILE, b"contents")])
}

#[test]
fn the_committed_seeds_are_what_damage_starts_from() {
    let seeds =
        [&include_bytes!("../archives/usual.cpio")[..], include_bytes!("../archives/one.cpio")];
    assert_eq!(crate::damage::archives(), seeds);
}

/// Where the trailer's header is in [`small`].
const TRAILER_AT: usize = HEADER_SIZE + 6 + 8;

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = small();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[track_caller]
fn refused(file: &[u8], at: usize, flaw: Flaw) {
    assert_eq!(examine::archive(file), Err(ArchiveError { at, flaw }));
}

#[test]
fn reads_what_is_there() {
    let bytes = package::usual();
    assert_eq!(examine::archive(&bytes), Ok(8));
    let archive = Archive::new(&bytes);
    let names: Vec<&str> = archive.entries().map(|entry| entry.unwrap().name).collect();
    let expected = [".", "init", "sbin/driver", "etc", "etc/motd", "empty", "first", "init"];
    assert_eq!(names, expected);
    let find = |name| archive.find(name).unwrap();
    let driver = find("sbin/driver").unwrap();
    assert_eq!((driver.data, driver.mode, driver.is_file()), (&[0x5a; 61][..], FILE, true));
    assert_eq!(find("etc/motd").unwrap().data, b"07070107070100000000");
    assert!(!find("etc").unwrap().is_file());
    assert!(!find("first").unwrap().is_file());
    assert!(find("empty").unwrap().data.is_empty());
    assert_eq!(find("motd"), None);
    assert_eq!(find(""), None);
}

#[test]
fn leading_dots_and_slashes_do_not_count() {
    let bytes = package::usual();
    let archive = Archive::new(&bytes);
    for name in ["init", "./init", "/init", ".//./init", "//init"] {
        // The last of two.
        assert_eq!(archive.find(name).unwrap().unwrap().data, b"the second one", "{name}");
    }
    for name in ["../init", "init/", ".init"] {
        assert_eq!(archive.find(name), Ok(None), "{name}");
    }
}

#[test]
fn zeros_may_follow() {
    let mut bytes = small();
    for _ in 0..600 {
        assert_eq!(examine::archive(&bytes), Ok(1));
        bytes.push(0);
    }
    let place = bytes.len();
    bytes.push(1);
    refused(&bytes, place, Flaw::AfterTrailer);
    // A second archive is not read, and not passed over.
    let two = [small(), small()].concat();
    refused(&two, small().len(), Flaw::AfterTrailer);
}

#[test]
fn an_archive_of_nothing() {
    assert_eq!(examine::archive(&archive(&[])), Ok(0));
    refused(&[], 0, Flaw::NoTrailer);
    let bare = open(&[item("init", FILE, b"contents")]);
    refused(&bare, bare.len(), Flaw::NoTrailer);
}

#[test]
fn every_truncation() {
    for whole in [small(), package::usual()] {
        // Only the padding behind the trailer's NUL can be missed.
        let nul = whole.iter().rposition(|&byte| byte == b'!').unwrap() + 2;
        for length in 0..whole.len() {
            assert_eq!(examine::archive(&whole[..length]).is_ok(), length >= nul, "{length}");
        }
    }
}

#[test]
fn each_part_can_be_cut() {
    let bytes = small();
    refused(&bytes[..6], 0, Flaw::CutHeader);
    refused(&bytes[..HEADER_SIZE - 1], 0, Flaw::CutHeader);
    refused(&bytes[..HEADER_SIZE], HEADER_SIZE, Flaw::CutName);
    refused(&bytes[..HEADER_SIZE + 4], HEADER_SIZE, Flaw::CutName);
    refused(&bytes[..HEADER_SIZE + 5], HEADER_SIZE + 5, Flaw::CutData);
    refused(&bytes[..TRAILER_AT - 1], HEADER_SIZE + 5, Flaw::CutData);
    refused(&bytes[..TRAILER_AT], TRAILER_AT, Flaw::NoTrailer);
    refused(&bytes[..TRAILER_AT + 3], TRAILER_AT, Flaw::CutHeader);
}

#[test]
fn other_formats() {
    refused(&with(0, b"070707"), 0, Flaw::BadMagic);
    refused(&with(0, b"070702"), 0, Flaw::Checksummed);
    refused(&with(TRAILER_AT, b"X"), TRAILER_AT, Flaw::BadMagic);
    // Compressed, or not an archive at all.
    refused(&[0x1f, 0x8b, 8], 0, Flaw::BadMagic);
    refused(&[0; 512], 0, Flaw::BadMagic);
    refused(b"\x7fELF", 0, Flaw::BadMagic);
}

#[test]
fn every_field_must_be_a_number() {
    for field in (6..HEADER_SIZE).step_by(8) {
        for digit in [field, field + 7] {
            for wrong in [b"+", b"-", b" ", b"g", b"G", b"\0", b"\xff"] {
                refused(&with(digit, wrong), field, Flaw::BadNumber);
            }
        }
    }
    // Either case.
    assert_eq!(examine::archive(&with(CHECK, b"aBcDeF00")), Ok(1));
}

#[test]
fn names() {
    refused(&with(NAME_SIZE, b"00000000"), HEADER_SIZE, Flaw::BadNameEnd);
    refused(&with(NAME_SIZE, b"00000004"), HEADER_SIZE, Flaw::BadNameEnd);
    refused(&with(NAME_SIZE, b"00000006"), HEADER_SIZE, Flaw::BadNameEnd);
    refused(&with(NAME_SIZE, b"ffffffff"), HEADER_SIZE, Flaw::NameTooLong);
    refused(&with(NAME_SIZE, b"00000400"), HEADER_SIZE, Flaw::CutName);
    refused(&with(HEADER_SIZE + 4, b"x"), HEADER_SIZE, Flaw::BadNameEnd);
    refused(&with(HEADER_SIZE + 1, b"\0"), HEADER_SIZE, Flaw::BadNameEnd);
    refused(&with(HEADER_SIZE, b"\xff"), HEADER_SIZE, Flaw::NameNotUtf8);
    let longest = "n".repeat(MAX_NAME);
    assert_eq!(examine::archive(&archive(&[item(&longest, FILE, b"1")])), Ok(1));
    let longer = archive(&[item(&(longest + "n"), FILE, b"1")]);
    refused(&longer, HEADER_SIZE, Flaw::NameTooLong);
}

#[test]
fn sizes() {
    refused(&with(FILE_SIZE, b"ffffffff"), HEADER_SIZE + 5, Flaw::CutData);
    refused(&with(FILE_SIZE, b"00001000"), HEADER_SIZE + 5, Flaw::CutData);
    // One that leads to the wrong place for the next header.
    refused(&with(FILE_SIZE, b"00000004"), TRAILER_AT - 4, Flaw::BadMagic);
    refused(&with(FILE_SIZE, b"0000000c"), TRAILER_AT + 4, Flaw::BadMagic);
}

#[test]
fn a_file_without_data_and_with_links() {
    let mut bytes = archive(&[item("init", FILE, b"")]);
    bytes[LINKS..LINKS + 8].copy_from_slice(b"00000002");
    refused(&bytes, 0, Flaw::HardLink);
    // A directory always has links, and data settles the matter.
    bytes[MODE..MODE + 8].copy_from_slice(b"000041ed");
    assert_eq!(examine::archive(&bytes), Ok(1));
    assert_eq!(examine::archive(&with(LINKS, b"00000002")), Ok(1));
}

#[test]
fn errors_say_where() {
    let error = Archive::new(&with(0, b"x")).find("init").unwrap_err();
    let text = "archive broken at offset 0x0: not a header of the cpio format newc";
    assert_eq!(error.to_string(), text);
}
