// SPDX-License-Identifier: Apache-2.0
//! Threads of programs: made, joined, detached, destroyed.

use core::sync::atomic::Ordering;

use skimmer_abi::{
    call::{Exit, NewThread as Wanted, USUAL_STACK, ended},
    errno::Errno,
};
use skimmer_arch::{
    cpu::{self, Riscv, enter},
    stack, user,
};
use skimmer_core::{
    ids::{HartIndex, Priority, ThreadId},
    process::Tid,
    space::{
        pages::UserPages,
        regions::{Holds, Region},
    },
    thread::NewThread,
    user::UserAddr,
};

use super::{Process, channels, death, limits, spawn, tlb};
use crate::{lwkt, service, smp};

/// Gives a thread its home and lets it begin. False: memory was out too late to
/// stop it, so it ends before it runs anything of the program's.
///
/// # Errors
/// ENOMEM: there is no such thread.
pub(super) fn settle(
    process: &'static Process,
    tid: Tid,
    thread: NewThread<Riscv>,
    hart: HartIndex,
) -> Result<bool, Errno> {
    let id = service::spawn_on(smp::service_of(hart), thread).map_err(|_| Errno::ENOMEM)?;
    let is_good = channels::enrol(id).is_ok();
    if !is_good {
        let killed = Exit { how: ended::KILLED, ..Exit::default() };
        process.threads(|threads| {
            // Nobody will hear of it, so nobody joins it. A process has not
            // begun without its first.
            let _ = threads.detach(tid);
            let is_first = threads.live() == 1;
            is_first.then(|| threads.end(killed));
        });
    }
    let is_over = process.threads(|threads| threads.born(tid, id));
    if is_over || !is_good {
        lwkt::condemn(id);
    }
    lwkt::schedule(id);
    Ok(is_good)
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
/// EINVAL: not from 1 to what the process may have.
pub(super) fn priority(process: &Process, wanted: u64) -> Result<Priority, Errno> {
    if wanted == 0 {
        return Ok(lwkt::priority());
    }
    let level = u8::try_from(wanted).map_err(|_| Errno::EINVAL)?;
    if wanted > process.ceiling.load(Ordering::Relaxed) {
        return Err(Errno::EINVAL);
    }
    Ok(Priority::new(level))
}

/// A new thread of the calling process.
pub(super) fn create(process: &'static Process, me: Tid, wanted: &Wanted) -> Result<u64, Errno> {
    let (hart, priority) = (hart(wanted.hart)?, priority(process, wanted.priority)?);
    let size = if wanted.stack == 0 { USUAL_STACK } else { wanted.stack };
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    let stack = process.space(|space| space.map_stack(size).map_err(|error| error.errno()))?;
    if !process.line().take(limits::FRAMES_OF_THREAD) {
        unmap(process, stack.all);
        return Err(Errno::ENOMEM);
    }
    let tid = match process.threads(|threads| threads.reserve(Some(me), Some(stack.all))) {
        Ok(tid) => tid,
        Err(error) => {
            process.line().give(limits::FRAMES_OF_THREAD);
            unmap(process, stack.all);
            return Err(error);
        }
    };
    let start = user::Start {
        entry: UserAddr::new(wanted.entry as usize),
        stack: UserAddr::new(stack.usable.addresses().end),
        argument: wanted.argument,
    };
    let made = spawn::new_thread(process, tid, start, priority);
    match made.and_then(|thread| settle(process, tid, thread, hart)) {
        Ok(true) => Ok(tid.to_word()),
        Ok(false) => Err(Errno::ENOMEM),
        Err(error) => {
            // The caller lives, so it was not the last. Who guessed its name may
            // wait for it.
            let unborn = process.threads(|threads| threads.unborn(tid));
            unborn.joiner.into_iter().for_each(lwkt::schedule);
            process.line().give(limits::FRAMES_OF_THREAD);
            unmap(process, stack.all);
            Err(error)
        }
    }
}

/// Unmaps pages that are the kernel's to unmap. If memory for it is out, they
/// stay the process's until it ends.
pub(super) fn unmap(process: &'static Process, pages: UserPages) {
    let _ = give_back(process, pages, |_| true);
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
    let (forgotten, _) = tlb::forget(&process.loaded, stale, spare);
    process.space(|space| {
        space.release(forgotten);
        Ok(())
    })
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
    lwkt::set_priority(thread, priority);
    if thread == lwkt::current() {
        // Its place is behind its new equals.
        lwkt::yield_now();
    }
    Ok(0)
}
