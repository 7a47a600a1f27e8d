// SPDX-License-Identifier: Apache-2.0
//! The state that one hart owns: its threads, its run queue, its ends of the
//! rings. Nobody else touches it (law home-hart-only), and it is reached with
//! interrupts masked only. What it does is in `sched`, `mail`, `chores` and
//! `thread_port`.

use alloc::vec::Vec;

use skimmer_abi::{
    inspect::HartInspect,
    trace::{Event, Record, Ring},
};
use skimmer_sync::{fifo::Fifo, irq::IrqOff};

use crate::{
    deadlines::Deadlines,
    ids::{HartIndex, Priority, SlotId, ThreadId},
    list::{Link, Links, List},
    machine::Machine,
    message::{Body, Note},
    remote::Lines,
    runq::RunQueue,
    shares::Shares,
    table::{OutOfMemory, SEGMENT, Table},
    thread::{NewThread, State, Thread},
};

/// Queue numbers above the 256 of the run queue.
pub(crate) const DEAD: u16 = 256;
pub(crate) const UNSETTLED: u16 = 257;
pub(crate) const FIRST_SPACE: u16 = 258;

/// One hart.
pub struct Hart<M: Machine> {
    pub(crate) index: HartIndex,
    pub(crate) machine: M,
    pub(crate) inspect: &'static HartInspect,
    pub(crate) threads: Table<Thread<M>>,
    pub(crate) runq: RunQueue,
    pub(crate) current: ThreadId,
    pub(crate) service: Option<ThreadId>,
    pub(crate) lines: Lines<M>,
    pub(crate) space_waiters: Vec<List>,
    pub(crate) deadlines: Deadlines,
    pub(crate) shares: Shares,
    /// When the current thread has had its time, if equals wait for the hart.
    pub(crate) slice_end: Option<u64>,
    /// What the timer is set to.
    pub(crate) armed: Option<u64>,
    /// Something more urgent than the current thread may be ready.
    pub(crate) preempt_wanted: bool,
    pub(crate) trace: Ring,
    pub(crate) dead: List,
    /// Threads that are blocked at channels, to whose waits the service thread is to
    /// do something under the channel's lock.
    pub(crate) unsettled: List,
    /// Requests to threads that are gone.
    pub(crate) orphans: Fifo<Body<M>>,
    /// Requests that their senders asked for back.
    pub(crate) canceled: Fifo<Body<M>>,
    pub(crate) discards: Fifo<Body<M>>,
    pub(crate) notes: Fifo<Note>,
}

impl<M: Machine> core::fmt::Debug for Hart<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Hart {} running {}", self.index, self.current)
    }
}

impl<M: Machine> Links for Table<Thread<M>> {
    #[inline]
    fn link(&mut self, slot: u32) -> &mut Link {
        match self.at_mut(slot) {
            Some(thread) => &mut thread.link,
            None => unreachable!("a queue holds threads of this table only"),
        }
    }
}
impl<M: Machine> Hart<M> {
    /// A hart that runs `boot`: the thread that calls this, and which becomes
    /// its idle thread.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new(
        index: HartIndex,
        machine: M,
        inspect: &'static HartInspect,
        trace: Ring,
        lines: Lines<M>,
        boot: NewThread<M>,
    ) -> Result<Self, OutOfMemory> {
        let mut threads = Table::new(ThreadId::MAX_PER_HART);
        let mut idle = Thread::new(NewThread { priority: Priority::IDLE, ..boot });
        idle.state = State::Running;
        let slot = threads.insert(idle).map_err(|(error, _)| error)?;
        let mut space_waiters = Vec::new();
        space_waiters.try_reserve_exact(lines.mailboxes.len()).map_err(|_| OutOfMemory)?;
        space_waiters.extend((FIRST_SPACE..).take(lines.mailboxes.len()).map(List::new));
        let mut deadlines = Deadlines::new();
        deadlines.reserve(SEGMENT as u32 - 1)?;
        Ok(Self {
            index,
            machine,
            inspect,
            threads,
            runq: RunQueue::new()?,
            current: ThreadId::new(index, slot),
            service: None,
            lines,
            space_waiters,
            deadlines,
            shares: Shares::new(),
            slice_end: None,
            armed: None,
            preempt_wanted: false,
            trace,
            dead: List::new(DEAD),
            unsettled: List::new(UNSETTLED),
            orphans: Fifo::new(),
            canceled: Fifo::new(),
            discards: Fifo::new(),
            notes: Fifo::new(),
        })
    }

    /// Its place among the harts.
    #[must_use]
    pub const fn index(&self) -> HartIndex {
        self.index
    }

    /// What the current thread runs on.
    pub fn current_context(&self) -> &M::Context {
        match self.threads.get(self.current.slot()) {
            Some(thread) => &thread.context,
            None => unreachable!("the current thread is in its hart's table"),
        }
    }

    /// The thread that runs.
    #[must_use]
    pub const fn current(&self) -> ThreadId {
        self.current
    }

    /// What the hart shows of itself.
    #[must_use]
    pub const fn inspect(&self) -> &'static HartInspect {
        self.inspect
    }

    /// The hart's trace, oldest record first.
    pub fn trace(&self) -> impl Iterator<Item = Record> + use<M> {
        self.trace.records()
    }

    /// Every thread of the hart.
    pub fn threads(&self) -> impl Iterator<Item = (ThreadId, &Thread<M>)> {
        self.threads.iter().map(|(slot, thread)| (ThreadId::new(self.index, slot), thread))
    }

    /// A thread of the hart, unless it is gone.
    #[must_use]
    pub fn thread(&self, id: ThreadId) -> Option<&Thread<M>> {
        self.threads.get(self.own(id)?)
    }

    /// Gives a thread its home here. It is stopped until it is scheduled.
    ///
    /// # Errors
    /// Gives the thread back when memory is out.
    pub fn adopt(&mut self, new: NewThread<M>) -> Result<ThreadId, (OutOfMemory, NewThread<M>)> {
        M::adopted(&new.context);
        if let Some(family) = new.family
            && let Err(error) = self.shares.reserve(family)
        {
            return Err((error, new));
        }
        let slot = match self.threads.insert(Thread::new(new)) {
            Ok(slot) => slot,
            Err((error, thread)) => return Err((error, thread.into_new())),
        };
        match self.deadlines.reserve(slot.index()) {
            Ok(()) => Ok(ThreadId::new(self.index, slot)),
            Err(error) => match self.threads.remove(slot) {
                Some(thread) => Err((error, thread.into_new())),
                None => unreachable!("it was put in above"),
            },
        }
    }

    /// Writes a trace record.
    #[inline]
    pub fn note(&self, _: &IrqOff, event: Event, a: u32, b: u64) {
        let (time, thread) = (self.machine.now(), self.current.to_word());
        self.trace.write(Record { time, thread, event: event as u8, a, b });
    }

    /// Writes two at once.
    #[inline(always)]
    pub(crate) fn note_both(&self, _: &IrqOff, notes: [(Event, u32, u64); 2]) {
        let (time, thread) = (self.machine.now(), self.current.to_word());
        self.trace.write_all(notes.map(|(event, a, b)| Record {
            time,
            thread,
            event: event as u8,
            a,
            b,
        }));
    }

    #[inline(always)]
    pub(crate) fn current_thread(&mut self) -> &mut Thread<M> {
        match self.threads.at_mut(self.current.slot().index()) {
            Some(thread) => thread,
            None => unreachable!("the current thread is in its hart's table"),
        }
    }

    #[inline]
    pub(crate) fn live_thread(&mut self, id: ThreadId) -> Option<&mut Thread<M>> {
        let slot = self.own(id)?;
        self.threads.get_mut(slot).filter(|thread| thread.state != State::Dead)
    }

    /// Whether the thread belongs to another hart. A name that carries no hart
    /// in use is nobody's, here as anywhere.
    #[inline]
    #[must_use]
    pub fn is_elsewhere(&self, id: ThreadId) -> bool {
        id.home() != self.index && id.home().index() < self.lines.mailboxes.len()
    }

    #[inline]
    pub(crate) fn own(&self, id: ThreadId) -> Option<SlotId> {
        (id.home() == self.index).then_some(id.slot())
    }
}
