// SPDX-License-Identifier: Apache-2.0
//! Memory for a hart to have more threads, had where interrupts are open (law
//! bounded-off-time): making a segment of the table of threads, with a stock
//! that refills for it, took some 5,000 instructions. What is left where they
//! are masked is to put it in.

use crate::{
    deadlines,
    hart::Hart,
    machine::Machine,
    shares::{self, Family},
    table::{self, OutOfMemory},
    thread::Thread,
};

/// The memory.
pub struct Room<M: Machine> {
    threads: table::Room<Thread<M>>,
    deadlines: deadlines::Room,
}

impl<M: Machine> core::fmt::Debug for Room<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Room")
    }
}

impl<M: Machine> Room<M> {
    /// For a hart that wants it for so many threads ([`Hart::wants_room`]).
    ///
    /// # Errors
    /// When memory is out.
    pub fn of(threads: u32) -> Result<Self, OutOfMemory> {
        let most = threads as usize + table::SEGMENT;
        Ok(Self { threads: table::Room::of(threads)?, deadlines: deadlines::Room::of(most)? })
    }
}

impl<M: Machine> Hart<M> {
    /// Bytes of the heap that the hart keeps for threads and their families,
    /// living or to come, stacks apart.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.threads.footprint() + self.deadlines.footprint() + self.shares.footprint()
    }

    /// Threads that have their home here, those included that are to be freed.
    #[must_use]
    pub const fn thread_count(&self) -> u32 {
        self.threads.len()
    }

    /// Whether the hart knows nothing yet of the family of a thread that is to
    /// come, and has no place for it.
    #[must_use]
    pub fn lacks_share(&self, family: Family) -> bool {
        self.shares.lack(family)
    }

    /// Makes a place for a family. What comes back is to be dropped where
    /// interrupts are open.
    #[must_use = "freeing it takes long"]
    pub fn share_with(&mut self, family: Family, room: shares::Room) -> shares::Room {
        self.shares.reserve_with(family, room)
    }

    /// How many threads the table has slots for, if all of them are taken.
    #[must_use]
    pub fn wants_room(&self) -> Option<u32> {
        self.threads.is_full().then(|| self.threads.slots())
    }

    /// Grows. What comes back is to be dropped where interrupts are open.
    #[must_use = "freeing it takes long"]
    pub fn grow_into(&mut self, room: Room<M>) -> Room<M> {
        Room {
            threads: self.threads.grow_into(room.threads),
            deadlines: self.deadlines.reserve_with(room.deadlines),
        }
    }
}
