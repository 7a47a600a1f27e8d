// SPDX-License-Identifier: Apache-2.0
//! The heap: dlmalloc over the kernel's memory, behind a lock.

use core::alloc::{GlobalAlloc, Layout};

use dlmalloc::{Allocator, Dlmalloc};

use crate::Lock;
use crate::memory::{PAGE, map_raw, unmap_raw};

/// Where dlmalloc has its memory from.
struct Pages;

// SAFETY: a mapping is fresh memory that nobody else has until it is unmapped.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        match map_raw(size, true) {
            Ok(start) => (start.as_ptr(), size, 0),
            Err(_) => (core::ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        core::ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        // SAFETY: dlmalloc gives back what it had from `alloc`, and has no use
        // for it. What was joined from two mappings the kernel may refuse:
        // then it stays in use.
        unsafe { unmap_raw(start, size) }.is_ok()
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

/// The process's heap.
struct Heap(Lock<Dlmalloc<Pages>>);

#[global_allocator]
static HEAP: Heap = Heap(Lock::new(Dlmalloc::new_with_allocator(Pages)));

// SAFETY: dlmalloc keeps the contract, and the lock lets one thread in.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract that is dlmalloc's too.
        unsafe { self.0.lock().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.lock().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.0.lock().free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.lock().realloc(block, layout.size(), layout.align(), size) }
    }
}
