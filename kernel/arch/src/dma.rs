// SPDX-License-Identifier: Apache-2.0
//! Memory that a device and a hart both reach, and the fences between the two.
//!
//! Blocks come from the kernel's heap: frames in a row, seen by the device at
//! their physical address (no IOMMU is set up, and DMA is taken to be coherent)
//! and by harts in the linear map.
//! Invariant: nobody else has a block's frames until it is dropped. The device
//! may change them at any time, so they are only ever read and written by
//! volatile accesses, and nothing of Rust's borrows them.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::{arch::asm, ptr::NonNull};

use skimmer_core::frames::FRAME_SIZE;

use crate::addr;

/// Whole frames that a device may be told of. Whoever drops it has made sure
/// that the device reaches it no more.
#[derive(Debug)]
pub struct DmaMemory {
    start: usize,
    layout: Layout,
}

/// What one access can move: any bits are a value of it.
trait Word: Copy {}
impl Word for u8 {}
impl Word for u32 {}
impl Word for u64 {}

const WORD: usize = size_of::<u64>();

impl DmaMemory {
    /// So many zeroed frames; `None` if there are no such in a row, or none are
    /// asked for.
    #[must_use]
    pub fn allocate(frames: usize) -> Option<Self> {
        let bytes = frames.checked_mul(FRAME_SIZE).filter(|bytes| *bytes > 0)?;
        let layout = Layout::from_size_align(bytes, FRAME_SIZE).ok()?;
        // SAFETY: the layout's size is not zero.
        let block = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { start: block.expose_provenance().get(), layout })
    }

    /// Where the device finds it.
    #[must_use]
    pub fn address(&self) -> u64 {
        addr::to_physical(self.start).get() as u64
    }

    /// In bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.layout.size()
    }

    /// The 32 bits at `offset`.
    ///
    /// # Panics
    /// When they are not all there, or not aligned.
    #[inline]
    #[must_use]
    pub fn load32(&self, offset: usize) -> u32 {
        self.load(offset)
    }

    /// Writes the 32 bits at `offset`.
    ///
    /// # Panics
    /// When they are not all there, or not aligned.
    #[inline]
    pub fn store32(&mut self, offset: usize, value: u32) {
        self.store(offset, value);
    }

    /// Copies the bytes from `offset` out.
    ///
    /// # Panics
    /// When they are not all there.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        let mut at = offset;
        for chunk in into.chunks_mut(WORD) {
            match <&mut [u8; WORD]>::try_from(&mut *chunk) {
                Ok(word) if at.is_multiple_of(WORD) => *word = self.load::<u64>(at).to_le_bytes(),
                _ => chunk.iter_mut().zip(at..).for_each(|(byte, at)| *byte = self.load(at)),
            }
            at += chunk.len();
        }
    }

    /// Copies bytes in, from `offset` on.
    ///
    /// # Panics
    /// When there is no room for them.
    pub fn write(&mut self, offset: usize, from: &[u8]) {
        let mut at = offset;
        for chunk in from.chunks(WORD) {
            match <&[u8; WORD]>::try_from(chunk) {
                Ok(word) if at.is_multiple_of(WORD) => self.store(at, u64::from_le_bytes(*word)),
                _ => chunk.iter().zip(at..).for_each(|(byte, at)| self.store(at, *byte)),
            }
            at += chunk.len();
        }
    }

    /// Copies words out, the least significant byte of each first.
    ///
    /// # Panics
    /// When they are not all there, or not aligned.
    pub fn read_words(&self, offset: usize, into: &mut [u64]) {
        let places = (offset..).step_by(WORD);
        into.iter_mut().zip(places).for_each(|(word, at)| *word = u64::from_le(self.load(at)));
    }

    /// Copies words in.
    ///
    /// # Panics
    /// When there is no room for them, or they are not aligned.
    pub fn write_words(&mut self, offset: usize, from: &[u64]) {
        let places = (offset..).step_by(WORD);
        from.iter().zip(places).for_each(|(word, at)| self.store(at, word.to_le()));
    }

    #[inline]
    fn load<T: Word>(&self, offset: usize) -> T {
        // SAFETY: in the block and aligned; any bits are a value.
        unsafe { self.place::<T>(offset).read_volatile() }
    }

    #[inline]
    fn store<T: Word>(&mut self, offset: usize, value: T) {
        // SAFETY: in the block and aligned; nobody borrows it.
        unsafe { self.place::<T>(offset).write_volatile(value) };
    }

    #[inline]
    fn place<T: Word>(&self, offset: usize) -> *mut T {
        let end = offset.checked_add(size_of::<T>());
        let is_there = end.is_some_and(|end| end <= self.layout.size());
        assert!(is_there && offset.is_multiple_of(size_of::<T>()), "no such word of DMA memory");
        core::ptr::with_exposed_provenance_mut(self.start + offset)
    }
}

impl Drop for DmaMemory {
    fn drop(&mut self) {
        let block = core::ptr::with_exposed_provenance_mut(self.start);
        // SAFETY: from `alloc_zeroed` with this layout, and given back once.
        unsafe { dealloc(block, self.layout) };
    }
}

/// Every access to memory before this is visible to devices before any register
/// write after it (Unprivileged ISA, "fence").
#[inline]
pub fn fence_before_doorbell() {
    // SAFETY: a fence does nothing but order.
    unsafe { asm!("fence rw, o") };
}

/// No read of memory after this is older than one before it.
#[inline]
pub fn fence_after_phase() {
    // SAFETY: as above.
    unsafe { asm!("fence r, r") };
}
