// SPDX-License-Identifier: Apache-2.0
//! Memory that is out on purpose, in a kernel that was built with the feature
//! `shortage`: while a program runs, one in so many requests to the kernel's
//! allocator is refused, by a schedule that the seed decides. Without the
//! feature shortage_none.rs stands here, which does nothing.
//!
//! Every request is one that may be refused. A path that programs reach and that
//! allocates as if memory could not be out ends in a panic, and that is the
//! point.

use core::{
    alloc::Layout,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use skimmer_abi::record::Shortage;

use crate::{paging, stack_memory};

/// One request in so many is refused; 0: none.
static ONE_IN: AtomicU64 = AtomicU64::new(0);
static SEED: AtomicU64 = AtomicU64::new(0);
/// Requests so far: the place of each in the schedule.
static ASKED: AtomicU64 = AtomicU64::new(0);

static SMALL: AtomicU64 = AtomicU64::new(0);
static FRAMES: AtomicU64 = AtomicU64::new(0);
static STACKS: AtomicU64 = AtomicU64::new(0);
static LARGE: AtomicU64 = AtomicU64::new(0);

/// Whether memory is out for this request.
pub(crate) fn refuses(layout: Layout) -> bool {
    let one_in = ONE_IN.load(Acquire);
    if one_in == 0 {
        return false;
    }
    let place = ASKED.fetch_add(1, Relaxed);
    if !mixed(SEED.load(Relaxed) ^ place).is_multiple_of(one_in) {
        return false;
    }
    let kind = match layout {
        paging::FRAME => &FRAMES,
        stack_memory::LAYOUT => &STACKS,
        _ if layout.size() < paging::FRAME.size() => &SMALL,
        _ => &LARGE,
    };
    kind.fetch_add(1, Relaxed);
    true
}

/// SplitMix64.
const fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Whether this kernel can.
pub const CAN: bool = true;

/// Refuses one request in `one_in` from now on.
pub fn begin(seed: u64, one_in: u64) {
    SEED.store(mixed(seed), Relaxed);
    ONE_IN.store(one_in, Release);
}

/// Refuses nothing any more; what it did.
pub fn end() -> Shortage {
    ONE_IN.store(0, Release);
    Shortage {
        asked: ASKED.load(Relaxed),
        small: SMALL.load(Relaxed),
        frames: FRAMES.load(Relaxed),
        stacks: STACKS.load(Relaxed),
        large: LARGE.load(Relaxed),
    }
}
