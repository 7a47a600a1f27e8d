// SPDX-License-Identifier: Apache-2.0
//! Queues of threads, linked through the threads themselves by slot number: no
//! allocation, no pointer, and a corrupt link is an index that does not fit
//! rather than a wild write. A thread stands in one queue at a time.

/// Where a thread stands: the slots before and behind it, and in which queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    before: Option<u32>,
    behind: Option<u32>,
    queue: Option<u16>,
}

impl Link {
    /// In no queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { before: None, behind: None, queue: None }
    }

    /// The number of the queue the thread stands in.
    #[must_use]
    pub const fn queue(&self) -> Option<u16> {
        self.queue
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
    first: Option<u32>,
    last: Option<u32>,
}

impl List {
    /// An empty queue with that number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self { number, first: None, last: None }
    }

    /// The oldest slot.
    #[must_use]
    pub const fn first(&self) -> Option<u32> {
        self.first
    }

    /// Queues `slot` behind the others. One that stands in a queue stays there.
    pub fn push_back(&mut self, links: &mut impl Links, slot: u32) {
        if links.link(slot).queue.is_some() {
            return;
        }
        let before = self.last.replace(slot);
        match before {
            Some(last) => links.link(last).behind = Some(slot),
            None => self.first = Some(slot),
        }
        *links.link(slot) = Link { before, behind: None, queue: Some(self.number) };
    }

    /// Queues `slot` before the others. One that stands in a queue stays there.
    pub fn push_front(&mut self, links: &mut impl Links, slot: u32) {
        if links.link(slot).queue.is_some() {
            return;
        }
        let behind = self.first.replace(slot);
        match behind {
            Some(first) => links.link(first).before = Some(slot),
            None => self.last = Some(slot),
        }
        *links.link(slot) = Link { before: None, behind, queue: Some(self.number) };
    }

    /// Takes `slot` out, wherever it stands. Nothing if it stands elsewhere.
    pub fn remove(&mut self, links: &mut impl Links, slot: u32) {
        if links.link(slot).queue != Some(self.number) {
            return;
        }
        let link = core::mem::take(links.link(slot));
        match link.before {
            Some(before) => links.link(before).behind = link.behind,
            None => self.first = link.behind,
        }
        match link.behind {
            Some(behind) => links.link(behind).before = link.before,
            None => self.last = link.before,
        }
    }

    /// Takes the oldest slot.
    pub fn pop(&mut self, links: &mut impl Links) -> Option<u32> {
        let slot = self.first?;
        self.remove(links, slot);
        Some(slot)
    }
}
