// SPDX-License-Identifier: Apache-2.0
//! Imaginary harts, wired together, stepped one irq-off section at a time in
//! an order that a seed chooses. The laws are checked after every step.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use skimmer_abi::inspect::HartInspect;
use skimmer_core::{
    hart::{Hart, Switch},
    ids::{Priority, ThreadId},
    machine::Machine,
    remote::{hart_at, wire},
    thread::{NewThread, State},
};
use skimmer_sync::irq::IrqOff;

use crate::{
    fake::{Bells, Fake, Ledger, StackId},
    script::{self, Me},
    seed::Seed,
};

/// What a thread does, while it is its hart's current thread.
type Body = Pin<Box<dyn Future<Output = ()>>>;

/// More stirring than any test needs.
const PATIENCE: usize = 100_000;

/// Where service threads run: above everybody that the tests make.
pub const SERVICE: Priority = Priority::new(250);

/// One hart, and the stack that its machine is on.
pub struct Cpu {
    hart: RefCell<Hart<Fake>>,
    on: Cell<StackId>,
    switch: RefCell<Option<Switch<Fake>>>,
    bells: Rc<Bells>,
    ledger: Ledger,
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hart.try_borrow() {
            Ok(hart) => write!(f, "{hart:?} on stack {}", self.on()),
            Err(_) => write!(f, "a hart on stack {}", self.on()),
        }
    }
}

impl Cpu {
    /// An irq-off section on this hart.
    pub fn enter<R>(&self, work: impl FnOnce(&mut Hart<Fake>, &IrqOff) -> R) -> R {
        let mut hart = self.hart.borrow_mut();
        // SAFETY: while `hart` is borrowed nothing else acts for it: there is
        // one OS thread, and the token does not outlive the borrow.
        let irq = unsafe { IrqOff::assume(hart.index()) };
        work(&mut hart, &irq)
    }

    /// The stack that the machine is on.
    #[must_use]
    pub const fn on(&self) -> StackId {
        self.on.get()
    }

    /// What the current thread chose, to be followed when its step is over.
    pub(crate) fn choose(&self, switch: Switch<Fake>) {
        let earlier = self.switch.replace(Some(switch));
        assert!(earlier.is_none(), "a thread that has given up the hart went on");
    }

    /// Does what the machine does with a switch, and checks that it can.
    ///
    /// # Panics
    /// When it cannot.
    pub fn follow(&self, switch: Switch<Fake>) {
        let (from, to) = switch.into_parts();
        let now = self.enter(|hart, _| hart.thread(hart.current()).map(|t| t.context().id()));
        assert_eq!(from, self.on(), "the stack that is left is the one the hart is on");
        assert_eq!(Some(to), now, "the stack that is entered is the current thread's");
        assert_ne!(from, to, "the running thread stood in the run queue");
        assert!(self.ledger.is_live(from), "the old thread's stack is still written");
        assert!(self.ledger.is_live(to), "the new thread has a stack");
        self.on.set(to);
    }

    /// Lets a more urgent thread have the hart, as the end of a critical
    /// section and the return from an interrupt do.
    pub fn preempt(&self) {
        if let Some(switch) = self.enter(|hart, irq| hart.preempt(irq)) {
            self.follow(switch);
        }
    }

    /// Looks for mail without having been rung.
    pub fn poll(&self) {
        self.enter(|hart, irq| hart.poll_mail(irq));
        self.preempt();
        self.check();
    }

    /// The doorbell interrupt.
    fn answer(&self) {
        self.enter(|hart, irq| hart.answer_doorbell(irq));
        self.preempt();
        self.check();
    }

    /// What holds between steps.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let hart = self.hart.borrow();
        let running: Vec<ThreadId> =
            hart.threads().filter(|(_, t)| t.state() == State::Running).map(|(id, _)| id).collect();
        assert_eq!(running, [hart.current()], "one thread runs: the current one");
        let current = hart.thread(hart.current()).map(|t| Fake::saved(t.context()));
        assert_eq!(current, Some(self.on()), "the current thread runs on its own stack");
        let bell = self.bells.of(hart.index().index());
        let told = bell.flying.get() || bell.felt.get();
        assert!(!hart.has_mail() || told, "hart {} has mail and was not rung", hart.index());
    }

    fn is_busy(&self) -> bool {
        let hart = self.hart.borrow();
        let bell = self.bells.of(hart.index().index());
        let ready = hart.threads().any(|(_, t)| t.state() == State::Ready);
        let runs = hart.thread(hart.current()).is_some_and(|t| t.name() != "idle");
        ready || runs || hart.has_mail() || bell.flying.get() || bell.felt.get()
    }
}

/// Some harts.
pub struct World {
    cpus: Vec<Rc<Cpu>>,
    bodies: RefCell<HashMap<StackId, Body>>,
    services: Vec<StackId>,
    /// The doorbells.
    pub bells: Rc<Bells>,
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

    /// A machine of that many harts with nothing but idle threads.
    ///
    /// # Panics
    /// When memory is out.
    #[must_use]
    pub fn bare(harts: usize) -> Self {
        let ledger = Ledger::default();
        let bells = Rc::new(Bells::new(harts));
        let lines = wire::<Fake>(harts).expect("memory");
        let cpus = lines.into_iter().enumerate().map(|(index, lines)| {
            let context = ledger.stack();
            let on = Cell::new(context.id());
            let boot = NewThread { name: "idle", priority: Priority::MAX, context };
            let inspect = Box::leak(Box::new(HartInspect::default()));
            let machine = Fake::new(index, bells.clone());
            let hart = Hart::new(hart_at(index), machine, inspect, lines, boot).expect("memory");
            let (hart, switch) = (RefCell::new(hart), RefCell::new(None));
            Rc::new(Cpu { hart, on, switch, bells: bells.clone(), ledger: ledger.clone() })
        });
        let cpus = cpus.collect();
        Self { cpus, bodies: RefCell::default(), services: Vec::new(), bells, ledger }
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
        NewThread { name, priority: Priority::new(level), context }
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
            None => cpu.enter(|hart, irq| hart.yield_now(irq)),
            Some(mut body) => match body.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(()) => {
                    drop(body);
                    Some(cpu.enter(|hart, irq| hart.exit(irq).switch(irq)))
                }
                Poll::Pending => {
                    self.bodies.borrow_mut().insert(stack, body);
                    cpu.switch.take()
                }
            },
        };
        match switch {
            Some(switch) => cpu.follow(switch),
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

    /// The doorbell interrupt, if it is pending.
    ///
    /// # Panics
    /// If the handler leaves it pending: it would be taken again for ever.
    pub fn interrupt(&self, hart: usize) {
        let bell = self.bells.of(hart);
        if bell.felt.get() {
            self.cpu(hart).answer();
            assert!(!bell.felt.get(), "the handler left hart {hart}'s doorbell ringing");
        }
    }

    /// Some steps of one hart, deaf to its doorbell or not: one at a time, or
    /// so many that the rings from and to it run full.
    pub fn stir(&self, seed: &mut Seed, harts: &[usize]) {
        let (hart, deaf) = (*seed.pick(harts), seed.one_in(2));
        for _ in 0..1usize << seed.below(8) {
            match seed.below(32) {
                0 if !deaf => self.cpu(hart).poll(),
                1..8 => self.land(hart),
                8..16 if !deaf => self.interrupt(hart),
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
                return;
            }
            self.stir(seed, harts);
        }
        panic!("still busy after {PATIENCE} turns: {self:?}");
    }

    /// Runs until every thread has exited and is buried.
    ///
    /// # Panics
    /// If one does not: it was left blocked.
    pub fn finish(&self, seed: &mut Seed) {
        self.settle(seed);
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
