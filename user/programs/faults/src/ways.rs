// SPDX-License-Identifier: Apache-2.0
//! The ways to misbehave, and how each must end.

use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use alloc::boxed::Box;

use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::process::PANICKED;
use skimmer_rt::report::Check;
use skimmer_rt::{env, raw, thread};

use crate::{calls, chain, fresh, works};

/// A way to misbehave.
pub(crate) struct Way {
    /// Its name.
    pub(crate) name: &'static str,
    /// Does it. The exit status, should it survive.
    pub(crate) run: fn() -> i64,
    /// How it must end.
    pub(crate) ends: Ends,
    /// What fails if it ends otherwise, where that has a name.
    pub(crate) check: Option<Check>,
}

impl Way {
    const fn of(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }
}

/// How a process must end.
pub(crate) enum Ends {
    /// With that status.
    With(i64),
    /// By a kill.
    Killed,
    /// By a fault.
    Fault {
        /// With one of those values of `scause`.
        causes: &'static [u64],
        /// At that address, where it is known.
        at: Option<u64>,
    },
}

/// In the kernel's linear map: where QEMU's machines have their first memory.
pub(crate) const LINEAR: u64 = 0xffff_ffc0_8020_0000;
/// In the kernel's window.
const IMAGE: u64 = 0xffff_ffff_8020_0000;
/// A device in the linear map: the UART of `virt`.
const DEVICE: u64 = 0xffff_ffc0_1000_0000;
/// In the user's half, and nothing is there.
pub(crate) const HOLE: u64 = 0x3f_dead_0000;
/// In no half.
pub(crate) const NOWHERE: u64 = 0x0000_8000_0000_0000;

/// Survived what should have ended it.
const SURVIVED: i64 = 1;

const ILLEGAL: Ends = Ends::Fault { causes: &[2], at: None };
const FETCH: Ends = Ends::Fault { causes: &[12], at: None };
const LOAD: Ends = Ends::Fault { causes: &[13], at: None };
const STORE: Ends = Ends::Fault { causes: &[15], at: None };

const fn fetch(at: u64) -> Ends {
    Ends::Fault { causes: &[12], at: Some(at) }
}

const fn load(at: u64) -> Ends {
    Ends::Fault { causes: &[13], at: Some(at) }
}

const fn store(at: u64) -> Ends {
    Ends::Fault { causes: &[15], at: Some(at) }
}

const fn way(name: &'static str, run: fn() -> i64, ends: Ends) -> Way {
    Way { name, run, ends, check: None }
}

/// Runs one instruction that a program may not.
macro_rules! instruction {
    ($text:literal) => {
        || {
            // SAFETY: it must end the process.
            unsafe { asm!($text, out("t0") _) };
            SURVIVED
        }
    };
}

/// All of them.
pub(crate) const WAYS: &[Way] = &[
    way("null-read", || read(0), load(0)),
    way("null-write", || write(0), store(0)),
    way("null-jump", || jump(0), fetch(0)),
    way("linear-read", || read(LINEAR), load(LINEAR)),
    way("linear-write", || write(LINEAR), store(LINEAR)),
    way("linear-jump", || jump(LINEAR), fetch(LINEAR)),
    way("image-read", || read(IMAGE), load(IMAGE)),
    way("image-write", || write(IMAGE), store(IMAGE)),
    way("image-jump", || jump(IMAGE), fetch(IMAGE)),
    way("device-read", || read(DEVICE), load(DEVICE)),
    way("device-write", || write(DEVICE), store(DEVICE)),
    way("hole-read", || read(HOLE), load(HOLE)),
    way("hole-write", || write(HOLE), store(HOLE)),
    way("hole-jump", || jump(HOLE), fetch(HOLE)),
    way("nowhere-read", || read(NOWHERE), load(NOWHERE)),
    way("nowhere-write", || write(NOWHERE), store(NOWHERE)),
    way("nowhere-jump", || jump(NOWHERE), fetch(NOWHERE)),
    way("last-read", || read(u64::MAX - 7), load(u64::MAX - 7)),
    way("write-text", || write(calls::text()), STORE),
    way("write-constants", || write(calls::constants()), STORE),
    way("read-sealed", || read(calls::sealed()), LOAD),
    way("write-sealed", || write(calls::sealed()), STORE),
    way("run-sealed", calls::sealed_runs, Ends::With(0)),
    way("execute-data", || jump(raw::address(&raw const DATA)), FETCH),
    way("execute-heap", || jump(raw::address(&raw const *Box::new(black_box(RET)))), FETCH),
    way("execute-stack", || jump(raw::address(&raw const *black_box(&RET.clone()))), FETCH),
    way("execute-mapping", execute_mapping, FETCH),
    way("unmapped", unmapped, LOAD),
    way("unmapped-elsewhere", unmapped_elsewhere, LOAD).of(Check::Unmapped),
    way("stack-overflow", || overflow(0), STORE),
    way("stack-overflow-in-a-thread", overflow_in_a_thread, STORE),
    way("half-an-instruction", || jump(calls::half()), ILLEGAL),
    way("odd-jump", odd_jump, Ends::With(0)),
    way("misaligned-read", misaligned_read, Ends::With(0)),
    way("misaligned-atomic", misaligned_atomic, Ends::Fault { causes: &[4, 5, 6, 7], at: None }),
    way("illegal", instruction!("unimp"), ILLEGAL),
    way("read-sstatus", instruction!("csrr t0, sstatus"), ILLEGAL),
    way("write-sscratch", instruction!("csrw sscratch, zero"), ILLEGAL),
    way("write-satp", instruction!("csrw satp, zero"), ILLEGAL),
    way("read-mhartid", instruction!("csrr t0, mhartid"), ILLEGAL),
    way("sret", instruction!("sret"), ILLEGAL),
    way("mret", instruction!("mret"), ILLEGAL),
    way("sfence", instruction!("sfence.vma"), ILLEGAL),
    // vsetvli: nobody saves vectors, so no program has them.
    way("vector", instruction!(".word 0x0d0572d7"), ILLEGAL),
    way("break", instruction!("ebreak"), Ends::Fault { causes: &[3], at: None }),
    way("chain", chain::whole, load(HOLE)),
    way("chain-odd", || chain::from(chain::ODD, 0), load(chain::FAULTS)),
    way("chain-kernel", || chain::from(LINEAR, 1), load(chain::FAULTS + 8)),
    way("chain-nothing", || chain::from(HOLE, 2), load(chain::FAULTS + 16)),
    way("chain-edge", || chain::from(chain::EDGE, 3), load(chain::FAULTS + 24)),
    way("chain-loop", chain::looped, load(chain::FAULTS + 32)),
    way("chain-down", chain::down, load(chain::FAULTS + 40)),
    way("chain-astray", chain::astray, load(chain::FAULTS + 48)),
    way("chain-endless", chain::endless, load(chain::FAULTS + 56)),
    way("panic", || panic!("on purpose"), Ends::With(PANICKED)),
    way("panic-in-a-thread", panic_in_a_thread, Ends::With(PANICKED)),
    way("exit", || -7, Ends::With(-7)),
    way("last-thread-ends", last_thread_ends, Ends::With(0)),
    way("calls", calls::all, Ends::With(0)),
    way("threads", works::threads, Ends::With(0)),
    way("last-thread-of-all", works::last_of_all, Ends::With(0)),
    way("lock-beside-spinners", works::lock_beside_spinners, Ends::With(0)),
    way("lock-of-one-made-urgent", works::lock_of_one_made_urgent, Ends::With(0)),
    way("processes", works::processes, Ends::With(0)),
    way("kill-oneself", works::kill_oneself, Ends::Killed),
    way("kill-who-makes-threads", works::kill_who_makes_threads, Ends::With(0)),
    way("channels", works::channels, Ends::With(0)),
    way("registers", fresh::calls_keep_registers, Ends::With(0)),
    way("float", fresh::threads_keep_floats, Ends::With(0)),
    way("fresh", fresh::threads_are_born_clean, Ends::With(0)),
    way("fresh-memory", fresh::memory_is_zero, Ends::With(0)).of(Check::FreshMemory),
];

/// The one that behaves, and looks after its memory until it is killed.
pub(crate) const NEIGHBOUR: Way = way("neighbour", neighbour, Ends::With(SURVIVED));

/// One that is killed by another way.
pub(crate) const VICTIM: Way = way("makes-threads", works::makes_threads, Ends::Killed);

/// `ret`, twice.
static RET: [u16; 2] = [0x8082; 2];
/// The same where it can be written.
static mut DATA: [u16; 2] = [0x8082; 2];

pub(crate) fn read(address: u64) -> i64 {
    // SAFETY: not at all: it must end the process.
    unsafe { asm!("ld {0}, 0({0})", inout(reg) address => _) };
    SURVIVED
}

fn write(address: u64) -> i64 {
    // SAFETY: not at all: it must end the process.
    unsafe { asm!("sd zero, 0({0})", in(reg) address) };
    SURVIVED
}

fn jump(address: u64) -> i64 {
    // SAFETY: not at all: it must end the process.
    unsafe { asm!("jalr ra, 0({0})", in(reg) address, clobber_abi("C")) };
    SURVIVED
}

fn execute_mapping() -> i64 {
    let Ok(mut mapping) = Mapping::new(PAGE) else { return 2 };
    mapping[..2].copy_from_slice(&RET[0].to_le_bytes());
    jump(raw::address(mapping.as_ptr()))
}

/// Reads memory that it gave back.
fn unmapped() -> i64 {
    let Ok(mut mapping) = Mapping::new(PAGE) else { return 2 };
    mapping.fill(1);
    let address = raw::address(mapping.as_ptr());
    drop(mapping);
    read(address)
}

/// Reads memory that another thread gives back meanwhile: we do, on our parent's
/// hart, which is the first; the reader is on the last.
fn unmapped_elsewhere() -> i64 {
    static READS: AtomicU64 = AtomicU64::new(0);
    let Ok(mut mapping) = Mapping::new(PAGE) else { return 2 };
    mapping.fill(1);
    let address = raw::address(mapping.as_ptr());
    let reader = thread::Builder::new().hart(env::harts() - 1).spawn(move || {
        loop {
            read(address);
            READS.fetch_add(1, Ordering::Relaxed);
        }
    });
    let Ok(_reader): skimmer_rt::Result<thread::JoinHandle<()>> = reader else { return 3 };
    let wait = |reads| {
        while READS.load(Ordering::Relaxed) < reads {
            thread::yield_now();
        }
    };
    wait(1);
    drop(mapping);
    // One read may have been made before; the second one was not.
    wait(READS.load(Ordering::Relaxed) + 2);
    SURVIVED
}

#[inline(never)]
fn overflow(depth: i64) -> i64 {
    let frame = black_box([depth; 64]);
    if frame[0] < 0 { depth } else { overflow(depth + 1) + frame[1] }
}

fn overflow_in_a_thread() -> i64 {
    let thread = thread::Builder::new().stack(PAGE).spawn(|| overflow(0));
    thread.and_then(|thread| thread.join()).map_or(2, |_| SURVIVED)
}

/// A jump drops the lowest bit of its target.
fn odd_jump() -> i64 {
    let status: i64;
    // SAFETY: it jumps over the first `li`, as if the target were even.
    unsafe {
        asm!(
            "lla  t0, 2f", "ori t0, t0, 1", "li {0}, 1", "jr t0",
            "2: li {0}, 0",
            out(reg) status, out("t0") _,
        );
    }
    status
}

/// The processor or the firmware gives a misaligned load its value.
fn misaligned_read() -> i64 {
    let bytes = black_box([1_u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    let value: u64;
    // SAFETY: it reads eight bytes of the sixteen.
    unsafe { asm!("ld {0}, 3({1})", out(reg) value, in(reg) bytes.as_ptr()) };
    i64::from(value != u64::from_le_bytes([4, 5, 6, 7, 8, 9, 10, 11]))
}

fn misaligned_atomic() -> i64 {
    let mut bytes = black_box([0_u64; 2]);
    // SAFETY: it must end the process; else it writes our bytes.
    unsafe {
        asm!("addi {0}, {0}, 3", "amoadd.d t0, zero, ({0})",
             inout(reg) bytes.as_mut_ptr() => _, out("t0") _);
    }
    SURVIVED
}

fn panic_in_a_thread() -> i64 {
    let thread = thread::spawn(|| panic!("on purpose, in a thread"));
    thread.and_then(thread::JoinHandle::join).map_or(2, |()| SURVIVED)
}

fn last_thread_ends() -> i64 {
    // SAFETY: nothing of this thread is used again.
    unsafe { thread::exit(9) }
}

fn neighbour() -> i64 {
    let Ok(mut mapping) = Mapping::new(4 * PAGE) else { return 2 };
    mapping.fill(0x5a);
    // Its hart is left alone for a moment in each round: beside one that is always
    // busy an emulator may starve another (docs/caveats.md).
    for hart in (0..env::harts()).cycle() {
        for _ in 0..16 {
            thread::yield_now();
        }
        if mapping.iter().any(|byte| *byte != 0x5a) {
            break;
        }
        let visitor = thread::Builder::new().hart(hart).spawn(|| ());
        if visitor.and_then(thread::JoinHandle::join).is_err() {
            return 2;
        }
    }
    SURVIVED
}
