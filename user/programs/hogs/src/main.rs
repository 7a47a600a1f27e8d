// SPDX-License-Identifier: Apache-2.0
//! A client and a server that talk, in two processes of one family, beside hogs:
//! processes that only run. Counts the round trips of the pair in a stretch of time,
//! first alone, then beside hogs of lower priority than the pair, between the server's
//! own and the client's, equal, above the client's, above both, and once these have
//! ended. Everything is on hart 0.
//!
//! Tells the host each count beside that of the pair alone; what it must be, the host
//! knows (`xtask/src/verdict/cases.rs`), and this program does not judge. Reports how
//! many counts there are. Other arguments are those of its own children.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod pair;

use alloc::vec::Vec;

use skimmer_rt::process::{Child, Program};
use skimmer_rt::report::{Case, Report, report};
use skimmer_rt::{Args, Result};

use pair::Pair;

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "hogs";

/// Hogs at a time, each a family of its own.
const HOGS: usize = 2;

/// The client's priority, and the server's own, unless it is said.
const PAIR: u8 = 50;

/// What is counted.
struct Phase {
    name: &'static str,
    /// The client's priority, and the server's own.
    levels: (u8, u8),
    /// The hogs' priority, if there are any.
    hogs: Option<u8>,
}

const PHASES: &[Phase] = &[
    Phase { name: "alone", levels: (PAIR, PAIR), hogs: None },
    Phase { name: "below-the-pair", levels: (PAIR, PAIR), hogs: Some(40) },
    // The server has the client's priority while it serves.
    Phase { name: "above-the-servers-own", levels: (PAIR, 30), hogs: Some(40) },
    Phase { name: "equal-to-the-pair", levels: (PAIR, PAIR), hogs: Some(PAIR) },
    Phase { name: "above-the-client", levels: (30, PAIR), hogs: Some(40) },
    Phase { name: "above-the-pair", levels: (PAIR, PAIR), hogs: Some(60) },
    Phase { name: "after-the-hogs", levels: (PAIR, PAIR), hogs: None },
];

fn main(args: Args) -> Result<()> {
    match args.first() {
        Some("server") => pair::server(args),
        Some("client") => pair::client(args),
        Some("hog") => run_for_ever(),
        _ => all(),
    }
}

/// A hog.
fn run_for_ever() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

fn all() -> Result<()> {
    let mut pair = Pair::start()?;
    let alone = pair.count((PAIR, PAIR), || Ok(()))?;
    for Phase { name, levels, hogs } in PHASES {
        let mut family = Vec::new();
        let hogs = hogs.map_or(Ok(Vec::new()), start)?;
        family.extend(hogs);
        let count = pair.count(*levels, || family.drain(..).try_for_each(end))?;
        Case { name, clause: "12", count, beside: alone, ..Case::default() }.tell()?;
    }
    pair.end()?;
    report(&Report { verified: PHASES.len() as u64, ..Report::default() })
}

fn start(level: u8) -> Result<Vec<Child>> {
    let hog = Program::new(NAME).arg("hog").priority(level).hart(0);
    (0..HOGS).map(|_| hog.spawn()).collect()
}

fn end(hog: Child) -> Result<()> {
    hog.kill()?;
    hog.wait().map(|_| ())
}
