// SPDX-License-Identifier: Apache-2.0
//! This hart: what `tp` points to, the state it owns, and the way in.

use core::{
    arch::asm,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use alloc::{boxed::Box, vec::Vec};
use skimmer_core::{
    hart::Hart, ids::HartIndex, machine::Machine, sched::Switch, table::OutOfMemory,
    user::UserBytes,
};
use skimmer_sync::{cell::HartCell, irq::IrqOff, magazine::Magazines, once::Once};

use crate::{
    csr,
    irq::{masked, masked_from},
    off_times::{self, OffTimes},
    paging::{self, Paging, UserSpace},
    panic, rounds, sbi,
    stack::{self, KernelStack, Saved},
    stack_memory, time, trap, user_copy,
};

/// The RISC-V machine, for policy.
#[derive(Debug)]
pub struct Riscv;

impl Machine for Riscv {
    type Context = KernelStack;
    type Saved = Saved;
    type Space = UserSpace;

    #[inline]
    fn saved(context: &KernelStack) -> Saved {
        context.saved()
    }

    fn adopted(context: &KernelStack) {
        let may_look = !context.is_of_program() || rounds::takes_part();
        assert!(may_look, "a hart runs programs that is not asked to let go");
        stack_memory::see_new();
    }

    fn condemn(context: &KernelStack) {
        context.condemn();
    }

    #[inline]
    fn is_parked(context: &KernelStack) -> bool {
        context.saved().is_parked()
    }

    #[inline(always)]
    fn pass(irq: &IrqOff, from: UserBytes, context: &KernelStack, to: UserBytes) -> bool {
        let Some(space) = context.saved().space() else { return false };
        let bytes = from.length.min(to.length);
        if bytes == 0 {
            space.load(irq);
            return true;
        }
        if bytes <= user_copy::SHORT {
            return user_copy::pass(irq, from, space, to).is_ok();
        }
        let given = Self::give(irq, from, context, to);
        if given {
            space.load(irq);
        }
        given
    }

    #[inline(always)]
    fn give(irq: &IrqOff, from: UserBytes, context: &KernelStack, to: UserBytes) -> bool {
        let Some(space) = context.saved().space() else { return false };
        from.length.min(to.length) == 0 || user_copy::give(irq, from, space, to).is_ok()
    }

    #[inline]
    fn ring_doorbell(&self, hart: HartIndex) {
        if hart == this_hart() {
            // No firmware is needed for one's own.
            return csr::set_software_interrupt();
        }
        if let Some(local) = harts().get(hart.index()) {
            sbi::send_ipi(local.hartid());
        }
    }

    #[inline]
    fn clear_doorbell(&self) {
        csr::clear_software_interrupt();
    }

    #[inline]
    fn now(&self) -> u64 {
        csr::time()
    }

    #[inline]
    fn set_timer(&self, deadline: Option<u64>) {
        let deadline = deadline.unwrap_or(u64::MAX);
        if local().has_sstc {
            csr::set_stimecmp(deadline);
        } else {
            sbi::set_timer(deadline);
        }
    }

    #[inline]
    fn time_slice(&self) -> u64 {
        time::ticks_per_second() / SLICES_PER_SECOND
    }
}

/// A thread keeps its hart from its equals for 10 ms at the most.
const SLICES_PER_SECOND: u64 = 100;

/// What each hart's `tp` points to.
#[derive(Debug)]
#[repr(C)]
pub struct HartLocal {
    /// trap.S reads this: the end of the stack for traps that cannot use the
    /// thread's.
    trap_stack: AtomicUsize,
    /// How many critical sections the current thread is in. Written by this
    /// hart only; a handler leaves it as it found it.
    critical_depth: AtomicU32,
    /// A handler wanted to switch while the thread was in a critical section.
    is_switch_due: AtomicBool,
    /// How many mapped stacks this hart has seen (`stack_memory`).
    stacks_seen: AtomicUsize,
    has_sstc: bool,
    index: HartIndex,
    hartid: AtomicU64,
    state: Option<HartCell<Hart<Riscv>>>,
    stock: HartCell<Magazines>,
    paging: HartCell<Paging>,
    /// Of `paging`, for where it is not opened. Written by this hart only.
    pub(crate) shown: paging::Shown,
    pub(crate) off_times: OffTimes,
}

const _: () = assert!(core::mem::offset_of!(HartLocal, trap_stack) == 0);

/// The boot hart's, until the real ones exist.
pub(crate) static EARLY: HartLocal = HartLocal {
    trap_stack: AtomicUsize::new(0),
    critical_depth: AtomicU32::new(1),
    is_switch_due: AtomicBool::new(false),
    stacks_seen: AtomicUsize::new(0),
    has_sstc: false,
    index: HartIndex::new(0),
    hartid: AtomicU64::new(u64::MAX),
    state: None,
    stock: HartCell::new(HartIndex::new(0), Magazines::new()),
    paging: HartCell::new(HartIndex::new(0), Paging::new(HartIndex::new(0))),
    shown: paging::Shown::new(),
    off_times: OffTimes::early(),
};

static HARTS: Once<Vec<HartLocal>> = Once::new();

impl HartLocal {
    /// A hart with its state. `has_sstc` says whether its timer is set by a
    /// register of its own rather than by firmware.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new(
        index: HartIndex,
        hartid: u64,
        has_sstc: bool,
        state: Hart<Riscv>,
    ) -> Result<Self, OutOfMemory> {
        Ok(Self {
            trap_stack: AtomicUsize::new(trap::new_stack()?),
            // A hart comes up in the critical section of its idle thread.
            critical_depth: AtomicU32::new(1),
            is_switch_due: AtomicBool::new(false),
            stacks_seen: AtomicUsize::new(0),
            has_sstc,
            index,
            hartid: AtomicU64::new(hartid),
            off_times: OffTimes::new(index.index(), state.inspect()),
            state: Some(HartCell::new(index, state)),
            stock: HartCell::new(index, Magazines::new()),
            paging: HartCell::new(index, Paging::new(index)),
            shown: paging::Shown::new(),
        })
    }

    pub(crate) fn set_trap_stack(&self, end: usize) {
        self.trap_stack.store(end, Ordering::Relaxed);
    }

    /// Its place among the harts in use.
    #[must_use]
    pub const fn index(&self) -> HartIndex {
        self.index
    }

    /// Its id in the machine.
    #[inline]
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
/// # Errors
/// When memory is out.
///
/// # Panics
/// If they were published before, or are not in order.
pub fn publish_harts(locals: Vec<HartLocal>) -> Result<(), OutOfMemory> {
    rounds::begin(locals.len())?;
    let are_in_order = locals.iter().enumerate().all(|(at, local)| local.index.index() == at);
    assert!(are_in_order, "a hart's place is its index");
    let Ok(locals) = HARTS.set(Box::new(locals)) else { panic!("harts are published once") };
    if let Some(first) = locals.first() {
        first.install();
    }
    Ok(())
}

/// Every hart in use; empty until they are published.
#[inline]
#[must_use]
pub fn harts() -> &'static [HartLocal] {
    HARTS.get().map_or(&[], Vec::as_slice)
}

#[inline]
pub(crate) fn local() -> &'static HartLocal {
    let local: *const HartLocal;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, tp", out(reg) local, options(nomem, nostack)) };
    // SAFETY: set in `install` before any code that could come here.
    unsafe { &*local }
}

/// What `tp` is.
pub(crate) fn local_address() -> u64 {
    core::ptr::from_ref(local()).expose_provenance() as u64
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
/// that `f` decided on; or, if `f` made something more urgent ready, that one.
/// Returns on the same thread.
///
/// # Panics
/// Before the harts are published; on a switch inside of a masked section.
#[inline]
pub fn enter<R>(f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> (R, Option<Switch<Riscv>>)) -> R {
    enter_from(false, f)
}

#[inline]
fn enter_from<R>(
    is_trap: bool,
    f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> (R, Option<Switch<Riscv>>),
) -> R {
    masked_from(|irq, were_open| {
        let depth = critical_depth();
        set_critical_depth(depth + u32::from(cfg!(not(feature = "bug-crit-switch"))));
        let (result, switch) = state().with(irq, |hart| {
            let (result, switch) = f(hart, irq);
            (result, switch.or_else(|| preemption(hart, irq, depth)))
        });
        if let Some(switch) = switch {
            // What somebody found in the section would be his while others run,
            // and `rounds` relies on that it is not.
            assert!(were_open || is_trap, "a masked section holds no switch");
            #[cfg(feature = "bug-switch-window")]
            csr::open_interrupts();
            #[cfg(feature = "bug-replace-window")]
            if state().with(irq, |hart| hart.current_context().begins_now()) {
                csr::open_interrupts();
                csr::mask_interrupts();
            }
            stack::switch(irq, switch);
            #[cfg(feature = "bug-switch-window")]
            csr::mask_interrupts();
        }
        set_critical_depth(depth);
        result
    })
}

/// Opens this hart's state with interrupts masked, for what makes nobody ready and
/// switches to nobody.
///
/// # Panics
/// Before the harts are published.
#[inline]
pub fn look<R>(f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> R) -> R {
    masked(|irq| decide(irq, f))
}

/// Opens this hart's state where a call of messages has begun: no handler can come, and
/// the thread is in no critical section.
#[inline(always)]
pub(crate) fn decide<R>(irq: &IrqOff, f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> R) -> R {
    state().with(irq, |hart| f(hart, irq))
}

/// Where such a call ends: somebody more urgent may have been woken.
#[inline]
pub(crate) fn preempt_if_due(irq: &IrqOff) {
    if let Some(switch) = decide(irq, Hart::preempt) {
        set_critical_depth(1);
        stack::switch(irq, switch);
        set_critical_depth(0);
    }
}

/// The named bug: a critical section where interrupts should be masked.
#[cfg(feature = "bug-runq-unmasked")]
pub fn enter_unmasked<R>(
    f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> (R, Option<Switch<Riscv>>),
) -> R {
    let _section = Critical::enter();
    // SAFETY: none. That is the bug.
    let irq = unsafe { IrqOff::assume(this_hart()) };
    state().with(&irq, |hart| {
        let (result, _) = f(hart, &irq);
        let _ = preemption(hart, &irq, critical_depth());
        result
    })
}

/// The named bug: another hart's state, opened from here.
#[cfg(feature = "bug-wake-foreign")]
pub fn enter_foreign<R>(home: HartIndex, f: impl FnOnce(&mut Hart<Riscv>, &IrqOff) -> R) -> R {
    let Some(state) = harts().get(home.index()).and_then(|local| local.state.as_ref()) else {
        panic!("every hart in use has its state")
    };
    masked(|irq| state.with(irq, |hart| f(hart, irq)))
}

/// What a handler does, and the preemption that follows from it.
#[inline]
pub(crate) fn interrupted(f: impl FnOnce(&mut Hart<Riscv>, &IrqOff)) {
    enter_from(true, |hart, irq| {
        f(hart, irq);
        let rotation = if critical_depth() == 1 { hart.rotate(irq) } else { None };
        ((), rotation)
    });
}

/// The switch to something more urgent, unless the thread is in a critical
/// section: then it is taken at the section's end.
fn preemption(hart: &mut Hart<Riscv>, irq: &IrqOff, depth: u32) -> Option<Switch<Riscv>> {
    if depth == 0 {
        return hart.preempt(irq);
    }
    if hart.wants_preemption() || hart.is_slice_over() {
        local().is_switch_due.store(true, Ordering::Relaxed);
    }
    None
}

#[inline]
fn state() -> &'static HartCell<Hart<Riscv>> {
    match &local().state {
        Some(state) => state,
        None => panic!("this hart has no state yet"),
    }
}

/// A critical section: while it lives, the thread keeps its hart from others,
/// but not from interrupts. Sections nest; the end of the last one takes a
/// preemption that came meanwhile.
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// // It belongs to the thread that entered it.
/// send(skimmer_arch::cpu::Critical::enter());
/// ```
#[derive(Debug)]
#[must_use = "the section ends when this is dropped"]
pub struct Critical(core::marker::PhantomData<*const ()>);

impl Critical {
    /// Enters a section.
    #[inline]
    pub fn enter() -> Self {
        set_critical_depth(critical_depth() + 1);
        Self(core::marker::PhantomData)
    }
}

impl Drop for Critical {
    #[inline]
    fn drop(&mut self) {
        let depth = critical_depth() - 1;
        set_critical_depth(depth);
        // First the depth, then the look: what a handler finds in between, it
        // does itself.
        if depth == 0 && local().is_switch_due.load(Ordering::Relaxed) {
            take_due_switch();
        }
    }
}

#[cold]
fn take_due_switch() {
    local().is_switch_due.store(false, Ordering::Relaxed);
    enter(|hart, irq| ((), hart.preempt(irq).or_else(|| hart.rotate(irq))));
}

/// How many critical sections the current thread is in.
#[inline]
pub(crate) fn critical_depth() -> u32 {
    local().critical_depth.load(Ordering::Relaxed)
}

#[inline]
pub(crate) fn set_critical_depth(depth: u32) {
    let local = local();
    off_times::changing_depth(&local.off_times, &local.critical_depth, depth, || {
        local.critical_depth.store(depth, Ordering::Relaxed);
        // What a handler on this hart sees, it sees in program order.
        core::sync::atomic::compiler_fence(Ordering::SeqCst);
    });
}

/// A new thread leaves the section that it was born in, and the masked
/// interrupts of the switch that brought it here.
pub(crate) fn begin_thread() {
    set_critical_depth(0);
    off_times::opening();
    csr::open_interrupts();
}

/// How many mapped stacks this hart has seen.
#[inline]
pub(crate) fn stacks_seen() -> &'static AtomicUsize {
    &local().stacks_seen
}

/// Opens this hart's stock of memory blocks.
#[inline]
pub(crate) fn with_stock<R>(f: impl FnOnce(&mut Magazines) -> R) -> R {
    masked(|irq| local().stock.with(irq, f))
}

/// Opens what this hart knows of address spaces.
#[inline]
pub(crate) fn with_paging<R>(irq: &IrqOff, f: impl FnOnce(&mut Paging) -> R) -> R {
    local().paging.with(irq, f)
}

/// Ends the calling thread.
pub fn exit_thread() -> ! {
    enter(|hart, irq| ((), Some(hart.exit(irq).switch(irq))));
    unreachable!("a dead thread was scheduled")
}

/// The hart's idle thread begins: from here on it takes interrupts and gives
/// the hart to whoever is ready.
pub fn begin_idle() {
    trap::install();
    masked(|irq| with_paging(irq, |paging| paging.begin(irq.hart())));
    begin_thread();
}

/// Sleeps until an interrupt comes, unless `is_over`. The calling thread keeps
/// its hart: only someone more urgent takes it, as an interrupt ends. For what
/// changes by threads of this hart alone: they cannot run between the look and
/// the sleep, which are one section.
pub fn doze(is_over: impl FnOnce() -> bool) {
    enter(|hart, _| {
        if !is_over() && !hart.wants_preemption() {
            off_times::asleep(csr::wait_for_interrupt);
        }
        ((), None)
    });
}

/// One turn of a hart's idle thread: sleeps if there is nobody to run. Look and
/// sleep are one section with interrupts masked; a doorbell or timer that comes
/// after the look ends `wfi`. A timer is taken when the section ends; a doorbell is
/// answered right here, as its handler does, without a trap. A doorbell
/// clears itself before the mail is taken, so none is slept through.
pub fn idle_turn() {
    enter(|hart, irq| {
        if !hart.wants_preemption() {
            off_times::asleep(csr::wait_for_interrupt);
            if csr::is_software_interrupt_pending() {
                panic::stop_if_panicking();
                hart.answer_doorbell(irq);
            }
        }
        ((), None)
    });
}
