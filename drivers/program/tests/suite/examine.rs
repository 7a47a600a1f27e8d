// SPDX-License-Identifier: Apache-2.0
//! Asks everything of a file, and holds the readers to what they promise.

use skimmer_program::archive::{Archive, ArchiveError};
use skimmer_program::image::{
    ElfError, HIGHEST, Kind, LOWEST, PAGE_SIZE, PlaceError, Program, Protection, Segment,
};

/// The memory that a program may take here.
pub(crate) const MEMORY: usize = 64 << 20;

/// Whether `part` is a piece of `whole`, and not just equal to one.
fn is_piece(whole: &[u8], part: &[u8]) -> bool {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

/// The number of entries, if the archive can be read.
pub(crate) fn archive(bytes: &[u8]) -> Result<usize, ArchiveError> {
    let archive = Archive::new(bytes);
    let mut entries = archive.entries();
    let mut end = bytes.as_ptr();
    let mut seen = Vec::new();
    let outcome = loop {
        match entries.next() {
            Some(Ok(entry)) => {
                assert!(is_piece(bytes, entry.data) && is_piece(bytes, entry.name.as_bytes()));
                assert!(end <= entry.name.as_ptr() && entry.name.as_ptr() <= entry.data.as_ptr());
                assert!(!entry.name.starts_with('/') && !entry.name.starts_with("./"));
                end = entry.data.as_ptr_range().end;
                seen.push(entry);
            }
            Some(Err(error)) => break Err(error),
            None => break Ok(seen.len()),
        }
    };
    assert!(entries.next().is_none(), "it goes on after its end");
    assert!(outcome.is_ok_and(|_| true) || outcome.is_err_and(|e| e.at < bytes.len() + 4));
    // Damage anywhere is told to whoever looks for anything.
    assert_eq!(archive.find("no such file").map(|_| ()), outcome.map(|_| ()));
    if outcome.is_ok() {
        for entry in seen.iter().take(8) {
            let last = seen.iter().rfind(|other| other.name == entry.name);
            assert_eq!(archive.find(entry.name).as_ref(), Ok(&last.copied()));
            assert_eq!(archive.find(&format!("./{}", entry.name)), archive.find(entry.name));
        }
    }
    outcome
}

/// The number of segments, if the program can be loaded.
pub(crate) fn program(file: &[u8]) -> Result<usize, ElfError> {
    let program = Program::parse(file, MEMORY)?;
    let segments: Vec<Segment<'_>> = program.segments().collect();
    assert!(!segments.is_empty() && segments.len() <= 64);
    assert!(program.alignment().is_power_of_two() && program.alignment() >= PAGE_SIZE);
    let extent = program.extent();
    for segment in &segments {
        assert!(is_piece(file, segment.bytes()) || segment.bytes().is_empty());
        assert!(segment.bytes().len() <= segment.size());
        let pages = segment.pages();
        assert!(pages.start <= segment.address());
        assert!(segment.address() + segment.size() <= pages.end);
        assert_eq!((pages.start % PAGE_SIZE, pages.end % PAGE_SIZE), (0, 0));
        assert!(extent.start <= pages.start && pages.end <= extent.end);
        let protection = segment.protection();
        assert!(!(protection.is_writable() && protection.is_executable()));
        assert!(!protection.is_writable() || protection.is_readable());
        assert_eq!(protection == Protection::ExecuteOnly, !protection.is_readable());
    }
    let mut pages: Vec<_> = segments.iter().map(Segment::pages).collect();
    pages.sort_by_key(|range| range.start);
    assert!(pages.windows(2).all(|pair| pair[0].end <= pair[1].start), "{pages:x?}");
    assert_eq!((pages[0].start, pages[pages.len() - 1].end), (extent.start, extent.end));
    assert_eq!(pages.iter().map(ExactSizeIterator::len).sum::<usize>(), program.memory());
    assert!(program.memory() <= MEMORY);
    assert!(holds_code(&segments, program.entry()));
    placed(&program, &segments);
    Ok(segments.len())
}

/// Whether an instruction of the file is at `entry`.
fn holds_code(segments: &[Segment<'_>], entry: usize) -> bool {
    let mut segments = segments.iter().filter(|one| one.protection().is_executable());
    entry.is_multiple_of(2)
        && segments.any(|one| {
            let bytes = one.address()..one.address() + one.bytes().len();
            bytes.contains(&entry)
        })
}

/// There is a place for the program, and it keeps within bounds there.
fn placed(program: &Program<'_>, segments: &[Segment<'_>]) {
    let low = LOWEST.saturating_sub(program.extent().start);
    let lowest = low.next_multiple_of(program.alignment());
    let highest = (HIGHEST - program.extent().end) & !(program.alignment() - 1);
    let places = match program.kind() {
        Kind::Fixed => [0, 0],
        Kind::Pie => [lowest, highest],
    };
    for bias in places {
        let placed = program.placed_at(bias).expect("there is room");
        let extent = placed.extent();
        assert!(LOWEST <= extent.start && extent.end <= HIGHEST);
        assert_eq!((placed.bias(), placed.entry()), (bias, program.entry() + bias));
        let moved: Vec<Segment<'_>> = placed.segments().collect();
        assert_eq!(moved.len(), segments.len());
        for (moved, segment) in moved.iter().zip(segments) {
            assert_eq!(moved.address(), segment.address() + bias);
            assert_eq!(moved.bytes().as_ptr(), segment.bytes().as_ptr());
            assert_eq!((moved.size(), moved.protection()), (segment.size(), segment.protection()));
            assert!(extent.start <= moved.pages().start && moved.pages().end <= extent.end);
        }
        assert!(holds_code(&moved, placed.entry()));
    }
    let wrong = match program.kind() {
        Kind::Fixed => [program.placed_at(PAGE_SIZE), program.placed_at(1 << 63)],
        Kind::Pie => [
            program.placed_at(highest + program.alignment()),
            program.placed_at(usize::MAX - program.alignment() + 1),
        ],
    };
    for wrong in wrong {
        let expected = match program.kind() {
            Kind::Fixed => PlaceError::Fixed,
            Kind::Pie => PlaceError::OutsideUserHalf,
        };
        assert_eq!(wrong.map(|_| ()), Err(expected));
    }
}
