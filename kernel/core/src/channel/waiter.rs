// SPDX-License-Identifier: Apache-2.0
//! Threads as channels see them: one record each, by which they stand in
//! queues.
//!
//! A record lies where its thread does, by home hart and slot, in tables that
//! grow and never move; so it needs no names and no free lists of its own. The
//! tables live for ever: queues link records by reference, and only who has but the
//! name of a thread or of a message looks a record up. It belongs to the lock of the
//! channel that its thread waits at, or to nobody.
//!
//! Every wait has a number. A [`Wait`] names a channel, a thread with its
//! generation, and that number; the thread's home hart keeps it while the
//! thread is blocked. Destroying the channel, ending the thread, and changing
//! its priority all look under the channel's lock whether that very wait is
//! still going on: who comes second finds that it is not.

use alloc::{boxed::Box, vec::Vec};
use core::{
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

use skimmer_abi::errno::Errno;
use skimmer_sync::{lock::Held, locked::LockedCell, segments::Segments};

use crate::{
    channel::{
        id::{ChannelId, MessageId},
        outcome::{Outcome, OutcomeCell},
        queue::{Link, Links},
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
    #[inline]
    pub(crate) const fn level(self, priority: Priority) -> Priority {
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
    /// Its record ([`Waiters::of`]). Who has none cannot wait.
    pub record: Option<&'static Record>,
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
    /// Somebody without a record and without a message.
    #[inline]
    #[must_use]
    pub const fn bare(thread: ThreadId, priority: Priority) -> Self {
        let (out, into) = (UserBytes::NONE, UserBytes::NONE);
        Self { thread, record: None, priority, owner: 0, tid: 0, coid: 0, out, into, timeouts: 0 }
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

/// How records name each other.
pub(crate) type Node = &'static Record;

/// A thread that waits, or has waited: what it came with, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    link: Link<Node>,
    pub(crate) thread: ThreadId,
    pub(crate) priority: Priority,
    pub(crate) queue: Which,
    /// Where it stood before a long copy began.
    pub(crate) stood: Which,
    pub(crate) number: u64,
    pub(crate) owner: u64,
    tid: u64,
    pub(crate) coid: u64,
    pub(crate) out: UserBytes,
    pub(crate) into: UserBytes,
    pub(crate) timeouts: u64,
    /// Bytes of its message that the server has.
    pub(crate) received: usize,
    /// When it came, among all who came to the channel.
    pub(crate) arrival: u64,
    /// The number of the wait whose message its sender wants back (`channel::port`).
    pub(crate) asked_back: u64,
}

impl Waiter {
    const fn new() -> Self {
        Self {
            link: Link::new(),
            thread: ThreadId::NOBODY,
            priority: Priority::IDLE,
            queue: Which::Send,
            stood: Which::Send,
            number: 0,
            owner: 0,
            tid: 0,
            coid: 0,
            out: UserBytes::NONE,
            into: UserBytes::NONE,
            timeouts: 0,
            received: 0,
            arrival: 0,
            asked_back: 0,
        }
    }

    /// Takes in who it is for a new wait.
    #[inline(always)]
    pub(crate) const fn come(&mut self, guest: &Guest) {
        // One by one: all at once would be a call that copies bytes.
        self.thread = guest.thread;
        self.owner = guest.owner;
        self.tid = guest.tid;
        self.coid = guest.coid;
        self.out = guest.out;
        self.into = guest.into;
        self.timeouts = guest.timeouts;
        self.next_number();
    }

    /// The number of a new wait.
    #[inline]
    const fn next_number(&mut self) {
        self.number += 1;
        if MessageId::is_nameless(self.number) {
            self.number += 1;
        }
    }

    /// Who it came as, at the priority that it has now.
    pub(crate) const fn guest(&self, record: Node) -> Guest {
        let Self { thread, priority, owner, tid, coid, out, into, timeouts, .. } = *self;
        Guest { thread, record: Some(record), priority, owner, tid, coid, out, into, timeouts }
    }

    #[inline]
    pub(crate) const fn level(&self) -> Priority {
        self.queue.level(self.priority)
    }

    #[inline]
    pub(crate) const fn wait(&self, channel: ChannelId) -> Wait {
        Wait { channel, thread: self.thread, number: self.number }
    }
}

/// What there is of a thread as a waiter. Whoever has a reference names the thread's
/// place by it, and gets at nothing: it opens to the lock of the channel.
#[derive(Debug)]
pub struct Record {
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

    /// What became of the last wait of the thread, which is over. For its home hart.
    #[inline]
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome.get()
    }
}

/// A record is itself, whatever is in it.
impl PartialEq for Record {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl Eq for Record {}

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
    #[inline]
    #[must_use]
    pub fn outcome(&self, thread: ThreadId) -> Option<Outcome> {
        self.record(thread.place())?.outcome()
    }

    /// The thread's record, if it has one: where it lies for ever.
    #[inline]
    #[must_use]
    pub fn of(&'static self, thread: ThreadId) -> Option<&'static Record> {
        self.record(thread.place())
    }

    /// The record of that place.
    #[inline]
    pub(crate) fn record(&self, place: u32) -> Option<&Record> {
        let (hart, slot) = ThreadId::split_place(place);
        self.harts.get(hart)?.get(slot)
    }
}

// The records of a block that a table of threads grows by lie in one segment.
#[cfg(not(loom))]
const _: () = assert!(skimmer_sync::segments::FIRST.is_multiple_of(crate::table::SEGMENT));

/// The waiters of one lock, which is held.
#[derive(Debug)]
pub(crate) struct Owned<'g> {
    pub(crate) waiters: &'static Waiters,
    pub(crate) held: Held<'g>,
}

impl Owned<'_> {
    /// What is in the record, if its thread waits here.
    #[inline]
    pub(crate) fn get(&mut self, node: Node) -> Option<&mut Waiter> {
        node.waiter.open(&mut self.held)
    }

    #[inline]
    pub(crate) fn waiter(&mut self, node: Node) -> &mut Waiter {
        match self.get(node) {
            Some(waiter) => waiter,
            None => unreachable!("a queue holds waiters of its own lock only"),
        }
    }

    /// Makes the record this lock's, of that channel. None if the thread waits
    /// somewhere already.
    #[inline]
    pub(crate) fn claim(&mut self, node: Node, channel: ChannelId) -> Option<&mut Waiter> {
        let waiter = node.waiter.claim(&mut self.held)?;
        node.channel.store(channel.to_register(), Ordering::Relaxed);
        Some(waiter)
    }

    /// Makes the record nobody's. The thread knows what became of its wait.
    #[inline]
    pub(crate) fn give_up(&mut self, node: Node) {
        node.waiter.release(&mut self.held);
    }

    /// Makes the record nobody's, and says what became of the wait.
    #[inline]
    pub(crate) fn release(&mut self, node: Node, outcome: Outcome) {
        node.outcome.set(outcome);
        node.waiter.release(&mut self.held);
    }
}

impl Links<Node> for Owned<'_> {
    type Again<'a>
        = Owned<'a>
    where
        Self: 'a;

    #[inline]
    fn link(&mut self, node: Node) -> &mut Link<Node> {
        &mut self.waiter(node).link
    }

    #[inline]
    fn again(&mut self) -> Owned<'_> {
        Owned { waiters: self.waiters, held: self.held.again() }
    }
}
