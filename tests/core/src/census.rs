// SPDX-License-Identifier: Apache-2.0
//! Counts what the calling OS thread has allocated and not freed. A test runs
//! on a thread of its own, and so do its imaginary harts: what is missing at
//! its end, it leaked.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static BLOCKS: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted. A test binary that uses [`leaks`] installs
/// it as its global allocator.
#[derive(Debug)]
pub struct Census;

fn count(change: isize) {
    BLOCKS.with(|blocks| blocks.set(blocks.get() + change));
}

// SAFETY: every call goes to the system's allocator unchanged; counting
// touches a `const` thread-local without a destructor, which never allocates.
unsafe impl GlobalAlloc for Census {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-1);
        // SAFETY: as promised by the caller; all our blocks are the system's.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller; all our blocks are the system's.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Blocks that a round of `work` leaves allocated, once earlier rounds have
/// warmed up whatever grows and stays.
pub fn leaks(mut work: impl FnMut()) -> isize {
    for _ in 0..3 {
        work();
    }
    let before = BLOCKS.get();
    work();
    BLOCKS.get() - before
}
