// SPDX-License-Identifier: Apache-2.0
//! How client and server meet at a channel (IPC-SEMANTICS sections 3 to 5, 12).
//!
//! Whoever comes second copies, from its own memory or into it, while the other is
//! blocked and its record is this lock's; so a fault is known for whose it is before
//! anything has happened. Both stages of a copy of at most [`AT_ONCE`] bytes, out
//! of one memory and into the other, and what follows from it are under the
//! lock. A longer one goes part by part, with the peer in the queue
//! [`Which::Copying`] ([`super::transfer`]); what follows from it is the same.
//!
//! A receiver waits only while no client is queued, and the other way round; who
//! gives a peer back restores that ([`Channel::rouse`]).

use skimmer_abi::errno::Errno;
use skimmer_sync::irq::HartIndex;

use crate::{
    channel::{
        ChannelFlags, ChannelId,
        id::MessageId,
        outcome::{Outcome, Receipt},
        slot::Channel,
        transfer::Transfer,
        waiter::{Guest, Node, Wait, Waiter, Which, Woken},
    },
    ids::{Priority, ThreadId},
    user::UserBytes,
};

/// Bytes that are copied under one lock, in one masked section, at the most.
pub const AT_ONCE: usize = 4096;

/// The same where words of one side lie across words of the other: such a byte takes
/// three times as long.
pub const AT_ONCE_ACROSS: usize = 1024;

/// So many of bytes that go from one place to another.
#[inline]
#[must_use]
pub const fn at_once(from: UserBytes, to: UserBytes) -> usize {
    let lie_alike = (from.start.get() ^ to.start.get()).is_multiple_of(size_of::<u64>());
    if lie_alike { AT_ONCE } else { AT_ONCE_ACROSS }
}

/// Whether all that both have is copied at once of an answer, and not part by part. The
/// delay of a named bug is before each part.
#[inline]
#[must_use]
pub const fn is_answered_at_once(from: UserBytes, to: UserBytes) -> bool {
    let bytes = if from.length < to.length { from.length } else { to.length };
    bytes == 0 || !cfg!(feature = "delay-unlock-early") && bytes <= at_once(from, to)
}

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
    /// Copies the caller's bytes to the memory of a process ([`Guest::owner`]) of which a
    /// thread is blocked: as many as both have, at most [`AT_ONCE`].
    ///
    /// # Errors
    /// A part may have been copied.
    fn give(&mut self, from: UserBytes, owner: u64, to: UserBytes) -> Result<(), Fault>;

    /// Copies such a process's bytes to the caller's memory, likewise.
    ///
    /// # Errors
    /// A part may have been copied.
    fn fetch(&mut self, owner: u64, from: UserBytes, to: UserBytes) -> Result<(), Fault>;

    /// Whether a thread can be woken now, come what may. The hart whose ring is full
    /// if not.
    ///
    /// # Errors
    /// That hart.
    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex>;

    /// Whether a connection of that process is there: what a client sends on.
    fn is_connected(&mut self, owner: u64, coid: u64) -> bool;
}

/// When something was decided at a channel, among all that is decided there. Words of it
/// reach a thread's home hart through several rings, in any order: what was decided
/// later counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(u32);

impl Moment {
    /// When so much has happened there.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Self(count as u32)
    }

    /// Whether it is later: of two that are less than 2^31 apart.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }
}

/// How urgent a server is because of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
    /// What it runs at.
    pub priority: Priority,
    /// When that was decided.
    pub since: Moment,
}

/// A thread whose wait is over: what became of it is in its record. It is to be
/// woken as soon as the lock is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nobody else will wake it"]
pub struct Wake {
    /// Who.
    pub thread: ThreadId,
    /// Which of its waits.
    pub number: u64,
    /// How urgent it is from now on, if that changes.
    pub urgency: Option<Urgency>,
    /// For the trace: its call fails with that.
    pub error: Option<Errno>,
}

impl From<Woken> for Wake {
    fn from(woken: Woken) -> Self {
        let Wait { thread, number, .. } = woken.wait;
        Self { thread, number, urgency: None, error: Some(woken.error) }
    }
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
    pub urgency: Urgency,
}

// What the policy says goes through several hands. A tag of a word keeps what is behind
// it aligned, and moved by words: behind the two bytes that it would have, every move is a
// call that copies bytes.

/// What a call is to do before it is made again.
#[derive(Debug)]
#[repr(u64)]
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
#[repr(u64)]
pub enum Sent {
    /// A receiver has so many bytes of the message, and is to be woken: the client is
    /// REPLY-blocked.
    Received(Wait, Wake, usize),
    /// Nobody receives: it is SEND-blocked.
    Queued(Wait, Option<Boost>),
}

/// A server has asked for a message.
#[derive(Debug)]
#[repr(u64)]
pub enum Got {
    /// It has one.
    Message(Receipt, Message),
    /// There is none: it is RECEIVE-blocked, and that urgent, if that is not its own
    /// affair here.
    Waiting(Wait, Option<Urgency>),
}

// More than eight words behind the tag would be copied by a call, too.
#[cfg(not(feature = "bug-unlock-early"))]
const _: () = assert!(
    size_of::<Result<Sent, Obstacle>>() <= 9 * size_of::<u64>()
        && size_of::<Result<Got, Obstacle>>() <= 9 * size_of::<u64>()
);

/// What else follows from a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// How urgent the server is from now on, if that is not its own affair here.
    pub urgency: Option<Urgency>,
    /// The client whose timeout begins to count now.
    pub timed: Option<Wait>,
}

/// What the policy looks at of a thread that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) record: Node,
    thread: ThreadId,
    number: u64,
    owner: u64,
    coid: u64,
    out: UserBytes,
    into: UserBytes,
    priority: Priority,
    pub(super) queue: Which,
}

/// The policy.
impl Channel<'_> {
    /// MsgSend: gives the message to the first receiver, or queues the client.
    ///
    /// # Errors
    /// What is to be done first.
    #[inline]
    pub fn send(&mut self, client: &Guest, by: &mut impl Carrier) -> Result<Sent, Obstacle> {
        // Who is queued beside a receiver was given back, and is about to be looked for.
        let is_first = self.is_empty(Which::Send);
        let Some(server) = self.peer(Which::Receive).filter(|_| is_first) else {
            let boost = self.boost(client.priority);
            boost.map_or(Ok(()), |it| by.can_wake(it.server)).map_err(Obstacle::Full)?;
            let wait = self.put(Which::Send, client).map_err(Obstacle::Failed)?;
            let boost = boost.and_then(|_| self.boost_for(Which::Send, client.priority));
            return Ok(Sent::Queued(wait, boost));
        };
        by.can_wake(server.thread).map_err(Obstacle::Full)?;
        let copied = client.out.length.min(server.into.length);
        if copied > at_once(client.out, server.into) {
            return Err(self.begin(&server));
        }
        match by.give(client.out, server.owner, server.into) {
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
    #[inline]
    pub fn receive(
        &mut self,
        server: &Guest,
        base: Priority,
        by: &mut impl Carrier,
    ) -> Result<Got, Obstacle> {
        let Some(client) = self.peer(Which::Send) else {
            let wait = self.put_at(Which::Receive, server, base, 0);
            let wait = wait.ok_or(Obstacle::Failed(Errno::EBUSY))?;
            return Ok(Got::Waiting(wait, self.serves(server.thread, base)));
        };
        by.can_wake(client.thread).map_err(Obstacle::Full)?;
        if !by.is_connected(client.owner, client.coid) {
            return Err(Obstacle::Refused(self.fail(&client, Errno::EBADF)));
        }
        let copied = client.out.length.min(server.into.length);
        if copied > at_once(client.out, server.into) {
            return Err(self.begin(&client));
        }
        match by.fetch(client.owner, client.out, server.into) {
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
    #[inline]
    pub fn answer(
        &mut self,
        message: MessageId,
        answer: &Answer,
        by: &mut impl Carrier,
    ) -> Result<(Wake, Option<Errno>), Obstacle> {
        let (record, client) = self.client(message).ok_or(Obstacle::Failed(Errno::ESRCH))?;
        let client = Peer::of(record, Which::Reply, client);
        by.can_wake(client.thread).map_err(Obstacle::Full)?;
        if !by.is_connected(client.owner, client.coid) {
            return Err(Obstacle::Refused(self.fail(&client, Errno::EBADF)));
        }
        let Answer::Bytes(status, from) = *answer else {
            return Ok((self.wake(&client, answer.outcome()), None));
        };
        if !is_answered_at_once(from, client.into) {
            return Err(self.begin(&client));
        }
        Ok(match by.give(from, client.owner, client.into) {
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

impl Peer {
    #[inline]
    const fn of(record: Node, queue: Which, waiter: &Waiter) -> Self {
        let Waiter { thread, number, owner, coid, out, into, priority, .. } = *waiter;
        Self { record, thread, number, owner, coid, out, into, priority, queue }
    }
}

impl Channel<'_> {
    #[inline]
    fn peer(&mut self, which: Which) -> Option<Peer> {
        let record = self.slot.queues.of(which).first()?;
        Some(Peer::of(record, which, self.owned.waiter(record)))
    }

    pub(super) fn waiting(&mut self, wait: Wait) -> Option<Peer> {
        let record = self.find(wait)?;
        let waiter = self.owned.waiter(record);
        Some(Peer::of(record, waiter.queue, waiter))
    }

    /// A receiver that waits while a client is queued, which somebody gave back: it is to
    /// be woken, and to look again. To be called until there is none: one that is
    /// woken may fail before it has looked.
    ///
    /// # Errors
    /// The hart whose ring is full; nothing has happened then.
    pub fn rouse(&mut self, by: &mut impl Carrier) -> Result<Option<Wake>, HartIndex> {
        let Some(server) = self.peer(Which::Receive) else { return Ok(None) };
        if self.is_empty(Which::Send) {
            return Ok(None);
        }
        by.can_wake(server.thread)?;
        // For whom it is to look: it may be more urgent than the server is.
        let urgency = self.inherit(server.thread, Priority::IDLE);
        Ok(Some(Wake { urgency, ..self.wake(&server, Outcome::Again) }))
    }

    /// The client's message is in the server's memory: the client waits for the
    /// answer, the server is to be woken.
    #[inline]
    pub(super) fn hand_over(
        &mut self,
        client: &Guest,
        server: &Peer,
        copied: usize,
    ) -> Result<Sent, Errno> {
        let wait =
            self.put_at(Which::Reply, client, client.priority, copied).ok_or(Errno::EBUSY)?;
        let id = MessageId::of(wait);
        let receipt = Receipt { id, copied, sent: client.out.length };
        let urgency = self.inherit(server.thread, client.priority);
        let wake = self.wake(server, Outcome::Received(receipt));
        Ok(Sent::Received(wait, Wake { urgency, ..wake }, copied))
    }

    /// The client's message is in the server's memory, which called.
    #[inline]
    pub(super) fn accept(&mut self, server: &Guest, client: &Peer, copied: usize) -> Got {
        let wait = self.wait_of(client);
        self.step(client.record, client.queue, Which::Reply);
        let waiter = self.owned.waiter(client.record);
        waiter.received = copied;
        // Who is timed in one state only is so from here on.
        let is_timed = waiter.timeouts != 0;
        let id = MessageId::of(wait);
        let urgency = self.inherit(server.thread, client.priority);
        let receipt = Receipt { id, copied, sent: client.out.length };
        Got::Message(receipt, Message { urgency, timed: is_timed.then_some(wait) })
    }

    /// The server takes on the client's priority, up or down, or that of a client who
    /// has come while a long message was copied and is more urgent.
    #[inline]
    fn inherit(&mut self, server: ThreadId, priority: Priority) -> Option<Urgency> {
        let queued = self.head(Which::Send).map_or(priority, |waiter| waiter.priority);
        self.serves(server, priority.max(queued))
    }

    /// That thread serves the channel, and is that urgent; none if that is its own
    /// affair here.
    #[inline]
    fn serves(&mut self, server: ThreadId, priority: Priority) -> Option<Urgency> {
        if self.slot.flags.has(ChannelFlags::FIXED_PRIORITY) {
            return None;
        }
        self.slot.server = Some((server, priority));
        Some(Urgency { priority, since: Moment::new(self.slot.next_event()) })
    }

    /// What a client of that priority, which nobody receives, does to who received
    /// last.
    pub(crate) fn boost(&self, priority: Priority) -> Option<Boost> {
        let (server, so_far) = self.slot.server?;
        // It is decided only by `note_boost`, which counts it.
        let since = Moment::new(self.slot.events + 1);
        let urgency = Urgency { priority, since };
        (so_far < priority).then_some(Boost { server, channel: self.id, urgency })
    }

    /// What follows from a new priority of somebody who stands in that queue.
    pub fn boost_for(&mut self, queue: Which, priority: Priority) -> Option<Boost> {
        let boost = self.boost(priority).filter(|_| queue == Which::Send);
        self.note_boost(boost);
        boost
    }

    pub(crate) fn note_boost(&mut self, boost: Option<Boost>) {
        if let Some(Boost { server, urgency, .. }) = boost {
            self.slot.next_event();
            self.slot.server = Some((server, urgency.priority));
        }
    }

    /// The priority of a thread was set: what was added to it because of clients is no
    /// more.
    pub fn forget_boost(&mut self, server: ThreadId, priority: Priority) {
        if let Some(served) = self.slot.server.as_mut().filter(|served| served.0 == server) {
            served.1 = priority;
        }
    }

    pub(super) fn fail(&mut self, peer: &Peer, error: Errno) -> Wake {
        let wake = self.wake(peer, Outcome::Failed(error));
        Wake { error: Some(error), ..wake }
    }

    #[inline]
    pub(super) fn wake(&mut self, peer: &Peer, outcome: Outcome) -> Wake {
        self.take_out(peer.record, peer.queue, outcome);
        Wake { thread: peer.thread, number: peer.number, urgency: None, error: None }
    }

    pub(super) const fn wait_of(&self, peer: &Peer) -> Wait {
        Wait { channel: self.id, thread: peer.thread, number: peer.number }
    }
}
