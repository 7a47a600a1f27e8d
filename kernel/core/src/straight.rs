// SPDX-License-Identifier: Apache-2.0
//! The short way of a message: from a client to a server that waits on the same hart,
//! and back with an answer to a client that does, where the server waits again; or with
//! the answer alone, and with the wait alone.
//!
//! What is done here is what [`Channel::send`] does, or [`Channel::answer`] and
//! [`Channel::receive`], with what follows from it on the home hart, in one step. It is
//! done where all of it is known to succeed and its outcome is known: nobody else is
//! queued, and the other thread is parked ([`Machine::is_parked`]). Where that would run
//! next anyway, the hart goes over to it: then the run queue would be entered and left
//! again, and an outcome written and read. Otherwise nothing is done, and the call goes
//! the usual way: only bytes may have been copied, which are copied again.

use skimmer_abi::{
    inspect::bump,
    trace::{Event, Reason},
};
use skimmer_sync::irq::IrqOff;

use crate::{
    channel::{
        Channel, MessageId, Receipt, Record, Wait, Which,
        connection::ConnectionId,
        rendezvous::{at_once, is_answered_at_once},
        straight::Stand,
        table::ChannelTable,
    },
    hart::Hart,
    ids::{Priority, SlotId, ThreadId},
    machine::Machine,
    sched::{Blocked, Switch},
    thread::State,
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
pub(crate) struct Leaving<M: Machine> {
    pub(crate) id: ThreadId,
    pub(crate) priority: Priority,
    pub(crate) base: Priority,
    pub(crate) record: &'static Record,
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
        let wait = self.wait_for_message(channel, server, &me);
        bump(&self.inspect.answered);
        let answered = (Event::MsgReply, wait.channel.index(), message);
        self.note_straight(irq, answered, (me.id, me.priority, me.base), client.thread);
        self.arrive(client.thread, family);
        Some(Passed(Switch::new(me.saved, to)))
    }

    /// MsgReply to a client that is no more urgent: it is ready, and the caller goes on.
    /// `is_connected` as above. Whether it was done.
    #[inline(always)]
    pub fn reply_straight(
        &mut self,
        irq: &IrqOff,
        channel: &mut Channel<'_>,
        message: MessageId,
        (status, out): (i64, UserBytes),
        is_connected: impl FnOnce(&IrqOff, u64, u64) -> bool,
    ) -> Option<()> {
        let (node, client) = channel.client_to_answer(message)?;
        let slot = self.own(client.thread)?;
        if !is_answered_at_once(out, client.into) || !is_connected(irq, client.owner, client.coid) {
            return None;
        }
        let me = self.current_thread();
        let (mine, own_family, queued) = (me.priority, me.family, me.queued);
        let highest = self.runq.highest(irq);
        let thread = self.threads.at_mut(slot.index())?;
        let (priority, family) = (thread.priority, thread.family);
        let stays = highest.max(Some(priority)) <= Some(mine) && thread.is_parked_in(client.number);
        if !stays || !M::give(irq, out, &thread.context, client.into) {
            return None;
        }
        thread.waiting = None;
        thread.state = State::Ready;
        channel.answered_for_later(node, status);
        self.queue_ready(irq, client.thread, family, priority);
        bump(&self.inspect.answered);
        let answered = (Event::MsgReply, channel.id().index(), message.to_register());
        self.note_both(irq, [(Event::WakeLocal, 0, client.thread.to_word()), answered]);
        // Nobody is more urgent: all that is to be looked at is whether an equal waits.
        self.preempt_wanted = false;
        self.set_slice_of(irq, mine, own_family, queued);
        Some(())
    }

    /// MsgReceive of who will wait.
    #[inline(always)]
    pub fn receive_straight(
        &mut self,
        irq: &IrqOff,
        channel: &mut Channel<'_>,
        server: &Baggage,
    ) -> Option<Blocked<'_, M>> {
        if !channel.is_plain() {
            return None;
        }
        let me = self.leaving()?;
        let _is_kept = self.wait_for_message(channel, server, &me);
        self.note_base(irq, &me);
        Some(self.blocked(irq))
    }

    /// The thread is on its own account again, which is noted if it was not.
    #[inline(always)]
    pub(crate) fn note_base(&self, irq: &IrqOff, me: &Leaving<M>) {
        if me.priority != me.base {
            self.note(irq, Event::Boost, u32::from(me.base.level()), me.id.to_word());
        }
    }

    /// The current thread waits for a message, and does so on its own account. Its wait.
    #[inline(always)]
    pub(crate) fn wait_for_message(
        &mut self,
        channel: &mut Channel<'_>,
        server: &Baggage,
        me: &Leaving<M>,
    ) -> Wait {
        let stand = Stand { queue: Which::Receive, priority: me.base, received: 0 };
        let wait = channel.stand(me.record, me.id, server, &stand);
        let since = channel.serve_straight(me.id, me.base);
        let leaving = self.current_thread();
        (leaving.serves, leaving.urgent_since) = (Some(wait.channel), since);
        leaving.priority = me.base;
        leaving.block_at_channel(Waiting::new(server.table, wait, None));
        wait
    }

    /// The current thread, which is about to block; none if it has not been at a channel
    /// yet.
    #[inline(always)]
    pub(crate) fn leaving(&mut self) -> Option<Leaving<M>> {
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
