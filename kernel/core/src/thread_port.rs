// SPDX-License-Identifier: Apache-2.0
//! Thread ports: each thread owns one, and only its home hart queues to it, so
//! masked interrupts replace a lock. Requests and replies wait in queues of
//! their own; queueing moves ownership and never allocates.

use alloc::boxed::Box;
use core::{convert::Infallible, marker::PhantomData};

use skimmer_abi::{
    inspect::{bump, unbump},
    trace::Event,
};
use skimmer_sync::{
    fifo::{Fifo, Node},
    irq::IrqOff,
};

use crate::{
    hart::Hart,
    ids::ThreadId,
    machine::Machine,
    message::{AbortNote, Body, Carried, InFlight, Message, Note, Received, Replied},
    port::{Full, MsgPort, Wait},
    remote::Op,
    thread::Why,
};

/// What a thread's port holds.
pub(crate) struct PortState<M: Machine> {
    pub(crate) requests: Fifo<Body<M>>,
    pub(crate) replies: Fifo<Body<M>>,
    /// Requests that the thread took and has not answered.
    held: u32,
    /// Abort requests for those, and how many.
    aborts: Fifo<Note>,
    abort_count: u32,
}

impl<M: Machine> PortState<M> {
    pub(crate) const fn new() -> Self {
        Self {
            requests: Fifo::new(),
            replies: Fifo::new(),
            held: 0,
            aborts: Fifo::new(),
            abort_count: 0,
        }
    }

    /// The owner takes a request that it has to answer.
    pub(crate) const fn hold(&mut self) {
        self.held += 1;
    }

    /// Whether the owner still has to answer somebody.
    pub(crate) const fn holds_requests(&self) -> bool {
        self.held > 0
    }

    fn take_abort(&mut self, from: ThreadId, sequence: u64) -> Option<Box<Node<Note>>> {
        let wanted = |note: &Note| note.from == from && note.sequence == sequence;
        let note = self.aborts.remove_first(wanted)?;
        self.abort_count -= 1;
        Some(note)
    }

    /// Keeps a request for a message that the owner may hold. There are never
    /// more of them than messages held: beyond that the oldest is for one that
    /// was answered before the request came, and is returned.
    fn keep_abort(&mut self, note: Box<Node<Note>>) -> Option<Box<Node<Note>>> {
        self.aborts.push_back(note);
        self.abort_count += 1;
        if self.abort_count <= self.held {
            return None;
        }
        self.abort_count -= 1;
        self.aborts.pop_front()
    }
}

/// The operations of thread ports.
#[derive(Debug)]
pub struct ThreadPort<M>(PhantomData<M>);

impl<M: Machine> MsgPort<M> for ThreadPort<M> {
    type Address = ThreadId;
    type Own = ();
    type Room = ();
    type Refused = Infallible;
    type Idle = Message<M>;
    type InFlight = InFlight;
    type Received = Received<M>;
    type Replied = Replied<M>;
    type Told = ();
    type Note = AbortNote;

    fn send(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        to: ThreadId,
        mut message: Message<M>,
    ) -> Result<InFlight, Full<Message<M>>> {
        let from = hart.current();
        let sequence = hart.current_thread().next_sequence;
        message.0.value.from = from;
        message.0.value.sequence = sequence;
        message.0.value.status = 0;
        // Counted before it can be seen: whoever has received it finds it counted.
        bump(&hart.inspect().sends);
        let sent = if hart.is_elsewhere(to) {
            hart.send_remote(irq, to.home(), Op::Send(to, message.0))
        } else {
            hart.deliver_request(irq, to, message.0);
            Ok(())
        };
        match sent {
            Ok(()) => {
                hart.current_thread().next_sequence = sequence.wrapping_add(1);
                #[expect(clippy::cast_possible_truncation, reason = "enough to pair the two ends")]
                hart.note(irq, Event::PortSend, sequence as u32, to.to_word());
                Ok(InFlight::new(to, sequence))
            }
            Err(Full { target, value: Op::Send(_, body) }) => {
                unbump(&hart.inspect().sends);
                Err(Full { target, value: Message(body) })
            }
            Err(_) => unreachable!("the ring gives back what it was given"),
        }
    }

    fn get(
        hart: &mut Hart<M>,
        _: &IrqOff,
        (): (),
        (): &mut (),
    ) -> Result<Option<Received<M>>, Infallible> {
        let port = &mut hart.current_thread().port;
        let Some(body) = port.requests.pop_front() else { return Ok(None) };
        port.hold();
        Ok(Some(Received::new(body)))
    }

    fn wait<'h>(
        hart: &'h mut Hart<M>,
        irq: &IrqOff,
        (): (),
        room: &mut (),
    ) -> Result<Wait<'h, M, Received<M>, ()>, Infallible> {
        let Ok(message) = Self::get(hart, irq, (), room);
        Ok(match message {
            Some(message) => Wait::Ready(message),
            None => Wait::Block((), hart.block(irq, Why::Receive)),
        })
    }

    fn reply(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        message: Received<M>,
        status: i64,
    ) -> Result<(), Full<Received<M>>> {
        let (from, sequence) = (message.sender(), message.sequence());
        let mut body = message.into_carried();
        body.value.status = status;
        bump(&hart.inspect().replies);
        if hart.is_elsewhere(from) {
            match hart.send_remote(irq, from.home(), Op::Reply(body)) {
                Ok(()) => {}
                Err(Full { target, value: Op::Reply(body) }) => {
                    unbump(&hart.inspect().replies);
                    return Err(Full { target, value: Received::new(body) });
                }
                Err(_) => unreachable!("the ring gives back what it was given"),
            }
        } else {
            hart.deliver_reply(irq, body);
        }
        #[expect(clippy::cast_possible_truncation, reason = "enough to pair the two ends")]
        hart.note(irq, Event::PortReply, sequence as u32, from.to_word());
        hart.release_held(irq, from, sequence);
        Ok(())
    }

    fn wait_reply<'h>(
        hart: &'h mut Hart<M>,
        irq: &IrqOff,
        ticket: InFlight,
    ) -> Wait<'h, M, Replied<M>, InFlight> {
        let replies = &mut hart.current_thread().port.replies;
        match replies.remove_first(|body| body.sequence == ticket.sequence) {
            Some(body) => Wait::Ready(Replied(body)),
            None => {
                let why = Why::Reply(ticket.sequence);
                Wait::Block(ticket, hart.block(irq, why))
            }
        }
    }

    fn abort(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        ticket: &InFlight,
        note: AbortNote,
    ) -> Result<(), Full<AbortNote>> {
        let mut note = note.0;
        note.value = Note { to: ticket.to, from: hart.current(), sequence: ticket.sequence };
        if !hart.is_elsewhere(ticket.to) {
            hart.deliver_abort(irq, note);
            return Ok(());
        }
        match hart.send_remote(irq, ticket.to.home(), Op::Abort(note)) {
            Ok(()) => Ok(()),
            Err(Full { target, value: Op::Abort(note) }) => {
                Err(Full { target, value: AbortNote(note) })
            }
            Err(_) => unreachable!("the ring gives back what it was given"),
        }
    }

    fn is_aborted(hart: &mut Hart<M>, _: &IrqOff, message: &Received<M>) -> bool {
        let (from, sequence) = (message.sender(), message.sequence());
        let port = &mut hart.current_thread().port;
        let Some(note) = port.take_abort(from, sequence) else {
            return false;
        };
        let stale = port.keep_abort(note);
        debug_assert!(stale.is_none(), "there was room before");
        true
    }
}

/// The home hart's side: what arrives, from its own threads or from a ring.
impl<M: Machine> Hart<M> {
    /// Puts a request to a thread's port. One for a thread that is gone goes
    /// back with ESRCH, by way of the service thread (handlers never send).
    pub(crate) fn deliver_request(&mut self, irq: &IrqOff, to: ThreadId, body: Carried<M>) {
        match self.live_thread(to) {
            Some(thread) => {
                thread.port.requests.push_back(body);
                self.make_ready(irq, to, Why::Receive);
            }
            None => self.orphan(irq, body),
        }
    }

    /// Gives a message back to its sender, or discards it if the sender is gone.
    pub(crate) fn deliver_reply(&mut self, irq: &IrqOff, body: Carried<M>) {
        let (to, sequence) = (body.value.from, body.value.sequence);
        match self.live_thread(to) {
            Some(thread) => {
                thread.port.replies.push_back(body);
                self.make_ready(irq, to, Why::Reply(sequence));
            }
            None => self.discard(irq, body),
        }
    }

    /// Takes a request out of its queue if it is still there; leaves the note
    /// with the receiver if it may have taken it.
    pub(crate) fn deliver_abort(&mut self, irq: &IrqOff, note: Box<Node<Note>>) {
        let Note { to, from, sequence } = note.value;
        let Some(thread) = self.live_thread(to) else {
            return self.discard_note(irq, note);
        };
        let wanted = |body: &Body<M>| body.from == from && body.sequence == sequence;
        if let Some(body) = thread.port.requests.remove_first(wanted) {
            self.cancel(irq, body);
            self.discard_note(irq, note);
        } else if let Some(stale) = thread.port.keep_abort(note) {
            self.discard_note(irq, stale);
        }
    }

    /// The current thread answered a request that it held. Abort requests that
    /// can no longer matter go with it.
    fn release_held(&mut self, irq: &IrqOff, from: ThreadId, sequence: u64) {
        let port = &mut self.current_thread().port;
        port.held = port.held.saturating_sub(1);
        if port.aborts.is_empty() {
            return;
        }
        if port.held == 0 {
            port.abort_count = 0;
            let mut stale = core::mem::take(&mut port.aborts);
            self.discard_notes(irq, &mut stale);
        } else if let Some(note) = port.take_abort(from, sequence) {
            self.discard_note(irq, note);
        }
    }
}
