// SPDX-License-Identifier: Apache-2.0
//! The boot package: a cpio archive in the "newc" format (magic `070701`).
//!
//! An entry is a header of 110 characters, its name with a NUL, padding to a
//! multiple of four, the data, and padding again. The entry `TRAILER!!!` ends
//! the archive; behind it only zeros may follow. What cannot be read is an
//! [`ArchiveError`] with the offset of the offending field, and ends the
//! iteration: an archive that is damaged in one place is trusted in none.
//!
//! Refused although other tools read it: the format with checksums (`070702`),
//! because verifying it would read every file at every look-up, and what we
//! boot is written by our own tool; and a hard link whose data is with another
//! entry, because it would look like an empty file.
//!
//! This is a reader of our own because the crate `cpio_reader` says nothing
//! when an archive is damaged: it stops, as if the archive ended there. The
//! tests use it as a second opinion.

use core::{fmt, str};

/// The longest name, without its NUL.
pub const MAX_NAME: usize = 1024;

/// Bytes in a header: the magic and thirteen numbers of eight digits.
pub const HEADER_SIZE: usize = 110;

const MAGIC: &[u8; 6] = b"070701";
const MAGIC_CHECKED: &[u8; 6] = b"070702";
const TRAILER: &str = "TRAILER!!!";

/// The bits of a mode that say what kind of thing the entry is.
const KIND: u32 = 0o170_000;
const KIND_FILE: u32 = 0o100_000;

/// A cpio archive in memory. Nothing is read before somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
}

impl<'a> Archive<'a> {
    /// An archive that starts with the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What is in the archive, in its order. Ends after the first error.
    #[must_use]
    pub const fn entries(&self) -> Entries<'a> {
        Entries { bytes: self.bytes, at: 0, is_done: false }
    }

    /// The entry with this name, whatever it is. If there are several, it is
    /// the last, which is the one that unpacking would leave.
    ///
    /// `name` may begin with `./` or `/`, as names in archives do; neither
    /// counts.
    ///
    /// # Errors
    /// When any part of the archive cannot be read, found or not.
    pub fn find(&self, name: &str) -> Result<Option<Entry<'a>>, ArchiveError> {
        let name = relative(name);
        let mut found = None;
        for entry in self.entries() {
            let entry = entry?;
            if entry.name == name {
                found = Some(entry);
            }
        }
        Ok(found)
    }
}

/// A file, directory or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its path, without a leading `./` or `/`.
    pub name: &'a str,
    /// Its contents; of a symbolic link, where it points.
    pub data: &'a [u8],
    /// Its kind and permissions, as Unix writes them.
    pub mode: u32,
}

impl Entry<'_> {
    /// Whether it is a regular file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.mode & KIND == KIND_FILE
    }
}

/// Why an archive cannot be read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveError {
    /// Offset, from the archive's first byte, of what is wrong.
    pub at: usize,
    /// What is wrong there.
    pub flaw: Flaw,
}

/// What can be wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It ends without the entry `TRAILER!!!`.
    NoTrailer,
    /// It ends within a header.
    CutHeader,
    /// No header of the newc format.
    BadMagic,
    /// A header of the newc format with checksums.
    Checksummed,
    /// A field of a header is not eight hexadecimal digits.
    BadNumber,
    /// A name longer than [`MAX_NAME`].
    NameTooLong,
    /// It ends within a name.
    CutName,
    /// A name that does not end with a NUL, and its only one, where its size
    /// says.
    BadNameEnd,
    /// A name that is not UTF-8.
    NameNotUtf8,
    /// It ends within an entry's data, or a size exceeds the archive.
    CutData,
    /// A regular file without data and with several links.
    HardLink,
    /// Something other than zeros behind the trailer.
    AfterTrailer,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "archive broken at offset {:#x}: {}", self.at, self.flaw)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoTrailer => "it ends without a trailer",
            Self::CutHeader => "it ends within a header",
            Self::BadMagic => "not a header of the cpio format newc",
            Self::Checksummed => "the cpio format with checksums is not supported",
            Self::BadNumber => "not a hexadecimal number",
            Self::NameTooLong => "name too long",
            Self::CutName => "it ends within a name",
            Self::BadNameEnd => "the name does not end where its size says",
            Self::NameNotUtf8 => "the name is not UTF-8",
            Self::CutData => "it ends within the data of an entry",
            Self::HardLink => "a hard link to data elsewhere is not supported",
            Self::AfterTrailer => "something follows the trailer",
        })
    }
}

impl core::error::Error for ArchiveError {}

/// The entries of an archive: [`Archive::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    /// Where the next header is.
    at: usize,
    is_done: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let entry = self.step().transpose();
        self.is_done = !matches!(entry, Some(Ok(_)));
        entry
    }
}

impl core::iter::FusedIterator for Entries<'_> {}

impl<'a> Entries<'a> {
    fn step(&mut self) -> Result<Option<Entry<'a>>, ArchiveError> {
        let header = Header::read(self.bytes, self.at)?;
        let (name, name_end) = header.name(self.bytes)?;
        if name == TRAILER {
            let rest = self.bytes.get(name_end..).unwrap_or_default();
            return match rest.iter().position(|&byte| byte != 0) {
                Some(place) => Err(Flaw::AfterTrailer.at(name_end.saturating_add(place))),
                None => Ok(None),
            };
        }
        let (data, next) = header.data(self.bytes, name_end)?;
        self.at = next;
        let entry = Entry { name: relative(name), data, mode: header.mode };
        if entry.is_file() && data.is_empty() && header.links > 1 {
            return Err(Flaw::HardLink.at(header.at));
        }
        Ok(Some(entry))
    }
}

/// What of a header matters to us.
struct Header {
    at: usize,
    mode: u32,
    links: u32,
    file_size: usize,
    name_size: usize,
}

impl Header {
    fn read(bytes: &[u8], at: usize) -> Result<Self, ArchiveError> {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Err(Flaw::NoTrailer.at(at));
        }
        // A wrong magic is told even if what it begins is short.
        if rest.starts_with(MAGIC_CHECKED) {
            return Err(Flaw::Checksummed.at(at));
        }
        if !rest.iter().zip(MAGIC).all(|(byte, expected)| byte == expected) {
            return Err(Flaw::BadMagic.at(at));
        }
        let header = rest.first_chunk::<HEADER_SIZE>().ok_or(Flaw::CutHeader.at(at))?;
        let (fields, _) = header.split_at(MAGIC.len()).1.as_chunks::<8>();
        let mut numbers = [0; 13];
        let places = (at.saturating_add(MAGIC.len())..).step_by(8);
        for ((number, field), place) in numbers.iter_mut().zip(fields).zip(places) {
            *number = hexadecimal(field).ok_or(Flaw::BadNumber.at(place))?;
        }
        let [_, mode, _, _, links, _, file_size, _, _, _, _, name_size, _] = numbers;
        let file_size = usize::try_from(file_size).map_err(|_| Flaw::CutData.at(at))?;
        let name_size = usize::try_from(name_size).map_err(|_| Flaw::CutName.at(at))?;
        Ok(Self { at, mode, links, file_size, name_size })
    }

    /// The name, and the offset behind its NUL.
    fn name<'a>(&self, bytes: &'a [u8]) -> Result<(&'a str, usize), ArchiveError> {
        let start = self.at.saturating_add(HEADER_SIZE);
        if self.name_size > MAX_NAME.saturating_add(1) {
            return Err(Flaw::NameTooLong.at(start));
        }
        let end = start.saturating_add(self.name_size);
        let name = bytes.get(start..end).ok_or(Flaw::CutName.at(start))?;
        let Some((0, name)) = name.split_last() else {
            return Err(Flaw::BadNameEnd.at(start));
        };
        if name.contains(&0) {
            return Err(Flaw::BadNameEnd.at(start));
        }
        let name = str::from_utf8(name).map_err(|_| Flaw::NameNotUtf8.at(start))?;
        Ok((name, end))
    }

    /// The data, and the offset of the next header.
    fn data<'a>(
        &self,
        bytes: &'a [u8],
        name_end: usize,
    ) -> Result<(&'a [u8], usize), ArchiveError> {
        let cut = Flaw::CutData.at(name_end);
        let start = name_end.checked_next_multiple_of(4).ok_or(cut)?;
        let end = start.checked_add(self.file_size).ok_or(cut)?;
        let data = bytes.get(start..end).ok_or(cut)?;
        let next = end.checked_next_multiple_of(4).ok_or(cut)?;
        Ok((data, next))
    }
}

impl Flaw {
    const fn at(self, at: usize) -> ArchiveError {
        ArchiveError { at, flaw: self }
    }
}

/// Eight digits and nothing else: no sign, no spaces.
fn hexadecimal(digits: &[u8; 8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |number, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(number << 4 | digit)
    })
}

/// A name without any leading `./` and `/`.
fn relative(name: &str) -> &str {
    let mut rest = name;
    while let Some(shorter) = rest.strip_prefix("./").or_else(|| rest.strip_prefix('/')) {
        rest = shorter;
    }
    rest
}
