// SPDX-License-Identifier: Apache-2.0
//! A channel, and the slot that one channel after another lives in.

use core::num::NonZeroU32;

use skimmer_abi::{channel::ChannelFlags, errno::Errno};

use crate::{
    channel::{
        id::{ChannelId, MessageId},
        outcome::Outcome,
        queue::PriorityQueue,
        waiter::{Guest, Node, Owned, Wait, Waiter, Which, Woken},
    },
    ids::{Priority, ThreadId},
};

/// What a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In a stock, before that slot.
    Free { next: Option<u32> },
    /// A channel.
    Live,
    /// A channel that is going: found by nobody, and not all of its waiters
    /// have been taken out.
    Closing,
    /// Out of generations, or of a table that is going.
    Retired,
}

impl State {
    #[inline]
    pub(crate) const fn has_channel(self) -> bool {
        matches!(self, Self::Live | Self::Closing)
    }
}

/// The three queues, and those of whom somebody is in the middle of copying.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queues([PriorityQueue<Node>; 4]);

impl Queues {
    #[inline]
    pub(crate) const fn of(&mut self, which: Which) -> &mut PriorityQueue<Node> {
        &mut self.0[which as usize]
    }

    #[inline]
    pub(crate) fn are_empty(&self) -> bool {
        self.0.iter().all(PriorityQueue::is_empty)
    }
}

/// What a slot's lock guards. In this order: what every message looks at begins with the
/// lock, in one cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) generation: NonZeroU32,
    pub(crate) flags: ChannelFlags,
    pub(crate) state: State,
    pub(crate) queues: Queues,
    /// What has happened here: who came or moved, and what was decided of the server.
    pub(crate) events: u64,
    /// Who received last, or waits to, and how urgent it was made since.
    pub(crate) server: Option<(ThreadId, Priority)>,
}

impl Slot {
    /// A slot that is in no stock yet.
    pub(crate) fn new() -> Self {
        Self {
            generation: NonZeroU32::MIN,
            state: State::Retired,
            flags: ChannelFlags::default(),
            queues: Queues::default(),
            events: 0,
            server: None,
        }
    }

    /// The number of what happens now.
    #[inline]
    pub(crate) const fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    /// Whether it is at the name's generation.
    #[inline]
    pub(crate) fn is_of(&self, id: ChannelId) -> bool {
        cfg!(feature = "bug-chid-generation") || self.generation == id.generation()
    }

    #[inline]
    pub(crate) fn is_live(&self, id: ChannelId) -> bool {
        self.is_of(id) && self.state == State::Live
    }
}

/// A channel while its lock is held.
#[derive(Debug)]
pub struct Channel<'g> {
    pub(crate) id: ChannelId,
    pub(crate) slot: &'g mut Slot,
    pub(crate) owned: Owned<'g>,
}

impl Channel<'_> {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> ChannelId {
        self.id
    }

    /// What it was made for.
    #[must_use]
    pub const fn flags(&self) -> ChannelFlags {
        self.slot.flags
    }

    /// The oldest of the most urgent in that queue, and its priority.
    pub fn first(&mut self, which: Which) -> Option<(Wait, Priority)> {
        let id = self.id;
        let waiter = self.head(which)?;
        Some((waiter.wait(id), waiter.priority))
    }

    /// Whether nobody stands in that queue.
    #[inline]
    #[must_use]
    pub const fn is_empty(&mut self, which: Which) -> bool {
        self.slot.queues.of(which).is_empty()
    }

    /// What is known of the first in that queue.
    #[inline]
    pub(crate) fn head(&mut self, which: Which) -> Option<&Waiter> {
        let node = self.slot.queues.of(which).first()?;
        Some(self.owned.waiter(node))
    }

    /// Puts a thread into a queue. It is the caller's to block, on its home
    /// hart and in the same masked section, and to remember the wait there.
    ///
    /// # Errors
    /// `EBUSY` if it waits somewhere already, or has no record; nothing has
    /// changed.
    pub fn push(
        &mut self,
        which: Which,
        thread: ThreadId,
        priority: Priority,
    ) -> Result<Wait, Errno> {
        let record = self.owned.waiters.of(thread);
        self.put(which, &Guest { record, ..Guest::bare(thread, priority) })
    }

    /// The same with all that the thread wants here.
    ///
    /// # Errors
    /// As [`Self::push`].
    #[inline]
    pub fn put(&mut self, which: Which, guest: &Guest) -> Result<Wait, Errno> {
        self.put_at(which, guest, guest.priority, 0).ok_or(Errno::EBUSY)
    }

    /// The same at another priority than its own; a client of whose message so many bytes
    /// were received. None if the thread waits somewhere already, or has no record.
    #[inline(always)]
    pub(crate) fn put_at(
        &mut self,
        which: Which,
        guest: &Guest,
        priority: Priority,
        received: usize,
    ) -> Option<Wait> {
        let node = guest.record?;
        let waiter = self.owned.claim(node, self.id)?;
        waiter.come(guest);
        (waiter.priority, waiter.queue, waiter.received) = (priority, which, received);
        waiter.arrival = self.slot.next_event();
        let number = waiter.number;
        self.slot.queues.of(which).push(&mut self.owned, node, which.level(priority));
        Some(Wait { channel: self.id, thread: guest.thread, number })
    }

    /// Takes the oldest of the most urgent out of that queue.
    pub fn pop(&mut self, which: Which) -> Option<(Wait, Priority)> {
        let first = self.first(which)?;
        let node = self.slot.queues.of(which).first()?;
        self.take_out(node, which, Outcome::Again);
        Some(first)
    }

    /// Ends a wait, wherever at this channel it goes on. None if it has ended.
    pub fn take(&mut self, wait: Wait) -> Option<Woken> {
        self.end(wait, Errno::ESRCH)
    }

    /// The same for that reason.
    pub fn end(&mut self, wait: Wait, error: Errno) -> Option<Woken> {
        let node = self.find(wait)?;
        let queue = self.owned.waiter(node).queue;
        self.take_out(node, queue, Outcome::Failed(error));
        Some(Woken { wait, queue, error })
    }

    /// Moves a wait, which goes on, to another queue: a client that was
    /// received. Whether it is still going on.
    pub fn shift(&mut self, wait: Wait, to: Which) -> bool {
        let Some(node) = self.find(wait) else { return false };
        let from = self.owned.waiter(node).queue;
        self.step(node, from, to);
        true
    }

    /// Moves who stands in one queue to another.
    #[inline]
    pub(crate) fn step(&mut self, node: Node, from: Which, to: Which) {
        let level = self.leave(node, from, to);
        self.slot.queues.of(to).push(&mut self.owned, node, level);
    }

    /// Moves a wait back to where it stood among its equals. Whether it is still going
    /// on.
    pub(crate) fn shift_back(&mut self, wait: Wait, to: Which) -> bool {
        let Some(node) = self.find(wait) else { return false };
        let waiter = self.owned.waiter(node);
        let (from, arrival) = (waiter.queue, waiter.arrival);
        let level = self.leave(node, from, to);
        let is_older = |owned: &mut Owned<'_>, other| owned.waiter(other).arrival < arrival;
        self.slot.queues.of(to).put_back(&mut self.owned, node, level, is_older);
        true
    }

    /// Takes somebody out of a queue for another. At which level it will stand there.
    #[inline]
    fn leave(&mut self, node: Node, from: Which, to: Which) -> Priority {
        self.slot.queues.of(from).remove(&mut self.owned, node);
        let waiter = self.owned.waiter(node);
        if to == Which::Copying {
            waiter.stood = from;
        }
        waiter.queue = to;
        waiter.level()
    }

    /// Gives a wait another priority, and with it another place in its queue:
    /// behind its new equals. Whether it is still going on.
    pub fn set_priority(&mut self, wait: Wait, priority: Priority) -> bool {
        let arrival = self.slot.next_event();
        let Some(node) = self.find(wait) else { return false };
        let waiter = self.owned.waiter(node);
        if waiter.priority != priority {
            waiter.arrival = arrival;
        }
        waiter.priority = priority;
        let (queue, level) = (waiter.queue, waiter.level());
        self.slot.queues.of(queue).change(&mut self.owned, node, level);
        true
    }

    /// The next to wake when the channel ends.
    pub(crate) fn next_to_wake(&mut self) -> Option<Woken> {
        let queue = *Which::ALL.iter().find(|which| !self.slot.queues.of(**which).is_empty())?;
        let (wait, _) = self.first(queue)?;
        self.end(wait, Errno::ESRCH)
    }

    /// The record of a wait that is going on at this channel.
    #[inline]
    pub(crate) fn find(&mut self, wait: Wait) -> Option<Node> {
        if wait.channel != self.id {
            return None;
        }
        let is_same =
            |waiter: &Waiter| waiter.thread == wait.thread && waiter.number == wait.number;
        let node = self.owned.waiters.of(wait.thread)?;
        self.owned.get(node).is_some_and(|waiter| is_same(waiter)).then_some(node)
    }

    /// The client that waits for the answer to that message, which it sent to this
    /// very channel.
    #[inline]
    pub(crate) fn client(&mut self, message: MessageId) -> Option<(Node, &Waiter)> {
        let node = self.owned.waiters.record(message.place())?;
        let waiter = &*self.owned.get(node)?;
        let is_of = cfg!(feature = "bug-reply-twice") || message.is_of(waiter.number);
        (is_of && waiter.queue == Which::Reply).then_some((node, waiter))
    }

    /// Who has sent that message and waits for the answer, and how much of it was
    /// received.
    pub fn sent(&mut self, message: MessageId) -> Option<(Guest, usize)> {
        let (node, client) = self.client(message)?;
        Some((client.guest(node), client.received))
    }

    /// Where a wait stands, if it goes on; or where it stood before a long copy began.
    pub fn queue_of(&mut self, wait: Wait) -> Option<Which> {
        let node = self.find(wait)?;
        let waiter = self.owned.waiter(node);
        Some(if waiter.queue == Which::Copying { waiter.stood } else { waiter.queue })
    }

    /// Takes who waits in that queue out for good, and says what it will find.
    #[inline]
    pub(crate) fn take_out(&mut self, node: Node, queue: Which, outcome: Outcome) {
        self.slot.queues.of(queue).remove(&mut self.owned, node);
        self.owned.release(node, outcome);
    }
}
