// SPDX-License-Identifier: Apache-2.0
//! Second opinions: `cpio_reader` on archives, `object` on programs. They
//! accept more than we do; what we accept they must read the same.

use crate::examine::MEMORY;
use object::LittleEndian;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use skimmer_program::archive::Archive;
use skimmer_program::image::Program;

/// Kinds of entries that the other reader knows.
const KINDS: u32 = 0o177_777;

/// Whether there was anything to compare.
pub(crate) fn archive(bytes: &[u8]) -> bool {
    let ours: Result<Vec<_>, _> = Archive::new(bytes).entries().collect();
    let Ok(ours) = ours else {
        return false;
    };
    if ours.iter().any(|entry| entry.mode & !KINDS != 0) {
        return false;
    }
    let theirs: Vec<_> = cpio_reader::iter_files(bytes).collect();
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(&theirs) {
        assert!(their.name().ends_with(our.name));
        assert_eq!((our.data, our.mode), (their.file(), their.mode().bits()));
    }
    true
}

/// Whether there was anything to compare.
pub(crate) fn program(file: &[u8]) -> bool {
    let Ok(ours) = Program::parse(file, MEMORY) else {
        return false;
    };
    let order = LittleEndian;
    let header = FileHeader64::<LittleEndian>::parse(file).expect("we accept it");
    let headers = header.program_headers(order, file).expect("we accept it");
    let is_load = |one: &&object::elf::ProgramHeader64<LittleEndian>| {
        one.p_type(order) == PT_LOAD && one.p_memsz(order) != 0
    };
    let theirs: Vec<_> = headers.iter().filter(is_load).collect();
    let segments: Vec<_> = ours.segments().collect();
    assert_eq!(segments.len(), theirs.len());
    for (our, their) in segments.iter().zip(theirs) {
        assert_eq!(our.address() as u64, their.p_vaddr(order));
        assert_eq!(our.size() as u64, their.p_memsz(order));
        if !our.bytes().is_empty() {
            assert_eq!(Ok(our.bytes()), their.data(order, file));
        }
        let flags = their.p_flags(order).0;
        let is_writable = flags & object::elf::PF_W.0 != 0;
        assert_eq!(our.protection().is_writable(), is_writable);
        assert_eq!(our.protection().is_executable(), flags & object::elf::PF_X.0 != 0);
        assert_eq!(our.protection().is_readable(), is_writable || flags & object::elf::PF_R.0 != 0);
    }
    assert_eq!(ours.entry() as u64, header.e_entry(order));
    true
}
