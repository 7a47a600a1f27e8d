// SPDX-License-Identifier: Apache-2.0
//! One hart's scheduler, step by step and against a simple reference.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use skimmer_abi::trace::Reason;
use skimmer_core::{
    chores::{Chore, Duty},
    ids::{Priority, ThreadId},
    port::Wait,
    thread::{NewThread, State, Why},
};
use skimmer_core_tests::world::World;

/// A hart whose threads do what the test says.
struct Bench {
    world: World,
    ids: Vec<ThreadId>,
}

impl Bench {
    fn new() -> Self {
        let world = World::bare(1);
        let ids = vec![world.cpu(0).enter(|hart, _| hart.current())];
        Self { world, ids }
    }

    /// A new thread, stopped; threads are numbered from 1, idle is 0.
    fn adopt(&mut self, level: u8) -> usize {
        let (priority, context) = (Priority::new(level), self.world.ledger.stack());
        let new = NewThread { name: "thread", priority, context };
        let id = self.world.cpu(0).enter(|hart, _| hart.adopt(new).expect("memory"));
        self.ids.push(id);
        self.ids.len() - 1
    }

    fn ready(&mut self, level: u8) -> usize {
        let thread = self.adopt(level);
        self.schedule(thread);
        thread
    }

    fn schedule(&self, thread: usize) {
        self.world.wake(self.ids[thread]);
    }

    fn set_priority(&self, thread: usize, level: u8) {
        self.world.cpu(0).enter(|hart, irq| {
            hart.set_priority(irq, self.ids[thread], Priority::new(level)).expect("it is at home");
        });
    }

    fn current(&self) -> usize {
        let current = self.world.cpu(0).enter(|hart, _| hart.current());
        self.ids.iter().position(|&id| id == current).expect("one of ours")
    }

    fn state(&self, thread: usize) -> Option<State> {
        self.world.state(self.ids[thread])
    }

    fn act(&self, act: Act) {
        let cpu = self.world.cpu(0);
        let switch = cpu.enter(|hart, irq| match act {
            Act::Yield => hart.yield_now(irq).map(|s| (s, Reason::Yielded)),
            Act::Preempt => hart.preempt(irq).map(|s| (s, Reason::Preempted)),
            Act::Stop => Some((hart.deschedule_self(irq).switch(irq), Reason::Blocked)),
            Act::Exit => Some((hart.exit(irq).switch(irq), Reason::Exited)),
        });
        if let Some((switch, reason)) = switch {
            cpu.follow(switch, reason);
        }
        cpu.check();
    }

    /// Does what a service thread does about the dead: somebody is dead.
    fn bury(&self) {
        let cpu = self.world.cpu(0);
        let dead = cpu.enter(|hart, irq| match hart.next_duty(irq) {
            Wait::Ready(Duty::Chore(Chore::Bury(dead))) => dead,
            other => panic!("{other:?}"),
        });
        assert_eq!(dead.state(), State::Dead);
    }
}

/// What the current thread does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Yield,
    Preempt,
    Stop,
    Exit,
}

const STOPPED: Option<State> = Some(State::Blocked(Why::Stopped));

#[test]
fn the_most_urgent_runs_and_equals_take_turns() {
    let mut bench = Bench::new();
    let low = bench.ready(5);
    let (a, b, c) = (bench.ready(10), bench.ready(10), bench.ready(10));
    assert_eq!(bench.current(), 0, "nobody asked");
    bench.act(Act::Preempt);
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(bench.current());
        bench.act(Act::Yield);
    }
    assert_eq!(order, [a, b, c, a, b, c]);
    for _ in 0..3 {
        bench.act(Act::Stop);
    }
    assert_eq!(bench.current(), low);
    bench.act(Act::Yield);
    assert_eq!(bench.current(), low, "the idle thread is no equal");
}

#[test]
fn who_loses_the_hart_stays_first_among_its_equals() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), a);
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), a, "an equal does not preempt");
    let urgent = bench.ready(11);
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), urgent);
    assert_eq!(bench.state(a), Some(State::Ready));
    bench.act(Act::Stop);
    assert_eq!(bench.current(), a, "before {b}");
    bench.schedule(urgent);
    bench.act(Act::Yield);
    assert_eq!(bench.current(), urgent);
    bench.act(Act::Stop);
    assert_eq!(bench.current(), b, "yielding gave the place up");
}

#[test]
fn a_wake_of_one_that_is_not_stopped_does_nothing() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    bench.schedule(a);
    bench.schedule(a);
    bench.act(Act::Preempt);
    bench.schedule(a);
    assert_eq!(bench.state(a), Some(State::Running));
    bench.act(Act::Stop);
    assert_eq!(bench.current(), b);
    bench.act(Act::Stop);
    assert_eq!(bench.current(), 0, "each was queued once");
    assert_eq!((bench.state(a), bench.state(b)), (STOPPED, STOPPED));
}

#[test]
fn the_dead_are_buried_once_and_stay_dead() {
    let mut bench = Bench::new();
    let (a, _) = (bench.ready(10), bench.ready(10));
    bench.act(Act::Preempt);
    bench.act(Act::Exit);
    assert_eq!(bench.state(a), Some(State::Dead));
    assert_eq!(bench.world.ledger.live(), 3, "its stack is in use until the switch is done");
    bench.schedule(a);
    bench.set_priority(a, 200);
    bench.act(Act::Preempt);
    assert_eq!(bench.state(a), Some(State::Dead));
    bench.bury();
    assert_eq!(bench.world.ledger.live(), 2);
    assert_eq!(bench.state(a), None);
    let heir = bench.adopt(20);
    bench.schedule(a);
    bench.set_priority(a, 200);
    assert_eq!(bench.state(heir), STOPPED, "the name was its predecessor's");
}

#[test]
fn a_new_priority_counts_at_once() {
    let mut bench = Bench::new();
    let (a, b, c) = (bench.ready(10), bench.ready(10), bench.ready(10));
    let stopped = bench.adopt(10);
    bench.act(Act::Preempt);
    // Ready: goes behind its new equals, or before everybody.
    bench.set_priority(b, 10);
    bench.set_priority(c, 11);
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), c);
    // Running: keeps the hart until it is asked.
    bench.set_priority(c, 9);
    assert_eq!(bench.current(), c);
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), a);
    // Blocked: counts when it is woken.
    bench.set_priority(stopped, 30);
    assert_eq!(bench.state(stopped), STOPPED);
    bench.schedule(stopped);
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), stopped);
    for next in [a, b, c, 0] {
        bench.act(Act::Stop);
        assert_eq!(bench.current(), next);
    }
}

/// A scheduler that anybody can follow.
#[derive(Default)]
struct Model {
    current: usize,
    threads: Vec<(u8, Option<State>)>,
    queues: BTreeMap<u8, VecDeque<usize>>,
    dead: VecDeque<usize>,
}

impl Model {
    fn highest(&self) -> Option<u8> {
        self.queues.iter().rev().find(|(_, queue)| !queue.is_empty()).map(|(&level, _)| level)
    }

    fn queue(&mut self, thread: usize) -> &mut VecDeque<usize> {
        let (level, state) = &mut self.threads[thread];
        *state = Some(State::Ready);
        self.queues.entry(*level).or_default()
    }

    fn next(&mut self) {
        let level = self.highest().expect("idle is ready when it does not run");
        self.current = self.queues.get_mut(&level).and_then(VecDeque::pop_front).expect("it is");
        self.threads[self.current].1 = Some(State::Running);
    }

    fn schedule(&mut self, thread: usize) {
        if self.threads[thread].1 == STOPPED {
            self.queue(thread).push_back(thread);
        }
    }

    fn set_priority(&mut self, thread: usize, level: u8) {
        let state = self.threads[thread].1;
        if matches!(state, None | Some(State::Dead)) {
            return;
        }
        self.threads[thread].0 = level;
        if state == Some(State::Ready) {
            self.queues.values_mut().for_each(|queue| queue.retain(|&other| other != thread));
            self.queue(thread).push_back(thread);
        }
    }

    fn act(&mut self, act: Act) {
        let current = self.current;
        let level = self.threads[current].0;
        match act {
            Act::Yield if self.highest() >= Some(level) => self.queue(current).push_back(current),
            Act::Preempt if self.highest() > Some(level) => self.queue(current).push_front(current),
            Act::Yield | Act::Preempt => return,
            Act::Stop => self.threads[current].1 = STOPPED,
            Act::Exit => {
                self.threads[current].1 = Some(State::Dead);
                self.dead.push_back(current);
            }
        }
        self.next();
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Adopt(u8),
    Schedule(usize),
    SetPriority(usize, u8),
    Act(Act),
    Bury,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let level = || prop::sample::select(vec![0, 1, 2, 3, 63, 64, 255]);
    let act = prop::sample::select(vec![Act::Yield, Act::Preempt, Act::Stop, Act::Exit]);
    let op = prop_oneof![
        3 => level().prop_map(Op::Adopt),
        6 => (0usize..64).prop_map(Op::Schedule),
        3 => (0usize..64, level()).prop_map(|(thread, level)| Op::SetPriority(thread, level)),
        8 => act.prop_map(Op::Act),
        1 => Just(Op::Bury),
    ];
    prop::collection::vec(op, 0..150)
}

fn play(bench: &mut Bench, model: &mut Model, op: Op) {
    match op {
        Op::Adopt(level) => {
            bench.adopt(level);
            model.threads.push((level, STOPPED));
        }
        Op::Schedule(n) => {
            let thread = n % model.threads.len();
            bench.schedule(thread);
            model.schedule(thread);
        }
        Op::SetPriority(n, level) => {
            // The idle thread stays what it is.
            let thread = n % model.threads.len();
            if thread != 0 {
                bench.set_priority(thread, level);
                model.set_priority(thread, level);
            }
        }
        // Nor does it ever block.
        Op::Act(Act::Stop | Act::Exit) if model.current == 0 => {}
        Op::Act(act) => {
            bench.act(act);
            model.act(act);
        }
        Op::Bury => {
            if let Some(dead) = model.dead.pop_front() {
                bench.bury();
                model.threads[dead].1 = None;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]
    #[test]
    fn does_what_the_reference_does(ops in ops()) {
        let (mut bench, mut model) = (Bench::new(), Model::default());
        model.threads.push((0, Some(State::Running)));
        for op in ops {
            play(&mut bench, &mut model, op);
            prop_assert_eq!(bench.current(), model.current);
            for (thread, &(level, state)) in model.threads.iter().enumerate() {
                let seen = bench.world.cpu(0).enter(|hart, _| {
                    hart.thread(bench.ids[thread]).map(|t| (t.priority().level(), t.state()))
                });
                prop_assert_eq!(seen, state.map(|state| (level, state)));
            }
            let stacks = model.threads.iter().filter(|(_, state)| state.is_some()).count();
            prop_assert_eq!(bench.world.ledger.live(), stacks);
        }
    }
}
