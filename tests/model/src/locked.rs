// SPDX-License-Identifier: Apache-2.0
//! A cell goes from one lock to another: whoever has claimed it is alone in it,
//! and sees what was done under the lock that had it before.

use loom::cell::Cell;
use skimmer_sync::{
    irq::{HartIndex, IrqOff},
    lock::SpinLock,
    locked::LockedCell,
};

use crate::explore::{Depth, harts, holds};

/// Two harts with a lock each want the same cell, `turns` times.
pub(crate) fn changes_hands(turns: u32) {
    let cell = LockedCell::new(Cell::new(0));
    let locks = [SpinLock::new(0), SpinLock::new(0)];
    let work = |hart: u16| {
        // SAFETY: this model hart has no interrupts at all.
        let irq = unsafe { IrqOff::assume(HartIndex::new(hart)) };
        for _ in 0..turns {
            let mut guard = locks[usize::from(hart)].lock(&irq);
            let (had, mut held) = guard.parts();
            if let Some(count) = cell.claim(&mut held) {
                count.set(count.get() + 1);
                *had += 1;
                cell.release(&mut held);
            }
            assert!(cell.open(&mut held).is_none(), "released, yet ours");
        }
    };
    harts([Box::new(|| work(0)), Box::new(|| work(1))]);
    // SAFETY: as above; the other harts are gone.
    let irq = unsafe { IrqOff::assume(HartIndex::new(0)) };
    let had = *locks[0].lock(&irq) + *locks[1].lock(&irq);
    let mut guard = locks[0].lock(&irq);
    let (_, mut held) = guard.parts();
    assert!(had > 0);
    assert_eq!(cell.claim(&mut held).map(|count| count.get()), Some(had));
}

#[test]
fn locked_cell_changes_hands() {
    holds("locked cell: changes hands", Depth::Whole, || changes_hands(2));
}
