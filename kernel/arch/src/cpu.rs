// SPDX-License-Identifier: Apache-2.0
//! This hart: what `tp` points to, the state it owns, and the way in.

use core::{
    arch::asm,
    sync::atomic::{AtomicU64, Ordering},
};

use alloc::{boxed::Box, vec::Vec};
use skimmer_core::{
    hart::{Hart, Switch},
    ids::HartIndex,
    machine::Machine,
};
use skimmer_sync::{cell::HartCell, irq::IrqOff, magazine::Magazines, once::Once};

use crate::{
    csr,
    irq::masked,
    panic, sbi,
    stack::{self, KernelStack, Saved},
};

/// The RISC-V machine, for policy.
#[derive(Debug)]
pub struct Riscv;

impl Machine for Riscv {
    type Context = KernelStack;
    type Saved = Saved;

    fn saved(context: &KernelStack) -> Saved {
        context.saved()
    }

    fn ring_doorbell(&self, hart: HartIndex) {
        if let Some(local) = harts().get(hart.index()) {
            sbi::send_ipi(local.hartid());
        }
    }

    fn clear_doorbell(&self) {
        csr::clear_software_interrupt();
    }
}

/// What each hart's `tp` points to.
#[derive(Debug)]
pub struct HartLocal {
    index: HartIndex,
    hartid: AtomicU64,
    state: Option<HartCell<Hart<Riscv>>>,
    stock: HartCell<Magazines>,
}

/// The boot hart's, until the real ones exist.
pub(crate) static EARLY: HartLocal = HartLocal {
    index: HartIndex::new(0),
    hartid: AtomicU64::new(u64::MAX),
    state: None,
    stock: HartCell::new(HartIndex::new(0), Magazines::new()),
};

static HARTS: Once<Vec<HartLocal>> = Once::new();

impl HartLocal {
    /// A hart with its state.
    #[must_use]
    pub fn new(index: HartIndex, hartid: u64, state: Hart<Riscv>) -> Self {
        Self {
            index,
            hartid: AtomicU64::new(hartid),
            state: Some(HartCell::new(index, state)),
            stock: HartCell::new(index, Magazines::new()),
        }
    }

    /// Its place among the harts in use.
    #[must_use]
    pub const fn index(&self) -> HartIndex {
        self.index
    }

    /// Its id in the machine.
    #[must_use]
    pub fn hartid(&self) -> u64 {
        self.hartid.load(Ordering::Relaxed)
    }

    pub(crate) fn set_hartid(&self, hartid: u64) {
        self.hartid.store(hartid, Ordering::Relaxed);
    }

    /// Makes this hart's `tp` point here.
    pub(crate) fn install(&'static self) {
        // SAFETY: the kernel is compiled without thread-local storage, so tp is
        // ours; it always points to a HartLocal that lives for ever.
        unsafe { asm!("mv tp, {}", in(reg) core::ptr::from_ref(self)) };
    }
}

/// Publishes the harts, in the order of their index. The first is the one that
/// booted and calls this.
///
/// # Panics
/// If they were published before.
pub fn publish_harts(locals: Vec<HartLocal>) {
    let Ok(locals) = HARTS.set(Box::new(locals)) else { panic!("harts are published once") };
    if let Some(first) = locals.first() {
        first.install();
    }
}

/// Every hart in use; empty until they are published.
#[must_use]
pub fn harts() -> &'static [HartLocal] {
    HARTS.get().map_or(&[], Vec::as_slice)
}

#[inline]
fn local() -> &'static HartLocal {
    let local: *const HartLocal;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, tp", out(reg) local, options(nomem, nostack)) };
    // SAFETY: set in `install` before any code that could come here.
    unsafe { &*local }
}

/// The hart that runs this. In code that may be preempted by a thread of
/// another hart this would be stale at once; threads do not move.
#[inline]
#[must_use]
pub fn this_hart() -> HartIndex {
    local().index
}

/// This hart's id in the machine.
#[must_use]
pub fn this_hartid() -> u64 {
    local().hartid()
}

/// Opens this hart's state with interrupts masked, and then does the switch
/// that `f` decided on, if any. Returns on the same thread.
///
/// # Panics
/// Before the harts are published.
#[inline]
pub fn enter<R>(f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> (R, Option<Switch<Riscv>>)) -> R {
    masked(|irq| {
        panic::stop_if_panicking();
        let Some(state) = &local().state else { panic!("this hart has no state yet") };
        let (result, switch) = state.with(irq, |hart| f(hart, irq));
        if let Some(switch) = switch {
            stack::switch(irq, switch);
        }
        result
    })
}

/// Opens this hart's stock of memory blocks.
#[inline]
pub(crate) fn with_stock<R>(f: impl FnOnce(&mut Magazines) -> R) -> R {
    masked(|irq| local().stock.with(irq, f))
}

/// Ends the calling thread.
pub fn exit_thread() -> ! {
    enter(|hart, irq| ((), Some(hart.exit(irq).switch(irq))));
    unreachable!("a dead thread was scheduled")
}

/// One turn of a hart's idle thread: answers the doorbell, gives the hart to
/// whoever is ready, and sleeps if there is nobody. Look and sleep are one
/// section with interrupts masked: the doorbell was cleared before the mail was
/// taken, and whoever sends after that rings it again, which ends `wfi`.
pub fn idle_turn() {
    enter(|hart, irq| {
        hart.answer_doorbell(irq);
        let switch = hart.preempt(irq);
        if switch.is_none() && !hart.has_mail() {
            csr::wait_for_interrupt();
        }
        ((), switch)
    });
}
