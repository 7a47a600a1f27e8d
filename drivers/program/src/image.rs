// SPDX-License-Identifier: Apache-2.0
//! ELF files of programs: what goes where, with which protection.
//!
//! Accepted: ELF64, little-endian, for RISC-V; at fixed addresses (`ET_EXEC`)
//! or a static PIE (`ET_DYN`), which the loader places and whose own start
//! code applies its relocations. [`Program::parse`] judges the whole file and
//! answers with a [`Program`] or says why not; nothing is decided later.
//!
//! Invariants of a [`Program`]:
//! - each segment's bytes lie in the file, and are no more than its memory;
//! - no two segments touch the same page, so each page has one protection;
//! - nothing is writable and executable: [`Protection`] cannot say it;
//! - the entry point lies in the file's part of an executable segment;
//! - a program at fixed addresses lies in [`LOWEST`]`..`[`HIGHEST`]; a PIE
//!   does when it is placed, and there is a place for it;
//! - all pages together stay within the limit that the caller gave.
//!
//! Not looked at: sections, symbols, relocations, notes, `PT_PHDR` and
//! `PT_GNU_RELRO`. A `PT_TLS` is the start code's business, which finds it
//! through symbols. The linker's page padding in the file is not part of a
//! segment: whoever loads it writes zeros around its bytes.
//!
//! The layouts and numbers come from the crate `elf`; every check is here,
//! because that crate's purpose is reading files, not refusing them.

mod dynamic;
mod error;
mod header;
mod placed;
mod segment;

use core::ops::Range;

use elf::abi;

pub use error::{ElfError, PlaceError, SegmentFlaw};
pub use placed::{Placed, PlacedSegments};
pub use segment::{Protection, Segment, Segments};

use header::{Header, Headers};

/// Bytes in a page.
pub const PAGE_SIZE: usize = 4096;

/// The lowest address of a program. What lies below is never mapped, so a null
/// pointer, and a field of a structure at null, faults.
pub const LOWEST: usize = 64 << 10;

/// One past the highest address of a program: a gigabyte below the end of the
/// user half of Sv39, which leaves room for stacks and what else the kernel
/// puts there.
pub const HIGHEST: usize = (1 << 38) - (1 << 30);

/// The most program headers that a file may have.
pub const MAX_HEADERS: u16 = 64;

/// The largest alignment that a segment may ask for: 2 MiB, a large page.
pub const MAX_ALIGNMENT: usize = 2 << 20;

/// Whether a program says where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At the addresses in the file.
    Fixed,
    /// Anywhere; addresses in the file are relative to a bias.
    Pie,
}

/// An ELF file that was checked from end to end.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    file: &'a [u8],
    headers: Headers<'a>,
    kind: Kind,
    entry: usize,
    layout: Layout,
}

/// What all segments take together.
#[derive(Clone, Copy, Debug)]
struct Layout {
    start: usize,
    end: usize,
    alignment: usize,
    memory: usize,
}

impl<'a> Program<'a> {
    /// Judges an ELF file. Its pages, without stack and tables, may take
    /// `max_memory` bytes.
    ///
    /// # Errors
    /// When it is no program that can be loaded as it is.
    pub fn parse(file: &'a [u8], max_memory: usize) -> Result<Self, ElfError> {
        let header = Header::read(file)?;
        let headers = header.program_headers(file)?;
        let mut has_dynamic = false;
        for (index, one) in headers.iter().enumerate() {
            match one.p_type {
                abi::PT_INTERP => return Err(ElfError::Interpreter),
                abi::PT_GNU_STACK if one.p_flags & abi::PF_X != 0 => {
                    return Err(ElfError::ExecutableStack);
                }
                abi::PT_DYNAMIC if has_dynamic => return Err(ElfError::BadDynamic),
                abi::PT_DYNAMIC => {
                    dynamic::check(file, &one)?;
                    has_dynamic = true;
                }
                abi::PT_LOAD => {
                    let made = Segment::new(file, &one);
                    made.map_err(|flaw| ElfError::Segment { header: index, flaw })?;
                }
                _ => {}
            }
        }
        let layout = Layout::of(file, &headers, header.kind, max_memory)?;
        let entry = entry(&header, Segments::new(file, headers))?;
        Ok(Self { file, headers, kind: header.kind, entry, layout })
    }

    /// Whether the program says where it lies.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where the program starts to run, as the file says it.
    #[must_use]
    pub const fn entry(&self) -> usize {
        self.entry
    }

    /// The segments, in the file's order and at the file's addresses. Those
    /// that take no memory are left out.
    #[must_use]
    pub const fn segments(&self) -> Segments<'a> {
        Segments::new(self.file, self.headers)
    }

    /// From the first page to the end of the last, holes included.
    #[must_use]
    pub const fn extent(&self) -> Range<usize> {
        self.layout.start..self.layout.end
    }

    /// Bytes in all pages of all segments.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.layout.memory
    }

    /// What a bias must be a multiple of: a power of two, at least a page.
    #[must_use]
    pub const fn alignment(&self) -> usize {
        self.layout.alignment
    }

    /// The program at its final addresses: those in the file plus `bias`,
    /// which for a program at fixed addresses is zero.
    ///
    /// # Errors
    /// When the program cannot lie there.
    pub fn placed_at(&self, bias: usize) -> Result<Placed<'a>, PlaceError> {
        if self.kind == Kind::Fixed && bias != 0 {
            return Err(PlaceError::Fixed);
        }
        // The alignment is a power of two.
        if bias & self.layout.alignment.saturating_sub(1) != 0 {
            return Err(PlaceError::Misaligned);
        }
        let start = self.layout.start.checked_add(bias).ok_or(PlaceError::OutsideUserHalf)?;
        let end = self.layout.end.checked_add(bias).ok_or(PlaceError::OutsideUserHalf)?;
        if start < LOWEST || end > HIGHEST {
            return Err(PlaceError::OutsideUserHalf);
        }
        Ok(Placed::new(*self, bias))
    }
}

impl Layout {
    /// Puts together segments that are good by themselves.
    fn of(
        file: &[u8],
        headers: &Headers<'_>,
        kind: Kind,
        max_memory: usize,
    ) -> Result<Self, ElfError> {
        let mut sum = Self { start: usize::MAX, end: 0, alignment: PAGE_SIZE, memory: 0 };
        let segments = || Segments::new(file, *headers).numbered();
        // At most MAX_HEADERS squared.
        for (place, (index, segment)) in segments().enumerate() {
            let pages = segment.pages();
            let touches = |other: &Segment<'_>| {
                let other = other.pages();
                pages.start < other.end && other.start < pages.end
            };
            let error = |flaw| Err(ElfError::Segment { header: index, flaw });
            if let Some((other, _)) = segments().take(place).find(|(_, other)| touches(other)) {
                return error(SegmentFlaw::Overlaps { other });
            }
            if pages.end > HIGHEST || (kind == Kind::Fixed && pages.start < LOWEST) {
                return error(SegmentFlaw::OutsideUserHalf);
            }
            sum.start = sum.start.min(pages.start);
            sum.end = sum.end.max(pages.end);
            sum.alignment = sum.alignment.max(segment.alignment());
            // Pages that do not overlap add up to less than HIGHEST.
            sum.memory = sum.memory.saturating_add(pages.len());
        }
        if sum.end == 0 {
            return Err(ElfError::NoSegments);
        }
        if sum.memory > max_memory {
            return Err(ElfError::TooLarge { need: sum.memory, limit: max_memory });
        }
        if kind == Kind::Pie && !sum.has_place() {
            return Err(ElfError::TooSpread);
        }
        Ok(sum)
    }

    /// Whether any bias brings it into bounds: the smallest, if any.
    fn has_place(&self) -> bool {
        let bias = LOWEST.saturating_sub(self.start).checked_next_multiple_of(self.alignment);
        let end = bias.and_then(|bias| self.end.checked_add(bias));
        end.is_some_and(|end| end <= HIGHEST)
    }
}

/// The entry point, if the processor can start there.
fn entry(header: &Header, mut segments: Segments<'_>) -> Result<usize, ElfError> {
    if header.entry == 0 {
        return Err(ElfError::NoEntry);
    }
    let bad = ElfError::BadEntry(header.entry);
    let entry = usize::try_from(header.entry).map_err(|_| bad)?;
    let is_inside = |segment: Segment<'_>| {
        let place = entry.checked_sub(segment.address());
        segment.protection().is_executable()
            && place.is_some_and(|place| place < segment.bytes().len())
    };
    if !segments.any(is_inside) {
        return Err(bad);
    }
    if entry & header.instruction_alignment().saturating_sub(1) != 0 {
        return Err(ElfError::MisalignedEntry(header.entry));
    }
    Ok(entry)
}
