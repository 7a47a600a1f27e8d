// SPDX-License-Identifier: Apache-2.0
//! Guest time: the `time` register and the frequency that the device tree
//! gives it.

use core::sync::atomic::{AtomicU64, Ordering};

static TICKS_PER_SECOND: AtomicU64 = AtomicU64::new(0);

/// Sets the timebase frequency, in hertz.
pub fn set_frequency(hertz: u64) {
    TICKS_PER_SECOND.store(hertz, Ordering::Relaxed);
}

/// The timebase frequency; where the tree names none, the 10 MHz that most
/// machines have.
#[must_use]
#[inline]
pub fn ticks_per_second() -> u64 {
    match TICKS_PER_SECOND.load(Ordering::Relaxed) {
        0 => 10_000_000,
        hertz => hertz,
    }
}

/// Ticks since some moment before boot.
#[must_use]
pub fn now() -> u64 {
    crate::csr::time()
}

/// Instructions since some moment: exact where the emulator's clock counts them
/// (`cargo xtask bench`), something else elsewhere.
#[inline]
#[must_use]
pub fn instructions() -> u64 {
    crate::csr::instret()
}

/// How many nanoseconds `ticks` are.
#[must_use]
pub fn nanos(ticks: u64) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let frequency = ticks_per_second();
    // Most clocks tick each so many nanoseconds; a division of 128 bits is long.
    if SECOND.is_multiple_of(frequency) {
        return ticks.saturating_mul(SECOND / frequency);
    }
    let nanos = u128::from(ticks) * u128::from(SECOND) / u128::from(frequency);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// How many ticks `nanos` are, rounded up.
#[must_use]
pub fn ticks(nanos: u64) -> u64 {
    let ticks = (u128::from(nanos) * u128::from(ticks_per_second())).div_ceil(1_000_000_000);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// How many whole seconds `ticks` are.
#[must_use]
pub fn seconds(ticks: u64) -> u64 {
    ticks / ticks_per_second()
}
