// SPDX-License-Identifier: Apache-2.0
//! A program's ELF file: whether it is what the kernel loads, and the part of
//! it that the kernel needs.

use anyhow::{Result, bail, ensure};
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Endianness, LittleEndian, U16, U64, pod};

/// Bytes of a page.
const PAGE: u64 = 4096;

type Header = FileHeader64<Endianness>;
type Segment = ProgramHeader64<Endianness>;

/// The file without what only debuggers read: headers and segments. It is
/// refused if it is not a static PIE whose segments are as they must be.
///
/// # Errors
/// Says what is wrong.
pub fn of(bytes: &[u8]) -> Result<Vec<u8>> {
    let end = check(bytes)?;
    let mut image = bytes.get(..end).unwrap_or(bytes).to_vec();
    let Ok((header, _)) = pod::from_bytes_mut::<FileHeader64<LittleEndian>>(&mut image) else {
        bail!("no header");
    };
    // The section headers are behind the cut.
    header.e_shoff = U64::new(LittleEndian, 0);
    header.e_shnum = U16::new(LittleEndian, 0);
    header.e_shstrndx = U16::new(LittleEndian, elf::SymbolSection(0));
    Ok(image)
}

/// Checks it. Where in the file the last segment ends.
fn check(bytes: &[u8]) -> Result<usize> {
    let header = Header::parse(bytes)?;
    let endian = header.endian()?;
    ensure!(header.is_little_endian(), "it is big-endian");
    ensure!(header.e_machine(endian) == elf::EM_RISCV, "it is of another machine");
    ensure!(header.e_type(endian) == elf::ET_DYN, "it cannot be placed anywhere");
    let segments = header.program_headers(endian, bytes)?;
    let mut end = 0;
    let mut loads: Vec<&Segment> = Vec::new();
    for segment in segments {
        match segment.p_type(endian) {
            // As the kernel does: what takes no memory is not there.
            elf::PT_LOAD if segment.p_memsz(endian) == 0 => continue,
            elf::PT_LOAD => loads.push(segment),
            // The kernel gives every stack what it gives.
            elf::PT_GNU_STACK => {}
            kind => bail!("it has a segment of type {kind:?}"),
        }
        let (at, length) = segment.file_range(endian);
        end = end.max(at.saturating_add(length));
    }
    check_loads(&loads, endian, header.e_entry(endian))?;
    let end = usize::try_from(end)?;
    ensure!(end <= bytes.len(), "a segment ends beyond the file");
    Ok(end)
}

fn check_loads(loads: &[&Segment], endian: Endianness, entry: u64) -> Result<()> {
    ensure!(!loads.is_empty(), "it has nothing to load");
    let mut free = 0;
    let mut may_enter = false;
    for segment in loads {
        let start = segment.p_vaddr(endian);
        let size = segment.p_memsz(endian);
        let flags = segment.p_flags(endian);
        let place = format!("the segment at {start:#x}");
        let is_writable = (flags & elf::PF_W).0 != 0;
        let is_executable = (flags & elf::PF_X).0 != 0;
        ensure!(!(is_writable && is_executable), "{place} is writable and executable");
        ensure!(start % PAGE == 0, "{place} does not begin with a page");
        ensure!(segment.p_offset(endian) % PAGE == 0, "{place} lies oddly in the file");
        ensure!(segment.p_filesz(endian) <= size, "{place} is smaller than what it holds");
        ensure!(start >= free, "{place} shares a page with the one before");
        free = start.saturating_add(size).next_multiple_of(PAGE);
        may_enter |= is_executable && (start..start.saturating_add(size)).contains(&entry);
    }
    ensure!(may_enter, "its entry {entry:#x} is not in what can be executed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of those segments (address, size, flags) in pages of the
    /// file, with something behind them.
    fn file(segments: &[(u64, u64, u32)], entry: u64) -> Vec<u8> {
        let mut bytes = vec![0_u8; 64];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(16, &3_u16.to_le_bytes());
        put(18, &243_u16.to_le_bytes());
        put(20, &1_u32.to_le_bytes());
        put(24, &entry.to_le_bytes());
        put(32, &64_u64.to_le_bytes());
        put(40, &7_u64.to_le_bytes());
        put(52, &64_u16.to_le_bytes());
        put(54, &56_u16.to_le_bytes());
        put(56, &u16::try_from(segments.len()).expect("few").to_le_bytes());
        put(58, &64_u16.to_le_bytes());
        put(60, &1_u16.to_le_bytes());
        for (start, size, flags) in segments {
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            for value in [start, start, start, size, size, &PAGE] {
                bytes.extend(value.to_le_bytes());
            }
        }
        bytes.resize(0x5000, 0xee);
        bytes
    }

    const GOOD: [(u64, u64, u32); 3] = [(0, 0x800, 4), (0x1000, 0x1800, 5), (0x3000, 0x10, 6)];

    #[test]
    fn the_kernel_gets_headers_and_segments() {
        let bytes = file(&GOOD, 0x1000);
        let image = of(&bytes).expect("good");
        assert_eq!(image.len(), 0x3010);
        assert_eq!(image[0x40..], bytes[0x40..0x3010]);
        assert_eq!(&image[40..48], &[0; 8], "no section headers");
        assert_eq!(of(&image).expect("still good"), image);
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused() {
        let refused = |segments: &[(u64, u64, u32)], entry| {
            of(&file(segments, entry)).map(|_| ()).expect_err("refused").to_string()
        };
        let [constants, text, data] = GOOD;
        assert!(refused(&[], 0).contains("nothing to load"));
        assert!(refused(&GOOD, 0).contains("entry"));
        assert!(refused(&GOOD, 0x2800).contains("entry"));
        assert!(refused(&[constants, (0x1000, 8, 7), data], 0x1000).contains("writable and exec"));
        assert!(refused(&[(0x10, 8, 4), text, data], 0x1000).contains("begin with a page"));
        assert!(refused(&[(0, 0x1001, 4), text, data], 0x1000).contains("shares a page"));
        assert!(refused(&[text, constants, data], 0x1000).contains("shares a page"));
        assert!(refused(&[constants, text, (0x3000, 0x9000, 6)], 0x1000).contains("beyond"));
    }

    #[test]
    fn a_segment_that_takes_no_memory_is_not_there() {
        let [constants, text, data] = GOOD;
        let image = of(&file(&[constants, text, (0, 0, 1), data], 0x1000)).expect("good");
        assert_eq!(image.len(), 0x3010);
        assert!(of(&file(&[(0x1000, 0, 5)], 0x1000)).is_err());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(of(b"").is_err());
        assert!(of(b"#!/bin/sh\n").is_err());
        let mut other = file(&GOOD, 0x1000);
        other[18] = 62;
        assert!(of(&other).expect_err("x86").to_string().contains("another machine"));
        let mut fixed = file(&GOOD, 0x1000);
        fixed[16] = 2;
        assert!(of(&fixed).expect_err("ET_EXEC").to_string().contains("placed anywhere"));
        let mut dynamic = file(&GOOD, 0x1000);
        dynamic[64] = 3;
        assert!(of(&dynamic).expect_err("PT_INTERP").to_string().contains("type"));
    }
}
