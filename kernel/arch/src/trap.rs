// SPDX-License-Identifier: Apache-2.0
//! Traps. In this milestone interrupts stay masked, so every trap is a fault in
//! the kernel and ends in a panic that says what happened where.

use core::{arch::global_asm, cell::UnsafeCell};

use skimmer_core::table::OutOfMemory;

use crate::{
    csr, panic,
    stack::{KernelStack, STACK_SIZE},
};

global_asm!(include_str!("trap.S"));

unsafe extern "C" {
    fn skimmer_trap_entry();
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
}

const _: () = assert!(size_of::<TrapFrame>() == 288);

/// The stack that a hart's traps use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrapStack {
    top: usize,
}

#[repr(C, align(16384))]
struct EarlyStack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: used by trap.S on the boot hart only.
unsafe impl Sync for EarlyStack {}

static EARLY_STACK: EarlyStack = EarlyStack(UnsafeCell::new([0; STACK_SIZE]));

impl TrapStack {
    /// The boot hart's, which needs no heap.
    pub(crate) fn early() -> Self {
        Self { top: EARLY_STACK.0.get().expose_provenance() + STACK_SIZE }
    }

    /// One for another hart. It is never freed.
    pub(crate) fn new() -> Result<Self, OutOfMemory> {
        let stack = KernelStack::empty()?;
        let top = stack.top();
        core::mem::forget(stack);
        Ok(Self { top })
    }

    /// Makes this hart's traps use it.
    pub(crate) fn install(self) {
        csr::set_scratch(self.top);
        csr::set_trap_vector(skimmer_trap_entry as *const () as usize);
    }
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_trap(frame: &TrapFrame) -> ! {
    panic::trap(frame)
}

/// The name of an exception (Privileged Architecture, table "scause").
pub(crate) const fn cause_name(scause: u64) -> &'static str {
    match scause {
        0 => "instruction address misaligned",
        1 => "instruction access fault",
        2 => "illegal instruction",
        3 => "breakpoint",
        4 => "load address misaligned",
        5 => "load access fault",
        6 => "store address misaligned",
        7 => "store access fault",
        8 => "environment call from U-mode",
        9 => "environment call from S-mode",
        12 => "instruction page fault",
        13 => "load page fault",
        15 => "store page fault",
        _ if scause >> 63 != 0 => "unexpected interrupt",
        _ => "unknown exception",
    }
}
