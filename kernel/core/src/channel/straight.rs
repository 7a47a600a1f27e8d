// SPDX-License-Identifier: Apache-2.0
//! A channel's part in the short way of a message (`crate::straight`): what is looked at
//! before, and what is changed once nothing can fail any more.

use crate::{
    channel::{
        ChannelFlags, MessageId,
        rendezvous::Moment,
        slot::Channel,
        waiter::{Node, Record, Wait, Waiter, Which},
    },
    ids::{Priority, ThreadId},
    straight::Baggage,
    user::UserBytes,
};

/// What is to be known of a server that waits.
pub(crate) struct Server {
    pub(crate) thread: ThreadId,
    pub(crate) number: u64,
    pub(crate) into: UserBytes,
}

/// What is to be known of a client that waits for its answer.
pub(crate) struct Client {
    pub(crate) thread: ThreadId,
    pub(crate) number: u64,
    pub(crate) coid: u64,
    pub(crate) into: UserBytes,
}

impl Channel<'_> {
    /// Whether servers are as urgent as their clients here, and no client is queued.
    #[inline(always)]
    fn is_plain(&mut self) -> bool {
        self.is_empty(Which::Send) && !self.slot.flags.has(ChannelFlags::FIXED_PRIORITY)
    }

    /// The first server that waits, for a client that is the only one.
    #[inline(always)]
    pub(crate) fn lone_receiver(&mut self) -> Option<(Node, Server)> {
        let node = self.slot.queues.of(Which::Receive).first()?;
        if !self.is_plain() {
            return None;
        }
        let server = self.owned.waiter(node);
        Some((node, Server { thread: server.thread, number: server.number, into: server.into }))
    }

    /// The client of that message, for a server that will wait.
    #[inline(always)]
    pub(crate) fn lone_client(&mut self, message: MessageId) -> Option<(Node, Client)> {
        if !self.is_plain() {
            return None;
        }
        let (node, client) = self.client(message)?;
        let &Waiter { thread, number, coid, into, .. } = client;
        Some((node, Client { thread, number, coid, into }))
    }

    /// Makes the caller's record this channel's. Its wait, which is in no queue yet.
    #[inline(always)]
    pub(crate) fn come_straight(&mut self, record: Node, thread: ThreadId) -> Option<Wait> {
        let channel = self.id;
        let number = self.owned.claim_for(record, channel, thread)?;
        Some(Wait { channel, thread, number })
    }

    /// Makes it nobody's again.
    #[cold]
    pub(crate) fn go_back(&mut self, record: Node) {
        self.owned.give_up(record);
    }

    /// The client's message is in the server's memory: as [`Channel::send`]. When the
    /// server was made as urgent as the client.
    #[inline(always)]
    pub(crate) fn handed_straight(
        &mut self,
        (server, thread): (Node, ThreadId),
        (record, priority): (&'static Record, Priority),
        client: &Baggage,
        copied: usize,
    ) -> Moment {
        self.stand(record, Which::Reply, priority, client, copied);
        self.slot.queues.of(Which::Receive).remove(&mut self.owned, server);
        self.owned.give_up(server);
        self.serve_straight(thread, priority)
    }

    /// The answer is in the client's memory, and the server waits: as [`Channel::answer`]
    /// and [`Channel::receive`]. When the server was made as urgent as that.
    #[inline(always)]
    pub(crate) fn answered_straight(
        &mut self,
        client: Node,
        (record, thread, base): (&'static Record, ThreadId, Priority),
        server: &Baggage,
    ) -> Moment {
        self.slot.queues.of(Which::Reply).remove(&mut self.owned, client);
        self.owned.give_up(client);
        self.stand(record, Which::Receive, base, server, 0);
        self.serve_straight(thread, base)
    }

    #[inline(always)]
    fn serve_straight(&mut self, server: ThreadId, priority: Priority) -> Moment {
        self.slot.server = Some((server, priority));
        Moment::new(self.slot.next_event())
    }

    #[inline(always)]
    fn stand(
        &mut self,
        record: Node,
        queue: Which,
        priority: Priority,
        baggage: &Baggage,
        received: usize,
    ) {
        let arrival = self.slot.next_event();
        self.owned.waiter(record).arrive(queue, priority, baggage, (received, arrival));
        self.slot.queues.of(queue).push(&mut self.owned, record, queue.level(priority));
    }
}
