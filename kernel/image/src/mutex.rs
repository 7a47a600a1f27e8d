// SPDX-License-Identifier: Apache-2.0
//! A lock that is held for long: whoever waits for it sleeps, and whoever holds
//! it can be interrupted and preempted.
//!
//! The value is in the lock while it is free, and with the holder while it is
//! not. To look and to fall asleep are one masked section; a wake that another
//! hart sends in between arrives after it. Whose turn it is: `core::turns`.

use skimmer_arch::{cpu::enter, irq::masked, time};
use skimmer_core::{
    ids::Priority,
    table::OutOfMemory,
    turns::{Room, Turn, Turns},
};
use skimmer_sync::lock::SpinLock;

use crate::lwkt;

/// How long who cannot be listed waits before it asks again, in ticks.
const PAUSE: u64 = 1_000;

/// A value behind a lock.
#[derive(Debug)]
pub(crate) struct Mutex<T>(SpinLock<Turns<T>>);

impl<T> Mutex<T> {
    /// A free lock.
    pub(crate) const fn new(value: T) -> Self {
        Self(SpinLock::new(Turns::new(value)))
    }

    /// Bytes of the heap that its list of waiters takes, what the value has
    /// apart.
    pub(crate) fn footprint(&self) -> usize {
        masked(|irq| self.0.lock(irq).footprint())
    }

    /// Does something with the value. For threads, outside of critical sections.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.take();
        let result = f(&mut value);
        let next = masked(|irq| self.0.lock(irq).put(value));
        next.into_iter().for_each(lwkt::schedule);
        result
    }

    fn take(&self) -> T {
        loop {
            let step = enter(|hart, irq| {
                let me = hart.current();
                let priority = hart.thread(me).map_or(Priority::IDLE, |me| me.priority());
                let turn = self.0.lock(irq).ask(me, priority);
                let is_later = matches!(turn, Turn::Later);
                (turn, is_later.then(|| hart.deschedule_self(irq).switch(irq)))
            });
            match step {
                Turn::Now(value) => return value,
                Turn::Later => {}
                Turn::NoRoom(wanted) => match Room::of(wanted) {
                    Ok(room) => drop(masked(|irq| self.0.lock(irq).widen(room))),
                    // It sleeps, for the holder may be less urgent.
                    Err(OutOfMemory) => lwkt::sleep_until(time::now() + PAUSE),
                },
            }
        }
    }
}
