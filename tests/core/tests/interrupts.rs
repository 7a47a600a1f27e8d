// SPDX-License-Identifier: Apache-2.0
//! Interrupt service threads: pending is a flag, a wait ends for one reason, and
//! nobody is woken by what is not theirs.

use std::cell::Cell;

use skimmer_abi::trace::{Event, Reason};
use skimmer_core::{
    ids::{Priority, ThreadId},
    interrupt::{AlreadyAttached, Woken},
    port::Wait,
    thread::{State, Why},
};
use skimmer_core_tests::bench::{Act, Bench};

const SOURCE: u32 = 11;
const WAITS: Option<State> = Some(State::Blocked(Why::Interrupt));

/// A hart that runs its one thread, which serves the source.
fn ist() -> (Bench, usize) {
    let mut bench = Bench::new();
    let thread = bench.ready(10);
    bench.act(Act::Preempt);
    attach(&bench, SOURCE).expect("its first");
    (bench, thread)
}

fn attach(bench: &Bench, source: u32) -> Result<(), AlreadyAttached> {
    bench.world.cpu(0).enter(|hart, irq| hart.attach_interrupt(irq, source))
}

fn post(bench: &Bench, id: ThreadId, source: u32) {
    bench.world.cpu(0).enter(|hart, irq| hart.post_interrupt(irq, id, source));
}

/// The current thread waits: whether it took an interrupt at once, and whether
/// the source was unmasked.
fn wait(bench: &Bench, deadline: Option<u64>) -> (bool, bool) {
    let cpu = bench.world.cpu(0);
    let unmasked = Cell::new(false);
    let switch =
        cpu.enter(|hart, irq| match hart.wait_interrupt(irq, deadline, || unmasked.set(true)) {
            Wait::Ready(()) => None,
            Wait::Block((), blocked) => Some(blocked.switch(irq)),
        });
    let is_there = switch.is_none();
    if let Some(switch) = switch {
        cpu.follow(switch, Reason::Blocked);
    }
    cpu.check();
    (is_there, unmasked.get())
}

/// Why the current thread was woken.
fn woke(bench: &Bench, deadline: Option<u64>) -> Woken {
    bench.world.cpu(0).enter(|hart, irq| hart.interrupt_woke(irq, deadline))
}

#[test]
fn an_interrupt_wakes_who_waits() {
    let (bench, thread) = ist();
    assert_eq!(wait(&bench, None), (false, true));
    assert_eq!((bench.state(thread), bench.current()), (WAITS, 0));
    post(&bench, bench.id(thread), SOURCE);
    bench.act(Act::Preempt);
    assert_eq!((bench.current(), woke(&bench, None)), (thread, Woken::Posted));
    assert_eq!(wait(&bench, None), (false, true), "it was taken");
    bench.world.cpu(0).audit();
}

#[test]
fn one_that_comes_before_the_wait_is_kept_and_the_source_stays_masked() {
    let (bench, thread) = ist();
    post(&bench, bench.id(thread), SOURCE);
    post(&bench, bench.id(thread), SOURCE);
    assert_eq!(bench.current(), thread);
    assert_eq!(wait(&bench, None), (true, false));
    assert_eq!(wait(&bench, None), (false, true), "a flag, not a count");
    post(&bench, bench.id(thread), SOURCE);
    bench.act(Act::Preempt);
    let posts = bench.world.cpu(0).enter(|hart, _| hart.interrupt_posts());
    assert_eq!(posts, 3, "each is counted");
}

#[test]
fn what_is_not_its_own_wakes_nobody() {
    let (mut bench, thread) = ist();
    wait(&bench, None);
    post(&bench, bench.id(thread), SOURCE + 1);
    bench.schedule(thread);
    assert_eq!(bench.state(thread), WAITS, "neither another source nor a wake");
    let other = bench.ready(20);
    post(&bench, bench.id(other), SOURCE);
    bench.act(Act::Preempt);
    assert_eq!((bench.current(), bench.state(thread)), (other, WAITS));
    bench.act(Act::Exit);
    post(&bench, bench.id(other), SOURCE);
    bench.bury();
    post(&bench, bench.id(other), SOURCE);
    post(&bench, bench.id(thread), SOURCE);
    assert_eq!(bench.state(thread), Some(State::Ready));
}

#[test]
fn a_wait_ends_at_its_deadline() {
    let (bench, thread) = ist();
    let deadline = Some(bench.world.cpu(0).now() + 100);
    wait(&bench, deadline);
    bench.pass(99);
    assert_eq!(bench.state(thread), WAITS);
    bench.pass(1);
    assert_eq!((bench.current(), woke(&bench, deadline)), (thread, Woken::TimedOut));
    // What comes afterwards is there for the next.
    post(&bench, bench.id(thread), SOURCE);
    assert_eq!(wait(&bench, None), (true, false));
}

#[test]
fn a_deadline_is_gone_with_its_wait() {
    let (bench, thread) = ist();
    let deadline = Some(bench.world.cpu(0).now() + 100);
    wait(&bench, deadline);
    post(&bench, bench.id(thread), SOURCE);
    bench.act(Act::Preempt);
    assert_eq!(woke(&bench, deadline), Woken::Posted);
    wait(&bench, None);
    bench.pass(500);
    assert_eq!(bench.state(thread), WAITS, "the next wait has none");
}

#[test]
fn one_that_comes_as_time_is_up_counts() {
    let (bench, thread) = ist();
    let deadline = Some(bench.world.cpu(0).now() + 100);
    wait(&bench, deadline);
    bench.pass(100);
    post(&bench, bench.id(thread), SOURCE);
    assert_eq!(woke(&bench, deadline), Woken::Posted);
}

#[test]
fn the_condemned_do_not_wait_on() {
    let (bench, thread) = ist();
    wait(&bench, None);
    let id = bench.id(thread);
    bench.world.cpu(0).enter(|hart, irq| hart.condemn(irq, id, Priority::new(10)).expect("here"));
    bench.act(Act::Preempt);
    assert_eq!((bench.current(), woke(&bench, None)), (thread, Woken::Ended));
}

#[test]
fn a_thread_serves_one_source() {
    let (bench, thread) = ist();
    assert_eq!(attach(&bench, SOURCE + 1), Err(AlreadyAttached));
    bench.world.cpu(0).enter(|hart, irq| hart.detach_interrupt(irq));
    attach(&bench, SOURCE + 1).expect("it serves none");
    post(&bench, bench.id(thread), SOURCE);
    assert_eq!(wait(&bench, None), (false, true), "it is of the source that it had");
}

#[test]
#[should_panic(expected = "a thread exits with its interrupt attached")]
fn who_exits_has_detached() {
    let (bench, _) = ist();
    bench.act(Act::Exit);
}

#[test]
#[should_panic(expected = "a thread without an interrupt waits for one")]
fn who_waits_has_attached() {
    let bench = Bench::new();
    wait(&bench, None);
}

#[test]
fn the_trace_tells_of_it() {
    let (bench, thread) = ist();
    let id = bench.id(thread);
    wait(&bench, None);
    bench.world.cpu(0).enter(|hart, irq| hart.note_claim(irq, SOURCE));
    post(&bench, id, SOURCE);
    let told: Vec<_> = bench.world.cpu(0).trace().iter().map(|r| (r.event, r.a, r.b)).collect();
    for due in [
        (Event::InterruptUnmask as u8, SOURCE, 0),
        (Event::InterruptClaim as u8, SOURCE, 0),
        (Event::InterruptPost as u8, SOURCE, id.to_word()),
    ] {
        assert!(told.contains(&due), "{due:?} in {told:?}");
    }
}
