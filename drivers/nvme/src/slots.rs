// SPDX-License-Identifier: Apache-2.0
//! The commands of a queue: one slot for each that can be in flight.
//!
//! A command identifier is the slot's index and a generation that changes with
//! each use, so a completion that comes twice or too late does not end the
//! slot's next command.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::entry::Submission;
use crate::error::Error;

/// A command, as long as its queue pair has it; never used again in that queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// The end of a command.
#[derive(Debug)]
pub struct Completion<B> {
    /// Which command.
    pub ticket: Ticket,
    /// Its buffer back.
    pub buffer: Option<B>,
    /// Dword 0 of the completion, or how the command failed.
    pub result: Result<u32, Error>,
}

/// A command that has not ended.
pub(crate) struct Flight<B> {
    pub(crate) ticket: Ticket,
    pub(crate) entry: Submission,
    pub(crate) buffer: Option<B>,
    /// When patience ends, in the clock's nanoseconds.
    pub(crate) deadline: u64,
    /// How often it was given to the drive.
    pub(crate) attempts: u32,
    /// Whether the drive was asked to abort it.
    pub(crate) aborting: bool,
}

/// What a slot is at.
enum State<B> {
    /// Free.
    Idle,
    /// The drive has the command.
    Flying(Flight<B>),
    /// It is to be given to the drive (again).
    Waiting(Flight<B>),
    /// It has ended, and nobody has looked yet.
    Done(Completion<B>),
}

struct Slot<M, B> {
    generation: u16,
    state: State<B>,
    /// Pages for PRP lists, kept from command to command.
    lists: Vec<M>,
}

/// All slots of a queue pair.
pub(crate) struct Slots<M, B> {
    slots: Vec<Slot<M, B>>,
    free: Vec<u16>,
    done: VecDeque<u16>,
    /// Bits of an identifier that are the index.
    bits: u32,
}

/// What an identifier in a completion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The command that flies in this slot.
    Fits(u16),
    /// No slot has ever had it.
    Unknown,
    /// The slot's last command, which has ended.
    Duplicate,
    /// An earlier command of the slot.
    Stale,
}

impl<M, B> Slots<M, B> {
    /// `depth` free slots: at most 4,096, so that generations have 4 bits at least.
    pub(crate) fn new(depth: u16) -> Result<Self, Error> {
        let mut slots = Vec::new();
        let (mut free, mut done) = (Vec::new(), VecDeque::new());
        let length = usize::from(depth);
        slots.try_reserve_exact(length).map_err(|_| Error::NoMemory)?;
        free.try_reserve_exact(length).map_err(|_| Error::NoMemory)?;
        done.try_reserve_exact(length).map_err(|_| Error::NoMemory)?;
        for index in (0..depth).rev() {
            slots.push(Slot { generation: 0, state: State::Idle, lists: Vec::new() });
            free.push(index);
        }
        let bits = u16::BITS.saturating_sub(depth.saturating_sub(1).leading_zeros());
        Ok(Self { slots, free, done, bits })
    }

    fn get(&mut self, index: u16) -> Option<&mut Slot<M, B>> {
        self.slots.get_mut(usize::from(index))
    }

    /// The slot that the next command will have, with its pages for lists.
    pub(crate) fn next_free(&mut self) -> Option<&mut Vec<M>> {
        let index = *self.free.last()?;
        self.get(index).map(|slot| &mut slot.lists)
    }

    /// Puts a command into that slot, where it waits.
    pub(crate) fn occupy(&mut self, flight: Flight<B>) -> Option<u16> {
        let index = self.free.pop()?;
        self.get(index)?.state = State::Waiting(flight);
        Some(index)
    }

    /// A command that waits is on its way: its entry and its new identifier.
    pub(crate) fn launch(&mut self, index: u16, deadline: u64) -> Option<(Submission, u16)> {
        let bits = self.bits;
        let slot = self.get(index)?;
        let State::Waiting(mut flight) = core::mem::replace(&mut slot.state, State::Idle) else {
            return None;
        };
        flight.deadline = deadline;
        flight.aborting = false;
        flight.attempts = flight.attempts.saturating_add(1);
        let entry = flight.entry;
        slot.state = State::Flying(flight);
        let id = |generation: u16| generation.wrapping_shl(bits) | index;
        slot.generation = slot.generation.wrapping_add(1);
        // FFFFh means "no command" in the error log (section 3.3.3.1).
        if id(slot.generation) == u16::MAX {
            slot.generation = slot.generation.wrapping_add(1);
        }
        Some((entry, id(slot.generation)))
    }

    /// What the identifier of a completion is.
    pub(crate) fn judge(&mut self, id: u16) -> Verdict {
        let bits = self.bits;
        let mask = 1u16.wrapping_shl(bits).wrapping_sub(1);
        let index = id & mask;
        let Some(slot) = self.get(index) else { return Verdict::Unknown };
        if slot.generation.wrapping_shl(bits) != id & !mask {
            return Verdict::Stale;
        }
        match slot.state {
            State::Flying(_) => Verdict::Fits(index),
            State::Waiting(_) | State::Idle | State::Done(_) => Verdict::Duplicate,
        }
    }

    /// The command that flies in a slot.
    pub(crate) fn flying(&mut self, index: u16) -> Option<&mut Flight<B>> {
        match &mut self.get(index)?.state {
            State::Flying(flight) => Some(flight),
            State::Idle | State::Waiting(_) | State::Done(_) => None,
        }
    }

    /// The drive no longer has a command, and is to have it again.
    pub(crate) fn ground(&mut self, index: u16) {
        let Some(slot) = self.get(index) else { return };
        slot.state = match core::mem::replace(&mut slot.state, State::Idle) {
            State::Flying(flight) => State::Waiting(flight),
            other => other,
        };
    }

    /// The drive no longer has a command, which has ended.
    pub(crate) fn finish(&mut self, index: u16, result: Result<u32, Error>) {
        let Some(slot) = self.get(index) else { return };
        match core::mem::replace(&mut slot.state, State::Idle) {
            State::Flying(flight) | State::Waiting(flight) => {
                let Flight { ticket, buffer, .. } = flight;
                slot.state = State::Done(Completion { ticket, buffer, result });
                self.done.push_back(index);
            }
            other => slot.state = other,
        }
    }

    /// Takes the buffer of a command that has not ended: it will end without it.
    pub(crate) fn keep(&mut self, index: u16) -> Option<B> {
        match &mut self.get(index)?.state {
            State::Flying(flight) | State::Waiting(flight) => flight.buffer.take(),
            State::Idle | State::Done(_) => None,
        }
    }

    /// The command that ended first of those nobody has looked at; its slot is
    /// free again.
    pub(crate) fn take(&mut self) -> Option<Completion<B>> {
        let index = self.done.pop_front()?;
        let slot = self.get(index)?;
        let State::Done(completion) = core::mem::replace(&mut slot.state, State::Idle) else {
            return None;
        };
        self.free.push(index);
        Some(completion)
    }

    /// The slots whose command flies: index, identifier, command.
    pub(crate) fn flights(&self) -> impl Iterator<Item = (u16, u16, &Flight<B>)> {
        (0u16..).zip(&self.slots).filter_map(|(index, slot)| match &slot.state {
            State::Flying(flight) => {
                Some((index, slot.generation.wrapping_shl(self.bits) | index, flight))
            }
            State::Idle | State::Waiting(_) | State::Done(_) => None,
        })
    }

    /// A slot whose command has not ended, from `from` on.
    pub(crate) fn unfinished(&self, from: u16) -> Option<u16> {
        let unfinished =
            |slot: &Slot<M, B>| matches!(slot.state, State::Flying(_) | State::Waiting(_));
        let rest = (0u16..).zip(&self.slots).skip(usize::from(from));
        rest.into_iter().find(|(_, slot)| unfinished(slot)).map(|(index, _)| index)
    }

    /// How many commands have not ended, or ended and were not taken.
    pub(crate) fn used(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }
}
