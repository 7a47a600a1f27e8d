// SPDX-License-Identifier: Apache-2.0
//! How families share one hart. Threads of one priority take turns; so that a
//! family does not get more of a hart by having more threads there, a turn of
//! one of many is that much shorter.
//!
//! Nothing is counted while nobody waits: a turn is counted when its slice
//! begins, which is when an equal is ready. A *round* of a family is over when a
//! thread has its turn that came into the queue after the round had begun: as
//! equals run first in first out, whoever stood there then has had its turn.
//! So the turns in a round are the threads that want the hart, and each gets its
//! part of a slice.
//!
//! Threads of a family that wait for each other, as parent and child or client
//! and server do, would wait for everybody else at each step. So who blocks
//! leaves the rest of its turn to its family: to the one that it has woken, or
//! to the next that is woken. That one goes before its equals. No time is made
//! that way: all of it is of a turn for which somebody waited.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU64};

use skimmer_sync::{footprint, irq::IrqOff};

use crate::{
    hart::Hart,
    ids::{Priority, SlotId, ThreadId},
    machine::Machine,
    table::{OutOfMemory, replace, with_room},
    thread::State,
};

/// Processes that share their time: the kernel's name for the first of them. A
/// hart may meet the next of that slot while the last thread of one before is
/// ending: then it counts for a moment as two that take turns in one place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Family(NonZeroU64);

impl Family {
    /// The family of the process of that name.
    ///
    /// # Panics
    /// When that is no process's name.
    #[must_use]
    pub const fn of(first: SlotId) -> Self {
        match NonZeroU64::new(first.to_word()) {
            Some(word) => Self(word),
            None => panic!("a family is called after a process"),
        }
    }

    #[inline(always)]
    const fn index(self) -> usize {
        self.0.get() as usize & (SlotId::MAX as usize - 1)
    }

    const fn segment(self) -> usize {
        self.index() / SEGMENT
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Family({:?})", SlotId::from_word(self.0.get()))
    }
}

/// A turn is no shorter than a slice through this: a switch has its price too.
/// A family with more threads that are ready gets more than its share.
pub const MOST: u32 = 256;

/// What a hart knows of a family.
// So large that its place is found by a shift.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Share {
    family: Option<Family>,
    /// The hart's turn with which the round began.
    began: u64,
    /// The turns in it so far.
    turns: u32,
    /// How many threads took turns lately: what the last round had, or a bit
    /// less than what one before had. A crowd that comes in a body now and then
    /// has a slice together each time, and not each time half of one, a third,
    /// a quarter and so on, which is more.
    crowd: u32,
    /// What was left of a turn, for the next that is woken.
    left: u64,
    /// Who was woken last and waits like anybody: the next to be left something.
    heir: Option<ThreadId>,
}

const NOBODY: Share = Share { family: None, began: 0, turns: 0, crowd: 0, left: 0, heir: None };

const SEGMENT: usize = 32;

/// Memory for what a hart knows of a family, had where interrupts are open.
#[derive(Debug)]
pub struct Room {
    segment: Vec<Share>,
    segments: Vec<Vec<Share>>,
}

impl Room {
    /// For that family.
    ///
    /// # Errors
    /// When memory is out.
    pub fn of(family: Family) -> Result<Self, OutOfMemory> {
        let mut segment = with_room(SEGMENT)?;
        segment.resize(SEGMENT, NOBODY);
        let segments = with_room((family.segment() + 1).next_power_of_two())?;
        Ok(Self { segment, segments })
    }
}

/// What a hart knows of all families, by their slots. Segments are made when
/// they are needed, and none is moved.
#[derive(Debug, Default)]
pub struct Shares {
    turn: u64,
    segments: Vec<Vec<Share>>,
}

impl Shares {
    /// Knows nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self { turn: 0, segments: Vec::new() }
    }

    /// Whether there is no room yet for a family.
    #[must_use]
    pub fn lack(&self, family: Family) -> bool {
        self.segments.get(family.segment()).is_none_or(Vec::is_empty)
    }

    /// Makes room for a family with memory that was had for it before. Gives back
    /// what is not wanted.
    pub fn reserve_with(&mut self, family: Family, mut room: Room) -> Room {
        let at = family.segment();
        replace(&mut self.segments, &mut room.segments, at + 1);
        self.segments.resize_with(self.segments.len().max(at + 1), Vec::new);
        if let Some(segment) = self.segments.get_mut(at).filter(|segment| segment.is_empty()) {
            core::mem::swap(segment, &mut room.segment);
        }
        room
    }

    /// Makes room for a family.
    ///
    /// # Errors
    /// When memory is out.
    pub fn reserve(&mut self, family: Family) -> Result<(), OutOfMemory> {
        if self.lack(family) {
            drop(self.reserve_with(family, Room::of(family)?));
        }
        Ok(())
    }

    /// For [`Hart::portrait`].
    pub(crate) fn tell(&self, words: &mut impl fmt::Write) -> fmt::Result {
        let mut known = self.segments.iter().flatten().filter(|share| share.family.is_some());
        writeln!(words, "turn {}", self.turn)?;
        known.try_for_each(|share| writeln!(words, "{share:?}"))
    }

    /// Bytes of the heap that it takes.
    pub(crate) fn footprint(&self) -> usize {
        let segments =
            self.segments.iter().map(|segment| footprint::array::<Share>(segment.capacity()));
        footprint::array::<Vec<Share>>(self.segments.capacity()) + segments.sum::<usize>()
    }

    /// The number of the last turn of anybody's, which tells when a thread came
    /// into the queue.
    #[must_use]
    pub const fn turn(&self) -> u64 {
        self.turn
    }

    /// A thread of that family begins a turn; it came into the queue at `queued`.
    /// Through how much its slice is to be divided.
    pub fn begin_turn(&mut self, family: Family, queued: u64) -> u32 {
        self.turn += 1;
        let now = self.turn;
        let Some(share) = self.of(family) else { return 1 };
        if queued >= share.began {
            share.crowd = share.turns.max(share.crowd - share.crowd.div_ceil(4));
            share.began = now;
            share.turns = 0;
        }
        share.turns = MOST.min(share.turns + 1);
        share.turns.max(share.crowd)
    }

    /// What is known of a family; it is there from when a thread of it got its
    /// home.
    #[inline(always)]
    fn of(&mut self, family: Family) -> Option<&mut Share> {
        let index = family.index();
        let share = self.segments.get_mut(index / SEGMENT)?.get_mut(index % SEGMENT)?;
        if share.family != Some(family) {
            *share = Share { family: Some(family), began: self.turn, ..NOBODY };
        }
        Some(share)
    }

    /// Whether something was left for the next of that family that is woken.
    fn has_left(&mut self, family: Family) -> bool {
        self.of(family).is_some_and(|share| share.left > 0)
    }

    /// A thread of that family is woken, and runs at once: nobody waits, so what was left
    /// for it is of no use.
    #[inline(always)]
    pub(crate) fn pass_by(&mut self, family: Option<Family>, id: ThreadId) {
        if let Some(family) = family {
            let _unused = self.inherit(family, id);
        }
    }

    /// A thread of that family is woken. What was left for it; none if it is to
    /// wait like anybody.
    #[inline(always)]
    fn inherit(&mut self, family: Family, id: ThreadId) -> Option<u64> {
        let share = self.of(family)?;
        let left = core::mem::take(&mut share.left);
        if left == 0 {
            share.heir = Some(id);
        }
        (left > 0).then_some(left)
    }
}

impl<M: Machine> Hart<M> {
    /// How long a turn is that begins now: a slice, or the part of one that is
    /// the thread's own in its family. It came into the queue at `queued`.
    pub(crate) fn turn_length(&mut self, family: Option<Family>, queued: u64) -> u64 {
        let slice = self.machine.time_slice();
        match family.map(|family| self.shares.begin_turn(family, queued)) {
            None | Some(1) => slice,
            Some(parts) => (slice / u64::from(parts)).max(1),
        }
    }

    /// Puts a thread of a family that was woken into the run queue.
    pub(crate) fn queue_woken(
        &mut self,
        irq: &IrqOff,
        id: ThreadId,
        family: Family,
        priority: Priority,
    ) {
        let slot = id.slot().index();
        let (left, turn) = (self.shares.inherit(family, id), self.shares.turn());
        if let Some(thread) = self.threads.at_mut(slot) {
            thread.slice_left = left;
            thread.queued = turn;
        }
        if left.is_some() {
            self.runq.push_front(irq, &mut self.threads, slot, priority);
        } else {
            self.runq.push_back(irq, &mut self.threads, slot, priority);
        }
    }

    /// The current thread has blocked or ended, and had its slice until `end`.
    /// Its family gets the rest: one slice at the most, as what was drawn out
    /// was for the thread itself.
    pub(crate) fn leave_turn(&mut self, irq: &IrqOff, family: Family, end: u64) {
        let Some(left) = self.left_until(end) else { return };
        let Some(share) = self.shares.of(family) else { return };
        let Some(heir) = share.heir.take() else {
            share.left = left;
            return;
        };
        let priority = self.current_thread().priority;
        match self.live_thread(heir) {
            Some(thread) if thread.state == State::Ready && thread.priority == priority => {
                thread.slice_left = Some(left);
            }
            _ => {
                if let Some(share) = self.shares.of(family) {
                    share.left = left;
                }
                return;
            }
        }
        let slot = heir.slot().index();
        self.runq.remove(irq, &mut self.threads, slot);
        self.runq.push_front(irq, &mut self.threads, slot, priority);
    }

    #[inline]
    fn left_until(&self, end: u64) -> Option<u64> {
        let slice = self.machine.time_slice();
        let left = end.saturating_sub(self.machine.now()).min(slice);
        (left > slice / u64::from(MOST)).then_some(left)
    }

    /// Whether the current thread would leave its turn now to the next of that family
    /// that it wakes, and not what was left before.
    pub(crate) fn leaves_turn_to(&mut self, family: Family) -> bool {
        let left = self.slice_end.and_then(|end| self.left_until(end));
        left.is_some() && !self.shares.has_left(family)
    }

    /// The thread that has just become the current one takes over a turn of its family's
    /// from the last: as if it had been its heir, and been left the rest.
    #[cold]
    pub(crate) fn take_over_turn(&mut self) {
        let family = self.current_thread().family;
        let left = self.slice_end.and_then(|end| self.left_until(end)).unwrap_or(0);
        self.slice_end = Some(self.machine.now().saturating_add(left));
        self.arm();
        if let Some(share) = family.and_then(|family| self.shares.of(family)) {
            share.heir = None;
        }
    }
}
