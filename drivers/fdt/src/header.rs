// SPDX-License-Identifier: Apache-2.0
//! The header of the blob (section 5.2).
//!
//! Role: turns forty claimed bytes into three blocks that lie inside the blob.
//! Invariant: a [`Header`] exists only if magic, version, total size and the
//! place of every block were checked.

use crate::bytes::be32;
use crate::error::{Block, FdtError};

/// Bytes in the header of version 17.
pub const HEADER_SIZE: usize = 40;

/// The largest blob that is read: 2 MiB. That is one large page, so a kernel
/// can map any acceptable tree with two of them; Linux uses the same bound, and
/// real trees stay below a tenth of it.
pub const MAX_SIZE: usize = 2 << 20;

const MAGIC: u32 = 0xd00d_feed;
/// The version the specification describes; readers accept what says it is
/// compatible back to this one.
const VERSION: u32 = 17;
/// The oldest version with the same structure block (section 5.2).
const OLDEST: u32 = 16;

/// The blob's total size, from its header alone: read forty bytes, ask this,
/// and form the whole slice only then.
///
/// # Errors
/// When magic, version or size are wrong; the size is at most [`MAX_SIZE`].
pub fn total_size(header: &[u8; HEADER_SIZE]) -> Result<usize, FdtError> {
    let field = |at| be32(header, at).unwrap_or(0);
    let magic = field(0);
    if magic != MAGIC {
        return Err(FdtError::BadMagic(magic));
    }
    let (version, last_compatible) = (field(20), field(24));
    if version < OLDEST || last_compatible > VERSION {
        return Err(FdtError::BadVersion { version, last_compatible });
    }
    let claimed = field(4);
    let size = usize::try_from(claimed).map_err(|_| FdtError::BadSize(claimed))?;
    if !(HEADER_SIZE..=MAX_SIZE).contains(&size) {
        return Err(FdtError::BadSize(claimed));
    }
    Ok(size)
}

/// The blocks that the header describes.
pub(crate) struct Header<'a> {
    pub(crate) reservations: &'a [u8],
    pub(crate) structure: &'a [u8],
    pub(crate) strings: &'a [u8],
    pub(crate) boot_hart: u32,
    pub(crate) total_size: usize,
}

impl<'a> Header<'a> {
    /// Checks the header of `bytes` and finds the blocks.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, FdtError> {
        let too_short = |need| FdtError::TooShort { need, have: bytes.len() };
        let (header, _) = bytes.split_first_chunk::<HEADER_SIZE>().ok_or(too_short(HEADER_SIZE))?;
        let total_size = total_size(header)?;
        let blob = bytes.get(..total_size).ok_or(too_short(total_size))?;
        let field = |at| be32(header, at).unwrap_or(0);

        let structure_size = (field(20) > OLDEST).then(|| field(36));
        Ok(Header {
            reservations: reservations(blob, field(16))?,
            structure: block(blob, field(8), structure_size, 4)
                .ok_or(FdtError::BadBlock(Block::Structure))?,
            strings: block(blob, field(12), Some(field(32)), 1)
                .ok_or(FdtError::BadBlock(Block::Strings))?,
            boot_hart: field(28),
            total_size,
        })
    }
}

/// The block at `offset`; a `size` of `None` means up to the blob's end.
fn block(blob: &[u8], offset: u32, size: Option<u32>, align: usize) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = match size {
        Some(size) => start.checked_add(usize::try_from(size).ok()?)?,
        None => blob.len(),
    };
    // Version 16 gives no size, and what follows the block need not be aligned.
    let aligned = start.is_multiple_of(align) && (size.is_none() || end.is_multiple_of(align));
    if start < HEADER_SIZE || !aligned {
        return None;
    }
    blob.get(start..end)
}

/// The memory reservation block up to its terminator, an entry of zeros
/// (section 5.3.2). The terminator must lie inside the blob.
fn reservations(blob: &[u8], offset: u32) -> Result<&[u8], FdtError> {
    let bad = FdtError::BadBlock(Block::Reservations);
    let start = usize::try_from(offset).map_err(|_| bad)?;
    if start < HEADER_SIZE || !start.is_multiple_of(8) {
        return Err(bad);
    }
    let (entries, _) = blob.get(start..).ok_or(bad)?.as_chunks::<16>();
    let used = entries.iter().position(|entry| entry == &[0; 16]).ok_or(bad)?;
    Ok(entries.get(..used).ok_or(bad)?.as_flattened())
}
