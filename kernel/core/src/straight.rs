// SPDX-License-Identifier: Apache-2.0
//! The short way of a message: from a client to a server that waits on the same hart,
//! and back with an answer to a client that does, where the server waits again.
//!
//! What is done here is what [`Channel::send`] does, or [`Channel::answer`] and
//! [`Channel::receive`], with what follows from it on the home hart, in one step. It is
//! done where all of it is known to succeed and its outcome is known: nobody else is
//! queued, the other thread is parked ([`Machine::is_parked`]) and would run next
//! anyway. Then the run queue would be entered and left again, and an outcome written
//! and read. Otherwise nothing is done, and the call goes the usual way: only bytes may
//! have been copied, which are copied again.

use skimmer_abi::{
    inspect::bump,
    trace::{Event, Reason},
};
use skimmer_sync::irq::IrqOff;

use crate::{
    channel::{
        Channel, MessageId, Receipt, Record, Wait,
        connection::ConnectionId,
        rendezvous::{at_once, is_answered_at_once},
        table::ChannelTable,
    },
    hart::Hart,
    ids::{Priority, SlotId, ThreadId},
    machine::Machine,
    sched::Switch,
    shares::Family,
    thread::{State, Why},
    user::UserBytes,
    waiting::Waiting,
};

/// What a thread brings to a channel, besides what its hart knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Baggage {
    /// The channel's table.
    pub table: &'static ChannelTable,
    /// The thread's process (`channel::Guest::owner`).
    pub owner: u64,
    /// What that calls it.
    pub tid: u64,
    /// The connection that it sends on; 0 of who receives.
    pub coid: u64,
    /// What it sends, or answers.
    pub out: UserBytes,
    /// Its place for an answer, or for the next message.
    pub into: UserBytes,
}

/// Who gives up the hart, and who gets it, to whose memory the hart has gone over
/// ([`Machine::pass`]).
#[derive(Debug)]
#[must_use = "the current thread has changed; the machine must follow"]
pub struct Passed<M: Machine>(Switch<M>);

impl<M: Machine> Passed<M> {
    /// For the machine, which switches at once.
    #[inline]
    pub fn into_switch(self) -> Switch<M> {
        self.0
    }
}

/// The thread that blocks.
struct Leaving<M: Machine> {
    thread: ThreadId,
    priority: Priority,
    base: Priority,
    record: &'static Record,
    wait: Wait,
    saved: M::Saved,
}

impl<M: Machine> Hart<M> {
    /// MsgSend. The server finds that receipt.
    #[inline(always)]
    pub fn send_straight(
        &mut self,
        irq: &IrqOff,
        channel: &mut Channel<'_>,
        client: &Baggage,
    ) -> Option<(Passed<M>, Receipt)> {
        let (node, server) = channel.lone_receiver()?;
        let slot = self.own(server.thread)?;
        let copied = client.out.length.min(server.into.length);
        if copied > at_once(client.out, server.into) {
            return None;
        }
        let connection = Some(ConnectionId::from_register(client.coid));
        let me = self.set_out(channel, client, connection)?;
        let (most, turn) = (self.most_urgent_rival(irq, slot, false), self.shares.turn());
        let thread = self.threads.get_mut(slot).filter(|thread| {
            most < Some(me.priority)
                && thread.is_parked_in(server.number)
                && M::pass(irq, client.out, &thread.context, server.into)
        });
        let Some(thread) = thread else {
            self.stay(channel, &me);
            return None;
        };
        let old = core::mem::replace(&mut thread.priority, me.priority);
        thread.urgent_since = channel.handed_straight(
            (node, server.thread),
            (me.record, me.priority),
            client,
            copied,
        );
        thread.run(turn);
        let (to, family) = (M::saved(&thread.context), thread.family);
        bump(&self.inspect.handed);
        let id = MessageId::of(me.wait);
        self.note(irq, Event::MsgSend, me.wait.channel.index(), id.to_register());
        self.note_boost(irq, server.thread, old, me.priority);
        self.arrive(irq, server.thread, family);
        let receipt = Receipt { id, copied, sent: client.out.length };
        Some((Passed(Switch::new(me.saved, to)), receipt))
    }

    /// MsgReplyReceive, at one channel. The client finds the status.
    #[inline(always)]
    pub fn answer_straight(
        &mut self,
        irq: &IrqOff,
        channel: &mut Channel<'_>,
        message: MessageId,
        server: &Baggage,
    ) -> Option<Passed<M>> {
        let (node, client) = channel.lone_client(message)?;
        let slot = self.own(client.thread)?;
        if !is_answered_at_once(server.out, client.into) {
            return None;
        }
        let me = self.set_out(channel, server, None)?;
        let (most, turn) = (self.most_urgent_rival(irq, slot, true), self.shares.turn());
        let thread = self.threads.get_mut(slot).filter(|thread| {
            most < Some(thread.priority)
                && thread.is_parked_in(client.number)
                && M::is_connected(irq, &thread.context, client.coid)
                && M::pass(irq, server.out, &thread.context, client.into)
        });
        let Some(thread) = thread else {
            self.stay(channel, &me);
            return None;
        };
        thread.run(turn);
        let (to, family) = (M::saved(&thread.context), thread.family);
        let since = channel.answered_straight(node, (me.record, me.thread, me.base), server);
        if let Some(me) = self.threads.get_mut(me.thread.slot()) {
            (me.serves, me.urgent_since) = (Some(channel.id()), since);
            me.priority = me.base;
        }
        bump(&self.inspect.answered);
        self.note(irq, Event::MsgReply, me.wait.channel.index(), message.to_register());
        self.note_boost(irq, me.thread, me.priority, me.base);
        self.arrive(irq, client.thread, family);
        Some(Passed(Switch::new(me.saved, to)))
    }

    /// The current thread is about to block at that channel; none if it has not been at one
    /// yet.
    #[inline(always)]
    fn set_out(
        &mut self,
        channel: &mut Channel<'_>,
        baggage: &Baggage,
        connection: Option<ConnectionId>,
    ) -> Option<Leaving<M>> {
        let thread = self.current;
        let me = self.current_thread();
        let (priority, base, record) = (me.priority, me.base, me.record?);
        let wait = channel.come_straight(record, thread)?;
        me.state = State::Blocked(Why::Channel);
        me.waiting = Some(Waiting::new(baggage.table, wait, connection));
        Some(Leaving { thread, priority, base, record, wait, saved: M::saved(&me.context) })
    }

    /// It does not.
    #[cold]
    fn stay(&mut self, channel: &mut Channel<'_>, leaving: &Leaving<M>) {
        channel.go_back(leaving.record);
        let me = self.current_thread();
        me.state = State::Running;
        me.waiting = None;
    }

    /// The priority above which the thread in that slot must be to run next, as urgent as
    /// the current one or `keeps_own`.
    #[inline(always)]
    fn most_urgent_rival(
        &mut self,
        irq: &IrqOff,
        slot: SlotId,
        keeps_own: bool,
    ) -> Option<Priority> {
        let highest = self.runq.highest(irq);
        if self.slice_end.is_none() {
            return highest;
        }
        // An equal waits.
        if self.takes_over_turn(highest, slot, keeps_own) { None } else { Some(Priority::MAX) }
    }

    /// Whether the thread in that slot would be given what is left of the current one's
    /// slice ([`Hart::leave_turn`]): it is of its family.
    #[cold]
    fn takes_over_turn(
        &mut self,
        highest: Option<Priority>,
        slot: SlotId,
        keeps_own: bool,
    ) -> bool {
        let me = self.current_thread();
        // It has its own priority again as it waits for a message.
        let (family, priority) = (me.family, if keeps_own { me.base } else { me.priority });
        let is_heir = self
            .threads
            .get(slot)
            .is_some_and(|heir| heir.family == family && (!keeps_own || heir.priority == priority));
        is_heir
            && highest == Some(priority)
            && family.is_some_and(|family| self.leaves_turn_to(family))
    }

    #[inline(always)]
    fn note_boost(&self, irq: &IrqOff, thread: ThreadId, old: Priority, new: Priority) {
        if old != new {
            self.note(irq, Event::Boost, u32::from(new.level()), thread.to_word());
        }
    }

    /// That thread is the current one.
    #[inline(always)]
    fn arrive(&mut self, irq: &IrqOff, thread: ThreadId, family: Option<Family>) {
        self.shares.pass_by(family, thread);
        self.note(irq, Event::Switch, Reason::Handed as u32, thread.to_word());
        self.current = thread;
        self.preempt_wanted = false;
        if self.slice_end.is_some() {
            self.take_over_turn();
        }
        bump(&self.inspect.switches);
    }
}
