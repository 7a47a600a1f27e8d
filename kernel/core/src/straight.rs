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
        Channel, MessageId, Receipt, Record, Which,
        connection::ConnectionId,
        rendezvous::{at_once, is_answered_at_once},
        straight::Stand,
        table::ChannelTable,
    },
    hart::Hart,
    ids::{Priority, SlotId, ThreadId},
    machine::Machine,
    sched::Switch,
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

/// The thread that will block.
struct Leaving<M: Machine> {
    id: ThreadId,
    priority: Priority,
    base: Priority,
    record: &'static Record,
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
        let me = self.leaving()?;
        let (most, turn) = (self.most_urgent_rival(irq, slot, false), self.shares.turn());
        let thread = self.threads.at_mut(slot.index())?;
        let is_next = most < Some(me.priority) && thread.is_parked_in(server.number);
        if !is_next || !M::pass(irq, client.out, &thread.context, server.into) {
            return None;
        }
        let stand = Stand { queue: Which::Reply, priority: me.priority, received: copied };
        let wait = channel.stand(me.record, me.id, client, &stand);
        let since = channel.handed_straight((node, server.thread), me.priority);
        let old = core::mem::replace(&mut thread.priority, me.priority);
        thread.urgent_since = since;
        thread.run(turn);
        let (to, family) = (M::saved(&thread.context), thread.family);
        let connection = Some(ConnectionId::from_register(client.coid));
        self.current_thread().block_at_channel(Waiting::new(client.table, wait, connection));
        bump(&self.inspect.handed);
        let id = MessageId::of(wait);
        let sent = (Event::MsgSend, wait.channel.index(), id);
        self.note_straight(irq, sent, (server.thread, old, me.priority), server.thread);
        self.arrive(server.thread, family);
        let receipt = Receipt { id, copied, sent: client.out.length };
        Some((Passed(Switch::new(me.saved, to)), receipt))
    }

    /// MsgReplyReceive, at one channel. The client finds the status. `is_connected` says
    /// whether that connection of that owner is there.
    #[inline(always)]
    pub fn answer_straight(
        &mut self,
        irq: &IrqOff,
        channel: &mut Channel<'_>,
        message: MessageId,
        server: &Baggage,
        is_connected: impl FnOnce(&IrqOff, u64, u64) -> bool,
    ) -> Option<Passed<M>> {
        let (node, client) = channel.lone_client(message)?;
        let slot = self.own(client.thread)?;
        if !is_answered_at_once(server.out, client.into)
            || !is_connected(irq, client.owner, client.coid)
        {
            return None;
        }
        let me = self.leaving()?;
        let (most, turn) = (self.most_urgent_rival(irq, slot, true), self.shares.turn());
        let thread = self.threads.at_mut(slot.index())?;
        let is_next = most < Some(thread.priority) && thread.is_parked_in(client.number);
        if !is_next || !M::pass(irq, server.out, &thread.context, client.into) {
            return None;
        }
        thread.run(turn);
        let (to, family) = (M::saved(&thread.context), thread.family);
        channel.answered_straight(node);
        // Who waits for a message does so on its own account.
        let stand = Stand { queue: Which::Receive, priority: me.base, received: 0 };
        let wait = channel.stand(me.record, me.id, server, &stand);
        let since = channel.serve_straight(me.id, me.base);
        let leaving = self.current_thread();
        (leaving.serves, leaving.urgent_since) = (Some(wait.channel), since);
        leaving.priority = me.base;
        leaving.block_at_channel(Waiting::new(server.table, wait, None));
        bump(&self.inspect.answered);
        let answered = (Event::MsgReply, wait.channel.index(), message);
        self.note_straight(irq, answered, (me.id, me.priority, me.base), client.thread);
        self.arrive(client.thread, family);
        Some(Passed(Switch::new(me.saved, to)))
    }

    /// The current thread, which is about to block; none if it has not been at a channel
    /// yet.
    #[inline(always)]
    fn leaving(&mut self) -> Option<Leaving<M>> {
        let id = self.current;
        let me = self.current_thread();
        let (priority, base, record) = (me.priority, me.base, me.record?);
        Some(Leaving { id, priority, base, record, saved: M::saved(&me.context) })
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

    /// What has become of a message, who is as urgent as that instead of as before, and
    /// to whom the hart goes.
    #[inline(always)]
    fn note_straight(
        &self,
        irq: &IrqOff,
        (event, channel, message): (Event, u32, MessageId),
        (server, old, new): (ThreadId, Priority, Priority),
        to: ThreadId,
    ) {
        let message = (event, channel, message.to_register());
        let switch = (Event::Switch, Reason::Handed as u32, to.to_word());
        if old == new {
            return self.note_both(irq, [message, switch]);
        }
        let boost = (Event::Boost, u32::from(new.level()), server.to_word());
        self.note_both(irq, [message, boost]);
        self.note(irq, switch.0, switch.1, switch.2);
    }
}
