// SPDX-License-Identifier: Apache-2.0
//! The table for dynamic linkers, which must not ask for one.

use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::parse::ParsingTable;
use elf::segment::ProgramHeader;

use super::ElfError;
use super::header::part;

/// The bit of `DT_FLAGS` that says what `DT_TEXTREL` says.
const TEXTREL: u64 = abi::DF_TEXTREL.unsigned_abs();

/// The program needs no library, and no relocation of what is read-only.
///
/// The table is read where the header says it is in the file. That the program
/// finds the same one in its memory is its own matter.
pub(super) fn check(file: &[u8], header: &ProgramHeader) -> Result<(), ElfError> {
    let size = usize::try_from(header.p_filesz).map_err(|_| ElfError::BadDynamic)?;
    let bytes = part(file, header.p_offset, size).ok_or(ElfError::BadDynamic)?;
    let table: ParsingTable<'_, _, elf::dynamic::Dyn> =
        ParsingTable::new(LittleEndian, Class::ELF64, bytes);
    for entry in table.iter() {
        match entry.d_tag {
            abi::DT_NULL => return Ok(()),
            abi::DT_NEEDED => return Err(ElfError::NeedsLibrary),
            abi::DT_TEXTREL => return Err(ElfError::TextRelocations),
            abi::DT_FLAGS if entry.d_val() & TEXTREL != 0 => {
                return Err(ElfError::TextRelocations);
            }
            _ => {}
        }
    }
    // The start code would read on behind it.
    Err(ElfError::BadDynamic)
}
