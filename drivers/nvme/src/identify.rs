// SPDX-License-Identifier: Apache-2.0
//! What Identify returns (section 5.17.2; namespaces: NVM Command Set
//! Specification 1.0, section 4.1.5.1), judged. All of it is the drive's
//! claim; what comes out of here can be calculated with.

use alloc::vec::Vec;

use crate::error::{Error, Field, Unsupported};
use crate::platform::PAGE_SIZE;

/// Bytes of every structure that Identify returns.
pub const IDENTIFY_BYTES: usize = 4096;
/// Bytes of an entry of the namespace list.
const NSID_BYTES: usize = 4;
/// Blocks that one command can name: NLB has 16 bits and counts from 0.
const MOST_BLOCKS: u64 = 1 << 16;

/// What the driver wants to know of a controller (section 5.17.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerInfo {
    /// Serial number, ASCII, padded with blanks; any bytes may be in it.
    pub serial: [u8; 20],
    /// Model, likewise.
    pub model: [u8; 40],
    /// Bytes that one command may move (MDTS), a multiple of the page size;
    /// `u64::MAX` if there is no limit.
    pub most_bytes: u64,
    /// The highest namespace there may be (NN).
    pub namespaces: u32,
    /// Whether there is a volatile write cache that Flush empties (VWC).
    pub write_cache: bool,
}

impl ControllerInfo {
    /// Of a controller that was not asked yet.
    pub(crate) const UNKNOWN: Self =
        Self { serial: [0; 20], model: [0; 40], most_bytes: 0, namespaces: 0, write_cache: false };

    /// Judges the structure.
    ///
    /// # Errors
    /// [`Error::Garbage`]: too few bytes count as entry sizes of 0.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        for (offset, wanted) in [(512, 6), (513, 4)] {
            let sizes = u8_at(data, offset).unwrap_or(0);
            if !((sizes & 0xf)..=(sizes >> 4)).contains(&wanted) {
                return Err(Error::Garbage(Field::EntrySizes));
            }
        }
        let garbage = Error::Garbage(Field::TransferSize);
        let most_bytes = match u8_at(data, 77).ok_or(garbage)? {
            0 => u64::MAX,
            exponent => multiple_of_page(exponent),
        };
        Ok(Self {
            serial: array_at(data, 4).ok_or(garbage)?,
            model: array_at(data, 24).ok_or(garbage)?,
            most_bytes,
            namespaces: u32_at(data, 516).ok_or(garbage)?,
            write_cache: u8_at(data, 525).ok_or(garbage)? & 1 != 0,
        })
    }
}

/// A page times a power of two, which may be beyond all numbers.
fn multiple_of_page(exponent: u8) -> u64 {
    let pages = 1u64.checked_shl(exponent.into());
    pages.and_then(|pages| pages.checked_mul(PAGE_SIZE as u64)).unwrap_or(u64::MAX)
}

/// A namespace that can be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its identifier, from 1.
    pub id: u32,
    /// Bytes of a block: 512 or 4,096.
    pub block_size: u32,
    /// How many blocks it has (NSZE); their bytes fit in 64 bits.
    pub blocks: u64,
    /// Blocks that one command may move: 1 to 65,536.
    pub most_blocks: u32,
}

impl Namespace {
    /// Judges the structure that came for namespace `id`; `None` if there is
    /// no namespace (all zero: section 5.17.2, inactive).
    ///
    /// # Errors
    /// [`Error::Garbage`], [`Error::Unsupported`].
    pub fn parse(id: u32, data: &[u8], controller: &ControllerInfo) -> Result<Option<Self>, Error> {
        let size = Error::Garbage(Field::Size);
        let blocks = u64_at(data, 0).ok_or(size)?;
        if blocks == 0 {
            return Ok(None);
        }
        if u64_at(data, 8).ok_or(size)? > blocks {
            return Err(size);
        }
        let exponent = block_exponent(data)?;
        let block_size = 1u32 << u32::from(exponent);
        blocks.checked_mul(block_size.into()).ok_or(size)?;
        let most = (controller.most_bytes >> u32::from(exponent)).min(MOST_BLOCKS) as u32;
        Ok(Some(Self { id, block_size, blocks, most_blocks: most }))
    }
}

/// The block size in use, as a power of two: 9 or 12.
fn block_exponent(data: &[u8]) -> Result<u8, Error> {
    let garbage = Error::Garbage(Field::Format);
    let last = u8_at(data, 25).ok_or(garbage)?;
    let used = u8_at(data, 26).ok_or(garbage)?;
    // FLBAS bits 6:5 are the index's upper bits, and mean that only when
    // there are more than 16 formats.
    let high = if last > 15 { (used >> 1) & 0x30 } else { 0 };
    let index = (used & 0xf) | high;
    if index > last || index > 63 {
        return Err(garbage);
    }
    let at = usize::from(index).saturating_mul(4).saturating_add(128);
    let format = u32_at(data, at).ok_or(garbage)?;
    let (metadata, exponent) = (format as u16, (format >> 16) as u8);
    if metadata != 0 {
        return Err(Error::Unsupported(Unsupported::Metadata(metadata)));
    }
    match exponent {
        9 | 12 => Ok(exponent),
        other => Err(Error::Unsupported(Unsupported::BlockSize(other))),
    }
}

/// Judges a list of active namespaces above `after` (section 5.17.2.3) and
/// adds at most `room` of them to `found`. Says whether there may be more.
///
/// # Errors
/// [`Field::NamespaceList`] if it does not ascend or goes beyond `highest`;
/// [`Error::NoMemory`].
pub fn namespace_list(
    data: &[u8],
    after: u32,
    highest: u32,
    room: usize,
    found: &mut Vec<u32>,
) -> Result<bool, Error> {
    let mut last = after;
    let mut added = 0usize;
    for entry in data.chunks_exact(NSID_BYTES) {
        let id = u32_at(entry, 0).unwrap_or(0);
        if id == 0 || added >= room {
            return Ok(false);
        }
        if id <= last || id > highest {
            return Err(Error::Garbage(Field::NamespaceList));
        }
        found.try_reserve(1).map_err(|_| Error::NoMemory)?;
        found.push(id);
        last = id;
        added = added.saturating_add(1);
    }
    Ok(added > 0)
}

fn array_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

fn u8_at(data: &[u8], at: usize) -> Option<u8> {
    data.get(at).copied()
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    array_at(data, at).map(u32::from_le_bytes)
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    array_at(data, at).map(u64::from_le_bytes)
}
