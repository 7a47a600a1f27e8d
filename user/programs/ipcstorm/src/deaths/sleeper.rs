// SPDX-License-Identifier: Apache-2.0
//! Sleeps: waits for a message at a channel that nobody knows, for so long.

use core::time::Duration;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::report::Check;
use skimmer_rt::{Errno, Result as Called};

use super::wrong;

/// Who sleeps.
pub(super) struct Sleeper(Channel);

impl Sleeper {
    pub(super) fn new() -> Called<Self> {
        Channel::create(ChannelFlags::NONE.with(ChannelFlags::PRIVATE)).map(Self)
    }

    pub(super) fn sleep(&self, nanos: u64) {
        let came = self.0.receive_within(Duration::from_nanos(nanos), &mut []);
        let came = came.map(|message| message.sent());
        if came != Err(Errno::ETIMEDOUT) {
            wrong(Check::ResultAllowed, format_args!("sleep: {came:?}"));
        }
    }
}
