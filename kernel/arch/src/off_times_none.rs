// SPDX-License-Identifier: Apache-2.0
//! The place of off_times.rs in a kernel that measures no off-times: not one
//! instruction.

use core::sync::atomic::AtomicU32;

use skimmer_abi::inspect::HartInspect;
use skimmer_sync::{
    irq::IrqOff,
    lock::{Guard, SpinLock},
};

#[derive(Debug)]
pub(crate) struct OffTimes;

impl OffTimes {
    pub(crate) const fn early() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn new(_index: usize, _inspect: &'static HartInspect) -> Self {
        Self
    }
}

#[inline(always)]
pub(crate) fn masking() {}

#[inline(always)]
pub(crate) fn opening() {}

#[inline(always)]
pub(crate) fn trap_entered() {}

#[inline(always)]
pub(crate) fn trap_returns() {}

#[inline(always)]
pub(crate) fn call_entered() {}

#[inline(always)]
pub(crate) fn call_returns() {}

#[inline(always)]
pub(crate) fn message_entered() {}

#[inline(always)]
pub(crate) fn message_returns() {}

#[inline(always)]
pub(crate) fn changing_depth(_: &OffTimes, _: &AtomicU32, _new: u32, change: impl FnOnce()) {
    change();
}

#[inline(always)]
pub(crate) fn in_firmware<R>(call: impl FnOnce() -> R) -> R {
    call()
}

#[inline(always)]
pub(crate) fn asleep(sleep: impl FnOnce()) {
    sleep();
}

#[inline(always)]
pub(crate) fn lock<'l, T>(lock: &'l SpinLock<T>, irq: &'l IrqOff) -> Guard<'l, T> {
    lock.lock(irq)
}

/// Nothing: this kernel measures no off-times.
#[inline(always)]
#[must_use]
pub fn start() -> Option<u64> {
    None
}

/// Nothing: this kernel measures no off-times.
#[inline(always)]
#[must_use]
pub fn stop() -> Option<u64> {
    None
}
