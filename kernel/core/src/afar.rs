// SPDX-License-Identifier: Apache-2.0
//! The short way of a message to another hart: from a client to a server that waits
//! there, and back with an answer to a client of another hart, where the server waits
//! again.
//!
//! As on one hart (`crate::straight`), this is what the usual way does, in one step, where
//! all of it is known to succeed: nobody else is queued, and the ring to the other's home
//! has space. What became of its wait is in its record; its home is asked to wake it.
//! Otherwise nothing is done: only bytes may have been copied, which are copied again.

use skimmer_abi::{inspect::bump, trace::Event};
use skimmer_sync::irq::IrqOff;

use crate::{
    channel::{
        Channel, MessageId, Receipt, Which,
        connection::ConnectionId,
        rendezvous::{Urgency, at_once, is_answered_at_once},
        straight::Stand,
    },
    hart::Hart,
    ids::ThreadId,
    machine::Machine,
    remote::Op,
    sched::{Blocked, Switch},
    straight::Baggage,
    user::UserBytes,
    waiting::Waiting,
};

/// The current thread is blocked; the home of the other is to be asked to wake it, once
/// the channel's lock is free.
#[must_use = "nobody else will wake it"]
pub struct Asking<'h, M: Machine> {
    blocked: Blocked<'h, M>,
    other: ThreadId,
    op: Op<M>,
}

impl<M: Machine> core::fmt::Debug for Asking<'_, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Asking for {}", self.other)
    }
}

impl<M: Machine> Asking<'_, M> {
    /// Asks, and chooses who runs next.
    #[inline(always)]
    pub fn switch(self, irq: &IrqOff) -> Switch<M> {
        let Self { blocked, other, op } = self;
        let hart = blocked.into_hart();
        if hart.ask(irq, other.home(), op).is_err() {
            unreachable!("the ring had space, and only this hart fills it");
        }
        hart.blocked(irq).switch(irq)
    }
}

impl<M: Machine> Hart<M> {
    /// MsgSend. `give` copies as much as both have to the memory of that owner, and says
    /// whether it could.
    #[inline(always)]
    pub fn send_afar(
        &mut self,
        irq: &IrqOff,
        channel: &mut Channel<'_>,
        client: &Baggage,
        give: impl FnOnce(&IrqOff, UserBytes, u64, UserBytes) -> bool,
    ) -> Option<Asking<'_, M>> {
        let (node, server) = channel.lone_receiver()?;
        let copied = client.out.length.min(server.into.length);
        if copied > at_once(client.out, server.into) || !self.is_afar(server.thread) {
            return None;
        }
        let me = self.leaving()?;
        if !give(irq, client.out, server.owner, server.into) {
            return None;
        }
        let stand = Stand { queue: Which::Reply, priority: me.priority, received: copied };
        let wait = channel.stand(me.record, me.id, client, &stand);
        let id = MessageId::of(wait);
        let receipt = Receipt { id, copied, sent: client.out.length };
        let since = channel.handed_for_later((node, server.thread), me.priority, receipt);
        let connection = Some(ConnectionId::from_register(client.coid));
        self.current_thread().block_at_channel(Waiting::new(client.table, wait, connection));
        bump(&self.inspect.handed);
        self.note(irq, Event::MsgSend, wait.channel.index(), id.to_register());
        let urgency = Urgency { priority: me.priority, since };
        let op = Op::EndWaitAt(server.thread, server.number, urgency);
        Some(Asking { blocked: self.blocked(irq), other: server.thread, op })
    }

    /// MsgReplyReceive, at one channel. `give` as above; `is_connected` says whether that
    /// connection of that owner is there.
    #[inline(always)]
    pub fn answer_afar(
        &mut self,
        irq: &IrqOff,
        channel: &mut Channel<'_>,
        (message, status): (MessageId, i64),
        server: &Baggage,
        give: impl FnOnce(&IrqOff, UserBytes, u64, UserBytes) -> bool,
        is_connected: impl FnOnce(&IrqOff, u64, u64) -> bool,
    ) -> Option<Asking<'_, M>> {
        let (node, client) = channel.lone_client(message)?;
        if !is_answered_at_once(server.out, client.into)
            || !self.is_afar(client.thread)
            || !is_connected(irq, client.owner, client.coid)
        {
            return None;
        }
        let me = self.leaving()?;
        if !give(irq, server.out, client.owner, client.into) {
            return None;
        }
        channel.answered_for_later(node, status);
        let wait = self.wait_for_message(channel, server, &me);
        bump(&self.inspect.answered);
        self.note(irq, Event::MsgReply, wait.channel.index(), message.to_register());
        self.note_base(irq, &me);
        let op = Op::EndWait(client.thread, client.number);
        Some(Asking { blocked: self.blocked(irq), other: client.thread, op })
    }

    /// Whether the thread lives on another hart, which can be asked.
    #[inline(always)]
    fn is_afar(&mut self, thread: ThreadId) -> bool {
        self.is_elsewhere(thread) && self.can_tell(thread).is_ok()
    }
}
