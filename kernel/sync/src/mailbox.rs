// SPDX-License-Identifier: Apache-2.0
//! How a hart learns which rings to look at: a bit per source and one flag.
//!
//! Sender: fill the ring, set its source bit, swap the pending flag to true;
//! ring the doorbell only if it was false, so at most one doorbell is in
//! flight to a target that looks when it is rung. (One that also looks of its
//! own accord may find a doorbell later that tells of nothing new: it clears
//! it like any other.) Target: clear the doorbell, *then* take the flag,
//! *then* take the bits and drain those rings. Whatever was sent before the
//! flag was taken is seen; whatever comes after finds it false and rings.
//!
//! A second row of bits says "your ring to that hart has space again": it
//! needs no slot in any ring, so saying it never waits.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use crate::{
    irq::HartIndex,
    order::Site,
    shim::{AtomicBool, AtomicU64},
};

const BITS: usize = u64::BITS as usize;

/// A set of harts that other harts add to and the owner takes from.
#[derive(Debug)]
struct HartBits(Box<[AtomicU64]>);

impl HartBits {
    fn new(harts: usize) -> Self {
        Self((0..harts.div_ceil(BITS)).map(|_| AtomicU64::new(0)).collect())
    }

    fn set(&self, hart: HartIndex) {
        let bit = 1 << (hart.index() % BITS);
        self.0[hart.index() / BITS].fetch_or(bit, Site::SourceSet.ordering());
    }

    fn take(&self, mut each: impl FnMut(HartIndex)) {
        for (number, word) in self.0.iter().enumerate() {
            // An empty word costs a load only. What was set before the flag
            // that the owner took is not missed; what was not, rings again.
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Site::SourceTake.ordering());
            while bits != 0 {
                let place = number * BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                #[expect(clippy::cast_possible_truncation, reason = "made from a HartIndex")]
                each(HartIndex::new(place as u16));
            }
        }
    }
}

/// Whether the sender has to ring the target's doorbell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a doorbell that is not rung is a message that is not seen"]
pub enum Doorbell {
    /// Ring it.
    Ring,
    /// One is in flight already and has not been answered.
    InFlight,
}

/// What others tell one hart.
#[derive(Debug)]
pub struct Mailbox {
    pending: AtomicBool,
    sources: HartBits,
    space: HartBits,
}

impl Mailbox {
    /// A mailbox for a machine with that many harts.
    #[must_use]
    pub fn new(harts: usize) -> Self {
        Self {
            pending: AtomicBool::new(false),
            sources: HartBits::new(harts),
            space: HartBits::new(harts),
        }
    }

    /// Says that the ring from `source` has something in it. Call after `push`.
    #[inline]
    pub fn post(&self, source: HartIndex) -> Doorbell {
        self.sources.set(source);
        self.raise()
    }

    /// Says that the owner's ring *to* `from` has space again.
    #[inline]
    pub fn post_space(&self, from: HartIndex) -> Doorbell {
        self.space.set(from);
        self.raise()
    }

    #[inline]
    fn raise(&self) -> Doorbell {
        if self.pending.swap(true, Site::PendingSet.ordering()) {
            Doorbell::InFlight
        } else {
            Doorbell::Ring
        }
    }

    /// Whether anything waits. For the owner, before it sleeps.
    #[inline]
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Takes the pending flag: step two of the target, after it has cleared
    /// the doorbell and before it takes the bits.
    #[inline]
    pub fn take_pending(&self) -> bool {
        self.pending.swap(false, Site::PendingTake.ordering())
    }

    /// Takes the sources whose rings are to be drained.
    #[inline]
    pub fn take_sources(&self, each: impl FnMut(HartIndex)) {
        self.sources.take(each);
    }

    /// Takes the targets whose rings have space again.
    #[inline]
    pub fn take_space(&self, each: impl FnMut(HartIndex)) {
        self.space.take(each);
    }
}
