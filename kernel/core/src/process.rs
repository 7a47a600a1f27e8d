// SPDX-License-Identifier: Apache-2.0
//! The threads of one process: who is there, who joins whom, and how it ends.
//!
//! Nobody is ended from outside. Who is to end is condemned, and ends by itself
//! before it would run the program's code again; so whatever it was in the
//! middle of is finished or undone by the one who knows it. The last to end
//! takes the process apart.
//!
//! All of this is under one lock for each process. What is to be woken or
//! condemned comes back to the caller, who does it when the lock is free.

use skimmer_abi::{call::Exit, errno::Errno};

use crate::{
    ids::{SlotId, ThreadId},
    table::{self, OutOfMemory, Table},
};

/// Names one thread of a process, for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tid(SlotId);

impl Tid {
    /// As programs know it.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.0.to_word()
    }

    /// What a program says it is. Any word is a name; most name nobody.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self(SlotId::from_word(word))
    }
}

/// One thread, from before its birth until it is joined.
#[derive(Debug)]
struct Member<S> {
    /// It is to end if this is less than the process's.
    era: u64,
    /// The kernel's thread, while it lives.
    thread: Option<ThreadId>,
    ended: Option<i64>,
    is_detached: bool,
    joiner: Option<ThreadId>,
    stack: Option<S>,
}

/// Places that are looked at in one go.
const CHUNK: u32 = 64;

/// Memory for more threads of a process.
#[derive(Debug)]
pub struct Room<S>(table::Room<Member<S>>);

impl<S> Room<S> {
    /// For a process that has so many places ([`Threads::wants_room`]).
    ///
    /// # Errors
    /// When memory is out.
    pub fn of(places: u32) -> Result<Self, OutOfMemory> {
        table::Room::of(places).map(Self)
    }
}

/// What the end of a thread means to others.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// Who waits for it, to be woken.
    pub joiner: Option<ThreadId>,
    /// It was the last: the process is to be taken apart.
    pub is_last: bool,
}

/// The threads of one process. `S` is what is known of the stack of each.
#[derive(Debug)]
pub struct Threads<S> {
    members: Table<Member<S>>,
    /// Begins anew when all threads but one are to end.
    era: u64,
    live: u32,
    limit: u32,
    exit: Option<Exit>,
}

impl<S> Threads<S> {
    /// None yet, and at most `limit` at a time, those that wait to be joined
    /// included.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        let limit = limit.min(SlotId::MAX);
        Self { members: Table::new(limit), era: 1, live: 0, limit, exit: None }
    }

    /// Threads that have not ended.
    #[must_use]
    pub const fn live(&self) -> u32 {
        self.live
    }

    /// Places that there are: at least as many as there ever were threads at a
    /// time.
    #[must_use]
    pub const fn places(&self) -> u32 {
        self.members.slots()
    }

    /// How the process ends, once that is decided.
    #[must_use]
    pub const fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// How many places there are, if all are taken and there may be more: then
    /// [`Threads::grow_into`] comes first, so that nothing here asks for memory
    /// under the lock.
    #[must_use]
    pub const fn wants_room(&self) -> Option<u32> {
        self.members.wants_room()
    }

    /// Grows. What comes back is to be dropped without the lock.
    #[must_use = "freeing it takes long"]
    pub fn grow_into(&mut self, room: Room<S>) -> Room<S> {
        Room(self.members.grow_into(room.0))
    }

    /// Makes room for a thread that `maker` is about to make; none: the kernel.
    /// It counts from now on.
    ///
    /// # Errors
    /// EAGAIN at the limit, ENOMEM, ESRCH when the process or the maker is to
    /// end.
    pub fn reserve(&mut self, maker: Option<Tid>) -> Result<Tid, Errno> {
        if self.exit.is_some() || maker.is_some_and(|maker| self.is_to_end(maker)) {
            return Err(Errno::ESRCH);
        }
        if self.members.len() >= self.limit {
            return Err(Errno::EAGAIN);
        }
        let member = Member {
            era: self.era,
            thread: None,
            ended: None,
            is_detached: false,
            joiner: None,
            stack: None,
        };
        let slot = self.members.insert(member).map_err(|_| Errno::ENOMEM)?;
        self.live += 1;
        Ok(Tid(slot))
    }

    /// The kernel's thread has been made, and is about to begin. Returns whether
    /// it is to be condemned at once: the process has begun to end meanwhile, or
    /// it has been destroyed.
    pub fn born(&mut self, tid: Tid, thread: ThreadId) -> bool {
        if let Some(member) = self.members.get_mut(tid.0) {
            member.thread = Some(thread);
        }
        self.exit.is_some() || self.is_to_end(tid)
    }

    /// One thread is to end. Returns the kernel's, to be condemned; none while it
    /// is being made, and then it is condemned at birth.
    ///
    /// # Errors
    /// As [`Threads::find`].
    pub fn doom(&mut self, tid: Tid) -> Result<Option<ThreadId>, Errno> {
        let thread = self.find(tid)?;
        if let Some(member) = self.members.get_mut(tid.0) {
            member.era = 0;
        }
        Ok(thread)
    }

    /// Every thread but `me` is to end, those included that are being made, and
    /// those that such threads would make. The others of [`Threads::living`] are
    /// to be condemned then.
    pub fn doom_others(&mut self, me: Tid) {
        let me = self.members.get_mut(me.0).filter(|me| me.era == self.era);
        self.era += 1;
        me.into_iter().for_each(|me| me.era = self.era);
    }

    fn is_to_end(&self, tid: Tid) -> bool {
        self.members.get(tid.0).is_some_and(|member| member.era < self.era)
    }

    /// The kernel's thread could not be made: an end of its own. Nobody is told,
    /// for nobody knows it.
    pub fn unborn(&mut self, tid: Tid) -> Ended {
        if let Some(member) = self.members.get_mut(tid.0) {
            member.is_detached = true;
        }
        self.ended(tid, 0)
    }

    /// Keeps the stack of a thread that is about to be made.
    pub fn set_stack(&mut self, tid: Tid, stack: S) {
        if let Some(member) = self.members.get_mut(tid.0) {
            member.stack = Some(stack);
        }
    }

    /// The stack of a thread that is about to end, to be unmapped; none if the
    /// process's memory goes with it, because it is the last.
    pub fn take_stack(&mut self, tid: Tid) -> Option<S> {
        let is_last = self.live == 1;
        let member = self.members.get_mut(tid.0).filter(|_| !is_last)?;
        member.stack.take()
    }

    /// A thread has ended with `status`: it uses nothing of the process's any
    /// more, its address space included. As soon as the last has said so the
    /// process can be taken apart.
    ///
    /// # Panics
    /// When it has ended before.
    pub fn ended(&mut self, tid: Tid, status: i64) -> Ended {
        let Some(member) = self.members.get_mut(tid.0) else { panic!("a thread ends once") };
        assert!(member.ended.is_none(), "a thread ends once");
        member.ended = Some(status);
        member.thread = None;
        let joiner = member.joiner;
        // Who waits has yet to be told that it was detached.
        if member.is_detached && joiner.is_none() {
            self.members.remove(tid.0);
        }
        self.live -= 1;
        let is_last = self.live == 0;
        if is_last && self.exit.is_none() {
            self.exit = Some(Exit::default());
        }
        Ended { joiner, is_last }
    }

    /// `me`, which runs as `thread`, wants the status of `tid`. None: it has to
    /// wait, and is woken when there is something to ask for again.
    ///
    /// # Errors
    /// ESRCH (nobody), EINVAL (detached), EBUSY (somebody else joins it),
    /// EDEADLK (itself).
    pub fn join(&mut self, me: Tid, thread: ThreadId, tid: Tid) -> Result<Option<i64>, Errno> {
        if me == tid {
            return Err(Errno::EDEADLK);
        }
        let member = self.members.get_mut(tid.0).ok_or(Errno::ESRCH)?;
        if member.joiner.is_some_and(|joiner| joiner != thread) {
            return Err(Errno::EBUSY);
        }
        if member.is_detached {
            self.stop_joining(thread, tid);
            return Err(Errno::EINVAL);
        }
        if let Some(status) = member.ended {
            self.members.remove(tid.0);
            return Ok(Some(status));
        }
        member.joiner = Some(thread);
        Ok(None)
    }

    /// Who waited in [`Threads::join`] waits no longer.
    pub fn stop_joining(&mut self, thread: ThreadId, tid: Tid) {
        if let Some(member) = self.members.get_mut(tid.0)
            && member.joiner == Some(thread)
        {
            member.joiner = None;
            if member.is_detached && member.ended.is_some() {
                self.members.remove(tid.0);
            }
        }
    }

    /// Nobody will join it. Returns who waits for it, to be woken and told.
    ///
    /// # Errors
    /// ESRCH, EINVAL (it is detached, or has ended and somebody is about to hear
    /// of it).
    pub fn detach(&mut self, tid: Tid) -> Result<Option<ThreadId>, Errno> {
        let member = self.members.get_mut(tid.0).ok_or(Errno::ESRCH)?;
        if member.is_detached {
            return Err(Errno::EINVAL);
        }
        if member.ended.is_some() {
            if member.joiner.is_some() {
                return Err(Errno::EINVAL);
            }
            self.members.remove(tid.0);
            return Ok(None);
        }
        member.is_detached = true;
        Ok(member.joiner)
    }

    /// The kernel's thread of that name, to do something to it. None while it is
    /// being made.
    ///
    /// # Errors
    /// ESRCH: nobody, or it has ended.
    pub fn find(&self, tid: Tid) -> Result<Option<ThreadId>, Errno> {
        let member = self.members.get(tid.0).ok_or(Errno::ESRCH)?;
        if member.ended.is_some() { Err(Errno::ESRCH) } else { Ok(member.thread) }
    }

    /// Decides how the process ends; the first to do so does. Every thread of
    /// [`Threads::living`] is to be condemned then.
    pub fn end(&mut self, exit: Exit) -> bool {
        let is_first = self.exit.is_none();
        self.exit.get_or_insert(exit);
        is_first
    }

    /// Who lives, in the first places from `place` on: where to go on, if there
    /// are more places, and the kernel's thread that was found, if any. A caller
    /// that condemns all of them asks again and again, and holds no lock between.
    #[must_use]
    pub fn living(&self, place: u32) -> (Option<u32>, Option<ThreadId>) {
        let end = self.members.slots().min(place.saturating_add(CHUNK));
        let next = |at: u32| (at < self.members.slots()).then_some(at);
        let found = (place..end).find_map(|at| Some((at, self.members.at(at)?.thread?)));
        found.map_or((next(end), None), |(at, thread)| (next(at + 1), Some(thread)))
    }
}
