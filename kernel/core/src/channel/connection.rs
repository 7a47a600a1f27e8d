// SPDX-License-Identifier: Apache-2.0
//! Connections: the names by which a process's threads send.
//!
//! A connection is an entry of its process's table that says which channel of
//! which process. Who sends looks it up without a lock, takes the channel's lock, and
//! then looks whether the connection is still there ([`Connections::is_current`]);
//! who detaches says first that it is not, and then ends the waits of the threads
//! that are blocked on it. So whoever has not seen the end of the connection is
//! blocked by then, or blocks before it hears of that on its home hart.
//!
//! Entries change under a lock that can be slept on, held in a [`Directory`]. An
//! entry is one connection after another, with a generation each.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use skimmer_abi::{errno::Errno, message::SIDE_CHANNEL};
use skimmer_sync::{
    atomic::AtomicU64,
    footprint,
    irq::IrqOff,
    order::Site,
    retire::{Retirable, Retired},
    segments,
    static_ref::StaticRef,
};

use crate::{
    channel::id::{ChannelId, LAST_GENERATION},
    machine::Sections,
    table::{OutOfMemory, with_room},
};

/// Names one connection of one process, for ever: its index, and above it a
/// generation that is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    const fn new(index: u32, generation: u64) -> Self {
        Self(generation << u32::BITS | index as u64)
    }

    /// What a program says it is. Any number is a name; most name nothing.
    #[inline]
    #[must_use]
    pub const fn from_register(register: u64) -> Self {
        Self(register)
    }

    /// As it travels in a register: positive as an `i64`.
    #[must_use]
    pub const fn to_register(self) -> u64 {
        self.0
    }

    /// Its index.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    const fn generation(self) -> u64 {
        self.0 >> u32::BITS
    }
}

/// Which channel of which process.
#[derive(Debug)]
pub struct Target<S: 'static> {
    /// The room of the server's process.
    pub server: &'static S,
    /// The process that was in it.
    pub pid: u64,
    /// The channel.
    pub channel: ChannelId,
    /// What the server calls the client's process there.
    pub scoid: u64,
}

// Not derived: the room need not be `Copy`.
impl<S> Clone for Target<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Target<S> {}

/// One entry.
#[derive(Debug)]
struct Entry<S: 'static> {
    /// The generation, and whether it is there: of two entries with the same word the
    /// rest is the same.
    word: AtomicU64,
    server: StaticRef<S>,
    pid: AtomicU64,
    channel: AtomicU64,
    scoid: AtomicU64,
}

const fn word(generation: u64, is_there: bool) -> u64 {
    generation << 1 | is_there as u64
}

impl<S: Sync> Entry<S> {
    fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            server: StaticRef::none(),
            pid: AtomicU64::new(0),
            channel: AtomicU64::new(0),
            scoid: AtomicU64::new(0),
        }
    }

    // What is read of an entry that changes meanwhile is thrown away after a second
    // look at its word. Who has read something of the next connection sees by then that
    // this one is gone: each load acquires what each store released.
    #[inline]
    fn read(&self) -> Option<Target<S>> {
        let server = self.server.get()?;
        let read = |word: &AtomicU64| word.load(Site::ConnectionRead.ordering());
        let pid = read(&self.pid);
        let channel = ChannelId::from_register(read(&self.channel))?;
        let scoid = read(&self.scoid);
        Some(Target { server, pid, channel, scoid })
    }

    fn write(&self, target: &Target<S>, generation: u64) {
        self.server.set(target.server);
        let write = |word: &AtomicU64, value| word.store(value, Site::ConnectionWrite.ordering());
        write(&self.pid, target.pid);
        write(&self.channel, target.channel.to_register());
        write(&self.scoid, target.scoid);
        self.word.store(word(generation, true), Site::ConnectionShow.ordering());
    }
}

/// The connections of one process, as threads find them.
#[derive(Debug)]
pub struct Connections<S: 'static> {
    files: Retirable<Entry<S>>,
    sides: Retirable<Entry<S>>,
}

impl<S: Sync> Default for Connections<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Sync> Connections<S> {
    /// None, and without memory.
    #[must_use]
    pub fn new() -> Self {
        Self { files: Retirable::new(), sides: Retirable::new() }
    }

    /// Where a connection leads, if it is there. Once the channel's lock is held,
    /// [`Self::is_current`] tells whether it still is.
    #[inline]
    #[must_use]
    pub fn find(&self, irq: &IrqOff, id: ConnectionId) -> Option<Target<S>> {
        self.look(irq, id).map(|(target, _)| target)
    }

    /// As [`Self::find`], with what tells whether it is still there.
    #[inline(always)]
    #[must_use]
    pub fn look<'i>(
        &'i self,
        irq: &'i IrqOff,
        id: ConnectionId,
    ) -> Option<(Target<S>, Sight<'i, S>)> {
        let sight =
            Sight { entry: self.entry(irq, id.index())?, word: word(id.generation(), true) };
        if sight.entry.word.load(Site::ConnectionFind.ordering()) != sight.word {
            return None;
        }
        Some((sight.entry.read()?, sight))
    }

    /// Whether the connection is there.
    #[inline(always)]
    #[must_use]
    pub fn is_current(&self, irq: &IrqOff, id: ConnectionId) -> bool {
        self.entry(irq, id.index())
            .is_some_and(|entry| entry.word.load(Ordering::Relaxed) == word(id.generation(), true))
    }

    /// Whether there is no memory yet for an entry of that index.
    #[must_use]
    pub fn lacks(&self, irq: &IrqOff, index: u32) -> bool {
        self.entry(irq, index).is_none()
    }

    /// Bytes of the heap that the tables take.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.files.footprint() + self.sides.footprint()
    }

    /// Takes all entries out, of a process that has no thread any more.
    #[must_use]
    pub fn retire(&self) -> [Option<Memory<S>>; 2] {
        [self.files.retire().map(Memory), self.sides.retire().map(Memory)]
    }

    #[inline(always)]
    fn entry<'i>(&'i self, irq: &'i IrqOff, index: u32) -> Option<&'i Entry<S>> {
        let place = index & !SIDE_CHANNEL;
        if index == place { self.files.get(irq, place) } else { self.sides.get(irq, place) }
    }
}

/// A connection that was found.
#[derive(Debug)]
pub struct Sight<'i, S: 'static> {
    entry: &'i Entry<S>,
    word: u64,
}

impl<S> Sight<'_, S> {
    /// Whether it is there still.
    #[inline(always)]
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.entry.word.load(Ordering::Relaxed) == self.word
    }
}

/// Memory of entries that were taken out.
#[derive(Debug)]
#[must_use]
pub struct Memory<S: 'static>(Retired<Entry<S>>);

impl<S> Memory<S> {
    /// Frees it once nobody looks any more.
    pub fn free(self, quiesce: impl crate::machine::Quiesce) {
        quiesce.free(self.0);
    }
}

const WORD: u32 = u64::BITS;

/// Indices of one space of numbers that are taken.
#[derive(Debug, Default)]
struct Taken(Vec<u64>);

impl Taken {
    const fn new() -> Self {
        Self(Vec::new())
    }

    /// The lowest that is free, not below `least`.
    fn lowest_free(&self, least: u32) -> Option<u32> {
        let first = (least / WORD) as usize;
        for (place, bits) in self.0.iter().enumerate().skip(first) {
            let below = if place == first { (1 << (least % WORD)) - 1 } else { 0 };
            let free = !(bits | below);
            if free != 0 {
                return Some(u32::try_from(place).ok()? * WORD + free.trailing_zeros());
            }
        }
        Some(least.max(u32::try_from(self.0.len()).ok()?.checked_mul(WORD)?))
    }

    /// Memory to take that index.
    fn reserve(&mut self, index: u32) -> Result<(), OutOfMemory> {
        let words = (index / WORD) as usize + 1;
        if words > self.0.capacity() {
            let mut larger = with_room(words.next_power_of_two())?;
            larger.append(&mut self.0);
            self.0 = larger;
        }
        self.0.resize(words.max(self.0.len()), 0);
        Ok(())
    }

    fn set(&mut self, index: u32, is_taken: bool) {
        if let Some(bits) = self.0.get_mut((index / WORD) as usize) {
            let bit = 1 << (index % WORD);
            *bits = if is_taken { *bits | bit } else { *bits & !bit };
        }
    }

    fn footprint(&self) -> usize {
        footprint::array::<u64>(self.0.capacity())
    }
}

/// Who may change the connections of a process: one at a time.
#[derive(Debug, Default)]
pub struct Directory {
    files: Taken,
    sides: Taken,
    live: u32,
}

/// A process's connections have indices below this, of each kind: who asks for one
/// far above pays for the table up to there.
pub const MOST: u32 = 1 << 20;

/// Bytes of the table's part that has that index, and the first index of it.
#[must_use]
pub const fn part_of<S: 'static>(index: u32) -> (u32, usize) {
    let (mut first, mut part) = (0, 0);
    while index as usize >= first + segments::size(part) {
        first += segments::size(part);
        part += 1;
    }
    (first as u32, segments::size(part) * size_of::<Entry<S>>())
}

impl Directory {
    /// Of a process without connections.
    #[must_use]
    pub const fn new() -> Self {
        Self { files: Taken::new(), sides: Taken::new(), live: 0 }
    }

    /// Connections that there are.
    #[must_use]
    pub const fn live(&self) -> u32 {
        self.live
    }

    /// Bytes of the heap that it takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.files.footprint() + self.sides.footprint()
    }

    /// The lowest free index that is not below `least`.
    ///
    /// # Errors
    /// EINVAL (an index that there cannot be), EMFILE (none is left).
    pub fn choose(&self, least: u32) -> Result<u32, Errno> {
        let side = least & SIDE_CHANNEL;
        // Of a side channel, the other bits are not looked at.
        let (taken, from) = if side == 0 { (&self.files, least) } else { (&self.sides, 0) };
        if from >= MOST {
            return Err(Errno::EINVAL);
        }
        let free = taken.lowest_free(from).filter(|free| *free < MOST).ok_or(Errno::EMFILE)?;
        Ok(side | free)
    }

    /// Makes sure that there is memory for an entry of that index. Whether the table
    /// has grown by [`part_of`] it.
    ///
    /// # Errors
    /// When memory is out.
    pub fn grow<S: Sync>(
        &mut self,
        connections: &Connections<S>,
        index: u32,
    ) -> Result<(), OutOfMemory> {
        let place = index & !SIDE_CHANNEL;
        let (table, taken) = if index == place {
            (&connections.files, &mut self.files)
        } else {
            (&connections.sides, &mut self.sides)
        };
        taken.reserve(place)?;
        table.ensure(place, |_| Entry::new()).map_err(|_| OutOfMemory)
    }

    /// Makes a connection at a free index for which there is memory. None if the
    /// index is out of generations: it is not used again.
    pub fn attach<S: Sync>(
        &mut self,
        sections: &impl Sections,
        connections: &Connections<S>,
        index: u32,
        target: &Target<S>,
    ) -> Option<ConnectionId> {
        self.taken(index).set(index & !SIDE_CHANNEL, true);
        let generation = sections.masked(|irq| {
            let entry = connections.entry(irq, index)?;
            let generation = (entry.word.load(Ordering::Relaxed) >> 1) + 1;
            if generation > u64::from(LAST_GENERATION) {
                return None;
            }
            entry.write(target, generation);
            Some(generation)
        })?;
        self.live += 1;
        Some(ConnectionId::new(index, generation))
    }

    /// Gives a connection up. From now on nobody sends on it; threads that are
    /// blocked on it are the caller's to wake. Where it led.
    pub fn detach<S: Sync>(
        &mut self,
        sections: &impl Sections,
        connections: &Connections<S>,
        id: ConnectionId,
    ) -> Option<Target<S>> {
        let target = sections.masked(|irq| {
            let target = connections.find(irq, id)?;
            let entry = connections.entry(irq, id.index())?;
            entry.word.store(word(id.generation(), false), Ordering::Relaxed);
            Some(target)
        })?;
        self.live -= 1;
        self.taken(id.index()).set(id.index() & !SIDE_CHANNEL, false);
        Some(target)
    }

    /// A connection that there is, of the indices from `from` on; and its index.
    pub fn next<S: Sync>(
        &self,
        sections: &impl Sections,
        connections: &Connections<S>,
        from: u32,
    ) -> Option<ConnectionId> {
        let (taken, side) =
            if from & SIDE_CHANNEL == 0 { (&self.files, 0) } else { (&self.sides, SIDE_CHANNEL) };
        let first = from & !SIDE_CHANNEL;
        let indices = first..u32::try_from(taken.0.len()).ok()? * WORD;
        let is_taken = |index: &u32| {
            taken.0.get((index / WORD) as usize).is_some_and(|bits| bits >> (index % WORD) & 1 == 1)
        };
        let found = indices.filter(is_taken).find_map(|index| {
            sections.masked(|irq| {
                let word = connections.entry(irq, side | index)?.word.load(Ordering::Relaxed);
                (word & 1 == 1).then_some(ConnectionId::new(side | index, word >> 1))
            })
        });
        match found {
            None if side == 0 => self.next(sections, connections, SIDE_CHANNEL),
            found => found,
        }
    }

    const fn taken(&mut self, index: u32) -> &mut Taken {
        if index & SIDE_CHANNEL == 0 { &mut self.files } else { &mut self.sides }
    }
}
