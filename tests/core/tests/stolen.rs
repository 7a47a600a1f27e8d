// SPDX-License-Identifier: Apache-2.0
//! Harts whose time is stolen, by a hypervisor or an emulator that lets harts
//! take turns: a slice can be over before its thread has run an instruction.

use skimmer_core_tests::{
    bench::{Act, Bench},
    fake::SLICE,
};

/// Steps of a thread in a slice that nobody takes time from.
const STEPS: u64 = 10;

/// Runs the hart for so many traps and steps. How many steps each thread had.
fn run(bench: &Bench, turns: u32) -> Vec<u32> {
    let mut steps = vec![0; 8];
    for _ in 0..turns {
        // What is pending comes before the thread runs an instruction.
        if bench.world.clock.is_due(0) {
            bench.world.cpu(0).trap(|hart, irq| hart.timer_fired(irq));
        } else {
            steps[bench.current()] += 1;
            bench.world.clock.advance(SLICE / STEPS);
        }
    }
    steps
}

/// Two equals on a hart that is away whenever it has set its timer.
fn robbed(theft: u64) -> (Bench, usize, usize) {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    bench.world.clock.theft.set(theft);
    bench.act(Act::Preempt);
    (bench, a, b)
}

/// The stall of a `spawnstorm`: two equals changed places 3,300 times, and
/// neither ran an instruction.
#[test]
fn equals_run_however_much_is_stolen() {
    for slices in [1, 2, 5, 10, 70, 640] {
        let (bench, a, b) = robbed(slices * SLICE);
        let steps = run(&bench, 100_000);
        let least = steps[a].min(steps[b]);
        assert!(least > 1_000, "{slices} slices: {steps:?}");
    }
}

/// Whoever waits for an equal waits for twice as long as the hart was away, or
/// for a slice.
#[test]
fn a_slice_is_drawn_out_to_twice_what_was_stolen() {
    for theft in [SLICE / 2, SLICE, 3 * SLICE, 64 * SLICE] {
        let (bench, ..) = robbed(theft);
        for _ in 0..100 {
            let left = bench.timer().map(|at| at.saturating_sub(bench.world.clock.now()));
            assert!(left <= Some(bench.world.clock.longest_slice()), "{theft}: {left:?}");
            bench.world.clock.advance(left.unwrap_or(0));
            let before = bench.current();
            bench.world.cpu(0).trap(|hart, irq| hart.timer_fired(irq));
            assert_ne!(bench.current(), before, "a slice that was had ends");
        }
    }
}

/// A timer that fires too early is set anew: a thread loses its hart there too.
#[test]
fn what_is_stolen_in_the_middle_of_a_slice_is_made_up_for() {
    let (bench, a, b) = robbed(0);
    // What is set for `a` stays for `b`, and comes in the middle of its slice.
    bench.world.clock.advance(SLICE / 2);
    bench.act(Act::Yield);
    assert_eq!(bench.current(), b);
    bench.world.clock.advance(SLICE / 2);
    bench.world.clock.theft.set(2 * SLICE);
    bench.world.cpu(0).trap(|hart, irq| hart.timer_fired(irq));
    assert_eq!((bench.current(), bench.world.clock.is_due(0)), (b, false));
    let steps = run(&bench, 1_000);
    assert!(steps[a] > 0 && steps[b] > 0, "{steps:?}");
}

/// Strict priority does not ask whether the less urgent had anything.
#[test]
fn who_is_more_urgent_does_not_wait_for_a_slice_that_was_stolen() {
    let (mut bench, ..) = robbed(20 * SLICE);
    let urgent = bench.ready(20);
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), urgent);
}
