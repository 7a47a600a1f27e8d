// SPDX-License-Identifier: Apache-2.0
//! The memory orderings of every protocol, each with a name.
//!
//! In the kernel a site is a constant. Under loom one site at a time can be
//! weakened to `Relaxed`, so that a test shows of every single ordering that
//! the protocol fails without it: none is there for comfort.

use core::sync::atomic::Ordering;

/// One atomic access whose ordering a protocol relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Site {
    /// Producer publishes a filled slot (`tail` store).
    RingPublish = 1,
    /// Consumer sees filled slots (`tail` load).
    RingSee,
    /// Consumer hands an emptied slot back (`head` store).
    RingFree,
    /// Producer sees emptied slots (`head` load).
    RingReuse,
    /// A producer that found the ring full says so, and sees what was freed.
    StarvedSet,
    /// The consumer takes that word after it freed slots.
    StarvedTake,
    /// A sender marks its ring as non-empty in the target's mailbox.
    SourceSet,
    /// The target takes the marks.
    SourceTake,
    /// A sender sets the pending flag, and learns whether to ring.
    PendingSet,
    /// The target takes the pending flag.
    PendingTake,
    /// A lock is taken.
    LockTake,
    /// A lock is released.
    LockRelease,
    /// A value is set once.
    OnceSet,
    /// A value that was set once is read.
    OnceGet,
    /// A hart enters the set of those that may hold a space's translations.
    ActiveEnter,
    /// A hart leaves that set.
    ActiveLeave,
    /// Who changed translations looks at that set.
    ActiveLook,
    /// A table's new segment is published.
    SegmentSet,
    /// A table's segment is looked up.
    SegmentGet,
    /// A round begins.
    RoundBegin,
    /// A hart learns which rounds have begun.
    RoundSee,
    /// A hart has passed them.
    RoundPass,
    /// Who began a round looks at what a hart has passed.
    RoundLook,
    /// A cell becomes a lock's.
    CellClaim,
    /// A cell becomes nobody's.
    CellRelease,
    /// A place is given an address.
    RefSet,
    /// The address in a place is read.
    RefGet,
    /// Where a connection leads is written, a word at a time.
    ConnectionWrite,
    /// It is read, by who may find an earlier or a later connection there.
    ConnectionRead,
    /// A connection is there.
    ConnectionShow,
    /// A connection is looked for.
    ConnectionFind,
}

impl Site {
    /// Every site.
    pub const ALL: &[Self] = &[
        Self::RingPublish,
        Self::RingSee,
        Self::RingFree,
        Self::RingReuse,
        Self::StarvedSet,
        Self::StarvedTake,
        Self::SourceSet,
        Self::SourceTake,
        Self::PendingSet,
        Self::PendingTake,
        Self::LockTake,
        Self::LockRelease,
        Self::OnceSet,
        Self::OnceGet,
        Self::ActiveEnter,
        Self::ActiveLeave,
        Self::ActiveLook,
        Self::SegmentSet,
        Self::SegmentGet,
        Self::RoundBegin,
        Self::RoundSee,
        Self::RoundPass,
        Self::RoundLook,
        Self::CellClaim,
        Self::CellRelease,
        Self::RefSet,
        Self::RefGet,
        Self::ConnectionWrite,
        Self::ConnectionRead,
        Self::ConnectionShow,
        Self::ConnectionFind,
    ];

    const fn strong(self) -> Ordering {
        match self {
            Self::RingPublish | Self::RingFree | Self::LockRelease => Ordering::Release,
            Self::SourceSet | Self::PendingSet => Ordering::Release,
            Self::RingSee | Self::RingReuse | Self::LockTake => Ordering::Acquire,
            Self::SourceTake | Self::PendingTake => Ordering::Acquire,
            Self::OnceSet | Self::SegmentSet | Self::CellRelease => Ordering::Release,
            Self::OnceGet | Self::SegmentGet | Self::CellClaim => Ordering::Acquire,
            Self::RoundBegin | Self::RoundPass => Ordering::Release,
            Self::RoundSee | Self::RoundLook => Ordering::Acquire,
            // Who reads a word of the next connection acquires that this one is gone.
            Self::RefSet | Self::ConnectionWrite => Ordering::Release,
            Self::RefGet | Self::ConnectionRead => Ordering::Acquire,
            // Who finds a connection acquires where it leads.
            Self::ConnectionShow => Ordering::Release,
            Self::ConnectionFind => Ordering::Acquire,
            // Both are read-modify-writes of one word, so one comes after the
            // other. If the producer's does, it acquires what the consumer's
            // released: the freed slots. If not, the consumer reads its word.
            Self::StarvedSet => Ordering::Acquire,
            Self::StarvedTake => Ordering::Release,
            // All three are read-modify-writes of one word. Who enters after
            // the look acquires the changed entries that the look released; who
            // left before it released its accesses, which the look acquires.
            Self::ActiveEnter => Ordering::Acquire,
            Self::ActiveLeave => Ordering::Release,
            Self::ActiveLook => Ordering::AcqRel,
        }
    }

    /// The ordering to use at this site.
    #[cfg(not(loom))]
    #[inline]
    #[must_use]
    pub const fn ordering(self) -> Ordering {
        self.strong()
    }

    /// The ordering to use at this site, `Relaxed` if a test weakened it.
    #[cfg(loom)]
    #[must_use]
    pub fn ordering(self) -> Ordering {
        if weaken::current() == self as usize { Ordering::Relaxed } else { self.strong() }
    }
}

/// Weakens one site for the duration of a model run.
#[cfg(loom)]
pub mod weaken {
    use super::Site;
    use core::cell::Cell;

    std::thread_local! {
        static WEAKENED: Cell<usize> = const { Cell::new(0) };
    }

    /// Which site is weakened in models that this thread runs, 0 for none.
    pub(super) fn current() -> usize {
        WEAKENED.with(Cell::get)
    }

    /// Runs `f` with `site` weakened.
    pub fn with<R>(site: Site, f: impl FnOnce() -> R) -> R {
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                WEAKENED.with(|w| w.set(0));
            }
        }
        let _restore = Restore;
        WEAKENED.with(|w| w.set(site as usize));
        f()
    }
}
