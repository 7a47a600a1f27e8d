// SPDX-License-Identifier: Apache-2.0
//! A channel, and the slot that one channel after another lives in.

use core::num::NonZeroU32;

use skimmer_abi::{channel::ChannelFlags, errno::Errno};

use crate::{
    channel::{
        id::ChannelId,
        queue::{Node, PriorityQueue},
        waiter::{Owned, Wait, Waiter, Which, Woken},
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

/// The three queues.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queues([PriorityQueue; 3]);

impl Queues {
    const fn of(&mut self, which: Which) -> &mut PriorityQueue {
        &mut self.0[which as usize]
    }

    #[inline]
    pub(crate) fn are_empty(&self) -> bool {
        self.0.iter().all(PriorityQueue::is_empty)
    }
}

/// What a slot's lock guards.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) generation: NonZeroU32,
    pub(crate) state: State,
    pub(crate) flags: ChannelFlags,
    pub(crate) queues: Queues,
}

impl Slot {
    /// A slot that is in no stock yet.
    pub(crate) fn new() -> Self {
        Self {
            generation: NonZeroU32::MIN,
            state: State::Retired,
            flags: ChannelFlags::default(),
            queues: Queues::default(),
        }
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
        let node = self.slot.queues.of(which).first()?;
        let waiter = *self.owned.waiter(node);
        Some((self.wait(&waiter), waiter.priority))
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
        let node = thread.place();
        let waiter = self.owned.claim(node).ok_or(Errno::EBUSY)?;
        (waiter.thread, waiter.queue, waiter.priority) = (thread, which, priority);
        waiter.number += 1;
        let waiter = *waiter;
        self.slot.queues.of(which).push(&mut self.owned, node, waiter.level());
        Ok(self.wait(&waiter))
    }

    /// Takes the oldest of the most urgent out of that queue.
    pub fn pop(&mut self, which: Which) -> Option<(Wait, Priority)> {
        let node = self.slot.queues.of(which).first()?;
        let waiter = self.take_out(node);
        Some((self.wait(&waiter), waiter.priority))
    }

    /// Ends a wait, wherever at this channel it goes on. None if it has ended.
    pub fn take(&mut self, wait: Wait) -> Option<Woken> {
        let queue = self.find(wait)?.queue;
        self.take_out(wait.thread.place());
        Some(Woken { wait, queue, error: Errno::ESRCH })
    }

    /// Moves a wait, which goes on, to another queue: a client that was
    /// received. Whether it is still going on.
    pub fn shift(&mut self, wait: Wait, to: Which) -> bool {
        let Some(from) = self.find(wait).map(|waiter| waiter.queue) else {
            return false;
        };
        let node = wait.thread.place();
        self.slot.queues.of(from).remove(&mut self.owned, node);
        let waiter = self.owned.waiter(node);
        waiter.queue = to;
        let level = waiter.level();
        self.slot.queues.of(to).push(&mut self.owned, node, level);
        true
    }

    /// Gives a wait another priority, and with it another place in its queue:
    /// behind its new equals. Whether it is still going on.
    pub fn set_priority(&mut self, wait: Wait, priority: Priority) -> bool {
        let Some(waiter) = self.find(wait) else {
            return false;
        };
        waiter.priority = priority;
        let (queue, level) = (waiter.queue, waiter.level());
        self.slot.queues.of(queue).change(&mut self.owned, wait.thread.place(), level);
        true
    }

    /// The next to wake when the channel ends.
    pub(crate) fn next_to_wake(&mut self) -> Option<Woken> {
        let queue = *Which::ALL.iter().find(|which| !self.slot.queues.of(**which).is_empty())?;
        let (wait, _) = self.pop(queue)?;
        Some(Woken { wait, queue, error: Errno::ESRCH })
    }

    /// The record of a wait that is going on at this channel.
    fn find(&mut self, wait: Wait) -> Option<&mut Waiter> {
        if wait.channel != self.id {
            return None;
        }
        let is_same =
            |waiter: &Waiter| waiter.thread == wait.thread && waiter.number == wait.number;
        self.owned.get(wait.thread.place()).filter(|waiter| is_same(waiter))
    }

    fn take_out(&mut self, node: Node) -> Waiter {
        let waiter = *self.owned.waiter(node);
        self.slot.queues.of(waiter.queue).remove(&mut self.owned, node);
        self.owned.release(node);
        waiter
    }

    const fn wait(&self, waiter: &Waiter) -> Wait {
        Wait { channel: self.id, thread: waiter.thread, number: waiter.number }
    }
}
