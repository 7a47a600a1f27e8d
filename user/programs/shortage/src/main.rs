// SPDX-License-Identifier: Apache-2.0
//! Lives with memory that is out again and again: makes every call that takes
//! memory, until it works. Of what failed nothing may be left, and everything
//! works in the end. For a kernel that refuses memory on purpose (feature
//! `shortage`, `shortage=N`); under another one it passes, too.
//!
//! Arguments of the form `key=value`: `threads` (4), `rounds` (100) of each,
//! `seed` (1). The first argument `child` makes it one of its own children: the
//! next says what it does.
//!
//! Reports the operations that worked. Ends with 0 only if all did.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::process::{Child, ExitStatus, Program, holdings};
use skimmer_rt::random::Random;
use skimmer_rt::report::{Check, Report, report};
use skimmer_rt::thread::JoinHandle;
use skimmer_rt::{Args, Errno, Result, env, thread};

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "shortage";

/// What a child ends with if all went well.
const GOOD: i32 = 7;

/// Rounds of a child that works.
const ROUNDS_OF_CHILD: u64 = 4;

/// Threads of a crowd: more than a hart has places for at first.
const CROWD: usize = 40;

fn main(args: Args) -> core::result::Result<(), String> {
    warm();
    let mut words = args.iter();
    if words.next() == Some("child") {
        let life = words.next().unwrap_or_default();
        skimmer_rt::process::exit(i64::from(child(life)))
    }
    let number = |key, usual| args.number(key, usual).map_err(|bad| bad.to_string());
    let (count, rounds, seed) = (number("threads", 4)?, number("rounds", 100)?, number("seed", 1)?);
    let before = holdings().map_err(|errno| errno.to_string())?;
    let mut told = alone(Random::of(seed, u64::MAX), rounds);
    let start = |number: u64| {
        let storm = move || storm(Random::of(seed, number), rounds);
        insist(|| thread::Builder::new().hart(number % env::harts()).spawn(storm))
    };
    let started: Vec<_> = (0..count).map(start).collect();
    for thread in started {
        match thread.and_then(|thread| thread.join()) {
            Ok(of_thread) => told.add(&of_thread),
            Err(_) => told.errors += 1,
        }
    }
    let after = holdings().map_err(|errno| errno.to_string())?;
    let is_all_back = (after.channels, after.threads) == (before.channels, before.threads);
    told.check(Check::NothingLeft, is_all_back);
    report(&told).map_err(|errno| format!("the report: {errno}"))?;
    if told.errors > 0 {
        return Err(format!("{} errors, {} operations worked", told.errors, told.verified));
    }
    Ok(())
}

/// Gets the heap some pages, so that what is small never has to ask for them:
/// a program whose heap is refused memory ends.
fn warm() {
    const BLOCK: usize = 60 << 10;
    let block = || loop {
        let mut bytes = Vec::<u8>::new();
        if bytes.try_reserve_exact(BLOCK).is_ok() {
            return bytes;
        }
    };
    drop([block(), block(), block(), block()]);
}

/// Whether a call failed only because memory is out.
const fn is_out(errno: Errno) -> bool {
    matches!(errno, Errno::ENOMEM | Errno::EAGAIN)
}

/// Calls until it works, or fails for another reason than memory.
fn insist<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(errno) if is_out(errno) => {}
            answer => return answer,
        }
    }
}

/// Each operation by itself while nothing else runs: one that fails leaves the
/// process with what it had.
fn alone(mut random: Random, rounds: u64) -> Report {
    let mut told = Report::default();
    // Tables for the pages are made with the first, and stay.
    let first = insist(|| whole_crowd(&mut random))
        .and_then(|()| OPERATIONS.iter().try_for_each(|it| insist(|| it(&mut random))));
    told.check(Check::NothingLeft, first.is_ok());
    for _ in 0..rounds {
        for operation in OPERATIONS {
            let before = holdings();
            let answer = operation(&mut random);
            let is_kept = match (before, holdings()) {
                (Ok(before), Ok(after)) => {
                    (before.threads, before.channels, before.frames)
                        == (after.threads, after.channels, after.frames)
                }
                _ => false,
            };
            told.check(Check::NothingLeft, is_kept && answer.map_or_else(is_out, |()| true));
        }
        let _ = report(&Report::default());
    }
    told
}

/// What one of several threads does.
fn storm(mut random: Random, rounds: u64) -> Report {
    let mut told = Report::default();
    for _ in 0..rounds {
        for operation in OPERATIONS {
            match insist(|| operation(&mut random)) {
                Ok(()) => told.verified += 1,
                Err(_) => told.errors += 1,
            }
        }
        // It adds nothing; the host sees that there is progress.
        let _ = report(&Report::default());
    }
    told
}

/// Something that takes memory, and gives back what it got.
type Operation = fn(&mut Random) -> Result<()>;

const OPERATIONS: &[Operation] = &[memory, channels, joined, asked, crowd, lives, killed];

/// Pages.
fn memory(random: &mut Random) -> Result<()> {
    let pages = 1 + usize::try_from(random.below(12)).unwrap_or(0);
    let mut mapping = Mapping::new(pages * PAGE)?;
    let is_clean = mapping.iter().all(|byte| *byte == 0);
    mapping.fill(0xaa);
    unmap(mapping)?;
    if is_clean { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Gives pages back, which takes memory, too.
fn unmap(mut mapping: Mapping) -> Result<()> {
    loop {
        mapping = match mapping.unmap() {
            Ok(()) => return Ok(()),
            Err((errno, mapping)) if is_out(errno) => mapping,
            Err((errno, _)) => return Err(errno),
        }
    }
}

/// More channels than the table has slots, at first.
fn channels(_: &mut Random) -> Result<()> {
    let some: Result<Vec<_>> = (0..70).map(|_| Channel::create(ChannelFlags::NONE)).collect();
    some.map(drop)
}

/// A thread that answers.
fn joined(random: &mut Random) -> Result<()> {
    let (hart, question) = (random.below(env::harts()), random.below(1000));
    let thread = thread::Builder::new().hart(hart).spawn(move || question + 1)?;
    if thread.join()? == question + 1 { Ok(()) } else { Err(Errno::EFAULT) }
}

/// A thread whose priority is asked for, which its hart must be told.
fn asked(random: &mut Random) -> Result<()> {
    let hart = random.below(env::harts());
    let thread = thread::Builder::new().hart(hart).spawn(thread::yield_now)?;
    let priority = insist(|| thread.priority());
    thread.join()?;
    match priority {
        // It may be over.
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// As many threads at a time as take stacks and places that there were none of.
fn crowd(random: &mut Random) -> Result<()> {
    join_all(make_crowd(random, || thread::yield_now))
}

/// A crowd that is there all at once. After it there are tables for as many
/// stacks, which stay: a crowd whose threads end before the last is made may need
/// them in any later round.
fn whole_crowd(random: &mut Random) -> Result<()> {
    let is_whole = Arc::new(AtomicBool::new(false));
    let crowd = make_crowd(random, || {
        let is_whole = Arc::clone(&is_whole);
        move || {
            while !is_whole.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        }
    });
    is_whole.store(true, Ordering::Relaxed);
    join_all(crowd)
}

fn make_crowd<F>(random: &mut Random, mut body: impl FnMut() -> F) -> Vec<Result<JoinHandle<()>>>
where
    F: FnOnce() + Send + 'static,
{
    let mut one = || thread::Builder::new().hart(random.below(env::harts())).spawn(body());
    (0..CROWD).map(|_| insist(&mut one)).collect()
}

fn join_all(crowd: Vec<Result<JoinHandle<()>>>) -> Result<()> {
    crowd.into_iter().try_for_each(|thread| thread?.join())
}

fn spawn(life: &str, random: &mut Random) -> Result<Child> {
    Program::new(NAME).arg("child").arg(life).hart(random.below(env::harts())).spawn()
}

/// A process that lives as we do.
fn lives(random: &mut Random) -> Result<()> {
    match spawn("works", random)?.wait()? {
        ExitStatus::Exited(status) if status == i64::from(GOOD) => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// A process that is ended in the middle of something.
fn killed(random: &mut Random) -> Result<()> {
    let child = spawn("goes-on", random)?;
    (0..random.below(200)).for_each(|_| thread::yield_now());
    child.kill()?;
    if child.wait()? == ExitStatus::Killed { Ok(()) } else { Err(Errno::EFAULT) }
}

/// What a child does: its status.
fn child(life: &str) -> i32 {
    let mut random = Random::of(skimmer_rt::process::id().map_or(0, |id| id.number()), 0);
    let mut round = 0;
    while life == "goes-on" || round < ROUNDS_OF_CHILD {
        round += 1;
        for operation in [memory, channels, joined, asked] as [Operation; 4] {
            if insist(|| operation(&mut random)).is_err() {
                return 1;
            }
        }
    }
    GOOD
}
