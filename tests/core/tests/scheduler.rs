// SPDX-License-Identifier: Apache-2.0
//! One hart's scheduler, step by step and against a simple reference.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use skimmer_core::thread::{State, Why};
use skimmer_core_tests::{
    bench::{Act, Bench},
    fake::SLICE,
};

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

/// A thread, as the reference sees it.
struct Other {
    level: u8,
    state: Option<State>,
    /// The number of its slot: who sleeps to the same moment wakes by it.
    slot: u64,
    deadline: u64,
    /// What is left of its slice, if it was preempted.
    left: Option<u64>,
}

/// A scheduler that anybody can follow.
#[derive(Default)]
struct Model {
    now: u64,
    current: usize,
    slice_end: Option<u64>,
    threads: Vec<Other>,
    queues: BTreeMap<u8, VecDeque<usize>>,
    dead: VecDeque<usize>,
}

impl Model {
    fn adopt(&mut self, level: u8, state: State, slot: u64) {
        self.threads.push(Other { level, state: Some(state), slot, deadline: 0, left: None });
    }

    fn highest(&self) -> Option<u8> {
        self.queues.iter().rev().find(|(_, queue)| !queue.is_empty()).map(|(&level, _)| level)
    }

    fn queue(&mut self, thread: usize) -> &mut VecDeque<usize> {
        let Other { level, state, .. } = &mut self.threads[thread];
        *state = Some(State::Ready);
        self.queues.entry(*level).or_default()
    }

    fn next(&mut self) {
        let level = self.highest().expect("idle is ready when it does not run");
        self.current = self.queues.get_mut(&level).and_then(VecDeque::pop_front).expect("it is");
        let thread = &mut self.threads[self.current];
        thread.state = Some(State::Running);
        self.slice_end = thread.left.take().map(|left| self.now + left);
        self.set_slice();
    }

    /// A slice runs while an equal waits.
    fn set_slice(&mut self) {
        let has_equal = self.highest() == Some(self.threads[self.current].level);
        let end = self.slice_end.unwrap_or(self.now + SLICE);
        self.slice_end = has_equal.then_some(end);
    }

    fn schedule(&mut self, thread: usize) {
        if self.threads[thread].state == STOPPED {
            self.queue(thread).push_back(thread);
        }
    }

    fn set_priority(&mut self, thread: usize, level: u8) {
        let state = self.threads[thread].state;
        if matches!(state, None | Some(State::Dead)) {
            return;
        }
        self.threads[thread].level = level;
        if state == Some(State::Ready) {
            self.queues.values_mut().for_each(|queue| queue.retain(|&other| other != thread));
            self.queue(thread).push_back(thread);
        }
    }

    fn preempt(&mut self) {
        let current = self.current;
        if self.highest() <= Some(self.threads[current].level) {
            return self.set_slice();
        }
        let left = self.slice_end.map(|end| end.saturating_sub(self.now));
        if left == Some(0) {
            self.queue(current).push_back(current);
        } else {
            self.threads[current].left = left;
            self.queue(current).push_front(current);
        }
        self.next();
    }

    fn act(&mut self, act: Act) {
        let current = self.current;
        let level = self.threads[current].level;
        let is_over = self.slice_end.is_some_and(|end| end <= self.now);
        let state = match act {
            Act::Preempt => return self.preempt(),
            Act::Yield if self.highest() >= Some(level) => State::Ready,
            Act::Rotate if is_over && self.highest() == Some(level) => State::Ready,
            Act::Sleep(deadline) if deadline > self.now => {
                self.threads[current].deadline = deadline;
                State::Blocked(Why::Sleep)
            }
            Act::Yield | Act::Rotate | Act::Sleep(_) => return,
            Act::Stop => State::Blocked(Why::Stopped),
            Act::Exit => {
                self.dead.push_back(current);
                State::Dead
            }
        };
        self.threads[current].state = Some(state);
        if state == State::Ready {
            self.queue(current).push_back(current);
        }
        self.next();
    }

    fn fire(&mut self) {
        let is_due = |thread: &Other| {
            thread.state == Some(State::Blocked(Why::Sleep)) && thread.deadline <= self.now
        };
        let due = self.threads.iter().enumerate().filter(|(_, thread)| is_due(thread));
        let mut due: Vec<_> = due.map(|(n, thread)| (thread.deadline, thread.slot, n)).collect();
        due.sort_unstable();
        due.into_iter().for_each(|(.., n)| self.queue(n).push_back(n));
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Adopt(u8),
    Schedule(usize),
    SetPriority(usize, u8),
    Act(Act),
    /// Sleep for so long.
    Sleep(u64),
    Pass(u64),
    /// The timer, due or not, and then what a trap does as it returns.
    Timer,
    Bury,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let level = || prop::sample::select(vec![0, 1, 2, 3, 63, 64, 255]);
    let act =
        prop::sample::select(vec![Act::Yield, Act::Preempt, Act::Rotate, Act::Stop, Act::Exit]);
    let op = prop_oneof![
        3 => level().prop_map(Op::Adopt),
        6 => (0usize..64).prop_map(Op::Schedule),
        3 => (0usize..64, level()).prop_map(|(thread, level)| Op::SetPriority(thread, level)),
        8 => act.prop_map(Op::Act),
        2 => (0..3 * SLICE).prop_map(Op::Sleep),
        4 => (0..SLICE).prop_map(Op::Pass),
        4 => Just(Op::Timer),
        1 => Just(Op::Bury),
    ];
    prop::collection::vec(op, 0..150)
}

fn act(bench: &mut Bench, model: &mut Model, act: Act) {
    bench.act(act);
    model.act(act);
}

fn play(bench: &mut Bench, model: &mut Model, op: Op) {
    match op {
        Op::Adopt(level) => {
            let thread = bench.adopt(level);
            model.adopt(level, State::Blocked(Why::Stopped), bench.slot(thread));
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
        Op::Act(Act::Stop | Act::Exit) | Op::Sleep(_) if model.current == 0 => {}
        Op::Act(what) => act(bench, model, what),
        Op::Sleep(ticks) => act(bench, model, Act::Sleep(model.now + ticks)),
        Op::Pass(ticks) => {
            bench.world.clock.advance(ticks);
            model.now += ticks;
        }
        Op::Timer => {
            bench.fire();
            model.fire();
            act(bench, model, Act::Rotate);
            act(bench, model, Act::Preempt);
        }
        Op::Bury => {
            if let Some(dead) = model.dead.pop_front() {
                bench.bury();
                model.threads[dead].state = None;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]
    #[test]
    fn does_what_the_reference_does(ops in ops()) {
        let (mut bench, mut model) = (Bench::new(), Model::default());
        model.now = bench.world.clock.now();
        model.adopt(0, State::Running, 0);
        for op in ops {
            play(&mut bench, &mut model, op);
            prop_assert_eq!(bench.current(), model.current);
            for (thread, &Other { level, state, .. }) in model.threads.iter().enumerate() {
                prop_assert_eq!(bench.look(thread), state.map(|state| (level, state)));
            }
            let stacks = model.threads.iter().filter(|thread| thread.state.is_some()).count();
            prop_assert_eq!(bench.world.ledger.live(), stacks);
        }
        bench.world.cpu(0).audit();
    }
}
