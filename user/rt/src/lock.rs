// SPDX-License-Identifier: Apache-2.0
//! A lock between the threads of a process, for short sections.
//!
//! There is no call to wait for a lock with. Who cannot have it tries a few
//! times, then lets equals run, and if the holder is less urgent waits at the
//! holder's priority: a holder that it keeps from its hart would otherwise never
//! get on. Never lower: whatever else is between the two would keep it from its
//! own. Nothing spins without end on another hart's work, and nobody is promised
//! a turn.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::thread;

/// Tries before equals are let run.
const TRIES: u32 = 16;
/// Yields before the holder's priority is asked for.
const YIELDS: u32 = 16;

/// No thread's name. Not 0, so that a lock is in the program's file and not in
/// memory that only the kernel has zeroed.
const NOBODY: u64 = u64::MAX;

/// A value that one thread at a time can reach. A thread that takes it twice
/// waits for ever, and one that is destroyed while it has it keeps it.
#[derive(Debug)]
pub struct Lock<T> {
    /// The holder's tid ([`thread::tag`]), or [`NOBODY`].
    holder: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by the holder only, who may have any thread.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// A lock around a value.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { holder: AtomicU64::new(NOBODY), value: UnsafeCell::new(value) }
    }

    /// Waits until nobody has it, and takes it.
    pub fn lock(&self) -> Guard<'_, T> {
        if !self.try_for(TRIES, || {}) && !self.try_for(YIELDS, thread::yield_now) {
            self.wait_beside_the_holder();
        }
        Guard { lock: self, stays: PhantomData }
    }

    /// The value, which nobody else can reach.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    fn try_for(&self, turns: u32, between: fn()) -> bool {
        for _ in 0..turns {
            let taken = self.holder.compare_exchange(
                NOBODY,
                thread::tag(),
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if taken.is_ok() {
                return true;
            }
            between();
        }
        false
    }

    #[cold]
    fn wait_beside_the_holder(&self) {
        // Where it cannot be told it must still wait.
        let mut own = thread::priority().unwrap_or(u8::MAX);
        let mut level = own;
        while !self.try_for(YIELDS, thread::yield_now) {
            // Somebody else may have set it since: a client that waits for us, say. Then
            // that is our own, and still not what we wait at.
            if let Some(now) = thread::priority().ok().filter(|now| *now != level) {
                (own, level) = (now, now);
            }
            let holders = thread::priority_of(self.holder.load(Ordering::Relaxed));
            let wanted = holders.map_or(level, |holders| holders.min(own));
            if wanted != level && thread::set_priority(wanted).is_ok() {
                level = wanted;
            }
        }
        if level != own {
            let _ = thread::set_priority(own);
        }
    }
}

/// The value of a [`Lock`], for as long as this lives. It stays with its thread:
///
/// ```compile_fail,E0277
/// fn shared(_: impl Sync) {}
/// let lock = skimmer_rt::Lock::new(std::cell::Cell::new(0));
/// shared(lock.lock());
/// ```
#[derive(Debug)]
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// Neither `Send` nor `Sync`, whatever the value is.
    stays: PhantomData<*const T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: only the holder of the lock has a guard.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: only the holder of the lock has a guard, and it has one.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.holder.store(NOBODY, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn one_thread_at_a_time() {
        static COUNT: Lock<u64> = Lock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        *COUNT.lock() += 1;
                    }
                });
            }
        });
        assert_eq!(*COUNT.lock(), 40_000);
    }
}
