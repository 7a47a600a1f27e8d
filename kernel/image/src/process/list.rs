// SPDX-License-Identifier: Apache-2.0
//! All processes by their pids, and who is whose child. A child stays in the
//! list until its parent has asked how it ended, or has ended itself.

use alloc::vec::Vec;

use skimmer_abi::{call::Exit, errno::Errno};
use skimmer_arch::{cpu::enter, irq::masked};
use skimmer_core::{
    ids::{SlotId, ThreadId},
    table::Table,
};
use skimmer_sync::lock::SpinLock;

use super::{Process, channels};
use crate::lwkt;

/// The parent of those that the kernel itself starts and waits for.
pub(crate) const KERNEL: u64 = 0;
/// The parent of those whose parent has ended.
const NOBODY: u64 = u64::MAX;

static LIST: SpinLock<List> =
    SpinLock::new(List { entries: Table::new(SlotId::MAX), rooms: Vec::new() });

#[derive(Debug)]
struct List {
    entries: Table<Entry>,
    /// Objects that are no process at the moment.
    rooms: Vec<&'static Process>,
}

#[derive(Debug)]
struct Entry {
    process: &'static Process,
    parent: u64,
    exit: Option<Exit>,
    /// The parent's thread that waits for its end.
    waiter: Option<ThreadId>,
}

fn with<R>(f: impl FnOnce(&mut List) -> R) -> R {
    masked(|irq| f(&mut LIST.lock(irq)))
}

/// Room for a process: one that was used before, or a new one.
pub(super) fn take_room() -> Result<&'static Process, Errno> {
    match with(|list| list.rooms.pop()) {
        Some(room) => Ok(room),
        None => Process::room().map_err(|_| Errno::ENOMEM),
    }
}

/// Gives the room back. Nothing of the process is left.
pub(super) fn give_room(room: &'static Process) {
    // If memory for the note is out, the room is not used again.
    with(|list| {
        if list.rooms.try_reserve(1).is_ok() {
            list.rooms.push(room);
        }
    });
}

/// Enters a process; returns its pid.
///
/// # Errors
/// ENOMEM.
pub(super) fn enter_process(process: &'static Process, parent: u64) -> Result<u64, Errno> {
    let entry = Entry { process, parent, exit: None, waiter: None };
    let slot = with(|list| list.entries.insert(entry)).map_err(|_| Errno::ENOMEM)?;
    Ok(slot.to_word())
}

/// Takes out a process that never began.
pub(super) fn cancel(pid: u64) {
    with(|list| list.entries.remove(SlotId::from_word(pid)));
}

/// The process of that pid, unless it has ended. It may end at any time.
pub(super) fn find(pid: u64) -> Option<&'static Process> {
    with(|list| {
        let entry = list.entries.get(SlotId::from_word(pid))?;
        entry.exit.is_none().then_some(entry.process)
    })
}

/// A process has been taken apart.
pub(super) fn ended(pid: u64, exit: Exit) {
    let waiter = with(|list| {
        let entry = list.entries.get_mut(SlotId::from_word(pid))?;
        entry.exit = Some(exit);
        let waiter = entry.waiter;
        if entry.parent == NOBODY {
            list.entries.remove(SlotId::from_word(pid));
        }
        waiter
    });
    waiter.into_iter().for_each(lwkt::schedule);
}

/// Children that are looked at in one go.
const CHUNK: u32 = 64;

/// Nobody will ask for the children of `parent` any more.
pub(super) fn orphan(parent: u64) {
    let mut place = 0;
    while with(|list| {
        let slots = list.entries.slots();
        for index in place..slots.min(place + CHUNK) {
            let Some((slot, entry)) = list.entries.entry_mut(index) else { continue };
            if entry.parent == parent {
                entry.parent = NOBODY;
                if entry.exit.is_some() {
                    list.entries.remove(slot);
                }
            }
        }
        place += CHUNK;
        place < slots
    }) {}
}

/// Waits for the end of a child, and forgets it.
///
/// # Errors
/// ESRCH: no child of that pid. EBUSY: another thread waits for it. EINTR: the
/// calling thread is to end (`is_over` says so).
pub(crate) fn wait(parent: u64, pid: u64, is_over: impl Fn() -> bool) -> Result<Exit, Errno> {
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

/// Channels that processes have left behind in their rooms.
pub(crate) fn channels_left() -> u64 {
    let room = |place| with(|list| list.rooms.get(place).copied());
    (0..).map_while(room).map(|room| channels::counts(room).live()).sum()
}
