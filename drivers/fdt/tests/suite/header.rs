// SPDX-License-Identifier: Apache-2.0
//! Headers that must be refused, and the sizes a kernel may believe.

use crate::builder::item;
use skimmer_fdt::{Block, Fdt, FdtError, HEADER_SIZE, MAX_SIZE, total_size};

fn small() -> Vec<u8> {
    item("").word("x", 1).blob()
}

fn with_field(offset: usize, value: u32) -> Vec<u8> {
    let mut blob = small();
    blob[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
    blob
}

fn refusal(blob: &[u8]) -> FdtError {
    Fdt::new(blob).expect_err("this blob must be refused")
}

#[test]
fn size_from_the_header_alone() {
    let blob = small();
    let header = blob.first_chunk::<HEADER_SIZE>().expect("a header");
    assert_eq!(total_size(header), Ok(blob.len()));
}

#[test]
fn size_is_bounded() {
    let huge = u32::try_from(MAX_SIZE + 1).expect("fits");
    for size in [0, 39, huge, u32::MAX] {
        let blob = with_field(4, size);
        let header = blob.first_chunk::<HEADER_SIZE>().expect("a header");
        assert_eq!(total_size(header), Err(FdtError::BadSize(size)));
        assert_eq!(refusal(&blob), FdtError::BadSize(size));
    }
}

#[test]
fn bad_magic() {
    assert_eq!(refusal(&with_field(0, 0xdead_beef)), FdtError::BadMagic(0xdead_beef));
    assert_eq!(refusal(&[0; 64]), FdtError::BadMagic(0));
}

#[test]
fn shorter_than_a_header() {
    for have in 0..HEADER_SIZE {
        let expected = FdtError::TooShort { need: HEADER_SIZE, have };
        assert_eq!(refusal(&small()[..have]), expected);
    }
}

#[test]
fn cut_short() {
    let blob = small();
    for have in HEADER_SIZE..blob.len() {
        let expected = FdtError::TooShort { need: blob.len(), have };
        assert_eq!(refusal(&blob[..have]), expected);
    }
}

#[test]
fn longer_than_it_says_is_fine() {
    let mut blob = small();
    let size = blob.len();
    blob.extend([0xff; 100]);
    assert_eq!(Fdt::new(&blob).expect("still a tree").total_size(), size);
}

#[test]
fn versions() {
    for (version, last_compatible) in [(15, 15), (3, 1), (18, 18), (u32::MAX, u32::MAX)] {
        let mut blob = with_field(20, version);
        blob[24..28].copy_from_slice(&last_compatible.to_be_bytes());
        assert_eq!(refusal(&blob), FdtError::BadVersion { version, last_compatible });
    }
    let mut newest = with_field(20, 17);
    newest[24..28].copy_from_slice(&17u32.to_be_bytes());
    assert!(Fdt::new(&newest).is_ok());
    // A newer version that older readers can read.
    assert!(Fdt::new(&with_field(20, 18)).is_ok());
}

#[test]
fn version_16_has_no_structure_size() {
    let mut blob = with_field(20, 16);
    blob[36..40].copy_from_slice(&u32::MAX.to_be_bytes());
    let tree = Fdt::new(&blob).expect("the size field does not exist yet");
    assert_eq!(tree.nodes().next().expect("a root").u32("x"), Ok(1));
    blob[8..12].copy_from_slice(&57u32.to_be_bytes());
    assert_eq!(refusal(&blob), FdtError::BadBlock(Block::Structure));
}

#[test]
fn blocks_out_of_place() {
    let end = u32::try_from(small().len()).expect("fits");
    // Offset or size, where it is, and the block that is then out of place.
    let cases = [
        (8, 4, Block::Structure),
        (8, 57, Block::Structure),
        (8, u32::MAX - 3, Block::Structure),
        (8, end, Block::Structure),
        (36, end, Block::Structure),
        (36, u32::MAX - 3, Block::Structure),
        (36, 23, Block::Structure),
        (12, 0, Block::Strings),
        (12, end, Block::Strings),
        (32, end, Block::Strings),
        (32, u32::MAX, Block::Strings),
        (16, 0, Block::Reservations),
        (16, 44, Block::Reservations),
        (16, end, Block::Reservations),
        (16, u32::MAX - 7, Block::Reservations),
    ];
    for (offset, value, block) in cases {
        let error = refusal(&with_field(offset, value));
        assert_eq!(error, FdtError::BadBlock(block), "field {offset} = {value}");
    }
}

#[test]
fn reservations_without_an_end() {
    let mut blob = small();
    // Overwrite the terminator; nothing after it is sixteen zeros.
    blob[40..56].fill(1);
    assert_eq!(refusal(&blob), FdtError::BadBlock(Block::Reservations));
}

#[test]
fn misaligned_reservations() {
    let mut blob = small();
    // Sixteen more zeros: a terminator could be read four bytes later, too.
    blob.splice(56..56, [0; 16]);
    for field in [4, 8, 12] {
        let old = u32::from_be_bytes(blob[field..field + 4].try_into().expect("four bytes"));
        blob[field..field + 4].copy_from_slice(&(old + 16).to_be_bytes());
    }
    assert!(Fdt::new(&blob).is_ok());
    blob[16..20].copy_from_slice(&44u32.to_be_bytes());
    assert_eq!(refusal(&blob), FdtError::BadBlock(Block::Reservations));
}

#[test]
fn errors_say_what_is_wrong() {
    let text = refusal(&with_field(0, 1)).to_string();
    assert_eq!(text, "not a device tree: magic 0x00000001");
    let text = refusal(&small()[..50]).to_string();
    assert!(text.contains("50 bytes of"), "{text}");
}
