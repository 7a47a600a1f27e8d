// SPDX-License-Identifier: Apache-2.0
//! The lock: one holder at a time, and each sees what the one before it did.

use loom::cell::Cell;
use skimmer_sync::{
    irq::{HartIndex, IrqOff},
    lock::SpinLock,
};

use crate::explore::{Depth, harts, holds};

/// Two harts count to `turns` each. loom watches the counter itself. (With a
/// third hart two of them could wait for ever for each other's yields: loom's
/// scheduler is not fair.)
pub(crate) fn counts(turns: u32) {
    let lock = SpinLock::new(Cell::new(0));
    let count = |hart| {
        // SAFETY: this model hart has no interrupts at all.
        let irq = unsafe { IrqOff::assume(HartIndex::new(hart)) };
        for _ in 0..turns {
            let counter = lock.lock(&irq);
            counter.set(counter.get() + 1);
        }
    };
    harts([Box::new(|| count(0)), Box::new(|| count(1))]);
    // SAFETY: as above; the other harts are gone.
    let irq = unsafe { IrqOff::assume(HartIndex::new(0)) };
    assert_eq!(lock.lock(&irq).get(), 2 * turns);
}

#[test]
fn lock_one_holder() {
    holds("lock: one holder", Depth::Whole, || counts(1));
}

#[test]
fn lock_one_holder_again() {
    holds("lock: one holder, thrice each", Depth::Whole, || counts(3));
}
