// SPDX-License-Identifier: Apache-2.0
//! Preemption: by doorbell, by timer, by what a thread does itself; and not in
//! a critical section, but at its end.

use std::{cell::Cell, rc::Rc};

use skimmer_core::{
    ids::{Priority, ThreadId},
    message::{Message, Payload},
    thread::{State, Why},
    thread_port::ThreadPort,
};
use skimmer_core_tests::{
    bench::{Act, Bench},
    conformance::{Log, answer, check_reply, words},
    fake::{Fake, SLICE},
    script::{Me, breathe},
    seed::Seed,
    world::World,
};

type Port = ThreadPort<Fake>;

const STOPPED: Option<State> = Some(State::Blocked(Why::Stopped));

fn current(world: &World, hart: usize) -> ThreadId {
    world.cpu(hart).enter(|hart, _| hart.current())
}

/// A thread on `hart` that runs until it is told to go.
fn spinner(world: &World, hart: usize, level: u8) -> (ThreadId, Rc<Cell<bool>>) {
    let gone = Rc::new(Cell::new(false));
    let told = gone.clone();
    let id = world.spawn(hart, "spinner", level, |_| async move {
        while !told.get() {
            breathe().await;
        }
    });
    (id, gone)
}

/// A thread on `hart` that stops, and exits when it is woken.
fn stopped(world: &World, seed: &mut Seed, hart: usize, level: u8) -> ThreadId {
    let id = world.spawn(hart, "stopped", level, |me| async move { me.stop().await });
    world.settle(seed);
    assert_eq!(world.state(id), STOPPED);
    id
}

/// A thread on hart 0 schedules `id` on hart 1, in no time; the doorbell is
/// felt.
fn wake_from_elsewhere(world: &World, id: ThreadId) {
    world.spawn(0, "waker", 10, move |me| async move { me.schedule(id).await });
    while world.cpu(0).is_busy() {
        world.step(0);
    }
    world.land(1);
}

#[test]
fn a_doorbell_preempts_as_its_handler_returns() {
    let (world, mut seed) = (World::new(2), Seed::new(1));
    let urgent = stopped(&world, &mut seed, 1, 20);
    let (a, gone_a) = spinner(&world, 1, 10);
    let (b, gone_b) = spinner(&world, 1, 10);
    world.step(1);
    assert_eq!(current(&world, 1), a);
    wake_from_elsewhere(&world, urgent);
    world.step(1);
    assert_eq!(current(&world, 1), a, "it has not heard of it");
    world.interrupt(1);
    assert_eq!(current(&world, 1), urgent);
    assert_eq!((world.state(a), world.state(b)), (Some(State::Ready), Some(State::Ready)));
    while current(&world, 1) != a && current(&world, 1) != b {
        world.step(1);
    }
    assert_eq!(current(&world, 1), a, "it stays first among its equals");
    gone_a.set(true);
    gone_b.set(true);
    world.finish(&mut seed);
}

#[test]
fn a_doorbell_for_an_equal_or_less_preempts_nobody() {
    let (world, mut seed) = (World::new(2), Seed::new(2));
    let (equal, less) = (stopped(&world, &mut seed, 1, 10), stopped(&world, &mut seed, 1, 9));
    let (a, gone) = spinner(&world, 1, 10);
    world.step(1);
    for id in [less, equal] {
        wake_from_elsewhere(&world, id);
        world.interrupt(1);
        assert_eq!(current(&world, 1), a);
        assert_eq!(world.state(id), Some(State::Ready));
    }
    gone.set(true);
    world.finish(&mut seed);
}

#[test]
fn a_doorbell_ends_idling() {
    let (world, mut seed) = (World::new(2), Seed::new(3));
    let low = stopped(&world, &mut seed, 1, 1);
    wake_from_elsewhere(&world, low);
    world.interrupt(1);
    assert_eq!(current(&world, 1), low);
    world.finish(&mut seed);
}

#[test]
fn a_timer_preempts() {
    let (world, mut seed) = (World::new(1), Seed::new(4));
    let deadline = world.clock.now() + 10 * SLICE;
    let sleeper =
        world.spawn(0, "sleeper", 20, move |me| async move { me.sleep_until(deadline).await });
    let (low, gone) = spinner(&world, 0, 10);
    for _ in 0..10 {
        world.step(0);
    }
    assert_eq!(current(&world, 0), low);
    world.pass(0, deadline - world.clock.now() - 1);
    assert_eq!(current(&world, 0), low, "not yet");
    world.pass(0, 1);
    assert_eq!(current(&world, 0), sleeper);
    gone.set(true);
    world.finish(&mut seed);
}

/// A thread on hart 1 of two nested critical sections, step by step.
fn careful(world: &World, level: u8) -> (ThreadId, Log<&'static str>) {
    let log = Log::default();
    let lines = log.clone();
    let id = world.spawn(1, "careful", level, |me| async move {
        me.enter_critical();
        me.enter_critical();
        breathe().await;
        lines.add("inside");
        me.leave_critical().await;
        lines.add("still inside");
        me.leave_critical().await;
        lines.add("outside");
    });
    world.step(1);
    (id, log)
}

#[test]
fn a_critical_section_puts_preemption_off_to_its_end() {
    let (world, mut seed) = (World::new(2), Seed::new(5));
    let urgent = stopped(&world, &mut seed, 1, 20);
    let (careful, log) = careful(&world, 10);
    world.step(1);
    assert_eq!((current(&world, 1), world.cpu(1).depth()), (careful, 2));
    wake_from_elsewhere(&world, urgent);
    world.interrupt(1);
    assert_eq!(world.state(urgent), Some(State::Ready), "the handler did its work");
    assert_eq!(current(&world, 1), careful, "and did not switch");
    world.step(1);
    assert_eq!((current(&world, 1), log.take()), (careful, vec!["inside"]));
    world.cpu(1).poll();
    assert_eq!(current(&world, 1), careful, "an inner section's end is no end");
    world.step(1);
    assert_eq!((current(&world, 1), log.take()), (urgent, vec!["still inside"]), "at once");
    world.finish(&mut seed);
    assert_eq!(log.take(), ["outside"]);
}

#[test]
fn a_critical_section_puts_equals_off_to_its_end() {
    let (world, mut seed) = (World::new(2), Seed::new(6));
    let (careful, log) = careful(&world, 10);
    let (equal, gone) = spinner(&world, 1, 10);
    world.step(1);
    assert_eq!((current(&world, 1), world.cpu(1).depth()), (careful, 2));
    // The equal is seen at the section's end only: the slice begins there.
    world.step(1);
    world.pass(1, 2 * SLICE);
    world.step(1);
    assert_eq!((current(&world, 1), world.cpu(1).depth()), (careful, 0));
    assert_eq!(log.take(), ["inside", "still inside"]);
    world.pass(1, SLICE - 1);
    assert_eq!(current(&world, 1), careful);
    world.pass(1, 1);
    assert_eq!(current(&world, 1), equal);
    gone.set(true);
    world.finish(&mut seed);
}

#[test]
fn a_slice_that_ends_in_a_critical_section_is_acted_on_at_its_end() {
    let (world, mut seed) = (World::new(1), Seed::new(7));
    let log = Log::default();
    let lines = log.clone();
    let careful = world.spawn(0, "careful", 10, |me| async move {
        breathe().await;
        me.enter_critical();
        breathe().await;
        me.leave_critical().await;
        lines.add("outside");
    });
    let (equal, gone) = spinner(&world, 0, 10);
    for _ in 0..3 {
        world.step(0);
    }
    assert_eq!((current(&world, 0), world.cpu(0).depth()), (careful, 1));
    world.pass(0, SLICE);
    assert_eq!(current(&world, 0), careful, "not inside");
    assert_eq!(world.clock.timer(0).at.get(), None, "nor does the timer nag");
    world.step(0);
    assert_eq!((current(&world, 0), log.take()), (equal, vec![]), "at the end");
    gone.set(true);
    world.finish(&mut seed);
    assert_eq!(log.take(), ["outside"]);
}

/// What a thread does itself: wakes, sends, changes priorities, its own too.
#[test]
fn what_a_thread_makes_ready_preempts_it_at_once() {
    let (world, mut seed, log) = (World::new(1), Seed::new(8), Log::default());
    let lines = log.clone();
    let urgent = world.spawn(0, "urgent", 20, move |me| async move {
        me.stop().await;
        lines.add("woken");
        let message = me.wait::<Port>(()).await;
        lines.add("sent to");
        answer::<Port>(&me, message).await;
        me.set_priority(me.id(), Priority::new(5)).await;
        lines.add("raised");
        me.set_priority(me.id(), Priority::new(5)).await;
        lines.add("still urgent enough");
    });
    world.settle(&mut seed);
    let lines = log.clone();
    world.spawn(0, "low", 10, |me| async move {
        me.schedule(urgent).await;
        lines.add("after the wake");
        let message = Message::new(Payload::Words(words(0, 0)));
        let ticket = me.send::<Port>(urgent, message).await;
        lines.add("after the message");
        check_reply::<Port>(&me.wait_reply::<Port>(ticket).await, words(0, 0));
        me.set_priority(urgent, Priority::new(11)).await;
        lines.add("after the raise");
        me.set_priority(me.id(), Priority::new(4)).await;
        lines.add("last");
    });
    world.finish(&mut seed);
    assert_eq!(
        log.take(),
        [
            "woken",
            "after the wake",
            "sent to",
            "after the message",
            "raised",
            "after the raise",
            "still urgent enough",
            "last",
        ]
    );
}

#[test]
fn a_new_priority_from_elsewhere_preempts() {
    let (world, mut seed) = (World::new(2), Seed::new(9));
    let (a, gone_a) = spinner(&world, 1, 10);
    let (b, gone_b) = spinner(&world, 1, 10);
    world.step(1);
    assert_eq!(current(&world, 1), a);
    for (id, level, runs) in [(b, 11, b), (a, 11, b), (b, 10, a), (a, 9, b), (a, 255, a)] {
        world.spawn(0, "chief", 10, move |me| async move {
            me.set_priority(id, Priority::new(level)).await;
        });
        world.settle_some(&mut seed, &[0]);
        world.land(1);
        world.interrupt(1);
        assert_eq!(current(&world, 1), runs, "{id} at {level}");
    }
    gone_a.set(true);
    gone_b.set(true);
    world.finish(&mut seed);
}

/// A thread that does everything there is, in an order of its own.
async fn restless(me: Me, mut choice: Seed, others: Rc<Vec<Cell<Option<ThreadId>>>>) {
    for _ in 0..40 {
        let other = others[choice.below(others.len())].get();
        match (choice.below(8), other) {
            (0, _) => me.yield_now().await,
            (1 | 2, _) => me.sleep_until(me.now() + choice.bits() % SLICE).await,
            (3, _) => {
                me.enter_critical();
                for _ in 0..choice.below(4) {
                    breathe().await;
                }
                me.leave_critical().await;
            }
            (4, _) => {
                let level = 1 + u8::try_from(choice.below(4)).expect("small");
                me.set_priority(me.id(), Priority::new(level)).await;
            }
            (5 | 6, Some(other)) => {
                let level = 1 + u8::try_from(choice.below(4)).expect("small");
                me.set_priority(other, Priority::new(level)).await;
            }
            (7, Some(other)) => {
                // It has no server: the message comes back when it exits.
                let message = Message::new(Payload::Words([0; 8]));
                drop(me.send::<Port>(other, message).await);
            }
            _ => breathe().await,
        }
    }
}

/// Strict priority and a timer that is right, after every step (the laws in
/// `Cpu::check`), whatever threads do and in whatever order.
#[test]
fn the_laws_hold_whatever_threads_do() {
    for number in 0..150 {
        let (world, mut seed) = (World::new(3), Seed::new(number));
        let others = Rc::new((0..9).map(|_| Cell::new(None)).collect::<Vec<_>>());
        for thread in 0..9 {
            let (choice, names) = (Seed::new(seed.bits()), others.clone());
            let level = 1 + u8::try_from(seed.below(4)).expect("small");
            let id = world.spawn(thread % 3, "restless", level, |me| restless(me, choice, names));
            others[thread].set(Some(id));
        }
        world.finish(&mut seed);
    }
}

/// A watcher above everybody gets the hart whenever its time has come.
#[test]
fn a_watcher_never_starves() {
    for number in 0..20 {
        let (world, mut seed) = (World::new(1), Seed::new(number));
        let spinners: Vec<_> = (0..4).map(|_| spinner(&world, 0, 10)).collect();
        let watched = Rc::new(Cell::new(0u32));
        let count = watched.clone();
        world.spawn(0, "watcher", 200, |me| async move {
            for _ in 0..50 {
                me.sleep_until(me.now() + SLICE / 3).await;
                count.set(count.get() + 1);
            }
        });
        let mut turns = std::collections::HashSet::new();
        for _ in 0..50 {
            let before = watched.get();
            for _ in 0..5 {
                world.step(0);
            }
            turns.insert(current(&world, 0));
            world.pass(0, SLICE / 3);
            world.step(0);
            world.step(0);
            assert_eq!(watched.get(), before + 1);
        }
        assert!(turns.len() >= spinners.len(), "nor does anybody below it: {turns:?}");
        spinners.iter().for_each(|(_, gone)| gone.set(true));
        world.finish(&mut seed);
    }
}

/// To condemn a thread marks it wherever it is, and wakes it if it is stopped;
/// one that is gone is left alone.
#[test]
fn the_condemned_are_marked_and_woken() {
    let (world, mut seed) = (World::new(2), Seed::new(3));
    let asleep = stopped(&world, &mut seed, 1, 20);
    let (busy, gone) = spinner(&world, 1, 10);
    let condemn = |id| {
        world.spawn(0, "condemner", 10, move |me| async move {
            let told = me.section(|hart, irq| hart.condemn(irq, id, Priority::new(1))).await;
            assert!(told.is_ok(), "the ring has space");
        });
    };
    let is_condemned =
        |id| world.cpu(1).enter(|hart, _| hart.thread(id).map(|t| t.context().is_condemned()));
    world.step(1);
    assert_eq!((is_condemned(asleep), is_condemned(busy)), (Some(false), Some(false)));
    condemn(asleep);
    condemn(busy);
    while world.cpu(0).is_busy() {
        world.step(0);
    }
    world.land(1);
    world.interrupt(1);
    assert_eq!((is_condemned(asleep), is_condemned(busy)), (Some(true), Some(true)));
    assert_eq!(current(&world, 1), asleep, "woken, and more urgent");
    gone.set(true);
    world.settle(&mut seed);
    condemn(asleep);
    world.finish(&mut seed);
}

/// Who is to end does not wait for what is more urgent than it was, but less so
/// than who ends it; and none loses urgency by it.
#[test]
fn the_condemned_are_as_urgent_as_who_ends_them() {
    let mut bench = Bench::new();
    let (low, high) = (bench.ready(5), bench.ready(20));
    let _between = bench.ready(10);
    for thread in [low, high] {
        bench.world.cpu(0).enter(|hart, irq| {
            hart.condemn(irq, bench.id(thread), Priority::new(15)).expect("it is at home");
        });
    }
    bench.act(Act::Preempt);
    assert_eq!((bench.current(), bench.look(high)), (high, Some((20, State::Running))));
    bench.act(Act::Exit);
    assert_eq!((bench.current(), bench.look(low)), (low, Some((15, State::Running))));
}
