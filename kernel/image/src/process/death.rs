// SPDX-License-Identifier: Apache-2.0
//! The end of threads and processes. Each thread ends by itself; the last one
//! takes the process apart, and then it is only a thread of the kernel that
//! exits.

use core::{mem, sync::atomic::Ordering};

use skimmer_abi::{
    call::{Exit, ended},
    errno::Errno,
};
use skimmer_arch::{
    cpu,
    irq::masked,
    paging::{self, LinearMemory},
    stack, stack_memory,
    user::{Call, Fault},
};
use skimmer_core::{
    ids::ThreadId,
    process::{Threads, Tid},
    space::AddressSpace,
};

use super::{Process, caller, calls, channels, connections, limits, list, report, threads, tlb};
use crate::{lwkt, service};

/// A system call.
#[expect(unsafe_code, reason = "arch calls it by this name")]
#[unsafe(no_mangle)]
extern "Rust" fn skimmer_call(call: &mut Call<'_>) {
    calls::answer(call);
}

/// A program did what it cannot do: its process ends, with a report.
#[expect(unsafe_code, reason = "arch calls it by this name")]
#[unsafe(no_mangle)]
extern "Rust" fn skimmer_fault(fault: &Fault) {
    let (process, me) = caller();
    if is_late(process, fault) {
        return;
    }
    let exit = Exit {
        how: ended::FAULTED,
        status: fault.cause.cast_signed(),
        address: fault.address,
        pc: fault.pc,
    };
    if end(process, exit) {
        report::tell(process, me, fault);
    }
    end_thread(process, me, 0)
}

/// Whether the page is there by now: a hart may remember for a while that it was
/// not (Privileged Architecture, "Supervisor Memory-Management Fence").
fn is_late(process: &Process, fault: &Fault) -> bool {
    let Some((address, access)) = fault.refused() else { return false };
    let found = process.space(|space| Ok(space.lookup(address)));
    let is_there = found.is_ok_and(|page| page.is_some_and(|(_, it)| it.permits(access)));
    if is_there {
        paging::look_again(address);
    }
    is_there
}

/// The calling thread is to end.
#[expect(unsafe_code, reason = "arch calls it by this name")]
#[unsafe(no_mangle)]
extern "Rust" fn skimmer_condemned() -> ! {
    let (process, me) = caller();
    end_thread(process, me, 0)
}

/// Decides that a process ends, and how, unless that is decided. Returns whether
/// it was not. Its threads end as soon as they can.
pub(super) fn end(process: &Process, exit: Exit) -> bool {
    let is_first = process.threads(|threads| threads.end(exit));
    if is_first {
        process.is_ending.store(true, Ordering::Relaxed);
        condemn_all(process, |_| true);
    }
    is_first
}

/// Condemns the threads of a process, one at a time: no lock is held meanwhile.
pub(super) fn condemn_all(process: &Process, is_meant: impl Fn(ThreadId) -> bool) {
    let mut from = Some(0);
    while let Some(place) = from {
        let (next, thread) = process.threads(|threads| threads.living(place));
        thread.into_iter().filter(|thread| is_meant(*thread)).for_each(lwkt::condemn);
        from = next;
    }
}

/// The calling thread ends. It leaves the address space before it says so: the
/// last may take it apart at any time from then on.
pub(super) fn end_thread(process: &'static Process, me: Tid, status: i64) -> ! {
    threads::give_stack_back(process, me);
    stack::leave_space();
    process.line().give(limits::FRAMES_OF_THREAD);
    let ended = process.threads(|threads| threads.ended(me, status));
    if ended.is_last {
        take_apart(process);
    }
    ended.joiner.into_iter().for_each(lwkt::schedule);
    cpu::exit_thread()
}

/// Nobody but the calling thread is left of the process.
fn take_apart(process: &'static Process) {
    let (pid, exit) = (process.pid(), process.threads(|threads| threads.exit()));
    list::end_family(process);
    empty(process);
    list::ended(pid, exit.unwrap_or_default());
}

/// So many threads leave no stacks that are worth a round of messages.
const FEW_THREADS: u32 = 32;

/// Takes what a process holds, and gives its room back.
pub(super) fn empty(process: &'static Process) {
    let mut spare = masked(|irq| process.spare.lock(irq).take());
    connections::empty(process, || service::pass_all(&mut spare));
    channels::empty(process, || service::pass_all(&mut spare));
    channels::count(process);
    if let Some(space) = process.space.with(Option::take) {
        spare = close(process, *space, spare);
    }
    let threads = process.threads(|threads| mem::replace(threads, Threads::new(limits::THREADS)));
    if threads.places() > FEW_THREADS {
        // Who passes has buried its dead before: their stacks are there to trim.
        service::pass_all(&mut spare);
    }
    drop(threads);
    stack_memory::trim(|| service::pass_all(&mut spare));
    masked(|irq| *process.spare.lock(irq) = spare);
    process.leave_family();
    list::give_room(process);
}

/// Takes a space apart that nobody is in any more.
fn close(
    process: &'static Process,
    space: AddressSpace<LinearMemory>,
    spare: Option<lwkt::Message>,
) -> Option<lwkt::Message> {
    let Some(spare) = spare else {
        unreachable!("a process dies once, and then its message is back")
    };
    let (closed, stale) = space.close();
    let (forgotten, spare) = tlb::forget(&process.loaded, stale, spare);
    closed.destroy(forgotten);
    spare
}

/// Ends a process from outside.
///
/// # Errors
/// ESRCH: it has ended meanwhile.
pub(super) fn kill(victim: &Process, pid: u64) -> Result<u64, Errno> {
    let exit = Exit { how: ended::KILLED, ..Exit::default() };
    // The room may be another process's by now: its pid is looked at under the
    // lock under which it would end.
    let is_first = victim
        .threads(|threads| (victim.pid() == pid && threads.live() > 0).then(|| threads.end(exit)));
    if is_first.ok_or(Errno::ESRCH)? {
        victim.is_ending.store(true, Ordering::Relaxed);
        condemn_all(victim, |_| true);
    }
    Ok(0)
}
