// SPDX-License-Identifier: Apache-2.0
//! The heap's mechanism: small blocks cut from slabs of frames, large ones
//! straight from the source of frames.
//!
//! A block of a size class lies at a multiple of its size in a slab; the
//! slab's header is at the slab's start and found from the block's address,
//! because slabs are aligned to their size. Free blocks of a slab are linked
//! through their first bytes, by offsets; blocks that were never used are not
//! linked at all, so that a new slab costs one header.
//!
//! Invariant: a slab is in its class's list exactly while it has both free and
//! used blocks. An empty one is kept as the class's spare, or returned when
//! there is a spare already. No locks here: `skimmer-arch` (`heap`) wraps this
//! in one.

use core::{alloc::Layout, num::NonZeroUsize, ptr::NonNull};

/// Bytes in a frame.
pub const FRAME_SIZE: usize = 4096;

/// The smallest class; classes double up to the largest.
const SMALLEST: usize = 16;
const LARGEST: usize = 2048;
const CLASSES: usize = (LARGEST.ilog2() - SMALLEST.ilog2()) as usize + 1;

/// Where memory comes from: blocks of 2^order frames.
///
/// # Safety
/// What `take` returns is aligned to its size, may be read and written, and is
/// the taker's alone until given back. Its provenance is exposed.
pub unsafe trait FrameSource {
    /// Takes a block, if there is one.
    fn take(&mut self, order: u8) -> Option<NonNull<u8>>;

    /// Gives a block back.
    ///
    /// # Safety
    /// `block` came from `take(order)` of this source, has not been given back
    /// since, and is not used any more.
    unsafe fn give(&mut self, block: NonNull<u8>, order: u8);
}

/// How a layout is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Class(usize),
    Frames(u8),
}

impl Fit {
    fn of(layout: Layout) -> Self {
        let need = layout.size().max(layout.align()).max(SMALLEST);
        if need <= LARGEST {
            let log = need.next_power_of_two().ilog2();
            return Self::Class((log - SMALLEST.ilog2()) as usize);
        }
        let frames = need.div_ceil(FRAME_SIZE).next_power_of_two();
        Self::Frames(frames.ilog2() as u8)
    }

    /// Bytes that a block of this fit takes.
    const fn bytes(self) -> usize {
        match self {
            Self::Class(class) => SMALLEST << class,
            Self::Frames(order) => FRAME_SIZE << order,
        }
    }
}

/// Bytes that a block for `layout` takes.
pub(crate) fn bytes_of(layout: Layout) -> usize {
    Fit::of(layout).bytes()
}

/// The order of a class's slabs: room for eight blocks at least.
const fn slab_order(class: usize) -> u8 {
    let bytes = 8 * (SMALLEST << class);
    if bytes <= FRAME_SIZE { 0 } else { (bytes / FRAME_SIZE).ilog2() as u8 }
}

const fn slab_bytes(class: usize) -> usize {
    FRAME_SIZE << slab_order(class)
}

/// Where the first block lies: behind the header, at a multiple of the size.
const fn first_block(class: usize) -> usize {
    size_of::<Header>().next_multiple_of(SMALLEST << class)
}

/// What stands at the start of a slab.
#[derive(Debug)]
struct Header {
    next: Option<Slab>,
    prev: Option<Slab>,
    /// Offset of the first free block that was used before; 0 for none.
    free: u32,
    /// Offset of the first block that was never used.
    fresh: u32,
    /// Blocks in use.
    used: u32,
}

/// A slab of this heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slab(NonNull<Header>);

impl Slab {
    /// Makes a slab of a new block of frames.
    ///
    /// # Safety
    /// `block` is a block of `slab_order(class)` from the source, and the
    /// caller's alone.
    unsafe fn create(block: NonNull<u8>, class: usize) -> Self {
        let header = block.cast::<Header>();
        // SAFETY: the block is the caller's, aligned to a frame and larger
        // than a header.
        unsafe {
            header.write(Header {
                next: None,
                prev: None,
                free: 0,
                fresh: first_block(class) as u32,
                used: 0,
            });
        }
        Self(header)
    }

    /// The slab that a block of `class` lies in.
    fn of(block: NonNull<u8>, class: usize) -> Self {
        // Not through `block`: a pointer that comes back from a Box may reach
        // no further than its object. The source exposed the whole slab.
        let start = block.addr().get() & !(slab_bytes(class) - 1);
        let start = NonZeroUsize::new(start).expect("heap: a block in the null slab");
        Self(NonNull::with_exposed_provenance(start))
    }

    fn with<R>(self, f: impl FnOnce(&mut Header) -> R) -> R {
        let mut header = self.0;
        // SAFETY: `Slab`s are private to `Slabs`, which forgets one when it
        // gives its frames back, so the header is alive; closures here do not
        // reach other slabs, so no second reference is.
        f(unsafe { header.as_mut() })
    }

    /// The block at `offset`.
    fn block(self, offset: u32) -> NonNull<u8> {
        self.0.cast::<u8>().map_addr(|start| start | offset as usize)
    }

    /// Takes a free block out; there is one.
    fn pop(self, class: usize) -> NonNull<u8> {
        let size = SMALLEST << class;
        self.with(|header| {
            header.used += 1;
            if header.free == 0 {
                let block = self.block(header.fresh);
                header.fresh += size as u32;
                return block;
            }
            let block = self.block(header.free);
            // SAFETY: a block on the free list starts with the offset that
            // `push` wrote; users of the heap leave freed blocks alone.
            let next = unsafe { block.cast::<u32>().read() };
            // One who does not must not lead us out of the slab.
            let offset = next as usize;
            assert!(
                offset < slab_bytes(class) && offset.is_multiple_of(size),
                "heap: a free block was written to"
            );
            header.free = next;
            block
        })
    }

    /// Puts a block back.
    ///
    /// # Safety
    /// `block` is a used block of this slab, and not used any more.
    unsafe fn push(self, block: NonNull<u8>, class: usize) {
        let offset = (block.addr().get() & (slab_bytes(class) - 1)) as u32;
        self.with(|header| {
            // SAFETY: the block is ours again, and every class is larger than
            // a link and aligned for it.
            unsafe { self.block(offset).cast::<u32>().write(header.free) };
            header.free = offset;
            header.used -= 1;
        });
    }

    fn is_full(self, class: usize) -> bool {
        self.with(|header| header.free == 0 && header.fresh as usize == slab_bytes(class))
    }

    fn is_empty(self) -> bool {
        self.with(|header| header.used == 0)
    }
}

/// One size class.
#[derive(Debug)]
struct Class {
    /// Slabs with free and used blocks.
    partial: Option<Slab>,
    /// A slab without used blocks.
    spare: Option<Slab>,
}

impl Class {
    fn link(&mut self, slab: Slab) {
        let next = self.partial.replace(slab);
        slab.with(|header| (header.next, header.prev) = (next, None));
        if let Some(next) = next {
            next.with(|header| header.prev = Some(slab));
        }
    }

    fn unlink(&mut self, slab: Slab) {
        let (next, prev) = slab.with(|header| (header.next, header.prev));
        if let Some(next) = next {
            next.with(|header| header.prev = prev);
        }
        match prev {
            Some(prev) => prev.with(|header| header.next = next),
            None => self.partial = next,
        }
    }
}

/// A heap without a lock, over a source of frames.
#[derive(Debug)]
pub struct Slabs<F> {
    frames: F,
    classes: [Class; CLASSES],
    bytes: usize,
}

// SAFETY: the slabs belong to this heap and are reached through it only.
unsafe impl<F: Send> Send for Slabs<F> {}

impl<F: FrameSource> Slabs<F> {
    /// A heap that has taken nothing yet.
    pub const fn new(frames: F) -> Self {
        Self {
            frames,
            classes: [const { Class { partial: None, spare: None } }; CLASSES],
            bytes: 0,
        }
    }

    /// Bytes in the blocks in use, each counted as large as it was cut.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The source of frames.
    pub const fn frames(&self) -> &F {
        &self.frames
    }

    /// The source of frames, to add to it.
    ///
    /// # Safety
    /// It stays the same source, and is given back nothing that this heap took.
    pub const unsafe fn frames_mut(&mut self) -> &mut F {
        &mut self.frames
    }

    /// A block for `layout`, not zeroed.
    pub fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let fit = Fit::of(layout);
        let block = match fit {
            Fit::Class(class) => self.allocate_small(class)?,
            Fit::Frames(order) => self.take_frames(order)?,
        };
        self.bytes += fit.bytes();
        Some(block)
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `block` came from `allocate` of this heap with the same layout, was not
    /// freed since, and is not used any more.
    pub unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        let fit = Fit::of(layout);
        self.bytes -= fit.bytes();
        match fit {
            // SAFETY: the same layout gives the same class.
            Fit::Class(class) => unsafe { self.free_small(block, class) },
            // SAFETY: the same layout gives the same order, and `allocate`
            // took the block from the source with it.
            Fit::Frames(order) => unsafe { self.frames.give(block, order) },
        }
    }

    /// Takes frames from the source; spare slabs go back before it fails.
    pub fn take_frames(&mut self, order: u8) -> Option<NonNull<u8>> {
        if let Some(block) = self.frames.take(order) {
            return Some(block);
        }
        self.trim();
        self.frames.take(order)
    }

    /// Gives the spare slabs back to the source.
    pub fn trim(&mut self) {
        for class in 0..CLASSES {
            if let Some(slab) = self.classes[class].spare.take() {
                // SAFETY: a spare has no used blocks and was in no list.
                unsafe { self.give_slab(slab, class) };
            }
        }
    }

    fn allocate_small(&mut self, class: usize) -> Option<NonNull<u8>> {
        let slab = match self.classes[class].partial {
            Some(slab) => slab,
            None => {
                let slab = self.new_slab(class)?;
                self.classes[class].link(slab);
                slab
            }
        };
        let block = slab.pop(class);
        if slab.is_full(class) {
            self.classes[class].unlink(slab);
        }
        Some(block)
    }

    fn new_slab(&mut self, class: usize) -> Option<Slab> {
        if let Some(spare) = self.classes[class].spare.take() {
            return Some(spare);
        }
        let block = self.take_frames(slab_order(class))?;
        // SAFETY: the block was just taken with the class's order.
        Some(unsafe { Slab::create(block, class) })
    }

    /// # Safety
    /// `block` is a used block of `class` of this heap, and not used any more.
    unsafe fn free_small(&mut self, block: NonNull<u8>, class: usize) {
        let slab = Slab::of(block, class);
        let was_full = slab.is_full(class);
        // SAFETY: the caller's promise, and `slab` is where the block lies.
        unsafe { slab.push(block, class) };
        if was_full {
            self.classes[class].link(slab);
        }
        if slab.is_empty() {
            self.classes[class].unlink(slab);
            if let Some(older) = self.classes[class].spare.replace(slab) {
                // SAFETY: it was the spare, so it is empty and in no list.
                unsafe { self.give_slab(older, class) };
            }
        }
    }

    /// # Safety
    /// `slab` is of `class`, has no used blocks, and nothing refers to it.
    unsafe fn give_slab(&mut self, slab: Slab, class: usize) {
        // SAFETY: `new_slab` took it with this order, and it is not used.
        unsafe { self.frames.give(slab.0.cast(), slab_order(class)) };
    }
}
