// SPDX-License-Identifier: Apache-2.0
//! System calls: what the registers mean, and who does it. Every pointer is a
//! claim (law user-pointers-are-claims), every other argument is judged before
//! anything changes (law validate-then-commit).

use alloc::vec::Vec;
use core::fmt;

use skimmer_abi::{
    call::{
        Call as Name, Exit, Figure, Holdings, MOST_FIGURE_NAME, MOST_VERDICT_TEXT, NewThread,
        Report, Spawn, Verdict, ended,
    },
    errno::Errno,
    message,
    record::{CaseTold, MARK, Record},
};
use skimmer_arch::{console, irq::masked, println, stack, time, user::Call, user_copy};
use skimmer_core::{
    budget::Line,
    frames::FRAME_SIZE,
    process::Tid,
    space::{entry::Protection, pages::UserPages, regions::Holds},
    user::UserAddr,
    waiting::{Timeout, Until},
};

use skimmer_sync::lock::SpinLock;

use super::{
    Birth, Process, caller, channels, connections, death, limits, list, messages, spawn, tally,
    threads,
};
use crate::lwkt;

/// What is copied and shown at a time.
const LINE: usize = 256;

/// Does what was asked for.
#[inline]
pub(super) fn answer(call: &mut Call<'_>) {
    // A few instructions in every call that nobody needs.
    #[cfg(feature = "bug-dear-call")]
    core::hint::black_box([0_u64; 2]);
    if call.number() == Name::Nop as u64 {
        // It was for this call, as for any.
        let _ = stack::take_timeout();
        call.finish(0);
    } else {
        look_up(call);
    }
}

// By itself, or the shortest call saves the registers that others need.
#[inline(never)]
fn look_up(call: &mut Call<'_>) {
    let result = match Name::from_number(call.number()) {
        Some(name) => perform(name, call),
        None => Err(Errno::ENOSYS),
    };
    call.finish(match result {
        Ok(value) => value.cast_signed(),
        Err(error) => error.status(),
    });
}

fn perform(name: Name, call: &mut Call<'_>) -> Result<u64, Errno> {
    let (process, me) = caller();
    // Whatever this call is, a timeout was for it.
    let _ = stack::take_timeout();
    let arguments = call.arguments();
    let argument = |place: usize| arguments[place];
    let address = |place: usize| UserAddr::new(arguments[place] as usize);
    match name {
        Name::Nop => Ok(0),
        Name::DebugWrite => debug_write(address(0), argument(1)),
        Name::Clock => Ok(time::nanos(time::now())),
        Name::Yield => {
            lwkt::yield_now();
            Ok(0)
        }
        Name::Report => report(address(0)),
        Name::Figure => figure(address(0)),
        Name::Counts => counts(address(0)),
        Name::Verdict => verdict(address(0)),
        Name::ProcessSpawn => process_spawn(process, address(0)),
        Name::ProcessExit => {
            let status = argument(0).cast_signed();
            death::end(process, Exit { how: ended::EXITED, status, ..Exit::default() });
            death::end_thread(process, me, 0)
        }
        Name::ProcessWait => process_wait(process, argument(0), address(1)),
        Name::ProcessKill => {
            let victim = list::find_of(process.pid(), argument(0))?;
            death::kill(victim, argument(0))
        }
        Name::ProcessSelf => Ok(process.pid()),
        Name::ProcessHoldings => holdings(process, address(0)),
        Name::ThreadCreate => thread_create(process, me, address(0)),
        Name::ThreadExit => death::end_thread(process, me, argument(0).cast_signed()),
        Name::ThreadJoin => thread_join(process, me, argument(0), argument(1)),
        Name::ThreadDetach => threads::detach(process, Tid::from_word(argument(0))).map(|()| 0),
        Name::ThreadDestroy if argument(0) == u64::MAX => {
            threads::destroy_others(process, me);
            Ok(0)
        }
        Name::ThreadDestroy => {
            threads::destroy(process, me, Tid::from_word(argument(0))).map(|()| 0)
        }
        Name::ThreadSelf => Ok(me.to_word()),
        Name::PriorityGet => threads::get_priority(process, argument(0)),
        Name::PrioritySet => threads::set_priority(process, argument(0), argument(1)),
        Name::ChannelCreate => channels::create(process, argument(0)),
        Name::ChannelDestroy => channels::destroy(process, argument(0)),
        Name::ConnectAttach => connections::attach(process, arguments),
        Name::ConnectDetach => connections::detach(process, argument(0)),
        Name::MsgError | Name::MsgInfo => messages::perform(name, process, call),
        Name::MsgSend | Name::MsgReceive | Name::MsgReply | Name::MsgReplyReceive => {
            unreachable!("trap.S takes them elsewhere")
        }
        Name::TimerTimeout => timer_timeout(arguments),
        Name::MemoryMap => memory_map(process, argument(0), argument(1)),
        Name::MemoryUnmap => memory_unmap(process, address(0), argument(1)),
    }
}

fn debug_write(from: UserAddr, length: u64) -> Result<u64, Errno> {
    let length = usize::try_from(length).ok().filter(|&it| it as u64 <= limits::TEXT);
    let length = length.ok_or(Errno::EINVAL)?;
    let mut line = [0; LINE];
    let mut shown = 0;
    while shown < length {
        let part = &mut line[..LINE.min(length - shown)];
        user_copy::read(part, UserAddr::new(from.get() + shown))?;
        shown += part.len();
        // What is no text at the end may be a character that goes on: again, then.
        if shown < length {
            shown -= part.utf8_chunks().last().map_or(0, |end| end.invalid().len());
        }
        for text in part.utf8_chunks() {
            let text = text.valid().trim_end_matches('\n');
            if !text.is_empty() {
                println!("{}", Foreign(text));
            }
        }
    }
    Ok(shown as u64)
}

/// A program's text, in which nobody sees a record of the kernel's.
struct Foreign<'a>(&'a str);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = str::from_utf8(MARK).map_err(|_| fmt::Error)?;
        let mut pieces = self.0.split(mark);
        pieces.next().map_or(Ok(()), |first| f.write_str(first))?;
        pieces.try_for_each(|piece| write!(f, "~sk1;{piece}"))
    }
}

/// What all programs have reported so far.
static REPORTED: SpinLock<Report> =
    SpinLock::new(Report { verified: 0, errors: 0, digest: 0, failed: 0 });

/// What all programs have reported so far.
pub(crate) fn reported() -> Report {
    masked(|irq| *REPORTED.lock(irq))
}

fn report(from: UserAddr) -> Result<u64, Errno> {
    let told = Report::from_words(user_copy::read_words(from)?);
    masked(|irq| REPORTED.lock(irq).add(&told));
    lwkt::count_work();
    Ok(0)
}

fn figure(from: UserAddr) -> Result<u64, Errno> {
    let Figure { name, name_length, operations, instructions, is_counted, counts } =
        Figure::from_words(user_copy::read_words(from)?);
    let mut room = [0; MOST_FIGURE_NAME as usize];
    let length = usize::try_from(name_length).map_err(|_| Errno::EINVAL)?;
    let bytes = room.get_mut(..length).ok_or(Errno::EINVAL)?;
    user_copy::read(bytes, UserAddr::new(name as usize))?;
    let name = str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    let counts = (is_counted == 1).then_some(counts);
    console::send(Record::Figure { name, operations, instructions, counts });
    lwkt::count_work();
    Ok(0)
}

fn verdict(from: UserAddr) -> Result<u64, Errno> {
    let told = Verdict::from_words(user_copy::read_words(from)?);
    let mut rooms = [[0; MOST_VERDICT_TEXT as usize]; 3];
    let [name, clause, seen] = &mut rooms;
    console::send(Record::Case(CaseTold {
        name: short_text(name, told.name, told.name_length)?,
        clause: short_text(clause, told.clause, told.clause_length)?,
        seen: short_text(seen, told.seen, told.seen_length)?,
        is_apart: told.is_apart == 1,
        holds: told.holds == 1,
        count: told.count,
        beside: told.beside,
    }));
    lwkt::count_work();
    Ok(0)
}

/// A text of the program's that fits `room`.
fn short_text(room: &mut [u8], from: u64, length: u64) -> Result<&str, Errno> {
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    let bytes = room.get_mut(..length).ok_or(Errno::EINVAL)?;
    user_copy::read(bytes, UserAddr::new(from as usize))?;
    str::from_utf8(bytes).map_err(|_| Errno::EINVAL)
}

fn counts(to: UserAddr) -> Result<u64, Errno> {
    let counts = tally::read();
    user_copy::write_words(to, counts.unwrap_or_default().to_words())?;
    Ok(u64::from(counts.is_some()))
}

/// A text of the program's, copied.
fn text(from: u64, length: u64) -> Result<Vec<u8>, Errno> {
    let length = usize::try_from(length).ok().filter(|&it| it as u64 <= limits::TEXT);
    let length = length.ok_or(Errno::EINVAL)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    user_copy::read(&mut bytes, UserAddr::new(from as usize))?;
    Ok(bytes)
}

/// Texts that each end with a NUL.
fn texts(from: u64, length: u64) -> Result<Vec<u8>, Errno> {
    let bytes = text(from, length)?;
    if bytes.last().is_none_or(|&last| last == 0) { Ok(bytes) } else { Err(Errno::EINVAL) }
}

/// Memory of the kernel's that a call keeps the caller's texts in counts as its
/// frames meanwhile.
struct Loan(Line, usize);

impl Loan {
    fn take(process: &Process, one: u64, other: u64) -> Result<Self, Errno> {
        let length = one.max(other);
        let length = usize::try_from(length).ok().filter(|_| length <= limits::TEXT);
        let frames = 2 * length.ok_or(Errno::EINVAL)?.div_ceil(FRAME_SIZE);
        let line = process.line();
        // As often as they are copied.
        if line.take(2 * frames) { Ok(Self(line, 2 * frames)) } else { Err(Errno::ENOMEM) }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.0.give(self.1);
    }
}

/// Judges a place for a result before it is too late to say no, and changes
/// nothing there.
pub(super) fn judge_words<const N: usize>(to: UserAddr) -> Result<(), Errno> {
    user_copy::write_words(to, user_copy::read_words::<N>(to)?)
}

fn process_spawn(process: &'static Process, from: UserAddr) -> Result<u64, Errno> {
    let told = Spawn::from_words(user_copy::read_words(from)?);
    let (priority, hart) = (threads::priority(process, told.priority)?, threads::hart(told.hart)?);
    if told.name_length > limits::NAME {
        return Err(Errno::EINVAL);
    }
    let _loan = Loan::take(process, told.arguments_length, told.environment_length)?;
    let name = text(told.name, told.name_length)?;
    let name = str::from_utf8(&name).map_err(|_| Errno::EINVAL)?;
    let arguments = texts(told.arguments, told.arguments_length)?;
    let environment = texts(told.environment, told.environment_length)?;
    spawn(&Birth {
        name,
        arguments: &arguments,
        environment: &environment,
        priority,
        hart,
        parent: Some(process),
    })
}

fn process_wait(process: &Process, pid: u64, to: UserAddr) -> Result<u64, Errno> {
    judge_words::<{ Exit::WORDS }>(to)?;
    let exit = list::wait(Some(process), pid, stack::am_condemned)?;
    user_copy::write_words(to, exit.to_words()).map(|()| 0)
}

fn holdings(process: &Process, to: UserAddr) -> Result<u64, Errno> {
    let threads = process.threads(|threads| threads.live());
    let frames = process.space(|space| Ok(space.charged()))?;
    let counts = channels::counts(process);
    let (created, destroyed) = masked(|irq| *process.channels_before.lock(irq));
    let holdings = Holdings {
        threads: u64::from(threads),
        channels: counts.live(),
        channels_created: counts.created - created,
        channels_destroyed: counts.destroyed - destroyed,
        frames: frames as u64,
        family_frames: process.frames.used() as u64,
        family_limit: process.frames.limit() as u64,
    };
    user_copy::write_words(to, holdings.to_words()).map(|()| 0)
}

fn thread_create(process: &'static Process, me: Tid, from: UserAddr) -> Result<u64, Errno> {
    threads::create(process, me, &NewThread::from_words(user_copy::read_words(from)?))
}

fn thread_join(process: &'static Process, me: Tid, tid: u64, to: u64) -> Result<u64, Errno> {
    let place = (to != 0).then(|| UserAddr::new(to as usize));
    place.map_or(Ok(()), judge_words::<1>)?;
    let status = threads::join(process, me, Tid::from_word(tid))?;
    place.map_or(Ok(()), |place| user_copy::write_words(place, [status.cast_unsigned()]))?;
    Ok(0)
}

fn timer_timeout(arguments: [u64; 7]) -> Result<u64, Errno> {
    let [clock, states, nanos, is_absolute, ..] = arguments;
    if clock != message::MONOTONIC || states & !message::states::ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let ticks = time::ticks(nanos);
    let until = match is_absolute {
        0 => Until::After(ticks),
        1 => Until::At(ticks),
        _ => return Err(Errno::EINVAL),
    };
    stack::set_timeout(Some(Timeout { states, until }).filter(|_| states != 0));
    Ok(0)
}

fn memory_map(process: &Process, length: u64, is_writable: u64) -> Result<u64, Errno> {
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    let protection = match is_writable {
        0 => Protection::ReadOnly,
        1 => Protection::ReadWrite,
        _ => return Err(Errno::EINVAL),
    };
    let map = |space: &mut skimmer_core::space::AddressSpace<_>| {
        space.map_anonymous(length, protection).map_err(|error| error.errno())
    };
    process.space(map).map(|pages| pages.base().get() as u64)
}

fn memory_unmap(process: &'static Process, from: UserAddr, length: u64) -> Result<u64, Errno> {
    let length = usize::try_from(length).map_err(|_| Errno::EINVAL)?;
    let pages = UserPages::aligned(from, length).map_err(|error| error.errno())?;
    // Code and stacks are the kernel's to unmap.
    threads::give_back(process, pages, |holds| holds == Holds::Anonymous).map(|()| 0)
}
