// SPDX-License-Identifier: Apache-2.0
//! Segments: what a program wants in its memory.

use core::ops::Range;

use elf::abi;
use elf::segment::ProgramHeader;

use super::header::{Headers, part};
use super::{MAX_ALIGNMENT, PAGE_SIZE, SegmentFlaw};

/// What a program may do with a page. To write and to execute the same one
/// cannot be said.
///
/// ```compile_fail,E0599
/// # use skimmer_program::image::Protection;
/// let everything = Protection::ReadWriteExecute;
/// ```
///
/// ```
/// # use skimmer_program::image::Protection;
/// let data = Protection::ReadWrite;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Read.
    ReadOnly,
    /// Read and write. A segment that asks to be written and not read is this
    /// too: RISC-V has no such page.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
    /// Execute.
    ExecuteOnly,
}

impl Protection {
    fn of(flags: u32) -> Result<Self, SegmentFlaw> {
        let has = |flag| flags & flag != 0;
        match (has(abi::PF_R), has(abi::PF_W), has(abi::PF_X)) {
            (_, true, true) => Err(SegmentFlaw::WritableCode),
            (false, false, false) => Err(SegmentFlaw::NoAccess),
            (_, true, false) => Ok(Self::ReadWrite),
            (true, false, false) => Ok(Self::ReadOnly),
            (true, false, true) => Ok(Self::ReadExecute),
            (false, false, true) => Ok(Self::ExecuteOnly),
        }
    }

    /// Whether instructions may be fetched.
    #[must_use]
    pub const fn is_executable(self) -> bool {
        matches!(self, Self::ReadExecute | Self::ExecuteOnly)
    }

    /// Whether it may be written.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::ReadWrite)
    }

    /// Whether it may be read.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        !matches!(self, Self::ExecuteOnly)
    }
}

/// A run of memory: bytes of the file, zeros behind them up to its size, and
/// zeros on either side to the ends of its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    address: usize,
    bytes: &'a [u8],
    size: usize,
    alignment: usize,
    protection: Protection,
}

impl<'a> Segment<'a> {
    /// A segment that is good by itself; `None` if it takes no memory.
    pub(super) fn new(file: &'a [u8], header: &ProgramHeader) -> Result<Option<Self>, SegmentFlaw> {
        if header.p_memsz < header.p_filesz {
            return Err(SegmentFlaw::LargerInFile);
        }
        if header.p_memsz == 0 {
            return Ok(None);
        }
        let protection = Protection::of(header.p_flags)?;
        let alignment = alignment(header.p_align)?;
        let wraps = SegmentFlaw::Wraps;
        let address = usize::try_from(header.p_vaddr).map_err(|_| wraps)?;
        let size = usize::try_from(header.p_memsz).map_err(|_| wraps)?;
        let end = address.checked_add(size).ok_or(wraps)?;
        end.checked_next_multiple_of(PAGE_SIZE).ok_or(wraps)?;
        let file_size = usize::try_from(header.p_filesz).map_err(|_| wraps)?;
        let bytes = if file_size == 0 {
            // An offset that points nowhere harms nobody.
            &[]
        } else {
            part(file, header.p_offset, file_size).ok_or(SegmentFlaw::OutsideFile)?
        };
        let apart = header.p_vaddr ^ header.p_offset;
        let mask = u64::try_from(alignment.saturating_sub(1)).unwrap_or(u64::MAX);
        if !bytes.is_empty() && apart & mask != 0 {
            return Err(SegmentFlaw::Misplaced);
        }
        Ok(Some(Self { address, bytes, size, alignment, protection }))
    }

    /// Its first byte's address.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// What it holds at first. The rest of its memory is zeros.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes in memory: at least as many as [`Self::bytes`] has, and not zero.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// What the program may do with it.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.protection
    }

    /// The addresses of all pages that it touches; no other segment does.
    #[must_use]
    pub fn pages(&self) -> Range<usize> {
        let end = self.address.saturating_add(self.size);
        self.address & !(PAGE_SIZE - 1)..end.next_multiple_of(PAGE_SIZE)
    }

    pub(super) const fn alignment(&self) -> usize {
        self.alignment
    }

    /// The same segment, `bias` bytes higher.
    pub(super) const fn moved(self, bias: usize) -> Self {
        Self { address: self.address.saturating_add(bias), ..self }
    }
}

/// What a header's alignment amounts to: at least a page.
fn alignment(claimed: u64) -> Result<usize, SegmentFlaw> {
    let bad = SegmentFlaw::BadAlignment(claimed);
    let alignment = usize::try_from(claimed).map_err(|_| bad)?.max(1);
    if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT {
        return Err(bad);
    }
    Ok(alignment.max(PAGE_SIZE))
}

/// The segments of a program: [`Program::segments`](super::Program::segments).
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    file: &'a [u8],
    headers: Headers<'a>,
    next: usize,
}

impl<'a> Segments<'a> {
    pub(super) const fn new(file: &'a [u8], headers: Headers<'a>) -> Self {
        Self { file, headers, next: 0 }
    }

    /// With the number of each one's program header.
    pub(super) fn numbered(mut self) -> impl Iterator<Item = (usize, Segment<'a>)> {
        core::iter::from_fn(move || self.step())
    }

    fn step(&mut self) -> Option<(usize, Segment<'a>)> {
        while self.next < self.headers.len() {
            let index = self.next;
            self.next = index.saturating_add(1);
            let header = self.headers.get(index)?;
            if header.p_type != abi::PT_LOAD {
                continue;
            }
            // Every header was found good before anybody could come here.
            if let Ok(Some(segment)) = Segment::new(self.file, &header) {
                return Some((index, segment));
            }
        }
        None
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        self.step().map(|(_, segment)| segment)
    }
}

impl core::iter::FusedIterator for Segments<'_> {}
