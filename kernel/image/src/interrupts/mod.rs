// SPDX-License-Identifier: Apache-2.0
//! The interrupt controller, and who serves its sources: `drivers/plic` wired to
//! the machine and to the threads.
//!
//! Boot gives each hart its own context and shuts all others. A hart's context,
//! and the table of who serves which source there, are that hart's alone; its
//! handler needs nothing else (laws one-irq-one-hart,
//! handlers-take-no-object-locks). The sources that nobody has are behind a
//! lock, for threads.

mod find;
mod ist;

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::Ordering;

use skimmer_arch::{
    cpu::{self, Riscv},
    irq::masked,
    mmio::Mmio,
    println, trap,
};
use skimmer_core::{
    hart::Hart,
    ids::{HartIndex, ThreadId},
};
use skimmer_fdt::Fdt;
use skimmer_plic::{Counts, End, InterruptController, Offset, Plic, Registers, Source, Target};
use skimmer_sync::{cell::HartCell, irq::IrqOff, lock::SpinLock, once::Once};

pub(crate) use ist::Interrupt;

use crate::{platform::UsableHart, smp};

/// Interrupts that one trap posts at the most. If there are more, the next trap
/// follows at once, and a thread may have come in between.
const AT_ONCE: u32 = 16;

/// What the kernel has of the interrupt controller.
struct Controller {
    /// What devices refer to it by.
    phandle: Option<u32>,
    plic: SpinLock<Plic<PlicRegisters>>,
    /// By index; none where the controller has no context for the hart.
    harts: Vec<Option<HartCell<OnHart>>>,
}

static CONTROLLER: Once<Controller> = Once::new();

/// What one hart has of it.
struct OnHart {
    target: Target<PlicRegisters>,
    /// By the number of the source.
    threads: Box<[Option<ThreadId>]>,
}

#[derive(Clone, Copy, Debug)]
struct PlicRegisters(Mmio);

impl Registers for PlicRegisters {
    fn bytes(&self) -> u64 {
        self.0.size() as u64
    }

    fn read(&self, at: Offset) -> u32 {
        self.0.read(at.bytes() as usize)
    }

    fn write(&self, at: Offset, value: u32) {
        self.0.write(at.bytes() as usize, value);
    }
}

/// Finds the interrupt controller, gives each hart what is its own, and shuts
/// the rest. Where there is none that is known, boot goes on without.
pub(crate) fn begin(tree: &Fdt<'_>, harts: &[UsableHart]) {
    match find::controller(tree, harts) {
        Ok(controller) => {
            if CONTROLLER.set(Box::new(controller)).is_err() {
                unreachable!("the boot hart looks once");
            }
        }
        Err(why) => println!("no interrupt controller: {why}; devices cannot interrupt"),
    }
}

/// The calling hart, which has started, takes interrupts of devices, if it can
/// have any.
pub(crate) fn listen() {
    masked(|irq| {
        let Some(here) = here(irq) else { return };
        here.with(irq, |on_hart| on_hart.target.hart_started());
        trap::listen_to_devices();
    });
}

fn here(irq: &IrqOff) -> Option<&'static HartCell<OnHart>> {
    CONTROLLER.get()?.harts.get(irq.hart().index())?.as_ref()
}

/// Whether the controller with that phandle is the kernel's.
pub(crate) fn is_controller(phandle: u32) -> bool {
    CONTROLLER.get().is_some_and(|controller| controller.phandle == Some(phandle))
}

/// Whether devices can interrupt that hart.
pub(crate) fn reaches(hart: HartIndex) -> bool {
    let harts = CONTROLLER.get().map_or(&[][..], |controller| &controller.harts);
    harts.get(hart.index()).is_some_and(Option::is_some)
}

/// Whether no hart has stopped listening to a controller that talks nonsense.
pub(crate) fn is_sound() -> bool {
    smp::inspect().iter().all(|hart| hart.deaf.load(Ordering::Relaxed) == 0)
}

/// The handler.
#[expect(unsafe_code, reason = "the trap handler of arch calls it by this name")]
#[unsafe(no_mangle)]
extern "Rust" fn skimmer_external(hart: &mut Hart<Riscv>, irq: &IrqOff) {
    let Some(here) = here(irq) else {
        unreachable!("hart {} listens and has no context", cpu::this_hartid())
    };
    if here.with(irq, |on_hart| on_hart.serve(hart, irq)) == End::Sick {
        // Said at the end: a handler prints nothing.
        trap::ignore_devices();
        hart.inspect().deaf.store(1, Ordering::Relaxed);
    }
}

impl OnHart {
    fn serve(&mut self, hart: &mut Hart<Riscv>, irq: &IrqOff) -> End {
        let Self { target, threads } = self;
        let served = target.serve(AT_ONCE, &mut |source: Source| {
            let number = source.number();
            hart.note_claim(irq, number);
            if let Some(thread) = threads.get(number as usize).copied().flatten() {
                hart.post_interrupt(irq, thread, number);
            }
        });
        let Counts { claims, spurious, strays, while_masked, .. } = target.counts();
        hart.inspect().interrupts.store(claims, Ordering::Relaxed);
        let stray = spurious + strays + while_masked;
        hart.inspect().stray_interrupts.store(stray, Ordering::Relaxed);
        served.end
    }
}
