// SPDX-License-Identifier: Apache-2.0
//! A hart that others send to: its mailbox, and its doorbell as a modelled
//! SSIP bit.
//!
//! The bit is an atomic that orders nothing by itself; the machine's contract
//! is the fence beside each access, and [`Fences`] can leave it away. On the
//! real thing those are fences between memory and device accesses: whatever
//! was written before is visible before the doorbell is (`fence rw,o`), and
//! the doorbell is down before anything after it is looked at (`fence o,rw`).

use std::{
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Relaxed},
};

use loom::{
    sync::atomic::{AtomicBool, fence},
    thread::yield_now,
};
use skimmer_sync::{
    irq::HartIndex,
    mailbox::{Doorbell, Mailbox},
    spsc::Producer,
};

/// Which of the machine's fences are there.
#[derive(Clone, Copy)]
pub(crate) struct Fences {
    pub(crate) before_ring: bool,
    pub(crate) after_clear: bool,
}

impl Fences {
    pub(crate) const ALL: Self = Self { before_ring: true, after_clear: true };
}

/// A doorbell: the SSIP bit of one hart.
pub(crate) struct Bell {
    ssip: AtomicBool,
    fences: Fences,
    /// Doorbells rung and not yet cleared. No part of the model's memory.
    in_flight: AtomicU32,
    most_in_flight: AtomicU32,
}

impl Bell {
    pub(crate) fn new(fences: Fences) -> Self {
        Self {
            ssip: AtomicBool::new(false),
            fences,
            in_flight: AtomicU32::new(0),
            most_in_flight: AtomicU32::new(0),
        }
    }

    /// What `Machine::ring_doorbell` does.
    pub(crate) fn ring(&self) {
        if self.fences.before_ring {
            fence(AcqRel);
        }
        self.ssip.store(true, Relaxed);
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Relaxed);
    }

    /// What `Machine::clear_doorbell` does.
    pub(crate) fn clear(&self) {
        self.ssip.store(false, Relaxed);
        self.in_flight.store(0, Relaxed);
        if self.fences.after_clear {
            fence(AcqRel);
        }
    }

    /// Whether the doorbell is up: a trap would be taken, `wfi` would return.
    pub(crate) fn is_rung(&self) -> bool {
        self.ssip.load(Relaxed)
    }

    /// Sleeps until the doorbell is up, with interrupts masked.
    pub(crate) fn wfi(&self) {
        while !self.is_rung() {
            yield_now();
        }
    }

    /// The doorbells that were ever in flight at once.
    pub(crate) fn most_in_flight(&self) -> u32 {
        self.most_in_flight.load(Relaxed)
    }
}

/// A mailbox and its owner's doorbell.
pub(crate) struct Target {
    pub(crate) mailbox: Mailbox,
    bell: Bell,
}

impl Target {
    pub(crate) fn new(fences: Fences) -> Self {
        // So many that sources lie in different words of the mailbox.
        Self { mailbox: Mailbox::new(65), bell: Bell::new(fences) }
    }

    /// Rings if `doorbell` says so.
    pub(crate) fn ring(&self, doorbell: Doorbell) {
        if doorbell == Doorbell::Ring {
            self.bell.ring();
        }
    }

    /// Sends one value as hart `from`.
    pub(crate) fn send<const N: usize>(
        &self,
        from: HartIndex,
        producer: &mut Producer<'_, u32, N>,
        value: u32,
    ) {
        assert!(producer.push(value).is_ok(), "the model's ring is long enough");
        self.ring(self.mailbox.post(from));
    }
}

impl Deref for Target {
    type Target = Bell;

    fn deref(&self) -> &Bell {
        &self.bell
    }
}
