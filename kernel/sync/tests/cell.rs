// SPDX-License-Identifier: Apache-2.0
//! Law home-hart-only where the types cannot carry it: a cell refuses whoever
//! runs elsewhere, and whoever finds it open.
#![cfg(not(loom))]

use skimmer_sync::{
    cell::HartCell,
    irq::{HartIndex, IrqOff},
};

const HOME: HartIndex = HartIndex::new(3);

fn token(hart: HartIndex) -> IrqOff {
    // SAFETY: each test runs on one thread and takes no interrupts, so nothing
    // else acts for that hart.
    unsafe { IrqOff::assume(hart) }
}

#[test]
fn its_own_hart_opens_it_again_and_again() {
    let cell = HartCell::new(HOME, 0_u64);
    for round in 0..3 {
        let before = cell.with(&token(HOME), |value| core::mem::replace(value, round + 1));
        assert_eq!(before, round);
    }
}

#[test]
#[should_panic(expected = "home-hart-only: a foreign hart's state")]
fn a_foreign_hart_is_refused() {
    let cell = HartCell::new(HOME, 0_u64);
    cell.with(&token(HartIndex::new(4)), |value| *value += 1);
}

#[test]
#[should_panic(expected = "runq-irq-off: hart state opened twice")]
fn it_is_not_opened_from_inside() {
    let cell = HartCell::new(HOME, 0_u64);
    // A handler that cuts in holds a token of its own.
    cell.with(&token(HOME), |value| {
        *value += 1;
        cell.with(&token(HOME), |again| *again += 1);
    });
}
