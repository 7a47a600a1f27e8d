// SPDX-License-Identifier: Apache-2.0
//! The two rings of a queue pair (section 3.3.1) in DMA memory, and when which
//! doorbell is rung.

use crate::entry::{COMPLETION_BYTES, Completed, PHASE, SUBMISSION_BYTES};
use crate::error::Error;
use crate::platform::{Memory, PAGE_SIZE, Platform};

/// Where commands are written. The driver owns the tail; that there is room is
/// its caller's to know (a slot for each entry less one).
pub(crate) struct SubmissionRing<M> {
    memory: M,
    entries: u32,
    tail: u32,
    doorbell: usize,
}

/// Where completions are read. The driver owns the head and the phase.
pub(crate) struct CompletionRing<M> {
    memory: M,
    entries: u32,
    head: u32,
    /// What the phase tag of a new entry is in this pass over the ring: 1 in
    /// the first, then in turns (section 3.3.3.2.1).
    phase: bool,
    doorbell: usize,
}

/// Memory for `entries` of `bytes` each.
fn allocate<P: Platform>(platform: &P, entries: u32, bytes: usize) -> Result<P::Memory, Error> {
    let bytes = (entries as usize).checked_mul(bytes).ok_or(Error::NoMemory)?;
    platform.allocate(bytes.div_ceil(PAGE_SIZE)).ok_or(Error::NoMemory)
}

/// The place after `index`.
const fn after(index: u32, entries: u32) -> u32 {
    let next = index.saturating_add(1);
    if next >= entries { 0 } else { next }
}

impl<M: Memory> SubmissionRing<M> {
    pub(crate) fn new<P>(platform: &P, entries: u32, doorbell: usize) -> Result<Self, Error>
    where
        P: Platform<Memory = M>,
    {
        let memory = allocate(platform, entries, SUBMISSION_BYTES)?;
        Ok(Self { memory, entries, tail: 0, doorbell })
    }

    pub(crate) fn address(&self) -> u64 {
        self.memory.address()
    }

    pub(crate) const fn entries(&self) -> u32 {
        self.entries
    }

    /// From the beginning again; the controller is off.
    pub(crate) const fn rewind(&mut self) {
        self.tail = 0;
    }

    /// Hands a command to the drive: the entry, the fence, the doorbell
    /// (section 3.3.1.2).
    pub(crate) fn push<P>(&mut self, platform: &P, dwords: &[u32; SUBMISSION_BYTES / 4])
    where
        P: Platform<Memory = M>,
    {
        #[cfg(feature = "bug-nvme-fence")]
        platform.write32(self.doorbell, after(self.tail, self.entries));
        let mut at = (self.tail as usize).saturating_mul(SUBMISSION_BYTES);
        for dword in dwords {
            self.memory.store32(at, *dword);
            at = at.saturating_add(4);
        }
        self.tail = after(self.tail, self.entries);
        // The drive may read the entry as soon as it sees the doorbell, and
        // the data soon after.
        platform.fence_before_doorbell();
        #[cfg(not(feature = "bug-nvme-fence"))]
        platform.write32(self.doorbell, self.tail);
    }
}

impl<M: Memory> CompletionRing<M> {
    pub(crate) fn new<P>(platform: &P, entries: u32, doorbell: usize) -> Result<Self, Error>
    where
        P: Platform<Memory = M>,
    {
        let memory = allocate(platform, entries, COMPLETION_BYTES)?;
        Ok(Self { memory, entries, head: 0, phase: true, doorbell })
    }

    pub(crate) fn address(&self) -> u64 {
        self.memory.address()
    }

    pub(crate) const fn entries(&self) -> u32 {
        self.entries
    }

    /// From the beginning again, with no entry new; the controller is off.
    pub(crate) fn rewind(&mut self) {
        for at in (0..self.memory.size()).step_by(4) {
            self.memory.store32(at, 0);
        }
        (self.head, self.phase) = (0, true);
    }

    /// Whether there is a next new completion.
    pub(crate) fn has_next(&self) -> bool {
        let at = (self.head as usize).saturating_mul(COMPLETION_BYTES);
        (self.memory.load32(at.saturating_add(12)) & PHASE != 0) == self.phase
    }

    /// The next new completion. The drive is not told before
    /// [`CompletionRing::release`].
    pub(crate) fn next<P>(&mut self, platform: &P) -> Option<Completed>
    where
        P: Platform<Memory = M>,
    {
        let at = (self.head as usize).saturating_mul(COMPLETION_BYTES);
        // Phase and identifier are in one dword, so one load takes both.
        let three = self.memory.load32(at.saturating_add(12));
        let tag = three & PHASE != 0;
        #[cfg(feature = "bug-nvme-phase")]
        let tag = !tag;
        if tag != self.phase {
            return None;
        }
        // Nothing of the entry, and no data, may be older than its tag.
        platform.fence_after_phase();
        let two = self.memory.load32(at.saturating_add(8));
        let zero = self.memory.load32(at);
        self.head = after(self.head, self.entries);
        if self.head == 0 {
            self.phase = !self.phase;
        }
        Some(Completed::from_dwords(zero, two, three))
    }

    /// Tells the drive that everything read so far may be overwritten.
    pub(crate) fn release<P>(&self, platform: &P)
    where
        P: Platform<Memory = M>,
    {
        platform.fence_before_doorbell();
        platform.write32(self.doorbell, self.head);
    }
}
