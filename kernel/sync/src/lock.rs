// SPDX-License-Identifier: Apache-2.0
//! A spin lock for the few things that harts share: heap, console.
//!
//! A ticket lock, so that harts take turns. The proof of masked interrupts is
//! an argument: taken with interrupts open, a handler could wait for a ticket
//! behind the very thread it interrupted.

use core::ops::{Deref, DerefMut};

use crate::{
    irq::IrqOff,
    order::Site,
    shim::{AtomicU32, UnsafeCell, spin_loop},
};
#[cfg(not(loom))]
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic::Ordering;

/// A value behind a lock.
///
/// ```compile_fail,E0061
/// # use skimmer_sync::lock::SpinLock;
/// // Not without the proof that interrupts are masked.
/// fn take(lock: &SpinLock<u64>) -> u64 {
///     *lock.lock()
/// }
/// ```
#[derive(Debug)]
pub struct SpinLock<T> {
    next: AtomicU32,
    serving: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: only the holder of the ticket being served reaches `value`.
unsafe impl<T: Send> Sync for SpinLock<T> {}
// SAFETY: the lock owns its value.
unsafe impl<T: Send> Send for SpinLock<T> {}

/// The lock is held while this lives, and interrupts stay masked.
#[derive(Debug)]
pub struct Guard<'l, T> {
    lock: &'l SpinLock<T>,
    ticket: u32,
    value: *mut T,
    _irq: core::marker::PhantomData<&'l IrqOff>,
}

impl<T> SpinLock<T> {
    /// A free lock.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self { next: AtomicU32::new(0), serving: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// A free lock.
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self { next: AtomicU32::new(0), serving: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Waits for its turn and takes the lock.
    #[inline]
    pub fn lock<'l>(&'l self, _irq: &'l IrqOff) -> Guard<'l, T> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        while self.serving.load(Site::LockTake.ordering()) != ticket {
            spin_loop();
        }
        Guard {
            lock: self,
            ticket,
            value: self.value.with_mut(|value| value),
            _irq: core::marker::PhantomData,
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard's ticket is the one being served.
        unsafe { &*self.value }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard's ticket is the one being served.
        unsafe { &mut *self.value }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.serving.store(self.ticket.wrapping_add(1), Site::LockRelease.ordering());
    }
}
