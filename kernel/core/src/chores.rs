// SPDX-License-Identifier: Apache-2.0
//! What handlers leave to a hart's service thread, because it takes a lock,
//! memory, or space in a ring.

use alloc::boxed::Box;

use skimmer_abi::errno::Errno;
use skimmer_sync::{
    fifo::{Fifo, Node},
    irq::IrqOff,
};

use crate::{
    hart::Hart,
    ids::ThreadId,
    machine::Machine,
    message::{Carried, Note, Received},
    port::{MsgPort, Wait},
    thread::{Thread, Why},
    thread_port::ThreadPort,
    waiting::Unsettled,
};

/// Something that handlers leave to the hart's service thread.
#[derive(Debug)]
pub enum Chore<M: Machine> {
    /// Free the memory of a thread that has exited.
    Bury(Thread<M>),
    /// Give a message back to a sender on another hart, with the status it has.
    Return(Received<M>, i64),
    /// Free the memory of something nobody waits for.
    Discard(Discarded<M>),
    /// Do something, under the channel's lock, to the wait of a thread of the hart.
    Settle(Unsettled),
}

/// What a service thread does next.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "handed over once, to be taken apart")]
pub enum Duty<M: Machine> {
    /// Something that handlers left over.
    Chore(Chore<M>),
    /// A request at its port.
    Answer(Received<M>),
}

/// Memory that is only to be freed.
pub struct Discarded<M: Machine> {
    _message: Option<Carried<M>>,
    _note: Option<Box<Node<Note>>>,
}

impl<M: Machine> core::fmt::Debug for Discarded<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Discarded")
    }
}

impl<M: Machine> Hart<M> {
    /// Makes `id` the thread that does what handlers leave over. It waits in
    /// [`Hart::next_duty`] only: nothing else wakes it for a chore.
    pub fn set_service(&mut self, id: ThreadId) {
        self.service = Some(id);
    }

    /// The next thing to do for the service thread, which calls this; or blocks
    /// it until there is something. Chores are looked for in the same section
    /// that blocks: one that a ring brings in between finds no sleeper to wake.
    pub fn next_duty(&mut self, irq: &IrqOff) -> Wait<'_, M, Duty<M>, ()> {
        if let Some(chore) = self.next_chore() {
            return Wait::Ready(Duty::Chore(chore));
        }
        let Ok(request) = ThreadPort::wait(self, irq, (), &mut ());
        match request {
            Wait::Ready(request) => Wait::Ready(Duty::Answer(request)),
            Wait::Block((), blocked) => Wait::Block((), blocked),
        }
    }

    fn next_chore(&mut self) -> Option<Chore<M>> {
        if let Some(body) = self.orphans.pop_front() {
            return Some(self.hand_out(body, Errno::ESRCH));
        }
        if let Some(body) = self.canceled.pop_front() {
            return Some(self.hand_out(body, Errno::ECANCELED));
        }
        if let Some(body) = self.discards.pop_front() {
            return Some(Chore::Discard(Discarded { _message: Some(body), _note: None }));
        }
        if let Some(note) = self.notes.pop_front() {
            return Some(Chore::Discard(Discarded { _message: None, _note: Some(note) }));
        }
        if let Some(unsettled) = self.next_unsettled() {
            return Some(Chore::Settle(unsettled));
        }
        let slot = self.dead.pop(&mut self.threads)?;
        self.threads.remove_at(slot).map(Chore::Bury)
    }

    pub(crate) fn orphan(&mut self, irq: &IrqOff, body: Carried<M>) {
        self.orphans.push_back(body);
        self.wake_service(irq);
    }

    pub(crate) fn cancel(&mut self, irq: &IrqOff, body: Carried<M>) {
        self.canceled.push_back(body);
        self.wake_service(irq);
    }

    pub(crate) fn discard(&mut self, irq: &IrqOff, body: Carried<M>) {
        self.discards.push_back(body);
        self.wake_service(irq);
    }

    pub(crate) fn discard_notes(&mut self, irq: &IrqOff, notes: &mut Fifo<Note>) {
        self.notes.append(notes);
        self.wake_service(irq);
    }

    pub(crate) fn discard_note(&mut self, irq: &IrqOff, note: Box<Node<Note>>) {
        self.notes.push_back(note);
        self.wake_service(irq);
    }

    /// The current thread, which is the service thread, takes a request that it
    /// is to send back.
    fn hand_out(&mut self, body: Carried<M>, why: Errno) -> Chore<M> {
        self.current_thread().port.hold();
        Chore::Return(Received::new(body), why.status())
    }

    pub(crate) fn wake_service(&mut self, irq: &IrqOff) {
        if let Some(service) = self.service {
            self.make_ready(irq, service, Why::Receive);
        }
    }
}
