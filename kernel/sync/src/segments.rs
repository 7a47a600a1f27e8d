// SPDX-License-Identifier: Apache-2.0
//! A table that grows and never moves what is in it, so that it is read
//! without a lock while it grows.
//!
//! Elements lie in segments, each twice as large as the one before, and a short
//! directory says where: with 27 pointers it has room for more elements than
//! memory has. Growing allocates, so it has no place in a masked section;
//! looking up does not, and finds a segment whole or not at all.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, hint::cold_path, ptr, sync::atomic::Ordering};

use crate::{footprint, order::Site, shim::AtomicPtr};

/// Elements of the first segment.
#[cfg(not(loom))]
pub const FIRST: usize = 32;
/// Elements of the first segment.
#[cfg(loom)]
pub const FIRST: usize = 2;

const SEGMENTS: usize = 27;

/// Indices below this can be looked for: of a `u32`, all but the last few.
#[cfg(all(test, not(loom)))]
const END: usize = FIRST * ((1 << SEGMENTS) - 1);

/// Memory is out, or the index is past any table; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// The segment of the element of that index; [`SEGMENTS`] if no table has that. Each but the
/// first begins at a power of two of pieces as large as the first, counted from 1.
#[inline]
const fn segment_of(index: u32) -> usize {
    log2(index as usize / FIRST + 1)
}

/// The index of its first element.
const fn start(segment: usize) -> usize {
    size(segment) - FIRST
}

/// The highest bit of numbers below 256. To count leading zeros takes dozens of instructions
/// on a machine that has none for it.
const LOG2: [u8; 256] = {
    let mut table = [0; 256];
    let mut number = 2;
    while number < table.len() {
        table[number] = table[number / 2] + 1;
        number += 1;
    }
    table
};

/// The highest bit of a number. That of a segment of a table of usual size is in a byte.
#[inline]
const fn log2(mut number: usize) -> usize {
    let mut bits = 0;
    while number >= LOG2.len() {
        number >>= u8::BITS;
        bits += u8::BITS as usize;
    }
    bits + LOG2[number] as usize
}

/// Elements of that segment, counted from 0: what a table grows by at a time.
#[must_use]
pub const fn size(segment: usize) -> usize {
    FIRST << segment
}

/// The table. The directory says of each segment where the element of index 0 were if
/// the segment reached down to it: so any of its elements is found by its own index.
pub struct Segments<T> {
    directory: [AtomicPtr<T>; SEGMENTS],
}

// SAFETY: the table owns its elements and lends them shared to any hart, and
// whoever drops the table, anywhere, drops them.
unsafe impl<T: Send + Sync> Sync for Segments<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Segments<T> {}

impl<T> fmt::Debug for Segments<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Segments")
    }
}

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Segments<T> {
    /// A table without elements, and without memory.
    #[must_use]
    pub fn new() -> Self {
        Self { directory: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())) }
    }

    /// The element, once the table has grown to it.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&T> {
        // Most tables have no second segment.
        let origin = if (index as usize) < FIRST {
            &self.directory[0]
        } else {
            cold_path();
            self.directory.get(segment_of(index))?
        };
        let origin = origin.load(Site::SegmentGet.ordering());
        if origin.is_null() {
            return None;
        }
        let element = origin.wrapping_add(index as usize);
        // SAFETY: the segment has that index, so this is in its memory. The acquiring load
        // pairs with the exchange in `ensure`, so the segment is seen as it was made; it is
        // freed with the table only.
        Some(unsafe { &*element })
    }

    /// Bytes of the heap that the table takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        let is_there =
            |segment: &AtomicPtr<T>| !segment.load(Site::SegmentGet.ordering()).is_null();
        let segments = self.directory.iter().enumerate().filter(|(_, segment)| is_there(segment));
        segments.map(|(number, _)| footprint::array::<T>(size(number))).sum()
    }

    /// Grows the table until it has that element and those it shares a segment
    /// with; `make` makes each by its index. Earlier segments may be missing.
    ///
    /// # Errors
    /// When memory is out.
    pub fn ensure(&self, index: u32, make: impl FnMut(u32) -> T) -> Result<(), OutOfMemory> {
        let number = segment_of(index);
        let slot = self.directory.get(number).ok_or(OutOfMemory)?;
        // Not looked into: it may be about to be taken out.
        if !slot.load(Ordering::Relaxed).is_null() {
            return Ok(());
        }
        let start = start(number);
        let mut elements = Vec::new();
        elements.try_reserve_exact(size(number)).map_err(|_| OutOfMemory)?;
        let indices = (start..start + size(number)).filter_map(|at| u32::try_from(at).ok());
        elements.extend(indices.map(make));
        if elements.len() != size(number) {
            return Err(OutOfMemory);
        }
        let segment = Box::into_raw(elements.into_boxed_slice());
        let origin = segment.cast::<T>().wrapping_sub(start);
        let (set, lost) = (Site::SegmentSet.ordering(), Ordering::Relaxed);
        // Null would say that there is none.
        let can_be = !origin.is_null();
        let is_set = can_be && slot.compare_exchange(ptr::null_mut(), origin, set, lost).is_ok();
        if !is_set {
            // Another hart was faster, or it cannot be.
            // SAFETY: from `Box::into_raw`, and not published.
            drop(unsafe { Box::from_raw(segment) });
        }
        if can_be { Ok(()) } else { Err(OutOfMemory) }
    }
}

impl<T> Segments<T> {
    /// Takes everything out into a table of its own; none if there is nothing.
    ///
    /// # Safety
    /// What [`Segments::get`] lent may be looked at still: that must have ended
    /// before the new table is dropped.
    pub(crate) unsafe fn take(&self) -> Option<Self> {
        let taken = Self::new();
        let mut is_empty = true;
        for (from, to) in self.directory.iter().zip(&taken.directory) {
            let segment = from.swap(ptr::null_mut(), Site::SegmentGet.ordering());
            is_empty &= segment.is_null();
            to.store(segment, Ordering::Relaxed);
        }
        (!is_empty).then_some(taken)
    }
}

impl<T> Drop for Segments<T> {
    fn drop(&mut self) {
        for (number, segment) in self.directory.iter().enumerate() {
            let origin = segment.load(Site::SegmentGet.ordering());
            if origin.is_null() {
                continue;
            }
            let first = origin.wrapping_add(start(number));
            let segment = ptr::slice_from_raw_parts_mut(first, size(number));
            // SAFETY: `ensure` got it from a box of this size, and nobody has
            // a way to it any more.
            drop(unsafe { Box::from_raw(segment) });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_in_the_segment_that_has_it() {
        let mut number = 0;
        for index in 0..100_000 {
            if index as usize == start(number + 1) {
                number += 1;
            }
            assert_eq!(segment_of(index), number);
        }
        let last = u32::try_from(END - 1).unwrap();
        assert_eq!(segment_of(last), SEGMENTS - 1);
        assert_eq!(start(SEGMENTS - 1) + size(SEGMENTS - 1), END);
        assert_eq!((segment_of(last + 1), segment_of(u32::MAX)), (SEGMENTS, SEGMENTS));
    }
}
