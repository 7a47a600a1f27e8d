// SPDX-License-Identifier: Apache-2.0
//! A whole hart in a model: the kernel's own policy (`skimmer-core`), driven
//! as the kernel drives it. It has one thread and the idle thread. The calls
//! below are made by the thread; what the hart does while the thread is
//! blocked happens inside of them.

use std::{
    cell::Cell,
    mem::ManuallyDrop,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use skimmer_abi::{inspect::HartInspect, trace::Ring};
use skimmer_core::{
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    machine::Machine,
    message::{InFlight, Message, Received, Replied},
    port::{Full, MsgPort, Wait},
    remote::{Lines, wire},
    sched::Switch,
    thread::{NewThread, State, Why},
    thread_port::ThreadPort,
    user::UserBytes,
};
use skimmer_sync::irq::IrqOff;

use crate::target::{Bell, Fences};

type Port = ThreadPort<Model>;

/// Whose stack it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Idle,
    Thread,
}

/// How often threads blocked, by what they waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Blocks {
    pub(crate) stopped: u64,
    pub(crate) receive: u64,
    pub(crate) reply: u64,
    pub(crate) space: u64,
    pub(crate) channel: u64,
}

thread_local! {
    /// In all executions that this thread of the test harness explored.
    static BLOCKS: Cell<Blocks> = const {
        Cell::new(Blocks { stopped: 0, receive: 0, reply: 0, space: 0, channel: 0 })
    };
}

impl Blocks {
    /// What was counted since the last call.
    pub(crate) fn take() -> Self {
        BLOCKS.take()
    }

    fn count(why: Why) {
        let mut blocks = BLOCKS.get();
        match why {
            Why::Stopped => blocks.stopped += 1,
            Why::Receive => blocks.receive += 1,
            Why::Reply(_) => blocks.reply += 1,
            Why::Space(_) => blocks.space += 1,
            Why::Channel => blocks.channel += 1,
            Why::Sleep => unreachable!("there is no time in these models"),
            Why::Interrupt => unreachable!("there are no devices in these models"),
        }
        BLOCKS.set(blocks);
    }
}

/// What a hart's machine does. All but [`Manners::RIGHT`] must fail.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    pub(crate) fences: Fences,
    /// The doorbell is cleared when it is answered, not before.
    pub(crate) clears_late: bool,
    /// Interrupts are open between block and switch.
    pub(crate) open_before_switch: bool,
}

impl Manners {
    pub(crate) const RIGHT: Self =
        Self { fences: Fences::ALL, clears_late: false, open_before_switch: false };
}

/// Where a thread looks before it stops.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    /// In the section that stops it.
    Masked,
    /// In a section before that.
    Before,
}

/// The machine under one hart.
pub(crate) struct Model {
    index: HartIndex,
    bells: Arc<[Bell]>,
    clears_late: bool,
}

impl Machine for Model {
    type Context = Stack;
    type Saved = Stack;
    type Space = ();

    fn saved(context: &Stack) -> Stack {
        *context
    }

    fn condemn(_: &Stack) {
        unreachable!("no model runs programs");
    }

    /// Messages have no bytes here.
    fn pass(_: &IrqOff, _: UserBytes, _: &Stack, _: UserBytes) -> bool {
        true
    }

    fn give(_: &IrqOff, _: UserBytes, _: &Stack, _: UserBytes) -> bool {
        true
    }

    fn ring_doorbell(&self, hart: HartIndex) {
        self.bells[hart.index()].ring();
    }

    fn clear_doorbell(&self) {
        if !self.clears_late {
            self.bells[self.index.index()].clear();
        }
    }

    fn now(&self) -> u64 {
        0
    }

    fn set_timer(&self, _: Option<u64>) {}

    fn time_slice(&self) -> u64 {
        1
    }
}

/// A hart on which its thread runs.
pub(crate) struct Cpu {
    hart: Hart<Model>,
    thread: ThreadId,
    on: Stack,
    bells: Arc<[Bell]>,
    manners: Manners,
}

/// What a section decides: the stacks to change, and whether to change them.
pub(crate) type Choice = Option<Switch<Model>>;

impl Cpu {
    /// Some harts, wired together.
    pub(crate) fn some<const N: usize>(manners: Manners) -> [Self; N] {
        let bells: Arc<[Bell]> = (0..N).map(|_| Bell::new(manners.fences)).collect();
        let mut lines = wire(N).expect("memory").into_iter();
        core::array::from_fn(|index| {
            let lines = lines.next().expect("each hart has its lines");
            let index = HartIndex::new(index.try_into().expect("few harts"));
            Self::new(index, lines, Arc::clone(&bells), manners)
        })
    }

    fn new(index: HartIndex, lines: Lines<Model>, bells: Arc<[Bell]>, manners: Manners) -> Self {
        let machine = Model { index, bells: Arc::clone(&bells), clears_late: manners.clears_late };
        // No part of any protocol, so not watched by loom; and no trace is kept.
        let inspect: &'static HartInspect = Box::leak(Box::default());
        let trace = Ring::new(&inspect.trace_count, &[]);
        let new =
            |name, context| NewThread { name, priority: Priority::new(1), family: None, context };
        let idle = new("idle", Stack::Idle);
        let hart = Hart::new(index, machine, inspect, trace, lines, idle).expect("memory");
        let (on, thread) = (Stack::Idle, hart.current());
        let mut cpu = Self { hart, thread, on, bells, manners };
        cpu.thread = cpu.masked(|hart, irq| {
            let thread = hart.adopt(new("thread", Stack::Thread)).expect("memory");
            hart.schedule(irq, thread).expect("it is at home");
            (thread, None)
        });
        cpu
    }

    /// The thread. It is the current one to begin with.
    pub(crate) const fn thread(&self) -> ThreadId {
        self.thread
    }

    /// An irq-off section of the thread, as the kernel's `cpu::enter`; then
    /// whatever comes before the thread goes on.
    pub(crate) fn enter<R>(
        &mut self,
        work: impl FnOnce(&mut Hart<Model>, &IrqOff) -> (R, Choice),
    ) -> R {
        let result = self.masked(work);
        self.open();
        while self.on == Stack::Idle {
            self.idle_turn();
        }
        result
    }

    fn masked<R>(&mut self, work: impl FnOnce(&mut Hart<Model>, &IrqOff) -> (R, Choice)) -> R {
        // SAFETY: nothing acts for this hart but the model's hart that holds
        // `self`, and it takes an interrupt only where it asks for one (`open`).
        let irq = unsafe { IrqOff::assume(self.hart.index()) };
        let (result, switch) = work(&mut self.hart, &irq);
        if let Some(switch) = switch.or_else(|| self.hart.preempt(&irq)) {
            self.follow(switch);
        }
        result
    }

    fn follow(&mut self, switch: Switch<Model>) {
        let (from, to) = switch.into_parts();
        assert!(from == self.on, "the stack that is left is the one the hart is on");
        assert!(from != to, "the running thread stood in the run queue");
        self.on = to;
        if let Some(State::Blocked(why)) = self.hart.thread(self.thread).map(|t| t.state()) {
            Blocks::count(why);
        }
    }

    /// Interrupts are open: the doorbell is answered if it is up.
    fn open(&mut self) {
        let bell = self.hart.index().index();
        if !self.bells[bell].is_rung() {
            return;
        }
        self.masked(|hart, irq| (hart.answer_doorbell(irq), None));
        if self.manners.clears_late {
            self.bells[bell].clear();
        }
    }

    /// The kernel's `idle_turn`: look and sleep in one section.
    fn idle_turn(&mut self) {
        let bells = Arc::clone(&self.bells);
        self.masked(|hart, _| {
            if !hart.wants_preemption() {
                bells[hart.index().index()].wfi();
            }
            ((), None)
        });
        self.open();
    }

    /// Stops the thread until `seen`, which is looked at each time that it is
    /// about to stop: somebody schedules it when that may have changed.
    pub(crate) fn stop_until(&mut self, look: Look, seen: impl Fn() -> bool) {
        let stops_here = matches!(look, Look::Masked);
        let switches = stops_here && !self.manners.open_before_switch;
        loop {
            let is_over = self.enter(|hart, irq| {
                let is_over = seen();
                let stops = !is_over && stops_here;
                let blocked = stops.then(|| hart.deschedule_self(irq));
                (is_over, blocked.filter(|_| switches).map(|blocked| blocked.switch(irq)))
            });
            if is_over {
                return;
            }
            if !switches {
                self.stop();
            }
        }
    }

    fn stop(&mut self) {
        self.enter(|hart, irq| ((), Some(hart.deschedule_self(irq).switch(irq))));
    }

    /// Wakes a stopped thread, wherever it lives.
    pub(crate) fn schedule(&mut self, id: ThreadId) {
        self.until_sent((), |hart, irq, ()| hart.schedule(irq, id));
    }

    /// Sends without waiting for the reply.
    pub(crate) fn send(&mut self, to: ThreadId, message: Message<Model>) -> InFlight {
        self.until_sent(message, |hart, irq, message| Port::send(hart, irq, to, message))
    }

    /// Waits for the reply to a message.
    pub(crate) fn wait(&mut self, mut ticket: InFlight) -> Replied<Model> {
        loop {
            let step = self.enter(|hart, irq| match Port::wait_reply(hart, irq, ticket) {
                Wait::Ready(replied) => (Ok(replied), None),
                Wait::Block(ticket, blocked) => (Err(ticket), Some(blocked.switch(irq))),
            });
            match step {
                Ok(replied) => return replied,
                Err(unanswered) => ticket = unanswered,
            }
        }
    }

    /// Waits for the next message at the thread's port. Kept from its drop: it
    /// is unanswered if the model fails.
    pub(crate) fn receive(&mut self) -> ManuallyDrop<Received<Model>> {
        loop {
            let message = self.enter(|hart, irq| {
                let Ok(message) = Port::wait(hart, irq, (), &mut ());
                match message {
                    Wait::Ready(message) => (Some(ManuallyDrop::new(message)), None),
                    Wait::Block((), blocked) => (None, Some(blocked.switch(irq))),
                }
            });
            if let Some(message) = message {
                return message;
            }
        }
    }

    /// Takes the next message, or stops the thread until it is scheduled. The
    /// wrong way looks in one section and stops in the next.
    pub(crate) fn receive_or_stop(&mut self, look: Look) -> Option<ManuallyDrop<Received<Model>>> {
        let stops_here = matches!(look, Look::Masked);
        let message = self.enter(|hart, irq| match Port::get(hart, irq, (), &mut ()) {
            Ok(Some(message)) => (Some(ManuallyDrop::new(message)), None),
            Ok(None) => (None, stops_here.then(|| hart.deschedule_self(irq).switch(irq))),
        });
        if message.is_none() && !stops_here {
            self.stop();
        }
        message
    }

    /// Answers a message.
    pub(crate) fn reply(&mut self, message: ManuallyDrop<Received<Model>>) {
        let message = ManuallyDrop::into_inner(message);
        self.until_sent(message, |hart, irq, message| Port::reply(hart, irq, message, 0));
    }

    /// Tries until the ring has space, as the kernel does.
    fn until_sent<T, R>(
        &mut self,
        value: T,
        mut attempt: impl FnMut(&mut Hart<Model>, &IrqOff, T) -> Result<R, Full<T>>,
    ) -> R {
        let mut value = ManuallyDrop::new(value);
        loop {
            let step = self.enter(|hart, irq| {
                let full = match attempt(hart, irq, ManuallyDrop::into_inner(value)) {
                    Ok(sent) => return (Ok(sent), None),
                    Err(full) => full,
                };
                (Err((full.target, ManuallyDrop::new(full.value))), None)
            });
            match step {
                Ok(sent) => return sent,
                Err((target, unsent)) => {
                    self.wait_for_space(target);
                    value = unsent;
                }
            }
        }
    }

    pub(crate) fn wait_for_space(&mut self, target: HartIndex) {
        self.enter(|hart, irq| {
            let blocked = hart.wait_for_space(irq, target);
            ((), blocked.map(|blocked| blocked.switch(irq)))
        });
    }

    /// The thread ends. The hart goes on until so many operations have come,
    /// and never sleeps through one.
    pub(crate) fn end_after(mut self, operations: u64) {
        self.masked(|hart, irq| ((), Some(hart.exit(irq).switch(irq))));
        let taken = &self.hart.inspect().remote_ops;
        while taken.load(Relaxed) < operations {
            self.idle_turn();
        }
    }
}
