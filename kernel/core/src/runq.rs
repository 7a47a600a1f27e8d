// SPDX-License-Identifier: Apache-2.0
//! The run queue of one hart: 256 queues, one a priority, first in first out,
//! and a bitmap that finds the most urgent in constant time.
//!
//! The queues are doubly linked through the threads' own [`Link`]s by slot
//! number: no allocation, no pointer, and a corrupt link is an index that does
//! not fit rather than a wild write. Every operation takes the proof that
//! interrupts are masked (law runq-irq-off: the doorbell handler inserts into
//! the same queue).

use skimmer_sync::irq::IrqOff;

use crate::ids::Priority;

const LEVELS: usize = 256;

/// Where a thread stands in a queue: the slots before and behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    before: Option<u32>,
    behind: Option<u32>,
    level: Option<u8>,
}

impl Link {
    /// Whether the thread stands in a queue.
    #[must_use]
    pub const fn is_queued(&self) -> bool {
        self.level.is_some()
    }
}

/// Where the links are: the thread table, by slot number.
pub trait Links {
    /// The link in that slot.
    fn link(&mut self, slot: u32) -> &mut Link;
}

#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    first: Option<u32>,
    last: Option<u32>,
}

/// The run queue.
///
/// ```compile_fail,E0061
/// # use skimmer_core::{ids::Priority, runq::{Links, RunQueue}};
/// // A critical section is not enough, and neither is nothing.
/// fn wake(queue: &mut RunQueue, links: &mut impl Links) {
///     queue.push_back(links, 7, Priority::new(10));
/// }
/// ```
#[derive(Debug)]
pub struct RunQueue {
    ends: [Ends; LEVELS],
    ready: [u64; LEVELS / 64],
}

impl Default for RunQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl RunQueue {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ends: [Ends {
                first: None,
                last: None,
            }; LEVELS],
            ready: [0; LEVELS / 64],
        }
    }

    /// Queues `slot` behind its equals. A slot that is queued already stays
    /// where it is (law enqueue-idempotent).
    pub fn push_back(
        &mut self,
        irq: &IrqOff,
        links: &mut impl Links,
        slot: u32,
        priority: Priority,
    ) {
        if links.link(slot).is_queued() {
            return;
        }
        let ends = self.ends_mut(irq, priority);
        let last = ends.last.replace(slot);
        match last {
            Some(last) => links.link(last).behind = Some(slot),
            None => ends.first = Some(slot),
        }
        *links.link(slot) = Link {
            before: last,
            behind: None,
            level: Some(priority.level()),
        };
        self.mark(priority);
    }

    /// Queues `slot` before its equals: where a thread goes that lost the hart
    /// without giving it up.
    pub fn push_front(
        &mut self,
        irq: &IrqOff,
        links: &mut impl Links,
        slot: u32,
        priority: Priority,
    ) {
        if links.link(slot).is_queued() {
            return;
        }
        let ends = self.ends_mut(irq, priority);
        let first = ends.first.replace(slot);
        match first {
            Some(first) => links.link(first).before = Some(slot),
            None => ends.last = Some(slot),
        }
        *links.link(slot) = Link {
            before: None,
            behind: first,
            level: Some(priority.level()),
        };
        self.mark(priority);
    }

    /// Takes `slot` out, wherever it stands. Nothing if it is not queued.
    pub fn remove(&mut self, irq: &IrqOff, links: &mut impl Links, slot: u32) {
        let link = core::mem::take(links.link(slot));
        let Some(level) = link.level else { return };
        let priority = Priority::new(level);
        let ends = self.ends_mut(irq, priority);
        match link.before {
            Some(before) => links.link(before).behind = link.behind,
            None => ends.first = link.behind,
        }
        match link.behind {
            Some(behind) => links.link(behind).before = link.before,
            None => ends.last = link.before,
        }
        if ends.first.is_none() {
            self.ready[usize::from(level) / 64] &= !(1 << (level % 64));
        }
    }

    /// Takes the most urgent, oldest slot.
    pub fn pop(&mut self, irq: &IrqOff, links: &mut impl Links) -> Option<u32> {
        let slot = self.ends[self.highest(irq)?.level() as usize].first?;
        self.remove(irq, links, slot);
        Some(slot)
    }

    /// The priority of the most urgent slot.
    #[must_use]
    pub fn highest(&self, _irq: &IrqOff) -> Option<Priority> {
        let word = self.ready.iter().rposition(|&bits| bits != 0)?;
        let bit = self.ready[word].ilog2();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "4 words of 64 bits: below 256"
        )]
        Some(Priority::new((word * 64) as u8 + bit as u8))
    }

    fn ends_mut(&mut self, _irq: &IrqOff, priority: Priority) -> &mut Ends {
        &mut self.ends[usize::from(priority.level())]
    }

    fn mark(&mut self, priority: Priority) {
        let level = priority.level();
        self.ready[usize::from(level) / 64] |= 1 << (level % 64);
    }
}
