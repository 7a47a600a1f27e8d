// SPDX-License-Identifier: Apache-2.0
//! Counts of what costs more than its instructions, for `cargo xtask bench`. In
//! a kernel without the feature `bench` counting is nothing, not one
//! instruction; a kernel with it is slower, so its instructions mean nothing.

#[cfg(feature = "bench")]
use core::sync::atomic::{AtomicU64, Ordering};

/// A count over all harts.
#[derive(Debug)]
pub struct Tally(#[cfg(feature = "bench")] AtomicU64);

/// `sfence.vma` instructions.
pub static FENCES: Tally = Tally::new();
/// Writes to satp.
pub static SATP_WRITES: Tally = Tally::new();
/// Locks that were taken.
pub static LOCKS: Tally = Tally::new();
/// Of those, how many were not free at once.
pub static LOCK_WAITS: Tally = Tally::new();

/// Steps of the counter `instret` in calls of firmware.
pub static FIRMWARE: Tally = Tally::new();

impl Tally {
    #[cfg(feature = "bench")]
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[cfg(not(feature = "bench"))]
    const fn new() -> Self {
        Self()
    }

    /// One more.
    #[inline(always)]
    pub fn count(&self) {
        #[cfg(feature = "bench")]
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more.
    #[cfg(feature = "bench")]
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    #[cfg(feature = "bench")]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
