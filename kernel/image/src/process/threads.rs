// SPDX-License-Identifier: Apache-2.0
//! Threads of programs: made, joined, detached, destroyed.

use core::sync::atomic::Ordering;

use skimmer_abi::{
    call::{NewThread as Wanted, USUAL_STACK},
    errno::Errno,
};
use skimmer_arch::{
    cpu::{self, Riscv, enter},
    irq::masked,
    stack, user,
};
use skimmer_core::{
    ids::{HartIndex, Priority, ThreadId},
    process::{Room, Tid},
    space::{
        AddressSpace,
        pages::UserPages,
        regions::{Holds, Region},
        shootdown::{Pages, Sets, Stale},
    },
    table::OutOfMemory,
    thread::NewThread,
    user::UserAddr,
};

use super::{Process, channels, death, limits, spawn, tlb};
use crate::{lwkt, service, smp};

/// A thread's stack, and what it takes to unmap it: a thread ends, and a call
/// that makes one fails, without memory.
#[derive(Debug)]
pub(super) struct OwnStack {
    pages: UserPages,
    undo: Undo,
}

/// Memory for a shootdown to come.
#[derive(Debug)]
pub(super) struct Undo {
    sets: Sets,
    spare: lwkt::Message,
}

impl Undo {
    /// # Errors
    /// ENOMEM.
    pub(super) fn new() -> Result<Self, Errno> {
        let sets = Sets::new(smp::inspect().len()).map_err(|error| error.errno())?;
        Ok(Self { sets, spare: tlb::spare()? })
    }

    pub(super) const fn of(self, pages: UserPages) -> OwnStack {
        OwnStack { pages, undo: self }
    }
}

/// Gives a thread its home and lets it begin.
///
/// # Errors
/// ENOMEM: there is no such thread.
pub(super) fn settle(
    process: &'static Process,
    tid: Tid,
    thread: NewThread<Riscv>,
    hart: HartIndex,
) -> Result<(), Errno> {
    let id = service::spawn_on(smp::service_of(hart), thread).map_err(|_| Errno::ENOMEM)?;
    if process.threads(|threads| threads.born(tid, id)) {
        lwkt::condemn(id);
    }
    lwkt::schedule(id);
    Ok(())
}

/// The hart that was asked for: its number plus one, or 0 for the caller's.
///
/// # Errors
/// EINVAL: there is no such hart.
pub(super) fn hart(wanted: u64) -> Result<HartIndex, Errno> {
    if wanted == 0 {
        return Ok(cpu::this_hart());
    }
    let place = usize::try_from(wanted - 1).map_err(|_| Errno::EINVAL)?;
    let services = smp::services();
    if place < services.len() { Ok(services[place].home()) } else { Err(Errno::EINVAL) }
}

/// The priority that was asked for; 0 for the caller's own.
///
/// # Errors
/// EINVAL: no priority. EPERM: more than the process may have.
pub(super) fn priority(process: &Process, wanted: u64) -> Result<Priority, Errno> {
    if wanted == 0 {
        return Ok(lwkt::priority());
    }
    let level = u8::try_from(wanted).map_err(|_| Errno::EINVAL)?;
    if wanted > process.ceiling.load(Ordering::Relaxed) {
        return Err(Errno::EPERM);
    }
    Ok(Priority::new(level))
}

/// A place for a thread of that process, which `maker` makes.
///
/// # Errors
/// As `Threads::reserve`.
pub(super) fn reserve(process: &Process, maker: Option<Tid>) -> Result<Tid, Errno> {
    loop {
        let step = process.threads(|threads| match threads.wants_room() {
            Some(places) => Err(places),
            None => Ok(threads.reserve(maker)),
        });
        match step {
            Ok(place) => return place,
            Err(places) => {
                let room = Room::of(places).map_err(|OutOfMemory| Errno::ENOMEM)?;
                drop(process.threads(|threads| threads.grow_into(room)));
            }
        }
    }
}

/// A new thread of the calling process. A caller that is to end does so here: it may not
/// have been condemned yet, and a program is never told of its own end.
pub(super) fn create(process: &'static Process, me: Tid, wanted: &Wanted) -> Result<u64, Errno> {
    let (hart, priority) = (hart(wanted.hart)?, priority(process, wanted.priority)?);
    let line = process.line();
    if !line.take(limits::FRAMES_OF_THREAD) {
        return Err(Errno::ENOMEM);
    }
    let tid = reserve(process, Some(me));
    if tid == Err(Errno::ESRCH) {
        line.give(limits::FRAMES_OF_THREAD);
        death::end_thread(process, me, 0)
    }
    let made = tid.and_then(|tid| {
        let made = create_as(process, tid, wanted, priority, hart);
        made.map(|()| tid.to_word()).inspect_err(|_| {
            // The caller lives, so it was not the last. Who guessed its name may
            // wait for it.
            let unborn = process.threads(|threads| threads.unborn(tid));
            unborn.joiner.into_iter().for_each(lwkt::schedule);
        })
    });
    made.inspect_err(|_| line.give(limits::FRAMES_OF_THREAD))
}

/// Makes the thread that has a place among those of its process.
fn create_as(
    process: &'static Process,
    tid: Tid,
    wanted: &Wanted,
    priority: Priority,
    hart: HartIndex,
) -> Result<(), Errno> {
    let size = if wanted.stack == 0 { USUAL_STACK } else { wanted.stack };
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    let undo = Undo::new()?;
    let stack = process.space(|space| space.map_stack(size).map_err(|error| error.errno()))?;
    process.threads(|threads| threads.set_stack(tid, undo.of(stack.all)));
    let start = user::Start {
        entry: UserAddr::new(wanted.entry as usize),
        stack: UserAddr::new(stack.usable.addresses().end),
        argument: wanted.argument,
    };
    let made = spawn::new_thread(process, tid, start, priority);
    let made = made.and_then(|thread| settle(process, tid, thread, hart));
    made.inspect_err(|_| give_stack_back(process, tid))
}

/// Unmaps a thread's stack. Takes no memory.
pub(super) fn give_stack_back(process: &'static Process, tid: Tid) {
    let stack = process.threads(|threads| threads.take_stack(tid));
    let Some(OwnStack { pages, undo: Undo { sets, spare } }) = stack else { return };
    let unmap =
        |space: &mut AddressSpace<_>| space.unmap_with(pages, sets).map_err(|error| error.errno());
    match process.space(unmap) {
        Ok(stale) => forget(process, stale, spare),
        Err(error) => unreachable!("a stack is a region, and only the kernel unmaps it: {error:?}"),
    }
}

/// Unmaps pages of the calling process, if it may have to do with all that is
/// there.
///
/// # Errors
/// As `AddressSpace::unmap`; EINVAL: it may not. ENOMEM.
pub(super) fn give_back(
    process: &'static Process,
    pages: UserPages,
    may_go: impl Fn(Holds) -> bool,
) -> Result<(), Errno> {
    let spare = tlb::spare()?;
    let stale = process.space(|space| {
        let is_there = |region: &&Region| region.pages().common(pages).is_some();
        if space.regions().filter(is_there).any(|region| !may_go(region.holds())) {
            return Err(Errno::EINVAL);
        }
        space.unmap(pages).map_err(|error| error.errno())
    })?;
    forget(process, stale, spare);
    Ok(())
}

/// Frees what was unmapped, once no hart has it.
fn forget(process: &'static Process, stale: Stale<Pages>, spare: lwkt::Message) {
    let (forgotten, _) = tlb::forget(&process.loaded, stale, spare);
    let freed = process.space(|space| {
        space.release(forgotten);
        Ok(())
    });
    debug_assert!(freed.is_ok(), "a space stays as long as its threads");
}

/// Waits for the end of a thread.
pub(super) fn join(process: &'static Process, me: Tid, tid: Tid) -> Result<i64, Errno> {
    loop {
        let step = enter(|hart, irq| {
            let mine = hart.current();
            let mut threads = process.threads.lock(irq);
            match threads.join(me, mine, tid) {
                Err(error) => (Some(Err(error)), None),
                Ok(Some(status)) => (Some(Ok(status)), None),
                Ok(None) if stack::am_condemned() => {
                    threads.stop_joining(mine, tid);
                    (Some(Err(Errno::EINTR)), None)
                }
                Ok(None) => {
                    drop(threads);
                    (None, Some(hart.deschedule_self(irq).switch(irq)))
                }
            }
        });
        if let Some(result) = step {
            return result;
        }
    }
}

/// Nobody will join it.
pub(super) fn detach(process: &Process, tid: Tid) -> Result<(), Errno> {
    let joiner = process.threads(|threads| threads.detach(tid))?;
    joiner.into_iter().for_each(lwkt::schedule);
    Ok(())
}

/// Ends one thread of the calling process; itself at once.
pub(super) fn destroy(process: &'static Process, me: Tid, tid: Tid) -> Result<(), Errno> {
    if tid == me {
        death::end_thread(process, me, 0);
    }
    let thread = process.threads(|threads| threads.doom(tid))?;
    thread.into_iter().for_each(lwkt::condemn);
    Ok(())
}

/// Ends every thread of the calling process but the caller.
pub(super) fn destroy_others(process: &Process, me: Tid) {
    process.threads(|threads| threads.doom_others(me));
    let me = lwkt::current();
    death::condemn_all(process, |thread| thread != me);
}

/// The kernel's thread of that name; 0 is the caller.
fn find(process: &Process, tid: u64) -> Result<ThreadId, Errno> {
    if tid == 0 {
        return Ok(lwkt::current());
    }
    let thread = process.threads(|threads| threads.find(Tid::from_word(tid)))?;
    thread.ok_or(Errno::ESRCH)
}

/// A thread's priority.
pub(super) fn get_priority(process: &Process, tid: u64) -> Result<u64, Errno> {
    let thread = find(process, tid)?;
    service::priority_of(thread).map(u64::from)
}

/// Sets it.
pub(super) fn set_priority(process: &Process, tid: u64, level: u64) -> Result<u64, Errno> {
    if level == 0 {
        return Err(Errno::EINVAL);
    }
    let (thread, priority) = (find(process, tid)?, priority(process, level)?);
    if thread == lwkt::current() {
        // In one section: who is less urgent from then on may not come to the rest.
        enter(|hart, irq| {
            channels::forget_boost(irq, process, hart.served(), (thread, priority));
            let told = hart.set_priority(irq, thread, priority);
            debug_assert!(told.is_ok(), "it lives here");
            ((), None)
        });
        // Its place is behind its new equals.
        lwkt::yield_now();
        return Ok(0);
    }
    // Also before: the caller may not come to the rest for long.
    let served = service::served_by(thread).unwrap_or_default();
    let forget = || {
        masked(|irq| channels::forget_boost(irq, process, served, (thread, priority)));
    };
    forget();
    lwkt::set_priority(thread, priority);
    forget();
    Ok(0)
}
