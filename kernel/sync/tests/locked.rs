// SPDX-License-Identifier: Apache-2.0
//! Cells that a lock owns.
#![cfg(not(loom))]

use skimmer_sync::{
    irq::{HartIndex, IrqOff},
    lock::SpinLock,
    locked::LockedCell,
};

fn token() -> IrqOff {
    // SAFETY: each test runs on one thread and takes no interrupts.
    unsafe { IrqOff::assume(HartIndex::new(0)) }
}

#[test]
fn it_opens_to_its_owner_only() {
    let (irq, cell) = (token(), LockedCell::new(5));
    let (ours, theirs) = (SpinLock::new(()), SpinLock::new(()));
    let (mut our_guard, mut their_guard) = (ours.lock(&irq), theirs.lock(&irq));
    let (mut our, mut their) = (our_guard.parts().1, their_guard.parts().1);
    assert_eq!(cell.open(&mut our), None, "nobody's");
    assert_eq!(cell.claim(&mut our), Some(&mut 5));
    assert_eq!((cell.claim(&mut our), cell.claim(&mut their)), (None, None), "it is taken");
    *cell.open(&mut our).unwrap() += 1;
    assert_eq!(cell.open(&mut their), None);
    cell.release(&mut their);
    assert_eq!(cell.open(&mut our), Some(&mut 6), "not theirs to release");
    cell.release(&mut our);
    assert_eq!(cell.open(&mut our), None);
    assert_eq!(cell.claim(&mut their), Some(&mut 6));
    assert_eq!(cell.open(&mut their), Some(&mut 6));
}

/// A lock inside another lock may lie at the very same address.
#[test]
fn a_lock_within_a_lock_is_another() {
    let (irq, cell) = (token(), LockedCell::new(()));
    let outer = SpinLock::new(SpinLock::new(()));
    let mut outer_guard = outer.lock(&irq);
    let (inner, mut held) = outer_guard.parts();
    assert!(cell.claim(&mut held).is_some());
    let mut inner_guard = inner.lock(&irq);
    assert_eq!(cell.open(&mut inner_guard.parts().1), None);
    assert!(cell.open(&mut held).is_some());
}

#[test]
fn the_parts_of_a_guard_are_the_value_and_the_proof() {
    let (irq, cell) = (token(), LockedCell::new(1));
    let lock = SpinLock::new(10);
    {
        let mut guard = lock.lock(&irq);
        let (value, mut held) = guard.parts();
        *value += *cell.claim(&mut held).unwrap();
    }
    assert_eq!(*lock.lock(&irq), 11);
    assert_eq!(cell.open(&mut lock.lock(&irq).parts().1), Some(&mut 1), "claims outlive guards");
}
