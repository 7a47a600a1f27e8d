// SPDX-License-Identifier: Apache-2.0
//! The run queue of one hart: 256 queues, one a priority, first in first out,
//! and a bitmap that finds the most urgent in constant time.
//!
//! Every operation takes the proof that interrupts are masked (law
//! runq-irq-off: the doorbell handler inserts into the same queue).

use alloc::{boxed::Box, vec::Vec};

use skimmer_sync::irq::IrqOff;

use crate::{
    ids::Priority,
    list::{Links, List},
    table::OutOfMemory,
};

const LEVELS: usize = 256;
const WORD: usize = u64::BITS as usize;

/// The run queue.
///
/// ```compile_fail,E0061
/// # use skimmer_core::{ids::Priority, list::Links, runq::RunQueue};
/// // A critical section is not enough, and neither is nothing.
/// fn wake(queue: &mut RunQueue, links: &mut impl Links) {
///     queue.push_back(links, 7, Priority::new(10));
/// }
/// ```
#[derive(Debug)]
pub struct RunQueue {
    // On the heap: six kilobytes that a kernel stack has no room to build.
    levels: Box<[List; LEVELS]>,
    ready: [u64; LEVELS / WORD],
    /// The most urgent level in use: it is asked for far more often than it changes.
    highest: Option<Priority>,
    /// The most urgent level in use below that, if it is known: what is queued on top of
    /// others is most often the next to go.
    under: Option<Option<Priority>>,
}

impl RunQueue {
    /// An empty queue. Its lists are numbered by their priority.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new() -> Result<Self, OutOfMemory> {
        let mut levels = Vec::new();
        levels.try_reserve_exact(LEVELS).map_err(|_| OutOfMemory)?;
        levels.extend((0..).take(LEVELS).map(List::new));
        let levels = levels.into_boxed_slice().try_into().map_err(|_| OutOfMemory)?;
        Ok(Self { levels, ready: [0; LEVELS / WORD], highest: None, under: None })
    }

    /// Queues `slot` behind its equals. A slot that is queued already stays
    /// where it is (law enqueue-idempotent).
    pub fn push_back(&mut self, _: &IrqOff, links: &mut impl Links, slot: u32, level: Priority) {
        if self.levels[usize::from(level.level())].push_back(links, slot) {
            self.mark(level);
        }
    }

    /// Queues `slot` before its equals: where a thread goes that lost the hart
    /// without giving it up. A slot that is queued already stays where it is.
    #[inline]
    pub fn push_front(&mut self, _: &IrqOff, links: &mut impl Links, slot: u32, level: Priority) {
        if self.levels[usize::from(level.level())].push_front(links, slot) {
            self.mark(level);
        }
    }

    /// Takes `slot` out, wherever it stands. Nothing if it is not queued.
    pub fn remove(&mut self, _: &IrqOff, links: &mut impl Links, slot: u32) {
        let Some(Ok(number)) = links.link(slot).queue().map(u8::try_from) else {
            return;
        };
        self.levels[usize::from(number)].remove(links, slot);
        self.unmark(Priority::new(number));
    }

    /// Takes the most urgent, oldest slot.
    #[inline]
    pub fn pop(&mut self, irq: &IrqOff, links: &mut impl Links) -> Option<u32> {
        let level = self.highest(irq)?;
        let slot = self.levels[usize::from(level.level())].pop(links)?;
        self.unmark(level);
        Some(slot)
    }

    /// The priority of the most urgent slot.
    #[inline]
    #[must_use]
    pub const fn highest(&self, _: &IrqOff) -> Option<Priority> {
        self.highest
    }

    fn look_up_highest(&self) -> Option<Priority> {
        let word = self.ready.iter().rposition(|&bits| bits != 0)?;
        let bit = self.ready[word].ilog2() as usize;
        #[expect(clippy::cast_possible_truncation, reason = "4 words of 64 bits: below 256")]
        Some(Priority::new((word * WORD + bit) as u8))
    }

    /// The queue of that level has got a slot.
    #[inline]
    fn mark(&mut self, level: Priority) {
        let number = usize::from(level.level());
        self.ready[number / WORD] |= 1 << (number % WORD);
        let level = Some(level);
        if level > self.highest {
            self.under = Some(self.highest);
            self.highest = level;
        } else if level < self.highest && self.under.is_some_and(|under| under < level) {
            self.under = Some(level);
        }
    }

    /// The queue of that level has lost a slot; it may be empty.
    #[inline]
    fn unmark(&mut self, level: Priority) {
        let number = usize::from(level.level());
        if self.levels[number].first().is_some() {
            return;
        }
        self.ready[number / WORD] &= !(1 << (number % WORD));
        let level = Some(level);
        if level == self.highest {
            self.highest = self.under.take().unwrap_or_else(|| self.look_up_highest());
        } else if Some(level) == self.under {
            self.under = None;
        }
    }
}
