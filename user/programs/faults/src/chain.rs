// SPDX-License-Identifier: Apache-2.0
//! Chains of frames, as the kernel walks them for a backtrace: one that calls
//! have made, and some that nobody should follow far. The host knows how far
//! each may be followed (`xtask/src/test/scenarios.rs`).

use core::arch::asm;
use core::hint::black_box;

use crate::ways::{HOLE, LINEAR, read};
use skimmer_rt::raw;

/// The chains below fault here, eight bytes further each.
pub(crate) const FAULTS: u64 = 0x8000;

/// No frame is aligned so.
pub(crate) const ODD: u64 = HOLE + 8;

/// The end of the user half: its last page is never there.
pub(crate) const EDGE: u64 = 1 << 38;

/// Faults three calls deep. Each does something after its call, so that no call
/// is a jump.
pub(crate) fn whole() -> i64 {
    outermost(black_box(1)) + 1
}

#[inline(never)]
fn outermost(number: i64) -> i64 {
    between(number + 1) + number
}

#[inline(never)]
fn between(number: i64) -> i64 {
    innermost(number + 1) + number
}

#[inline(never)]
fn innermost(number: i64) -> i64 {
    read(HOLE) + number
}

/// Faults with the frame pointer `fp`, as the way of that number.
pub(crate) fn from(fp: u64, number: u64) -> i64 {
    // SAFETY: it must end the process.
    unsafe {
        asm!("mv s0, {fp}", "ld zero, 0({at})", "unimp",
             fp = in(reg) fp, at = in(reg) FAULTS + 8 * number, options(noreturn));
    }
}

/// What lies below a frame pointer: the caller's frame pointer, and a return
/// address that the host knows again. Aligned as frames are.
const fn link(next: u64) -> u128 {
    const BACK: u128 = 0x1_0000_1234;
    BACK << 64 | next as u128
}

/// The frame pointer of the frame with that link.
fn frame(link: &u128) -> u64 {
    raw::address(link) + 16
}

/// A frame that calls itself.
pub(crate) fn looped() -> i64 {
    let mut own = 0;
    own = link(frame(black_box(&own)));
    from(frame(black_box(&own)), 4)
}

/// A frame whose caller lies below it.
pub(crate) fn down() -> i64 {
    let mut links = [link(0); 2];
    links[1] = link(frame(&links[0]));
    from(frame(&black_box(&links)[1]), 5)
}

/// A frame whose caller is the kernel.
pub(crate) fn astray() -> i64 {
    from(frame(black_box(&link(LINEAR))), 6)
}

/// More frames than anybody wants to see.
pub(crate) fn endless() -> i64 {
    let mut links = [link(0); 100];
    for at in 0..99 {
        links[at] = link(frame(&links[at + 1]));
    }
    from(frame(&black_box(&links)[0]), 7)
}
