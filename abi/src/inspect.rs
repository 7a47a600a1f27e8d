// SPDX-License-Identifier: Apache-2.0
//! What the host reads out of guest memory, running or stopped, without the
//! guest's help: one root at a known symbol, and one public block per hart.

use core::sync::atomic::{AtomicU64, Ordering};

/// Symbol of the [`InspectRoot`] in the kernel image.
pub const ROOT_SYMBOL: &str = "SKIMMER_INSPECT";

/// First word of the root once the kernel has filled it in ("SKIMMER1").
pub const ROOT_MAGIC: u64 = u64::from_le_bytes(*b"SKIMMER1");

/// Where the host finds everything else. All addresses are physical.
#[derive(Debug)]
#[repr(C)]
pub struct InspectRoot {
    /// [`ROOT_MAGIC`] once the other fields are valid.
    pub magic: AtomicU64,
    /// How many entries [`InspectRoot::harts`] points to.
    pub hart_count: AtomicU64,
    /// Physical address of the first [`HartInspect`].
    pub harts: AtomicU64,
}

impl InspectRoot {
    /// A root that says nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { magic: AtomicU64::new(0), hart_count: AtomicU64::new(0), harts: AtomicU64::new(0) }
    }

    /// Publishes `hart_count` blocks at physical address `harts`.
    pub fn publish(&self, harts: u64, hart_count: u64) {
        self.harts.store(harts, Ordering::Relaxed);
        self.hart_count.store(hart_count, Ordering::Relaxed);
        self.magic.store(ROOT_MAGIC, Ordering::Release);
    }
}

impl Default for InspectRoot {
    fn default() -> Self {
        Self::new()
    }
}

/// What one hart shows of itself. Written by that hart only, in cache lines of
/// its own, so that showing costs nobody else anything.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct HartInspect {
    /// The hart's id in the machine (`mhartid`).
    pub hartid: AtomicU64,
    /// 0 until the hart runs its idle thread for the first time, then 1; 2 if
    /// firmware refused to start it.
    pub online: AtomicU64,
    /// Thread switches.
    pub switches: AtomicU64,
    /// Operations taken from inbound rings.
    pub remote_ops: AtomicU64,
    /// Units of work that a scenario counts as progress.
    pub work: AtomicU64,
    /// Messages that threads of this hart sent.
    pub sends: AtomicU64,
    /// Messages that threads of this hart replied to.
    pub replies: AtomicU64,
    /// Times a thread of this hart found a ring full and waited.
    pub ring_waits: AtomicU64,
    /// Doorbells that this hart rang.
    pub doorbells: AtomicU64,
    /// Times this hart's doorbell was answered.
    pub doorbells_taken: AtomicU64,
    /// Times a thread lost the hart without giving it up.
    pub preemptions: AtomicU64,
    /// Timer interrupts.
    pub timers: AtomicU64,
    /// Physical address of the hart's trace records ([`crate::trace::Ring`]).
    pub trace: AtomicU64,
    /// Trace records written since boot.
    pub trace_count: AtomicU64,
    /// Worst off-times while a scenario's workload ran. Zero unless the kernel
    /// was built with `off-times`.
    pub off_times: OffTimes,
    /// Interrupts of devices that this hart claimed.
    pub interrupts: AtomicU64,
    /// External interrupts with nothing to claim, and claims of what is not this
    /// hart's or was masked.
    pub stray_interrupts: AtomicU64,
    /// 1 once this hart has stopped listening to the interrupt controller.
    pub deaf: AtomicU64,
    /// Messages of programs that a server was given by this hart.
    pub handed: AtomicU64,
    /// Messages of programs that threads of this hart answered.
    pub answered: AtomicU64,
    /// What stressers got done here, for people who watch: messages that servers of
    /// `msgstorm` answered.
    pub storm: AtomicU64,
    /// Round trips of `kstress`.
    pub kstress: AtomicU64,
    /// Reads of drives that were verified.
    pub reads: AtomicU64,
    /// Channels of processes that have ended.
    pub channels: AtomicU64,
}

/// One hart's worst off-times, by its counter of instructions (`instret`).
/// Where QEMU's clock is not one of instructions, neither is that counter.
#[derive(Debug, Default)]
#[repr(C)]
pub struct OffTimes {
    /// Interrupts masked, waiting for locks not counted.
    pub masked: Longest,
    /// Preemption deferred, waiting for locks not counted.
    pub deferred: Longest,
    /// Interrupts masked while another hart was seen to run. Where one clock
    /// counts the instructions of all harts, too long by those of the others.
    pub masked_shared: Longest,
    /// Preemption deferred while another hart was seen to run.
    pub deferred_shared: Longest,
    /// Waiting for a lock.
    pub lock_wait: AtomicU64,
    /// Times that interrupts were masked or preemption was deferred.
    pub intervals: AtomicU64,
    /// Of those, times in which another hart was seen to run.
    pub set_apart: AtomicU64,
}

/// The longest of some intervals.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Longest {
    /// How long.
    pub length: AtomicU64,
    /// Code address where it began.
    pub from: AtomicU64,
    /// Code address where it ended.
    pub to: AtomicU64,
}

const _: () = assert!(size_of::<HartInspect>() == 320);
const _: () = assert!(size_of::<InspectRoot>() == 24);

/// Bumps a counter that only the calling hart writes: a load and a store, no
/// read-modify-write.
#[inline]
pub fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Adds to such a counter.
pub fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// Takes a bump back.
pub fn unbump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
}
