// SPDX-License-Identifier: Apache-2.0
//! Imaginary harts, wired together, stepped one irq-off section at a time in
//! an order that a seed chooses. The laws are checked after every step.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use skimmer_abi::trace::Reason;
use skimmer_core::{
    ids::{Priority, ThreadId},
    remote::wire,
    thread::{NewThread, State},
};

use crate::{
    cpu::Cpu,
    fake::{Bells, Clock, Fake, Ledger, SLICE, StackId},
    ipc::Ipc,
    script::{self, Me},
    seed::Seed,
};

/// What a thread does, while it is its hart's current thread.
type Body = Pin<Box<dyn Future<Output = ()>>>;

/// More stirring than any test needs.
const PATIENCE: usize = 100_000;

/// Where service threads run: above everybody that the tests make.
pub const SERVICE: Priority = Priority::new(250);

/// Some harts.
pub struct World {
    cpus: Vec<Rc<Cpu>>,
    bodies: RefCell<HashMap<StackId, Body>>,
    services: Vec<StackId>,
    /// The doorbells.
    pub bells: Rc<Bells>,
    /// The time.
    pub clock: Rc<Clock>,
    /// The stacks.
    pub ledger: Ledger,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.cpus).finish()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What a failed test leaves half-done must not panic again.
            std::mem::forget(self.bodies.take());
        }
    }
}

impl World {
    /// A machine of that many harts, each with an idle and a service thread.
    ///
    /// # Panics
    /// When memory is out.
    #[must_use]
    pub fn new(harts: usize) -> Self {
        let mut world = Self::bare(harts);
        for hart in 0..harts {
            let id = world.spawn(hart, "service", SERVICE.level(), script::serve);
            world.cpu(hart).enter(|hart, _| hart.set_service(id));
            let stack = world.cpu(hart).enter(|hart, _| hart.thread(id).map(|t| t.context().id()));
            world.services.extend(stack);
        }
        world.settle(&mut Seed::new(0));
        world
    }

    /// Channels for the threads of this world.
    #[must_use]
    pub fn ipc(&self) -> &'static Ipc {
        let ipc = Ipc::new(self.harts());
        self.cpus.iter().for_each(|cpu| cpu.set_ipc(ipc));
        ipc
    }

    /// A machine of that many harts with nothing but idle threads.
    ///
    /// # Panics
    /// When memory is out.
    #[must_use]
    pub fn bare(harts: usize) -> Self {
        let ledger = Ledger::default();
        let (bells, clock) = (Rc::new(Bells::new(harts)), Rc::new(Clock::new(harts)));
        let lines = wire::<Fake>(harts).expect("memory");
        let cpus = lines.into_iter().enumerate().map(|(index, lines)| {
            Rc::new(Cpu::new(index, lines, bells.clone(), clock.clone(), ledger.clone()))
        });
        let cpus = cpus.collect();
        Self { cpus, bodies: RefCell::default(), services: Vec::new(), bells, clock, ledger }
    }

    /// The hart at place `hart`.
    #[must_use]
    pub fn cpu(&self, hart: usize) -> &Rc<Cpu> {
        &self.cpus[hart]
    }

    /// How many harts there are.
    #[must_use]
    pub const fn harts(&self) -> usize {
        self.cpus.len()
    }

    /// A thread that has no home yet but will have it on `hart`.
    pub fn prepare<F: Future<Output = ()> + 'static>(
        &self,
        hart: usize,
        name: &'static str,
        level: u8,
        body: impl FnOnce(Me) -> F,
    ) -> NewThread<Fake> {
        let context = self.ledger.stack();
        let body = Box::pin(body(Me::new(self.cpu(hart).clone())));
        self.bodies.borrow_mut().insert(context.id(), body);
        NewThread { name, priority: Priority::new(level), family: None, context }
    }

    /// A thread on `hart`, scheduled.
    ///
    /// # Panics
    /// When memory is out.
    pub fn spawn<F: Future<Output = ()> + 'static>(
        &self,
        hart: usize,
        name: &'static str,
        level: u8,
        body: impl FnOnce(Me) -> F,
    ) -> ThreadId {
        let new = self.prepare(hart, name, level, body);
        self.cpu(hart).enter(|hart, irq| {
            let id = hart.adopt(new).expect("memory");
            hart.schedule(irq, id).expect("it is at home");
            id
        })
    }

    /// Schedules a thread as a handler on its home hart would.
    ///
    /// # Panics
    /// Never: that thread is at home.
    pub fn wake(&self, id: ThreadId) {
        self.cpu(id.home().index()).enter(|hart, irq| {
            hart.schedule(irq, id).expect("it is at home");
        });
    }

    /// The state of a thread, None once it is buried.
    #[must_use]
    pub fn state(&self, id: ThreadId) -> Option<State> {
        self.cpu(id.home().index()).enter(|hart, _| hart.thread(id).map(|t| t.state()))
    }

    /// Runs the current thread of `hart` up to the end of its next irq-off
    /// section; an idle hart looks for work.
    pub fn step(&self, hart: usize) {
        let cpu = self.cpu(hart);
        let stack = cpu.on();
        let body = self.bodies.borrow_mut().remove(&stack);
        let switch = match body {
            None => cpu.enter(|hart, irq| hart.yield_now(irq)).map(|s| (s, Reason::Yielded)),
            Some(mut body) => match body.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(()) => {
                    drop(body);
                    Some((cpu.enter(|hart, irq| hart.exit(irq).switch(irq)), Reason::Exited))
                }
                Poll::Pending => {
                    self.bodies.borrow_mut().insert(stack, body);
                    cpu.take_choice()
                }
            },
        };
        match switch {
            Some((switch, reason)) => cpu.follow(switch, reason),
            None => cpu.preempt(),
        }
        // All of them: what this hart did may have lost another's doorbell.
        self.cpus.iter().for_each(|cpu| cpu.check());
    }

    /// Lets a doorbell that is on its way to `hart` land.
    pub fn land(&self, hart: usize) {
        let bell = self.bells.of(hart);
        if bell.flying.take() {
            bell.felt.set(true);
        }
    }

    /// Whether a doorbell is on its way to `hart`, or has landed.
    #[must_use]
    pub fn is_rung(&self, hart: usize) -> bool {
        let bell = self.bells.of(hart);
        bell.flying.get() || bell.felt.get()
    }

    /// The doorbell interrupt, if it is pending.
    ///
    /// # Panics
    /// If the handler leaves it pending: it would be taken again for ever.
    pub fn interrupt(&self, hart: usize) {
        let bell = self.bells.of(hart);
        if bell.felt.get() {
            self.cpu(hart).trap(|hart, irq| hart.answer_doorbell(irq));
            assert!(!bell.felt.get(), "the handler left hart {hart}'s doorbell ringing");
        }
    }

    /// The timer interrupt, if it is pending.
    ///
    /// # Panics
    /// If the handler leaves it pending: it would be taken again for ever.
    pub fn expire(&self, hart: usize) {
        if self.clock.is_due(hart) {
            self.cpu(hart).trap(|hart, irq| hart.timer_fired(irq));
            assert!(!self.clock.is_due(hart), "the handler left hart {hart}'s timer due");
        }
    }

    /// Lets time pass, and the timer interrupt of `hart` come if it is due.
    pub fn pass(&self, hart: usize, ticks: u64) {
        self.clock.advance(ticks);
        self.expire(hart);
    }

    /// Some steps of one hart, deaf to its interrupts or not: one at a time, or
    /// so many that the rings from and to it run full.
    pub fn stir(&self, seed: &mut Seed, harts: &[usize]) {
        let (hart, deaf) = (*seed.pick(harts), seed.one_in(2));
        for _ in 0..1usize << seed.below(8) {
            match seed.below(32) {
                0 if !deaf => self.cpu(hart).poll(),
                1..8 => self.land(hart),
                8..15 if !deaf => self.interrupt(hart),
                15 => self.clock.advance(seed.bits() % SLICE),
                16 | 17 if !deaf => self.expire(hart),
                _ => self.step(hart),
            }
        }
    }

    /// Runs until no hart has anything to do.
    ///
    /// # Panics
    /// If that does not come.
    pub fn settle(&self, seed: &mut Seed) {
        let all: Vec<usize> = (0..self.harts()).collect();
        self.settle_some(seed, &all);
    }

    /// Runs `harts` until none of them has anything to do; the others stand
    /// still.
    ///
    /// # Panics
    /// If that does not come.
    pub fn settle_some(&self, seed: &mut Seed, harts: &[usize]) {
        for _ in 0..PATIENCE {
            if !harts.iter().any(|&hart| self.cpu(hart).is_busy()) {
                return harts.iter().for_each(|&hart| self.cpu(hart).audit());
            }
            self.stir(seed, harts);
        }
        panic!("still busy after {PATIENCE} turns: {self:?}");
    }

    /// Runs until every thread has exited and is buried, and time passes for
    /// those who sleep.
    ///
    /// # Panics
    /// If one does not: it was left blocked.
    pub fn finish(&self, seed: &mut Seed) {
        self.settle(seed);
        while let Some(next) = self.clock.next() {
            self.clock.advance(next.saturating_sub(self.clock.now()));
            self.settle(seed);
        }
        let harts = self.cpus.iter();
        let left: Vec<String> = harts
            .flat_map(|cpu| cpu.enter(|hart, _| hart.threads().map(describe).collect::<Vec<_>>()))
            .filter(|thread| !thread.contains(" idle ") && !thread.contains(" service "))
            .collect();
        assert!(left.is_empty(), "left over: {left:#?}");
        assert_eq!(self.bodies.borrow().len(), self.services.len(), "left over");
    }
}

fn describe((id, thread): (ThreadId, &skimmer_core::thread::Thread<Fake>)) -> String {
    format!("{id} {thread:?}")
}
