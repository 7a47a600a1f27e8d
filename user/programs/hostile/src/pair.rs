// SPDX-License-Identifier: Apache-2.0
//! The innocent: does a bit of everything, and counts.

use core::time::Duration;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::process::{ExitStatus, Program};
use skimmer_rt::{Errno, thread, time};

use crate::NAME;

/// What a small child ends with.
pub(crate) const GOOD: i64 = 7;

/// Operations in which one child is started.
const ROUNDS: u64 = 16;

/// Works for that long. How many operations were right; −1 less the place of the
/// first that was not.
pub(crate) fn work(millis: u64) -> i64 {
    let since = time::now();
    let mut done = 0;
    while time::now() - since < Duration::from_millis(millis) {
        let is_good = match done % ROUNDS {
            0 => one_child(),
            1 => one_thread(),
            2 => one_mapping(),
            _ => some_channels(),
        };
        if is_good != Ok(true) {
            skimmer_rt::println!("operation {}: {is_good:?}", done % ROUNDS);
            return -1 - i64::try_from(done % ROUNDS).unwrap_or(0);
        }
        done += 1;
    }
    i64::try_from(done).unwrap_or(i64::MAX)
}

/// Starts one and waits for its end.
pub(crate) fn one_child() -> Result<bool, Errno> {
    let child = Program::new(NAME).args(["child", "ends"]).spawn()?;
    Ok(child.wait()? == ExitStatus::Exited(GOOD))
}

fn one_thread() -> Result<bool, Errno> {
    Ok(thread::spawn(|| 3)?.join()? == 3)
}

fn one_mapping() -> Result<bool, Errno> {
    let mut mapping = Mapping::new(4 * PAGE)?;
    let was_zero = mapping.iter().all(|byte| *byte == 0);
    mapping.fill(0x5a);
    Ok(was_zero && mapping.iter().all(|byte| *byte == 0x5a))
}

fn some_channels() -> Result<bool, Errno> {
    let one = Channel::create(ChannelFlags::NONE)?;
    let other = Channel::create(ChannelFlags::NONE)?.into_id();
    let is_other = one.id() != other;
    other.destroy()?;
    Ok(is_other && other.destroy() == Err(Errno::EINVAL))
}
