// SPDX-License-Identifier: Apache-2.0
//! Room for a message, with bytes before and behind it that nobody may touch.

use alloc::vec::Vec;

/// Bytes on each side that are looked at.
const AROUND: usize = 64;

/// What stands where nobody has written.
const QUIET: u8 = 0xa5;

/// Room for one message at a time.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Room {
    /// Without any.
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, length: 0 }
    }

    /// With one place for good.
    pub(crate) fn of(length: usize) -> Self {
        let mut room = Self::new();
        room.lay(0, length);
        room
    }

    /// Makes a quiet place of that length, so many bytes further on than it could be.
    pub(crate) fn lay(&mut self, offset: usize, length: usize) {
        let due = 2 * AROUND + offset + length;
        if self.bytes.len() < due {
            // Long ones are rare: what comes after it may be short.
            self.bytes.resize(due, QUIET);
        }
        (self.start, self.length) = (AROUND + offset, length);
        self.bytes[..due].fill(QUIET);
    }

    /// Gives long memory back.
    pub(crate) fn trim(&mut self) {
        const KEPT: usize = 16 * 1024;
        if self.bytes.len() > KEPT {
            *self = Self::new();
        }
    }

    pub(crate) fn place(&self) -> &[u8] {
        &self.bytes[self.start..][..self.length]
    }

    pub(crate) fn place_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..][..self.length]
    }

    /// Whether nobody has written but the first so many bytes of the place, as far
    /// as can be seen from them.
    pub(crate) fn is_quiet_around(&self, written: usize) -> bool {
        let end = self.start + written;
        let before = &self.bytes[self.start - AROUND..self.start];
        let behind = &self.bytes[end..(end + AROUND).min(self.bytes.len())];
        before.iter().chain(behind).all(|byte| *byte == QUIET)
    }

    /// Whether nobody has written all of the place but the first so many bytes.
    pub(crate) fn is_quiet_behind(&self, written: usize) -> bool {
        self.place().get(written..).is_some_and(|rest| rest.iter().all(|byte| *byte == QUIET))
    }

    /// Makes those first bytes quiet again.
    pub(crate) fn calm(&mut self, written: usize) {
        self.place_mut()[..written].fill(QUIET);
    }
}
