// SPDX-License-Identifier: Apache-2.0
//! The worst off-times of a workload, from after its announcement to before
//! its end is told: the console is written with interrupts masked, and at
//! quiescent points only.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use skimmer_abi::{inspect, record::OffTimes};
use skimmer_arch::{off_times, time};

use crate::smp;

/// Step of the counter and time at which measuring began.
static START: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

/// Begins to measure, in a kernel that can.
pub(super) fn start() {
    if let Some(step) = off_times::start() {
        START.0.store(step, Relaxed);
        START.1.store(time::now(), Release);
    }
}

/// Ends measuring; the worst of all harts.
pub(super) fn stop() -> Option<OffTimes> {
    let step = off_times::stop()?;
    let now = time::now();
    let begun = START.1.load(Acquire);
    let steps = step.wrapping_sub(START.0.load(Relaxed));
    let nanos = time::nanos(now.wrapping_sub(begun));
    Some(OffTimes {
        masked: longest(|of| &of.masked.length),
        deferred: longest(|of| &of.deferred.length),
        masked_shared: longest(|of| &of.masked_shared.length),
        deferred_shared: longest(|of| &of.deferred_shared.length),
        lock_wait: longest(|of| &of.lock_wait),
        intervals: sum(|of| &of.intervals),
        set_apart: sum(|of| &of.set_apart),
        steps,
        nanos,
    })
}

fn longest(which: fn(&inspect::OffTimes) -> &AtomicU64) -> u64 {
    each(which).max().unwrap_or(0)
}

fn sum(which: fn(&inspect::OffTimes) -> &AtomicU64) -> u64 {
    each(which).sum()
}

fn each(which: fn(&inspect::OffTimes) -> &AtomicU64) -> impl Iterator<Item = u64> {
    smp::inspect().iter().map(move |hart| which(&hart.off_times).load(Relaxed))
}
