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
