// SPDX-License-Identifier: Apache-2.0
//! The channels of one process.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::{channel::ChannelFlags, errno::Errno};
use skimmer_sync::{footprint, irq::IrqOff, lock::SpinLock, retire::Retirable, segments};

use crate::{
    channel::{
        id::{ChannelId, LAST_GENERATION},
        slot::{Channel, Slot, State},
        stock::{MOST_SLOTS, Room, Stock},
        waiter::{Owned, Wait, Waiters, Woken},
    },
    ids::Priority,
    machine::{Quiesce, Sections},
    table::OutOfMemory,
};

/// What a cache line holds: neighbours do not disturb each other.
#[derive(Debug)]
#[repr(align(64))]
struct Line<T>(T);

/// Flags that one channel of a process can have.
const SPECIAL: [ChannelFlags; 2] = [ChannelFlags::THREAD_DEATH, ChannelFlags::COID_DISCONNECT];
const ANY_SPECIAL: ChannelFlags = SPECIAL[0].with(SPECIAL[1]);

/// Slots that were there can be taken by others before they are used. After so
/// many times there might as well be none.
const ATTEMPTS: u32 = 64;

/// The table, of one process after the other: [`empty`](Self::empty) it in
/// between. Drop it empty, if at all, when no thread is in it any more: who
/// waits at a channel of a table that is gone can never wait again.
///
/// `LAST` is the last generation of a slot.
#[derive(Debug)]
pub struct ChannelTable<const LAST: u32 = LAST_GENERATION> {
    slots: Retirable<Line<SpinLock<Slot>>>,
    stocks: Box<[Line<SpinLock<Stock>>]>,
    pub(crate) room: SpinLock<Room>,
    special: SpinLock<[Option<ChannelId>; SPECIAL.len()]>,
    /// The process whose channels these are.
    owner: AtomicU64,
}

/// What a table has done, and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Channels made.
    pub created: u64,
    /// Channels whose slot was freed.
    pub destroyed: u64,
    /// Free slots, on any hart.
    pub free: u64,
    /// Times that a hart added slots.
    pub grown: u64,
    /// Times that a hart took another's slots.
    pub stolen: u64,
}

impl Counts {
    /// Channels that are there, or closing. Exact while nobody creates or
    /// destroys.
    #[must_use]
    pub const fn live(&self) -> u64 {
        self.created.saturating_sub(self.destroyed)
    }
}

/// Why there is no new channel yet.
enum Refusal {
    Final(Errno),
    NoSlot,
}

/// How far a destroy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Freed,
    /// There are waiters.
    Closing,
}

/// Slots that a table grows by when its memory does, for the time of that number,
/// counted from 0; and their bytes.
#[must_use]
pub const fn growth(time: usize) -> (u32, usize) {
    let slots = segments::size(time);
    assert!(slots <= MOST_SLOTS as usize, "slots have numbers");
    (slots as u32, slots * size_of::<Line<SpinLock<Slot>>>())
}

impl<const LAST: u32> ChannelTable<LAST> {
    /// An empty table for at most `limit` channels at a time, on a machine of
    /// that many harts.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new(harts: usize, limit: u32) -> Result<Self, OutOfMemory> {
        let mut stocks = Vec::new();
        stocks.try_reserve_exact(harts).map_err(|_| OutOfMemory)?;
        stocks.extend((0..harts).map(|_| Line(SpinLock::new(Stock::new()))));
        Ok(Self {
            slots: Retirable::new(),
            stocks: stocks.into_boxed_slice(),
            room: SpinLock::new(Room::new(limit)),
            special: SpinLock::new([None; SPECIAL.len()]),
            owner: AtomicU64::new(0),
        })
    }

    /// Says whose channels these are from now on: before there are any.
    pub fn set_owner(&self, owner: u64) {
        // Seen by whoever finds a channel: its lock was held since.
        self.owner.store(owner, Ordering::Relaxed);
    }

    /// Whose channels these are, for who holds the lock of one.
    #[inline]
    #[must_use]
    pub fn owner(&self) -> u64 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Allows so many more channels.
    pub fn allow(&self, sections: &impl Sections, more: u32) {
        sections.masked(|irq| {
            let mut room = self.room.lock(irq);
            room.limit = MOST_SLOTS.min(room.limit.saturating_add(more));
        });
    }

    /// Makes a channel.
    ///
    /// # Errors
    /// `EAGAIN` if the process has as many as it may; `ENOMEM`;
    /// `EBUSY` if a flag asks for what another channel of the process is.
    /// Nothing has changed then.
    #[inline]
    pub fn create(
        &self,
        sections: &impl Sections,
        flags: ChannelFlags,
    ) -> Result<ChannelId, Errno> {
        for _ in 0..ATTEMPTS {
            match sections.masked(|irq| self.try_create(irq, flags)) {
                Ok(id) => return Ok(id),
                Err(Refusal::Final(errno)) => return Err(errno),
                Err(Refusal::NoSlot) => self.refill(sections)?,
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Destroys a channel, and hands every thread that waits at it to `wake`:
    /// clients that were not received, then servers, then clients that were not
    /// answered. `wake` runs outside of all locks and masked sections. All of
    /// them have been handed over when this returns, here or by whoever took
    /// them out at the same time.
    ///
    /// # Errors
    /// `EINVAL` if there is no such channel.
    #[inline]
    pub fn destroy(
        &self,
        sections: &impl Sections,
        waiters: &'static Waiters,
        id: ChannelId,
        wake: impl FnMut(Woken),
    ) -> Result<(), Errno> {
        if sections.masked(|irq| self.start_end(irq, id))? == Ended::Closing {
            #[cfg(feature = "bug-destroy-sleeper")]
            self.drain_but_answers(sections, waiters, id, wake);
            #[cfg(not(feature = "bug-destroy-sleeper"))]
            self.drain(sections, waiters, id, wake);
        }
        Ok(())
    }

    /// Locks a channel for `work`, which must be short and lock nothing.
    ///
    /// # Errors
    /// `ESRCH` if there is no such channel.
    #[inline]
    pub fn with<R>(
        &self,
        irq: &IrqOff,
        waiters: &'static Waiters,
        id: ChannelId,
        work: impl FnOnce(&mut Channel<'_>) -> R,
    ) -> Result<R, Errno> {
        self.with_or(irq, waiters, id, || Err(Errno::ESRCH), |channel| Ok(work(channel)))
    }

    /// The same for what is not small: it is made where it is wanted, and goes through no
    /// other hands. `absent` is what to say where there is no such channel.
    #[inline]
    pub fn with_or<R>(
        &self,
        irq: &IrqOff,
        waiters: &'static Waiters,
        id: ChannelId,
        absent: impl FnOnce() -> R,
        work: impl FnOnce(&mut Channel<'_>) -> R,
    ) -> R {
        self.with_if(irq, waiters, id, |state| state == State::Live, absent, work)
    }

    /// Ends a wait at a channel of this table, also at one that is closing. None
    /// if it has ended: whoever ended it wakes the thread.
    pub fn end_wait(&self, irq: &IrqOff, waiters: &'static Waiters, wait: Wait) -> Option<Woken> {
        self.with_slot(irq, waiters, wait.channel, |channel| channel.take(wait)).flatten()
    }

    /// Does something to a wait at a channel of this table, also at one that is
    /// closing; `work` must be short and lock nothing.
    pub fn with_waits<R>(
        &self,
        irq: &IrqOff,
        waiters: &'static Waiters,
        id: ChannelId,
        work: impl FnOnce(&mut Channel<'_>) -> R,
    ) -> Option<R> {
        self.with_slot(irq, waiters, id, work)
    }

    /// Gives a waiting thread the place that its new priority wants. Whether it
    /// still waits.
    pub fn set_priority(
        &self,
        irq: &IrqOff,
        waiters: &'static Waiters,
        wait: Wait,
        priority: Priority,
    ) -> bool {
        self.with_slot(irq, waiters, wait.channel, |channel| channel.set_priority(wait, priority))
            .unwrap_or(false)
    }

    /// The process's channel that has the flag, of the two that only one
    /// channel can have.
    #[must_use]
    pub fn special(&self, irq: &IrqOff, flag: ChannelFlags) -> Option<ChannelId> {
        let which = SPECIAL.iter().position(|special| *special == flag)?;
        self.special.lock(irq)[which]
    }

    /// Destroys every channel of a process that has ended: nobody makes new ones
    /// until the table is another's.
    pub fn empty(
        &self,
        sections: &impl Sections,
        waiters: &'static Waiters,
        mut wake: impl FnMut(Woken),
    ) {
        let slots = sections.masked(|irq| self.room.lock(irq).slots);
        for index in 0..slots {
            let Some(id) = sections.masked(|irq| self.occupant(irq, index)) else {
                continue;
            };
            // If another thread destroys it just now, both take waiters out.
            if sections.masked(|irq| self.start_end(irq, id)) != Ok(Ended::Freed) {
                self.drain(sections, waiters, id, &mut wake);
            }
        }
    }

    /// Gives the memory of all slots back, after [`empty`](Self::empty). The table
    /// is as it was made, for at most `limit` channels, but for its counts; names
    /// that were given before may be given again.
    pub fn retire(&self, sections: &impl Sections, limit: u32, quiesce: impl Quiesce) {
        for stock in &self.stocks {
            sections.masked(|irq| stock.0.lock(irq).forget());
        }
        sections.masked(|irq| *self.room.lock(irq) = Room::new(limit));
        if let Some(slots) = self.slots.retire() {
            quiesce.free(slots);
        }
    }

    /// Whether it has no memory for channels.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.slots.footprint() == 0
    }

    /// Bytes of the heap that the table takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.slots.footprint() + footprint::array::<Line<SpinLock<Stock>>>(self.stocks.len())
    }

    /// What the harts have done so far, one after the other.
    #[must_use]
    pub fn counts(&self, sections: &impl Sections) -> Counts {
        self.stocks.iter().fold(Counts::default(), |sum, stock| {
            sections.masked(|irq| {
                let stock = stock.0.lock(irq);
                Counts {
                    created: sum.created + stock.created,
                    destroyed: sum.destroyed + stock.destroyed,
                    free: sum.free + u64::from(stock.free),
                    grown: sum.grown + stock.grown,
                    stolen: sum.stolen + stock.stolen,
                }
            })
        })
    }

    #[inline]
    fn try_create(&self, irq: &IrqOff, flags: ChannelFlags) -> Result<ChannelId, Refusal> {
        if flags.has(ANY_SPECIAL) { self.create_special(irq, flags) } else { self.take(irq, flags) }
    }

    #[cold]
    #[inline(never)]
    fn create_special(&self, irq: &IrqOff, flags: ChannelFlags) -> Result<ChannelId, Refusal> {
        let mut special = self.special.lock(irq);
        let wanted = |which: &usize| flags.has(SPECIAL[*which]);
        if (0..SPECIAL.len()).filter(wanted).any(|which| special[which].is_some()) {
            return Err(Refusal::Final(Errno::EBUSY));
        }
        let id = self.take(irq, flags)?;
        (0..SPECIAL.len()).filter(wanted).for_each(|which| special[which] = Some(id));
        Ok(id)
    }

    /// Makes a channel in a slot of this hart's stock.
    #[inline]
    fn take(&self, irq: &IrqOff, flags: ChannelFlags) -> Result<ChannelId, Refusal> {
        let mut stock = self.stock(irq).lock(irq);
        let (index, mut slot) = self.pop(irq, &mut stock).ok_or(Refusal::NoSlot)?;
        (slot.state, slot.flags, slot.server) = (State::Live, flags, None);
        stock.created += 1;
        Ok(ChannelId::new(index, slot.generation))
    }

    /// Frees the channel, or makes it one that nobody finds.
    #[inline]
    fn start_end(&self, irq: &IrqOff, id: ChannelId) -> Result<Ended, Errno> {
        let slot = self.slot(irq, id.index()).ok_or(Errno::EINVAL)?;
        let mut stock = self.stock(irq).lock(irq);
        let mut slot = slot.lock(irq);
        if !slot.is_live(id) {
            return Err(Errno::EINVAL);
        }
        // Point of no return.
        let is_special = slot.flags.has(ANY_SPECIAL);
        let (mut ended, mut is_last) = (Ended::Closing, false);
        if slot.queues.are_empty() {
            is_last = Self::free(&mut stock, &mut slot, id);
            ended = Ended::Freed;
        } else {
            slot.state = State::Closing;
        }
        drop((slot, stock));
        if is_special || is_last {
            self.settle(irq, id, is_last);
        }
        Ok(ended)
    }

    /// What is seldom left to do after a channel has gone.
    #[cold]
    fn settle(&self, irq: &IrqOff, id: ChannelId, is_last: bool) {
        for special in &mut *self.special.lock(irq) {
            special.take_if(|special| *special == id);
        }
        if is_last {
            let mut room = self.room.lock(irq);
            room.limit = MOST_SLOTS.min(room.limit + 1);
        }
    }

    /// Gives the slot back to this hart's stock, for the next generation.
    /// Whether there is none.
    #[inline]
    fn free(stock: &mut Stock, slot: &mut Slot, id: ChannelId) -> bool {
        #[cfg(feature = "bug-leak-channel")]
        if is_one_in_a_million() {
            slot.state = State::Retired;
            return false;
        }
        stock.destroyed += 1;
        match slot.generation.checked_add(1) {
            Some(next) if next.get() <= LAST => {
                slot.generation = next;
                stock.give(slot, id.index());
                false
            }
            _ => {
                slot.state = State::Retired;
                true
            }
        }
    }

    /// Takes the waiters of a closing channel out one at a time, then frees it.
    #[cold]
    #[inline(never)]
    fn drain(
        &self,
        sections: &impl Sections,
        waiters: &'static Waiters,
        id: ChannelId,
        mut wake: impl FnMut(Woken),
    ) {
        let next = |channel: &mut Channel<'_>| channel.next_to_wake();
        let next = |irq: &IrqOff| self.with_slot(irq, waiters, id, next).flatten();
        while let Some(woken) = sections.masked(next) {
            wake(woken);
        }
        sections.masked(|irq| self.finish_end(irq, id));
    }

    /// The named bug: who waits for an answer stays.
    #[cfg(feature = "bug-destroy-sleeper")]
    fn drain_but_answers(
        &self,
        sections: &impl Sections,
        waiters: &'static Waiters,
        id: ChannelId,
        mut wake: impl FnMut(Woken),
    ) {
        use crate::channel::waiter::Which;
        let next = |channel: &mut Channel<'_>| {
            let first = channel.first(Which::Send).or_else(|| channel.first(Which::Receive))?;
            channel.end(first.0, Errno::ESRCH)
        };
        let next = |irq: &IrqOff| self.with_slot(irq, waiters, id, next).flatten();
        while let Some(woken) = sections.masked(next) {
            wake(woken);
        }
        sections.masked(|irq| self.finish_end(irq, id));
    }

    fn finish_end(&self, irq: &IrqOff, id: ChannelId) {
        let Some(slot) = self.slot(irq, id.index()) else { return };
        let mut stock = self.stock(irq).lock(irq);
        let mut slot = slot.lock(irq);
        let is_closing = slot.is_of(id) && slot.state == State::Closing;
        if !is_closing || !slot.queues.are_empty() {
            return;
        }
        let is_last = Self::free(&mut stock, &mut slot, id);
        drop((slot, stock));
        if is_last {
            self.settle(irq, id, is_last);
        }
    }

    /// Locks a channel that is live or closing.
    #[inline]
    fn with_slot<R>(
        &self,
        irq: &IrqOff,
        waiters: &'static Waiters,
        id: ChannelId,
        work: impl FnOnce(&mut Channel<'_>) -> R,
    ) -> Option<R> {
        self.with_if(irq, waiters, id, State::has_channel, || None, |channel| Some(work(channel)))
    }

    /// Locks a channel that is in a state of those.
    #[inline]
    fn with_if<R>(
        &self,
        irq: &IrqOff,
        waiters: &'static Waiters,
        id: ChannelId,
        is_found: impl FnOnce(State) -> bool,
        absent: impl FnOnce() -> R,
        work: impl FnOnce(&mut Channel<'_>) -> R,
    ) -> R {
        let Some(slot) = self.slot(irq, id.index()) else { return absent() };
        let mut guard = slot.lock(irq);
        let (slot, held) = guard.parts();
        if !slot.is_of(id) || !is_found(slot.state) {
            return absent();
        }
        let owned = Owned { waiters, held };
        work(&mut Channel { id, slot, owned })
    }

    /// The channel in that slot.
    fn occupant(&self, irq: &IrqOff, index: u32) -> Option<ChannelId> {
        let slot = self.slot(irq, index)?.lock(irq);
        slot.state.has_channel().then(|| ChannelId::new(index, slot.generation))
    }

    /// Adds memory for those slots. They are in no stock.
    pub(crate) fn add_memory(&self, first: u32, last: u32) -> Result<(), OutOfMemory> {
        const { assert!(LAST > 0 && LAST <= LAST_GENERATION) };
        for index in [first, last] {
            let make = |_| Line(SpinLock::new(Slot::new()));
            self.slots.ensure(index, make).map_err(|_| OutOfMemory)?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn slot<'i>(&'i self, irq: &'i IrqOff, index: u32) -> Option<&'i SpinLock<Slot>> {
        self.slots.get(irq, index).map(|line| &line.0)
    }

    /// The stock of this hart.
    #[inline]
    pub(crate) fn stock(&self, irq: &IrqOff) -> &SpinLock<Stock> {
        match self.stocks.get(irq.hart().index()) {
            Some(line) => &line.0,
            None => unreachable!("the table has a stock for every hart"),
        }
    }

    /// The stock of the hart at that distance from this one.
    pub(crate) fn neighbour(&self, irq: &IrqOff, distance: usize) -> Option<&SpinLock<Stock>> {
        let place = (irq.hart().index() + distance) % self.stocks.len();
        self.stocks.get(place).map(|line| &line.0)
    }

    pub(crate) const fn harts(&self) -> usize {
        self.stocks.len()
    }
}

/// The named bug: which channel is not freed.
#[cfg(feature = "bug-leak-channel")]
fn is_one_in_a_million() -> bool {
    static FREED: AtomicU64 = AtomicU64::new(1);
    FREED.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000_000)
}
