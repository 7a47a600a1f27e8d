// SPDX-License-Identifier: Apache-2.0
//! Checked reads from a byte slice.
//!
//! Role: the only place where numbers and strings are taken out of raw bytes.
//! Invariant: every function answers `None` for anything that is not wholly
//! inside the slice. All numbers in a device tree are big-endian (section 5).

/// The 32-bit number at byte offset `at`.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let (word, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*word))
}

/// The 64-bit number at byte offset `at`.
pub(crate) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    let (word, _) = bytes.get(at..)?.split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*word))
}

/// The bytes from `at` up to the next NUL, which must come within `limit`
/// bytes: without that bound, many references to one long string would make a
/// walk quadratic.
pub(crate) fn until_nul(bytes: &[u8], at: usize, limit: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let window = rest.get(..limit.saturating_add(1)).unwrap_or(rest);
    let length = window.iter().position(|&byte| byte == 0)?;
    window.get(..length)
}

/// `at` rounded up to the next multiple of four.
pub(crate) fn align4(at: usize) -> Option<usize> {
    Some(at.checked_add(3)? & !3)
}
