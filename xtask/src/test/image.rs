// SPDX-License-Identifier: Apache-2.0
//! The flat image against a second reading of the header's definition and of
//! the ELF file, which shares nothing with what made it. And what README says of the
//! kernel's size.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::traces::{Check, Outcome};
use crate::image::flat;
use crate::size;

/// Name and check.
pub const CASES: &[(&str, Check)] =
    &[("image-is-the-kernel", is_the_kernel), ("readme-size", |_, elf| size::check(elf).map(Some))];

/// Where the fields of a header are, and what must stand there (Linux,
/// Documentation/arch/riscv/boot-image-header.rst).
const FIELDS: &[(&str, usize, &[u8])] = &[
    // `jal x0, .+64`, behind the header, and `nop`.
    ("code0", 0, &[0x6f, 0x00, 0x00, 0x04]),
    ("code1", 4, &[0x13, 0, 0, 0]),
    ("text_offset", 8, &[0, 0, 0x20, 0, 0, 0, 0, 0]),
    ("flags", 24, &[0; 8]),
    ("version", 32, &[2, 0, 0, 0]),
    ("res1", 36, &[0; 4]),
    ("res2", 40, &[0; 8]),
    ("magic", 48, b"RISCV\0\0\0"),
    ("magic2", 56, b"RSC\x05"),
    ("res3", 60, &[0; 4]),
];

/// Where `image_size` is.
const IMAGE_SIZE: usize = 16;

fn is_the_kernel(_: &crate::setup::Tools, elf: &Path) -> Outcome {
    let elf = std::fs::read(elf)?;
    let image = flat(&elf)?;
    check(&elf, &image)?;
    Ok(Some(format!("{} bytes", image.len())))
}

/// Holds an image against the ELF file that it was made of.
fn check(elf: &[u8], image: &[u8]) -> Result<()> {
    for (name, at, due) in FIELDS {
        let found = image.get(*at..at + due.len()).with_context(|| format!("no {name}"))?;
        ensure!(found == *due, "{name} is {found:02x?}, {due:02x?} is due");
    }
    let loads = loads(elf)?;
    let end = loads.iter().map(|load| load.memory.end).max().context("no segments")?;
    let size = number::<8>(image, IMAGE_SIZE)?;
    ensure!(size == end.next_multiple_of(4096), "image_size is {size}, the kernel takes {end}");
    let mut at = 0;
    for load in &loads {
        let gap = image.get(at..load.place).context("cut, or out of order")?;
        ensure!(gap.iter().all(|byte| *byte == 0), "something stands before {:#x}", load.place);
        at = load.place + load.file.len();
        ensure!(image.get(load.place..at) == elf.get(load.file.clone()), "other bytes");
    }
    ensure!(at == image.len(), "{} bytes, {at} are due", image.len());
    Ok(())
}

/// A loadable segment: its bytes in the file, and where they go in the image.
struct Load {
    file: Range<usize>,
    place: usize,
    memory: Range<usize>,
}

/// The loadable segments, by the offsets of the ELF-64 object file format.
fn loads(elf: &[u8]) -> Result<Vec<Load>> {
    let (table, each, count) =
        (number::<8>(elf, 32)?, number::<2>(elf, 54)?, number::<2>(elf, 56)?);
    let mut loads = Vec::new();
    for at in (0..count).map(|index| table + index * each) {
        let (offset, physical) = (number::<8>(elf, at + 8)?, number::<8>(elf, at + 24)?);
        let (bytes, size) = (number::<8>(elf, at + 32)?, number::<8>(elf, at + 40)?);
        if number::<4>(elf, at)? == 1 && size > 0 {
            let memory = physical..physical + size;
            loads.push(Load { file: offset..offset + bytes, place: physical, memory });
        }
    }
    loads.sort_by_key(|load| load.place);
    let base = loads.first().map_or(0, |load| load.place);
    for load in &mut loads {
        load.place -= base;
        load.memory = load.memory.start - base..load.memory.end - base;
    }
    Ok(loads)
}

/// The little-endian number of `N` bytes at `at`.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<usize> {
    let bytes = bytes.get(at..at + N).context("the file is cut")?;
    Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the first segment is in the file made below.
    const FIRST: usize = 0x200;

    /// A kernel with the header of a good one: three segments with gaps between,
    /// out of order in the table, and zeros at the end.
    fn kernel() -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(16, 0);
        let mut put = |bytes: &[u8]| elf.extend(bytes);
        put(&[2, 0, 243, 0, 1, 0, 0, 0]);
        for long in [0xffff_ffff_8020_0000_u64, 64, 0] {
            put(&long.to_le_bytes());
        }
        put(&[0, 0, 0, 0, 64, 0, 56, 0, 4, 0, 64, 0, 0, 0, 0, 0]);
        let segments: [(u32, u64, u64, u64, u64); 4] = [
            (1, 0x300, 0x5000, 3, 0x2010),
            (1, 0x200, 0, 80, 80),
            (0x7000_0003, 0x200, 0, 9, 9),
            (1, 0x280, 0x2000, 16, 16),
        ];
        for (kind, offset, at, bytes, size) in segments {
            put(&kind.to_le_bytes());
            put(&[7, 0, 0, 0]);
            let (linked, loaded) = (0xffff_ffff_8020_0000 + at, 0x8020_0000 + at);
            for long in [offset, linked, loaded, bytes, size, 4096] {
                put(&long.to_le_bytes());
            }
        }
        elf.resize(FIRST, 0xee);
        for (_, at, due) in FIELDS {
            elf.resize(elf.len().max(FIRST + at), 0);
            elf.extend(*due);
        }
        elf.splice(FIRST + IMAGE_SIZE..FIRST + IMAGE_SIZE + 8, 0x8000_u64.to_le_bytes());
        elf.extend((0..0x200_u32).map(|byte| byte.to_le_bytes()[0] | 1));
        elf
    }

    type Change = fn(&mut Vec<u8>);

    fn with(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut kernel = kernel();
        change(&mut kernel);
        kernel
    }

    #[test]
    fn an_image_is_the_segments_of_its_kernel_and_zeros_between() {
        let (elf, image) = (kernel(), flat(&kernel()).expect("a kernel"));
        check(&elf, &image).expect("the same");
        assert_eq!(image.len(), 0x5003);
        assert_eq!((image[64], image[0x2000], image[0x5002]), (elf[0x240], elf[0x280], elf[0x302]));
        // Whatever is changed is seen, and what is longer or shorter.
        for at in (0..image.len()).step_by(7).chain(0..80) {
            let mut other = image.clone();
            other[at] ^= 0x10;
            assert!(check(&elf, &other).is_err(), "{at:#x}");
        }
        assert!(check(&elf, &image[..image.len() - 1]).is_err());
        assert!(check(&elf, &[image.clone(), vec![0]].concat()).is_err());
    }

    #[test]
    fn no_image_is_made_that_would_not_start() {
        // Not the field that no loader reads, and not the two instructions.
        for (name, at, _) in FIELDS.iter().filter(|(name, ..)| !name.starts_with(['c', 'r'])) {
            let kernel = with(|kernel| kernel[FIRST + at] ^= 0x10);
            assert!(flat(&kernel).is_err(), "{name}");
        }
        for size in [0_u64, 0x7000, 0x700f, 0x8010, u64::MAX] {
            let field = FIRST + IMAGE_SIZE..FIRST + IMAGE_SIZE + 8;
            let kernel = with(|kernel| kernel[field].copy_from_slice(&size.to_le_bytes()));
            assert!(flat(&kernel).is_err(), "{size:#x}");
        }
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let changes: [(&str, Change); 7] = [
            ("of another machine", |k| k[18] = 62),
            ("big-endian", |k| k[5] = 2),
            ("does not begin at its first byte", |k| k[24] = 4),
            ("ends beyond the file", |k| k.truncate(0x302)),
            ("overlap", |k| k[64 + 3 * 56 + 25] = 0),
            ("more bytes than it takes", |k| k[64 + 40..64 + 42].copy_from_slice(&[2, 0])),
            ("no segments", |k| k[56] = 0),
        ];
        for (why, change) in changes {
            let error = flat(&with(change)).expect_err(why);
            assert!(error.to_string().contains(why), "{error:#}");
        }
        assert!(flat(&[]).is_err());
    }
}
