// SPDX-License-Identifier: Apache-2.0
//! Tries to take everything, beside an innocent pair that must keep working and
//! keep its rate; and then in each way by itself.
//!
//! Arguments of the form `key=value`: `millis` (400) that the pair works alone
//! and then again beside the hostile family; `share` (5), percent of its rate
//! alone that must be left; `below` (0) steps of priority that the hostile family
//! is less urgent than the pair. The first argument `child` makes it one of its
//! own children.
//!
//! The pair's two and the hostile family are three families, so a hart is shared
//! among those of them that are on it. On one hart with `--schedule rr`, where all
//! time is instructions, `share=50` holds; in parallel emulation the host's load
//! is in the rate, and 5 is what can be asked for.
//!
//! Whether programs can have what they are promised is tried before and after.
//!
//! Reports the pair's operations, errors, and ways in which somebody hostile was
//! refused at last. Ends with 0 only if the pair did all of its work at its rate,
//! each way was refused, and the memory is there again.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod pair;
mod room;
mod ways;

use alloc::format;
use alloc::string::{String, ToString as _};
use core::time::Duration;

use skimmer_rt::process::{Child, ExitStatus, Program};
use skimmer_rt::report::{Report, report};
use skimmer_rt::{Args, Errno, env, thread, time};

use skimmer_abi::check::Check;

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "hostile";

/// How long the hostile family has to take what it can before the pair begins
/// again, in milliseconds.
const AHEAD: u64 = 100;

fn main(args: Args) -> Result<(), String> {
    let mut words = args.iter();
    if words.next() == Some("child") {
        let (what, number) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        skimmer_rt::process::exit(child(what, number.parse().unwrap_or(0)))
    }
    let number = |key, usual| args.number(key, usual).map_err(|bad| bad.to_string());
    let (millis, share, below) = (number("millis", 400)?, number("share", 5)?, number("below", 0)?);
    let below = u8::try_from(below).map_err(|_| "below: too much")?;
    let was_room = room::is_there()?;
    let alone = both(millis).map_err(|why| format!("alone: {why}"))?;
    let beside = both_beside_family(millis, below)?;
    // What it took is back: the same once more.
    let after = both(millis / 4).map_err(|why| format!("after: {why}"))?;
    let left = beside * 100 / alone.max(1);
    skimmer_rt::println!("alone {alone}, beside {beside} operations: {left} %");
    let refused = ways::each();
    let is_room_back = was_room && room::is_back()?;
    let mut sum = Report { verified: alone + beside + after + refused, ..Report::default() };
    sum.check(Check::FairShare, left >= share);
    sum.check(Check::RoomBack, is_room_back);
    sum.check(Check::Refused, refused == ways::COUNT);
    report(&sum).map_err(told)?;
    if sum.errors > 0 {
        let all = ways::COUNT;
        return Err(format!(
            "{share} % are promised, and {all} ways: {refused} were refused; there was room: \
             {was_room}, and is again: {is_room_back}"
        ));
    }
    Ok(())
}

fn told(errno: Errno) -> String {
    errno.to_string()
}

/// What a child of ours does: its status.
fn child(what: &str, number: u64) -> i64 {
    match what {
        "pair" => pair::work(number),
        "ends" => pair::GOOD,
        "family" => ways::family(),
        "hold" => room::hold(),
        "listen" => room::listen(),
        "listeners" => room::listeners(),
        "way" => ways::go(number),
        _ => -1,
    }
}

/// The pair works for that long beside the hostile family, which is killed then.
fn both_beside_family(millis: u64, below: u8) -> Result<u64, String> {
    let urgency = thread::priority().map_err(told)?;
    let family =
        Program::new(NAME).args(["child", "family"]).priority(urgency.saturating_sub(below).max(1));
    let family = family.hart(env::harts() - 1).spawn().map_err(told)?;
    let since = time::now();
    while time::now() - since < Duration::from_millis(AHEAD) {
        // Waiting for a child leaves the hart to the hostile family.
        let _ = pair::one_child();
    }
    let beside = both(millis);
    let was_killed = family.kill();
    let end = family.wait();
    if was_killed.is_err() || end != Ok(ExitStatus::Killed) {
        return Err(format!("the hostile family ended by itself: {end:?}"));
    }
    beside.map_err(|why| format!("beside: {why}"))
}

/// The pair works for that long. Its operations.
fn both(millis: u64) -> Result<u64, String> {
    let text = millis.to_string();
    let start =
        |hart| Program::new(NAME).args(["child", "pair", &text]).hart(hart % env::harts()).spawn();
    let pair = [start(0), start(1)];
    let mut sum = 0;
    for child in pair {
        match child.and_then(Child::wait) {
            Ok(ExitStatus::Exited(count)) if count > 0 => sum += count.unsigned_abs(),
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(sum)
}
