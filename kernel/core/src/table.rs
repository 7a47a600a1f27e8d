// SPDX-License-Identifier: Apache-2.0
//! A table of objects named by slot and generation, owned by one hart.
//!
//! It grows by segments, so an object never moves and growth never copies;
//! memory sets the limit. A freed slot is used again under the next
//! generation; after the last one it is retired. [`Room`] is memory to grow by,
//! for who may not ask for it at that moment.

use alloc::{boxed::Box, vec::Vec};

use skimmer_sync::footprint;

use crate::ids::SlotId;

/// Slots that a table grows by.
pub const SEGMENT: usize = 32;

/// Memory is out; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    object: Option<T>,
}

type Segment<T> = Box<[Slot<T>; SEGMENT]>;

/// Memory for a table to grow by, had before it grows: that may be where
/// interrupts are masked, and asking for memory takes long.
#[derive(Debug)]
pub struct Room<T> {
    segment: Option<Segment<T>>,
    segments: Vec<Segment<T>>,
    free: Vec<u32>,
}

impl<T> Room<T> {
    /// For a table that has so many slots.
    ///
    /// # Errors
    /// When memory is out.
    pub fn of(slots: u32) -> Result<Self, OutOfMemory> {
        let slots = slots as usize;
        let mut segment = with_room(SEGMENT)?;
        // Generation 0 names nothing, so that a zeroed word is no name.
        segment.extend((0..SEGMENT).map(|_| Slot { generation: 1, object: None }));
        let segment = segment.into_boxed_slice().try_into().ok();
        // By powers of two, so that what is there is seldom copied.
        let segments = with_room((slots / SEGMENT + 1).next_power_of_two())?;
        let free = with_room((slots + SEGMENT).next_power_of_two())?;
        Ok(Self { segment, segments, free })
    }
}

/// An empty vector for so many.
pub(crate) fn with_room<T>(count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut empty = Vec::new();
    empty.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
    Ok(empty)
}

/// Moves what is in `old` to the memory of `new`, if `old` has no room for
/// `count`.
pub(crate) fn replace<T>(old: &mut Vec<T>, new: &mut Vec<T>, count: usize) {
    if old.capacity() < count {
        new.append(old);
        core::mem::swap(old, new);
    }
}

/// The table.
#[derive(Debug)]
pub struct Table<T> {
    segments: Vec<Segment<T>>,
    free: Vec<u32>,
    slots: u32,
    limit: u32,
    live: u32,
}

impl<T> Table<T> {
    /// An empty table that names at most `limit` objects at a time.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { segments: Vec::new(), free: Vec::new(), slots: 0, limit, live: 0 }
    }

    /// Objects in the table.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.live
    }

    /// Whether the table holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Slots that there are, occupied or not: every index is below.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.slots
    }

    /// Bytes of the heap that the table takes, what its objects have apart.
    #[must_use]
    pub fn footprint(&self) -> usize {
        // Not one by one: it may be asked where interrupts are masked.
        footprint::array::<Segment<T>>(self.segments.capacity())
            + footprint::array::<u32>(self.free.capacity())
            + self.segments.len() * footprint::array::<Slot<T>>(SEGMENT)
    }

    /// Puts an object in.
    ///
    /// # Errors
    /// Gives `object` back when memory or names are out.
    pub fn insert(&mut self, object: T) -> Result<SlotId, (OutOfMemory, T)> {
        if self.free.is_empty() && self.grow().is_err() {
            return Err((OutOfMemory, object));
        }
        let Some(index) = self.free.pop() else {
            return Err((OutOfMemory, object));
        };
        let Some(slot) = self.slot_mut(index) else {
            return Err((OutOfMemory, object));
        };
        slot.object = Some(object);
        let id = SlotId::new(index, slot.generation);
        self.live += 1;
        Ok(id)
    }

    /// The object of that name, unless it is gone.
    #[must_use]
    pub fn get(&self, id: SlotId) -> Option<&T> {
        let index = id.index() as usize;
        let slot = &self.segments.get(index / SEGMENT)?[index % SEGMENT];
        if slot.generation == id.generation() { slot.object.as_ref() } else { None }
    }

    /// The object of that name, unless it is gone.
    #[inline(always)]
    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        let slot = self.slot_mut(id.index())?;
        if slot.generation == id.generation() { slot.object.as_mut() } else { None }
    }

    /// Takes the object out. Its name will never be valid again.
    pub fn remove(&mut self, id: SlotId) -> Option<T> {
        let slot = self.slot_mut(id.index())?;
        if slot.generation != id.generation() {
            return None;
        }
        let object = slot.object.take()?;
        self.live -= 1;
        let slot = self.slot_mut(id.index())?;
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            // Room for every slot was reserved when the segment was made.
            self.free.push(id.index());
        }
        Some(object)
    }

    /// The object in that slot, whatever its generation.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        self.segments.get(index / SEGMENT)?[index % SEGMENT].object.as_ref()
    }

    /// The object in that slot, whatever its generation.
    #[inline(always)]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slot_mut(index)?.object.as_mut()
    }

    /// The object in that slot, with its name.
    pub fn entry_mut(&mut self, index: u32) -> Option<(SlotId, &mut T)> {
        let slot = self.slot_mut(index)?;
        Some((SlotId::new(index, slot.generation), slot.object.as_mut()?))
    }

    /// Takes the object out of that slot, whatever its generation.
    pub fn remove_at(&mut self, index: u32) -> Option<T> {
        let id = self.entry_mut(index)?.0;
        self.remove(id)
    }

    /// Every object with its name.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, &T)> {
        self.segments.iter().flat_map(|segment| segment.iter()).zip(0..).filter_map(
            |(slot, index)| Some((SlotId::new(index, slot.generation), slot.object.as_ref()?)),
        )
    }

    #[inline(always)]
    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = index as usize;
        Some(&mut self.segments.get_mut(index / SEGMENT)?[index % SEGMENT])
    }

    /// Whether the next object needs memory, or there is no name for it.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// How many slots there are, if all are taken and there may be more: it is
    /// time for [`Table::grow_into`].
    #[must_use]
    pub const fn wants_room(&self) -> Option<u32> {
        if self.is_full() && self.slots < self.limit { Some(self.slots) } else { None }
    }

    /// Grows with memory that was had before, if it is enough. Gives back what
    /// is not wanted, to be freed where there is time.
    pub fn grow_into(&mut self, mut room: Room<T>) -> Room<T> {
        let first = self.slots;
        let size = (self.limit - first).min(SEGMENT as u32);
        let fits = room.segment.is_some()
            && room.segments.capacity().max(self.segments.capacity()) > self.segments.len()
            && room.free.capacity().max(self.free.capacity()) >= first as usize + SEGMENT;
        if size == 0 || !fits {
            return room;
        }
        let segments = self.segments.len() + 1;
        replace(&mut self.segments, &mut room.segments, segments);
        // `remove` must not allocate: every slot may be free at once.
        replace(&mut self.free, &mut room.free, first as usize + SEGMENT);
        self.segments.extend(room.segment.take());
        self.free.extend((first..first + size).rev());
        self.slots += size;
        room
    }

    fn grow(&mut self) -> Result<(), OutOfMemory> {
        if self.slots >= self.limit {
            return Err(OutOfMemory);
        }
        drop(self.grow_into(Room::of(self.slots)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_names_find_nobody() {
        let mut table = Table::new(1000);
        let a = table.insert("a").unwrap();
        assert_eq!(table.remove(a), Some("a"));
        let b = table.insert("b").unwrap();
        assert_eq!(b.index(), a.index(), "the slot is used again");
        assert_eq!(table.get(a), None);
        assert_eq!(table.remove(a), None);
        assert_eq!(table.get(b), Some(&"b"));
        assert_eq!(table.get(SlotId::new(999, 1)), None);
    }

    #[test]
    fn a_slot_out_of_generations_is_retired() {
        let mut table = Table::new(64);
        let first = table.insert(0).unwrap();
        table.slot_mut(first.index()).unwrap().generation = u32::MAX;
        let last = SlotId::new(first.index(), u32::MAX);
        assert_eq!(table.remove(last), Some(0));
        for _ in 0..63 {
            assert_ne!(table.insert(1).unwrap().index(), first.index());
        }
        assert!(table.insert(2).is_err());
    }

    #[test]
    fn memory_that_was_had_before_is_grown_into() {
        let mut table = Table::new(100);
        let mut ids = Vec::new();
        for round in 0..3 {
            assert!(table.is_full());
            let stale = Room::of(table.slots()).unwrap();
            let left = table.grow_into(Room::of(table.slots()).unwrap());
            assert!(left.segment.is_none(), "the segment is in the table");
            let (segments, free) = (table.segments.capacity(), table.free.capacity());
            ids.extend((0..32).map(|n| table.insert(32 * round + n).unwrap()));
            assert_eq!((table.segments.capacity(), table.free.capacity()), (segments, free));
            // Somebody else has grown the table since: too little, or not needed.
            if round == 2 {
                let left = table.grow_into(stale);
                assert_eq!(
                    (left.segment.is_none(), table.slots()),
                    (true, 100),
                    "what the limit leaves"
                );
            }
        }
        for (number, id) in (0..).zip(ids) {
            assert_eq!(table.remove(id), Some(number));
        }
    }

    #[test]
    fn the_limit_is_an_error_and_changes_nothing() {
        let mut table = Table::new(33);
        let ids: Vec<_> = (0..33).map(|n| table.insert(n).unwrap()).collect();
        assert_eq!(table.insert(33), Err((OutOfMemory, 33)));
        assert_eq!(table.len(), 33);
        assert_eq!(table.remove(ids[5]), Some(5));
        assert!(table.insert(34).is_ok());
        assert_eq!(table.iter().count(), 33);
    }
}
