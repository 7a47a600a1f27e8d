// SPDX-License-Identifier: Apache-2.0
//! A channel's part in the short way of a message (`crate::straight`): what is looked at
//! before, and what is changed once nothing can fail any more.

use crate::{
    channel::{
        ChannelFlags, MessageId, Outcome, Receipt,
        rendezvous::Moment,
        slot::Channel,
        waiter::{Guest, Node, Wait, Waiter, Which},
    },
    ids::{Priority, ThreadId},
    straight::Baggage,
    user::UserBytes,
};

/// What is to be known of a server that waits.
pub(crate) struct Server {
    pub(crate) thread: ThreadId,
    pub(crate) number: u64,
    pub(crate) owner: u64,
    pub(crate) into: UserBytes,
}

/// What is to be known of a client that waits for its answer.
pub(crate) struct Client {
    pub(crate) thread: ThreadId,
    pub(crate) number: u64,
    pub(crate) owner: u64,
    pub(crate) coid: u64,
    pub(crate) into: UserBytes,
}

/// How a thread comes to stand in a queue.
pub(crate) struct Stand {
    pub(crate) queue: Which,
    pub(crate) priority: Priority,
    /// Bytes of its message that the server has.
    pub(crate) received: usize,
}

impl Channel<'_> {
    /// Whether servers are as urgent as their clients here, and no client is queued.
    #[inline(always)]
    pub(crate) fn is_plain(&mut self) -> bool {
        self.is_empty(Which::Send) && !self.slot.flags.has(ChannelFlags::FIXED_PRIORITY)
    }

    /// The first server that waits, for a client that is the only one.
    #[inline(always)]
    pub(crate) fn lone_receiver(&mut self) -> Option<(Node, Server)> {
        let node = self.slot.queues.of(Which::Receive).first()?;
        if !self.is_plain() {
            return None;
        }
        let &mut Waiter { thread, number, owner, into, .. } = self.owned.waiter(node);
        Some((node, Server { thread, number, owner, into }))
    }

    /// The client of that message, for a server that will wait.
    #[inline(always)]
    pub(crate) fn lone_client(&mut self, message: MessageId) -> Option<(Node, Client)> {
        if self.is_plain() { self.client_to_answer(message) } else { None }
    }

    /// The client of that message.
    #[inline(always)]
    pub(crate) fn client_to_answer(&mut self, message: MessageId) -> Option<(Node, Client)> {
        let (node, client) = match self.oldest(message) {
            Some(oldest) => oldest,
            None => self.client(message)?,
        };
        let &Waiter { thread, number, owner, coid, into, .. } = client;
        Some((node, Client { thread, number, owner, coid, into }))
    }

    /// As [`Self::client`], if it is the first: then it need not be looked up.
    #[inline(always)]
    fn oldest(&mut self, message: MessageId) -> Option<(Node, &Waiter)> {
        let node = self.slot.queues.of(Which::Reply).first()?;
        let client = &*self.owned.waiter(node);
        let is_it = message.place() == client.thread.place() && message.is_of(client.number);
        is_it.then_some((node, client))
    }

    /// Puts the caller, who runs and so waits nowhere, into a queue. Its wait.
    #[inline(always)]
    pub(crate) fn stand(
        &mut self,
        record: Node,
        thread: ThreadId,
        baggage: &Baggage,
        stand: &Stand,
    ) -> Wait {
        let &Baggage { owner, tid, coid, out, into, .. } = baggage;
        let &Stand { queue, priority, received } = stand;
        let record = Some(record);
        let timeouts = 0;
        let guest = Guest { thread, record, priority, owner, tid, coid, out, into, timeouts };
        match self.put_at(queue, &guest, priority, received) {
            Some(wait) => wait,
            None => unreachable!("who runs waits nowhere"),
        }
    }

    /// The client's message is in the server's memory: as [`Channel::send`]. When the
    /// server was made as urgent as the client.
    #[inline(always)]
    pub(crate) fn handed_straight(
        &mut self,
        (server, thread): (Node, ThreadId),
        priority: Priority,
    ) -> Moment {
        self.slot.queues.of(Which::Receive).remove(&mut self.owned, server);
        self.owned.give_up(server);
        self.serve_straight(thread, priority)
    }

    /// The answer is in the client's memory: as [`Channel::answer`].
    #[inline(always)]
    pub(crate) fn answered_straight(&mut self, client: Node) {
        self.slot.queues.of(Which::Reply).remove(&mut self.owned, client);
        self.owned.give_up(client);
    }

    /// The same, and its status is where the client will look.
    #[inline(always)]
    pub(crate) fn answered_for_later(&mut self, client: Node, status: i64) {
        self.take_out(client, Which::Reply, Outcome::Answered(status));
    }

    /// As [`Self::handed_straight`], and the receipt is where the server will look.
    #[inline(always)]
    pub(crate) fn handed_for_later(
        &mut self,
        (server, thread): (Node, ThreadId),
        priority: Priority,
        receipt: Receipt,
    ) -> Moment {
        self.take_out(server, Which::Receive, Outcome::Received(receipt));
        self.serve_straight(thread, priority)
    }

    /// The server is that urgent, from then on.
    #[inline(always)]
    pub(crate) fn serve_straight(&mut self, server: ThreadId, priority: Priority) -> Moment {
        self.slot.server = Some((server, priority));
        Moment::new(self.slot.next_event())
    }
}
