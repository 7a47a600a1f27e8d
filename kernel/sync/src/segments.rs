// SPDX-License-Identifier: Apache-2.0
//! A table that grows and never moves what is in it, so that it is read
//! without a lock while it grows.
//!
//! Elements lie in segments, each twice as large as the one before, and a short
//! directory says where: with 27 pointers it has room for more elements than
//! memory has. Growing allocates, so it has no place in a masked section;
//! looking up does not, and finds a segment whole or not at all.

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    ptr::{self, NonNull},
    sync::atomic::Ordering,
};

use crate::{footprint, order::Site, shim::AtomicPtr};

/// Elements of the first segment.
#[cfg(not(loom))]
pub const FIRST: usize = 32;
/// Elements of the first segment.
#[cfg(loom)]
pub const FIRST: usize = 2;

const SEGMENTS: usize = 27;

/// Indices below this can be looked for: of a `u32`, all but the last few.
const END: usize = FIRST * ((1 << SEGMENTS) - 1);

/// Memory is out, or the index is past any table; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Where an element lies.
#[derive(Clone, Copy)]
struct Place {
    segment: usize,
    offset: usize,
}

impl Place {
    #[inline]
    const fn of(index: u32) -> Option<Self> {
        let index = index as usize;
        if index >= END {
            return None;
        }
        // Segments begin at all indices of which this is a power of two.
        let segment = log2(index / FIRST + 1);
        Some(Self { segment, offset: index - (size(segment) - FIRST) })
    }
}

/// Of numbers below 2^32, rounded down. By a table: the machine has no instruction for it,
/// and what stands for one takes 30.
#[inline]
const fn log2(number: usize) -> usize {
    const OF_BYTES: [u8; 256] = {
        let mut table = [0; 256];
        let mut byte = 2;
        while byte < table.len() {
            table[byte] = table[byte / 2] + 1;
            byte += 1;
        }
        table
    };
    let shift = match number {
        0..0x100 => 0,
        0x100..0x1_0000 => 8,
        0x1_0000..0x100_0000 => 16,
        _ => 24,
    };
    shift + OF_BYTES[number >> shift & 0xff] as usize
}

/// Elements of that segment, counted from 0: what a table grows by at a time.
#[must_use]
pub const fn size(segment: usize) -> usize {
    FIRST << segment
}

/// The table.
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
        if (index as usize) < FIRST {
            return self.at(Place { segment: 0, offset: index as usize });
        }
        self.get_beyond(index)
    }

    #[cold]
    fn get_beyond(&self, index: u32) -> Option<&T> {
        self.at(Place::of(index)?)
    }

    #[inline(always)]
    fn at(&self, place: Place) -> Option<&T> {
        let segment = self.directory[place.segment].load(Site::SegmentGet.ordering());
        let first = NonNull::new(segment)?;
        // SAFETY: the directory's pointers are to segments of their size, and
        // `Place` has an offset below that.
        let element = unsafe { first.add(place.offset) };
        // SAFETY: the acquiring load pairs with the exchange in `ensure`, so
        // the segment is seen as it was made; it is freed with the table only.
        Some(unsafe { element.as_ref() })
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
        let place = Place::of(index).ok_or(OutOfMemory)?;
        // Not looked into: it may be about to be taken out.
        if !self.directory[place.segment].load(Ordering::Relaxed).is_null() {
            return Ok(());
        }
        let start = index as usize - place.offset;
        let mut elements = Vec::new();
        elements.try_reserve_exact(size(place.segment)).map_err(|_| OutOfMemory)?;
        let indices = (start..start + size(place.segment)).filter_map(|at| u32::try_from(at).ok());
        elements.extend(indices.map(make));
        if elements.len() != size(place.segment) {
            return Err(OutOfMemory);
        }
        let segment = Box::into_raw(elements.into_boxed_slice());
        let (set, lost) = (Site::SegmentSet.ordering(), Ordering::Relaxed);
        let slot = &self.directory[place.segment];
        if slot.compare_exchange(ptr::null_mut(), segment.cast(), set, lost).is_err() {
            // Another hart was faster.
            // SAFETY: from `Box::into_raw`, and not published.
            drop(unsafe { Box::from_raw(segment) });
        }
        Ok(())
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
            let first = segment.load(Site::SegmentGet.ordering());
            if first.is_null() {
                continue;
            }
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
    fn every_index_has_a_place_of_its_own() {
        let mut next = Place { segment: 0, offset: 0 };
        for index in 0..100_000 {
            let place = Place::of(index).unwrap();
            assert_eq!((place.segment, place.offset), (next.segment, next.offset));
            next.offset += 1;
            if next.offset == size(next.segment) {
                next = Place { segment: next.segment + 1, offset: 0 };
            }
        }
        let last = u32::try_from(END - 1).unwrap();
        let place = Place::of(last).unwrap();
        assert_eq!((place.segment, place.offset), (SEGMENTS - 1, size(SEGMENTS - 1) - 1));
        assert!(Place::of(last + 1).is_none() && Place::of(u32::MAX).is_none());
    }
}
