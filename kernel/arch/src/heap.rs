// SPDX-License-Identifier: Apache-2.0
//! The kernel's heap, and with it all free memory of the machine.
//!
//! Thin: `core::frames` decides which frames, `sync::slab` cuts them up, and
//! this file puts a lock around the two and turns frame numbers into pointers.
//! Each bank of memory keeps its own books at its start, and the banks form a
//! chain, so that the machine's memory is the only limit. Interrupts are
//! masked while the lock is held; blocks are zeroed and copied outside of it.
//!
//! Invariant: every pointer dealt out lies in a bank's frames that the bank
//! counts as allocated; the bank never counts a frame twice.

use core::{
    alloc::{GlobalAlloc, Layout},
    fmt,
    mem::MaybeUninit,
    num::NonZeroUsize,
    ops::Range,
    ptr::{self, NonNull},
};

use skimmer_core::frames::{Bank, FRAME_SIZE, FrameError, FrameMeta, FrameNumber};
use skimmer_sync::{
    lock::SpinLock,
    slab::{self, FrameSource, Slabs},
};

use crate::{irq, off_times};

const _: () = assert!(FRAME_SIZE == slab::FRAME_SIZE);

/// A bank and where it is mapped. Stands at the start of its own memory.
struct Link {
    bank: Bank<'static>,
    /// What to add to a physical address.
    offset: usize,
    next: Option<&'static mut Link>,
}

impl Link {
    fn address(&self, frame: FrameNumber) -> usize {
        frame.base().get().wrapping_add(self.offset)
    }

    /// The frame mapped there, if it is this bank's.
    fn frame_at(&self, address: usize) -> Option<FrameNumber> {
        let frame = FrameNumber::new(address.wrapping_sub(self.offset) / FRAME_SIZE);
        self.bank.range().contains(&frame).then_some(frame)
    }
}

/// All banks of the machine.
struct Banks {
    first: Option<&'static mut Link>,
}

impl Banks {
    fn iter(&self) -> impl Iterator<Item = &Link> {
        core::iter::successors(self.first.as_deref(), |link| link.next.as_deref())
    }

    /// The first answer that a bank gives.
    fn find_map<R>(&mut self, mut f: impl FnMut(&mut Link) -> Option<R>) -> Option<R> {
        let mut next = self.first.as_deref_mut();
        while let Some(link) = next {
            if let Some(answer) = f(link) {
                return Some(answer);
            }
            next = link.next.as_deref_mut();
        }
        None
    }

    fn free(&mut self, frame: FrameNumber, order: u8) -> Result<(), FrameError> {
        let owns = |link: &Link| link.bank.range().contains(&frame);
        self.find_map(|link| owns(link).then(|| link.bank.free(frame, order)))
            .unwrap_or(Err(FrameError::Foreign))
    }

    fn frame_at(&self, address: usize) -> Option<FrameNumber> {
        self.iter().find_map(|link| link.frame_at(address))
    }
}

// SAFETY: `add_bank`'s callers hand over memory that nobody else uses, at
// aligned addresses; a bank never deals out a frame twice, and aligns blocks to
// their size. Pointers are made from exposed addresses.
unsafe impl FrameSource for Banks {
    fn take(&mut self, order: u8) -> Option<NonNull<u8>> {
        let address = self.find_map(|link| {
            let frame = link.bank.allocate(order)?;
            Some(link.address(frame))
        })?;
        NonZeroUsize::new(address).map(NonNull::with_exposed_provenance)
    }

    unsafe fn give(&mut self, block: NonNull<u8>, order: u8) {
        let frame = self.frame_at(block.addr().get());
        let freed = frame.map_or(Err(FrameError::Foreign), |frame| self.free(frame, order));
        // The books and the kernel disagree: stop before memory is shared.
        assert!(freed.is_ok(), "heap: bad free of {block:p}, order {order}: {freed:?}");
    }
}

/// What the heap says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapStatistics {
    /// Bytes in the heap's blocks in use, each as large as it was cut.
    pub bytes_in_use: usize,
    /// Frames that are free.
    pub frames_free: usize,
    /// Frames that are not kept for the banks' own books.
    pub frames: usize,
}

/// The kernel's heap. Empty, and failing every request, until `add_bank`.
pub struct KernelHeap(SpinLock<Slabs<Banks>>);

impl fmt::Debug for KernelHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KernelHeap")
    }
}

impl Default for KernelHeap {
    fn default() -> Self {
        Self::new()
    }
}

impl KernelHeap {
    /// A heap without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self(SpinLock::new(Slabs::new(Banks { first: None })))
    }

    /// Adds a run of free memory, of which a small part goes into its books.
    /// Returns the frames that can be had of it: none if the run is too short
    /// to be worth its books.
    ///
    /// # Errors
    /// `TooMany`.
    ///
    /// # Safety
    /// The frames are RAM that nothing else uses, and are mapped for reading
    /// and writing at their address plus `phys_to_virt`, for ever. For blocks
    /// to be aligned, `phys_to_virt` is a multiple of the largest block.
    pub unsafe fn add_bank(
        &self,
        frames: Range<FrameNumber>,
        phys_to_virt: usize,
    ) -> Result<usize, FrameError> {
        let total = frames.end.get().saturating_sub(frames.start.get());
        let books = size_of::<Link>() + Bank::meta_len(total) * size_of::<FrameMeta>();
        let usable = total.saturating_sub(books.div_ceil(FRAME_SIZE));
        let start = frames.start.base().get().wrapping_add(phys_to_virt);
        let Some(start) = NonZeroUsize::new(start).filter(|_| usable > 0) else {
            return Ok(0);
        };
        let place = NonNull::with_exposed_provenance(start);
        // SAFETY: the memory is the caller's gift, `books` bytes of it are in
        // front of the `usable` frames, and a frame is aligned for a link.
        let link = unsafe { write_books(place, frames.end, usable, phys_to_virt) }?;
        irq::masked(|irq| {
            let mut heap = off_times::lock(&self.0, irq);
            // SAFETY: it stays the same chain, one link longer.
            let banks = unsafe { heap.frames_mut() };
            link.next = banks.first.take();
            banks.first = Some(link);
        });
        Ok(usable)
    }

    /// Takes 2^`order` frames, for page tables and processes. Their contents
    /// are whatever they were: zero them before a process sees them.
    pub fn allocate_frames(&self, order: u8) -> Option<FrameNumber> {
        irq::masked(|irq| {
            let mut heap = off_times::lock(&self.0, irq);
            let block = heap.take_frames(order)?;
            heap.frames().frame_at(block.addr().get())
        })
    }

    /// Takes frames back.
    ///
    /// # Errors
    /// What the bank refuses; nothing has changed then.
    ///
    /// # Safety
    /// The frames came from `allocate_frames(order)`, and nothing uses or maps
    /// them any more.
    pub unsafe fn free_frames(&self, frame: FrameNumber, order: u8) -> Result<(), FrameError> {
        irq::masked(|irq| {
            let mut heap = off_times::lock(&self.0, irq);
            // SAFETY: the chain stays, and the caller promises that these
            // frames are not the heap's own.
            unsafe { heap.frames_mut() }.free(frame, order)
        })
    }

    /// Allocates up to `count` blocks under one lock and passes each to `each`.
    pub fn allocate_batch(&self, layout: Layout, count: usize, mut each: impl FnMut(NonNull<u8>)) {
        irq::masked(|irq| {
            let mut heap = off_times::lock(&self.0, irq);
            (0..count).map_while(|_| heap.allocate(layout)).for_each(&mut each);
        });
    }

    /// Takes blocks back under one lock.
    ///
    /// # Safety
    /// Each block is from this heap, with this layout, and not used any more.
    pub unsafe fn free_batch(&self, layout: Layout, blocks: impl Iterator<Item = NonNull<u8>>) {
        irq::masked(|irq| {
            let mut heap = off_times::lock(&self.0, irq);
            for block in blocks {
                // SAFETY: the caller's promise.
                unsafe { heap.free(block, layout) };
            }
        });
    }

    /// What is in use and what is free.
    pub fn statistics(&self) -> HeapStatistics {
        irq::masked(|irq| {
            let heap = off_times::lock(&self.0, irq);
            let banks = || heap.frames().iter().map(|link| &link.bank);
            HeapStatistics {
                bytes_in_use: heap.bytes(),
                frames_free: banks().map(Bank::free_frames).sum(),
                frames: banks().map(|bank| bank.range().end.get() - bank.range().start.get()).sum(),
            }
        })
    }

    /// Gives what the heap keeps in stock back to the frames.
    pub fn trim(&self) {
        irq::masked(|irq| off_times::lock(&self.0, irq).trim());
    }
}

/// Writes the books of a bank of `usable` frames before `end`: a link, then
/// what is known of each frame.
///
/// # Safety
/// From `place` on there is memory for both, aligned to a frame, mapped at
/// `offset`, that nothing else uses or ever will.
unsafe fn write_books(
    place: NonNull<u8>,
    end: FrameNumber,
    usable: usize,
    offset: usize,
) -> Result<&'static mut Link, FrameError> {
    let link = place.cast::<MaybeUninit<Link>>();
    // SAFETY: right behind the link, which is a multiple of its alignment
    // long; the caller counted the space.
    let meta = unsafe { link.add(1) }.cast::<MaybeUninit<FrameMeta>>();
    let mut meta = NonNull::slice_from_raw_parts(meta, Bank::meta_len(usable));
    // SAFETY: the caller's promise; uninitialised memory is a valid value here.
    let meta = unsafe { meta.as_mut() };
    for frame in &mut *meta {
        frame.write(FrameMeta::RESERVED);
    }
    // SAFETY: the loop wrote each of them.
    let meta = unsafe { meta.assume_init_mut() };
    let first = FrameNumber::new(end.get() - usable);
    let mut bank = Bank::new(first, meta)?;
    bank.release(first..end)?;
    let next = None;
    // SAFETY: as for `meta`, and the two do not overlap.
    let link = unsafe { &mut *link.as_ptr() };
    Ok(link.write(Link { bank, offset, next }))
}

// SAFETY: blocks are the caller's alone (see `Slabs` and `Banks`), as large and
// as aligned as the layout asks; nothing here unwinds, the kernel aborts.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = irq::masked(|irq| off_times::lock(&self.0, irq).allocate(layout));
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else {
            return;
        };
        irq::masked(|irq| {
            let mut heap = off_times::lock(&self.0, irq);
            // SAFETY: the caller's promise: from `alloc`, with this layout,
            // freed once and not used any more.
            unsafe { heap.free(block, layout) };
        });
    }
}
