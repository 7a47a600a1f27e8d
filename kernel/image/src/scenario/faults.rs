// SPDX-License-Identifier: Apache-2.0
//! Scenarios that go wrong on purpose, so that the harness can be seen to call
//! each of them a failure, and by its right name.

use skimmer_abi::{
    exit::ExitStatus,
    record::{Outcome, Record},
    scenario::Scenario,
};
use skimmer_arch::{console, irq, power};

use super::{Report, spawn};
use crate::{lwkt, smp};

/// A panic in a thread of the last hart.
pub(super) fn panic() -> Report {
    run_on_last(|| {
        assert!(smp::services().is_empty(), "this panic was asked for");
    })
}

/// A fault of the kernel's own in a thread of the last hart.
pub(super) fn fault(has_bad_frame: bool) -> Report {
    run_on_last(move || skimmer_arch::trap::provoke_fault(has_bad_frame))
}

/// Every hart asleep, and nobody to wake them.
pub(super) fn hang() -> Report {
    loop {
        lwkt::deschedule_self();
    }
}

/// Says that all is well and means it, but leaves with a failure.
pub(super) fn lie_record() -> ! {
    console::send(Record::End(Outcome {
        harts: super::harts(),
        ..Outcome::of(Scenario::LieRecord)
    }));
    power::exit(ExitStatus::Failure)
}

/// Leaves with a success that no record vouches for.
pub(super) fn lie_status() -> ! {
    power::exit(ExitStatus::Success)
}

/// A thread that runs off its stack, by a little: the canary must say so when
/// the hart switches away from it.
pub(super) fn stomp() -> Report {
    run_on_last(|| {
        overrun_stack();
        lwkt::yield_now();
    })
}

/// A thread that calls itself without end: the page below its stack must end it.
/// Interrupts are masked, or one of them would find the stack too small first.
pub(super) fn overflow() -> Report {
    run_on_last(|| {
        irq::masked(|_| fall(u64::MAX));
    })
}

/// Calls itself that many times, and needs stack for each.
fn fall(depth: u64) -> u64 {
    let ballast = core::hint::black_box([depth; 8]);
    if depth == 0 { 0 } else { fall(depth - 1) + ballast[0] }
}

/// Uses more stack than the calling thread has.
pub(super) fn overrun_stack() {
    dig(skimmer_arch::stack::room());
}

/// Uses up stack until less than nothing is left.
fn dig(room: usize) -> usize {
    let ballast = core::hint::black_box([0x5a_u8; 64]);
    let left = skimmer_arch::stack::room();
    if left > 0 && left <= room { dig(left) + usize::from(ballast[0]) } else { left }
}

fn run_on_last(entry: impl FnOnce() + Send + 'static) -> Report {
    if let Some(last) = smp::services().last() {
        let thread = spawn(*last, "faulty", 100, entry);
        lwkt::schedule(thread);
        // Its end answers this; a thread that survives its fault is an error.
        let _ = lwkt::call(thread, lwkt::message([0; 8]));
    }
    Report { errors: 1, ..Report::default() }
}
