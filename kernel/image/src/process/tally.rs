// SPDX-License-Identifier: Apache-2.0
//! What a kernel built to count (feature `bench`) has counted. Another has no
//! such code in what it counts.

use skimmer_abi::call::Counts;

/// All of it, since boot; none if this kernel does not count.
#[cfg(feature = "bench")]
pub(crate) fn read() -> Option<Counts> {
    use core::sync::atomic::Ordering::Relaxed;
    use skimmer_sync::tally::{FENCES, FIRMWARE, LOCK_WAITS, LOCKS, SATP_WRITES};
    let doorbells = crate::smp::inspect().iter().map(|hart| hart.doorbells.load(Relaxed)).sum();
    Some(Counts {
        fences: FENCES.get(),
        satp_writes: SATP_WRITES.get(),
        locks: LOCKS.get(),
        lock_waits: LOCK_WAITS.get(),
        doorbells,
        firmware: FIRMWARE.get(),
    })
}

/// Nothing: this kernel does not count.
#[cfg(not(feature = "bench"))]
pub(crate) const fn read() -> Option<Counts> {
    None
}
