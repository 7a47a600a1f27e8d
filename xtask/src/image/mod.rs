// SPDX-License-Identifier: Apache-2.0
//! The flat boot image: the linked kernel as its bytes lie in memory, for boot
//! loaders that know no ELF.
//!
//! Invariant: the image is the ELF file's segments and zeros between them,
//! nothing is added or changed. The header that loaders read is the kernel's
//! own (`boot.S`); an image is refused whose header they would not take, or
//! would take for something else than the kernel that follows it.

pub mod command;
pub mod header;
pub mod u_boot;

use anyhow::{Context as _, Result, ensure};
use object::Endianness;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

pub use header::Header;

/// A kernel that takes more is none.
const MOST_BYTES: u64 = 256 << 20;

/// What an ELF file puts into memory.
struct Segment<'a> {
    /// Its place, from the lowest address on.
    at: u64,
    bytes: &'a [u8],
    /// How much it takes, zeros behind the bytes among it.
    size: u64,
}

/// The flat image of the kernel in an ELF file.
///
/// # Errors
/// When it is no kernel, or boot loaders could not start it.
pub fn flat(file: &[u8]) -> Result<Vec<u8>> {
    let segments = segments(file)?;
    let mut image = Vec::new();
    let mut end = 0;
    for segment in &segments {
        ensure!(segment.at >= end, "two segments overlap");
        end = segment.at.saturating_add(segment.size);
        ensure!(end <= MOST_BYTES, "it takes more than {} MiB", MOST_BYTES >> 20);
        if !segment.bytes.is_empty() {
            image.resize(usize::try_from(segment.at)?, 0);
            image.extend_from_slice(segment.bytes);
        }
    }
    Header::of(&image).and_then(|header| header.check(end)).context("the boot image's header")?;
    Ok(image)
}

/// The segments that take memory, by their places.
fn segments(file: &[u8]) -> Result<Vec<Segment<'_>>> {
    let header = FileHeader64::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    ensure!(header.is_little_endian(), "it is big-endian");
    ensure!(header.e_machine(endian) == elf::EM_RISCV, "it is of another machine");
    let takes_memory = |segment: &&ProgramHeader64<Endianness>| {
        segment.p_type(endian) == elf::PT_LOAD && segment.p_memsz(endian) > 0
    };
    let mut loads: Vec<_> =
        header.program_headers(endian, file)?.iter().filter(takes_memory).collect();
    loads.sort_by_key(|segment| segment.p_paddr(endian));
    let first = loads.first().context("it has no segments")?;
    let (base, entry) = (first.p_paddr(endian), first.p_vaddr(endian));
    ensure!(header.e_entry(endian) == entry, "it does not begin at its first byte");
    let segment = |load: &&ProgramHeader64<Endianness>| {
        let (at, size) = (load.p_paddr(endian) - base, load.p_memsz(endian));
        let bytes = load.data(endian, file).ok().context("a segment ends beyond the file")?;
        ensure!(bytes.len() as u64 <= size, "a segment has more bytes than it takes");
        Ok(Segment { at, bytes, size })
    };
    loads.iter().map(segment).collect()
}
