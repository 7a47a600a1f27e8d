// SPDX-License-Identifier: Apache-2.0
//! Free slots, by the hart that freed them.
//!
//! A stock is a stack of slots, linked through the slots. Its own hart takes
//! and gives under a lock that nobody else wants; others look in only when they
//! have none and the table may not grow, and take half of what they find, or a
//! batch.

use skimmer_abi::errno::Errno;
use skimmer_sync::{irq::IrqOff, lock::Guard};

use crate::{
    channel::{
        slot::{Slot, State},
        table::ChannelTable,
    },
    machine::Sections,
    table::OutOfMemory,
};

/// Slots that change hands at a time.
#[cfg(not(loom))]
pub(crate) const BATCH: u32 = 32;
/// Slots that change hands at a time.
#[cfg(loom)]
pub(crate) const BATCH: u32 = 1;

/// More slots than this have no number.
pub(crate) const MOST_SLOTS: u32 = 1 << 30;

/// One hart's free slots, and what it has done.
#[derive(Debug)]
pub(crate) struct Stock {
    first: Option<u32>,
    pub(crate) free: u32,
    pub(crate) created: u64,
    pub(crate) destroyed: u64,
    pub(crate) grown: u64,
    pub(crate) stolen: u64,
}

impl Stock {
    pub(crate) const fn new() -> Self {
        Self { first: None, free: 0, created: 0, destroyed: 0, grown: 0, stolen: 0 }
    }

    /// Has no slots any more: they are to be freed.
    pub(crate) fn forget(&mut self) {
        (self.first, self.free) = (None, 0);
    }

    /// Puts a slot in, whose lock is held.
    #[inline]
    pub(crate) fn give(&mut self, slot: &mut Slot, index: u32) {
        slot.state = State::Free { next: self.first.replace(index) };
        self.free += 1;
    }
}

/// How many channels there may be, and how many slots.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) slots: u32,
    /// Grows with every slot that is out of generations.
    pub(crate) limit: u32,
}

impl Room {
    /// No slots yet.
    pub(crate) const fn new(limit: u32) -> Self {
        Self { slots: 0, limit: if limit < MOST_SLOTS { limit } else { MOST_SLOTS } }
    }
}

impl<const LAST: u32> ChannelTable<LAST> {
    /// Takes the newest slot out of a stock, and locks it.
    #[inline]
    pub(crate) fn pop<'t>(
        &'t self,
        irq: &'t IrqOff,
        stock: &mut Stock,
    ) -> Option<(u32, Guard<'t, Slot>)> {
        let index = stock.first?;
        let slot = self.slot(irq, index)?.lock(irq);
        let State::Free { next } = slot.state else {
            unreachable!("a stock holds free slots only");
        };
        stock.first = next;
        stock.free -= 1;
        Some((index, slot))
    }

    /// Gets this hart's stock something: by growing, or if that cannot be, from
    /// another hart.
    ///
    /// # Errors
    /// `EAGAIN` at the limit, `ENOMEM`.
    #[cold]
    #[inline(never)]
    pub(crate) fn refill(&self, sections: &impl Sections) -> Result<(), Errno> {
        self.grow(sections).or_else(|error| self.steal(sections).then_some(()).ok_or(error))
    }

    /// Makes a batch of slots.
    fn grow(&self, sections: &impl Sections) -> Result<(), Errno> {
        loop {
            let (start, end) = sections.masked(|irq| {
                let room = self.room.lock(irq);
                (room.slots, room.limit.min(room.slots + BATCH))
            });
            if start == end {
                return Err(Errno::EAGAIN);
            }
            self.add_memory(start, end - 1).map_err(|OutOfMemory| Errno::ENOMEM)?;
            if sections.masked(|irq| self.add_slots(irq, start, end)) {
                return Ok(());
            }
        }
    }

    /// Whether the slots up to `end` are added: not if others were faster.
    fn add_slots(&self, irq: &IrqOff, start: u32, end: u32) -> bool {
        let mut room = self.room.lock(irq);
        if room.slots != start {
            return false;
        }
        room.slots = end;
        drop(room);
        let mut stock = self.stock(irq).lock(irq);
        for index in (start..end).rev() {
            let Some(slot) = self.slot(irq, index) else {
                unreachable!("memory was added before");
            };
            stock.give(&mut slot.lock(irq), index);
        }
        stock.grown += 1;
        true
    }

    /// Takes slots from the first hart that has some, this one's neighbour
    /// first.
    fn steal(&self, sections: &impl Sections) -> bool {
        (1..self.harts()).any(|distance| sections.masked(|irq| self.steal_from(irq, distance)))
    }

    fn steal_from(&self, irq: &IrqOff, distance: usize) -> bool {
        let Some(victim) = self.neighbour(irq, distance) else {
            return false;
        };
        let mut taken = [0; BATCH as usize];
        let mut count = 0;
        let mut stock = victim.lock(irq);
        let share = stock.free.div_ceil(2);
        for place in taken.iter_mut().take(share as usize) {
            let Some((index, _)) = self.pop(irq, &mut stock) else { break };
            *place = index;
            count += 1;
        }
        drop(stock);
        let mut stock = self.stock(irq).lock(irq);
        for &index in taken[..count].iter().rev() {
            if let Some(slot) = self.slot(irq, index) {
                stock.give(&mut slot.lock(irq), index);
            }
        }
        stock.stolen += u64::from(count > 0);
        count > 0
    }
}
