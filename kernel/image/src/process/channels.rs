// SPDX-License-Identifier: Apache-2.0
//! Channels of the calling process.

use alloc::boxed::Box;
use core::mem;

use skimmer_abi::errno::Errno;
use skimmer_arch::{
    irq::{Masked, masked},
    rounds::After,
};
use skimmer_core::{
    channel::{
        Channel, ChannelFlags, ChannelId, Waiters, Woken,
        rendezvous::Wake,
        table::{ChannelTable, Counts},
    },
    ids::{HartIndex, Priority, ThreadId},
    remote::hart_at,
    table::OutOfMemory,
};
use skimmer_sync::{irq::IrqOff, once::Once};

use super::{Process, limits, messages};
use crate::{lwkt, smp};

/// The records of all threads that can wait at channels.
static WAITERS: Once<Waiters> = Once::new();

/// Prepares for channels.
///
/// # Errors
/// When memory is out.
pub(super) fn begin() -> Result<(), OutOfMemory> {
    let waiters = Waiters::new(smp::inspect().len()).map_err(|_| OutOfMemory)?;
    for hart in 0..smp::inspect().len() {
        waiters.enrol_block(hart_at(hart), 0).map_err(|_| OutOfMemory)?;
    }
    super::rooms::begin()?;
    match WAITERS.set(Box::new(waiters)) {
        Ok(_) => Ok(()),
        Err(_) => unreachable!("called once"),
    }
}

pub(super) fn waiters() -> &'static Waiters {
    match WAITERS.get() {
        Some(waiters) => waiters,
        None => unreachable!("they are made before there are programs"),
    }
}

/// A table for a process.
pub(super) fn table() -> Result<ChannelTable, OutOfMemory> {
    ChannelTable::new(smp::inspect().len(), limits::FIRST_CHANNELS).map_err(|_| OutOfMemory)
}

/// Bytes of the heap that the records of threads take.
pub(super) fn kept() -> usize {
    waiters().footprint() + super::rooms::footprint()
}

/// Lets the threads of a hart wait at channels that it gets room for, from the
/// slot of that number on. A thread that has a home has its record.
///
/// # Errors
/// When memory is out.
pub(crate) fn enrol(hart: HartIndex, slot: u32) -> Result<(), OutOfMemory> {
    waiters().enrol_block(hart, slot).map_err(|_| OutOfMemory)
}

/// A new channel.
///
/// # Errors
/// EINVAL (flags), EAGAIN, EBUSY.
pub(super) fn create(process: &Process, flags: u64) -> Result<u64, Errno> {
    let flags = ChannelFlags::from_register(flags)?;
    let mut seen = None;
    loop {
        match process.channels.create(&Masked, flags) {
            Err(Errno::EAGAIN) => seen = Some(allow_more(process, seen)?),
            // To programs the two are one (IPC-SEMANTICS section 2).
            Err(Errno::ENOMEM) => return Err(Errno::EAGAIN),
            made => return made.map(ChannelId::to_register),
        }
    }
}

/// After there was no room: says how many growths were paid. If `seen` says so,
/// too, there was none with all of them; then one more is paid, for all of the
/// memory that the table then grows by. One lock for both, so that nobody sees a
/// growth that is paid and not there yet, and pays for the next.
#[cold]
fn allow_more(process: &Process, seen: Option<u32>) -> Result<u32, Errno> {
    masked(|irq| {
        let mut paid = process.growths_paid.lock(irq);
        if seen == Some(*paid) {
            if *paid == limits::GROWTHS {
                return Err(Errno::EAGAIN);
            }
            let (channels, frames) = limits::more_channels(*paid);
            if !process.line().take(frames) {
                return Err(Errno::EAGAIN);
            }
            process.channels.allow(&Masked, channels);
            *paid += 1;
        }
        Ok(*paid)
    })
}

/// The priority of a thread of the process is set: the channel that it serves, if any,
/// does not take it for as urgent as its clients any more.
pub(super) fn forget_boost(
    irq: &IrqOff,
    process: &Process,
    served: Option<ChannelId>,
    (thread, priority): (ThreadId, Priority),
) {
    let forget = |channel: &mut Channel<'_>| channel.forget_boost(thread, priority);
    // A channel that is gone has forgotten it.
    let _ = served.map(|channel| process.channels.with(irq, waiters(), channel, forget));
}

/// Destroys one.
///
/// # Errors
/// EINVAL: there is none of that name.
pub(super) fn destroy(process: &Process, channel: u64) -> Result<u64, Errno> {
    let channel = ChannelId::from_register(channel).ok_or(Errno::EINVAL)?;
    process.channels.destroy(&Masked, waiters(), channel, wake).map(|()| 0)
}

/// Destroys all of a process that has ended, and frees their memory. `ask` has
/// every hart pass a round.
pub(super) fn empty(process: &Process, ask: impl FnOnce()) {
    if process.channels.counts(&Masked).live() > 0 {
        process.channels.empty(&Masked, waiters(), wake);
    }
    process.channels.retire(&Masked, limits::FIRST_CHANNELS, After(ask));
}

/// What has been created and destroyed in the table since it was made, by one
/// process after the other.
pub(super) fn counts(process: &Process) -> Counts {
    process.channels.counts(&Masked)
}

/// Shows to people who watch how many a process that has ended had.
pub(super) fn count(process: &Process) {
    let Counts { created, destroyed, .. } = counts(process);
    let now = (created, destroyed);
    // The next process has not begun: no channel is counted twice.
    let (_, before) = masked(|irq| mem::replace(&mut *process.channels_before.lock(irq), now));
    lwkt::count(|hart| &hart.channels, destroyed - before);
}

fn wake(woken: Woken) {
    messages::wake(&Wake::from(woken));
}
