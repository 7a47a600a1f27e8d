// SPDX-License-Identifier: Apache-2.0
//! Wakes the thread that waits for a program, again and again: it looks at what goes on
//! meanwhile.

use core::sync::atomic::{AtomicBool, Ordering};

use alloc::boxed::Box;
use skimmer_arch::time;
use skimmer_core::ids::ThreadId;

use super::spawn;
use crate::{lwkt, smp};

/// Beats in a second of guest time: harts that take turns need some for a turn of all.
const BEATS_PER_SECOND: u64 = 20;

/// Above all workloads: what it does is short.
const PRIORITY: u8 = 230;

/// A running pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    is_over: AtomicBool,
    is_due: AtomicBool,
}

impl Pace {
    /// Starts it, for the calling thread.
    pub(super) fn start() -> &'static Self {
        let pace: &'static Self = Box::leak(Box::default());
        let waiter = lwkt::current();
        let beat = spawn(smp::services()[0], "pace", PRIORITY, move || pace.beat(waiter));
        lwkt::schedule(beat);
        pace
    }

    /// Whether there was a beat since it was asked last.
    pub(super) fn take(&self) -> bool {
        self.is_due.swap(false, Ordering::Relaxed)
    }

    /// Stops it, for the thread that started it.
    pub(super) fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        lwkt::reply(lwkt::receive(), 0);
    }

    fn beat(&self, waiter: ThreadId) {
        while !self.is_over.load(Ordering::Relaxed) {
            lwkt::sleep_until(time::now() + time::ticks_per_second() / BEATS_PER_SECOND);
            self.is_due.store(true, Ordering::Relaxed);
            lwkt::schedule(waiter);
        }
        let _ = lwkt::call(waiter, lwkt::message([0; 8]));
    }
}
