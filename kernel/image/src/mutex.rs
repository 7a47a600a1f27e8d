// SPDX-License-Identifier: Apache-2.0
//! A lock that is held for long: whoever waits for it sleeps, and whoever holds
//! it can be interrupted and preempted.
//!
//! The value is in the lock while it is free, and with the holder while it is
//! not. To look and to fall asleep are one masked section; a wake that another
//! hart sends in between arrives after it.

use alloc::collections::VecDeque;

use skimmer_arch::{cpu::enter, irq::masked, time};
use skimmer_core::ids::ThreadId;
use skimmer_sync::{footprint, lock::SpinLock};

use crate::lwkt;

/// How long who cannot be remembered waits before it asks again, in ticks.
const PAUSE: u64 = 1_000;

/// A value behind a lock.
#[derive(Debug)]
pub(crate) struct Mutex<T>(SpinLock<State<T>>);

#[derive(Debug)]
struct State<T> {
    /// None while somebody holds it.
    value: Option<T>,
    /// Who waits, the first to come first.
    waiters: VecDeque<ThreadId>,
}

impl<T> Mutex<T> {
    /// A free lock.
    pub(crate) const fn new(value: T) -> Self {
        Self(SpinLock::new(State { value: Some(value), waiters: VecDeque::new() }))
    }

    /// Bytes of the heap that its list of waiters takes, what the value has
    /// apart.
    pub(crate) fn footprint(&self) -> usize {
        masked(|irq| footprint::array::<ThreadId>(self.0.lock(irq).waiters.capacity()))
    }

    /// Does something with the value. For threads, outside of critical sections.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.take();
        let result = f(&mut value);
        self.put(value);
        result
    }

    fn take(&self) -> T {
        loop {
            let taken = enter(|hart, irq| {
                let mut state = self.0.lock(irq);
                if let Some(value) = state.value.take() {
                    return (Some(value), None);
                }
                let me = hart.current();
                let is_listed = state.waiters.contains(&me);
                if !is_listed && state.waiters.try_reserve(1).is_err() {
                    // No memory to be remembered in: it asks again. It sleeps
                    // meanwhile, for the holder may be less urgent.
                    drop(state);
                    let blocked = hart.sleep_until(irq, time::now() + PAUSE);
                    return (None, blocked.map(|blocked| blocked.switch(irq)));
                }
                if !is_listed {
                    state.waiters.push_back(me);
                }
                drop(state);
                (None, Some(hart.deschedule_self(irq).switch(irq)))
            });
            if let Some(value) = taken {
                return value;
            }
        }
    }

    fn put(&self, value: T) {
        let next = masked(|irq| {
            let mut state = self.0.lock(irq);
            state.value = Some(value);
            state.waiters.pop_front()
        });
        next.into_iter().for_each(lwkt::schedule);
    }
}
