// SPDX-License-Identifier: Apache-2.0
//! Creates and destroys channels in many threads at once. In each round a
//! thread creates its channels, is refused every name of the round before (whose
//! places are taken again by now), and destroys its channels in an order drawn
//! by Fisher and Yates; after each destroy the name is refused.
//!
//! Arguments, all of the form `key=value`: `threads` (16), `rounds` (1000),
//! `channels` (128) of a thread at a time, `seed` (1), `processes` (0): if not
//! 0, the threads are so many processes of one thread. `first` is theirs: the
//! number of the first thread, from which its order is drawn.
//!
//! Places are taken again by force: a process has memory for 512 channels, gets
//! more only when all of them are taken, and 8,192 are the most.
//!
//! Reports the channels that were created, verified and destroyed, and the sum
//! of the threads' digests of their orders; the same for the same seed, however
//! the threads are spread. The host draws the orders again and compares. Ends
//! with 0 only if nothing was wrong, the kernel's counts among it.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use skimmer_rt::channel::{Channel, ChannelFlags, ChannelId};
use skimmer_rt::digest::Digest;
use skimmer_rt::process::{ExitStatus, Holdings, Program, holdings};
use skimmer_rt::random::Random;
use skimmer_rt::report::{Check, Report, report};
use skimmer_rt::{Args, Errno, env, thread};

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "chanstorm";

/// How much is to be done.
#[derive(Clone, Copy)]
struct Sizes {
    threads: u64,
    rounds: u64,
    channels: u64,
    seed: u64,
    first: u64,
}

fn main(args: Args) -> Result<(), String> {
    let number = |key, usual| args.number(key, usual).map_err(|bad| bad.to_string());
    let sizes = Sizes {
        threads: number("threads", 16)?,
        rounds: number("rounds", 1_000)?,
        channels: number("channels", 128)?,
        seed: number("seed", 1)?,
        first: number("first", 0)?,
    };
    match number("processes", 0)? {
        0 => as_threads(sizes),
        processes => as_processes(sizes, processes),
    }
}

/// Every thread in a process of its own, which reports for itself.
fn as_processes(sizes: Sizes, processes: u64) -> Result<(), String> {
    let Sizes { rounds, channels, seed, .. } = sizes;
    let start = |number| {
        Program::new(NAME)
            .arg("threads=1")
            .arg(&format!("rounds={rounds}"))
            .arg(&format!("channels={channels}"))
            .arg(&format!("seed={seed}"))
            .arg(&format!("first={number}"))
            .hart(number % env::harts())
            .spawn()
    };
    let children: Vec<_> = (0..processes).map(start).collect();
    let mut failed = 0;
    for child in children {
        let ended = child.and_then(|child| child.wait());
        failed += u64::from(ended != Ok(ExitStatus::Exited(0)));
    }
    if failed > 0 {
        return Err(format!("{failed} of {processes} processes failed"));
    }
    Ok(())
}

fn as_threads(sizes: Sizes) -> Result<(), String> {
    let before = holdings().map_err(|errno| errno.to_string())?;
    let start = |number: u64| {
        let number = sizes.first + number;
        thread::Builder::new().hart(number % env::harts()).spawn(move || storm(sizes, number))
    };
    let threads: Vec<_> = (0..sizes.threads).map(start).collect();
    let mut sum = Report::default();
    for thread in threads {
        match thread.and_then(|thread| thread.join()) {
            Ok(told) => sum.add(&told),
            Err(_) => sum.errors += 1,
        }
    }
    let after = holdings().map_err(|errno| errno.to_string())?;
    sum.errors += u64::from(sum.verified != sizes.threads * sizes.rounds * sizes.channels);
    sum.check(Check::ChannelCounts, are_right(&before, &after, sum.verified));
    sum.errors += u64::from(after.threads != before.threads);
    report(&sum).map_err(|errno| format!("the report: {errno}"))?;
    if sum.errors > 0 {
        return Err(format!("{} errors, {} channels verified", sum.errors, sum.verified));
    }
    Ok(())
}

/// Whether the kernel's counts are what we did.
const fn are_right(before: &Holdings, after: &Holdings, verified: u64) -> bool {
    after.channels_created.wrapping_sub(before.channels_created) == verified
        && after.channels_destroyed.wrapping_sub(before.channels_destroyed) == verified
        && after.channels == before.channels
}

/// What one thread does.
fn storm(sizes: Sizes, number: u64) -> Report {
    let mut random = Random::of(sizes.seed, number);
    let mut digest = Digest::new();
    let mut told = Report::default();
    let mut before: Vec<ChannelId> = Vec::new();
    let mut order: Vec<(u64, ChannelId)> = Vec::new();
    for _ in 0..sizes.rounds {
        order.clear();
        for number in 0..sizes.channels {
            match Channel::create(ChannelFlags::NONE) {
                Ok(channel) => order.push((number, channel.into_id())),
                Err(_) => told.errors += 1,
            }
        }
        before.iter().for_each(|id| told.check(Check::StaleChid, is_refused(*id)));
        random.shuffle(&mut order);
        for (number, id) in &order {
            digest.add(*number);
            let is_good = id.destroy().is_ok();
            told.verified += u64::from(is_good);
            told.errors += u64::from(!is_good);
            told.check(Check::StaleChid, is_refused(*id));
        }
        before.clear();
        before.extend(order.iter().map(|(_, id)| *id));
    }
    told.digest = digest.value();
    told
}

/// Whether the kernel knows no channel of that name.
fn is_refused(id: ChannelId) -> bool {
    id.destroy() == Err(Errno::EINVAL)
}
