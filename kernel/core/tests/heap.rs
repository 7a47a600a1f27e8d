// SPDX-License-Identifier: Apache-2.0
//! The kernel's heap, the very source file, with memory of the host: banks,
//! slabs and the lock together, from several threads that play harts.
#![cfg(not(loom))]

#[allow(dead_code, unreachable_pub, reason = "a module of another crate")]
#[path = "../../arch/src/heap.rs"]
mod heap;

/// What `skimmer-arch` offers the heap: here nothing interrupts.
mod irq {
    use skimmer_sync::irq::{HartIndex, IrqOff};

    pub(crate) fn masked<R>(f: impl FnOnce(&IrqOff) -> R) -> R {
        // SAFETY: a host thread is an imaginary hart without interrupts; the
        // heap uses no per-hart state, so the number does not matter.
        f(&unsafe { IrqOff::assume(HartIndex::new(0)) })
    }
}

/// And this: here nothing is measured.
mod off_times {
    use skimmer_sync::{
        irq::IrqOff,
        lock::{Guard, SpinLock},
    };

    pub(crate) fn lock<'l, T>(lock: &'l SpinLock<T>, irq: &'l IrqOff) -> Guard<'l, T> {
        lock.lock(irq)
    }
}

use std::{
    alloc::{GlobalAlloc, Layout},
    ptr::{self, NonNull},
    thread,
};

use heap::{HeapStatistics, KernelHeap};
use skimmer_core::frames::{FRAME_SIZE, FrameError, FrameNumber, PhysAddr};

/// The host's addresses, moved up by 2^40, play the physical ones.
const OFFSET: usize = (1_usize << 40).wrapping_neg();

/// Adds frames of the host, for ever. Returns how many are usable.
fn add(heap: &KernelHeap, frames: usize) -> usize {
    let layout = Layout::from_size_align(frames * FRAME_SIZE, FRAME_SIZE).unwrap();
    // SAFETY: the layout is not empty.
    let memory = NonNull::new(unsafe { std::alloc::alloc(layout) }).unwrap();
    let start = PhysAddr::new(memory.expose_provenance().get().wrapping_sub(OFFSET)).frame();
    let end = FrameNumber::new(start.get() + frames);
    // SAFETY: just allocated, never freed, and found at this offset.
    unsafe { heap.add_bank(start..end, OFFSET) }.unwrap()
}

fn all_free(frames: usize) -> HeapStatistics {
    HeapStatistics { bytes_in_use: 0, frames_free: frames, frames }
}

/// Allocates, fills, checks and frees at random; frees everything at the end.
fn work(heap: &KernelHeap, seed: u64) {
    let mut state = seed;
    let mut random = move |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end) as usize
    };
    let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
    let free = |(block, layout, pattern): (*mut u8, Layout, u8)| {
        let bytes = ptr::slice_from_raw_parts(block, layout.size());
        // SAFETY: a block we hold, all of it filled when it was allocated.
        let bytes = unsafe { &*bytes };
        assert!(bytes.iter().all(|byte| *byte == pattern), "trampled");
        // SAFETY: from this heap, with this layout, and given up.
        unsafe { heap.dealloc(block, layout) };
    };
    for step in 0..3000 {
        if random(2) == 0 && !held.is_empty() {
            free(held.swap_remove(random(held.len() as u64)));
            continue;
        }
        let size = 1 + [random(100), random(3000), random(40_000)][random(3)];
        let layout = Layout::from_size_align(size, 1 << random(14)).unwrap();
        // SAFETY: the layout is not empty.
        let block = unsafe { heap.alloc(layout) };
        if !block.is_null() {
            assert!(block.addr().is_multiple_of(layout.align()), "{layout:?}");
            let pattern = (seed as u8) << 4 | step as u8 & 15;
            // SAFETY: the block is that long and ours.
            unsafe { block.write_bytes(pattern, size) };
            held.push((block, layout, pattern));
        }
    }
    held.into_iter().for_each(free);
}

#[test]
fn harts_share_the_heap_and_everything_comes_back() {
    let heap = KernelHeap::new();
    let frames = add(&heap, 700) + add(&heap, 3) + add(&heap, 300);
    assert_eq!(heap.statistics(), all_free(frames));
    thread::scope(|scope| {
        // Few: with more threads than processors a ticket lock is slow.
        for seed in 1..=2 {
            let heap = &heap;
            scope.spawn(move || work(heap, seed));
        }
    });
    heap.trim();
    assert_eq!(heap.statistics(), all_free(frames));
}

#[test]
fn without_memory_every_request_fails() {
    let heap = KernelHeap::new();
    let start = FrameNumber::new(1);
    // SAFETY: an empty range, and one frame that is not enough for books and
    // is left alone.
    assert_eq!(unsafe { heap.add_bank(start..start, OFFSET) }, Ok(0));
    assert_eq!(add(&heap, 1), 0);
    // SAFETY: the layout is not empty.
    assert!(unsafe { heap.alloc(Layout::new::<u64>()) }.is_null());
    assert_eq!(heap.allocate_frames(0), None);
    assert_eq!(heap.statistics(), all_free(0));
}

#[test]
fn books_cost_little_and_every_bank_is_used_up() {
    let heap = KernelHeap::new();
    // What 1024 frames need fills three frames to the last byte, so that the
    // link takes a fourth.
    let frames = add(&heap, 1024) + add(&heap, 2);
    assert_eq!(frames, 1024 - 4 + 2 - 1);
    let taken: Vec<_> = std::iter::from_fn(|| heap.allocate_frames(0)).collect();
    assert_eq!(taken.len(), frames);
    assert_eq!(heap.statistics().frames_free, 0);
    for frame in &taken {
        // SAFETY: just taken, and nobody uses them.
        unsafe { heap.free_frames(*frame, 0) }.unwrap();
    }
    assert_eq!(heap.statistics(), all_free(frames));
    // SAFETY: wrong on purpose; the books refuse and nothing changes.
    let again = unsafe { heap.free_frames(taken[0], 0) };
    assert_eq!(again, Err(FrameError::NotAllocated));
    // SAFETY: as above.
    let foreign = unsafe { heap.free_frames(FrameNumber::new(0), 0) };
    assert_eq!(foreign, Err(FrameError::Foreign));
    assert_eq!(heap.statistics(), all_free(frames));
}
