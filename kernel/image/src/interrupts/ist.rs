// SPDX-License-Identifier: Apache-2.0
//! What an interrupt service thread can do: attach a source to itself, wait,
//! detach. All of it on its own hart, where the source is enabled.

use core::marker::PhantomData;

use skimmer_abi::errno::Errno;
use skimmer_arch::{cpu::enter, irq::masked};
use skimmer_core::{
    interrupt::{AlreadyAttached, Woken},
    port::Wait,
};
use skimmer_plic::{AttachError, Attached, InterruptController, Line, Priority, Refused, Source};
use skimmer_sync::irq::IrqOff;

use super::{CONTROLLER, Controller, OnHart, here};

/// A source that the thread which has this serves. The source stays masked from
/// each interrupt until the thread waits for the next.
///
/// The thread's duty: its device's line is down, or it looks at the device once
/// more, before it waits. A controller may see a level only when it rises
/// (QEMU's does); another brings one that was still up when the interrupt was
/// completed a second time, and the thread finds nothing to do.
#[derive(Debug)]
pub(crate) struct Interrupt {
    /// There until it is dropped.
    attached: Option<Attached>,
    /// It belongs to its thread.
    _home: PhantomData<*const ()>,
}

impl Interrupt {
    /// Makes the calling thread serve that source, which is masked until it
    /// waits.
    ///
    /// # Errors
    /// EINVAL: there is no such source, or the thread serves one already. EBUSY:
    /// somebody has it. ENOTSUP: it cannot interrupt this hart.
    pub(crate) fn attach(source: u32) -> Result<Self, Errno> {
        let controller = CONTROLLER.get().ok_or(Errno::ENOTSUP)?;
        let source = Source::new(source).ok_or(Errno::EINVAL)?;
        let line = controller.take(source)?;
        match attach_here(line) {
            Ok(attached) => Ok(Self { attached: Some(attached), _home: PhantomData }),
            Err((line, why)) => {
                controller.put_back(line);
                Err(why)
            }
        }
    }

    /// Waits for the next interrupt, or for one that came while the thread did
    /// not wait; until `deadline`, in ticks.
    ///
    /// # Errors
    /// ETIMEDOUT: none came; the source is not masked. EINTR: the thread is to
    /// end.
    pub(crate) fn wait(&self, deadline: Option<u64>) -> Result<(), Errno> {
        let is_there = enter(|hart, irq| {
            let unmask = || {
                self.with_here(irq, |on_hart, attached| {
                    on_hart.target.unmask(attached);
                })
            };
            match hart.wait_interrupt(irq, deadline, unmask) {
                Wait::Ready(()) => (true, None),
                Wait::Block((), blocked) => (false, Some(blocked.switch(irq))),
            }
        });
        if is_there {
            return Ok(());
        }
        match enter(|hart, irq| (hart.interrupt_woke(irq, deadline), None)) {
            Woken::Posted => Ok(()),
            Woken::TimedOut => Err(Errno::ETIMEDOUT),
            Woken::Ended => Err(Errno::EINTR),
        }
    }

    /// How often the thread was told of an interrupt of it.
    pub(crate) fn posts(&self) -> u64 {
        enter(|hart, _| (hart.interrupt_posts(), None))
    }

    fn with_here(&self, irq: &IrqOff, f: impl FnOnce(&mut OnHart, &Attached)) {
        if let (Some(here), Some(attached)) = (here(irq), &self.attached) {
            here.with(irq, |on_hart| f(on_hart, attached));
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let Some(attached) = self.attached.take() else { return };
        let number = attached.source().number() as usize;
        let line = enter(|hart, irq| {
            hart.detach_interrupt(irq);
            let Some(here) = here(irq) else { unreachable!("it is attached here") };
            let line = here.with(irq, |on_hart| {
                on_hart.threads[number] = None;
                on_hart.target.detach(attached)
            });
            (line, None)
        });
        // Claims are completed by the handler that made them.
        let Ok(line) = line else { unreachable!("no claim is out") };
        if let Some(controller) = CONTROLLER.get() {
            controller.put_back(line);
        }
    }
}

/// Enables the source on this hart, and makes the calling thread its own.
fn attach_here(line: Line) -> Result<Attached, (Line, Errno)> {
    let source = line.source().number();
    enter(|hart, irq| {
        let Some(here) = here(irq) else { return (Err((line, Errno::ENOTSUP)), None) };
        if let Err(AlreadyAttached) = hart.attach_interrupt(irq, source) {
            return (Err((line, Errno::EINVAL)), None);
        }
        let me = hart.current();
        let attached = here.with(irq, |on_hart| {
            let attached = on_hart.target.attach(line, Priority::LEAST)?;
            on_hart.threads[source as usize] = Some(me);
            Ok(attached)
        });
        let attached = attached.map_err(|refused: Refused| {
            hart.detach_interrupt(irq);
            (refused.line, errno(refused.why))
        });
        (attached, None)
    })
}

const fn errno(why: AttachError) -> Errno {
    match why {
        AttachError::NoSuchSource => Errno::EINVAL,
        AttachError::CannotBeMasked | AttachError::CannotBeHeard | AttachError::CannotBeRouted => {
            Errno::ENOTSUP
        }
    }
}

impl Controller {
    fn take(&self, source: Source) -> Result<Line, Errno> {
        masked(|irq| {
            let mut plic = self.plic.lock(irq);
            if source > plic.last() {
                return Err(Errno::EINVAL);
            }
            plic.line(source).ok_or(Errno::EBUSY)
        })
    }

    fn put_back(&self, line: Line) {
        masked(|irq| self.plic.lock(irq).put_back(line));
    }
}
