// SPDX-License-Identifier: Apache-2.0
//! The slab heap over memory of the host: blocks keep their contents, and
//! every frame comes back.
#![cfg(not(loom))]

use std::{
    alloc::{Layout, alloc, dealloc},
    collections::BTreeMap,
    ptr::NonNull,
};

use skimmer_sync::slab::{FRAME_SIZE, FrameSource, Slabs};

/// Frames of the host, a limited number.
struct Host {
    left: usize,
    out: BTreeMap<usize, u8>,
}

impl Host {
    const fn new(frames: usize) -> Self {
        Self { left: frames, out: BTreeMap::new() }
    }

    fn layout(order: u8) -> Layout {
        Layout::from_size_align(FRAME_SIZE << order, FRAME_SIZE << order).unwrap()
    }
}

// SAFETY: each block is an allocation of its own, aligned to its size.
unsafe impl FrameSource for Host {
    fn take(&mut self, order: u8) -> Option<NonNull<u8>> {
        self.left = self.left.checked_sub(1 << order)?;
        // SAFETY: the layout is not empty.
        let block = NonNull::new(unsafe { alloc(Self::layout(order)) })?;
        // SAFETY: the block is ours and that long; nothing may rely on zeroes.
        unsafe { block.write_bytes(0xa5, FRAME_SIZE << order) };
        self.out.insert(block.expose_provenance().get(), order);
        Some(block)
    }

    unsafe fn give(&mut self, block: NonNull<u8>, order: u8) {
        let taken = self.out.remove(&block.addr().get());
        assert_eq!(taken, Some(order), "not taken, or with another order");
        self.left += 1 << order;
        // SAFETY: `take` allocated it with this layout.
        unsafe { dealloc(block.as_ptr(), Self::layout(order)) };
    }
}

/// Random numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn layout(&mut self) -> Layout {
        let size = match self.below(10) {
            0..6 => self.below(300),
            6..9 => self.below(2200),
            _ => self.below(20_000),
        };
        let align = 1 << [0, 3, 4, self.below(8), self.below(15)][self.below(5)];
        Layout::from_size_align(size, align).unwrap()
    }
}

/// A block that a user of the heap holds, filled with a pattern of its own.
struct Held {
    block: NonNull<u8>,
    layout: Layout,
    pattern: u8,
}

impl Held {
    fn fill(block: NonNull<u8>, layout: Layout, pattern: u8) -> Self {
        assert_eq!(block.addr().get() % layout.align(), 0, "{layout:?}");
        // SAFETY: the heap gave us that many bytes.
        unsafe { block.write_bytes(pattern, layout.size()) };
        Self { block, layout, pattern }
    }

    fn check(&self) {
        let bytes = NonNull::slice_from_raw_parts(self.block, self.layout.size());
        // SAFETY: `fill` wrote all of it, and it is still ours.
        let bytes = unsafe { bytes.as_ref() };
        assert!(bytes.iter().all(|byte| *byte == self.pattern), "trampled");
    }

    fn free(self, heap: &mut Slabs<Host>) {
        self.check();
        // SAFETY: allocated from this heap with this layout, and given up.
        unsafe { heap.free(self.block, self.layout) };
    }
}

fn assert_all_is_back(heap: &mut Slabs<Host>, frames: usize) {
    assert_eq!(heap.bytes(), 0);
    heap.trim();
    assert_eq!(heap.frames().left, frames);
    assert!(heap.frames().out.is_empty());
}

#[test]
fn random_blocks_do_not_overlap_and_all_come_back() {
    const FRAMES: usize = 200;
    let mut failures = 0;
    for seed in 1..=40 {
        let mut random = Random(seed);
        let mut heap = Slabs::new(Host::new(FRAMES));
        let mut held: Vec<Held> = Vec::new();
        for step in 0..4000 {
            // Grows, shrinks, grows again: slabs fill up and empty.
            let grow = if step / 1000 % 2 == 0 { 7 } else { 3 };
            if random.below(10) < grow {
                let layout = random.layout();
                match heap.allocate(layout) {
                    Some(block) => held.push(Held::fill(block, layout, step as u8)),
                    None => failures += 1,
                }
            } else if !held.is_empty() {
                let at = random.below(held.len());
                held.swap_remove(at).free(&mut heap);
            }
            let least: usize = held.iter().map(|h| h.layout.size()).sum();
            assert!(heap.bytes() >= least);
            assert!(heap.frames().left * FRAME_SIZE + heap.bytes() <= FRAMES * FRAME_SIZE);
        }
        held.iter().for_each(Held::check);
        held.into_iter().for_each(|h| h.free(&mut heap));
        assert_all_is_back(&mut heap, FRAMES);
    }
    assert!(failures > 100, "memory never ran out: {failures}");
}

fn heap_full_of(layout: Layout, heap: &mut Slabs<Host>) -> Vec<Held> {
    let blocks = core::iter::from_fn(|| heap.allocate(layout));
    blocks.map(|block| Held::fill(block, layout, 1)).collect()
}

#[test]
fn slabs_are_filled_to_the_last_block() {
    // (size, order of its slabs, blocks in one)
    for (size, frames, blocks) in [(1, 1, 254), (16, 1, 254), (32, 1, 127), (512, 1, 7)]
        .into_iter()
        .chain([(1024, 2, 7), (2048, 4, 7), (2049, 1, 1), (4097, 2, 1)])
    {
        let mut heap = Slabs::new(Host::new(12));
        let held = heap_full_of(Layout::from_size_align(size, 1).unwrap(), &mut heap);
        assert_eq!(held.len(), 12 / frames * blocks, "size {size}");
        held.into_iter().for_each(|h| h.free(&mut heap));
        assert_all_is_back(&mut heap, 12);
    }
}

#[test]
fn freed_blocks_of_full_slabs_are_found_again() {
    for size in [16, 64, 2048] {
        let layout = Layout::from_size_align(size, 1).unwrap();
        let mut heap = Slabs::new(Host::new(16));
        let mut held = heap_full_of(layout, &mut heap);
        let full = held.len();
        for at in (0..full).step_by(3).collect::<Vec<_>>().into_iter().rev() {
            held.swap_remove(at).free(&mut heap);
        }
        held.extend(heap_full_of(layout, &mut heap));
        assert_eq!(held.len(), full, "size {size}");
        held.into_iter().for_each(|h| h.free(&mut heap));
        assert_all_is_back(&mut heap, 16);
    }
}

#[test]
fn one_spare_slab_is_kept_and_returned_when_needed() {
    let small = Layout::new::<u64>();
    let mut heap = Slabs::new(Host::new(8));
    for h in heap_full_of(small, &mut heap) {
        h.free(&mut heap);
    }
    assert_eq!(heap.frames().left, 7, "empty slabs but one are back");
    let all = Layout::from_size_align(8 * FRAME_SIZE, 1).unwrap();
    let block = heap.allocate(all).expect("the spare makes room");
    assert!(heap.allocate(small).is_none());
    Held::fill(block, all, 2).free(&mut heap);
    assert_all_is_back(&mut heap, 8);
}

#[test]
fn absurd_layouts_fail() {
    let mut heap = Slabs::new(Host::new(8));
    for (size, align) in [(isize::MAX as usize, 1), (1, 1 << 62), (9 * FRAME_SIZE, 1)] {
        let layout = Layout::from_size_align(size, align).unwrap();
        assert_eq!(heap.allocate(layout), None);
    }
    assert_all_is_back(&mut heap, 8);
}

#[test]
#[should_panic(expected = "a free block was written to")]
fn a_damaged_free_list_is_noticed() {
    let layout = Layout::new::<[u64; 8]>();
    let mut heap = Slabs::new(Host::new(1));
    let block = heap.allocate(layout).unwrap();
    Held::fill(block, layout, 3).free(&mut heap);
    // SAFETY: wrong on purpose, but the slab's memory is still there.
    unsafe { block.write_bytes(0xee, layout.size()) };
    heap.allocate(layout);
}
