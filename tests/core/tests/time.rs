// SPDX-License-Identifier: Apache-2.0
//! Time: sleepers, slices, and a timer that is set when something needs it.

use skimmer_core::thread::{State, Why};
use skimmer_core_tests::{
    bench::{Act, Bench},
    conformance::Log,
    fake::SLICE,
    seed::Seed,
    world::World,
};

const ASLEEP: Option<State> = Some(State::Blocked(Why::Sleep));

/// Threads of one priority that sleep until those times, numbered from 1.
fn sleepers(deadlines: &[u64]) -> Bench {
    let mut bench = Bench::new();
    for _ in deadlines {
        bench.ready(10);
    }
    bench.act(Act::Preempt);
    for &deadline in deadlines {
        bench.act(Act::Sleep(deadline));
    }
    assert_eq!(bench.current(), 0, "all sleep");
    bench
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    let deadlines = [1_500, 1_100, 1_900, 1_200, 1_700, 1_101];
    let bench = sleepers(&deadlines);
    bench.pass(1_000);
    let mut order = Vec::new();
    while bench.current() != 0 {
        order.push(deadlines[bench.current() - 1]);
        bench.act(Act::Stop);
    }
    assert_eq!(order, [1_100, 1_101, 1_200, 1_500, 1_700, 1_900]);
}

#[test]
fn nobody_wakes_before_the_deadline() {
    let bench = sleepers(&[1_100, 1_050, 1_200]);
    assert_eq!(bench.timer(), Some(1_050));
    bench.world.clock.advance(49);
    // It fires too early: a machine is free to do that.
    bench.fire();
    assert_eq!((bench.timer(), bench.state(2)), (Some(1_050), ASLEEP));
    bench.pass(1);
    assert_eq!((bench.timer(), bench.current()), (Some(1_100), 2));
    bench.pass(60);
    assert_eq!(bench.state(1), Some(State::Ready), "an equal of who runs");
    assert_eq!(bench.state(3), ASLEEP);
}

#[test]
fn a_deadline_that_is_past_is_no_reason_to_block() {
    let mut bench = Bench::new();
    let thread = bench.ready(10);
    bench.act(Act::Preempt);
    for deadline in [0, 999, 1_000] {
        bench.act(Act::Sleep(deadline));
        assert_eq!((bench.current(), bench.timer()), (thread, None));
    }
    bench.act(Act::Sleep(1_001));
    assert_eq!((bench.current(), bench.timer()), (0, Some(1_001)));
}

#[test]
fn only_the_deadline_wakes_a_sleeper() {
    let bench = sleepers(&[1_100]);
    bench.schedule(1);
    bench.act(Act::Preempt);
    assert_eq!((bench.state(1), bench.timer()), (ASLEEP, Some(1_100)));
}

/// Whatever the order of steps, and however late the timer is heard.
#[test]
fn sleepers_on_three_harts() {
    for number in 0..100 {
        let (world, mut seed, log) = (World::new(3), Seed::new(number), Log::default());
        for thread in 0..12u8 {
            let (mut choice, log) = (Seed::new(seed.bits()), log.clone());
            world.spawn(thread as usize % 3, "sleeper", 1 + thread % 5, |me| async move {
                for _ in 0..10 {
                    let deadline = me.now() + choice.bits() % (3 * SLICE);
                    me.sleep_until(deadline).await;
                }
                log.add(thread);
            });
        }
        world.finish(&mut seed);
        assert_eq!(log.take().len(), 12);
    }
}

#[test]
fn the_timer_is_set_to_what_comes_first() {
    let mut bench = sleepers(&[1_000 + SLICE / 2, 1_000 + 3 * SLICE]);
    let (a, b) = (bench.ready(10), bench.ready(10));
    bench.act(Act::Preempt);
    assert_eq!(bench.timer(), Some(1_000 + SLICE / 2), "a deadline, before the slice ends");
    bench.pass(SLICE / 2);
    assert_eq!((bench.current(), bench.timer()), (a, Some(1_000 + SLICE)), "the slice goes on");
    bench.pass(SLICE / 2);
    assert_eq!((bench.current(), bench.timer()), (b, Some(1_000 + 2 * SLICE)), "a slice");
    bench.act(Act::Stop);
    bench.act(Act::Stop);
    assert_eq!((bench.current(), bench.timer()), (a, Some(1_000 + 2 * SLICE)), "too early, once");
    bench.pass(SLICE);
    assert_eq!((bench.current(), bench.timer()), (a, Some(1_000 + 3 * SLICE)), "a deadline");
}

#[test]
fn a_deadline_within_the_slice_is_not_missed() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.ready(10);
    }
    bench.act(Act::Preempt);
    assert_eq!(bench.timer(), Some(1_000 + SLICE));
    bench.act(Act::Sleep(1_000 + SLICE / 4));
    assert_eq!(bench.timer(), Some(1_000 + SLICE / 4));
}

#[test]
fn a_slice_ends_with_the_need_for_it() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    bench.act(Act::Preempt);
    bench.set_priority(b, 4);
    bench.act(Act::Preempt);
    bench.pass(SLICE - 10);
    bench.set_priority(b, 10);
    bench.act(Act::Preempt);
    bench.pass(10);
    assert_eq!(bench.current(), a, "an equal comes again: a slice of its own");
    bench.pass(SLICE - 10);
    assert_eq!(bench.current(), b);
}

/// Tickless: what nobody needs is not set.
#[test]
fn no_ticks_when_nothing_needs_them() {
    let mut bench = Bench::new();
    let (low, high) = (bench.ready(5), bench.ready(10));
    for _ in 0..5 {
        bench.act(Act::Preempt);
        assert_eq!(bench.current(), high);
        bench.act(Act::Stop);
        assert_eq!(bench.current(), low);
        bench.schedule(high);
    }
    bench.act(Act::Preempt);
    assert_eq!((bench.timer(), bench.timer_sets()), (None, 0), "nobody has an equal");
    let equal = bench.ready(10);
    bench.act(Act::Preempt);
    assert_eq!(bench.timer(), Some(1_000 + SLICE), "somebody has");
    bench.set_priority(equal, 4);
    bench.act(Act::Preempt);
    assert_eq!(bench.timer_sets(), 1, "it is no equal any more; the timer may fire once");
    bench.act(Act::Sleep(1_000 + SLICE));
    assert_eq!(bench.timer(), Some(1_000 + SLICE));
    bench.pass(SLICE);
    assert_eq!((bench.current(), bench.timer()), (high, None), "nobody sleeps any more");
    for _ in 0..3 {
        bench.act(Act::Stop);
        bench.pass(10 * SLICE);
        assert_eq!(bench.timer(), None);
    }
    assert_eq!(bench.current(), 0, "idle");
}

/// Equals that hand the hart to each other, as client and server do, do not
/// set the timer each time.
#[test]
fn handing_over_to_an_equal_sets_no_timer() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    bench.act(Act::Preempt);
    for _ in 0..100 {
        bench.act(Act::Stop);
        bench.act(Act::Preempt);
        bench.schedule(if bench.current() == a { b } else { a });
        bench.act(Act::Preempt);
    }
    assert_eq!(bench.timer_sets(), 1);
}

#[test]
fn equals_share_by_slices() {
    let mut bench = Bench::new();
    let (a, b, c) = (bench.ready(10), bench.ready(10), bench.ready(10));
    bench.ready(9);
    bench.act(Act::Preempt);
    for turn in [a, b, c, a, b, c] {
        for _ in 0..SLICE / 10 {
            assert_eq!(bench.current(), turn);
            // What is no reason: sections that end, interrupts, wakes of
            // others, more equals.
            bench.schedule(b);
            bench.act(Act::Preempt);
            bench.world.cpu(0).poll();
            bench.pass(10);
        }
    }
    assert_eq!(bench.current(), a);
    bench.ready(10);
    bench.act(Act::Preempt);
    bench.pass(SLICE - 1);
    assert_eq!(bench.current(), a, "one equal more is no new slice");
    bench.pass(1);
    assert_eq!(bench.current(), b);
}

#[test]
fn a_slice_begins_when_an_equal_comes() {
    let mut bench = Bench::new();
    let a = bench.ready(10);
    bench.act(Act::Preempt);
    bench.pass(10 * SLICE);
    let b = bench.ready(10);
    bench.act(Act::Preempt);
    bench.pass(SLICE - 1);
    assert_eq!(bench.current(), a);
    bench.pass(1);
    assert_eq!(bench.current(), b);
    bench.act(Act::Yield);
    bench.pass(SLICE - 1);
    assert_eq!(bench.current(), a, "a yield begins a new one");
}

/// Someone urgent who comes often takes time from equals, but not the turn of
/// the one behind: a slice that was interrupted goes on where it stopped.
#[test]
fn a_preemption_is_no_new_slice() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    let urgent = bench.adopt(20);
    bench.act(Act::Preempt);
    let mut ran = [0u32; 4];
    for _ in 0..40 {
        bench.pass(SLICE / 4);
        ran[bench.current()] += 1;
        bench.schedule(urgent);
        bench.act(Act::Preempt);
        assert_eq!(bench.current(), urgent);
        bench.pass(SLICE / 2);
        bench.act(Act::Stop);
    }
    assert!(ran[a].abs_diff(ran[b]) <= 4, "each its turn: {ran:?}");
}

/// Who lost the hart with its slice over has had its turn.
#[test]
fn a_slice_that_is_over_when_someone_urgent_comes() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    let urgent = bench.adopt(20);
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), a);
    bench.world.clock.advance(SLICE);
    bench.schedule(urgent);
    bench.world.expire(0);
    assert_eq!(bench.current(), urgent);
    bench.act(Act::Stop);
    assert_eq!(bench.current(), b);
}
