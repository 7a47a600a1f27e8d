// SPDX-License-Identifier: Apache-2.0
//! A table whose memory is taken back, on one thread, and the rounds before it
//! is freed; harts that meet in it are the business of the models.
#![cfg(not(loom))]

use std::rc::Rc;

use skimmer_sync::{
    irq::{HartIndex, IrqOff},
    retire::Retirable,
    rounds::Rounds,
};

#[test]
fn what_is_retired_is_not_found_and_dropped_once() {
    // SAFETY: one thread acts for the imaginary hart.
    let irq = unsafe { IrqOff::assume(HartIndex::new(0)) };
    let (table, counted) = (Retirable::new(), Rc::new(()));
    assert!(table.retire().is_none(), "there is nothing");
    table.ensure(100, |_| Rc::clone(&counted)).unwrap();
    let kept = Rc::strong_count(&counted);
    let retired = table.retire().unwrap();
    assert!(table.get(&irq, 100).is_none() && table.footprint() == 0);
    assert_eq!(Rc::strong_count(&counted), kept, "dropped by `free` only");
    table.ensure(0, |_| Rc::clone(&counted)).unwrap();
    // SAFETY: nothing that was found is looked at.
    unsafe { retired.free() };
    assert!(table.get(&irq, 0).is_some(), "what came later stays");
    drop(table);
    assert_eq!(Rc::strong_count(&counted), 1);
}

#[test]
fn a_round_is_over_when_every_hart_has_passed_it() {
    let rounds = Rounds::new(3).unwrap();
    let harts = [0, 1, 2].map(HartIndex::new);
    assert!(rounds.is_over(rounds.begin()), "nobody takes part yet");
    harts[..2].iter().for_each(|&hart| rounds.pass(hart, || ()));
    assert!(!rounds.is_over(rounds.begin()) && !rounds.has(harts[2]));
    rounds.pass(harts[2], || ());
    let first = rounds.begin();
    harts[..2].iter().for_each(|&hart| rounds.pass(hart, || ()));
    assert!(!rounds.is_over(first));
    let second = rounds.begin();
    rounds.pass(harts[2], || assert!(!rounds.is_over(first), "not before it has forgotten"));
    assert!(rounds.is_over(first) && !rounds.is_over(second));
    harts.iter().for_each(|&hart| rounds.pass(hart, || ()));
    assert!(rounds.is_over(second));
}
