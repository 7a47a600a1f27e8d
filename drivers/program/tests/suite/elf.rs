// SPDX-License-Identifier: Apache-2.0
//! Programs, good ones and ones with one thing wrong.

use crate::builder::{BODY, DYNAMIC, ENTRY, Elf, INTERP, LOAD, R, STACK, TABLE, W, X};
use crate::examine::{self, MEMORY};
use skimmer_program::image::{
    ElfError, HIGHEST, Kind, LOWEST, MAX_ALIGNMENT, MAX_HEADERS, PlaceError, Program, Protection,
    SegmentFlaw,
};

type Change = fn(&mut Elf);

/// What becomes of a fixed program that is changed.
fn changed(change: impl FnOnce(&mut Elf)) -> Result<usize, ElfError> {
    let mut elf = Elf::fixed();
    change(&mut elf);
    examine::program(&elf.bytes())
}

/// What becomes of a PIE that is changed.
fn changed_pie(change: impl FnOnce(&mut Elf)) -> Result<usize, ElfError> {
    let mut elf = Elf::pie();
    change(&mut elf);
    examine::program(&elf.bytes())
}

fn flaw(header: usize, flaw: SegmentFlaw) -> Result<usize, ElfError> {
    Err(ElfError::Segment { header, flaw })
}

#[test]
fn a_table_at_offset_0_is_none() {
    let file = include_bytes!("../programs/table-at-zero.elf");
    assert_eq!(examine::program(file), Err(ElfError::NoSegments));
}

#[test]
fn a_program_at_fixed_addresses() {
    let bytes = Elf::fixed().bytes();
    assert_eq!(examine::program(&bytes), Ok(3));
    let program = Program::parse(&bytes, MEMORY).unwrap();
    assert_eq!((program.kind(), program.entry()), (Kind::Fixed, 0x1_1414));
    assert_eq!((program.extent(), program.memory()), (0x1_0000..0x1_4000, 0x4000));
    let segments: Vec<_> = program.segments().collect();
    let all: Vec<_> = segments.iter().map(|s| (s.address(), s.size(), s.protection())).collect();
    assert_eq!(all[0], (0x1_0400, 9, Protection::ReadOnly));
    assert_eq!(all[1], (0x1_1410, 32, Protection::ReadExecute));
    assert_eq!(all[2], (0x1_2430, 0x1800, Protection::ReadWrite));
    assert_eq!((segments[0].bytes(), segments[2].bytes()), (&b"constants"[..], &b"data"[..]));
    assert_eq!(segments[2].pages(), 0x1_2000..0x1_4000);
    assert_eq!(program.placed_at(0).unwrap().entry(), program.entry());
    assert_eq!(program.placed_at(4096).map(|_| ()), Err(PlaceError::Fixed));
}

#[test]
fn a_static_pie() {
    let bytes = Elf::pie().bytes();
    assert_eq!(examine::program(&bytes), Ok(3));
    let program = Program::parse(&bytes, MEMORY).unwrap();
    assert_eq!((program.kind(), program.extent()), (Kind::Pie, 0..0x4000));
    let placed = program.placed_at(0x20_0000).unwrap();
    assert_eq!((placed.entry(), placed.extent()), (0x20_1414, 0x20_0000..0x20_4000));
    assert_eq!(placed.segments().nth(2).unwrap().address(), 0x20_2430);
    let refused = [
        (0, PlaceError::OutsideUserHalf),
        (LOWEST - 4096, PlaceError::OutsideUserHalf),
        (LOWEST + 1, PlaceError::Misaligned),
        (HIGHEST - 0x3000, PlaceError::OutsideUserHalf),
        (usize::MAX - 4095, PlaceError::OutsideUserHalf),
    ];
    for (bias, error) in refused {
        assert_eq!(program.placed_at(bias).map(|_| ()), Err(error), "{bias:#x}");
    }
    assert!(program.placed_at(LOWEST).is_ok());
    assert!(program.placed_at(HIGHEST - 0x4000).is_ok());
}

#[test]
fn every_truncation() {
    for whole in [Elf::fixed().bytes(), Elf::pie().bytes()] {
        let end = whole.len() - 4;
        for length in 0..whole.len() {
            let outcome = examine::program(&whole[..length]);
            assert_eq!(outcome.is_ok(), length >= end, "{length}");
            match length {
                0..64 => assert_eq!(outcome, Err(ElfError::TooShort { have: length })),
                64..288 => assert_eq!(outcome, Err(ElfError::CutHeaders)),
                _ => {}
            }
        }
    }
}

#[test]
fn the_elf_header() {
    let refused: [(Change, ElfError); 16] = [
        (|e| e.ident[0] = 0, ElfError::NotElf),
        (|e| e.ident[3] = b'f', ElfError::NotElf),
        (|e| e.ident[4] = 1, ElfError::WrongClass(1)),
        (|e| e.ident[5] = 2, ElfError::WrongByteOrder(2)),
        (|e| e.ident[6] = 0, ElfError::WrongVersion(0)),
        (|e| e.ident[7] = 3, ElfError::WrongSystem(3)),
        (|e| e.version = 2, ElfError::WrongVersion(2)),
        (|e| e.machine = 62, ElfError::WrongMachine(62)),
        (|e| e.machine = 0xf300, ElfError::WrongMachine(0xf300)),
        (|e| e.kind = 1, ElfError::WrongType(1)),
        (|e| e.kind = 4, ElfError::WrongType(4)),
        (|e| e.entry_size = 32, ElfError::BadHeaderSize(32)),
        (|e| e.count = Some(0), ElfError::NoSegments),
        (|e| e.count = Some(0xffff), ElfError::TooManyHeaders(0xffff)),
        (|e| e.table = 1 << 40, ElfError::CutHeaders),
        (|e| e.table = u64::MAX, ElfError::CutHeaders),
    ];
    for (change, error) in refused {
        assert_eq!(changed(change), Err(error));
    }
    assert_eq!(examine::program(b""), Err(ElfError::TooShort { have: 0 }));
    assert_eq!(examine::program(b"#!/bin/sh\n"), Err(ElfError::NotElf));
}

#[test]
fn what_the_processor_must_have() {
    // Float ABI in bits 1 and 2; bit 0 says compressed instructions.
    for flags in 0..6 {
        assert_eq!(changed(|e| e.flags = flags), Ok(3), "{flags:#x}");
    }
    for flags in [6, 7, 8, 0xd, 0x10, 0x15, 0x20, 0x8000_0005] {
        assert_eq!(changed(|e| e.flags = flags), Err(ElfError::UnsupportedFlags(flags)));
    }
}

#[test]
fn as_many_headers_as_allowed_and_one_more() {
    let with = |count: u64| {
        let mut elf = Elf::fixed();
        let more = count - elf.headers.len() as u64;
        for number in 0..more {
            // Backwards: the order of segments does not matter.
            elf.load(0x20_0000 + (more - number) * 0x1000, R | W, b"", 1);
        }
        // Behind the headers.
        for header in &mut elf.headers {
            header.offset += 0x1000;
        }
        let body = elf.body.clone();
        elf.body = vec![0; 0x1000 - (64 + 56 * usize::try_from(count).unwrap() - 0x400)];
        elf.body.extend(body);
        examine::program(&elf.bytes())
    };
    let most = u64::from(MAX_HEADERS);
    assert_eq!(with(most), Ok(63));
    assert_eq!(with(most + 1), Err(ElfError::TooManyHeaders(MAX_HEADERS + 1)));
}

#[test]
fn dynamic_linking() {
    let with = |entries: &[(u64, u64)]| {
        changed_pie(|e| {
            e.dynamic(entries);
        })
    };
    assert_eq!(with(&[(7, 0x280), (8, 24), (0x6fff_fffb, 1 << 27), (0, 0)]), Ok(3));
    assert_eq!(with(&[(0, 0), (1, 1)]), Ok(3));
    assert_eq!(with(&[(1, 1), (0, 0)]), Err(ElfError::NeedsLibrary));
    assert_eq!(with(&[(22, 0), (0, 0)]), Err(ElfError::TextRelocations));
    assert_eq!(with(&[(30, 4), (0, 0)]), Err(ElfError::TextRelocations));
    assert_eq!(with(&[(30, 8), (0, 0)]), Ok(3));
    assert_eq!(with(&[(7, 0x280)]), Err(ElfError::BadDynamic));
    assert_eq!(with(&[]), Err(ElfError::BadDynamic));
    let twice = changed_pie(|e| {
        e.dynamic(&[(0, 0)]);
        e.dynamic(&[(0, 0)]);
    });
    assert_eq!(twice, Err(ElfError::BadDynamic));
    let outside = changed_pie(|e| e.add(DYNAMIC, R).offset = 1 << 50);
    assert_eq!(outside, Err(ElfError::BadDynamic));
    let huge = changed_pie(|e| e.add(DYNAMIC, R).file_size = u64::MAX);
    assert_eq!(huge, Err(ElfError::BadDynamic));
    // A program at fixed addresses can ask for libraries, too.
    let fixed = changed(|e| {
        e.dynamic(&[(1, 1), (0, 0)]);
    });
    assert_eq!(fixed, Err(ElfError::NeedsLibrary));
    let interpreter = changed(|e| {
        e.add(INTERP, R);
    });
    assert_eq!(interpreter, Err(ElfError::Interpreter));
}

#[test]
fn an_executable_stack() {
    assert_eq!(changed(|e| e.headers[3].flags = R | W | X), Err(ElfError::ExecutableStack));
    assert_eq!(changed(|e| e.headers[3].flags = 0), Ok(3));
    assert_eq!(changed(|e| e.headers.truncate(3)), Ok(3));
    assert_eq!(changed(|e| e.headers.insert(0, e.headers[3].clone())), Ok(3));
    assert_eq!(Elf::fixed().headers[3].kind, STACK);
}

#[test]
fn protections() {
    for flags in 0..8 {
        let outcome = changed(|e| e.headers[0].flags = flags);
        let expected = match flags {
            0 => flaw(0, SegmentFlaw::NoAccess),
            3 | 7 => flaw(0, SegmentFlaw::WritableCode),
            _ => Ok(3),
        };
        assert_eq!(outcome, expected, "{flags}");
    }
    let protection = |flags| {
        let mut elf = Elf::fixed();
        elf.headers[0].flags = flags;
        let bytes = elf.bytes();
        let program = Program::parse(&bytes, MEMORY).unwrap();
        program.segments().next().unwrap().protection()
    };
    assert_eq!(protection(X), Protection::ExecuteOnly);
    assert_eq!(protection(W), Protection::ReadWrite);
    assert_eq!(protection(R | 0x0ff0_0000), Protection::ReadOnly);
}

#[test]
fn a_segment_and_the_file() {
    let outside = || flaw(0, SegmentFlaw::OutsideFile);
    assert_eq!(changed(|e| e.headers[0].offset = 0x7f_f400), outside());
    assert_eq!(changed(|e| e.headers[0].offset = u64::MAX), outside());
    let large = |e: &mut Elf| (e.headers[0].file_size, e.headers[0].size) = (0x800, 0x800);
    assert_eq!(changed(large), outside());
    let most = |e: &mut Elf| (e.headers[0].file_size, e.headers[0].size) = (1 << 40, 1 << 40);
    assert_eq!(changed(most), outside());
    assert_eq!(changed(|e| e.headers[0].file_size = 10), flaw(0, SegmentFlaw::LargerInFile));
    assert_eq!(changed(|e| e.headers[0].size = 8), flaw(0, SegmentFlaw::LargerInFile));
    assert_eq!(changed(|e| e.headers[0].size = 0), flaw(0, SegmentFlaw::LargerInFile));
    // Nothing in the file: its offset does not matter.
    assert_eq!(changed(|e| (e.headers[2].file_size, e.headers[2].offset) = (0, 1 << 60)), Ok(3));
    // Nothing anywhere: nothing matters.
    assert_eq!(changed(|e| e.add(LOAD, W | X).address = u64::MAX), Ok(3));
}

#[test]
fn a_segment_and_its_alignment() {
    for align in [0, 1, 8, 0x1000] {
        assert_eq!(changed(|e| e.headers[0].align = align), Ok(3), "{align:#x}");
    }
    for align in [3, 0x1001, MAX_ALIGNMENT as u64 * 2, 1 << 63, u64::MAX] {
        let expected = flaw(0, SegmentFlaw::BadAlignment(align));
        assert_eq!(changed(|e| e.headers[0].align = align), expected);
    }
    assert_eq!(changed(|e| e.headers[0].address += 1), flaw(0, SegmentFlaw::Misplaced));
    assert_eq!(changed(|e| e.headers[2].address -= 0x30), flaw(2, SegmentFlaw::Misplaced));
    // The same within a page is enough for pages, not for what it asks for.
    let large = MAX_ALIGNMENT as u64;
    assert_eq!(changed(|e| e.headers[2].align = large), flaw(2, SegmentFlaw::Misplaced));
    let moved = |e: &mut Elf| {
        e.headers[2].align = large;
        e.headers[2].address = 2 * large + BODY + 0x30;
    };
    assert_eq!(changed(moved), Ok(3));
    let mut elf = Elf::pie();
    moved(&mut elf);
    let bytes = elf.bytes();
    let program = Program::parse(&bytes, MEMORY).unwrap();
    assert_eq!(program.alignment(), MAX_ALIGNMENT);
    assert_eq!(program.placed_at(LOWEST).map(|_| ()), Err(PlaceError::Misaligned));
    assert!(program.placed_at(MAX_ALIGNMENT).is_ok());
}

#[test]
fn segments_share_no_page() {
    let overlaps = |other| SegmentFlaw::Overlaps { other };
    let low = |e: &mut Elf| e.headers[1].address -= 0x1000;
    assert_eq!(changed(low), flaw(1, overlaps(0)));
    // The last byte of one on the first page of the other.
    assert_eq!(changed(|e| e.headers[0].size = 0xc00), Ok(3));
    assert_eq!(changed(|e| e.headers[0].size = 0xc01), flaw(1, overlaps(0)));
    // In the middle, around it, and whatever their order and protections.
    assert_eq!(changed(|e| e.headers[0].size = 0x10_0000), flaw(1, overlaps(0)));
    let twice = |e: &mut Elf| e.headers.push(e.headers[0].clone());
    assert_eq!(changed(twice), flaw(4, overlaps(0)));
    let backwards = |e: &mut Elf| e.headers[..3].reverse();
    assert_eq!(changed(backwards), Ok(3));
    let both = |e: &mut Elf| {
        backwards(e);
        e.headers[2].size = 0x1000;
    };
    assert_eq!(changed(both), flaw(2, overlaps(1)));
}

#[test]
fn segments_stay_in_the_user_half() {
    let outside = || flaw(0, SegmentFlaw::OutsideUserHalf);
    let at = |address: usize| {
        let address = address as u64;
        move |e: &mut Elf| e.headers[0].address = address + BODY
    };
    assert_eq!(changed(at(LOWEST)), Ok(3));
    assert_eq!(changed(at(LOWEST - 4096)), outside());
    assert_eq!(changed(at(0)), outside());
    assert_eq!(changed_pie(at(0)), Ok(3));
    assert_eq!(changed(at(HIGHEST - 4096)), Ok(3));
    assert_eq!(changed(at(HIGHEST)), outside());
    assert_eq!(changed_pie(at(HIGHEST)), outside());
    assert_eq!(changed(at(1 << 38)), outside());
    assert_eq!(changed(at(0xffff_ffc0_0000_0000)), outside());
    let wraps = || flaw(0, SegmentFlaw::Wraps);
    assert_eq!(changed(at(usize::MAX - 4095)), wraps());
    assert_eq!(changed(|e| e.headers[0].size = u64::MAX), wraps());
    assert_eq!(changed(|e| e.headers[0].size = u64::MAX - 0x1_0400), wraps());
}

#[test]
fn a_pie_that_fits_nowhere() {
    // The last of four pages ends where the highest address is, placed as low
    // as may be.
    let by = |distance: usize, align: usize| {
        changed_pie(move |e| {
            e.headers[2].address += distance as u64;
            e.headers[0].align = align as u64;
            e.headers[0].address = BODY;
        })
    };
    let most = HIGHEST - LOWEST - 0x4000;
    assert_eq!(by(most, 0x1000), Ok(3));
    assert_eq!(by(most + 0x1000, 0x1000), Err(ElfError::TooSpread));
    // As low as a large alignment allows.
    let most = HIGHEST - MAX_ALIGNMENT - 0x4000;
    assert_eq!(by(most, MAX_ALIGNMENT), Ok(3));
    assert_eq!(by(most + 0x1000, MAX_ALIGNMENT), Err(ElfError::TooSpread));
    assert_eq!(by(most + 0x1000, 0x1000), Ok(3));
}

#[test]
fn memory_has_a_limit() {
    let size = |size: u64| move |e: &mut Elf| e.headers[2].size = size;
    // Three pages more than this one: its first and the two others'.
    let most = MEMORY as u64 - 0x2000 - 0x430;
    assert_eq!(changed(size(most)), Ok(3));
    let error = ElfError::TooLarge { need: MEMORY + 4096, limit: MEMORY };
    assert_eq!(changed(size(most + 1)), Err(error));
    let error = ElfError::TooLarge { need: (1 << 36) + 0x3000, limit: MEMORY };
    assert_eq!(changed(size(1 << 36)), Err(error));
    let bytes = Elf::fixed().bytes();
    assert!(Program::parse(&bytes, 0x4000).is_ok());
    let error = ElfError::TooLarge { need: 0x4000, limit: 0x3fff };
    assert_eq!(Program::parse(&bytes, 0x3fff).unwrap_err(), error);
    assert!(Program::parse(&bytes, 0).is_err());
}

#[test]
fn nothing_to_load() {
    let bare = |e: &mut Elf| e.headers.retain(|header| header.kind != LOAD);
    assert_eq!(changed(bare), Err(ElfError::NoSegments));
    let empty = |e: &mut Elf| {
        for header in &mut e.headers {
            (header.file_size, header.size) = (0, 0);
        }
    };
    assert_eq!(changed(empty), Err(ElfError::NoSegments));
}

#[test]
fn the_entry_point() {
    let at = |entry| changed(|e| e.entry = entry);
    assert_eq!(at(0), Err(ElfError::NoEntry));
    for good in [0x1_1410, 0x1_1412, 0x1_142e] {
        assert_eq!(at(good), Ok(3), "{good:#x}");
    }
    // Before, behind, in constants, in data, nowhere.
    for bad in [0x1_140e, 0x1_1430, 0x1_0400, 0x1_2430, 1, 1 << 38, u64::MAX] {
        assert_eq!(at(bad), Err(ElfError::BadEntry(bad)), "{bad:#x}");
    }
    // In the zeros behind the code.
    let behind = |e: &mut Elf| (e.headers[1].size, e.entry) = (64, 0x1_1430);
    assert_eq!(changed(behind), Err(ElfError::BadEntry(0x1_1430)));
    assert_eq!(at(0x1_1411), Err(ElfError::MisalignedEntry(0x1_1411)));
    // Without compressed instructions.
    let half = |e: &mut Elf| (e.flags, e.entry) = (4, 0x1_1412);
    assert_eq!(changed(half), Err(ElfError::MisalignedEntry(0x1_1412)));
    assert_eq!(changed(|e| e.headers[1].flags = X), Ok(3));
}

#[test]
fn the_builder_builds_what_it_says() {
    let bytes = Elf::fixed().bytes();
    assert_eq!(&bytes[TABLE..TABLE + 4], &LOAD.to_le_bytes());
    assert_eq!(&bytes[TABLE + 3 * ENTRY..TABLE + 3 * ENTRY + 4], &STACK.to_le_bytes());
}

#[test]
fn errors_say_what() {
    let say = |outcome: Result<usize, ElfError>| outcome.unwrap_err().to_string();
    assert_eq!(say(changed(|e| e.machine = 62)), "program is not for RISC-V but for machine 62");
    let text = "program header 0: segment is writable and executable";
    assert_eq!(say(changed(|e| e.headers[0].flags = 7)), text);
}
