// SPDX-License-Identifier: Apache-2.0
//! The header of a RISC-V boot image, as Linux has it
//! (Documentation/arch/riscv/boot-image-header.rst, version 0.2) and U-Boot's
//! `booti` reads it (arch/riscv/lib/image.c).

use anyhow::{Context as _, Result, ensure};

/// 0.2, which brought the second magic.
const VERSION: u32 = 2;

/// The magic of version 0.1.
const MAGIC: [u8; 8] = *b"RISCV\0\0\0";

/// The magic that loaders look for.
const MAGIC2: [u8; 4] = *b"RSC\x05";

/// Boot maps the kernel by pages of this size: it can be loaded at any of their
/// boundaries.
const LARGE_PAGE: u64 = 2 << 20;

/// What `.bss` may be rounded up to.
const PAGE: u64 = 4096;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Two instructions.
    pub code: [u32; 2],
    /// Where the image wants to be, from the start of memory.
    pub text_offset: u64,
    /// How much memory it takes.
    pub image_size: u64,
    /// Bit 0: it is big-endian.
    pub flags: u64,
    /// Of the header.
    pub version: u32,
    /// The old magic.
    pub magic: [u8; 8],
    /// The magic.
    pub magic2: [u8; 4],
}

impl Header {
    /// Bytes of a header.
    pub const SIZE: usize = 64;

    /// Reads the header of `image`.
    ///
    /// # Errors
    /// When the image is shorter than a header.
    pub fn of(image: &[u8]) -> Result<Self> {
        Self::read(image).context("the image is shorter than a header")
    }

    fn read(mut rest: &[u8]) -> Option<Self> {
        let rest = &mut rest;
        let code = [word(rest)?, word(rest)?];
        let (text_offset, image_size, flags) = (long(rest)?, long(rest)?, long(rest)?);
        let version = word(rest)?;
        let _reserved = (word(rest)?, long(rest)?);
        let (magic, magic2) = (take(rest)?, take(rest)?);
        let _pe_header = word(rest)?;
        Some(Self { code, text_offset, image_size, flags, version, magic, magic2 })
    }

    /// Whether boot loaders start what needs `size` bytes of memory by it.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self, size: u64) -> Result<()> {
        let Self { text_offset, image_size, flags, version, magic, magic2, .. } = self;
        ensure!(*magic2 == MAGIC2 && *magic == MAGIC, "its magic is {magic:02x?} {magic2:02x?}");
        ensure!(*version == VERSION, "it is of version {version:#x}");
        ensure!(*flags == 0, "its flags are {flags:#x}");
        ensure!(
            text_offset.is_multiple_of(LARGE_PAGE),
            "the kernel cannot run {text_offset:#x} bytes into memory"
        );
        ensure!(
            (size..size.saturating_add(PAGE)).contains(image_size),
            "it promises {image_size:#x} bytes of memory to a kernel of {size:#x}"
        );
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*first)
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

fn long(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}
