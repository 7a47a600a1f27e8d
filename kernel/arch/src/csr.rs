// SPDX-License-Identifier: Apache-2.0
//! The control and status registers that the kernel uses, a function each
//! (RISC-V Privileged Architecture, chapter "Supervisor-Level ISA").

use core::arch::asm;

/// `sstatus.SIE`: interrupts are taken in S-mode.
const SSTATUS_SIE: usize = 1 << 1;
/// `sstatus.SUM`: S-mode may reach user pages.
const SSTATUS_SUM: usize = 1 << 18;
/// `sie.SSIE`, `sip.SSIP`: supervisor software interrupt.
const SOFT: usize = 1 << 1;
/// `sie.STIE`: supervisor timer interrupt.
const TIMER: usize = 1 << 5;
/// `sie.SEIE`, `sip.SEIP`: supervisor external interrupt.
const EXTERNAL: usize = 1 << 9;

/// Masks interrupts; returns whether they were open.
#[inline]
pub(crate) fn mask_interrupts() -> bool {
    let before: usize;
    // SAFETY: clearing SIE has no effect on memory that Rust knows of; as a
    // compiler barrier it keeps the section's accesses inside.
    unsafe { asm!("csrrci {}, sstatus, {}", out(reg) before, const SSTATUS_SIE) };
    before & SSTATUS_SIE != 0
}

/// Whether interrupts are open.
#[inline]
pub(crate) fn are_interrupts_open() -> bool {
    let sstatus: usize;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, sstatus", out(reg) sstatus, options(nomem, nostack)) };
    sstatus & SSTATUS_SIE != 0
}

/// Opens interrupts.
#[inline]
pub(crate) fn open_interrupts() {
    // SAFETY: handlers reach hart state only through cells that are closed
    // outside masked sections.
    unsafe { asm!("csrsi sstatus, {}", const SSTATUS_SIE) };
}

/// Enables the doorbell and the timer in `sie`: they end `wfi`, and are taken
/// where interrupts are open.
#[inline]
pub(crate) fn enable_interrupt_sources() {
    // SAFETY: changes which interrupts can come, not whether they are taken.
    unsafe { asm!("csrs sie, {}", in(reg) SOFT | TIMER) };
}

/// Enables the external interrupt in `sie`.
pub(crate) fn enable_external_interrupt() {
    // SAFETY: changes which interrupts can come, not whether they are taken.
    unsafe { asm!("csrs sie, {}", in(reg) EXTERNAL) };
}

/// Disables it.
pub(crate) fn disable_external_interrupt() {
    // SAFETY: it comes no more.
    unsafe { asm!("csrc sie, {}", in(reg) EXTERNAL) };
}

/// Disables every interrupt of this hart for good.
pub(crate) fn disable_interrupt_sources() {
    // SAFETY: nothing comes any more.
    unsafe { asm!("csrw sie, zero") };
}

/// Clears `sip.SSIP`, this hart's doorbell.
#[inline]
pub(crate) fn clear_software_interrupt() {
    // The fence keeps the look at the mailbox behind the clearing: a CSR write
    // is device output to the memory model (Unprivileged ISA, "fence").
    // SAFETY: SSIP is writable by S-mode and means only "look at your mailbox".
    unsafe { asm!("csrc sip, {}", "fence o, rw", in(reg) SOFT) };
}

/// Sets `sip.SSIP`: this hart rings its own doorbell.
#[inline]
pub(crate) fn set_software_interrupt() {
    // SAFETY: SSIP is writable by S-mode and means only "look at your mailbox".
    unsafe { asm!("csrs sip, {}", in(reg) SOFT) };
}

/// Whether `sip.SSIP` is set: somebody has rung this hart's doorbell.
#[inline]
pub(crate) fn is_software_interrupt_pending() -> bool {
    let pending: usize;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, sip", out(reg) pending) };
    pending & SOFT != 0
}

/// Waits until an enabled interrupt is pending, or a while (the instruction may
/// return for no reason).
#[inline]
pub(crate) fn wait_for_interrupt() {
    // SAFETY: has no effect but time.
    unsafe { asm!("wfi") };
}

/// Says that the kernel runs: `sscratch` is 0 then (trap.S).
#[inline]
pub(crate) fn clear_scratch() {
    // SAFETY: the kernel runs.
    unsafe { asm!("csrw sscratch, zero") };
}

/// Lets the kernel reach into user memory (`sstatus.SUM`).
#[inline]
pub(crate) fn open_user_memory() {
    // SAFETY: only the copy routine follows, which names user memory alone.
    unsafe { asm!("csrs sstatus, {}", in(reg) SSTATUS_SUM) };
}

/// The end of that.
#[inline]
pub(crate) fn close_user_memory() {
    // SAFETY: takes a right away.
    unsafe { asm!("csrc sstatus, {}", in(reg) SSTATUS_SUM) };
}

/// Sets the trap vector (direct mode).
#[inline]
pub(crate) fn set_trap_vector(entry: usize) {
    // SAFETY: the caller passes the entry of trap.S, which is 4-byte aligned.
    unsafe { asm!("csrw stvec, {}", in(reg) entry) };
}

/// Lets programs read `cycle` and `instret` (`scounteren`), and no other
/// counter. Firmware has let S-mode read them (`mcounteren`), or they trap.
pub(crate) fn open_counters() {
    /// `scounteren.CY` and `scounteren.IR`.
    const CYCLE_AND_INSTRET: usize = 1 << 0 | 1 << 2;
    // SAFETY: counters tell programs nothing but time.
    unsafe { asm!("csrw scounteren, {}", in(reg) CYCLE_AND_INSTRET) };
}

/// Sets `stimecmp` (Sstc extension): the timer fires when `time` reaches it.
#[inline]
pub(crate) fn set_stimecmp(deadline: u64) {
    // SAFETY: the caller has made sure that the hart has the extension.
    unsafe { asm!("csrw 0x14d, {}", in(reg) deadline) };
}

/// Reads the `time` register: ticks of the timebase.
#[inline]
#[must_use]
pub fn time() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter.
    unsafe { asm!("rdtime {}", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// Reads the `instret` register: instructions that the hart has executed, or
/// what the emulator takes for them.
#[inline]
pub(crate) fn instret() -> u64 {
    let count: u64;
    // Not to be moved: it marks a place in the program.
    // SAFETY: reads a counter.
    unsafe { asm!("rdinstret {}", out(reg) count) };
    count
}

/// The frame pointer of the caller, when inlined.
#[inline(always)]
#[must_use]
pub(crate) fn frame_pointer() -> usize {
    let fp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, s0", out(reg) fp, options(nomem, nostack)) };
    fp
}

/// The stack pointer.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, sp", out(reg) sp, options(nomem, nostack)) };
    sp
}

/// `sstatus`, as it is.
pub(crate) fn sstatus() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, sstatus", out(reg) value, options(nomem, nostack)) };
    value
}

/// The registers that a call keeps, and those of the last trap.
pub(crate) fn kept_registers() -> [(&'static str, u64); 18] {
    macro_rules! read {
        ($($name:literal: $instruction:literal),*) => { [$(($name, {
            let value: u64;
            // SAFETY: reads a register.
            unsafe { asm!($instruction, out(reg) value, options(nomem, nostack)) };
            value
        })),*] };
    }
    read![
        "ra": "mv {}, ra", "sp": "mv {}, sp", "gp": "mv {}, gp", "tp": "mv {}, tp",
        "s0": "mv {}, s0", "s1": "mv {}, s1", "s2": "mv {}, s2", "s3": "mv {}, s3",
        "s4": "mv {}, s4", "s5": "mv {}, s5", "s6": "mv {}, s6", "s7": "mv {}, s7",
        "s8": "mv {}, s8", "s9": "mv {}, s9", "s10": "mv {}, s10", "s11": "mv {}, s11",
        "sstatus": "csrr {}, sstatus", "satp": "csrr {}, satp"
    ]
}
