// SPDX-License-Identifier: Apache-2.0
//! Physical memory by numbers: a buddy allocator over one run of frames.
//!
//! Nothing here touches the memory it deals out; the books are in a slice that
//! the caller provides. A block of order `n` is 2^n frames, aligned to its
//! size by absolute frame number.
//!
//! Invariants: every frame is in exactly one state; the frames of a block
//! behind its first are `Body`; two free buddies never stay apart, so a block
//! can be had exactly if an aligned run of free frames exists. `unsafe` code in
//! `skimmer-arch` (`heap`) relies on no frame being dealt out twice.

use core::ops::Range;

/// Bytes in a frame, as a power of two.
pub const FRAME_SHIFT: u32 = 12;
/// Bytes in a frame.
pub const FRAME_SIZE: usize = 1 << FRAME_SHIFT;
/// The largest block: 2^18 frames, 1 GiB.
pub const MAX_ORDER: u8 = 18;

const ORDERS: usize = MAX_ORDER as usize + 1;
/// No frame, in a link.
const NONE: u32 = u32::MAX;

/// A physical byte address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(usize);

impl PhysAddr {
    /// The address.
    #[must_use]
    pub const fn new(address: usize) -> Self {
        Self(address)
    }

    /// As a plain number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }

    /// The frame it lies in.
    #[must_use]
    pub const fn frame(self) -> FrameNumber {
        FrameNumber(self.0 >> FRAME_SHIFT)
    }
}

/// A frame of physical memory: its address divided by [`FRAME_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNumber(usize);

impl FrameNumber {
    /// The frame of that number.
    #[must_use]
    pub const fn new(number: usize) -> Self {
        Self(number)
    }

    /// As a plain number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }

    /// The address of its first byte.
    #[must_use]
    pub const fn base(self) -> PhysAddr {
        PhysAddr(self.0 << FRAME_SHIFT)
    }
}

/// Why a bank refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// More frames than one bank can count, or frames past the last number.
    TooMany,
    /// A frame that is not this bank's.
    Foreign,
    /// A range to release that is not reserved throughout.
    NotReserved,
    /// A frame to free that no allocated block starts at: freed already, or
    /// never allocated.
    NotAllocated,
    /// A block to free that was allocated with another order.
    WrongOrder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not handed to the bank.
    Reserved,
    /// In a block, behind its first frame.
    Body,
    /// First of a free block.
    Free,
    /// First of an allocated block.
    Allocated,
}

/// What a bank knows about one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta {
    // Links of a free list; meaningful in state Free.
    prev: u32,
    next: u32,
    // Of the block; meaningful in states Free and Allocated.
    order: u8,
    state: State,
}

const _: () = assert!(size_of::<FrameMeta>() <= 12);

impl FrameMeta {
    /// A frame that the bank may not touch.
    pub const RESERVED: Self = Self { prev: NONE, next: NONE, order: 0, state: State::Reserved };
}

/// One contiguous run of frames.
#[derive(Debug)]
pub struct Bank<'m> {
    first: usize,
    meta: &'m mut [FrameMeta],
    heads: [u32; ORDERS],
    /// Bit `n`: the list of order `n` has a block.
    stocked: u32,
    free: usize,
}

impl<'m> Bank<'m> {
    /// How many [`FrameMeta`] a bank of `frames` frames needs.
    #[must_use]
    pub const fn meta_len(frames: usize) -> usize {
        frames
    }

    /// A bank that starts at `first` and has a frame for each of `meta`. All
    /// of them are reserved.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn new(first: FrameNumber, meta: &'m mut [FrameMeta]) -> Result<Self, FrameError> {
        let countable = u32::try_from(meta.len()).is_ok_and(|frames| frames < NONE);
        if !countable || first.0.checked_add(meta.len()).is_none() {
            return Err(FrameError::TooMany);
        }
        meta.fill(FrameMeta::RESERVED);
        Ok(Self { first: first.0, meta, heads: [NONE; ORDERS], stocked: 0, free: 0 })
    }

    /// The frames the bank covers, free or not.
    #[must_use]
    pub const fn range(&self) -> Range<FrameNumber> {
        FrameNumber(self.first)..FrameNumber(self.first + self.meta.len())
    }

    /// Frames that can be had now.
    #[must_use]
    pub const fn free_frames(&self) -> usize {
        self.free
    }

    /// The largest order that can be had now.
    #[must_use]
    pub const fn largest_free_order(&self) -> Option<u8> {
        match self.stocked.checked_ilog2() {
            Some(order) => Some(order as u8),
            None => None,
        }
    }

    /// Hands reserved frames over for use. For boot: takes a step per frame.
    ///
    /// # Errors
    /// `Foreign`, `NotReserved`.
    pub fn release(&mut self, range: Range<FrameNumber>) -> Result<(), FrameError> {
        if range.is_empty() {
            return Ok(());
        }
        let own = self.range();
        if range.start < own.start || range.end > own.end {
            return Err(FrameError::Foreign);
        }
        let frames = &mut self.meta[range.start.0 - self.first..range.end.0 - self.first];
        if frames.iter().any(|frame| frame.state != State::Reserved) {
            return Err(FrameError::NotReserved);
        }
        // Point of no return.
        for frame in frames {
            frame.state = State::Body;
        }
        self.free += range.end.0 - range.start.0;
        let mut at = range.start.0;
        while at < range.end.0 {
            let fits = (range.end.0 - at).ilog2();
            let order = at.trailing_zeros().min(fits).min(u32::from(MAX_ORDER));
            self.put(at - self.first, order as u8);
            at += 1 << order;
        }
        Ok(())
    }

    /// Takes a block of 2^`order` frames, if there is one.
    pub fn allocate(&mut self, order: u8) -> Option<FrameNumber> {
        let fitting = self.stocked & u32::MAX.checked_shl(u32::from(order))?;
        if fitting == 0 {
            return None;
        }
        let mut have = fitting.trailing_zeros() as u8;
        let index = self.heads[usize::from(have)] as usize;
        self.unlink(index);
        while have > order {
            have -= 1;
            self.link(index + (1 << have), have);
        }
        self.meta[index].order = order;
        self.meta[index].state = State::Allocated;
        self.free -= 1 << order;
        Some(FrameNumber(self.first + index))
    }

    /// Takes a block back.
    ///
    /// # Errors
    /// `Foreign`, `NotAllocated`, `WrongOrder`.
    pub fn free(&mut self, frame: FrameNumber, order: u8) -> Result<(), FrameError> {
        let index = frame.0.checked_sub(self.first).ok_or(FrameError::Foreign)?;
        let meta = self.meta.get_mut(index).ok_or(FrameError::Foreign)?;
        if meta.state != State::Allocated {
            return Err(FrameError::NotAllocated);
        }
        if meta.order != order {
            return Err(FrameError::WrongOrder);
        }
        // Point of no return.
        meta.state = State::Body;
        self.free += 1 << order;
        self.put(index, order);
        Ok(())
    }

    /// Makes a block free, joined with its buddy as long as that is free too.
    /// Its frames are all `Body`.
    fn put(&mut self, mut index: usize, mut order: u8) {
        while order < MAX_ORDER {
            let Some(buddy) = self.buddy(index, order) else {
                break;
            };
            let other = &self.meta[buddy];
            if other.state != State::Free || other.order != order {
                break;
            }
            self.unlink(buddy);
            index = index.min(buddy);
            order += 1;
        }
        self.link(index, order);
    }

    fn buddy(&self, index: usize, order: u8) -> Option<usize> {
        let number = (self.first + index) ^ (1 << order);
        let buddy = number.checked_sub(self.first)?;
        (buddy < self.meta.len()).then_some(buddy)
    }

    /// Puts a block on the list of its order.
    fn link(&mut self, index: usize, order: u8) {
        let head = &mut self.heads[usize::from(order)];
        let next = core::mem::replace(head, index as u32);
        self.meta[index] = FrameMeta { prev: NONE, next, order, state: State::Free };
        if next != NONE {
            self.meta[next as usize].prev = index as u32;
        }
        self.stocked |= 1 << order;
    }

    /// Takes a free block off its list; its first frame is `Body` then.
    fn unlink(&mut self, index: usize) {
        let FrameMeta { prev, next, order, .. } = self.meta[index];
        self.meta[index].state = State::Body;
        if next != NONE {
            self.meta[next as usize].prev = prev;
        }
        if prev != NONE {
            self.meta[prev as usize].next = next;
            return;
        }
        self.heads[usize::from(order)] = next;
        if next == NONE {
            self.stocked &= !(1 << order);
        }
    }
}
