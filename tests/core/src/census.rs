// SPDX-License-Identifier: Apache-2.0
//! Counts what the calling OS thread has allocated and not freed. A test runs
//! on a thread of its own, and so do its imaginary harts: what is missing at
//! its end, it leaked.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
};

thread_local! {
    static BLOCKS: Cell<isize> = const { Cell::new(0) };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    static IS_OUT: Cell<bool> = const { Cell::new(false) };
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
        if IS_OUT.get() {
            return ptr::null_mut();
        }
        count(1);
        TAKEN.set(TAKEN.get() + 1);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-1);
        // SAFETY: as promised by the caller; all our blocks are the system's.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if IS_OUT.get() {
            return ptr::null_mut();
        }
        TAKEN.set(TAKEN.get() + 1);
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

/// How often `work` asks for memory.
pub fn allocations(work: impl FnOnce()) -> usize {
    let before = TAKEN.get();
    work();
    TAKEN.get() - before
}

/// Runs `work` while memory is out. It must not panic: there is no memory to
/// tell of it.
pub fn without_memory<R>(work: impl FnOnce() -> R) -> R {
    IS_OUT.set(true);
    let result = work();
    IS_OUT.set(false);
    result
}
