// SPDX-License-Identifier: Apache-2.0
//! Processes: a program, its address space, its threads.
//!
//! The objects are never freed but used again, so that whoever holds one may
//! look at it at any time; which process it is at the moment its pid says. A
//! process is taken apart by its last thread (`death`), and nobody else.
//!
//! Locks, in this order: the space's; the list of processes; a process's
//! threads. None is held while its holder waits for anything but the next.

mod calls;
mod channels;
mod death;
mod list;
mod spawn;
mod tally;
mod threads;
mod tlb;

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::errno::Errno;
use skimmer_arch::{
    irq::masked,
    paging::{LinearMemory, UserSpace},
    stack,
};
use skimmer_core::{
    channel::table::ChannelTable,
    process::{Threads, Tid},
    space::AddressSpace,
    table::OutOfMemory,
};
use skimmer_sync::lock::SpinLock;

use crate::mutex::Mutex;

pub(crate) use calls::reported;
pub(crate) use list::{KERNEL, channels_left, count, wait};
pub(crate) use spawn::{Birth, set_package, spawn};

/// Frames that all processes together have.
pub(crate) type Frames = usize;

/// Frames that all processes together have.
pub(crate) fn frames() -> Frames {
    skimmer_arch::paging::frames_taken()
}

/// The most threads of one process.
const MOST_THREADS: u32 = 4096;

/// One process, or the room for one.
#[derive(Debug)]
pub(crate) struct Process {
    pid: AtomicU64,
    threads: SpinLock<Threads>,
    space: Mutex<Option<AddressSpace<LinearMemory>>>,
    loaded: UserSpace,
    channels: ChannelTable,
    /// What the table counted when this process began.
    channels_before: SpinLock<(u64, u64)>,
    /// The highest priority that its threads may have.
    ceiling: AtomicU64,
}

impl Process {
    fn room() -> Result<&'static Self, OutOfMemory> {
        let room = Self {
            pid: AtomicU64::new(0),
            threads: SpinLock::new(Threads::new(MOST_THREADS)),
            space: Mutex::new(None),
            loaded: UserSpace::new()?,
            channels: channels::table()?,
            channels_before: SpinLock::new((0, 0)),
            ceiling: AtomicU64::new(0),
        };
        Ok(Box::leak(Box::new(room)))
    }

    fn pid(&self) -> u64 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Does something with its threads, under their lock.
    fn threads<R>(&self, f: impl FnOnce(&mut Threads) -> R) -> R {
        masked(|irq| f(&mut self.threads.lock(irq)))
    }

    /// Does something with its address space.
    fn space<R>(
        &self,
        f: impl FnOnce(&mut AddressSpace<LinearMemory>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        self.space.with(|space| space.as_mut().map_or(Err(Errno::ESRCH), f))
    }
}

/// The process and the thread that call.
///
/// # Panics
/// In a thread of the kernel.
fn caller() -> (&'static Process, Tid) {
    let Some((owner, name)) = stack::own_program() else {
        unreachable!("only programs make system calls")
    };
    match owner.downcast_ref() {
        Some(process) => (process, Tid::from_word(name)),
        None => unreachable!("the owner of a program's thread is its process"),
    }
}
