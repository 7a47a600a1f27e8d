// SPDX-License-Identifier: Apache-2.0
//! All processes by their pids, and who is whose child. A child stays in the
//! list until its parent has asked how it ended. A process that ends takes with it
//! all that come from it, and has not ended before they have.

use skimmer_abi::{call::Exit, errno::Errno};
use skimmer_arch::{cpu::enter, irq::masked};
use skimmer_core::{
    budget::Line,
    ids::{SlotId, ThreadId},
    table::{OutOfMemory, Room, Table},
};
use skimmer_sync::lock::SpinLock;

use super::{ALL_PROCESSES, Process, channels, death};
use crate::lwkt;

/// The pid of nobody: the parent of those that the kernel itself starts.
const KERNEL: u64 = 0;

static LIST: SpinLock<List> = SpinLock::new(List { entries: Table::new(SlotId::MAX), free: None });

#[derive(Debug)]
struct List {
    entries: Table<Entry>,
    /// The first object that is no process at the moment.
    free: Option<&'static Process>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    process: &'static Process,
    parent: u64,
    exit: Option<Exit>,
    /// The parent's thread that waits for its end.
    waiter: Option<ThreadId>,
}

fn pid_of(parent: Option<&Process>) -> u64 {
    parent.map_or(KERNEL, Process::pid)
}

fn with<R>(f: impl FnOnce(&mut List) -> R) -> R {
    masked(|irq| f(&mut LIST.lock(irq)))
}

/// Room for a process: one that was used before, or a new one.
pub(super) fn take_room() -> Result<&'static Process, Errno> {
    let room = masked(|irq| {
        let mut list = LIST.lock(irq);
        let room = list.free?;
        list.free = room.next_free.lock(irq).take();
        Some(room)
    });
    match room {
        Some(room) => Ok(room),
        None => Process::room().map_err(|_| Errno::ENOMEM),
    }
}

/// Gives the room back. Nothing of the process is left.
pub(super) fn give_room(room: &'static Process) {
    masked(|irq| {
        let mut list = LIST.lock(irq);
        *room.next_free.lock(irq) = list.free.replace(room);
    });
}

/// Enters a process; returns its pid.
///
/// # Errors
/// ENOMEM.
pub(super) fn enter_process(
    process: &'static Process,
    parent: Option<&Process>,
) -> Result<u64, Errno> {
    let parent = pid_of(parent);
    let entry = Entry { process, parent, exit: None, waiter: None };
    loop {
        let step = with(|list| match list.entries.wants_room() {
            Some(slots) => Err(slots),
            None => Ok(list.entries.insert(entry)),
        });
        match step {
            Ok(slot) => return slot.map(SlotId::to_word).map_err(|_| Errno::ENOMEM),
            Err(slots) => {
                let room = Room::of(slots).map_err(|OutOfMemory| Errno::ENOMEM)?;
                drop(with(|list| list.entries.grow_into(room)));
            }
        }
    }
}

/// A process of that parent is no more, and nobody will ask for it.
pub(super) fn give_place(parent: Option<&Process>) {
    let all = || Line::none().with(&ALL_PROCESSES).unwrap_or_default();
    parent.map_or_else(all, Process::family).give(1);
}

/// Takes out a process that never began. Who guessed its pid may wait for it.
pub(super) fn cancel(pid: u64) {
    let entry = with(|list| list.entries.remove(SlotId::from_word(pid)));
    entry.and_then(|entry| entry.waiter).into_iter().for_each(lwkt::schedule);
}

/// The process of that pid, for one that wants to end it: it must be itself or
/// come from it. It may end at any time.
///
/// # Errors
/// ESRCH: there is none. EPERM: it is of another family.
pub(super) fn find_of(ancestor: u64, pid: u64) -> Result<&'static Process, Errno> {
    with(|list| {
        let entry = list.entries.get(SlotId::from_word(pid)).ok_or(Errno::ESRCH)?;
        // As many steps as families are deep.
        let mut above = pid;
        while above != ancestor {
            let entry = list.entries.get(SlotId::from_word(above)).ok_or(Errno::EPERM)?;
            above = entry.parent;
        }
        if entry.exit.is_none() { Ok(entry.process) } else { Err(Errno::ESRCH) }
    })
}

/// The process of that pid, for one that wants to talk to it. It may end at any time.
///
/// # Errors
/// ESRCH: there is none.
pub(super) fn find(pid: u64) -> Result<&'static Process, Errno> {
    with(|list| {
        let entry = list.entries.get(SlotId::from_word(pid)).ok_or(Errno::ESRCH)?;
        if entry.exit.is_none() { Ok(entry.process) } else { Err(Errno::ESRCH) }
    })
}

/// A process has been taken apart.
pub(super) fn ended(pid: u64, exit: Exit) {
    #[cfg(feature = "bug-leak-process")]
    leave_one_in_a_thousand();
    let waiter = with(|list| {
        let entry = list.entries.get_mut(SlotId::from_word(pid))?;
        entry.exit = Some(exit);
        entry.waiter
    });
    waiter.into_iter().for_each(lwkt::schedule);
}

/// Entries that are looked at in one go.
const CHUNK: u32 = 64;

/// The first child of `parent` from `place` on: where to go on, its pid, and
/// itself.
fn next_child(parent: u64, mut place: u32) -> Option<(u32, u64, &'static Process)> {
    loop {
        let (found, is_end) = with(|list| {
            let end = list.entries.slots().min(place + CHUNK);
            for index in place..end {
                let Some((slot, entry)) = list.entries.entry_mut(index) else { continue };
                if entry.parent == parent {
                    return (Some((index + 1, slot.to_word(), entry.process)), false);
                }
            }
            (None, end == list.entries.slots())
        });
        if found.is_some() || is_end {
            return found;
        }
        place += CHUNK;
    }
}

/// Ends all that come from a process, whose last thread calls, and waits until
/// nothing of them is left.
pub(super) fn end_family(parent: &Process) {
    if parent.processes.used() == 0 {
        return;
    }
    let pid = parent.pid();
    let mut place = 0;
    while let Some((next, child, process)) = next_child(pid, place) {
        // It may have ended by itself.
        let _ = death::kill(process, child);
        place = next;
    }
    place = 0;
    while let Some((next, child, _)) = next_child(pid, place) {
        if wait(Some(parent), child, || false).is_err() {
            unreachable!("nobody else is left to wait for a child");
        }
        place = next;
    }
}

/// Waits for the end of a child, and forgets it.
///
/// # Errors
/// ESRCH: no child of that pid. EBUSY: another thread waits for it. EINTR: the
/// calling thread is to end (`is_over` says so).
pub(crate) fn wait(
    parent: Option<&Process>,
    pid: u64,
    is_over: impl Fn() -> bool,
) -> Result<Exit, Errno> {
    let exit = wait_for(pid_of(parent), pid, is_over)?;
    give_place(parent);
    Ok(exit)
}

fn wait_for(parent: u64, pid: u64, is_over: impl Fn() -> bool) -> Result<Exit, Errno> {
    loop {
        let step = enter(|hart, irq| {
            let me = hart.current();
            let mut list = LIST.lock(irq);
            let child =
                list.entries.get_mut(SlotId::from_word(pid)).filter(|it| it.parent == parent);
            let Some(child) = child else { return (Some(Err(Errno::ESRCH)), None) };
            if child.waiter.is_some_and(|waiter| waiter != me) {
                return (Some(Err(Errno::EBUSY)), None);
            }
            if let Some(exit) = child.exit {
                list.entries.remove(SlotId::from_word(pid));
                return (Some(Ok(exit)), None);
            }
            if is_over() {
                child.waiter = None;
                return (Some(Err(Errno::EINTR)), None);
            }
            child.waiter = Some(me);
            drop(list);
            (None, Some(hart.deschedule_self(irq).switch(irq)))
        });
        if let Some(result) = step {
            return result;
        }
    }
}

/// Processes that nobody has waited for yet, those that run included.
pub(crate) fn count() -> u32 {
    with(|list| list.entries.len())
}

/// Bytes of the heap that are kept for processes to come, when there is none, their
/// rooms apart.
pub(crate) fn kept() -> usize {
    with(|list| list.entries.footprint()) + channels::kept()
}

/// Bytes of the rooms of processes to come, when there is none.
pub(crate) fn kept_in_rooms() -> usize {
    free_rooms().map(Process::footprint).sum()
}

/// Whether no room of a process to come has memory for channels.
pub(crate) fn are_rooms_bare() -> bool {
    free_rooms().all(|room| room.channels.is_bare())
}

/// Channels that were created and destroyed in the rooms that no process has
/// now: in all, once every process is gone.
pub(crate) fn channel_totals() -> (u64, u64) {
    let counts = free_rooms().map(channels::counts);
    counts.fold((0, 0), |(created, destroyed), it| (created + it.created, destroyed + it.destroyed))
}

/// The objects that are no process, while none begins or ends.
fn free_rooms() -> impl Iterator<Item = &'static Process> {
    let first = with(|list| list.free);
    core::iter::successors(first, |room| masked(|irq| *room.next_free.lock(irq)))
}

/// The named bug.
#[cfg(feature = "bug-leak-process")]
fn leave_one_in_a_thousand() {
    use core::sync::atomic::{AtomicU64, Ordering};
    static ENDED: AtomicU64 = AtomicU64::new(1);
    if ENDED.fetch_add(1, Ordering::Relaxed).is_multiple_of(1000) {
        // Used, or the compiler would leave it out.
        core::hint::black_box(alloc::boxed::Box::leak(alloc::boxed::Box::new([0_u64; 2])));
    }
}
