// SPDX-License-Identifier: Apache-2.0
//! One imaginary hart: what the machine does with what policy decides, and the
//! laws that hold between steps.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    fmt,
    rc::Rc,
};

use skimmer_abi::{
    inspect::HartInspect,
    trace::{Event, RECORDS, Reason, Record, Ring, Slot},
};
use skimmer_core::{
    hart::Hart,
    ids::{Priority, ThreadId},
    machine::Machine,
    remote::{Lines, hart_at},
    sched::Switch,
    thread::{NewThread, State, Thread, Why},
};
use skimmer_sync::irq::IrqOff;

use crate::{
    fake::{Bells, Clock, Fake, Ledger, StackId},
    ipc::Ipc,
};

thread_local! {
    /// Trace memory of worlds that are gone: harts keep theirs for ever.
    static SPARE: RefCell<Vec<&'static [Slot]>> = const { RefCell::new(Vec::new()) };
}

/// What was seen to happen, to hold the trace against.
#[derive(Debug)]
struct Witness {
    /// Switches that the machine followed and the trace was not yet held
    /// against: to whom, and why.
    switches: VecDeque<(u64, Reason)>,
    /// Who ran after the records that were read.
    running: u64,
    read: u64,
    time: u64,
}

/// One hart, and the stack that its machine is on.
pub struct Cpu {
    hart: RefCell<Hart<Fake>>,
    on: Cell<StackId>,
    switch: RefCell<Option<(Switch<Fake>, Reason)>>,
    /// Critical sections that threads are in, by stack.
    depths: RefCell<HashMap<StackId, u32>>,
    ipc: Cell<Option<&'static Ipc>>,
    is_switch_due: Cell<bool>,
    /// Until when threads sleep.
    deadlines: RefCell<HashMap<ThreadId, u64>>,
    witness: RefCell<Witness>,
    ring: Ring,
    slots: &'static [Slot],
    bells: Rc<Bells>,
    clock: Rc<Clock>,
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

impl Drop for Cpu {
    fn drop(&mut self) {
        let _ = SPARE.try_with(|spare| spare.borrow_mut().push(self.slots));
    }
}

impl Cpu {
    /// The hart at place `index`, which runs its idle thread.
    ///
    /// # Panics
    /// When memory is out.
    #[must_use]
    pub fn new(
        index: usize,
        lines: Lines<Fake>,
        bells: Rc<Bells>,
        clock: Rc<Clock>,
        ledger: Ledger,
    ) -> Self {
        let context = ledger.stack();
        let on = Cell::new(context.id());
        let boot = NewThread { name: "idle", priority: Priority::MAX, family: None, context };
        let inspect: &'static HartInspect = Box::leak(Box::default());
        let slots = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            Vec::leak((0..RECORDS).map(|_| Slot::default()).collect::<Vec<_>>())
        });
        let ring = Ring::new(&inspect.trace_count, slots);
        let machine = Fake::new(index, bells.clone(), clock.clone());
        let hart = Hart::new(hart_at(index), machine, inspect, ring, lines, boot).expect("memory");
        let running = hart.current().to_word();
        let witness = Witness { switches: VecDeque::new(), running, read: 0, time: clock.now() };
        Self {
            hart: RefCell::new(hart),
            on,
            switch: RefCell::default(),
            depths: RefCell::default(),
            ipc: Cell::new(None),
            is_switch_due: Cell::new(false),
            deadlines: RefCell::default(),
            witness: RefCell::new(witness),
            ring,
            slots,
            bells,
            clock,
            ledger,
        }
    }

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

    /// The time.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The channels at which threads wait.
    #[must_use]
    pub fn ipc(&self) -> Option<&'static Ipc> {
        self.ipc.get()
    }

    /// From now on threads wait at those channels.
    pub fn set_ipc(&self, ipc: &'static Ipc) {
        self.ipc.set(Some(ipc));
    }

    /// The trace of the hart, oldest first.
    #[must_use]
    pub fn trace(&self) -> Vec<Record> {
        self.ring.records().collect()
    }

    /// The thread is about to sleep.
    pub fn will_sleep(&self, id: ThreadId, deadline: u64) {
        self.deadlines.borrow_mut().insert(id, deadline);
    }

    /// The thread goes on after it slept.
    ///
    /// # Panics
    /// If it is too early.
    pub fn has_slept(&self, id: ThreadId) {
        let deadline = self.deadlines.borrow_mut().remove(&id);
        assert!(deadline.is_some_and(|at| at <= self.now()), "{id} was woken too early");
    }

    /// How many critical sections the current thread is in.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depths.borrow().get(&self.on()).copied().unwrap_or(0)
    }

    /// The current thread enters a critical section.
    pub fn enter_critical(&self) {
        *self.depths.borrow_mut().entry(self.on()).or_default() += 1;
    }

    /// The current thread leaves a critical section. At the end of the last
    /// one it may have to give up the hart.
    ///
    /// # Panics
    /// If it is in none.
    #[must_use]
    pub fn leave_critical(&self) -> Option<Switch<Fake>> {
        let depth = self.depth().checked_sub(1).expect("it is in one");
        self.depths.borrow_mut().insert(self.on(), depth);
        if depth > 0 {
            return None;
        }
        self.depths.borrow_mut().remove(&self.on());
        if !self.is_switch_due.take() {
            return None;
        }
        self.enter(|hart, irq| hart.preempt(irq).or_else(|| hart.rotate(irq)))
    }

    /// What the current thread chose, to be followed when its step is over.
    pub(crate) fn choose(&self, switch: Switch<Fake>, reason: Reason) {
        let earlier = self.switch.replace(Some((switch, reason)));
        assert!(earlier.is_none(), "a thread that has given up the hart went on");
    }

    pub(crate) fn take_choice(&self) -> Option<(Switch<Fake>, Reason)> {
        self.switch.take()
    }

    /// Does what the machine does with a switch, and checks that it can.
    ///
    /// # Panics
    /// When it cannot.
    pub fn follow(&self, switch: Switch<Fake>, reason: Reason) {
        let (from, to) = switch.into_parts();
        let (id, now) = self.enter(|hart, _| {
            let id = hart.current();
            (id, hart.thread(id).map(|t| t.context().id()))
        });
        assert_eq!(from, self.on(), "the stack that is left is the one the hart is on");
        assert_eq!(Some(to), now, "the stack that is entered is the current thread's");
        assert_ne!(from, to, "the running thread stood in the run queue");
        assert!(self.ledger.is_live(from), "the old thread's stack is still written");
        assert!(self.ledger.is_live(to), "the new thread has a stack");
        self.on.set(to);
        self.witness.borrow_mut().switches.push_back((id.to_word(), reason));
    }

    /// Lets a more urgent thread have the hart, as the end of every irq-off
    /// section does; unless the current one is in a critical section.
    pub fn preempt(&self) {
        if self.depth() > 0 {
            return self.defer();
        }
        if let Some(switch) = self.enter(|hart, irq| hart.preempt(irq)) {
            self.follow(switch, Reason::Preempted);
        }
    }

    /// An interrupt: the handler, and what follows when it returns.
    ///
    /// # Panics
    /// If a law is broken.
    pub fn trap(&self, handler: impl FnOnce(&mut Hart<Fake>, &IrqOff)) {
        self.enter(handler);
        if self.depth() > 0 {
            self.defer();
        } else if let Some(switch) = self.enter(|hart, irq| hart.rotate(irq)) {
            self.follow(switch, Reason::Preempted);
        } else {
            self.preempt();
        }
        self.check();
    }

    /// A doorbell that nobody rang: firmware is free to do that.
    pub fn poll(&self) {
        self.trap(|hart, irq| hart.answer_doorbell(irq));
    }

    fn defer(&self) {
        if self.enter(|hart, _| hart.wants_preemption() || hart.is_slice_over()) {
            self.is_switch_due.set(true);
        }
    }

    /// What holds between steps.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        {
            let hart = self.hart.borrow();
            let runs = |(id, t): (_, &Thread<Fake>)| (t.state() == State::Running).then_some(id);
            let running: Vec<ThreadId> = hart.threads().filter_map(runs).collect();
            assert_eq!(running, [hart.current()], "one thread runs: the current one");
            let current = hart.thread(hart.current()).map(|t| Fake::saved(t.context()));
            assert_eq!(current, Some(self.on()), "the current thread runs on its own stack");
            let bell = self.bells.of(hart.index().index());
            let told = bell.flying.get() || bell.felt.get();
            assert!(!hart.has_mail() || told, "hart {} has mail and was not rung", hart.index());
            // Whoever wants a preemption is about to look at all this.
            if !hart.wants_preemption() {
                self.check_urgency(&hart);
            }
        }
        if self.ring.count() - self.witness.borrow().read > RECORDS as u64 / 2 {
            self.audit();
        }
    }

    /// Strict priority; and the timer is set to what comes first, or to
    /// nothing.
    fn check_urgency(&self, hart: &Hart<Fake>) {
        let Some(priority) = hart.thread(hart.current()).map(Thread::priority) else { return };
        let ready = hart.threads().filter(|(_, t)| t.state() == State::Ready);
        let highest = ready.map(|(_, t)| t.priority()).max();
        assert!(highest <= Some(priority), "someone more urgent than {hart:?} is ready");
        if hart.is_slice_over() {
            return;
        }
        let deadlines = self.deadlines.borrow();
        let asleep = hart.threads().filter(|(_, t)| t.state() == State::Blocked(Why::Sleep));
        let first = asleep.map(|(id, _)| deadlines[&id]).min();
        let timer = self.clock.timer(hart.index().index()).at.get();
        if highest == Some(priority) {
            let at = timer.expect("equals wait, and the timer is not set");
            let end = self.now() + self.clock.longest_slice();
            assert!(at <= end, "the timer is set to {at}, the slice ends by {end}");
            assert!(first.is_none_or(|first| at <= first), "{at} is after a deadline, {first:?}");
        } else {
            let is_in_time = first.is_none_or(|first| timer.is_some_and(|at| at <= first));
            assert!(is_in_time, "the timer is set to {timer:?}, a deadline is {first:?}");
            // Who waits at a channel may have had a timeout, or have one: its tests look
            // at that.
            if self.ipc.get().is_some() {
                return;
            }
            // What was set for a slice that is no longer needed fires once.
            let is_due = timer.is_none_or(|at| {
                Some(at) == first || at <= self.now() + self.clock.longest_slice()
            });
            assert!(is_due, "the timer is set to {timer:?}, and nothing is due before {first:?}");
        }
    }

    /// Holds the trace against what the machine did: it says who ran, when
    /// that changed, and why.
    ///
    /// # Panics
    /// When it does not.
    pub fn audit(&self) {
        let witness = &mut *self.witness.borrow_mut();
        let (count, now) = (self.ring.count(), self.now());
        let new = usize::try_from(count - witness.read).expect("few records");
        assert!(new <= RECORDS, "{new} records were written before anybody looked");
        witness.read = count;
        let old = self.ring.records().count() - new;
        for record in self.ring.records().skip(old) {
            assert!((witness.time..=now).contains(&record.time), "{record:?} out of its time");
            assert_eq!(record.thread, witness.running, "{record:?} names who did not run");
            witness.time = record.time;
            if Event::from_number(record.event) == Some(Event::Switch) {
                let followed = witness.switches.pop_front().map(|(to, why)| (to, why as u32));
                // Who hands the hart over has blocked.
                let is_handed = record.a == Reason::Handed as u32;
                let why = if is_handed { Reason::Blocked as u32 } else { record.a };
                assert_eq!(Some((record.b, why)), followed, "{record:?} is not what was done");
                witness.running = record.b;
            }
        }
        assert!(witness.switches.is_empty(), "no record of {:?}", witness.switches);
    }

    /// Whether a thread runs or could run, but for the idle one.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let hart = self.hart.borrow();
        let ready = hart.threads().any(|(_, t)| t.state() == State::Ready && t.name() != "idle");
        ready || hart.thread(hart.current()).is_some_and(|t| t.name() != "idle")
    }

    /// Whether it has anything to do now.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let hart = self.hart.borrow();
        let index = hart.index().index();
        let bell = self.bells.of(index);
        let ready = hart.threads().any(|(_, t)| t.state() == State::Ready);
        let runs = hart.thread(hart.current()).is_some_and(|t| t.name() != "idle");
        let felt = bell.flying.get() || bell.felt.get() || self.clock.is_due(index);
        ready || runs || hart.has_mail() || felt
    }
}
