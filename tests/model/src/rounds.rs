// SPDX-License-Identifier: Apache-2.0
//! Memory is freed when every hart has let go: one hart looks in masked sections
//! and passes between them, another takes the table's memory away and frees it
//! once the round is over.

use std::sync::Arc;

use loom::cell::Cell;
use skimmer_sync::{
    irq::{HartIndex, IrqOff},
    retire::Retirable,
    rounds::Rounds,
};

use crate::explore::{Depth, RACE, fails, harts, holds};

/// Freeing it is an access, so that a look at the same time is seen.
struct Element(Cell<u32>);

// SAFETY: whoever looks only reads, and whoever frees is alone: the model shows
// that, and loom fails it if not.
unsafe impl Sync for Element {}

impl Drop for Element {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.set(0);
        }
    }
}

/// Where the hart passes.
#[derive(Clone, Copy)]
enum Pass {
    Between,
    /// A wrong order: while it has what it found.
    Inside,
}

/// When the round begins.
#[derive(Clone, Copy)]
enum Begin {
    After,
    /// A wrong order: before the memory is taken away.
    Before,
}

fn free(pass: Pass, begin: Begin) {
    let table = Arc::new(Retirable::new());
    assert!(table.ensure(0, |_| Element(Cell::new(7))).is_ok());
    let Some(rounds) = Rounds::new(1).map(Arc::new) else { panic!("no memory") };
    let hart = HartIndex::new(0);
    // It takes part.
    rounds.pass(hart, || ());
    let look = || {
        for _ in 0..2 {
            // SAFETY: this model hart has no interrupts at all.
            let irq = unsafe { IrqOff::assume(hart) };
            let found = table.get(&irq, 0);
            if matches!(pass, Pass::Inside) {
                rounds.pass(hart, || ());
            }
            assert!(found.is_none_or(|element| element.0.get() == 7), "freed under a look");
            if matches!(pass, Pass::Between) {
                rounds.pass(hart, || ());
            }
        }
    };
    let take = || {
        let early = matches!(begin, Begin::Before).then(|| rounds.begin());
        let Some(retired) = table.retire() else { panic!("there is an element") };
        let round = early.unwrap_or_else(|| rounds.begin());
        // Kernels wait; the model shows every moment at which it may be over.
        if rounds.is_over(round) {
            // SAFETY: what the model is about.
            unsafe { retired.free() };
        }
    };
    harts([Box::new(look), Box::new(take)]);
}

pub(crate) fn frees_late() {
    free(Pass::Between, Begin::After);
}

#[test]
fn rounds_free_late() {
    holds("rounds: freed when every hart has let go", Depth::Whole, frees_late);
}

#[test]
fn rounds_in_wrong_orders() {
    let inside = || free(Pass::Inside, Begin::After);
    fails("rounds: passed in a section", RACE, Depth::Whole, inside);
    let before = || free(Pass::Between, Begin::Before);
    fails("rounds: begun before the taking", RACE, Depth::Whole, before);
}
