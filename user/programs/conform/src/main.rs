// SPDX-License-Identifier: Apache-2.0
//! Tries each statement of the specification of messages, and tells the host what
//! became of it: one record a case, with its name and the clause that it is about.
//!
//! Without an argument it tries all cases, one after the other: everybody who takes
//! part on one hart, and then, where there are two, with a hart between them. With
//! names, or beginnings of names, it tries those. Each case has a process of its
//! own, so that one that goes wrong takes no other along; one that comes to no end
//! is ended.
//!
//! Reports the cases that held, each counted once. Ends with 0 only if all did.
//!
//! Bad addresses are passed on purpose, and threads are ended from outside: so this
//! program has unsafe code, all of it in `bad`.
#![no_std]
#![no_main]

extern crate alloc;

mod agent;
mod bad;
mod case;
mod channels;
mod connections;
mod death;
mod ids;
mod info;
mod priority;
mod receive;
mod reply;
mod scene;
mod send;
mod serve;
mod sizes;
mod timeouts;

use alloc::format;
use alloc::string::{String, ToString as _};

use skimmer_rt::report::{Report, report};
use skimmer_rt::{Args, env};

use case::{Case, Outcome};

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "conform";

/// Every case, by the sections of the specification.
const ROOMS: &[&[Case]] = &[
    ids::CASES,
    send::CASES,
    receive::CASES,
    reply::CASES,
    serve::CASES,
    info::CASES,
    channels::CASES,
    connections::CASES,
    death::CASES,
    priority::CASES,
    timeouts::CASES,
    sizes::CASES,
];

/// Every case.
fn cases() -> impl Iterator<Item = &'static Case> {
    ROOMS.iter().copied().flatten()
}

fn main(args: Args) -> Result<(), String> {
    let mut words = args.iter();
    match words.next() {
        Some("agent") => agent::serve(args),
        Some("case") => {
            let (name, place) = (words.next().unwrap_or_default(), words.next());
            let case = cases().find(|case| case.name == name);
            let case = case.ok_or_else(|| format!("there is no case named {name}"))?;
            case::tried(case, place == Some("apart"));
            Ok(())
        }
        _ => all(args),
    }
}

/// Tries all, or those whose names begin so.
fn all(args: Args) -> Result<(), String> {
    let is_wanted = |case: &&Case| {
        args.first().is_none() || args.iter().any(|word| case.name.starts_with(word))
    };
    let mut sum = Report::default();
    for case in cases().filter(is_wanted) {
        let mut holds = case::in_a_process(case, false) == Outcome::Holds;
        if case.is_twofold && env::harts() > 1 {
            holds &= case::in_a_process(case, true) == Outcome::Holds;
        }
        sum.verified += u64::from(holds);
        sum.errors += u64::from(!holds);
    }
    report(&sum).map_err(|errno| errno.to_string())?;
    if sum.errors > 0 {
        return Err(format!("{} cases failed", sum.errors));
    }
    Ok(())
}
