// SPDX-License-Identifier: Apache-2.0
//! The kernel's side: its channels, and the machine that its policy asks for.

use std::collections::BTreeSet;

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        Channel, ChannelFlags, ChannelId, Outcome, Wait, Waiters, Which, Woken,
        rendezvous::{AT_ONCE, Carrier, Fault},
        table::ChannelTable,
    },
    ids::{HartIndex, Priority, ThreadId},
    machine::Sections,
    user::UserBytes,
};
use skimmer_core_tests::sections::Here;

use crate::memory::Memories;

/// Threads that there are, spread over the harts.
pub(crate) const THREADS: usize = 7;
pub(crate) const HARTS: usize = 3;
/// Processes that have channels.
pub(crate) const TABLES: usize = 2;

pub(crate) fn name(thread: usize) -> ThreadId {
    let place = ((thread % HARTS) << 20) | (thread / HARTS);
    ThreadId::from_word(1 << 32 | place as u64)
}

pub(crate) fn number(name: ThreadId) -> usize {
    let slot = (name.to_word() & 0xf_ffff) as usize;
    slot * HARTS + name.home().index()
}

/// A channel, of that process.
pub(crate) type Place = (usize, ChannelId);

/// What a carrier may look at.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) memories: Memories,
    /// Rings to those harts are full.
    pub(crate) full: [bool; HARTS],
    /// Connections that are gone.
    pub(crate) gone: BTreeSet<u64>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let memories = Memories::new();
        Self { memories, full: [false; HARTS], gone: BTreeSet::new() }
    }

    pub(crate) fn can_wake(&self, me: usize, other: usize) -> Result<(), HartIndex> {
        let (from, to) = (me % HARTS, other % HARTS);
        if from != to && self.full[to] { Err(name(other).home()) } else { Ok(()) }
    }
}

/// The calling thread, and what it reaches.
pub(crate) struct Bearer<'m> {
    pub(crate) me: usize,
    pub(crate) machine: &'m mut Machine,
}

impl Carrier for Bearer<'_> {
    fn give(&mut self, from: UserBytes, owner: u64, to: UserBytes) -> Result<(), Fault> {
        assert!(from.length.min(to.length) <= AT_ONCE, "more than one section is for");
        let (me, other) = (self.me, owner as usize);
        self.machine.memories.copy(me, (me, from), (other, to))
    }

    fn fetch(&mut self, owner: u64, from: UserBytes, to: UserBytes) -> Result<(), Fault> {
        assert!(from.length.min(to.length) <= AT_ONCE, "more than one section is for");
        let (me, other) = (self.me, owner as usize);
        self.machine.memories.copy(me, (other, from), (me, to))
    }

    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex> {
        self.machine.can_wake(self.me, number(thread))
    }

    fn is_connected(&mut self, _: u64, coid: u64) -> bool {
        !self.machine.gone.contains(&coid)
    }
}

pub(crate) struct Kernel {
    pub(crate) tables: [ChannelTable<1000>; TABLES],
    pub(crate) waiters: &'static Waiters,
    pub(crate) machine: Machine,
}

impl Drop for Kernel {
    /// There are thousands of them: the records go with the tests' kernel, for which they
    /// are there for ever.
    fn drop(&mut self) {
        let waiters = std::ptr::from_ref(self.waiters).cast_mut();
        // SAFETY: it is the box that `new` leaked, and nobody looks at a record, which takes
        // a lock of the tables, after this.
        drop(unsafe { Box::from_raw(waiters) });
    }
}

impl Kernel {
    pub(crate) fn new() -> Self {
        let waiters = Box::leak(Box::new(Waiters::new(HARTS).unwrap()));
        (0..THREADS).for_each(|thread| waiters.enrol(name(thread)).unwrap());
        let tables = std::array::from_fn(|_| ChannelTable::new(1, 100).unwrap());
        Self { tables, waiters, machine: Machine::new() }
    }

    pub(crate) fn create(&self, table: usize, flags: ChannelFlags) -> Place {
        (table, self.tables[table].create(&Here::at(0), flags).unwrap())
    }

    /// A live channel's lock is held for `work`.
    pub(crate) fn with<R>(
        &mut self,
        me: usize,
        (table, id): Place,
        work: impl FnOnce(&mut Channel<'_>, &mut Bearer<'_>) -> R,
    ) -> Result<R, Errno> {
        let Self { tables, waiters, machine } = self;
        Here::at(0).masked(|irq| {
            tables[table]
                .with(irq, waiters, id, |channel| work(channel, &mut Bearer { me, machine }))
        })
    }

    /// The same for who ends or moves waits.
    pub(crate) fn at<R>(
        &self,
        (table, id): Place,
        work: impl FnOnce(&mut Channel<'_>) -> R,
    ) -> Option<R> {
        Here::at(0).masked(|irq| self.tables[table].with_waits(irq, self.waiters, id, work))
    }

    pub(crate) fn queue_of(&self, place: Place, wait: Wait) -> Option<Which> {
        self.at(place, |channel| channel.queue_of(wait)).flatten()
    }

    pub(crate) fn first(&self, place: Place, which: Which) -> Option<(Wait, Priority)> {
        self.at(place, |channel| channel.first(which)).expect("the channel is there")
    }

    pub(crate) fn outcome(&self, thread: usize) -> Option<Outcome> {
        self.waiters.outcome(name(thread))
    }

    pub(crate) fn destroy(&self, (table, id): Place) -> Result<Vec<Woken>, Errno> {
        let mut woken = Vec::new();
        self.tables[table].destroy(&Here::at(0), self.waiters, id, |one| woken.push(one))?;
        Ok(woken)
    }
}
