// SPDX-License-Identifier: Apache-2.0
//! What the kernel must not change, and what it must not leave behind.

use core::arch::global_asm;

use skimmer_abi::call::{Call, NewThread};
use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::{raw, thread};

global_asm!(
    ".pushsection .text.faults, \"ax\"",
    ".balign 4",
    // u64 faults_registers(u64 number): makes the call with all registers but
    // a0, sp and a7 set to their own numbers plus 256; 0 if they are so after.
    ".global faults_registers",
    "faults_registers:",
    "addi sp, sp, -128",
    ".set faults_at, 0",
    ".irp r, ra, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11",
    "sd \\r, faults_at(sp)",
    ".set faults_at, faults_at + 8",
    ".endr",
    "mv a7, a0",
    "sd a7, 120(sp)",
    ".set faults_at, 256",
    ".irp r, ra, gp, tp, t0, t1, t2, s0, s1, a1, a2, a3, a4, a5, a6, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6",
    "li \\r, faults_at",
    ".set faults_at, faults_at + 1",
    ".endr",
    "li a0, 0",
    "ecall",
    "li a0, 0",
    ".set faults_at, 256",
    ".irp r, ra, gp, tp, t0, t1, t2, s0, s1, a1, a2, a3, a4, a5, a6, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6",
    "addi \\r, \\r, -faults_at",
    "or a0, a0, \\r",
    ".set faults_at, faults_at + 1",
    ".endr",
    "ld t0, 120(sp)",
    "xor t0, t0, a7",
    "or a0, a0, t0",
    ".set faults_at, 0",
    ".irp r, ra, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11",
    "ld \\r, faults_at(sp)",
    ".set faults_at, faults_at + 8",
    ".endr",
    "addi sp, sp, 128",
    "ret",
    // u64 faults_floats(u64 pattern, u64 rounds): fills the floating-point
    // registers that a callee need not keep, lets others run, and looks.
    ".global faults_floats",
    "faults_floats:",
    "mv t0, a0",
    "li t2, 0",
    ".irp r, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7",
    "fmv.d.x \\r, t0",
    ".endr",
    "2: li a7, {YIELD}",
    "ecall",
    ".irp r, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7",
    "fmv.x.d t1, \\r",
    "xor t1, t1, t0",
    "or t2, t2, t1",
    ".endr",
    "addi a1, a1, -1",
    "bnez a1, 2b",
    "mv a0, t2",
    "ret",
    // Where a thread begins: what it finds in its registers and in the last
    // 2 KiB of its stack, all in one, goes to the address in a0 (plus 1, so
    // that nothing found is not 0); then the thread ends.
    ".global faults_fresh",
    "faults_fresh:",
    ".irp r, gp, tp, t0, t1, t2, s0, s1, a1, a2, a3, a4, a5, a6, a7, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t3, t4, t5, t6",
    "or ra, ra, \\r",
    ".endr",
    ".irp r, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, fs0, fs1, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11, ft8, ft9, ft10, ft11",
    "fmv.x.d t1, \\r",
    "or ra, ra, t1",
    ".endr",
    "frcsr t1",
    "or ra, ra, t1",
    "addi t0, sp, -2048",
    "3: ld t1, 0(t0)",
    "or ra, ra, t1",
    "addi t0, t0, 8",
    "bltu t0, sp, 3b",
    "andi t1, sp, 15",
    "or ra, ra, t1",
    "seqz t1, ra",
    "add ra, ra, t1",
    "sd ra, 0(a0)",
    "li a0, 0",
    "li a7, {EXIT}",
    "ecall",
    "unimp",
    ".popsection",
    YIELD = const Call::Yield as u64,
    EXIT = const Call::ThreadExit as u64,
);

unsafe extern "C" {
    safe fn faults_registers(number: u64) -> u64;
    safe fn faults_floats(pattern: u64, rounds: u64) -> u64;
    fn faults_fresh() -> !;
}

/// Calls leave every register but a0 as it was.
pub(crate) fn calls_keep_registers() -> i64 {
    let calls = [Call::Nop, Call::Clock, Call::Yield, Call::ThreadSelf, Call::ProcessSelf];
    let wrong = calls.iter().filter(|call| faults_registers(**call as u64) != 0).count();
    i64::from(wrong > 0 || faults_registers(63) != 0)
}

/// Threads that take turns keep their own floating-point registers.
pub(crate) fn threads_keep_floats() -> i64 {
    let start = |pattern: u64| {
        thread::Builder::new().hart(0).spawn(move || faults_floats(pattern * 0x0123_4567, 1_000))
    };
    let threads = [start(1), start(2), start(3)];
    let is_right = |t: skimmer_rt::Result<thread::JoinHandle<u64>>| {
        t.and_then(thread::JoinHandle::join).is_ok_and(|wrong| wrong == 0)
    };
    // Each is joined, whatever the others did.
    i64::from(threads.map(is_right) != [true; 3])
}

/// New memory holds nothing, also if others had it before.
pub(crate) fn memory_is_zero() -> i64 {
    for pages in [1, 64, 1] {
        let Ok(mut memory) = Mapping::new(pages * PAGE) else { return 2 };
        if memory.iter().any(|byte| *byte != 0) {
            return 3;
        }
        memory.fill(0xa5);
    }
    0
}

/// A new thread finds nothing in its registers and on its stack.
pub(crate) fn threads_are_born_clean() -> i64 {
    let mut found = 0_u64;
    let new = NewThread {
        entry: faults_fresh as *const () as u64,
        argument: raw::address(&raw mut found),
        ..NewThread::default()
    };
    // SAFETY: the thread writes `found`, which lives until it is joined.
    let thread = unsafe { raw::answer(Call::ThreadCreate, [raw::address(&new)]) };
    let Ok(thread) = thread else { return 4 };
    // SAFETY: 0 asks for no status.
    if unsafe { raw::answer(Call::ThreadJoin, [thread, 0]) }.is_err() {
        return 5;
    }
    // SAFETY: the thread has ended, so that nobody writes it.
    let found = unsafe { (&raw const found).read_volatile() };
    i64::from(found != 1)
}
