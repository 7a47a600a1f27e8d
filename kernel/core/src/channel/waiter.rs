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
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::errno::Errno;
use skimmer_sync::{lock::Held, locked::LockedCell, segments::Segments};

use crate::{
    channel::{
        id::{ChannelId, MessageId},
        outcome::{Outcome, OutcomeCell},
        queue::{Link, Links, Node},
    },
    ids::{HartIndex, Priority, SlotId, ThreadId},
    table::OutOfMemory,
    user::UserBytes,
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
    /// Those whose memory somebody is in the middle of a long copy with: clients
    /// that are being received or answered, servers that are being sent to. Nobody
    /// else chooses them; whoever ends their wait does so as anywhere.
    Copying,
}

impl Which {
    /// Every queue.
    pub const ALL: [Self; 4] = [Self::Send, Self::Receive, Self::Reply, Self::Copying];

    /// Where somebody of that priority stands: nobody is chosen by priority from the
    /// queues that are not named here.
    const fn level(self, priority: Priority) -> Priority {
        match self {
            Self::Send | Self::Receive => priority,
            Self::Reply | Self::Copying => Priority::IDLE,
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

/// A thread that comes to a channel, and what it wants there.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Who.
    pub thread: ThreadId,
    /// As urgent as it is.
    pub priority: Priority,
    /// Its process: the kernel's word for it, as long as the process lives.
    pub owner: u64,
    /// What its process calls it.
    pub tid: u64,
    /// The connection that it sends on; 0 of who receives.
    pub coid: u64,
    /// What it sends.
    pub out: UserBytes,
    /// Its place for an answer, or for what it receives.
    pub into: UserBytes,
    /// The states in which a timeout of its call counts (`abi::message::states`).
    pub timeouts: u64,
}

impl Guest {
    /// Somebody without a message.
    #[must_use]
    pub const fn bare(thread: ThreadId, priority: Priority) -> Self {
        let (out, into) = (UserBytes::NONE, UserBytes::NONE);
        Self { thread, priority, owner: 0, tid: 0, coid: 0, out, into, timeouts: 0 }
    }
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
    pub(crate) guest: Guest,
    pub(crate) number: u64,
    pub(crate) queue: Which,
    /// Bytes of its message that the server has.
    pub(crate) received: usize,
    /// When it came, among all who came to the channel.
    pub(crate) arrival: u64,
    /// Where it stood before a long copy began.
    pub(crate) stood: Which,
}

impl Waiter {
    const fn new() -> Self {
        let thread = ThreadId::new(HartIndex::new(0), SlotId::new(0, 0));
        let guest = Guest::bare(thread, Priority::IDLE);
        let (queue, stood) = (Which::Send, Which::Send);
        Self { link: Link::new(), guest, number: 0, queue, received: 0, arrival: 0, stood }
    }

    pub(crate) const fn level(&self) -> Priority {
        self.queue.level(self.guest.priority)
    }

    pub(crate) const fn wait(&self, channel: ChannelId) -> Wait {
        Wait { channel, thread: self.guest.thread, number: self.number }
    }
}

/// What there is of a thread as a waiter.
#[derive(Debug)]
pub(crate) struct Record {
    waiter: LockedCell<Waiter>,
    /// Where it waits, or has waited: a hint for who has only its message's name.
    channel: AtomicU64,
    outcome: OutcomeCell,
}

impl Record {
    fn new() -> Self {
        Self {
            waiter: LockedCell::new(Waiter::new()),
            channel: AtomicU64::new(0),
            outcome: OutcomeCell::new(),
        }
    }
}

/// The records of all threads.
#[derive(Debug)]
pub struct Waiters {
    harts: Box<[Segments<Record>]>,
}

impl Waiters {
    /// Records for the threads of that many harts; there are none yet.
    ///
    /// # Errors
    /// When memory is out, or messages have no names for so many harts.
    pub fn new(harts: usize) -> Result<Self, OutOfMemory> {
        if harts > MessageId::MOST_HARTS {
            return Err(OutOfMemory);
        }
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
        table.ensure(slot, |_| Record::new()).map_err(|_| OutOfMemory)
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

    /// Where the thread waits that has sent that message, if it still does: the
    /// lock of that channel will tell.
    #[inline]
    #[must_use]
    pub fn channel_of(&self, message: MessageId) -> Option<ChannelId> {
        let channel = self.record(message.place())?.channel.load(Ordering::Relaxed);
        ChannelId::from_register(channel)
    }

    /// What became of the last wait of a thread, which is over. For its home hart.
    #[must_use]
    pub fn outcome(&self, thread: ThreadId) -> Option<Outcome> {
        self.record(thread.place())?.outcome.get()
    }

    #[inline]
    fn record(&self, node: Node) -> Option<&Record> {
        let (hart, slot) = ThreadId::split_place(node);
        self.harts.get(hart)?.get(slot)
    }

    #[inline]
    pub(crate) fn cell(&self, node: Node) -> Option<&LockedCell<Waiter>> {
        self.record(node).map(|record| &record.waiter)
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

    /// Makes the record this lock's, of that channel. None if the thread waits
    /// somewhere already, or has no record.
    pub(crate) fn claim(&mut self, node: Node, channel: ChannelId) -> Option<&mut Waiter> {
        let record = self.waiters.record(node)?;
        if !record.waiter.claim(&mut self.held) {
            return None;
        }
        record.channel.store(channel.to_register(), Ordering::Relaxed);
        record.waiter.open(&mut self.held)
    }

    /// Makes the record nobody's, and says what became of the wait.
    pub(crate) fn release(&mut self, node: Node, outcome: Outcome) {
        if let Some(record) = self.waiters.record(node) {
            record.outcome.set(outcome);
            record.waiter.release(&mut self.held);
        }
    }
}

impl Links for Owned<'_> {
    #[inline]
    fn link(&mut self, node: Node) -> &mut Link {
        &mut self.waiter(node).link
    }
}
