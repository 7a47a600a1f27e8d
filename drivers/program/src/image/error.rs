// SPDX-License-Identifier: Apache-2.0
//! Why a program cannot be loaded.

use core::fmt;

/// Why an ELF file is no program that can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// It ends within the ELF header.
    TooShort {
        /// Bytes that were there.
        have: usize,
    },
    /// It does not begin as an ELF file does.
    NotElf,
    /// Not 64-bit.
    WrongClass(u8),
    /// Not little-endian.
    WrongByteOrder(u8),
    /// A version of ELF that does not exist.
    WrongVersion(u32),
    /// For a particular operating system (`EI_OSABI` is not 0).
    WrongSystem(u8),
    /// Not for RISC-V.
    WrongMachine(u16),
    /// Neither `ET_EXEC` nor `ET_DYN`: an object file, a core dump.
    WrongType(u16),
    /// For a RISC-V with something else than RV64GC has: RVE, quad-precision
    /// registers, total store order, or what is not known here.
    UnsupportedFlags(u32),
    /// Program headers of another size than 56 bytes.
    BadHeaderSize(u16),
    /// More program headers than [`MAX_HEADERS`](super::MAX_HEADERS).
    TooManyHeaders(u16),
    /// The program headers are not wholly in the file.
    CutHeaders,
    /// It asks for an interpreter: it is linked dynamically.
    Interpreter,
    /// It asks for a library: it is linked dynamically.
    NeedsLibrary,
    /// It asks for relocations in what is read-only.
    TextRelocations,
    /// The table for the dynamic linker is outside the file, has no end, or is
    /// there twice.
    BadDynamic,
    /// It asks for a stack that can be executed.
    ExecutableStack,
    /// A segment that cannot be.
    Segment {
        /// The number of its program header.
        header: usize,
        /// What is wrong with it.
        flaw: SegmentFlaw,
    },
    /// Nothing to load.
    NoSegments,
    /// More memory than it may have.
    TooLarge {
        /// Bytes in all its pages.
        need: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// A PIE whose segments lie so far apart that it fits nowhere.
    TooSpread,
    /// No entry point.
    NoEntry,
    /// The entry point is in no executable segment's bytes.
    BadEntry(u64),
    /// No instruction can begin at the entry point.
    MisalignedEntry(u64),
}

/// What can be wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentFlaw {
    /// Its bytes are not wholly in the file.
    OutsideFile,
    /// It has more bytes in the file than in memory.
    LargerInFile,
    /// It goes beyond the end of the address space.
    Wraps,
    /// An alignment that is no power of two, or above
    /// [`MAX_ALIGNMENT`](super::MAX_ALIGNMENT).
    BadAlignment(u64),
    /// Address and offset in the file differ within a page, or by something
    /// that is no multiple of its alignment.
    Misplaced,
    /// It is outside the part of the user half where programs go.
    OutsideUserHalf,
    /// To be written and executed.
    WritableCode,
    /// Not to be read, written or executed.
    NoAccess,
    /// It touches a page that another one touches.
    Overlaps {
        /// The number of the other one's program header.
        other: usize,
    },
}

impl fmt::Display for ElfError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::TooShort { have } => {
                return write!(out, "program cut short: {have} bytes of the 64 in an ELF header");
            }
            Self::WrongClass(class) => {
                return write!(out, "program is not for 64 bits: ELF class {class}");
            }
            Self::WrongByteOrder(order) => {
                return write!(out, "program is not little-endian: ELF byte order {order}");
            }
            Self::WrongVersion(version) => {
                return write!(out, "program has unknown ELF version {version}");
            }
            Self::WrongSystem(system) => {
                return write!(out, "program is for another operating system: {system}");
            }
            Self::WrongMachine(machine) => {
                return write!(out, "program is not for RISC-V but for machine {machine}");
            }
            Self::WrongType(kind) => {
                return write!(out, "ELF file is not an executable: type {kind}");
            }
            Self::UnsupportedFlags(flags) => {
                return write!(out, "program needs another RISC-V: flags {flags:#x}");
            }
            Self::BadHeaderSize(size) => {
                return write!(out, "program headers of {size} bytes");
            }
            Self::TooManyHeaders(count) => {
                return write!(out, "program has {count} program headers");
            }
            Self::Segment { header, flaw } => {
                return write!(out, "program header {header}: {flaw}");
            }
            Self::TooLarge { need, limit } => {
                return write!(out, "program takes {need} bytes, and may take {limit}");
            }
            Self::BadEntry(entry) => {
                return write!(out, "program starts outside its code: {entry:#x}");
            }
            Self::MisalignedEntry(entry) => {
                return write!(out, "program starts where no instruction can be: {entry:#x}");
            }
            Self::NotElf => "not an ELF file",
            Self::CutHeaders => "program headers are not in the file",
            Self::Interpreter => "program is linked dynamically: it names an interpreter",
            Self::NeedsLibrary => "program is linked dynamically: it needs a library",
            Self::TextRelocations => "program wants its read-only parts relocated",
            Self::BadDynamic => "program's dynamic table cannot be read",
            Self::ExecutableStack => "program wants to execute its stack",
            Self::NoSegments => "program has nothing to load",
            Self::TooSpread => "program fits nowhere: its segments lie too far apart",
            Self::NoEntry => "program has no entry point",
        };
        out.write_str(text)
    }
}

impl fmt::Display for SegmentFlaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::OutsideFile => "segment is not in the file",
            Self::LargerInFile => "segment is larger in the file than in memory",
            Self::Wraps => "segment goes beyond the address space",
            Self::BadAlignment(alignment) => {
                return write!(out, "segment of impossible alignment {alignment:#x}");
            }
            Self::Misplaced => "segment's address and offset do not fit its alignment",
            Self::OutsideUserHalf => "segment is outside the user half",
            Self::WritableCode => "segment is writable and executable",
            Self::NoAccess => "segment allows nothing",
            Self::Overlaps { other } => {
                return write!(out, "segment shares a page with that of program header {other}");
            }
        })
    }
}

impl core::error::Error for ElfError {}

/// Why a program cannot lie where it was to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// It lies at fixed addresses.
    Fixed,
    /// The bias is no multiple of the program's alignment.
    Misaligned,
    /// It would lie outside the part of the user half where programs go.
    OutsideUserHalf,
}

impl fmt::Display for PlaceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Fixed => "program at fixed addresses cannot be moved",
            Self::Misaligned => "program's place does not fit its alignment",
            Self::OutsideUserHalf => "program's place is outside the user half",
        })
    }
}

impl core::error::Error for PlaceError {}
