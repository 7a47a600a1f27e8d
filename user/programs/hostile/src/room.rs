// SPDX-License-Identifier: Apache-2.0
//! How much memory programs can have together: five holders, for a family may have
//! a quarter, take all that they get, and keep it until they are killed.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::time::Duration;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::process::{Child, ExitStatus, Program, holdings};
use skimmer_rt::report::{Report, report};
use skimmer_rt::{Result, env, thread, time};

use crate::NAME;

/// Who takes has all that there is once he has not got more for so long.
const QUIET: Duration = Duration::from_millis(50);

/// How long they are given to get as much as was asked for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes memory, in pieces as large as there are, for ever.
pub(crate) fn hold() -> i64 {
    for pages in [256, 16, 1] {
        while let Ok(mapping) = Mapping::new(pages * PAGE) {
            core::mem::forget(mapping);
        }
    }
    loop {
        thread::yield_now();
    }
}

/// Members of a family of which each has all the channels that it may.
const LISTENERS: u64 = 40;

/// Takes channels, and keeps them until it is killed.
pub(crate) fn listen() -> i64 {
    while let Ok(channel) = Channel::create(ChannelFlags::NONE) {
        core::mem::forget(channel);
    }
    loop {
        thread::yield_now();
    }
}

/// A family that has as many channels as it gets, and goes.
pub(crate) fn listeners() -> i64 {
    let start =
        |hart| Program::new(NAME).args(["child", "listen"]).hart(hart % env::harts()).spawn();
    let all = (0..LISTENERS).filter_map(|number| start(number).ok());
    all.for_each(core::mem::forget);
    i64::from(wait(None).is_err())
}

/// Whether all but 2 % of those frames can be had again, now that a family has had
/// all the channels that it could have.
pub(crate) fn is_back(before: u64) -> core::result::Result<bool, String> {
    let listeners = Program::new(NAME).args(["child", "listeners"]).spawn().and_then(Child::wait);
    if listeners != Ok(ExitStatus::Exited(0)) {
        return Err(format!("the listeners: {listeners:?}"));
    }
    let wanted = before - before / 50;
    let again = most(Some(wanted)).map_err(|errno| errno.to_string())?;
    Ok(again >= wanted)
}

/// Frames that programs get: all, or, if so many are `wanted`, these.
pub(crate) fn most(wanted: Option<u64>) -> Result<u64> {
    let start = |hart| Program::new(NAME).args(["child", "hold"]).hart(hart % env::harts()).spawn();
    // Those that begin late may find that nothing is left for them.
    let holders = [0, 1, 2, 3, 4].map(|hart| start(hart).ok());
    let got = wait(wanted);
    for holder in holders.into_iter().flatten() {
        holder.kill()?;
        holder.wait()?;
    }
    got
}

fn wait(wanted: Option<u64>) -> Result<u64> {
    let (mut most, begin) = (0, time::now());
    let mut since = begin;
    loop {
        let (frames, now) = (holdings()?.frames, time::now());
        if frames > most {
            (most, since) = (frames, now);
            // It adds nothing; the host sees that there is progress.
            report(&Report::default())?;
        }
        let is_over = match wanted {
            Some(wanted) => most >= wanted || now - begin > PATIENCE,
            None => now - since > QUIET,
        };
        if is_over {
            return Ok(most);
        }
        thread::yield_now();
    }
}
