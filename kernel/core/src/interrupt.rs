// SPDX-License-Identifier: Apache-2.0
//! Interrupt service threads (ISTs): a thread that serves one source of the
//! interrupt controller, on the hart that the source interrupts.
//!
//! Who posts is that hart's handler; who waits is a thread of the same hart. So
//! "pending" is a flag in the thread, and neither takes a lock (laws
//! one-irq-one-hart, handlers-take-no-object-locks). A source is a number here;
//! the controller, and the masks, are the caller's.

use skimmer_abi::trace::Event;
use skimmer_sync::irq::IrqOff;

use crate::{hart::Hart, ids::ThreadId, machine::Machine, port::Wait, thread::Why};

/// What a thread has of the source that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    source: u32,
    /// An interrupt came that the thread has not taken: a flag, not a count.
    is_pending: bool,
    posts: u64,
}

/// The thread serves a source already: one has one at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyAttached;

/// Why a wait for an interrupt is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// An interrupt came.
    Posted,
    /// It was time.
    TimedOut,
    /// The thread is to end.
    Ended,
}

impl<M: Machine> Hart<M> {
    /// Makes the current thread the one that serves `source`.
    ///
    /// # Errors
    /// When it serves one already.
    pub fn attach_interrupt(&mut self, _: &IrqOff, source: u32) -> Result<(), AlreadyAttached> {
        let thread = self.current_thread();
        if thread.interrupt.is_some() {
            return Err(AlreadyAttached);
        }
        thread.interrupt = Some(Attachment { source, is_pending: false, posts: 0 });
        Ok(())
    }

    /// The current thread serves its source no more.
    pub fn detach_interrupt(&mut self, _: &IrqOff) {
        self.current_thread().interrupt = None;
    }

    /// How often the current thread was told of an interrupt since it attached.
    #[must_use]
    pub fn interrupt_posts(&self) -> u64 {
        let thread = self.thread(self.current());
        thread.and_then(|thread| thread.interrupt).map_or(0, |interrupt| interrupt.posts)
    }

    /// Notes that an interrupt of `source` was claimed.
    pub fn note_claim(&self, irq: &IrqOff, source: u32) {
        self.note(irq, Event::InterruptClaim, source, 0);
    }

    /// Tells the thread that `source` interrupts. For the handler, which has
    /// masked the source. A thread that does not serve it, or is gone, is left as
    /// it is (law enqueue-idempotent).
    pub fn post_interrupt(&mut self, irq: &IrqOff, id: ThreadId, source: u32) {
        let attachment = self.live_thread(id).and_then(|thread| thread.interrupt.as_mut());
        let Some(attachment) = attachment.filter(|attachment| attachment.source == source) else {
            return;
        };
        attachment.is_pending = true;
        attachment.posts += 1;
        self.note(irq, Event::InterruptPost, source, id.to_word());
        self.end_interrupt_wait(irq, id);
    }

    /// Takes the interrupt that the current thread was told of, or blocks until
    /// it is told of one, or `deadline` comes. Before it blocks, `unmask` lets
    /// its source interrupt again: what comes from then on finds it blocked, for
    /// all of this is one masked section. Woken, the thread asks
    /// [`Hart::interrupt_woke`].
    ///
    /// # Panics
    /// When it serves no source.
    pub fn wait_interrupt(
        &mut self,
        irq: &IrqOff,
        deadline: Option<u64>,
        unmask: impl FnOnce(),
    ) -> Wait<'_, M, (), ()> {
        let Some(attachment) = self.current_thread().interrupt.as_mut() else {
            panic!("a thread without an interrupt waits for one");
        };
        if core::mem::take(&mut attachment.is_pending) {
            return Wait::Ready(());
        }
        let source = attachment.source;
        unmask();
        self.note(irq, Event::InterruptUnmask, source, 0);
        if let Some(deadline) = deadline {
            self.deadlines.set(self.current, deadline);
        }
        Wait::Block((), self.block(irq, Why::Interrupt))
    }

    /// Why the current thread, which waited for an interrupt until `deadline`,
    /// waits no more. Takes the interrupt.
    pub fn interrupt_woke(&mut self, _: &IrqOff, deadline: Option<u64>) -> Woken {
        let attachment = self.current_thread().interrupt.as_mut();
        if attachment.is_some_and(|attachment| core::mem::take(&mut attachment.is_pending)) {
            return Woken::Posted;
        }
        let is_late = deadline.is_some_and(|deadline| deadline <= self.machine.now());
        if is_late { Woken::TimedOut } else { Woken::Ended }
    }

    /// Makes the thread ready, if it waits for an interrupt.
    pub(crate) fn end_interrupt_wait(&mut self, irq: &IrqOff, id: ThreadId) {
        if self.make_ready(irq, id, Why::Interrupt) {
            self.deadlines.clear(id.slot().index());
        }
    }
}
