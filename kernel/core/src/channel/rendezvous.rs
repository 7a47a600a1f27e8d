// SPDX-License-Identifier: Apache-2.0
//! How client and server meet at a channel (IPC-SEMANTICS sections 3 to 5, 12).
//!
//! Whoever comes second copies, from its own memory or into it, while the other is
//! blocked and its record is this lock's; so a fault is known for whose it is before
//! anything has happened. Both stages of a copy of at most [`AT_ONCE`] bytes, out
//! of one memory and into the other, and what follows from it are under the
//! lock. For a longer one the peer is moved to the queue [`Which::Copying`], where
//! nobody else chooses it, and the lock is taken anew for each part
//! ([`Transfer`]): under it the peer is looked for, and copied from or to only if it
//! is there still. Whoever ends a wait (destroy, detach, kill, timeout) takes the
//! peer out of that queue as out of any other and waits for nobody; the copy finds
//! it gone. So no byte is read or written after a wait has ended, as under one lock,
//! and whoever asks for the lock waits for one part at the most.
//!
//! A receiver waits only while no client is queued, and the other way round; who
//! gives a peer back restores that ([`Transfer::give_up`]).

use skimmer_abi::errno::Errno;
use skimmer_sync::irq::HartIndex;

use crate::{
    channel::{
        ChannelFlags, ChannelId,
        id::MessageId,
        outcome::{Outcome, Receipt},
        slot::Channel,
        waiter::{Guest, Wait, Waiter, Which},
    },
    ids::{Priority, ThreadId},
    user::UserBytes,
};

/// Bytes that are copied under one lock, in one masked section.
pub const AT_ONCE: usize = 4096;

/// Whose memory a copy failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    Own,
    /// That of the thread that is blocked.
    Peer,
}

/// What the rendezvous needs of the machine, at the caller's side.
pub trait Carrier {
    /// Copies the caller's bytes to a blocked thread's memory: both are as long as the
    /// shorter, at most [`AT_ONCE`].
    ///
    /// # Errors
    /// A part may have been copied.
    fn give(&mut self, from: UserBytes, peer: &Guest, to: UserBytes) -> Result<(), Fault>;

    /// Copies a blocked thread's bytes to the caller's memory, likewise.
    ///
    /// # Errors
    /// A part may have been copied.
    fn fetch(&mut self, peer: &Guest, from: UserBytes, to: UserBytes) -> Result<(), Fault>;

    /// Whether a thread can be woken now, come what may. The hart whose ring is full
    /// if not.
    ///
    /// # Errors
    /// That hart.
    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex>;

    /// Whether the connection that a client sends on is there.
    fn is_connected(&mut self, client: &Guest) -> bool;
}

/// A thread whose wait is over: what became of it is in its record. It is to be
/// woken as soon as the lock is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nobody else will wake it"]
pub struct Wake {
    /// Which wait.
    pub wait: Wait,
    /// What it runs at from now on, if that changes.
    pub priority: Option<Priority>,
    /// For the trace: its call fails with that.
    pub error: Option<Errno>,
}

/// A server's thread that is to be as urgent as who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it is to be told"]
pub struct Boost {
    /// Who, if that channel is the last that it received from.
    pub server: ThreadId,
    /// Where.
    pub channel: ChannelId,
    /// How urgent at least.
    pub priority: Priority,
}

/// What a call is to do before it is made again.
#[derive(Debug)]
pub enum Obstacle {
    /// To wait for space in the ring to that hart. Nothing has happened.
    Full(HartIndex),
    /// To wake somebody, whose memory or connection was bad.
    Refused(Wake),
    /// To copy more than one lock is for.
    Long(Transfer),
    /// Nothing: the call fails.
    Failed(Errno),
}

/// A client has sent.
#[derive(Debug)]
pub enum Sent {
    /// A receiver has the message, and is to be woken: the client is REPLY-blocked.
    Received(Wait, Wake),
    /// Nobody receives: it is SEND-blocked.
    Queued(Wait, Option<Boost>),
}

/// A server has asked for a message.
#[derive(Debug)]
pub enum Got {
    /// It has one.
    Message(Receipt, Message),
    /// There is none: it is RECEIVE-blocked.
    Waiting(Wait),
}

/// What else follows from a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the server runs at from now on, if that changes.
    pub priority: Option<Priority>,
    /// The client whose timeout begins to count now.
    pub timed: Option<Wait>,
}

/// The policy.
impl Channel<'_> {
    /// MsgSend: gives the message to the first receiver, or queues the client.
    ///
    /// # Errors
    /// What is to be done first.
    pub fn send(&mut self, client: &Guest, by: &mut impl Carrier) -> Result<Sent, Obstacle> {
        let Some(server) = self.head(Which::Receive) else {
            let boost = self.boost(client.priority);
            boost.map_or(Ok(()), |it| by.can_wake(it.server)).map_err(Obstacle::Full)?;
            let wait = self.put(Which::Send, client).map_err(Obstacle::Failed)?;
            self.note_boost(boost);
            return Ok(Sent::Queued(wait, boost));
        };
        by.can_wake(server.guest.thread).map_err(Obstacle::Full)?;
        let copied = client.out.length.min(server.guest.into.length);
        if copied > AT_ONCE {
            return Err(self.begin(&server, Direction::Give(client.out, server.guest.into)));
        }
        match by.give(client.out, &server.guest, server.guest.into) {
            Ok(()) => self.hand_over(client, &server, copied).map_err(Obstacle::Failed),
            Err(Fault::Own) => Err(Obstacle::Failed(Errno::EFAULT)),
            Err(Fault::Peer) => Err(Obstacle::Refused(self.fail(&server, Errno::EFAULT))),
        }
    }

    /// MsgReceive: takes the message of the most urgent client, or queues the server.
    /// `base` is what it runs at while it waits for nobody.
    ///
    /// # Errors
    /// What is to be done first.
    pub fn receive(
        &mut self,
        server: &Guest,
        base: Priority,
        by: &mut impl Carrier,
    ) -> Result<Got, Obstacle> {
        let Some(client) = self.head(Which::Send) else {
            let waiting = Guest { priority: base, ..*server };
            let wait = self.put(Which::Receive, &waiting).map_err(Obstacle::Failed)?;
            self.serves(server.thread, base);
            return Ok(Got::Waiting(wait));
        };
        by.can_wake(client.guest.thread).map_err(Obstacle::Full)?;
        if !by.is_connected(&client.guest) {
            return Err(Obstacle::Refused(self.fail(&client, Errno::EBADF)));
        }
        let copied = client.guest.out.length.min(server.into.length);
        if copied > AT_ONCE {
            return Err(self.begin(&client, Direction::Fetch(client.guest.out, server.into)));
        }
        match by.fetch(&client.guest, client.guest.out, server.into) {
            Ok(()) => Ok(self.accept(server, &client, copied)),
            Err(Fault::Own) => Err(Obstacle::Failed(Errno::EFAULT)),
            Err(Fault::Peer) => Err(Obstacle::Refused(self.fail(&client, Errno::EFAULT))),
        }
    }

    /// MsgReply: gives the answer to the client of that message. With an error, both
    /// may be to be told: the client is then in what comes with it.
    ///
    /// # Errors
    /// What is to be done first; or how it has failed.
    pub fn answer(
        &mut self,
        message: MessageId,
        answer: &Answer,
        by: &mut impl Carrier,
    ) -> Result<(Wake, Option<Errno>), Obstacle> {
        let client = self.client(message).ok_or(Obstacle::Failed(Errno::ESRCH))?;
        by.can_wake(client.guest.thread).map_err(Obstacle::Full)?;
        if !by.is_connected(&client.guest) {
            return Err(Obstacle::Refused(self.fail(&client, Errno::EBADF)));
        }
        let Answer::Bytes(status, from) = *answer else {
            return Ok((self.wake(&client, answer.outcome()), None));
        };
        let copied = from.length.min(client.guest.into.length);
        if copied > AT_ONCE {
            return Err(self.begin(&client, Direction::Give(from, client.guest.into)));
        }
        Ok(match by.give(from, &client.guest, client.guest.into) {
            Ok(()) => (self.wake(&client, Outcome::Answered(status)), None),
            Err(fault) => {
                let error = blame(fault);
                (self.fail(&client, error), Some(error))
            }
        })
    }
}

/// Whom a failed answer is blamed on, for both sides.
const fn blame(fault: Fault) -> Errno {
    match fault {
        Fault::Own => Errno::ESRVRFAULT,
        Fault::Peer => Errno::EFAULT,
    }
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// That status, with those bytes of the server's.
    Bytes(i64, UserBytes),
    /// The client's call fails.
    Error(Errno),
    /// The client is to send once more.
    Restart,
}

impl Answer {
    const fn outcome(&self) -> Outcome {
        match *self {
            Self::Bytes(status, _) => Outcome::Answered(status),
            Self::Error(errno) => Outcome::Failed(errno),
            Self::Restart => Outcome::Again,
        }
    }
}

impl Channel<'_> {
    /// The client's message is in the server's memory: the client waits for the
    /// answer, the server is to be woken.
    fn hand_over(&mut self, client: &Guest, server: &Waiter, copied: usize) -> Result<Sent, Errno> {
        let wait = self.put(Which::Reply, client)?;
        let node = client.thread.place();
        self.owned.waiter(node).received = copied;
        let id = MessageId::new(node, wait.number);
        let receipt = Receipt { id, copied, sent: client.out.length };
        let priority = self.inherit(server.guest.thread, client.priority);
        let wake = self.wake(server, Outcome::Received(receipt));
        Ok(Sent::Received(wait, Wake { priority, ..wake }))
    }

    /// The client's message is in the server's memory, which called.
    fn accept(&mut self, server: &Guest, client: &Waiter, copied: usize) -> Got {
        let wait = self.wait(client);
        self.shift(wait, Which::Reply);
        let node = wait.thread.place();
        self.owned.waiter(node).received = copied;
        let id = MessageId::new(node, wait.number);
        let priority = self.inherit(server.thread, client.guest.priority);
        // Who is timed in one state only is so from here on.
        let timed = (client.guest.timeouts != 0).then_some(wait);
        let receipt = Receipt { id, copied, sent: client.guest.out.length };
        Got::Message(receipt, Message { priority, timed })
    }

    /// The server takes on the client's priority, up or down, or that of a client who
    /// has come while a long message was copied and is more urgent.
    fn inherit(&mut self, server: ThreadId, priority: Priority) -> Option<Priority> {
        let queued = self.first(Which::Send).map_or(priority, |(_, queued)| queued);
        self.serves(server, priority.max(queued))
    }

    /// That thread serves the channel, and is that urgent; none if that is its own
    /// affair here.
    fn serves(&mut self, server: ThreadId, priority: Priority) -> Option<Priority> {
        if self.slot.flags.has(ChannelFlags::FIXED_PRIORITY) {
            return None;
        }
        self.slot.server = Some((server, priority));
        Some(priority)
    }

    /// What a client of that priority, which nobody receives, does to who received
    /// last.
    pub(crate) fn boost(&self, priority: Priority) -> Option<Boost> {
        let (server, so_far) = self.slot.server?;
        (so_far < priority).then_some(Boost { server, channel: self.id, priority })
    }

    /// What follows from a new priority of somebody who stands in that queue.
    pub fn boost_for(&mut self, queue: Which, priority: Priority) -> Option<Boost> {
        let boost = self.boost(priority).filter(|_| queue == Which::Send);
        self.note_boost(boost);
        boost
    }

    pub(crate) const fn note_boost(&mut self, boost: Option<Boost>) {
        if let Some(Boost { server, priority, .. }) = boost {
            self.slot.server = Some((server, priority));
        }
    }

    fn fail(&mut self, waiter: &Waiter, error: Errno) -> Wake {
        let wake = self.wake(waiter, Outcome::Failed(error));
        Wake { error: Some(error), ..wake }
    }

    fn wake(&mut self, waiter: &Waiter, outcome: Outcome) -> Wake {
        let wait = self.wait(waiter);
        self.take_out(wait.thread.place(), outcome);
        Wake { wait, priority: None, error: None }
    }

    fn begin(&mut self, peer: &Waiter, direction: Direction) -> Obstacle {
        let wait = self.wait(peer);
        self.shift(wait, Which::Copying);
        let length = match direction {
            Direction::Give(from, to) | Direction::Fetch(from, to) => from.length.min(to.length),
        };
        Obstacle::Long(Transfer { peer: wait, from: peer.queue, direction, length, done: 0 })
    }
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    /// The caller's bytes to the peer.
    Give(UserBytes, UserBytes),
    /// The peer's bytes to the caller.
    Fetch(UserBytes, UserBytes),
}

/// A long copy that is under way: the caller runs, the peer is in the queue
/// [`Which::Copying`].
#[derive(Debug)]
#[must_use = "the peer is to be given back"]
pub struct Transfer {
    peer: Wait,
    /// Where the peer stood.
    from: Which,
    direction: Direction,
    length: usize,
    done: usize,
}

/// How far a long copy has come.
#[derive(Debug)]
pub enum Progress {
    /// There is more.
    More,
    /// All is copied.
    Done,
    /// The peer's wait has ended: somebody else has woken it.
    Gone,
    /// A memory was bad.
    Failed(Fault),
}

impl Transfer {
    /// The thread whose memory it is.
    #[must_use]
    pub const fn peer(&self) -> Wait {
        self.peer
    }

    /// Copies one part.
    pub fn go_on(&mut self, channel: &mut Channel<'_>, by: &mut impl Carrier) -> Progress {
        let Some(peer) = channel.find(self.peer).copied() else { return Progress::Gone };
        let part = |bytes: UserBytes| bytes.part(self.done, AT_ONCE.min(self.length - self.done));
        let copied = match self.direction {
            Direction::Give(from, to) => by.give(part(from), &peer.guest, part(to)),
            Direction::Fetch(from, to) => by.fetch(&peer.guest, part(from), part(to)),
        };
        if let Err(fault) = copied {
            return Progress::Failed(fault);
        }
        self.done = self.length.min(self.done + AT_ONCE);
        if self.done == self.length { Progress::Done } else { Progress::More }
    }

    /// Of a send: all is copied, and the client goes on as after a short message.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub fn sent(
        &self,
        channel: &mut Channel<'_>,
        client: &Guest,
        by: &mut impl Carrier,
    ) -> Result<Sent, Obstacle> {
        let server = self.look(channel, by)?;
        channel.hand_over(client, &server, self.length).map_err(Obstacle::Failed)
    }

    /// Of a receive: likewise the server.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub fn received(
        &self,
        channel: &mut Channel<'_>,
        server: &Guest,
        by: &mut impl Carrier,
    ) -> Result<Got, Obstacle> {
        let client = self.look(channel, by)?;
        Ok(channel.accept(server, &client, self.length))
    }

    /// Of an answer: likewise the server.
    ///
    /// # Errors
    /// As [`Channel::answer`].
    pub fn answered(
        &self,
        channel: &mut Channel<'_>,
        status: i64,
        by: &mut impl Carrier,
    ) -> Result<Wake, Obstacle> {
        let client = self.look(channel, by)?;
        Ok(channel.wake(&client, Outcome::Answered(status)))
    }

    fn look(&self, channel: &mut Channel<'_>, by: &mut impl Carrier) -> Result<Waiter, Obstacle> {
        let peer = channel.find(self.peer).copied().ok_or(Obstacle::Failed(Errno::ESRCH))?;
        by.can_wake(self.peer.thread).map_err(Obstacle::Full)?;
        Ok(peer)
    }

    /// The peer's memory is bad, or the answer to it: it is told.
    ///
    /// # Errors
    /// The hart whose ring is full.
    pub fn fail(
        &self,
        channel: &mut Channel<'_>,
        error: Errno,
        by: &mut impl Carrier,
    ) -> Result<Option<Wake>, HartIndex> {
        let Some(peer) = channel.find(self.peer).copied() else { return Ok(None) };
        by.can_wake(self.peer.thread)?;
        Ok(Some(channel.fail(&peer, error)))
    }

    /// The caller gives up: the peer goes back to where it stood. If a receiver and a
    /// client wait there now, the receiver is to be woken, to look again.
    ///
    /// # Errors
    /// The hart whose ring is full; nothing has happened then.
    pub fn give_up(
        &self,
        channel: &mut Channel<'_>,
        by: &mut impl Carrier,
    ) -> Result<Option<Wake>, HartIndex> {
        let server = match self.from {
            Which::Send => channel.head(Which::Receive),
            // It is the peer that is to look again.
            Which::Receive if !channel.is_empty(Which::Send) => channel.find(self.peer).copied(),
            _ => None,
        };
        if let Some(server) = &server {
            by.can_wake(server.guest.thread)?;
        }
        if !channel.shift_back(self.peer, self.from) {
            return Ok(None);
        }
        Ok(server.map(|server| {
            // Where it stands now.
            let server = channel.find(channel.wait(&server)).copied().unwrap_or(server);
            // For whom it is to look: it may be more urgent than the server is.
            let priority = channel.inherit(server.guest.thread, Priority::IDLE);
            Wake { priority, ..channel.wake(&server, Outcome::Again) }
        }))
    }
}
