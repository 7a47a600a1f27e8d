// SPDX-License-Identifier: Apache-2.0
//! Traps: the doorbell, the timer, devices, a program's calls and faults, a fault of the
//! routine that copies user memory, a stack that this hart has not seen yet; and
//! everything else, which is fatal.
//!
//! Handlers run with interrupts masked on the interrupted thread's stack, touch
//! only their hart's own state, and do not block. Who should run is decided as
//! the trap returns, unless the thread is in a critical section.

use core::{
    arch::{asm, global_asm},
    cell::UnsafeCell,
};

use skimmer_abi::{call::Call as Number, trace::Event};
use skimmer_core::{hart::Hart, table::OutOfMemory};
use skimmer_sync::irq::IrqOff;

use crate::{
    cpu::{self, Riscv},
    csr, off_times, panic,
    stack::{KernelStack, STACK_SIZE, SWITCH_FRAME},
    stack_memory, user, user_copy,
};

global_asm!(
    include_str!("trap.S"),
    msg_first = const Number::MsgSend as u64,
    switch_frame = const SWITCH_FRAME,
    bug_sret_sie = const cfg!(feature = "bug-sret-sie") as u8,
    bug_sscratch = const cfg!(feature = "bug-sscratch") as u8,
);

unsafe extern "C" {
    fn skimmer_trap_entry();
    /// The first instruction of the returns.
    fn skimmer_trap_return();
    /// The last.
    fn skimmer_message_sret();
    fn skimmer_fatal_entry();
}

/// What the entry saves, in the order in which trap.S stores it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct TrapFrame {
    /// x0 to x31; x0 is not stored.
    pub(crate) registers: [u64; 32],
    pub(crate) sepc: u64,
    pub(crate) scause: u64,
    pub(crate) stval: u64,
    pub(crate) sstatus: u64,
    /// The interrupted s0 and `sepc`, as a frame of the backtrace; 0 if a
    /// program was interrupted.
    _link: [u64; 2],
    /// What trap.S puts into tp when a program is interrupted.
    pub(crate) kernel_tp: u64,
    _unused: u64,
}

const _: () = assert!(size_of::<TrapFrame>() == 320);
const _: () = assert!(core::mem::offset_of!(TrapFrame, sstatus) == 280);
const _: () = assert!(core::mem::offset_of!(TrapFrame, kernel_tp) == 304);
const _: () = assert!(STACK_SIZE == 1 << 14);
const _: () = assert!(
    Number::MsgReceive as u64 == Number::MsgSend as u64 + 1
        && Number::MsgReply as u64 == Number::MsgSend as u64 + 2
        && Number::MsgReplyReceive as u64 == Number::MsgSend as u64 + 3
);

/// `sstatus.SPP`: the trap came from S-mode.
const SSTATUS_SPP: u64 = 1 << 8;

/// `sstatus.SPIE`: interrupts open with the return.
const SSTATUS_SPIE: u64 = 1 << 5;

/// `sstatus.UXL`: how wide U-mode's registers are.
const SSTATUS_UXL: u64 = 0b11 << 32;

impl TrapFrame {
    /// The frame from which the calling thread begins in U-mode, with interrupts
    /// open and all else off, floating point and vectors (which nobody would
    /// save) among it.
    pub(crate) fn to_user(registers: [u64; 32], entry: u64) -> Self {
        Self {
            registers,
            sepc: entry,
            scause: 0,
            stval: 0,
            sstatus: csr::sstatus() & SSTATUS_UXL | SSTATUS_SPIE,
            _link: [0; 2],
            kernel_tp: cpu::local_address(),
            _unused: 0,
        }
    }

    /// Whether a program was interrupted, and not the kernel.
    #[inline]
    pub(crate) const fn is_from_user(&self) -> bool {
        self.sstatus & SSTATUS_SPP == 0
    }
}

/// `scause`'s top bit: an interrupt.
const INTERRUPT: u64 = 1 << 63;
const SOFTWARE: u64 = INTERRUPT | 1;
const TIMER: u64 = INTERRUPT | 5;
const EXTERNAL: u64 = INTERRUPT | 9;

// Defined by the image; the other end of the wiring.
unsafe extern "Rust" {
    /// The interrupt controller has something for this hart.
    safe fn skimmer_external(hart: &mut Hart<Riscv>, irq: &IrqOff);
}

#[repr(C, align(16384))]
struct EarlyStack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: used by trap.S on the boot hart only.
unsafe impl Sync for EarlyStack {}

static EARLY_STACK: EarlyStack = EarlyStack(UnsafeCell::new([0; STACK_SIZE]));

/// The end of the boot hart's trap stack before there is a heap.
pub(crate) fn early_stack() -> usize {
    EARLY_STACK.0.get().expose_provenance() + STACK_SIZE
}

/// The end of a new trap stack, which is never freed.
pub(crate) fn new_stack() -> Result<usize, OutOfMemory> {
    let stack = KernelStack::empty()?;
    let top = stack.top();
    core::mem::forget(stack);
    Ok(top)
}

/// Every trap of this hart is fatal. `tp` has been set.
pub(crate) fn install_fatal() {
    csr::set_trap_vector(skimmer_fatal_entry as *const () as usize);
}

/// This hart runs threads, and takes interrupts wherever they are open.
pub(crate) fn install() {
    csr::clear_scratch();
    csr::open_counters();
    csr::set_trap_vector(skimmer_trap_entry as *const () as usize);
    csr::enable_interrupt_sources();
}

/// From now on the interrupt controller interrupts this hart, wherever
/// interrupts are open.
pub fn listen_to_devices() {
    csr::enable_external_interrupt();
}

/// From now on it does not.
pub fn ignore_devices() {
    csr::disable_external_interrupt();
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_trap(frame: &mut TrapFrame) {
    // A fault in a masked section is part of that.
    let were_open = frame.is_from_user() || frame.sstatus & SSTATUS_SPIE != 0;
    if were_open {
        off_times::trap_entered();
    }
    if frame.scause & INTERRUPT != 0 {
        interrupt(frame);
    } else if frame.is_from_user() {
        user::exception(frame);
    } else if let Some(resume) = user_copy::resume(frame) {
        frame.sepc = resume;
    } else if stack_memory::shows_now(frame.scause, frame.stval) {
        // A stack that this hart had not seen yet. Once more.
    } else {
        panic::trap(frame);
    }
    if frame.is_from_user() {
        user::before_return(frame);
    }
    if were_open {
        off_times::trap_returns();
    }
}

/// A system call: what it means is the image's business.
#[unsafe(no_mangle)]
extern "C" fn skimmer_trap_call(frame: &mut TrapFrame) {
    off_times::call_entered();
    user::call(frame);
    user::before_return(frame);
    off_times::call_returns();
}

/// The doorbell, the timer or a device; nothing else is enabled.
fn interrupt(frame: &TrapFrame) {
    if !matches!(frame.scause, SOFTWARE | TIMER | EXTERNAL) {
        panic::trap(frame);
    }
    assert!(!is_in_return(frame.sepc), "sie-off-before-sstatus: a trap inside the return from one");
    // Handlers do not reach into user memory, whatever they interrupt.
    csr::close_user_memory();
    cpu::interrupted(|hart, irq| {
        let is_own = hart.current_context().holds(core::ptr::from_ref(frame).addr());
        assert!(is_own, "switch-window-closed: a trap on another stack than the current thread's");
        let cause = (frame.scause & 0xff) as u32 | 1 << 31;
        hart.note(irq, Event::TrapEnter, cause, frame.sepc);
        match frame.scause {
            SOFTWARE => {
                panic::stop_if_panicking();
                hart.answer_doorbell(irq);
            }
            TIMER => hart.timer_fired(irq),
            _ => skimmer_external(hart, irq),
        }
        hart.note(irq, Event::TrapExit, 0, 0);
    });
}

/// Whether a trap was taken where trap.S restores what the last one saved.
#[inline]
fn is_in_return(sepc: u64) -> bool {
    let (first, last) = (skimmer_trap_return as *const (), skimmer_message_sret as *const ());
    (first.addr()..=last.addr()).contains(&(sepc as usize))
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_overrun(frame: &TrapFrame) -> ! {
    panic::overrun(frame)
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_astray(frame: &TrapFrame) -> ! {
    panic::astray(frame)
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_fatal(frame: &TrapFrame) -> ! {
    panic::trap(frame)
}

/// Provokes a fault, for the scenario that shows what a fault looks like; with
/// a frame pointer that leads nowhere if asked to.
pub fn provoke_fault(has_bad_frame: bool) -> ! {
    if has_bad_frame {
        // SAFETY: the load faults, and the kernel ends; s0 is not needed again.
        unsafe { asm!("li s0, -16", "ld t0, 0(zero)", "unimp", options(noreturn)) }
    }
    // SAFETY: the load faults, and the kernel ends.
    unsafe { asm!("ld t0, 0(zero)", "unimp", options(noreturn)) }
}

/// Exceptions that somebody tells from others (Privileged Architecture, table
/// "scause").
pub(crate) mod cause {
    pub(crate) const ILLEGAL_INSTRUCTION: u64 = 2;
    pub(crate) const INSTRUCTION_PAGE_FAULT: u64 = 12;
    pub(crate) const LOAD_PAGE_FAULT: u64 = 13;
    pub(crate) const STORE_PAGE_FAULT: u64 = 15;
}

/// The name of an exception, from the same table.
pub(crate) const fn cause_name(scause: u64) -> &'static str {
    match scause {
        0 => "instruction address misaligned",
        1 => "instruction access fault",
        cause::ILLEGAL_INSTRUCTION => "illegal instruction",
        3 => "breakpoint",
        4 => "load address misaligned",
        5 => "load access fault",
        6 => "store address misaligned",
        7 => "store access fault",
        8 => "environment call from U-mode",
        9 => "environment call from S-mode",
        cause::INSTRUCTION_PAGE_FAULT => "instruction page fault",
        cause::LOAD_PAGE_FAULT => "load page fault",
        cause::STORE_PAGE_FAULT => "store page fault",
        _ if scause & INTERRUPT != 0 => "unexpected interrupt",
        _ => "unknown exception",
    }
}
