// SPDX-License-Identifier: Apache-2.0
//! Threads that run programs: the way to U-mode, and what comes back from
//! there. What a call or a fault means is the image's business.
//!
//! Such a thread goes to U-mode from the frame at the top of its kernel stack,
//! and every trap from U-mode fills that frame again. What it ran in the kernel
//! before is gone then.

use core::arch::asm;

use skimmer_core::{space::entry::Access, user::UserAddr};

use crate::{
    cpu, csr, fp, off_times, stack,
    trap::{TrapFrame, cause},
};

/// Registers by their number.
const SP: usize = 2;
const A0: usize = 10;
const A7: usize = 17;

// Defined by the image; the other end of the wiring. All run on the thread that
// was interrupted, with interrupts open.
unsafe extern "Rust" {
    /// A system call.
    safe fn skimmer_call(call: &mut Call<'_>);
    /// An exception. Returns if the instruction is to be tried again.
    safe fn skimmer_fault(fault: &Fault);
    /// The thread has been condemned (`stack::condemn`), and is to end.
    safe fn skimmer_condemned() -> !;
}

/// Where a thread begins in U-mode.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The first instruction.
    pub entry: UserAddr,
    /// The stack pointer.
    pub stack: UserAddr,
    /// What it finds in a0.
    pub argument: u64,
}

/// A system call that is being made.
#[derive(Debug)]
pub struct Call<'f>(&'f mut TrapFrame);

impl<'f> Call<'f> {
    pub(crate) const fn new(frame: &'f mut TrapFrame) -> Self {
        Self(frame)
    }

    pub(crate) const fn frame(&mut self) -> &mut TrapFrame {
        self.0
    }

    /// Which.
    #[inline]
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.0.registers[A7]
    }

    /// An argument: 0 is the first of six.
    ///
    /// # Panics
    /// When there is no such register.
    #[inline]
    #[must_use]
    pub const fn argument(&self, place: usize) -> u64 {
        assert!(place < 6, "a call has six arguments");
        self.0.registers[A0 + place]
    }

    /// All seven: the last is for calls that say so.
    #[inline]
    #[must_use]
    pub const fn arguments(&self) -> [u64; 7] {
        let [.., a0, a1, a2, a3, a4, a5, a6] = *self.0.registers.first_chunk::<17>().unwrap();
        [a0, a1, a2, a3, a4, a5, a6]
    }

    /// Sets what the program finds in a0 to a2, of a call that has more than one result.
    #[inline]
    pub const fn finish_with(&mut self, results: [u64; 3]) {
        finish(self.0, results);
    }

    /// Sets what the program finds in a0.
    #[inline]
    pub const fn finish(&mut self, result: i64) {
        self.0.registers[A0] = result.cast_unsigned();
    }
}

/// What a program did that it cannot do.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// `scause`.
    pub cause: u64,
    /// The instruction.
    pub pc: u64,
    /// The address that it reached for, or the instruction's bits (`stval`).
    pub address: u64,
    /// Its stack pointer.
    pub stack: u64,
    /// Its frame pointer and return address, for a backtrace.
    pub frame: (u64, u64),
}

impl Fault {
    /// What was tried where, if the page tables refused it.
    #[must_use]
    pub const fn refused(&self) -> Option<(UserAddr, Access)> {
        let access = match self.cause {
            cause::INSTRUCTION_PAGE_FAULT => Access::Execute,
            cause::LOAD_PAGE_FAULT => Access::Read,
            cause::STORE_PAGE_FAULT => Access::Write,
            _ => return None,
        };
        Some((UserAddr::new(self.address as usize), access))
    }
}

/// Sets what a program finds in a0 to a2.
#[inline]
pub(crate) const fn finish(frame: &mut TrapFrame, [first, second, third]: [u64; 3]) {
    frame.registers[A0] = first;
    frame.registers[A0 + 1] = second;
    frame.registers[A0 + 2] = third;
}

/// Takes the calling thread to U-mode, for good: it comes back by traps only.
///
/// # Panics
/// In a critical section, which nothing would end.
pub fn enter(start: Start) -> ! {
    assert!(cpu::critical_depth() == 0, "a program runs outside of critical sections");
    #[cfg(feature = "bug-kill-entry")]
    look_too_early();
    csr::mask_interrupts();
    off_times::masking();
    // Looked at as in `before_return`: who is condemned from here on is so by a
    // trap from U-mode, which looks again.
    if cfg!(not(feature = "bug-kill-entry")) && stack::am_condemned() {
        with_interrupts_open(|| skimmer_condemned());
    }
    let mut registers = [0; 32];
    registers[SP] = start.stack.get() as u64;
    registers[A0] = start.argument;
    let frame = TrapFrame::to_user(registers, start.entry.get() as u64);
    off_times::opening();
    // SAFETY: the top of this thread's own stack is kept free for this frame;
    // what else is on the stack is never returned to. trap.S takes it from
    // there, with interrupts masked.
    unsafe {
        asm!(
            "mv sp, {frame}",
            "j skimmer_trap_return",
            frame = in(reg) stack::set_user_frame(frame),
            options(noreturn)
        )
    }
}

/// The named bug: looks while a doorbell can still come, and then takes its time.
#[cfg(feature = "bug-kill-entry")]
fn look_too_early() {
    if stack::am_condemned() {
        skimmer_condemned();
    }
    let end = csr::time() + crate::time::ticks_per_second() / 1_000;
    while csr::time() < end {}
}

/// A program made a call. Of its registers the frame has those only that
/// functions may change.
#[inline]
pub(crate) fn call(frame: &mut TrapFrame) {
    with_interrupts_open(|| skimmer_call(&mut Call::new(frame)));
}

/// A program made a mistake.
pub(crate) fn exception(frame: &mut TrapFrame) {
    // It may be the program's first use of floating point.
    let is_first_use = frame.scause == cause::ILLEGAL_INSTRUCTION && fp::is_off(frame.sstatus);
    if let Some(sstatus) = is_first_use.then(|| fp::begin(frame.sstatus)).flatten() {
        frame.sstatus = sstatus;
    } else {
        let fault = Fault {
            cause: frame.scause,
            pc: frame.sepc,
            address: frame.stval,
            stack: frame.registers[SP],
            frame: (frame.registers[8], frame.registers[1]),
        };
        with_interrupts_open(|| skimmer_fault(&fault));
    }
}

/// The last look before a thread goes back to U-mode, with interrupts masked
/// from here on.
#[inline]
pub(crate) fn before_return(frame: &TrapFrame) {
    if stack::is_condemned(frame) {
        with_interrupts_open(|| skimmer_condemned())
    }
}

/// In a trap from U-mode, on the thread's own stack: what `f` does can be
/// interrupted, and the thread preempted.
#[inline]
pub(crate) fn with_interrupts_open<R>(f: impl FnOnce() -> R) -> R {
    off_times::opening();
    csr::open_interrupts();
    let result = f();
    csr::mask_interrupts();
    off_times::masking();
    result
}
