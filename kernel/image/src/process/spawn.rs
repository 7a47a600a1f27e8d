// SPDX-License-Identifier: Apache-2.0
//! From a file in the boot package to a process that runs.

use alloc::boxed::Box;
use core::{mem::MaybeUninit, sync::atomic::Ordering};

use skimmer_abi::{
    call::{Start, USUAL_STACK},
    errno::Errno,
};
use skimmer_arch::{
    irq::masked,
    memory,
    paging::{self, LinearMemory},
    println,
    stack::{KernelStack, Program as ThreadOf},
    user,
};
use skimmer_core::{
    ids::{HartIndex, Priority},
    process::Tid,
    space::{
        AddressSpace, Limits,
        entry::{Entry, Protection},
        tables::KERNEL_ENTRIES,
    },
    thread::NewThread,
    user::UserAddr,
};
use skimmer_program::{
    archive::Archive,
    image::{Kind, Placed, Program, Protection as Allowed},
};
use skimmer_sync::{boxed::try_box, once::Once};

use super::threads::{OwnStack, Undo};
use super::{ALL_FRAMES, ALL_PROCESSES, Image, Process, channels, death, limits, list, threads};
use crate::smp;

/// Where programs are placed that do not say, and their arguments.
const PROGRAM_BASE: usize = 0x1_0000_0000;
const ARGUMENTS_BASE: usize = 0x3f_0000_0000;

/// The boot package: an archive of programs.
static PACKAGE: Once<&'static [u8]> = Once::new();
/// The kernel's half of every root table.
static KERNEL_HALF: Once<[Entry; KERNEL_ENTRIES]> = Once::new();

/// Says where programs come from, and prepares for them.
///
/// # Errors
/// ENOMEM.
pub(crate) fn set_package(bytes: &'static [u8]) -> Result<(), Errno> {
    paging::begin().map_err(|_| Errno::ENOMEM)?;
    let free = memory::statistics().frames_free;
    let frames = free.saturating_sub(limits::reserve(free));
    ALL_FRAMES.set_limit(frames);
    ALL_PROCESSES.set_limit(limits::processes(frames));
    channels::begin().map_err(|_| Errno::ENOMEM)?;
    if KERNEL_HALF.set(Box::new(paging::kernel_half())).is_err()
        || PACKAGE.set(Box::new(bytes)).is_err()
    {
        unreachable!("the boot package is given once");
    }
    Ok(())
}

/// A process that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth<'a> {
    /// The program's name in the boot package.
    pub(crate) name: &'a str,
    /// Texts that each end with a NUL.
    pub(crate) arguments: &'a [u8],
    /// As above.
    pub(crate) environment: &'a [u8],
    /// Of its first thread, and the highest that it may have.
    pub(crate) priority: Priority,
    /// Where its first thread lives.
    pub(crate) hart: HartIndex,
    /// Who may wait for its end; none: the kernel.
    pub(crate) parent: Option<&'static Process>,
}

/// Starts a process; returns its pid.
///
/// # Errors
/// ENOENT, ENOEXEC, EAGAIN, ENOMEM. Nothing is left then.
pub(crate) fn spawn(birth: &Birth<'_>) -> Result<u64, Errno> {
    let (name, program) = find(birth.name)?;
    let room = list::take_room()?;
    if let Err(error) = room.join_family(birth.parent) {
        list::give_room(room);
        return Err(error);
    }
    masked(|irq| *room.image.lock(irq) = Image { name, base: program.bias() });
    let begun = prepare(room, &program, birth).and_then(|first| begin(room, first, birth));
    begun.inspect_err(|_| {
        list::give_place(birth.parent);
        death::empty(room);
    })
}

/// Gives the room its address space.
fn prepare(
    room: &'static Process,
    program: &Placed<'_>,
    birth: &Birth<'_>,
) -> Result<FirstThread, Errno> {
    let place = try_box(MaybeUninit::uninit()).map_err(|_| Errno::ENOMEM)?;
    let mut space = Box::write(place, new_space(room)?);
    room.loaded.set_root(space.root());
    let first = fill(&mut space, program, birth);
    room.space.with(|place| *place = Some(space));
    first
}

/// The program of that name, placed, and its name in the package.
fn find(name: &str) -> Result<(&'static str, Placed<'static>), Errno> {
    let package = PACKAGE.get().ok_or(Errno::ENOENT)?;
    let file = Archive::new(package).find(name).map_err(|damage| {
        println!("boot package: {damage}");
        Errno::ENOENT
    })?;
    let file = file.filter(|file| file.is_file()).ok_or(Errno::ENOENT)?;
    let refuse = |why: &dyn core::fmt::Display| {
        println!("{name}: {why}");
        Errno::ENOEXEC
    };
    let program = Program::parse(file.data, limits::SEGMENTS).map_err(|why| refuse(&why))?;
    let bias = match program.kind() {
        Kind::Fixed => 0,
        Kind::Pie => PROGRAM_BASE,
    };
    let placed = program.placed_at(bias).map_err(|why| refuse(&why))?;
    Ok((file.name, placed))
}

fn new_space(room: &Process) -> Result<AddressSpace<LinearMemory>, Errno> {
    let Some(kernel) = KERNEL_HALF.get() else { return Err(Errno::ENOENT) };
    let limits = Limits { frames: limits::FRAMES, regions: limits::REGIONS };
    let harts = smp::inspect().len();
    let memory = LinearMemory::within(room.line());
    AddressSpace::new(memory, kernel, limits, harts).map_err(|error| error.errno())
}

/// Maps segments, arguments and the first stack.
fn fill(
    space: &mut AddressSpace<LinearMemory>,
    program: &Placed<'_>,
    birth: &Birth<'_>,
) -> Result<FirstThread, Errno> {
    for segment in program.segments() {
        let at = UserAddr::new(segment.address());
        let protection = allow(segment.protection());
        let mapped = space.map_segment(at, segment.bytes(), segment.size(), protection);
        mapped.map_err(|error| error.errno())?;
    }
    let argument = map_arguments(space, program, birth)?;
    let undo = Undo::new()?;
    let stack = space.map_stack(USUAL_STACK as usize).map_err(|error| error.errno())?;
    Ok(FirstThread {
        start: user::Start {
            entry: UserAddr::new(program.entry()),
            stack: UserAddr::new(stack.usable.addresses().end),
            argument,
        },
        stack: undo.of(stack.all),
    })
}

/// Where a first thread begins, and its stack.
struct FirstThread {
    start: user::Start,
    stack: OwnStack,
}

/// Maps what the program is told; returns the address of its [`Start`].
fn map_arguments(
    space: &mut AddressSpace<LinearMemory>,
    program: &Placed<'_>,
    birth: &Birth<'_>,
) -> Result<u64, Errno> {
    let (arguments, environment) = (birth.arguments, birth.environment);
    let texts = ARGUMENTS_BASE + size_of::<Start>();
    let start = Start {
        bias: program.bias() as u64,
        arguments: texts as u64,
        arguments_length: arguments.len() as u64,
        environment: (texts + arguments.len()) as u64,
        environment_length: environment.len() as u64,
        harts: smp::services().len() as u64,
    };
    let mut bytes = alloc::vec::Vec::new();
    let size = size_of::<Start>() + arguments.len() + environment.len();
    bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    start.to_words().iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    bytes.extend_from_slice(arguments);
    bytes.extend_from_slice(environment);
    let at = UserAddr::new(ARGUMENTS_BASE);
    let mapped = space.map_segment(at, &bytes, size, Protection::ReadOnly);
    mapped.map_err(|error| error.errno())?;
    Ok(ARGUMENTS_BASE as u64)
}

const fn allow(allowed: Allowed) -> Protection {
    match allowed {
        Allowed::ReadOnly => Protection::ReadOnly,
        Allowed::ReadWrite => Protection::ReadWrite,
        Allowed::ReadExecute => Protection::ReadExecute,
        Allowed::ExecuteOnly => Protection::ExecuteOnly,
    }
}

/// Gives the process its first thread.
fn begin(room: &'static Process, first: FirstThread, birth: &Birth<'_>) -> Result<u64, Errno> {
    let counts = channels::counts(room);
    masked(|irq| *room.channels_before.lock(irq) = (counts.created, counts.destroyed));
    room.ceiling.store(u64::from(birth.priority.level()), Ordering::Relaxed);
    if !room.line().take(limits::FRAMES_OF_THREAD) {
        return Err(Errno::ENOMEM);
    }
    let started = list::enter_process(room, birth.parent).and_then(|pid| {
        room.pid.store(pid, Ordering::Relaxed);
        room.is_ending.store(false, Ordering::Relaxed);
        room.channels.set_owner(pid);
        room.clients.with(|clients| clients.open(pid));
        room.share_time(birth.parent);
        let tid = threads::reserve(room, None);
        let born = tid.and_then(|tid| {
            room.threads(|threads| threads.set_stack(tid, first.stack));
            let thread = new_thread(room, tid, first.start, birth.priority)?;
            threads::settle(room, tid, thread, birth.hart)
        });
        born.map(|_| pid).inspect_err(|_| list::cancel(pid))
    });
    started.inspect_err(|_| room.line().give(limits::FRAMES_OF_THREAD))
}

/// A thread of that process without a home yet.
pub(super) fn new_thread(
    process: &'static Process,
    tid: Tid,
    start: user::Start,
    priority: Priority,
) -> Result<NewThread<skimmer_arch::cpu::Riscv>, Errno> {
    let program = ThreadOf { start, owner: process, name: tid.to_word(), space: &process.loaded };
    let context = KernelStack::of_program(program).map_err(|_| Errno::ENOMEM)?;
    Ok(NewThread { name: "program", priority, family: process.shares(), context })
}
