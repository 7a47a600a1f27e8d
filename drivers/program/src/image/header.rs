// SPDX-License-Identifier: Apache-2.0
//! The ELF header, and the table of program headers.

use elf::abi;
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader};
use elf::parse::ParseAt as _;
use elf::segment::ProgramHeader;

use super::{ElfError, Kind, MAX_HEADERS};

/// Bytes in a program header.
const PROGRAM_HEADER_SIZE: usize = 56;

/// The flags of programs that run here: with compressed instructions, and for
/// any float ABI that fits the registers of RV64GC (none, single, double).
/// Others ask for other registers (RVE, quad) or another memory order (TSO).
const FLAGS: u32 = abi::EF_RISCV_RVC | abi::EF_RISCV_FLOAT_ABI_MASK;

/// What of the header is not settled by its being accepted.
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) entry: u64,
    raw: FileHeader<LittleEndian>,
}

impl Header {
    pub(super) fn read(file: &[u8]) -> Result<Self, ElfError> {
        check_ident(file)?;
        let cut = ElfError::TooShort { have: file.len() };
        let tail = file.get(abi::EI_NIDENT..).ok_or(cut)?;
        let ident = (LittleEndian, Class::ELF64, abi::ELFOSABI_NONE, 0);
        let raw = FileHeader::parse_tail(ident, tail).map_err(|_| cut)?;
        if raw.version != u32::from(abi::EV_CURRENT) {
            return Err(ElfError::WrongVersion(raw.version));
        }
        if raw.e_machine != abi::EM_RISCV {
            return Err(ElfError::WrongMachine(raw.e_machine));
        }
        let kind = match raw.e_type {
            abi::ET_EXEC => Kind::Fixed,
            abi::ET_DYN => Kind::Pie,
            other => return Err(ElfError::WrongType(other)),
        };
        let is_quad = raw.e_flags & abi::EF_RISCV_FLOAT_ABI_MASK == abi::EF_RISCV_FLOAT_ABI_QUAD;
        if raw.e_flags & !FLAGS != 0 || is_quad {
            return Err(ElfError::UnsupportedFlags(raw.e_flags));
        }
        Ok(Self { kind, entry: raw.e_entry, raw })
    }

    pub(super) fn program_headers<'a>(&self, file: &'a [u8]) -> Result<Headers<'a>, ElfError> {
        let count = self.raw.e_phnum;
        // An offset of 0 says that there is no table (gABI, "ELF Header").
        if count == 0 || self.raw.e_phoff == 0 {
            return Err(ElfError::NoSegments);
        }
        if count > MAX_HEADERS {
            return Err(ElfError::TooManyHeaders(count));
        }
        if usize::from(self.raw.e_phentsize) != PROGRAM_HEADER_SIZE {
            return Err(ElfError::BadHeaderSize(self.raw.e_phentsize));
        }
        let size = usize::from(count).saturating_mul(PROGRAM_HEADER_SIZE);
        let table = part(file, self.raw.e_phoff, size).ok_or(ElfError::CutHeaders)?;
        let (table, _) = table.as_chunks();
        Ok(Headers { table })
    }

    /// What an instruction's address must be a multiple of.
    pub(super) const fn instruction_alignment(&self) -> usize {
        if self.raw.e_flags & abi::EF_RISCV_RVC != 0 { 2 } else { 4 }
    }
}

/// The sixteen bytes that come before the byte order is known.
fn check_ident(file: &[u8]) -> Result<(), ElfError> {
    let cut = ElfError::TooShort { have: file.len() };
    // What is no ELF file at all is told even if it is short.
    if !file.iter().zip(&abi::ELFMAGIC).all(|(byte, expected)| byte == expected) {
        return Err(ElfError::NotElf);
    }
    let ident = file.first_chunk::<{ abi::EI_NIDENT }>().ok_or(cut)?;
    let [_, _, _, _, class, order, version, os, ..] = *ident;
    if class != abi::ELFCLASS64 {
        return Err(ElfError::WrongClass(class));
    }
    if order != abi::ELFDATA2LSB {
        return Err(ElfError::WrongByteOrder(order));
    }
    if version != abi::EV_CURRENT {
        return Err(ElfError::WrongVersion(u32::from(version)));
    }
    if os != abi::ELFOSABI_NONE {
        return Err(ElfError::WrongSystem(os));
    }
    Ok(())
}

/// The bytes of a file from an offset that it claims itself.
pub(super) fn part(file: &[u8], offset: u64, size: usize) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    file.get(start..start.checked_add(size)?)
}

/// At most [`MAX_HEADERS`] program headers, all of them in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers<'a> {
    table: &'a [[u8; PROGRAM_HEADER_SIZE]],
}

impl Headers<'_> {
    pub(super) fn get(&self, index: usize) -> Option<ProgramHeader> {
        let bytes = self.table.get(index)?;
        ProgramHeader::parse_at(LittleEndian, Class::ELF64, &mut 0, bytes).ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ProgramHeader> {
        (0..self.table.len()).map_while(|index| self.get(index))
    }

    pub(super) const fn len(&self) -> usize {
        self.table.len()
    }
}
