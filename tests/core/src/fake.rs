// SPDX-License-Identifier: Apache-2.0
//! An imaginary machine: stacks that are numbers in a ledger, doorbells that
//! are flags, timers that are numbers, and one clock that tests move.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use skimmer_core::{ids::HartIndex, machine::Machine, user::UserBytes};
use skimmer_sync::irq::IrqOff;

/// Which stack: never used twice in a world.
pub type StackId = u32;

/// Which of the threads that are blocked at channels are parked ([`Machine::is_parked`]).
/// What a thread finds is in its record, too, so either will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parking {
    /// None.
    Never,
    /// All.
    Always,
    /// As it comes: those with an even number.
    #[default]
    Even,
}

/// How the machine behaves, for all stacks of a ledger.
#[derive(Debug, Default)]
struct Manners {
    parking: Mutex<Parking>,
    /// Of so many passes one fails; none if that is 0.
    fails: AtomicU64,
    passes: AtomicU64,
}

/// Counts stacks made and freed.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<bool>>>, Arc<Manners>);

impl Ledger {
    /// A new stack.
    ///
    /// # Panics
    /// Never, unless a panic is under way.
    #[must_use]
    pub fn stack(&self) -> Stack {
        let mut stacks = self.0.lock().expect("no panic while counting");
        stacks.push(true);
        let id = u32::try_from(stacks.len()).expect("few stacks");
        Stack { id, ledger: self.clone(), is_condemned: AtomicBool::new(false) }
    }

    /// Which threads are parked from now on.
    ///
    /// # Panics
    /// Never, unless a panic is under way.
    pub fn park(&self, parking: Parking) {
        *self.1.parking.lock().expect("no panic while parking") = parking;
    }

    /// One of so many messages cannot be passed from now on, or none of any.
    pub fn fail_passes(&self, one_in: u64) {
        self.1.fails.store(one_in, Ordering::Relaxed);
    }

    /// How often a message was to be passed.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.1.passes.load(Ordering::Relaxed)
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
    is_condemned: AtomicBool,
}

impl Stack {
    /// Whether its thread is to end.
    #[must_use]
    pub fn is_condemned(&self) -> bool {
        self.is_condemned.load(Ordering::Relaxed)
    }

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

/// How long a thread may keep its hart from its equals, in ticks.
pub const SLICE: u64 = 100;

/// One hart's timer.
#[derive(Debug, Default)]
pub struct Timer {
    /// When it fires.
    pub at: Cell<Option<u64>>,
    /// How often it was set.
    pub sets: Cell<u64>,
}

/// The clock of all harts, and everybody's timers.
#[derive(Debug)]
pub struct Clock {
    now: Cell<u64>,
    timers: Box<[Timer]>,
    /// Who sets a timer loses its hart until the timer is due, but for so many
    /// ticks at the most: as round-robin emulation does while others are busy.
    pub theft: Cell<u64>,
}

impl Clock {
    /// A clock for that many harts. It does not begin at 0.
    #[must_use]
    pub fn new(harts: usize) -> Self {
        let timers = (0..harts).map(|_| Timer::default()).collect();
        Self { now: Cell::new(1_000), timers, theft: Cell::new(0) }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now.get()
    }

    /// Lets time pass. No timer fires by itself.
    pub fn advance(&self, ticks: u64) {
        self.now.set(self.now.get() + ticks);
    }

    /// The timer of the hart at place `hart`.
    #[must_use]
    pub fn timer(&self, hart: usize) -> &Timer {
        &self.timers[hart]
    }

    /// Whether the timer of that hart is due: its interrupt is pending.
    #[must_use]
    pub fn is_due(&self, hart: usize) -> bool {
        self.timer(hart).at.get().is_some_and(|at| at <= self.now())
    }

    /// The longest that a slice can be: it is drawn out where time is stolen.
    #[must_use]
    pub fn longest_slice(&self) -> u64 {
        SLICE.max(2 * self.theft.get())
    }

    /// The first moment for which a timer is set.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.timers.iter().filter_map(|timer| timer.at.get()).min()
    }
}

/// The machine under one imaginary hart.
#[derive(Debug)]
pub struct Fake {
    index: usize,
    bells: Rc<Bells>,
    clock: Rc<Clock>,
}

impl Fake {
    /// The machine under the hart at place `index`.
    #[must_use]
    pub const fn new(index: usize, bells: Rc<Bells>, clock: Rc<Clock>) -> Self {
        Self { index, bells, clock }
    }
}

impl Machine for Fake {
    type Context = Stack;
    type Saved = StackId;
    type Space = ();

    fn saved(context: &Stack) -> StackId {
        context.id
    }

    fn is_parked(context: &Stack) -> bool {
        match context.ledger.1.parking.lock().as_deref() {
            Ok(Parking::Always) => true,
            Ok(Parking::Even) => context.id.is_multiple_of(2),
            _ => false,
        }
    }

    fn condemn(context: &Stack) {
        context.is_condemned.store(true, Ordering::Relaxed);
    }

    /// Messages have no bytes here.
    fn pass(_: &IrqOff, _: UserBytes, context: &Stack, _: UserBytes) -> bool {
        let Manners { fails, passes, .. } = &*context.ledger.1;
        let number = passes.fetch_add(1, Ordering::Relaxed) + 1;
        let one_in = fails.load(Ordering::Relaxed);
        one_in == 0 || !number.is_multiple_of(one_in)
    }

    fn give(irq: &IrqOff, from: UserBytes, context: &Stack, to: UserBytes) -> bool {
        Self::pass(irq, from, context, to)
    }

    fn ring_doorbell(&self, hart: HartIndex) {
        self.bells.ring(hart.index());
    }

    fn clear_doorbell(&self) {
        self.bells.of(self.index).felt.set(false);
    }

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn set_timer(&self, deadline: Option<u64>) {
        let timer = self.clock.timer(self.index);
        timer.at.set(deadline);
        timer.sets.set(timer.sets.get() + 1);
        let away = deadline.map_or(0, |at| at.saturating_sub(self.clock.now()));
        self.clock.advance(away.min(self.clock.theft.get()));
    }

    fn time_slice(&self) -> u64 {
        SLICE
    }
}
