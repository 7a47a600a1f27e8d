// SPDX-License-Identifier: Apache-2.0
//! Measures what calls cost, in instructions, for `cargo xtask bench`. Each is
//! done `n` times and `2n` times, and the difference is told: what comes before
//! and after the operations cancels out.
//!
//! `one`: what one hart does; with `only=NAME` just that of its messages, for
//! `cargo xtask bench --profile`. `crowd`: messages in a crowd; `only` as before.
//! `two`: a message between two harts. `pairs`: messages of `count=N` pairs on
//! as many harts. `harts`: channels on all harts. The other arguments are those of its own children.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod crowd;
mod messages;
mod pairs;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_rt::measure::{self, Counts, DUEL_CHANGE, DUEL_TURN, Duel, now};
use skimmer_rt::process::{ExitStatus, Program};
use skimmer_rt::report::{Report, report};
use skimmer_rt::thread::{self, Builder};
use skimmer_rt::{Args, Errno, Result, env};

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "bench";

fn main(args: Args) -> Result<()> {
    match args.first() {
        Some("exit") => Ok(()),
        Some("yield") => measure::yield_forever(),
        Some("fault") => {
            measure::fault_now();
            Err(Errno::EFAULT)
        }
        Some("serve") => messages::serve(args),
        Some("pair") => pairs::pair(args),
        Some("blocked") => crowd::blocked_clients(args),
        Some("crowd") => tell_that(crowd::all(args.value("only"))?),
        Some("two") => tell_that(messages::two_harts()?),
        Some("pairs") => {
            let pairs = args.number("count", 1).map_err(|_| Errno::EINVAL)?;
            tell_that(pairs::all(pairs)?)
        }
        Some("harts") => all_harts(),
        _ => one_hart(args.value("only")),
    }
}

fn one_hart(only: Option<&str>) -> Result<()> {
    let calls = if only.is_none() { calls()? } else { 0 };
    tell_that(calls + messages::one_hart(only)?)
}

/// Tells that so many figures were told.
fn tell_that(verified: u64) -> Result<()> {
    report(&Report { verified, ..Report::default() })
}

/// Measures all but messages. How many figures were told.
fn calls() -> Result<u64> {
    let told = [
        tell("null-call", 1_000, 1, 2, |n| timed(|| measure::nulls(n))),
        tell("channel-create-destroy", 1_000, 1, 5, |n| timed(|| measure::channels(n))),
        tell("thread-create-join", 100, 1, 0, |n| timed(|| (0..n).for_each(|_| one_thread()))),
        tell("process-spawn-exit", 10, 1, 0, |n| timed(|| (0..n).for_each(|_| one_process()))),
        tell("page-fault-death", 10, 1, 0, faults),
        tell("timer-tick", 4, 1, 0, ticks),
        tell("switch-same-space", 500, 2, 4, switches),
        tell("switch-other-space", 500, 2, 3, switches_of_space),
    ];
    let count = told.len() as u64;
    told.into_iter().collect::<Result<()>>()?;
    Ok(count)
}

/// Measures `run`, which does something so many times and says what it took, of
/// which `around` instructions each are its own. Each time is `parts`
/// operations.
fn tell(name: &str, n: u64, parts: u64, around: u64, run: impl FnMut(u64) -> u64) -> Result<()> {
    tell_in_steps(name, n, (parts, around), 1, run)
}

/// The same where an instruction is so many steps of the counter.
fn tell_in_steps(
    name: &str,
    n: u64,
    (parts, around): (u64, u64),
    step: u64,
    mut run: impl FnMut(u64) -> u64,
) -> Result<()> {
    // What grows once grows now.
    run(2);
    let mut sample = |n| -> Result<(u64, Option<Counts>)> {
        let before = measure::counts()?;
        let took = run(n);
        Ok((took, since(before, measure::counts()?)))
    };
    let (first, second) = (sample(n)?, sample(2 * n)?);
    let instructions = ((second.0 - first.0) / step).saturating_sub(n * around);
    // Harts that start and end together do not do it twice in the same way.
    let counts = first.1.zip(second.1).map(|(first, second)| second.more_than(&first));
    let counts = counts.map(|counts| Counts { firmware: counts.firmware / step, ..counts });
    measure::figure(name, n * parts, instructions, counts)
}

/// What `run` takes, from before it to after it.
fn timed(run: impl FnOnce()) -> u64 {
    let start = now();
    run();
    now() - start
}

fn since(before: Option<Counts>, after: Option<Counts>) -> Option<Counts> {
    Some(after?.since(&before?))
}

fn one_thread() {
    let joined = thread::spawn(|| ()).and_then(thread::JoinHandle::join);
    assert_eq!(joined, Ok(()), "a thread that does nothing");
}

fn one_process() {
    let child = Program::new(NAME).arg("exit").spawn();
    let ended = child.and_then(|child| child.wait());
    assert_eq!(ended, Ok(ExitStatus::Exited(0)), "a process that does nothing");
}

/// From the instruction that faults to the parent that has heard of it.
fn faults(n: u64) -> u64 {
    let one = |_| {
        let child = Program::new(NAME).arg("fault").spawn();
        match child.and_then(|child| child.wait()) {
            Ok(ExitStatus::Faulted { address, .. }) => now() - address,
            other => panic!("a process that faults: {other:?}"),
        }
    };
    (0..n).map(one).sum()
}

/// From an instruction of one thread that the timer interrupts to the next of
/// its equal.
fn ticks(n: u64) -> u64 {
    let (mine, theirs) = (0, 1);
    let duel = Arc::new(Duel::default());
    let other = Arc::clone(&duel);
    let thread = Builder::new().hart(0).spawn(move || measure::duel(&other, theirs, u64::MAX));
    // Comes back when the other one has lost its first turn to the timer.
    thread::yield_now();
    let turns = |who: u64| duel.turns[usize::from(who == theirs)].load(Ordering::Relaxed);
    let before = turns(mine) + turns(theirs);
    duel.changes.store(0, Ordering::Relaxed);
    duel.who.store(mine, Ordering::Relaxed);
    let took = timed(|| measure::duel(&duel, mine, n));
    let done = turns(mine) + turns(theirs) - before;
    duel.who.store(2, Ordering::Relaxed);
    assert_eq!(thread.and_then(thread::JoinHandle::join), Ok(()), "the other thread");
    took - DUEL_TURN * done - DUEL_CHANGE * n
}

/// There and back again, between two threads.
fn switches(n: u64) -> u64 {
    let stop = Arc::new(AtomicU64::new(0));
    let theirs = Arc::clone(&stop);
    let thread = Builder::new().hart(0).spawn(move || measure::yield_until(&theirs));
    let took = timed(|| measure::yields(n));
    stop.store(1, Ordering::Relaxed);
    assert_eq!(thread.and_then(thread::JoinHandle::join), Ok(()), "the other thread");
    took
}

/// There and back again, between two processes.
fn switches_of_space(n: u64) -> u64 {
    let child = Program::new(NAME).arg("yield").hart(0).spawn();
    let child = child.unwrap_or_else(|errno| panic!("the other process: {errno}"));
    let took = timed(|| measure::yields(n));
    let killed = child.kill().and_then(|()| child.wait());
    assert_eq!(killed, Ok(ExitStatus::Killed), "the other process");
    took
}

/// Channels on every hart, by a thread each. What is told is the instructions
/// that the machine executed while at least one of them was at it.
fn all_harts() -> Result<()> {
    const EACH: u64 = 10_000;
    /// Around a pair (`measure::channels`).
    const AROUND: u64 = 5;
    let step = step();
    let before = measure::counts()?;
    let start = |hart| {
        Builder::new().hart(hart).spawn(|| {
            let start = now();
            measure::channels(EACH);
            (start, now())
        })
    };
    let threads: Vec<_> = (0..env::harts()).map(start).collect();
    let mut spans = Vec::new();
    for thread in threads {
        spans.push(thread?.join()?);
    }
    let counts = since(before, measure::counts()?)
        .map(|counts| Counts { firmware: counts.firmware / step, ..counts });
    let operations = EACH * env::harts();
    let took = covered(&mut spans) / step;
    let name = "channel-create-destroy-8-harts";
    measure::figure(name, operations, took.saturating_sub(AROUND * operations), counts)?;
    tell_that(1)
}

/// Steps of the counter that an instruction takes.
fn step() -> u64 {
    let steps = (timed(|| measure::turns(2_000)) - timed(|| measure::turns(1_000))) / 2_000;
    steps.max(1)
}

/// How much of the line the spans cover together.
fn covered(spans: &mut [(u64, u64)]) -> u64 {
    spans.sort_unstable();
    let (mut sum, mut end) = (0, 0);
    for (from, to) in spans.iter().copied() {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}
