// SPDX-License-Identifier: Apache-2.0
//! Memory that a command moves data from or to, as the drive sees it.

use crate::platform::Memory;

/// What a command moves. It belongs to the queue pair while the command is in
/// flight, so nobody frees what the drive may still write to.
///
/// What it answers does not change while the queue pair has it.
pub trait Buffer {
    /// Its bytes.
    fn length(&self) -> usize;
    /// The device address of the byte `at`; the bytes after it follow in
    /// memory up to the next multiple of [`crate::PAGE_SIZE`] of that address.
    fn address_of(&self, at: usize) -> Option<u64>;
}

/// A part of one contiguous [`Memory`].
#[derive(Debug)]
pub struct Extent<M> {
    memory: M,
    offset: usize,
    length: usize,
}

impl<M: Memory> Extent<M> {
    /// The `length` bytes from `offset`, or the memory back if it is shorter.
    ///
    /// # Errors
    /// The memory.
    pub fn new(memory: M, offset: usize, length: usize) -> Result<Self, M> {
        match offset.checked_add(length) {
            Some(end) if end <= memory.size() => Ok(Self { memory, offset, length }),
            _ => Err(memory),
        }
    }

    /// The memory that it is a part of.
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// Where in the memory it begins.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The same, to change it.
    pub const fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }

    /// The memory back.
    pub fn into_memory(self) -> M {
        self.memory
    }
}

impl<M: Memory> Buffer for Extent<M> {
    fn length(&self) -> usize {
        self.length
    }

    fn address_of(&self, at: usize) -> Option<u64> {
        let inside = self.offset.checked_add(at)? as u64;
        (at < self.length).then(|| self.memory.address().checked_add(inside))?
    }
}
