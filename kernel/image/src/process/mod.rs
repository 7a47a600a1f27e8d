// SPDX-License-Identifier: Apache-2.0
//! Processes: a program, its address space, its threads.
//!
//! The objects are never freed but used again, so that whoever holds one may
//! look at it at any time; which process it is at the moment its pid says. A
//! process is taken apart by its last thread (`death`), and nobody else.
//!
//! Locks, in this order: the space's; the list of processes; a process's
//! threads. None is held while its holder waits for anything but the next. The lock
//! of what is paid for channels is taken before the line's and the table's.

mod calls;
mod channels;
mod connections;
mod death;
mod limits;
mod list;
mod messages;
mod report;
mod rooms;
mod spawn;
mod tally;
mod threads;
mod tlb;

use alloc::boxed::Box;
use core::{
    any::Any,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use skimmer_abi::errno::Errno;
use skimmer_arch::{
    irq::masked,
    paging::{LinearMemory, UserSpace},
    stack,
};
use skimmer_core::{
    budget::{Budget, Line},
    channel::{
        connection::{Connections, Directory},
        table::ChannelTable,
    },
    ids::SlotId,
    process::{Threads, Tid},
    shares::Family,
    space::AddressSpace,
    table::OutOfMemory,
};
use skimmer_sync::{boxed::try_box, footprint, lock::SpinLock};

use self::{connections::Clients, threads::OwnStack};
use crate::{lwkt, mutex::Mutex};

pub(crate) use calls::reported;
pub(crate) use channels::enrol;
pub(crate) use list::{are_rooms_bare, channel_totals, count, kept, kept_in_rooms, wait};
pub(crate) use messages::{settle, totals as message_totals};
pub(crate) use report::faults_left_out;
pub(crate) use spawn::{Birth, set_package, spawn};
pub(crate) use tally::read as counts;

/// Frames that all processes together have.
pub(crate) fn frames() -> usize {
    skimmer_arch::paging::frames_taken()
}

/// One process, or the room for one.
#[derive(Debug)]
pub(crate) struct Process {
    pid: AtomicU64,
    threads: SpinLock<Threads<OwnStack>>,
    /// In a box: it goes to and fro with the lock.
    space: Mutex<Option<Box<AddressSpace<LinearMemory>>>>,
    loaded: UserSpace,
    /// What it runs.
    image: SpinLock<Image>,
    channels: ChannelTable,
    /// Where its threads send to.
    connections: Connections<Self>,
    directory: Mutex<Directory>,
    /// Who sends to its channels.
    clients: Mutex<Clients>,
    /// Frames that are paid for connections.
    connections_paid: SpinLock<usize>,
    /// How it ends is decided.
    is_ending: AtomicBool,
    /// The kernel's word for this room.
    number: u64,
    /// What the table counted when this process began.
    channels_before: SpinLock<(u64, u64)>,
    /// With whom it shares its time: the pid of the first process of its family
    /// (`limits`), or 0 for nobody.
    family: AtomicU64,
    /// The highest priority that its threads may have.
    ceiling: AtomicU64,
    /// Frames of its family, and other memory in frames.
    frames: Budget,
    /// Processes of its family but itself.
    processes: Budget,
    /// What frames of this process count against: its own budget and those of
    /// its ancestors, who live as long as it does.
    line: SpinLock<Lines>,
    /// Times that its table of channels may grow because it has paid.
    growths_paid: SpinLock<u32>,
    /// For the last shootdown: dying takes no memory.
    spare: SpinLock<Option<lwkt::Message>>,
    /// The next room that is no process.
    next_free: SpinLock<Option<&'static Process>>,
}

/// The program of a process.
#[derive(Clone, Copy, Debug, Default)]
struct Image {
    /// Its name in the boot package.
    name: &'static str,
    /// What was added to the addresses of its file.
    base: usize,
}

/// The budgets that what a process takes counts against.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    frames: Line,
    processes: Line,
}

static ALL_FRAMES: Budget = Budget::new();
static ALL_PROCESSES: Budget = Budget::new();

/// Frames and processes that programs count against what they all may have.
pub(crate) fn charged() -> (usize, usize) {
    (ALL_FRAMES.used(), ALL_PROCESSES.used())
}

impl Process {
    fn room() -> Result<&'static Self, OutOfMemory> {
        let spare = tlb::spare().map_err(|_| OutOfMemory)?;
        let room = Self {
            pid: AtomicU64::new(0),
            threads: SpinLock::new(Threads::new(limits::THREADS)),
            space: Mutex::new(None),
            loaded: UserSpace::new()?,
            image: SpinLock::new(Image::default()),
            channels: channels::table()?,
            connections: Connections::new(),
            directory: Mutex::new(Directory::new()),
            clients: Mutex::new(Clients::new()),
            connections_paid: SpinLock::new(0),
            is_ending: AtomicBool::new(false),
            number: rooms::new_number()?,
            channels_before: SpinLock::new((0, 0)),
            family: AtomicU64::new(0),
            ceiling: AtomicU64::new(0),
            frames: Budget::new(),
            processes: Budget::new(),
            line: SpinLock::new(Lines::default()),
            growths_paid: SpinLock::new(0),
            spare: SpinLock::new(Some(spare)),
            next_free: SpinLock::new(None),
        };
        let room = try_box(room).map_err(|_| OutOfMemory)?;
        let room = &*Box::leak(room);
        rooms::set(room);
        Ok(room)
    }

    /// Bytes of the heap that the room takes while no process is in it.
    fn footprint(&self) -> usize {
        let has_spare = masked(|irq| self.spare.lock(irq).is_some());
        footprint::one::<Self>()
            + self.loaded.footprint()
            + self.channels.footprint()
            + self.space.footprint()
            + self.connections.footprint()
            + self.directory.footprint()
            + self.directory.with(|directory| directory.footprint())
            + self.clients.footprint()
            + self.clients.with(|clients| clients.footprint())
            + if has_spare { lwkt::Message::footprint() } else { 0 }
    }

    /// What its frames count against.
    fn line(&self) -> Line {
        masked(|irq| self.line.lock(irq).frames)
    }

    /// Says with whom it shares its time: with its parent, but for children of
    /// the first process, which begin families.
    fn share_time(&self, parent: Option<&Self>) {
        let family = parent.map_or(0, |parent| match parent.family.load(Ordering::Relaxed) {
            0 => self.pid(),
            family => family,
        });
        self.family.store(family, Ordering::Relaxed);
    }

    /// With whom its threads share their time.
    fn shares(&self) -> Option<Family> {
        let first = self.family.load(Ordering::Relaxed);
        (first != 0).then(|| Family::of(SlotId::from_word(first)))
    }

    /// What processes that come from it count against.
    fn family(&self) -> Line {
        masked(|irq| self.line.lock(irq).processes)
    }

    /// Makes it one of the family of `parent`, with a budget of its own. Pays
    /// for the process.
    ///
    /// # Errors
    /// EAGAIN: not so deep, or no more processes. ENOMEM: no memory for it.
    fn join_family(&'static self, parent: Option<&'static Self>) -> Result<(), Errno> {
        let (above, frames, processes) = match parent {
            Some(parent) => {
                let lines = masked(|irq| *parent.line.lock(irq));
                let share = |budget: &Budget| budget.limit() / limits::SHARE;
                (lines, share(&parent.frames), share(&parent.processes))
            }
            None => {
                let frames = Line::none().with(&ALL_FRAMES).unwrap_or_default();
                let processes = Line::none().with(&ALL_PROCESSES).unwrap_or_default();
                (Lines { frames, processes }, ALL_FRAMES.limit(), ALL_PROCESSES.limit())
            }
        };
        let own = Lines {
            frames: above.frames.with(&self.frames).ok_or(Errno::EAGAIN)?,
            processes: above.processes.with(&self.processes).ok_or(Errno::EAGAIN)?,
        };
        self.frames.set_limit(frames);
        self.processes.set_limit(processes);
        if !above.processes.take(1) {
            return Err(Errno::EAGAIN);
        }
        if !own.frames.take(limits::FRAMES_OF_PROCESS) {
            above.processes.give(1);
            return Err(Errno::ENOMEM);
        }
        masked(|irq| *self.growths_paid.lock(irq) = 0);
        masked(|irq| *self.line.lock(irq) = own);
        Ok(())
    }

    /// It is over: what was paid in `join_family` comes back, except for its
    /// place among the processes, which its parent gives back.
    fn leave_family(&self) {
        let paid = masked(|irq| core::mem::take(&mut *self.growths_paid.lock(irq)));
        self.line().give(limits::FRAMES_OF_PROCESS + limits::frames_of_growths(paid));
    }

    fn pid(&self) -> u64 {
        self.pid.load(Ordering::Relaxed)
    }

    fn image(&self) -> Image {
        masked(|irq| *self.image.lock(irq))
    }

    /// Does something with its threads, under their lock.
    fn threads<R>(&self, f: impl FnOnce(&mut Threads<OwnStack>) -> R) -> R {
        masked(|irq| f(&mut self.threads.lock(irq)))
    }

    /// Does something with its address space.
    fn space<R>(
        &self,
        f: impl FnOnce(&mut AddressSpace<LinearMemory>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        self.space.with(|space| space.as_mut().map_or(Err(Errno::ESRCH), |space| f(space)))
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
    match (owner as &dyn Any).downcast_ref() {
        Some(process) => (process, Tid::from_word(name)),
        None => unreachable!("the owner of a program's thread is its process"),
    }
}
