// SPDX-License-Identifier: Apache-2.0
//! Queues of threads, linked through the threads themselves by slot number: no
//! allocation, no pointer, and a corrupt link is an index that does not fit
//! rather than a wild write. A thread stands in one queue at a time.

/// No slot.
const NOBODY: u32 = u32::MAX;

/// No queue.
const NOWHERE: u16 = u16::MAX;

/// Where a thread stands: the slots before and behind it, and in which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    // Plain numbers: a link is compared and moved at each step of a thread.
    before: u32,
    behind: u32,
    queue: u16,
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl Link {
    /// In no queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { before: NOBODY, behind: NOBODY, queue: NOWHERE }
    }

    /// The number of the queue the thread stands in.
    #[inline]
    #[must_use]
    pub const fn queue(&self) -> Option<u16> {
        if self.queue == NOWHERE { None } else { Some(self.queue) }
    }
}

/// Where the links are: the thread table, by slot number.
pub trait Links {
    /// The link in that slot.
    fn link(&mut self, slot: u32) -> &mut Link;
}

/// One queue, known to its links by a number of its own.
#[derive(Clone, Copy, Debug)]
pub struct List {
    number: u16,
    first: u32,
    last: u32,
}

impl List {
    /// An empty queue with that number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self { number, first: NOBODY, last: NOBODY }
    }

    /// The oldest slot.
    #[inline]
    #[must_use]
    pub const fn first(&self) -> Option<u32> {
        if self.first == NOBODY { None } else { Some(self.first) }
    }

    /// Queues `slot` behind the others. One that stands in a queue stays there. Whether
    /// it was queued.
    #[inline]
    pub fn push_back(&mut self, links: &mut impl Links, slot: u32) -> bool {
        let link = links.link(slot);
        if link.queue != NOWHERE {
            return false;
        }
        *link = Link { before: self.last, behind: NOBODY, queue: self.number };
        match core::mem::replace(&mut self.last, slot) {
            NOBODY => self.first = slot,
            last => links.link(last).behind = slot,
        }
        true
    }

    /// Queues `slot` before the others. One that stands in a queue stays there. Whether
    /// it was queued.
    #[inline]
    pub fn push_front(&mut self, links: &mut impl Links, slot: u32) -> bool {
        let link = links.link(slot);
        if link.queue != NOWHERE {
            return false;
        }
        *link = Link { before: NOBODY, behind: self.first, queue: self.number };
        match core::mem::replace(&mut self.first, slot) {
            NOBODY => self.last = slot,
            first => links.link(first).before = slot,
        }
        true
    }

    /// Takes `slot` out, wherever it stands. Nothing if it stands elsewhere.
    #[inline]
    pub fn remove(&mut self, links: &mut impl Links, slot: u32) {
        let link = links.link(slot);
        if link.queue != self.number {
            return;
        }
        let Link { before, behind, .. } = core::mem::take(link);
        match before {
            NOBODY => self.first = behind,
            before => links.link(before).behind = behind,
        }
        match behind {
            NOBODY => self.last = before,
            behind => links.link(behind).before = before,
        }
    }

    /// Takes the oldest slot.
    #[inline]
    pub fn pop(&mut self, links: &mut impl Links) -> Option<u32> {
        let slot = self.first()?;
        let Link { behind, .. } = core::mem::take(links.link(slot));
        self.first = behind;
        match behind {
            NOBODY => self.last = NOBODY,
            behind => links.link(behind).before = NOBODY,
        }
        Some(slot)
    }
}
