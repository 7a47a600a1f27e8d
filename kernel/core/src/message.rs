// SPDX-License-Identifier: Apache-2.0
//! Messages between kernel threads, and the states they pass through.
//!
//! Law reply-once, carried by ownership: a message is one allocation that one
//! side holds at a time. The sender holds [`Message`] (idle); sending trades it
//! for an [`InFlight`] ticket; the receiver holds [`Received`] and can only
//! reply; the sender trades the ticket for [`Replied`]. Nothing is flagged,
//! nothing is counted, and nobody can look at what the other side holds.

use alloc::boxed::Box;
use core::fmt;

use skimmer_sync::{boxed::try_box, fifo::Node, footprint};

use crate::{
    ids::ThreadId, machine::Machine, space::shootdown::Scope, table::OutOfMemory, thread::NewThread,
};

/// The data of a message: what fits a cache line travels with it.
pub type Words = [u64; 8];

/// What a message carries.
pub enum Payload<M: Machine> {
    /// Data.
    Words(Words),
    /// A thread that is to live on the receiver's hart.
    Thread(NewThread<M>),
    /// What the receiver's hart is to forget of an address space.
    Forget(&'static M::Space, Scope),
}

impl<M: Machine> Payload<M> {
    /// The data, zeros if it carries something else.
    #[must_use]
    pub const fn words(&self) -> Words {
        match self {
            Self::Words(words) => *words,
            Self::Thread(_) | Self::Forget(..) => [0; 8],
        }
    }
}

/// A message wherever it is.
pub(crate) struct Body<M: Machine> {
    pub(crate) from: ThreadId,
    pub(crate) sequence: u64,
    pub(crate) status: i64,
    pub(crate) payload: Payload<M>,
}

/// A message on its way or in a queue.
pub(crate) type Carried<M> = Box<Node<Body<M>>>;

/// A message at rest: its holder may fill it and send it.
pub struct Message<M: Machine>(pub(crate) Carried<M>);

impl<M: Machine> Message<M> {
    /// A message that can be sent, and sent again after each reply. Ends the
    /// kernel when memory is out: for threads of the kernel that nobody's
    /// program is behind.
    #[must_use]
    pub fn new(payload: Payload<M>) -> Self {
        Self(Box::new(Self::blank(payload)))
    }

    /// The same, if there is memory.
    ///
    /// # Errors
    /// When memory is out. What was to be carried is gone.
    pub fn try_new(payload: Payload<M>) -> Result<Self, OutOfMemory> {
        try_box(Self::blank(payload)).map(Self).map_err(|_| OutOfMemory)
    }

    /// Bytes of the heap that a message takes.
    #[must_use]
    pub fn footprint() -> usize {
        footprint::one::<Node<Body<M>>>()
    }

    const fn blank(payload: Payload<M>) -> Node<Body<M>> {
        let nobody = ThreadId::from_word(0);
        Node::new(Body { from: nobody, sequence: 0, status: 0, payload })
    }

    /// Fills it with anything.
    pub fn set_payload(&mut self, payload: Payload<M>) {
        self.0.value.payload = payload;
    }

    /// Fills it.
    pub fn set_words(&mut self, words: Words) {
        self.0.value.payload = Payload::Words(words);
    }
}

impl<M: Machine> fmt::Debug for Message<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message")
    }
}

/// The sender's ticket for a message on its way. Every ticket is waited for: the
/// reply to one that was dropped stays at the sender's port until it exits.
#[derive(Debug)]
#[must_use = "the reply is claimed with this ticket"]
pub struct InFlight {
    pub(crate) to: ThreadId,
    pub(crate) sequence: u64,
    // Stays with the thread that sent: its sequence numbers are its own, and
    // another thread's ticket would claim another reply.
    _here: core::marker::PhantomData<*const ()>,
}

impl InFlight {
    pub(crate) const fn new(to: ThreadId, sequence: u64) -> Self {
        Self { to, sequence, _here: core::marker::PhantomData }
    }
}

/// A message that was taken from a port and must be answered by the thread
/// that took it. It can be answered once:
///
/// ```compile_fail,E0382
/// # use skimmer_core::{hart::Hart, machine::Machine, message::Received};
/// # use skimmer_core::{port::MsgPort, thread_port::ThreadPort};
/// # use skimmer_sync::irq::IrqOff;
/// fn twice<M: Machine>(hart: &mut Hart<M>, irq: &IrqOff, message: Received<M>) {
///     let _ = ThreadPort::<M>::reply(hart, irq, message, 0);
///     let _ = ThreadPort::<M>::reply(hart, irq, message, 0);
/// }
/// ```
#[must_use = "every message that is taken is answered"]
pub struct Received<M: Machine> {
    body: Option<Carried<M>>,
    // Stays with the thread that took it: its port counts what it holds.
    _here: core::marker::PhantomData<*const ()>,
}

impl<M: Machine> Received<M> {
    pub(crate) const fn new(body: Carried<M>) -> Self {
        Self { body: Some(body), _here: core::marker::PhantomData }
    }

    fn body(&self) -> &Body<M> {
        self.body.as_ref().map_or_else(|| unreachable!("taken only by value"), |b| &b.value)
    }

    /// Who sent it.
    #[must_use]
    pub fn sender(&self) -> ThreadId {
        self.body().from
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.body().sequence
    }

    /// What it carries.
    #[must_use]
    pub fn payload(&self) -> &Payload<M> {
        &self.body().payload
    }

    /// Replaces what it carries by the answer, and returns the request.
    pub fn answer(&mut self, answer: Words) -> Payload<M> {
        match self.body.as_mut() {
            Some(body) => core::mem::replace(&mut body.value.payload, Payload::Words(answer)),
            None => unreachable!("taken only by value"),
        }
    }

    pub(crate) fn into_carried(mut self) -> Carried<M> {
        self.body.take().unwrap_or_else(|| unreachable!("taken only by value"))
    }
}

impl<M: Machine> fmt::Debug for Received<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received from {}", self.sender())
    }
}

impl<M: Machine> Drop for Received<M> {
    fn drop(&mut self) {
        assert!(self.body.is_none(), "reply-once: a received message was dropped unanswered");
    }
}

/// A message that came back.
pub struct Replied<M: Machine>(pub(crate) Carried<M>);

impl<M: Machine> Replied<M> {
    /// What the replier said of it: 0 or more for success, a negative
    /// [`skimmer_abi::errno::Errno`] for failure.
    #[must_use]
    pub const fn status(&self) -> i64 {
        self.0.value.status
    }

    /// The answer.
    #[must_use]
    pub fn words(&self) -> Words {
        self.0.value.payload.words()
    }

    /// The message, at rest again.
    #[must_use]
    pub fn into_idle(self) -> Message<M> {
        Message(self.0)
    }
}

impl<M: Machine> fmt::Debug for Replied<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replied with {}", self.status())
    }
}

/// A request to abort a message, on its way to whoever has it.
pub(crate) struct Note {
    pub(crate) to: ThreadId,
    pub(crate) from: ThreadId,
    pub(crate) sequence: u64,
}

/// An abort request, made before it is needed so that sending it cannot fail
/// for want of memory.
pub struct AbortNote(pub(crate) Box<Node<Note>>);

impl AbortNote {
    /// A request for any message.
    #[must_use]
    pub fn new() -> Self {
        let nobody = ThreadId::from_word(0);
        Self(Box::new(Node::new(Note { to: nobody, from: nobody, sequence: 0 })))
    }
}

impl Default for AbortNote {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AbortNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AbortNote")
    }
}
