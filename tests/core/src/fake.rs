// SPDX-License-Identifier: Apache-2.0
//! An imaginary machine: stacks that are numbers in a ledger, and doorbells
//! that are flags.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, Mutex},
};

use skimmer_core::{ids::HartIndex, machine::Machine};

/// Which stack: never used twice in a world.
pub type StackId = u32;

/// Counts stacks made and freed.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<bool>>>);

impl Ledger {
    /// A new stack.
    ///
    /// # Panics
    /// Never, unless a panic is under way.
    #[must_use]
    pub fn stack(&self) -> Stack {
        let mut stacks = self.0.lock().expect("no panic while counting");
        stacks.push(true);
        Stack { id: u32::try_from(stacks.len()).expect("few stacks"), ledger: self.clone() }
    }

    /// How many stacks have not been freed.
    #[must_use]
    pub fn live(&self) -> usize {
        self.0.lock().map_or(0, |stacks| stacks.iter().filter(|&&live| live).count())
    }

    /// Whether that stack has not been freed.
    #[must_use]
    pub fn is_live(&self, id: StackId) -> bool {
        self.0.lock().is_ok_and(|stacks| stacks.get(id as usize - 1) == Some(&true))
    }
}

/// A stack. Dropping it frees it, in the ledger.
#[derive(Debug)]
pub struct Stack {
    id: StackId,
    ledger: Ledger,
}

impl Stack {
    /// Which one.
    #[must_use]
    pub const fn id(&self) -> StackId {
        self.id
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Ok(mut stacks) = self.ledger.0.lock() {
            let was_live = std::mem::replace(&mut stacks[self.id as usize - 1], false);
            assert!(was_live, "stack {} was freed twice", self.id);
        }
    }
}

/// One hart's doorbell. Ringing takes time: a doorbell is on its way until it
/// lands, and felt from then until it is cleared.
#[derive(Debug, Default)]
pub struct Bell {
    /// Rung, and not landed.
    pub flying: Cell<bool>,
    /// Landed, and not cleared: the interrupt is pending.
    pub felt: Cell<bool>,
    /// How often it was rung.
    pub rings: Cell<u64>,
}

/// Everybody's doorbells, and what is broken about them on purpose.
#[derive(Debug)]
pub struct Bells {
    bells: Box<[Bell]>,
    /// A fault to inject: the ring with that number, counted from 0 over all
    /// harts, is lost.
    pub lose: Cell<Option<u64>>,
    total: Cell<u64>,
}

impl Bells {
    /// Doorbells of that many harts.
    #[must_use]
    pub fn new(harts: usize) -> Self {
        let bells = (0..harts).map(|_| Bell::default()).collect();
        Self { bells, lose: Cell::new(None), total: Cell::new(0) }
    }

    /// The doorbell of the hart at place `hart`.
    #[must_use]
    pub fn of(&self, hart: usize) -> &Bell {
        &self.bells[hart]
    }

    fn ring(&self, hart: usize) {
        let number = self.total.replace(self.total.get() + 1);
        let bell = self.of(hart);
        bell.rings.set(bell.rings.get() + 1);
        if self.lose.get() != Some(number) {
            bell.flying.set(true);
        }
    }
}

/// The machine under one imaginary hart.
#[derive(Debug)]
pub struct Fake {
    index: usize,
    bells: Rc<Bells>,
}

impl Fake {
    /// The machine under the hart at place `index`.
    #[must_use]
    pub const fn new(index: usize, bells: Rc<Bells>) -> Self {
        Self { index, bells }
    }
}

impl Machine for Fake {
    type Context = Stack;
    type Saved = StackId;

    fn saved(context: &Stack) -> StackId {
        context.id
    }

    fn ring_doorbell(&self, hart: HartIndex) {
        self.bells.ring(hart.index());
    }

    fn clear_doorbell(&self) {
        self.bells.of(self.index).felt.set(false);
    }
}
