// SPDX-License-Identifier: Apache-2.0
//! Starts processes from several threads, each on a hart of its own, and kills
//! them at random points of their lives, or lets them live.
//!
//! Arguments of the form `key=value`: `threads` (4), `rounds` (100) of each,
//! `seed` (1), `plain` (0; 1: all of them only end, and are waited for at once),
//! `steps` (0: without end), after which a child ends by itself that was not
//! killed. The first argument `child` makes it one of its own children: the next
//! ones say what it does, and in how many steps.
//!
//! Reports the processes that ended as they should. Ends with 0 only if all did
//! and nothing of them is left with us.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::process::{ExitStatus, Program, holdings};
use skimmer_rt::random::Random;
use skimmer_rt::report::{Report, report};
use skimmer_rt::{Args, Errno, env, thread, time};

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "spawnstorm";

/// What a child that lives ends with.
const GOOD: i32 = 7;

/// What children do, by name.
const LIVES: &[(&str, Life)] = &[
    ("ends", |_| GOOD),
    ("spins", |steps| {
        spin(steps);
        GOOD
    }),
    ("teams", team),
    ("yields", |steps| {
        (0..steps).for_each(|_| thread::yield_now());
        GOOD
    }),
    ("channels", channels),
    ("threads", threads),
    ("memory", memory),
    ("parent", parent),
];

/// What a child does in so many steps: its exit status, if it comes to that.
type Life = fn(u64) -> i32;

/// The longest that a child is left alone before it is killed, in nanoseconds.
const PATIENCE: u64 = 2_000_000;

fn main(args: Args) -> Result<(), String> {
    let mut words = args.iter();
    if words.next() == Some("child") {
        let life = words.next().unwrap_or_default();
        let steps = words.next().and_then(|steps| steps.parse().ok()).unwrap_or(0);
        let steps = if steps == 0 { u64::MAX } else { steps };
        let found = LIVES.iter().find(|(name, _)| *name == life);
        let status = found.map_or(1, |(_, live)| live(steps));
        skimmer_rt::process::exit(i64::from(status))
    }
    let number = |key, usual| args.number(key, usual).map_err(|bad| bad.to_string());
    let (count, rounds, seed) = (number("threads", 4)?, number("rounds", 100)?, number("seed", 1)?);
    let (is_plain, steps) = (number("plain", 0)? == 1, number("steps", 0)?);
    let before = holdings().map_err(|errno| errno.to_string())?;
    let start = |number: u64| {
        let random = Random::of(seed, number);
        thread::Builder::new()
            .hart(number % env::harts())
            .spawn(move || storm(random, rounds, is_plain, steps))
    };
    let started: Vec<_> = (0..count).map(start).collect();
    let mut sum = Report::default();
    for thread in started {
        match thread.and_then(|thread| thread.join()) {
            Ok(told) => sum.add(&told),
            Err(_) => sum.errors += 1,
        }
    }
    let after = holdings().map_err(|errno| errno.to_string())?;
    sum.errors += u64::from(after.channels != before.channels);
    sum.errors += u64::from(after.threads != before.threads);
    sum.errors += u64::from(sum.verified != count * rounds);
    report(&sum).map_err(|errno| format!("the report: {errno}"))?;
    if sum.errors > 0 {
        return Err(format!("{} errors, {} processes ended well", sum.errors, sum.verified));
    }
    Ok(())
}

/// Rounds between two signs of life.
const SIGN_OF_LIFE: u64 = 64;

/// What one thread does.
fn storm(mut random: Random, rounds: u64, is_plain: bool, steps: u64) -> Report {
    let mut told = Report::default();
    for round in 0..rounds {
        if round % SIGN_OF_LIFE == 0 {
            // It adds nothing; the host sees that there is progress.
            let _ = report(&Report::default());
        }
        let ended = if is_plain { plain() } else { one(&mut random, steps) };
        match ended {
            Ok(true) => told.verified += 1,
            Ok(false) | Err(_) => told.errors += 1,
        }
    }
    told
}

/// One process that only ends. Whether it did.
fn plain() -> Result<bool, Errno> {
    let child = Program::new(NAME).arg("child").arg("ends").spawn()?;
    Ok(child.wait()? == ExitStatus::Exited(i64::from(GOOD)))
}

/// One process from start to end. Whether it ended as it should.
fn one(random: &mut Random, steps: u64) -> Result<bool, Errno> {
    let life = usize::try_from(random.below(LIVES.len() as u64)).unwrap_or(0);
    let name = LIVES[life].0;
    let hart = random.below(env::harts());
    let words = ["child", name, &steps.to_string()];
    let child = Program::new(NAME).args(words).hart(hart).spawn()?;
    let wait = random.below(PATIENCE);
    let since = time::now();
    while time::now() - since < core::time::Duration::from_nanos(wait) {
        thread::yield_now();
    }
    if name == "ends" && random.below(2) == 0 {
        return Ok(child.wait()? == ExitStatus::Exited(i64::from(GOOD)));
    }
    // It may have ended by itself: then there is nothing to kill.
    let was_killed = match child.kill() {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(errno) => return Err(errno),
    };
    Ok(match child.wait()? {
        ExitStatus::Killed => was_killed,
        ExitStatus::Exited(status) => (name == "ends" || steps > 0) && status == i64::from(GOOD),
        _ => false,
    })
}

/// Makes no call: hears of its end only if the kernel does not miss it.
fn spin(steps: u64) {
    for _ in 0..steps.saturating_mul(1000) {
        core::hint::spin_loop();
    }
}

/// Threads that spin from their first instruction on, one a hart.
fn team(steps: u64) -> i32 {
    for hart in 0..env::harts() {
        let made = thread::Builder::new().hart(hart).spawn(move || spin(steps));
        if made.map(core::mem::forget).is_err() {
            return 1;
        }
    }
    spin(steps);
    GOOD
}

/// Holds ever other channels.
fn channels(steps: u64) -> i32 {
    for _ in 0..steps {
        let some: Vec<_> = (0..16).map(|_| Channel::create(ChannelFlags::NONE)).collect();
        if some.iter().any(Result::is_err) {
            return 1;
        }
    }
    GOOD
}

/// Has threads on other harts, and makes others.
fn threads(steps: u64) -> i32 {
    let mut hart = 0;
    for _ in 0..steps {
        hart = (hart + 1) % env::harts();
        let made = thread::Builder::new().hart(hart).spawn(thread::yield_now);
        let ended = match made {
            // Those on the first hart are left to themselves.
            Ok(thread) if hart != 0 => thread.join(),
            made => made.map(drop),
        };
        // Detached threads may come faster than they go.
        if !matches!(ended, Ok(()) | Err(Errno::EAGAIN | Errno::ENOMEM)) {
            return 1;
        }
    }
    GOOD
}

/// Maps, writes and unmaps.
fn memory(steps: u64) -> i32 {
    for _ in 0..steps {
        match Mapping::new(8 * PAGE) {
            Ok(mut mapping) if mapping.iter().all(|byte| *byte == 0) => mapping.fill(0xaa),
            Ok(_) => return 2,
            Err(_) => return 1,
        }
    }
    GOOD
}

/// Starts processes. When it is killed the last of them goes with it.
fn parent(steps: u64) -> i32 {
    for _ in 0..steps {
        let Ok(child) = Program::new(NAME).arg("child").arg("ends").spawn() else { continue };
        if !child.wait().is_ok_and(|status| status == ExitStatus::Exited(i64::from(GOOD))) {
            return 1;
        }
    }
    GOOD
}
