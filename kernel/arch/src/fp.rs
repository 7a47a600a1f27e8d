// SPDX-License-Identifier: Apache-2.0
//! Floating-point registers: a program's alone, and saved only for threads
//! that use them (Privileged Architecture, `sstatus.FS`). The kernel runs with
//! them off.
//!
//! While a thread has them on and has trapped, they stay as they are until the
//! hart goes to another thread: then they are parked in the thread's stack
//! header, and come back when the thread does.

use core::arch::{asm, global_asm};

global_asm!(include_str!("fp.S"));

unsafe extern "C" {
    fn skimmer_fp_save(area: *mut Registers);
    fn skimmer_fp_load(area: *const Registers);
}

/// `sstatus.FS`.
const FS: u64 = 0b11 << 13;
const FS_INITIAL: u64 = 0b01 << 13;

/// f0 to f31, and `fcsr`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Registers([u64; 33]);

impl Registers {
    pub(crate) const fn zero() -> Self {
        Self([0; 33])
    }
}

/// Whether floating point is off in that `sstatus`.
#[inline]
pub(crate) const fn is_off(sstatus: u64) -> bool {
    sstatus & FS == 0
}

/// Gives the interrupted program zeroed registers; returns the `sstatus` that it
/// goes on with. None: this hart has no such registers.
pub(crate) fn begin(sstatus: u64) -> Option<u64> {
    // SAFETY: nothing in the kernel uses them.
    unsafe { asm!("csrs sstatus, {}", in(reg) FS_INITIAL) };
    if !are_on() {
        return None;
    }
    load(&Registers::zero());
    Some(sstatus | FS_INITIAL)
}

/// Whether the registers hold something of the current thread's.
#[inline]
pub(crate) fn are_on() -> bool {
    let sstatus: u64;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, sstatus", out(reg) sstatus, options(nomem, nostack)) };
    !is_off(sstatus)
}

/// Takes the registers away from the current thread and turns them off.
pub(crate) fn save(area: &mut Registers) {
    // SAFETY: they are on, and `area` has room for all of them.
    unsafe { skimmer_fp_save(area) };
    // SAFETY: nothing in the kernel uses them.
    unsafe { asm!("csrc sstatus, {}", in(reg) FS) };
}

/// Turns the registers on with what is in `area`.
pub(crate) fn load(area: &Registers) {
    // SAFETY: nothing in the kernel uses them, so nothing is lost.
    unsafe { asm!("csrs sstatus, {}", in(reg) FS_INITIAL) };
    // SAFETY: they are on.
    unsafe { skimmer_fp_load(area) };
}
