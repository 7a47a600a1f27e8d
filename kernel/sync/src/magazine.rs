// SPDX-License-Identifier: Apache-2.0
//! A hart's own stock of free memory blocks, in front of the shared heap.
//!
//! Most requests are served here, without a lock. Blocks come from the heap and
//! go back to it several at a time, so that a hart takes the heap's lock once
//! in many requests. A stock is bounded: what one hart hoards, others lack.
//!
//! Invariant: a block of a class was allocated by the heap with
//! [`Class::layout`], belongs to the stock alone, and starts with a link.

use core::{alloc::Layout, ptr::NonNull};

/// The smallest class; also every class's alignment up to [`FRAME`].
const SMALLEST: usize = 16;
const FRAME: usize = 4096;
/// 16 bytes to 16 KiB, by powers of two.
const CLASSES: usize = 11;

/// What is moved at a time, by bytes and by blocks: with interrupts masked, at
/// some 240 instructions a block (law bounded-off-time).
const BATCH_BYTES: usize = 64 * 1024;
const BATCH_BLOCKS: usize = 8;

/// A size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(usize);

impl Class {
    /// The class that serves `layout`; none if the heap has to.
    #[inline]
    #[must_use]
    pub fn of(layout: Layout) -> Option<Self> {
        let is_large = layout.size() > FRAME / 2;
        let size = if is_large { layout.size().max(layout.align()) } else { layout.size() };
        let size = size.max(SMALLEST).next_power_of_two();
        let class = (size / SMALLEST).trailing_zeros() as usize;
        (class < CLASSES && layout.align() <= Self(class).align()).then_some(Self(class))
    }

    const fn size(self) -> usize {
        SMALLEST << self.0
    }

    const fn align(self) -> usize {
        if self.size() < FRAME { SMALLEST } else { self.size() }
    }

    /// How the heap is asked for blocks of this class.
    #[must_use]
    pub const fn layout(self) -> Layout {
        match Layout::from_size_align(self.size(), self.align()) {
            Ok(layout) => layout,
            Err(_) => unreachable!(),
        }
    }

    /// How many blocks move between the heap and a stock at a time.
    #[must_use]
    pub const fn batch(self) -> usize {
        let blocks = BATCH_BYTES / self.size();
        if blocks > BATCH_BLOCKS { BATCH_BLOCKS } else { blocks }
    }
}

struct Link(Option<NonNull<Link>>);

#[derive(Clone, Copy, Debug)]
struct Stack {
    top: Option<NonNull<Link>>,
    count: usize,
}

/// The stock of one hart.
#[derive(Debug)]
pub struct Magazines([Stack; CLASSES]);

// SAFETY: the stock owns its blocks.
unsafe impl Send for Magazines {}

impl Default for Magazines {
    fn default() -> Self {
        Self::new()
    }
}

impl Magazines {
    /// An empty stock.
    #[must_use]
    pub const fn new() -> Self {
        Self([Stack { top: None, count: 0 }; CLASSES])
    }

    /// Bytes of the blocks in the stock.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().zip(0..).map(|(stack, class)| stack.count * Class(class).size()).sum()
    }

    /// Takes a block.
    #[inline]
    pub fn pop(&mut self, class: Class) -> Option<NonNull<u8>> {
        let stack = &mut self.0[class.0];
        let block = stack.top?;
        // SAFETY: in the stock, so it starts with a link that `push` wrote.
        stack.top = unsafe { block.read() }.0;
        stack.count -= 1;
        Some(block.cast())
    }

    /// Puts a block in. Returns whether a batch should go back to the heap.
    ///
    /// # Safety
    /// The heap allocated the block with the class's layout, and it is the
    /// caller's to give away.
    #[inline]
    pub unsafe fn push(&mut self, class: Class, block: NonNull<u8>) -> bool {
        let stack = &mut self.0[class.0];
        let link = block.cast::<Link>();
        // SAFETY: 16 bytes or more, aligned to 16, and ours.
        unsafe { link.write(Link(stack.top)) };
        stack.top = Some(link);
        stack.count += 1;
        stack.count >= 2 * class.batch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::{
        alloc::{alloc, dealloc},
        collections::HashSet,
    };

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn a_class_serves_what_it_is_given() {
        for size in 1..20_000 {
            for align in [1, 8, 16, 64, 4096, 16_384] {
                let wanted = layout(size, align);
                if let Some(class) = Class::of(wanted) {
                    let given = class.layout();
                    assert!(given.size() >= size && given.align() >= align, "{wanted:?}");
                }
            }
        }
        assert_eq!(Class::of(layout(16_385, 8)), None);
        assert_eq!(Class::of(layout(64, 64)), None, "the heap aligns, the stock does not");
        assert_eq!(Class::of(layout(16_384, 16_384)).unwrap().layout(), layout(16_384, 16_384));
    }

    #[test]
    fn what_goes_in_comes_out_once() {
        let mut stock = Magazines::new();
        let class = Class::of(layout(100, 8)).unwrap();
        let mut inside = HashSet::new();
        for number in 1..=2 * class.batch() {
            // SAFETY: the layout's size is not zero.
            let block = NonNull::new(unsafe { alloc(class.layout()) }).unwrap();
            inside.insert(block);
            // SAFETY: fresh, and of the class's layout.
            let is_full = unsafe { stock.push(class, block) };
            assert_eq!(is_full, number == 2 * class.batch());
            assert_eq!(stock.bytes(), number * 128);
        }
        while let Some(block) = stock.pop(class) {
            assert!(inside.remove(&block));
            // SAFETY: allocated above with this layout, and out of the stock.
            unsafe { dealloc(block.as_ptr(), class.layout()) };
        }
        assert!(inside.is_empty());
    }
}
