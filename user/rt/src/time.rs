// SPDX-License-Identifier: Apache-2.0
//! Time.

use core::time::Duration;

use skimmer_abi::call::Call;

use crate::raw;

/// How long ago the machine booted, in nanoseconds at best.
#[must_use]
pub fn now() -> Duration {
    // SAFETY: the call touches no memory. It knows no error.
    Duration::from_nanos(unsafe { raw::answer(Call::Clock, []) }.unwrap_or(0))
}
