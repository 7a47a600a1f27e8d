// SPDX-License-Identifier: Apache-2.0
//! A cell that only its home hart opens, and only with interrupts masked.
//!
//! Law home-hart-only, carried by types: shared memory holds the cell, the
//! token proves where and how the caller runs, and the closure keeps the
//! reference from outliving the section (so none lives across a switch).

use core::cell::{Cell, UnsafeCell};

use crate::irq::{HartIndex, IrqOff};

/// State of one hart.
///
/// ```compile_fail,E0521
/// # use skimmer_sync::{cell::HartCell, irq::IrqOff};
/// // Per-hart data does not outlive the section that proves access.
/// fn leak(cell: &HartCell<u64>, irq: &IrqOff) {
///     let mut kept = None;
///     cell.with(irq, |value| kept = Some(value));
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use skimmer_sync::irq::IrqOff;
/// // The proof stays on its hart.
/// fn send<T: Send>(_: T) {}
/// fn smuggle(irq: IrqOff) {
///     send(irq);
/// }
/// ```
#[derive(Debug)]
pub struct HartCell<T> {
    home: HartIndex,
    open: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: `with` gives access to `open` and `value` only to code that runs on
// `home` with interrupts masked, which is one instruction stream. `T: Send`
// because the cell may be built by another hart than the one that uses it.
unsafe impl<T: Send> Sync for HartCell<T> {}

impl<T> HartCell<T> {
    /// A cell of hart `home`.
    pub const fn new(home: HartIndex, value: T) -> Self {
        Self { home, open: Cell::new(false), value: UnsafeCell::new(value) }
    }

    /// Opens the cell.
    ///
    /// # Panics
    /// If the caller runs on another hart, or the cell is open already (a
    /// handler that cut in, or a call from inside `f`): both break a law.
    #[inline]
    pub fn with<R>(&self, irq: &IrqOff, f: impl FnOnce(&mut T) -> R) -> R {
        assert!(irq.hart() == self.home, "home-hart-only: a foreign hart's state");
        assert!(!self.open.replace(true), "runq-irq-off: hart state opened twice");
        // SAFETY: the token proves that this is `home` with interrupts masked,
        // and `open` that no reference from an earlier `with` is alive.
        let result = f(unsafe { &mut *self.value.get() });
        self.open.set(false);
        result
    }
}
