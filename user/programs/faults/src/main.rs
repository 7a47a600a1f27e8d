// SPDX-License-Identifier: Apache-2.0
//! Misbehaves in every way. Without an argument it starts itself once for each
//! way and checks how each process ended, while one more of them, the
//! neighbour, must not notice; all of it `times=1` times. With a way's name as
//! the argument it does that.
//!
//! Reports the ways that ended as they should. Ends with 0 only if all did.
//!
//! Almost everything here is wrong on purpose, so this program may have unsafe
//! code; no other may.
#![no_std]
#![no_main]

extern crate alloc;

mod calls;
mod chain;
mod fresh;
mod ways;
mod works;

use alloc::format;
use alloc::string::{String, ToString as _};

use skimmer_rt::process::{Child, ExitStatus, Program};
use skimmer_rt::report::{Report, report};
use skimmer_rt::{Args, Errno, println};

use ways::{Ends, NEIGHBOUR, VICTIM, WAYS};

skimmer_rt::program!(main);

/// The variable that says who started a way.
const PARENT: &str = "PARENT";

/// Our name in the boot package.
const NAME: &str = "faults";

fn main(args: Args) -> Result<(), String> {
    let Some(name) = args.first().filter(|first| !first.contains('=')) else {
        let times = args.number("times", 1).map_err(|error| error.to_string())?;
        return (0..times).try_for_each(|_| drive());
    };
    let Some(way) = WAYS.iter().chain([&NEIGHBOUR, &VICTIM]).find(|way| way.name == name) else {
        return Err(format!("there is no way named {name}"));
    };
    skimmer_rt::process::exit((way.run)())
}

/// Every way, one after the other.
fn drive() -> Result<(), String> {
    let mut told = Report::default();
    let neighbour = start(NEIGHBOUR.name).map_err(|errno| format!("the neighbour: {errno}"))?;
    for way in WAYS {
        let ended = start(way.name).and_then(Child::wait);
        if ended.is_ok_and(|status| is_due(&way.ends, status)) {
            told.verified += 1;
        } else {
            match way.check {
                Some(check) => told.check(check, false),
                None => told.errors += 1,
            }
            println!("faults: {}: {}", way.name, in_words(ended));
        }
    }
    let killed = neighbour.kill().and_then(|()| neighbour.wait());
    if killed == Ok(ExitStatus::Killed) {
        told.verified += 1;
    } else {
        told.errors += 1;
        println!("faults: the neighbour {}", in_words(killed));
    }
    report(&told).map_err(|errno| format!("the report: {errno}"))?;
    if told.errors > 0 {
        return Err(format!("{} of {} ways ended otherwise", told.errors, WAYS.len() + 1));
    }
    Ok(())
}

fn start(way: &str) -> Result<Child, Errno> {
    let us = skimmer_rt::process::id()?;
    Program::new(NAME).arg(way).env(PARENT, &us.to_string()).spawn()
}

/// Whether that is how it should end.
fn is_due(due: &Ends, status: ExitStatus) -> bool {
    match (due, status) {
        (Ends::With(due), ExitStatus::Exited(status)) => *due == status,
        (Ends::Killed, ExitStatus::Killed) => true,
        (Ends::Fault { causes, at }, ExitStatus::Faulted { cause, address, .. }) => {
            causes.contains(&cause) && at.is_none_or(|at| at == address)
        }
        _ => false,
    }
}

fn in_words(ended: Result<ExitStatus, Errno>) -> String {
    ended.map_or_else(|errno| errno.to_string(), |status| status.to_string())
}
