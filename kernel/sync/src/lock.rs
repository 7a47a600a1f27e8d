// SPDX-License-Identifier: Apache-2.0
//! A spin lock for the few things that harts share: heap, console, channels.
//!
//! Whoever comes when it is free takes it. Turns (tickets) would be fairer, but
//! a turn may fall to a hart that a hypervisor or an emulator is not running:
//! eight harts on two processors stood still behind such turns (docs/races.md,
//! "the convoy"). Holders are few, short and bounded instead.
//!
//! The proof of masked interrupts is an argument: taken with interrupts open, a
//! handler could wait for the very thread that it interrupted.

use core::{
    marker::PhantomData,
    num::NonZeroUsize,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use crate::{
    irq::IrqOff,
    order::Site,
    shim::{AtomicU32, UnsafeCell, spin_loop},
    tally::{LOCK_WAITS, LOCKS},
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
// The flag lies where the value begins: both are in one cache line.
#[derive(Debug)]
#[repr(C)]
pub struct SpinLock<T> {
    // Not a flag: of bytes there are no atomic instructions, and one is made of several.
    holders: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: only the one who counted `holders` up reaches `value`.
unsafe impl<T: Send> Sync for SpinLock<T> {}
// SAFETY: the lock owns its value.
unsafe impl<T: Send> Send for SpinLock<T> {}

/// The lock is held while this lives, and interrupts stay masked.
#[derive(Debug)]
pub struct Guard<'l, T> {
    lock: &'l SpinLock<T>,
    value: *mut T,
    _irq: PhantomData<&'l IrqOff>,
}

impl<T> SpinLock<T> {
    /// A free lock.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self { holders: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// A free lock.
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self { holders: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Waits until the lock is free, and takes it.
    #[inline]
    pub fn lock<'l>(&'l self, _irq: &'l IrqOff) -> Guard<'l, T> {
        let mut is_first = true;
        while self.try_take().is_err() {
            if core::mem::take(&mut is_first) {
                LOCK_WAITS.count();
            }
            spin_loop();
            // Waiters read until it is free, so that they leave the holder's
            // cache line alone. (A model's reads may stay stale for ever.)
            while cfg!(not(loom)) && self.holders.load(Ordering::Relaxed) > 0 {
                spin_loop();
            }
        }
        self.guard()
    }
}

impl<T> SpinLock<T> {
    /// Takes the lock if it is free. May fail where it is, seldom.
    #[inline]
    pub fn try_lock<'l>(&'l self, _irq: &'l IrqOff) -> Option<Guard<'l, T>> {
        self.try_take().ok()?;
        Some(self.guard())
    }

    // For who has counted `holders` up.
    #[inline]
    fn guard(&self) -> Guard<'_, T> {
        LOCKS.count();
        let value = self.value.with_mut(|value| value);
        Guard { lock: self, value, _irq: PhantomData }
    }

    // An attempt that fails writes nothing.
    #[inline]
    fn try_take(&self) -> Result<u32, u32> {
        let (taken, failed) = (Site::LockTake.ordering(), Ordering::Relaxed);
        self.holders.compare_exchange_weak(0, 1, taken, failed)
    }
}

impl<T> Guard<'_, T> {
    /// The value, and the proof that this lock is held. There is one proof at a
    /// time: it borrows the guard.
    #[inline]
    pub fn parts(&mut self) -> (&mut T, Held<'_>) {
        // SAFETY: the lock is held while the guard lives, and the guard is
        // borrowed as long as the reference lives.
        (unsafe { &mut *self.value }, Held::new(&self.lock.holders))
    }
}

/// The proof that a certain lock is held here, and by nobody else: see
/// [`LockedCell`](crate::locked::LockedCell).
#[derive(Debug)]
pub struct Held<'g> {
    lock: NonZeroUsize,
    // Neither Send nor Sync: it holds where the guard is.
    _guard: PhantomData<(&'g mut (), *const ())>,
}

impl Held<'_> {
    // The flag's address tells locks apart even if one lies inside another.
    fn new(flag: &AtomicU32) -> Self {
        Self { lock: NonNull::from(flag).addr(), _guard: PhantomData }
    }

    /// Which lock: no other has this number while this one does not move.
    #[inline]
    pub(crate) const fn lock(&self) -> NonZeroUsize {
        self.lock
    }

    /// The same proof, for who is to have it by value; this one is lent meanwhile.
    ///
    /// ```compile_fail,E0499
    /// # use skimmer_sync::{irq::IrqOff, lock::SpinLock, locked::LockedCell};
    /// // Not two of them at a time: what they open could be one and the same.
    /// fn swap(a: &LockedCell<u64>, b: &LockedCell<u64>, lock: &SpinLock<()>, irq: &IrqOff) {
    ///     let mut guard = lock.lock(irq);
    ///     let (_, mut held) = guard.parts();
    ///     let (mut one, mut other) = (held.again(), held.again());
    ///     if let (Some(a), Some(b)) = (a.open(&mut one), b.open(&mut other)) {
    ///         core::mem::swap(a, b);
    ///     }
    /// }
    /// ```
    #[inline]
    pub const fn again(&mut self) -> Held<'_> {
        Held { lock: self.lock, _guard: PhantomData }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held while the guard lives.
        unsafe { &*self.value }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held while the guard lives.
        unsafe { &mut *self.value }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.holders.store(0, Site::LockRelease.ordering());
    }
}
