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

/// How long holders are given to get what is there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Frames that five processes can have at the least if there are more than enough.
const MANY: u64 = 64 << 10;

/// Takes memory, in pieces as large as there are, and keeps it.
pub(crate) fn hold() -> i64 {
    keep(|| {
        for pages in [256, 16, 1] {
            while let Ok(mapping) = Mapping::new(pages * PAGE) {
                core::mem::forget(mapping);
            }
        }
    })
}

/// Members of a family of which each has all the channels that it may.
const LISTENERS: u64 = 40;

/// Takes channels, and keeps them.
pub(crate) fn listen() -> i64 {
    keep(|| {
        while let Ok(channel) = Channel::create(ChannelFlags::NONE) {
            core::mem::forget(channel);
        }
    })
}

/// Takes, and then waits to be killed, without using its hart: two threads wait for
/// each other's end.
fn keep(take: impl FnOnce()) -> i64 {
    let Ok(me) = thread::id() else { return -1 };
    // It is made before there is no memory for it.
    let Ok(other) = thread::spawn(move || me.join()) else { return -1 };
    take();
    i64::from(other.join().is_err())
}

/// A family that has as many channels as it gets, and goes.
pub(crate) fn listeners() -> i64 {
    let start =
        |hart| Program::new(NAME).args(["child", "listen"]).hart(hart % env::harts()).spawn();
    let all = (0..LISTENERS).filter_map(|number| start(number).ok());
    all.for_each(core::mem::forget);
    i64::from(wait(enough_channels).is_err())
}

/// Most of what all listeners can have, or of what a family may.
fn enough_channels(frames: u64, limit: u64) -> bool {
    frames > (LISTENERS * 120).min(limit / 10 * 8)
}

/// Whether programs can have nine tenths of what they are promised, or as much as
/// the holders can hold.
pub(crate) fn is_there() -> core::result::Result<bool, String> {
    most().map_err(|errno| errno.to_string())
}

/// The same, now that a family has had all the channels that it could have.
pub(crate) fn is_back() -> core::result::Result<bool, String> {
    let listeners = Program::new(NAME).args(["child", "listeners"]).spawn().and_then(Child::wait);
    if listeners != Ok(ExitStatus::Exited(0)) {
        return Err(format!("the listeners: {listeners:?}"));
    }
    is_there()
}

fn most() -> Result<bool> {
    let start = |hart| Program::new(NAME).args(["child", "hold"]).hart(hart % env::harts()).spawn();
    // Those that begin late may find that nothing is left for them.
    let holders = [0, 1, 2, 3, 4].map(|hart| start(hart).ok());
    let is_enough = wait(|frames, limit| frames > (limit / 10 * 9).min(MANY));
    for holder in holders.into_iter().flatten() {
        holder.kill()?;
        holder.wait()?;
    }
    is_enough
}

/// Waits until the family has enough, of at most so much. Whether it had.
fn wait(is_enough: impl Fn(u64, u64) -> bool) -> Result<bool> {
    let (mut most, begin) = (0, time::now());
    while time::now() - begin < PATIENCE {
        let now = holdings()?;
        if is_enough(now.family_frames, now.family_limit) {
            return Ok(true);
        }
        if now.family_frames > most {
            most = now.family_frames;
            // It adds nothing; the host sees that there is progress.
            report(&Report::default())?;
        }
        thread::yield_now();
    }
    skimmer_rt::println!("{most} frames, {:?}", holdings()?);
    Ok(false)
}
