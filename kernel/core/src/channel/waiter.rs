// SPDX-License-Identifier: Apache-2.0
//! Threads as channels see them: one record each, by which they stand in
//! queues.
//!
//! A record lies where its thread does, by home hart and slot, in tables that
//! grow and never move; so it needs no names and no free lists of its own. It
//! belongs to the lock of the channel that its thread waits at, or to nobody.
//!
//! Every wait has a number. A [`Wait`] names a channel, a thread with its
//! generation, and that number; the thread's home hart keeps it while the
//! thread is blocked. Destroying the channel, ending the thread, and changing
//! its priority all look under the channel's lock whether that very wait is
//! still going on: who comes second finds that it is not.

use alloc::{boxed::Box, vec::Vec};

use skimmer_abi::errno::Errno;
use skimmer_sync::{lock::Held, locked::LockedCell, segments::Segments};

use crate::{
    channel::{
        id::ChannelId,
        queue::{Link, Links, Node},
    },
    ids::{HartIndex, Priority, SlotId, ThreadId},
    table::OutOfMemory,
};

/// The queues of a channel, in the order in which its end wakes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Clients that have sent and were not received. By priority.
    Send,
    /// Servers that wait for something to receive. By priority.
    Receive,
    /// Clients that were received and not answered. By arrival.
    Reply,
}

impl Which {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Send, Self::Receive, Self::Reply];

    /// Where somebody of that priority stands: nobody is chosen from the reply
    /// queue by priority.
    const fn level(self, priority: Priority) -> Priority {
        match self {
            Self::Send | Self::Receive => priority,
            Self::Reply => Priority::IDLE,
        }
    }
}

/// One wait of one thread at one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Where.
    pub channel: ChannelId,
    /// Who.
    pub thread: ThreadId,
    /// Which of its waits.
    pub number: u64,
}

/// A wait that ended; the thread is to be woken, outside of all locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nobody else will wake it"]
pub struct Woken {
    /// What ended.
    pub wait: Wait,
    /// Where it stood.
    pub queue: Which,
    /// What its call returns, unless whoever wakes it knows better.
    pub error: Errno,
}

/// A thread's record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    link: Link,
    pub(crate) thread: ThreadId,
    pub(crate) number: u64,
    pub(crate) queue: Which,
    pub(crate) priority: Priority,
}

impl Waiter {
    fn new() -> Self {
        let thread = ThreadId::new(HartIndex::new(0), SlotId::new(0, 0));
        let (number, queue, priority) = (0, Which::Send, Priority::IDLE);
        Self { link: Link::new(), thread, number, queue, priority }
    }

    pub(crate) const fn level(&self) -> Priority {
        self.queue.level(self.priority)
    }
}

/// The records of all threads.
#[derive(Debug)]
pub struct Waiters {
    harts: Box<[Segments<LockedCell<Waiter>>]>,
}

impl Waiters {
    /// Records for the threads of that many harts; there are none yet.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new(harts: usize) -> Result<Self, OutOfMemory> {
        let mut tables = Vec::new();
        tables.try_reserve_exact(harts).map_err(|_| OutOfMemory)?;
        tables.extend((0..harts).map(|_| Segments::new()));
        Ok(Self { harts: tables.into_boxed_slice() })
    }

    /// Makes sure that the thread has a record. Takes memory, so it is for
    /// where the thread is made, before it can wait, and outside of masked
    /// sections. The record stays for the slot's next thread.
    ///
    /// # Errors
    /// When memory is out, or the name is nobody's.
    pub fn enrol(&self, thread: ThreadId) -> Result<(), OutOfMemory> {
        let (hart, slot) = ThreadId::split_place(thread.place());
        let table = self.harts.get(hart).ok_or(OutOfMemory)?;
        table.ensure(slot, |_| LockedCell::new(Waiter::new())).map_err(|_| OutOfMemory)
    }

    /// The same for all threads of a hart in the slots from `first` on by which
    /// a table of threads grows.
    ///
    /// # Errors
    /// When memory is out.
    pub fn enrol_block(&self, hart: HartIndex, first: u32) -> Result<(), OutOfMemory> {
        self.enrol(ThreadId::new(hart, SlotId::new(first, 1)))
    }

    /// Bytes of the heap that the records take.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.harts.iter().map(Segments::footprint).sum()
    }

    #[inline]
    pub(crate) fn cell(&self, node: Node) -> Option<&LockedCell<Waiter>> {
        let (hart, slot) = ThreadId::split_place(node);
        self.harts.get(hart)?.get(slot)
    }
}

// The records of a block that a table of threads grows by lie in one segment.
#[cfg(not(loom))]
const _: () = assert!(skimmer_sync::segments::FIRST.is_multiple_of(crate::table::SEGMENT));

/// The waiters of one lock, which is held.
#[derive(Debug)]
pub(crate) struct Owned<'g> {
    pub(crate) waiters: &'g Waiters,
    pub(crate) held: Held<'g>,
}

impl Owned<'_> {
    /// The record, if its thread waits here.
    #[inline]
    pub(crate) fn get(&mut self, node: Node) -> Option<&mut Waiter> {
        self.waiters.cell(node)?.open(&mut self.held)
    }

    pub(crate) fn waiter(&mut self, node: Node) -> &mut Waiter {
        match self.get(node) {
            Some(waiter) => waiter,
            None => unreachable!("a queue holds waiters of its own lock only"),
        }
    }

    /// Makes the record this lock's. None if the thread waits somewhere
    /// already, or has no record.
    pub(crate) fn claim(&mut self, node: Node) -> Option<&mut Waiter> {
        let cell = self.waiters.cell(node)?;
        if cell.claim(&mut self.held) { cell.open(&mut self.held) } else { None }
    }

    pub(crate) fn release(&mut self, node: Node) {
        if let Some(cell) = self.waiters.cell(node) {
            cell.release(&mut self.held);
        }
    }
}

impl Links for Owned<'_> {
    #[inline]
    fn link(&mut self, node: Node) -> &mut Link {
        &mut self.waiter(node).link
    }
}
