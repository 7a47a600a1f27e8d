// SPDX-License-Identifier: Apache-2.0
//! Worst off-times of each hart (law bounded-off-time), in a kernel that was
//! built with the feature `off-times`: how long interrupts stay masked and
//! preemption deferred, and, apart from both, how long locks are waited for.
//! Without the feature off_times_none.rs stands here, which does nothing.
//!
//! An interval is the hart's, not the thread's: a switch in a masked section
//! hands it over to the thread that comes in, and it ends when interrupts open.
//! The unit is the step of `instret`. Round-robin emulation on a clock of
//! instructions counts those of all harts in one: an interval in which another
//! hart was seen to run is shared, and kept apart. What an interval of this
//! hart's own contains is its instructions, firmware's and the instrument's.
//!
//! Owned by the hart: all but [`IS_MEASURING`] and [`RAN_LAST`]. Handlers come
//! in between only where interrupts are open, and leave what is open as it is.

use core::{
    arch::asm,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use skimmer_abi::inspect::{HartInspect, Longest, OffTimes as Shown, bump};
use skimmer_sync::{
    irq::IrqOff,
    lock::{Guard, SpinLock},
};

use crate::{cpu, csr};

/// Instructions of trap.S before it calls Rust, which are masked too: of a trap
/// in the kernel, which are the most.
const TRAP_ENTRY: u64 = 59;
/// Instructions of trap.S after Rust has returned, `sret` included: to a
/// program, which are the most.
const TRAP_EXIT: u64 = 39;
/// The same for a system call.
const CALL_ENTRY: u64 = 40;
const CALL_EXIT: u64 = 29;
/// And for a call of messages.
const MESSAGE_ENTRY: u64 = 46;
const MESSAGE_EXIT: u64 = 38;

/// Whether intervals that begin or end now count: only those of a workload do.
static IS_MEASURING: AtomicBool = AtomicBool::new(false);

/// Number of the hart that last said that it runs, plus one.
static RAN_LAST: AtomicUsize = AtomicUsize::new(0);

/// What is open on a hart, and where it shows the worst.
#[derive(Debug)]
pub(crate) struct OffTimes {
    /// Its index plus one.
    number: usize,
    shown: Option<&'static Shown>,
    masked: Interval,
    deferred: Interval,
}

impl OffTimes {
    /// The boot hart's, before there are harts.
    pub(crate) const fn early() -> Self {
        Self { number: 0, shown: None, masked: Interval::closed(), deferred: Interval::closed() }
    }

    /// A hart's.
    pub(crate) const fn new(index: usize, inspect: &'static HartInspect) -> Self {
        Self { number: index + 1, shown: Some(&inspect.off_times), ..Self::early() }
    }

    /// Says that this hart runs. What is open here is shared if another hart
    /// has said so since.
    fn take_turn(&self) {
        if RAN_LAST.load(Relaxed) != self.number {
            RAN_LAST.store(self.number, Relaxed);
            self.masked.is_shared.store(true, Relaxed);
            self.deferred.is_shared.store(true, Relaxed);
        }
    }

    /// Begins `interval` at `from`, `earlier` steps ago.
    fn open(&self, interval: &Interval, from: u64, earlier: u64) {
        if self.shown.is_none() || !IS_MEASURING.load(Relaxed) {
            return;
        }
        self.take_turn();
        interval.from.store(from, Relaxed);
        interval.is_shared.store(false, Relaxed);
        // Last: what comes before is the instrument's.
        interval.start.store(steps() - earlier, Relaxed);
    }

    /// Ends `interval` at `to`, `later` steps from now.
    fn close(&self, interval: &Interval, to: u64, later: u64, place: fn(&Shown, bool) -> &Longest) {
        let end = steps() + later;
        let start = interval.start.swap(NOT_OPEN, Relaxed);
        let counts = start != NOT_OPEN && IS_MEASURING.load(Relaxed);
        let Some(shown) = self.shown.filter(|_| counts) else { return };
        self.take_turn();
        let is_shared = interval.is_shared.load(Relaxed);
        bump(&shown.intervals);
        if is_shared {
            bump(&shown.set_apart);
        }
        let worst = place(shown, is_shared);
        let length = end.saturating_sub(start);
        if length > worst.length.load(Relaxed) {
            worst.length.store(length, Relaxed);
            worst.from.store(interval.from.load(Relaxed), Relaxed);
            worst.to.store(to, Relaxed);
        }
    }

    /// Does something whose time does not count, and says how long it took.
    fn apart<R>(&self, f: impl FnOnce() -> R) -> (R, u64) {
        // Turns are looked at inside of the time that does not count: one that
        // ends just outside of it is seen here, or at the interval's end.
        let start = steps();
        self.take_turn();
        let result = f();
        RAN_LAST.store(self.number, Relaxed);
        let taken = steps() - start;
        self.masked.shift(taken);
        self.deferred.shift(taken);
        (result, taken)
    }
}

/// One that is not open began at no time.
const NOT_OPEN: u64 = u64::MAX;

/// An interval that may be open.
#[derive(Debug)]
struct Interval {
    start: AtomicU64,
    from: AtomicU64,
    is_shared: AtomicBool,
}

impl Interval {
    const fn closed() -> Self {
        Self {
            start: AtomicU64::new(NOT_OPEN),
            from: AtomicU64::new(0),
            is_shared: AtomicBool::new(false),
        }
    }

    /// Moves its beginning by time that does not count.
    fn shift(&self, by: u64) {
        let start = self.start.load(Relaxed);
        if start != NOT_OPEN {
            self.start.store(start + by, Relaxed);
        }
    }
}

const fn masked_of(shown: &Shown, is_shared: bool) -> &Longest {
    if is_shared { &shown.masked_shared } else { &shown.masked }
}

const fn deferred_of(shown: &Shown, is_shared: bool) -> &Longest {
    if is_shared { &shown.deferred_shared } else { &shown.deferred }
}

fn steps() -> u64 {
    csr::instret()
}

/// Where the caller is, when inlined.
#[inline(always)]
fn here() -> u64 {
    let address: u64;
    // SAFETY: reads a register.
    unsafe { asm!("auipc {}, 0", out(reg) address, options(nomem, nostack)) };
    address
}

/// Interrupts were open, and have just been masked.
#[inline(always)]
pub(crate) fn masking() {
    begin_masked(here(), 0);
}

/// Interrupts are about to be opened.
#[inline(always)]
pub(crate) fn opening() {
    end_masked(here(), 0);
}

/// The first Rust code of a trap.
#[inline(always)]
pub(crate) fn trap_entered() {
    begin_masked(here(), TRAP_ENTRY);
}

/// The last Rust code of a trap.
#[inline(always)]
pub(crate) fn trap_returns() {
    end_masked(here(), TRAP_EXIT);
}

/// The first Rust code of a system call.
#[inline(always)]
pub(crate) fn call_entered() {
    begin_masked(here(), CALL_ENTRY);
}

/// The last Rust code of a system call.
#[inline(always)]
pub(crate) fn call_returns() {
    end_masked(here(), CALL_EXIT);
}

/// The first Rust code of a call of messages.
#[inline(always)]
pub(crate) fn message_entered() {
    begin_masked(here(), MESSAGE_ENTRY);
}

/// The last Rust code of one, or of what went on in its place.
#[inline(always)]
pub(crate) fn message_returns() {
    end_masked(here(), MESSAGE_EXIT);
}

#[inline(never)]
fn begin_masked(from: u64, earlier: u64) {
    let hart = &cpu::local().off_times;
    hart.open(&hart.masked, from, earlier);
}

#[inline(never)]
fn end_masked(to: u64, later: u64) {
    let hart = &cpu::local().off_times;
    hart.close(&hart.masked, to, later, masked_of);
}

/// Does `change`, which makes the critical depth `new`. Interrupts may be open:
/// a handler that comes in between must find a depth above 0 as long as the
/// interval is being changed, so that it leaves it alone.
#[inline(always)]
pub(crate) fn changing_depth(hart: &OffTimes, depth: &AtomicU32, new: u32, change: impl FnOnce()) {
    let old = depth.load(Relaxed);
    if old > 0 && new == 0 {
        end_deferred(hart, here());
    }
    change();
    if old == 0 && new > 0 {
        begin_deferred(hart, here());
    }
}

#[inline(never)]
fn begin_deferred(hart: &OffTimes, from: u64) {
    hart.open(&hart.deferred, from, 0);
}

#[inline(never)]
fn end_deferred(hart: &OffTimes, to: u64) {
    hart.close(&hart.deferred, to, 0, deferred_of);
}

/// Sleeps, which is not counted: an interrupt ends it at once.
pub(crate) fn asleep(sleep: impl FnOnce()) {
    cpu::local().off_times.apart(sleep);
}

/// Calls firmware, which is not counted: its instructions are its own.
#[inline(always)]
pub(crate) fn in_firmware<R>(call: impl FnOnce() -> R) -> R {
    cpu::local().off_times.apart(call).0
}

/// Takes a lock. Waiting for it is counted by itself.
#[inline]
pub(crate) fn lock<'l, T>(lock: &'l SpinLock<T>, irq: &'l IrqOff) -> Guard<'l, T> {
    if let Some(guard) = lock.try_lock(irq) {
        return guard;
    }
    let hart = &cpu::local().off_times;
    let (guard, waited) = hart.apart(|| lock.lock(irq));
    if let Some(shown) = hart.shown.filter(|_| IS_MEASURING.load(Relaxed)) {
        shown.lock_wait.fetch_max(waited, Relaxed);
    }
    guard
}

/// Measures from now on; returns the present step of this hart's counter, if
/// this kernel measures at all.
#[must_use]
pub fn start() -> Option<u64> {
    IS_MEASURING.store(true, Relaxed);
    Some(steps())
}

/// Measures no longer; returns as [`start`] does.
#[must_use]
pub fn stop() -> Option<u64> {
    IS_MEASURING.store(false, Relaxed);
    Some(steps())
}
