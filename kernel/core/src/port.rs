// SPDX-License-Identifier: Apache-2.0
//! The table of operations that every message port implements (after LWKT's
//! `lwkt_port`): `send` is its putport, `get` getport, `wait` waitport, `reply`
//! replyport, `wait_reply` waitmsg, `abort` abortport. Thread ports
//! ([`crate::thread_port`]) and channels ([`crate::channel::port`]) implement it, and
//! one conformance suite (`tests/core`) runs against each.
//!
//! As in LWKT a port may be asynchronous or synchronous: `send` gives a ticket either
//! way, which may be one for a message that has come back at once. A message is of
//! somebody's memory; where the sender's memory does not travel, the receiver brings
//! its own, which is its [`MsgPort::Room`].
//!
//! No operation blocks by itself. What has to wait returns [`Blocked`]: the
//! caller is marked blocked, and the only thing left to do is to switch.

use core::convert::Infallible;

use skimmer_abi::errno::Errno;
use skimmer_sync::irq::IrqOff;

use crate::{hart::Hart, ids::HartIndex, machine::Machine, sched::Blocked};

/// The ring to another hart was full. Nothing happened; the argument comes
/// back, to be tried again after waiting for space.
#[derive(Debug)]
#[must_use]
pub struct Full<T> {
    /// Whose ring; the caller's own hart, which nobody waits for, if it is only to be
    /// tried again in another section.
    pub target: HartIndex,
    /// What was not sent.
    pub value: T,
}

/// What waiting came to.
#[derive(Debug)]
#[must_use]
pub enum Wait<'h, M: Machine, T, K> {
    /// It is there.
    Ready(T),
    /// Not yet: the caller is blocked, and must switch. The key is for the
    /// next try.
    Block(K, Blocked<'h, M>),
}

/// Why there is neither a message nor a wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Refused {
    /// As [`Full`]: it is to be tried again.
    Full(HartIndex),
    /// The port is gone, or the caller is to end.
    Failed(Errno),
}

impl From<Infallible> for Refused {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// One kind of message port. `irq` proves that interrupts are masked; the
/// caller is the current thread of `hart`.
pub trait MsgPort<M: Machine> {
    /// Names a port to send to.
    type Address: Copy;
    /// Names a port to receive from.
    type Own: Copy;
    /// Where a message is received, from the first try on until it is there.
    type Room;
    /// Why nothing can be received. A port that goes with its thread refuses nothing.
    type Refused: Into<Refused>;
    /// A message at rest.
    type Idle;
    /// The sender's ticket.
    type InFlight;
    /// A message that was taken and must be answered.
    type Received;
    /// A message that came back.
    type Replied;
    /// What the one who answers learns of it.
    type Told;

    /// Sends without waiting. A port that is gone answers with ESRCH. So does one to
    /// which the sender may have no more messages on their way, with EBUSY.
    ///
    /// # Errors
    /// [`Full`] with the message.
    fn send(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        to: Self::Address,
        message: Self::Idle,
    ) -> Result<Self::InFlight, Full<Self::Idle>>;

    /// Takes the next message, if one is there.
    ///
    /// # Errors
    /// As the port refuses.
    fn get(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        port: Self::Own,
        room: &mut Self::Room,
    ) -> Result<Option<Self::Received>, Self::Refused>;

    /// Takes the next message, or blocks the caller until there may be one. The next
    /// try is made with the same room.
    ///
    /// # Errors
    /// As the port refuses.
    fn wait<'h>(
        hart: &'h mut Hart<M>,
        irq: &IrqOff,
        port: Self::Own,
        room: &mut Self::Room,
    ) -> Result<Wait<'h, M, Self::Received, ()>, Self::Refused>;

    /// Answers. The message is the sender's again.
    ///
    /// # Errors
    /// [`Full`] with the message.
    fn reply(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        message: Self::Received,
        status: i64,
    ) -> Result<Self::Told, Full<Self::Received>>;

    /// Claims the reply, or blocks the caller until it may be there. With
    /// `send` before it this is `domsg`.
    fn wait_reply<'h>(
        hart: &'h mut Hart<M>,
        irq: &IrqOff,
        ticket: Self::InFlight,
    ) -> Wait<'h, M, Self::Replied, Self::InFlight>;

    /// What an abort request takes along.
    type Note;

    /// Asks for the message back. One that nobody has taken comes back with
    /// ECANCELED; one that was taken is the receiver's to answer, who can see
    /// the request. Either way the caller still waits for the reply.
    ///
    /// # Errors
    /// [`Full`] with the note.
    fn abort(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        ticket: &Self::InFlight,
        note: Self::Note,
    ) -> Result<(), Full<Self::Note>>;

    /// Whether the sender of a message asked for it back.
    fn is_aborted(hart: &mut Hart<M>, irq: &IrqOff, message: &Self::Received) -> bool;
}
