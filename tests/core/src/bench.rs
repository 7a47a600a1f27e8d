// SPDX-License-Identifier: Apache-2.0
//! One hart whose threads have no body: they do what the test says.

use skimmer_abi::trace::Reason;
use skimmer_core::{
    chores::{Chore, Duty},
    ids::{Priority, ThreadId},
    port::Wait,
    shares::Family,
    thread::{NewThread, State},
};

use crate::world::World;

/// A hart, and its threads by number: idle is 0, the others count from 1.
#[derive(Debug)]
pub struct Bench {
    /// The world of that hart.
    pub world: World,
    ids: Vec<ThreadId>,
}

/// What the current thread does, or what is done to it.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// It lets its equals run.
    Yield,
    /// The end of an irq-off section.
    Preempt,
    /// What the return from an interrupt does first.
    Rotate,
    /// It sleeps until that time.
    Sleep(u64),
    /// It stops.
    Stop,
    /// It exits.
    Exit,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A hart that runs its idle thread.
    #[must_use]
    pub fn new() -> Self {
        let world = World::bare(1);
        let ids = vec![world.cpu(0).enter(|hart, _| hart.current())];
        Self { world, ids }
    }

    /// A new thread, stopped.
    ///
    /// # Panics
    /// When memory is out.
    pub fn adopt(&mut self, level: u8) -> usize {
        self.adopt_into(None, level)
    }

    /// A new thread of that family, stopped.
    ///
    /// # Panics
    /// When memory is out.
    pub fn adopt_into(&mut self, family: Option<Family>, level: u8) -> usize {
        let (priority, context) = (Priority::new(level), self.world.ledger.stack());
        let new = NewThread { name: "thread", priority, family, context };
        let id = self.world.cpu(0).enter(|hart, _| hart.adopt(new).expect("memory"));
        self.ids.push(id);
        self.ids.len() - 1
    }

    /// A new thread, ready.
    pub fn ready(&mut self, level: u8) -> usize {
        let thread = self.adopt(level);
        self.schedule(thread);
        thread
    }

    /// Wakes a thread that is stopped.
    pub fn schedule(&self, thread: usize) {
        self.world.wake(self.ids[thread]);
    }

    /// Changes a thread's priority.
    ///
    /// # Panics
    /// Never: it is at home.
    pub fn set_priority(&self, thread: usize, level: u8) {
        self.world.cpu(0).enter(|hart, irq| {
            hart.set_priority(irq, self.ids[thread], Priority::new(level)).expect("it is at home");
        });
    }

    /// Who runs.
    ///
    /// # Panics
    /// If it is nobody of ours.
    #[must_use]
    pub fn current(&self) -> usize {
        let current = self.world.cpu(0).enter(|hart, _| hart.current());
        self.ids.iter().position(|&id| id == current).expect("one of ours")
    }

    /// The thread's name.
    #[must_use]
    pub fn id(&self, thread: usize) -> ThreadId {
        self.ids[thread]
    }

    /// The number of the thread's slot.
    #[must_use]
    pub fn slot(&self, thread: usize) -> u64 {
        self.ids[thread].to_word() % u64::from(ThreadId::MAX_PER_HART)
    }

    /// Whether the thread runs; None once it is buried.
    #[must_use]
    pub fn state(&self, thread: usize) -> Option<State> {
        self.world.state(self.ids[thread])
    }

    /// How urgent the thread is and whether it runs.
    #[must_use]
    pub fn look(&self, thread: usize) -> Option<(u8, State)> {
        self.world.cpu(0).enter(|hart, _| {
            hart.thread(self.ids[thread]).map(|t| (t.priority().level(), t.state()))
        })
    }

    /// When the timer fires.
    #[must_use]
    pub fn timer(&self) -> Option<u64> {
        self.world.clock.timer(0).at.get()
    }

    /// How often the timer was set.
    #[must_use]
    pub fn timer_sets(&self) -> u64 {
        self.world.clock.timer(0).sets.get()
    }

    /// Does that.
    pub fn act(&self, act: Act) {
        let cpu = self.world.cpu(0);
        let id = cpu.enter(|hart, _| hart.current());
        if let Act::Sleep(deadline) = act {
            cpu.will_sleep(id, deadline);
        }
        let switch = cpu.enter(|hart, irq| match act {
            Act::Yield => hart.yield_now(irq).map(|s| (s, Reason::Yielded)),
            Act::Preempt => hart.preempt(irq).map(|s| (s, Reason::Preempted)),
            Act::Rotate => hart.rotate(irq).map(|s| (s, Reason::Preempted)),
            Act::Sleep(deadline) => {
                hart.sleep_until(irq, deadline).map(|b| (b.switch(irq), Reason::Blocked))
            }
            Act::Stop => Some((hart.deschedule_self(irq).switch(irq), Reason::Blocked)),
            Act::Exit => Some((hart.exit(irq).switch(irq), Reason::Exited)),
        });
        if let Some((switch, reason)) = switch {
            cpu.follow(switch, reason);
        }
        cpu.check();
    }

    /// The timer's handler, due or not, and nothing of what follows.
    pub fn fire(&self) {
        self.world.cpu(0).enter(|hart, irq| hart.timer_fired(irq));
    }

    /// Lets time pass, and the timer interrupt come when it is due.
    pub fn pass(&self, ticks: u64) {
        self.world.pass(0, ticks);
    }

    /// Does what a service thread does about the dead: somebody is dead.
    ///
    /// # Panics
    /// If nobody is.
    pub fn bury(&self) {
        let cpu = self.world.cpu(0);
        let dead = cpu.enter(|hart, irq| match hart.next_duty(irq) {
            Wait::Ready(Duty::Chore(Chore::Bury(dead))) => dead,
            other => panic!("{other:?}"),
        });
        assert_eq!(dead.state(), State::Dead);
    }
}
