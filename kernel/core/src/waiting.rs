// SPDX-License-Identifier: Apache-2.0
//! Threads that are blocked at channels, as their home hart sees them: how they
//! block and wake, time out, are ended, and get another priority.
//!
//! The wait itself is the channel's, under its lock. A handler takes no lock, so
//! what has to be done there because of a handler is left to the service thread
//! ([`Unsettled`]), which finds under the lock whether the wait still goes on.

use skimmer_abi::{errno::Errno, message::states, trace::Event};
use skimmer_sync::irq::IrqOff;

use crate::{
    channel::{
        ChannelId, Record, Wait, Waiters, Which,
        connection::ConnectionId,
        rendezvous::{Boost, Urgency, Wake},
        table::ChannelTable,
    },
    hart::Hart,
    ids::{Priority, ThreadId},
    machine::Machine,
    port::Full,
    remote::Op,
    sched::Blocked,
    thread::{State, Thread, Why},
};

/// When a call is to fail with ETIMEDOUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// In which states that counts (`abi::message::states`).
    pub states: u64,
    /// When, or after how long.
    pub until: Until,
}

/// Which of two reasons to end a wait says more: a timeout may not count where the
/// thread stands, and a thread that is to end is to end whatever else.
const fn lasts(error: Errno) -> u8 {
    match error {
        Errno::EINTR => 2,
        Errno::ETIMEDOUT => 0,
        _ => 1,
    }
}

/// The end of a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// So many ticks after the first of the states was entered.
    After(u64),
    /// That moment, in ticks.
    At(u64),
}

/// A wait at a channel, as its home hart keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Where: in which table.
    pub table: &'static ChannelTable,
    /// Which wait.
    pub wait: Wait,
    /// The connection that the thread has sent on, if it has.
    pub connection: Option<ConnectionId>,
    /// Why it is to end.
    ending: Option<Errno>,
}

impl Waiting {
    /// A wait that has begun.
    #[inline]
    #[must_use]
    pub const fn new(
        table: &'static ChannelTable,
        wait: Wait,
        connection: Option<ConnectionId>,
    ) -> Self {
        Self { table, wait, connection, ending: None }
    }

    /// Whether it is that wait, and nobody has ended it.
    #[inline]
    pub(crate) const fn goes_on(&self, number: u64) -> bool {
        self.wait.number == number && self.ending.is_none()
    }
}

/// A thread that comes to a channel, as its home hart knows it.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// Who.
    pub thread: ThreadId,
    /// How urgent it is.
    pub priority: Priority,
    /// How urgent on its own account.
    pub base: Priority,
    /// Its record.
    pub record: Option<&'static Record>,
}

/// What is to be done to a wait, if it still goes on.
#[derive(Clone, Copy, Debug)]
#[must_use = "nobody else will do it"]
pub struct Unsettled {
    /// The wait.
    pub waiting: Waiting,
    /// When it was to end.
    pub timeout: Option<Timeout>,
    /// Why it is to end, if it is.
    pub ending: Option<Errno>,
    /// The priority that it is to have.
    pub priority: Priority,
}

impl Unsettled {
    /// Whether the wait is to end if the thread stands in that queue: a timeout may
    /// not count there.
    #[must_use]
    pub fn ends_in(&self, queue: Which) -> bool {
        match self.ending {
            Some(Errno::ETIMEDOUT) => self.timeout.is_some_and(|it| it.counts_in(queue)),
            ending => ending.is_some(),
        }
    }
}

impl Timeout {
    const fn counts_in(&self, queue: Which) -> bool {
        let state = match queue {
            Which::Send => states::SEND,
            Which::Receive => states::RECEIVE,
            Which::Reply => states::REPLY,
            // A thread is in a state also while it is being copied from.
            Which::Copying => 0,
        };
        self.states & state != 0
    }

    const fn deadline(&self, now: u64) -> u64 {
        match self.until {
            Until::After(ticks) => now.saturating_add(ticks),
            Until::At(moment) => moment,
        }
    }
}

impl<M: Machine> Hart<M> {
    /// Blocks the current thread, which has been put into a queue of a channel in the
    /// same masked section.
    #[inline]
    pub fn wait_at_channel(
        &mut self,
        irq: &IrqOff,
        queue: Which,
        waiting: Waiting,
        timeout: Option<Timeout>,
    ) -> Blocked<'_, M> {
        let me = self.current_thread();
        me.block_at_channel(waiting);
        if timeout.is_some() || me.is_condemned {
            me.disturb();
        }
        if let Some(timeout) = timeout {
            self.begin_clock(queue, timeout);
        }
        self.blocked(irq)
    }

    #[cold]
    fn begin_clock(&mut self, queue: Which, timeout: Timeout) {
        self.current_thread().timeout = Some(timeout);
        if timeout.counts_in(queue) {
            let deadline = timeout.deadline(self.machine.now());
            self.deadlines.set(self.current, deadline);
        }
    }

    /// What the current thread needs to know of itself to come to a channel.
    #[inline]
    pub fn visitor(&mut self, waiters: &'static Waiters) -> Visitor {
        let thread = self.current;
        let me = self.current_thread();
        if me.record.is_none() {
            me.record = waiters.of(thread);
        }
        Visitor { thread, priority: me.priority, base: me.base, record: me.record }
    }

    /// The channel that the current thread received from last, if it has not left that.
    pub fn served(&mut self) -> Option<ChannelId> {
        self.current_thread().serves
    }

    /// The current thread receives from that channel from now on, or from none, and is
    /// that urgent because of its clients; or as urgent as on its own account.
    #[inline]
    pub fn serve(&mut self, irq: &IrqOff, channel: Option<ChannelId>, urgency: Option<Urgency>) {
        let me = self.current_thread();
        me.serves = channel;
        if let Some(Urgency { since, .. }) = urgency {
            me.urgent_since = since;
        }
        let priority = urgency.map_or(me.base, |urgency| urgency.priority);
        if me.priority != priority {
            self.inherit(irq, priority);
        }
    }

    /// The current thread takes on a priority, and keeps its own.
    fn inherit(&mut self, irq: &IrqOff, priority: Priority) {
        self.note(irq, Event::Boost, u32::from(priority.level()), self.current.to_word());
        self.change_priority(irq, self.current, priority);
    }

    /// Whether a thread can be told something now: it lives here, or the ring to its
    /// home has space.
    ///
    /// # Errors
    /// The hart that it lives on.
    pub fn can_tell(&mut self, id: ThreadId) -> Result<(), crate::ids::HartIndex> {
        if !self.is_elsewhere(id) {
            return Ok(());
        }
        let line = self.lines.outbound.get_mut(id.home().index()).and_then(Option::as_mut);
        if line.is_some_and(|line| line.has_space()) { Ok(()) } else { Err(id.home()) }
    }

    /// Wakes a thread whose wait at a channel is over, here or elsewhere.
    ///
    /// # Errors
    /// [`Full`] when it lives on another hart and the ring to it is full.
    #[inline]
    pub fn wake(&mut self, irq: &IrqOff, wake: &Wake) -> Result<(), Full<()>> {
        let Wake { thread, number, urgency, error } = *wake;
        if self.is_elsewhere(thread) {
            let op = urgency.map_or(Op::EndWait(thread, number), |urgency| {
                Op::EndWaitAt(thread, number, urgency)
            });
            self.ask(irq, thread.home(), op)?;
        } else {
            self.end_wait(irq, thread, number, urgency);
        }
        if let Some(error) = error {
            self.note(irq, Event::Unblock, error as u32, thread.to_word());
        }
        Ok(())
    }

    /// Says that a client that has a timeout was received: from now on it waits for
    /// the answer.
    ///
    /// # Errors
    /// As [`Hart::wake`].
    pub fn tell_received(&mut self, irq: &IrqOff, wait: Wait) -> Result<(), Full<()>> {
        if self.is_elsewhere(wait.thread) {
            return self.ask(irq, wait.thread.home(), Op::Received(wait.thread, wait.number));
        }
        self.begin_reply_clock(irq, wait.thread, wait.number);
        Ok(())
    }

    /// Makes a server as urgent as who waits for it.
    ///
    /// # Errors
    /// As [`Hart::wake`].
    pub fn boost(&mut self, irq: &IrqOff, boost: &Boost) -> Result<(), Full<()>> {
        let Boost { server, channel, urgency } = *boost;
        if self.is_elsewhere(server) {
            return self.ask(irq, server.home(), Op::Boost(server, channel, urgency));
        }
        self.raise(irq, server, channel, urgency);
        Ok(())
    }

    /// Tells a thread that a connection of its process is gone.
    ///
    /// # Errors
    /// As [`Hart::wake`].
    pub fn tell_detached(
        &mut self,
        irq: &IrqOff,
        id: ThreadId,
        connection: ConnectionId,
    ) -> Result<(), Full<()>> {
        if self.is_elsewhere(id) {
            return self.ask(irq, id.home(), Op::Detached(id, connection));
        }
        self.hear_of_detach(irq, id, connection);
        Ok(())
    }

    pub(crate) fn end_wait(
        &mut self,
        irq: &IrqOff,
        id: ThreadId,
        number: u64,
        urgency: Option<Urgency>,
    ) {
        let slot = id.slot().index();
        let Some(thread) = self.live_thread(id).filter(|thread| thread.waits(number)) else {
            return;
        };
        thread.waiting = None;
        let has_timeout = thread.timeout.take().is_some();
        let is_unsettled = thread.link.queue().is_some();
        let (priority, since) = thread.urgency_after(urgency);
        let is_other = (thread.priority, thread.urgent_since) != (priority, since);
        (thread.priority, thread.urgent_since) = (priority, since);
        thread.state = State::Ready;
        let family = thread.family;
        if has_timeout {
            self.deadlines.clear(slot);
        }
        if is_unsettled {
            self.unsettled.remove(&mut self.threads, slot);
        }
        if is_other {
            self.note(irq, Event::Boost, u32::from(priority.level()), id.to_word());
        }
        self.queue_ready(irq, id, family, priority);
        self.note(irq, Event::WakeLocal, 0, id.to_word());
    }

    pub(crate) fn begin_reply_clock(&mut self, _: &IrqOff, id: ThreadId, number: u64) {
        let thread = self.live_thread(id).filter(|thread| thread.waits(number));
        let Some(timeout) = thread.and_then(|thread| thread.timeout) else { return };
        let counted_before = timeout.counts_in(Which::Send);
        if timeout.counts_in(Which::Reply) && !counted_before {
            let deadline = timeout.deadline(self.machine.now());
            self.deadlines.set(id, deadline);
            self.arm();
        } else if counted_before && !timeout.counts_in(Which::Reply) {
            self.deadlines.clear(id.slot().index());
        }
    }

    pub(crate) fn raise(
        &mut self,
        irq: &IrqOff,
        id: ThreadId,
        channel: ChannelId,
        Urgency { priority, since }: Urgency,
    ) {
        let Some(thread) = self.live_thread(id) else { return };
        if thread.serves != Some(channel) || !since.is_after(thread.urgent_since) {
            return;
        }
        thread.urgent_since = since;
        if thread.priority < priority {
            self.note(irq, Event::Boost, u32::from(priority.level()), id.to_word());
            self.change_priority(irq, id, priority);
        }
    }

    pub(crate) fn hear_of_detach(&mut self, irq: &IrqOff, id: ThreadId, connection: ConnectionId) {
        let waiting = self.live_thread(id).and_then(|thread| thread.waiting);
        if waiting.is_some_and(|waiting| waiting.connection == Some(connection)) {
            self.disturb(irq, id, Errno::EBADF);
        }
    }

    /// A thread that is blocked at a channel is to find that its call has failed,
    /// unless its wait is over by itself. Any other is left as it is.
    pub(crate) fn disturb(&mut self, irq: &IrqOff, id: ThreadId, error: Errno) {
        let Some(waiting) = self.live_thread(id).and_then(|thread| thread.waiting.as_mut()) else {
            return;
        };
        if waiting.ending.is_none_or(|so_far| lasts(so_far) < lasts(error)) {
            waiting.ending = Some(error);
        }
        self.unsettle(irq, id);
    }

    /// The priority of a thread that is blocked at a channel has changed.
    pub(crate) fn requeue_at_channel(&mut self, irq: &IrqOff, id: ThreadId) {
        if self.live_thread(id).is_some_and(|thread| thread.waiting.is_some()) {
            self.unsettle(irq, id);
        }
    }

    fn unsettle(&mut self, irq: &IrqOff, id: ThreadId) {
        if let Some(thread) = self.live_thread(id) {
            thread.disturb();
        }
        self.unsettled.push_back(&mut self.threads, id.slot().index());
        self.wake_service(irq);
    }

    pub(crate) fn next_unsettled(&mut self) -> Option<Unsettled> {
        loop {
            let slot = self.unsettled.pop(&mut self.threads)?;
            let Some(thread) = self.threads.at_mut(slot) else { continue };
            let (priority, timeout) = (thread.priority, thread.timeout);
            let Some(waiting) = thread.waiting.as_mut() else { continue };
            let ending = waiting.ending.take();
            return Some(Unsettled { waiting: *waiting, timeout, ending, priority });
        }
    }
}

impl<M: Machine> Thread<M> {
    /// Whether it is blocked at a channel in that wait.
    #[inline]
    fn waits(&self, number: u64) -> bool {
        self.state == State::Blocked(Why::Channel)
            && self.waiting.as_ref().is_some_and(|it| it.wait.number == number)
    }
}
