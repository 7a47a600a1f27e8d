// SPDX-License-Identifier: Apache-2.0
//! A cell that a lock owns: it opens with the proof that its owner is held.
//!
//! What hangs on an object by links (a waiter in a channel's queue) lies in a
//! table of its own, outside of the object's lock, and goes from one object to
//! another. Here it says whose it is: a lock *claims* the cell while it is
//! nobody's, opens it, and *releases* it. Whoever holds another lock, or none,
//! does not get in.

use core::{fmt, sync::atomic::Ordering};

use crate::{
    lock::Held,
    order::Site,
    shim::{AtomicUsize, UnsafeCell},
};

/// No lock has this number.
const NOBODY: usize = 0;

/// A cell that belongs to a lock, or to nobody.
///
/// ```
/// # use skimmer_sync::{irq::IrqOff, lock::SpinLock, locked::LockedCell};
/// fn count(cell: &LockedCell<u64>, lock: &SpinLock<()>, irq: &IrqOff) {
///     let mut guard = lock.lock(irq);
///     let (_, mut held) = guard.parts();
///     if let Some(value) = cell.open(&mut held) {
///         *value += 1;
///     }
/// }
/// ```
///
/// ```compile_fail,E0061
/// # use skimmer_sync::{irq::IrqOff, lock::SpinLock, locked::LockedCell};
/// // Not without a lock.
/// fn count(cell: &LockedCell<u64>, lock: &SpinLock<()>, irq: &IrqOff) {
///     let mut guard = lock.lock(irq);
///     let (_, mut held) = guard.parts();
///     if let Some(value) = cell.open() {
///         *value += 1;
///     }
/// }
/// ```
///
/// ```compile_fail,E0505
/// # use skimmer_sync::{irq::IrqOff, lock::SpinLock, locked::LockedCell};
/// // Not after the lock was let go.
/// fn count(cell: &LockedCell<u64>, lock: &SpinLock<()>, irq: &IrqOff) {
///     let mut guard = lock.lock(irq);
///     let (_, mut held) = guard.parts();
///     drop(guard);
///     if let Some(value) = cell.open(&mut held) {
///         *value += 1;
///     }
/// }
/// ```
///
/// ```compile_fail,E0499
/// # use skimmer_sync::{irq::IrqOff, lock::SpinLock, locked::LockedCell};
/// // Not two at a time: they could be one and the same.
/// fn swap(a: &LockedCell<u64>, b: &LockedCell<u64>, lock: &SpinLock<()>, irq: &IrqOff) {
///     let mut guard = lock.lock(irq);
///     let (_, mut held) = guard.parts();
///     if let (Some(a), Some(b)) = (a.open(&mut held), b.open(&mut held)) {
///         core::mem::swap(a, b);
///     }
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use skimmer_sync::lock::Held;
/// // The proof stays where the lock was taken.
/// fn send<T: Send>(_: T) {}
/// fn smuggle(held: Held<'_>) {
///     send(held);
/// }
/// ```
pub struct LockedCell<T> {
    owner: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached only with the proof that the owner is held, which
// one hart at a time has; `T: Send` for it goes from holder to holder. Where a
// lock has moved, or another has taken its place in memory, at most one lock
// has the owner's number still, and who made or moved it had no holder left.
unsafe impl<T: Send> Sync for LockedCell<T> {}
// SAFETY: the cell owns its value.
unsafe impl<T: Send> Send for LockedCell<T> {}

impl<T> fmt::Debug for LockedCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockedCell")
    }
}

impl<T> LockedCell<T> {
    /// A cell that is nobody's.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { owner: AtomicUsize::new(NOBODY), value: UnsafeCell::new(value) }
    }

    /// Makes the cell the lock's, if it is nobody's: what is inside then.
    #[inline]
    #[must_use]
    pub fn claim<'h>(&'h self, held: &'h mut Held<'_>) -> Option<&'h mut T> {
        let lock = held.lock().get();
        let (claimed, failed) = (Site::CellClaim.ordering(), Ordering::Relaxed);
        self.owner.compare_exchange(NOBODY, lock, claimed, failed).ok()?;
        self.inside(lock, held)
    }

    /// What is inside, if the cell is the lock's.
    #[inline]
    pub fn open<'h>(&'h self, held: &'h mut Held<'_>) -> Option<&'h mut T> {
        self.inside(self.owner(), held)
    }

    // What is inside, if the owner that was found is the lock.
    #[inline]
    fn inside<'h>(&'h self, owner: usize, held: &'h mut Held<'_>) -> Option<&'h mut T> {
        if owner != held.lock().get() {
            return None;
        }
        // SAFETY: the cell is the lock's, which is held; its proof is borrowed as long
        // as the reference lives, so no cell of this lock is opened meanwhile.
        Some(unsafe { &mut *self.value.with_mut(|value| value) })
    }

    /// Makes the cell nobody's, if it is the lock's.
    #[inline]
    pub fn release(&self, held: &mut Held<'_>) {
        if self.owner() == held.lock().get() {
            self.owner.store(NOBODY, Site::CellRelease.ordering());
        }
    }

    // An old value will do: only a holder of this lock writes its number or
    // takes it away, and what earlier holders did is seen.
    #[inline]
    fn owner(&self) -> usize {
        self.owner.load(Ordering::Relaxed)
    }
}
