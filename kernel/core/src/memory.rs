// SPDX-License-Identifier: Apache-2.0
//! What of the machine's memory is ours to use.
//!
//! Law trust-no-firmware-table: both lists come from outside. Ranges may be
//! empty, unaligned, overlap each other or wrap around; whatever they say, no
//! frame comes out that is not RAM throughout, that a reservation touches, or
//! that came out before.

use core::ops::Range;

use crate::frames::{FRAME_SHIFT, FRAME_SIZE, FrameNumber};

const FRAME: u64 = FRAME_SIZE as u64;
/// One past the last frame.
const TOP: u64 = 1 << (u64::BITS - FRAME_SHIFT);

/// A claim: first byte, and length in bytes.
pub type Extent = (u64, u64);

/// The frames of `ram` that are not in `reserved`, as ranges.
///
/// RAM counts as far as it fills whole frames, a reservation as far as it
/// touches them. A RAM claim that wraps around the end of the address space is
/// not believed; such a reservation holds at both ends. Walks the lists again
/// for each range: it is for boot, and needs no memory.
pub fn usable<R, S>(ram: R, reserved: S) -> impl Iterator<Item = Range<FrameNumber>>
where
    R: IntoIterator<Item = Extent>,
    R::IntoIter: Clone,
    S: IntoIterator<Item = Extent>,
    S::IntoIter: Clone,
{
    let (ram, reserved) = (ram.into_iter(), reserved.into_iter());
    let earlier = ram.clone();
    ram.enumerate().flat_map(move |(place, claim)| {
        // Where banks overlap, the first one has the frame.
        let earlier = earlier.clone().take(place).map(inwards);
        let taken = reserved.clone().flat_map(outwards).chain(earlier);
        let mut rest = inwards(claim);
        core::iter::from_fn(move || next_gap(&mut rest, taken.clone()))
    })
}

/// Why a range cannot be a device's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRegisters {
    /// Nothing is there.
    Empty,
    /// It is not a multiple of four, or ends beyond what is mapped.
    OutOfReach,
    /// Some of it is RAM, or said to be.
    Ram,
}

impl core::fmt::Display for NotRegisters {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Empty => "there are none",
            Self::OutOfReach => "they lie where nothing is mapped",
            Self::Ram => "they would lie in RAM",
        })
    }
}

/// Whether the claim can be the registers of a device, of which the first
/// `mapped` bytes of the address space are mapped: it touches no frame that one
/// of `ram` touches.
///
/// # Errors
/// Says what is in the way.
pub fn registers(
    claim: Extent,
    mapped: u64,
    ram: impl IntoIterator<Item = Extent>,
) -> Result<(), NotRegisters> {
    let (start, len) = claim;
    if len == 0 {
        return Err(NotRegisters::Empty);
    }
    let is_mapped = start.checked_add(len).is_some_and(|end| end <= mapped);
    if !is_mapped || !start.is_multiple_of(4) {
        return Err(NotRegisters::OutOfReach);
    }
    let frames = start / FRAME..(start + len).div_ceil(FRAME);
    let touches = |run: Range<u64>| run.start < frames.end && frames.start < run.end;
    if ram.into_iter().flat_map(outwards).any(touches) {
        return Err(NotRegisters::Ram);
    }
    Ok(())
}

/// Takes the first run out of `rest` that no range in `taken` covers.
fn next_gap(
    rest: &mut Range<u64>,
    taken: impl Iterator<Item = Range<u64>> + Clone,
) -> Option<Range<FrameNumber>> {
    while !rest.is_empty() {
        let at = rest.start;
        if let Some(cover) = taken.clone().find(|range| range.contains(&at)) {
            rest.start = cover.end;
            continue;
        }
        let starts = taken.filter(|range| !range.is_empty() && range.start > at);
        let end = starts.fold(rest.end, |end, range| end.min(range.start));
        rest.start = end;
        return Some(number(at)..number(end));
    }
    None
}

/// The frames that lie in the claim.
fn inwards((start, len): Extent) -> Range<u64> {
    let first = start.div_ceil(FRAME);
    match start.checked_add(len) {
        Some(end) => first..end / FRAME,
        None if start.wrapping_add(len) == 0 => first..TOP,
        None => 0..0,
    }
}

/// The frames that the claim touches: one run, or two if it wraps.
fn outwards((start, len): Extent) -> impl Iterator<Item = Range<u64>> + Clone {
    let first = start / FRAME;
    let (upper, lower) = match start.checked_add(len) {
        _ if len == 0 => (0..0, 0..0),
        Some(end) => (first..end.div_ceil(FRAME), 0..0),
        None => (first..TOP, 0..start.wrapping_add(len).div_ceil(FRAME)),
    };
    [upper, lower].into_iter()
}

fn number(frame: u64) -> FrameNumber {
    // Never saturates where the kernel runs: addresses have 64 bits there.
    FrameNumber::new(usize::try_from(frame).unwrap_or(usize::MAX))
}
