// SPDX-License-Identifier: Apache-2.0
//! The deadlines of one hart's threads: a binary heap, earliest first. Room is
//! made when a thread gets its home, so that sleeping cannot run out of memory.

use alloc::vec::Vec;

use skimmer_sync::footprint;

use crate::{
    ids::ThreadId,
    table::{OutOfMemory, replace, with_room},
};

/// One deadline. A thread has at most one; an old one that is still here names
/// a wait that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: u64,
    slot: u32,
}

/// Memory for the deadlines of threads to come.
#[derive(Debug)]
pub struct Room {
    slots: usize,
    heap: Vec<Entry>,
    places: Vec<Option<u32>>,
}

impl Room {
    /// For threads in slots below `slots`.
    ///
    /// # Errors
    /// When memory is out.
    pub fn of(slots: usize) -> Result<Self, OutOfMemory> {
        let count = slots.next_power_of_two();
        Ok(Self { slots, heap: with_room(count)?, places: with_room(count)? })
    }
}

/// The heap. Entries of threads that were woken early are taken out at once,
/// so there is never more than one a thread.
#[derive(Debug, Default)]
pub struct Deadlines {
    heap: Vec<Entry>,
    /// For each slot, where its entry stands in the heap.
    places: Vec<Option<u32>>,
}

impl Deadlines {
    /// No deadlines.
    #[must_use]
    pub const fn new() -> Self {
        Self { heap: Vec::new(), places: Vec::new() }
    }

    /// Makes room for the thread in `slot`.
    ///
    /// # Errors
    /// When memory is out.
    pub fn reserve(&mut self, slot: u32) -> Result<(), OutOfMemory> {
        let needed = slot as usize + 1;
        let more = needed.saturating_sub(self.places.len());
        self.places.try_reserve(more).map_err(|_| OutOfMemory)?;
        let room = needed.saturating_sub(self.heap.len());
        self.heap.try_reserve(room).map_err(|_| OutOfMemory)?;
        self.places.resize(self.places.len().max(needed), None);
        Ok(())
    }

    /// Makes room for slots below `room`'s number with memory that was had
    /// before. Gives back what is not wanted.
    pub fn reserve_with(&mut self, mut room: Room) -> Room {
        replace(&mut self.heap, &mut room.heap, room.slots);
        replace(&mut self.places, &mut room.places, room.slots);
        room
    }

    /// Bytes of the heap that they take.
    #[must_use]
    pub fn footprint(&self) -> usize {
        footprint::array::<Entry>(self.heap.capacity())
            + footprint::array::<Option<u32>>(self.places.capacity())
    }

    /// The earliest deadline.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.time)
    }

    /// Sets the deadline of the thread of that name, for which there is room.
    pub fn set(&mut self, id: ThreadId, time: u64) {
        let slot = id.slot().index();
        self.clear(slot);
        self.heap.push(Entry { time, slot });
        self.rise(self.heap.len() - 1);
    }

    /// Takes the deadline of the thread in `slot` out, if it has one.
    pub fn clear(&mut self, slot: u32) {
        let Some(place) = self.places.get_mut(slot as usize).and_then(Option::take) else { return };
        let place = place as usize;
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.note(place);
            self.sink(place);
            self.rise(place);
        }
    }

    /// Takes the earliest out, if it is not after `now`.
    pub fn pop(&mut self, now: u64) -> Option<u32> {
        let first = *self.heap.first()?;
        (first.time <= now).then(|| self.clear(first.slot)).map(|()| first.slot)
    }

    fn note(&mut self, place: usize) {
        let slot = self.heap[place].slot as usize;
        if let Some(known) = self.places.get_mut(slot) {
            *known = u32::try_from(place).ok();
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place);
            place = parent;
        }
        self.note(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut least = place;
            for child in [left, right] {
                if child < self.heap.len() && self.heap[child] < self.heap[least] {
                    least = child;
                }
            }
            if least == place {
                return self.note(place);
            }
            self.heap.swap(least, place);
            self.note(place);
            place = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HartIndex, SlotId};
    use alloc::collections::BTreeMap;

    fn id(slot: u32) -> ThreadId {
        ThreadId::new(HartIndex::new(0), SlotId::new(slot, 1))
    }

    #[test]
    fn earliest_first_whatever_happens() {
        let mut state = 7u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        };
        let mut heap = Deadlines::new();
        let mut model = BTreeMap::new();
        (0..40).for_each(|slot| heap.reserve(slot).unwrap());
        for _ in 0..20_000 {
            let slot = (random() % 40) as u32;
            match random() % 4 {
                0 | 1 => {
                    let time = random() % 1000;
                    heap.set(id(slot), time);
                    model.insert(slot, time);
                }
                2 => {
                    heap.clear(slot);
                    model.remove(&slot);
                }
                _ => {
                    let now = random() % 1000;
                    let first = model.iter().map(|(slot, time)| (*time, *slot)).min();
                    let due = first.filter(|(time, _)| *time <= now).map(|(_, slot)| slot);
                    assert_eq!(heap.pop(now), due);
                    due.map(|slot| model.remove(&slot));
                }
            }
            assert_eq!(heap.first(), model.values().min().copied());
        }
    }
}
