// SPDX-License-Identifier: Apache-2.0
//! What one hart asks of another, and the rings it travels through (the IPIQ).
//!
//! There is one ring for each ordered pair of harts. A ring that is full makes
//! the *thread* wait that wanted to send, never the hart: it leaves word, blocks
//! with nothing held, and is woken when the target has made space. Handlers
//! never send, so draining cannot wait, so two harts that fill each other's
//! rings always drain.

use alloc::{boxed::Box, vec::Vec};

use skimmer_sync::{
    fifo::Node,
    mailbox::Mailbox,
    spsc::{Consumer, Producer, Ring},
};

use crate::{
    channel::{ChannelId, connection::ConnectionId, rendezvous::Urgency},
    ids::{HartIndex, Priority, ThreadId},
    machine::Machine,
    message::{Carried, Note},
    table::OutOfMemory,
};

/// Slots in each ring.
#[cfg(not(loom))]
pub const RING_SLOTS: usize = 32;
/// Slots in each ring: in a model so few that it soon runs full.
#[cfg(loom)]
pub const RING_SLOTS: usize = 2;

/// One operation in a ring. Each names its thread with the generation, so that
/// one that comes too late finds nobody (law enqueue-idempotent).
// A tag of a word keeps what is behind it aligned, and moved by words.
#[repr(u64)]
pub(crate) enum Op<M: Machine> {
    /// Wake a stopped thread.
    Schedule(ThreadId),
    /// Make a thread end before it runs a program's code again, at that priority
    /// at least.
    Condemn(ThreadId, Priority),
    /// Change a thread's priority.
    SetPriority(ThreadId, Priority),
    /// Wake a thread whose wait of that number at a channel is over.
    EndWait(ThreadId, u64),
    /// The same of a server, which is that urgent from now on.
    EndWaitAt(ThreadId, u64, Urgency),
    /// The wait of that number is now for an answer.
    Received(ThreadId, u64),
    /// Who serves that channel is to be that urgent at least.
    Boost(ThreadId, ChannelId, Urgency),
    /// A connection is gone: whoever is blocked on it is to be told.
    Detached(ThreadId, ConnectionId),
    /// Put a message to a thread's port.
    Send(ThreadId, Carried<M>),
    /// Give a message back to the thread that sent it.
    Reply(Carried<M>),
    /// Ask for a message back.
    Abort(Box<Node<Note>>),
}

pub(crate) type OpRing<M> = Ring<Op<M>, RING_SLOTS>;
pub(crate) type Outbound<M> = Producer<'static, Op<M>, RING_SLOTS>;
pub(crate) type Inbound<M> = Consumer<'static, Op<M>, RING_SLOTS>;

/// All ends of one hart, by the other hart's index; none to itself.
pub struct Lines<M: Machine> {
    pub(crate) outbound: Vec<Option<Outbound<M>>>,
    pub(crate) inbound: Vec<Option<Inbound<M>>>,
    pub(crate) mailboxes: &'static [Mailbox],
}

impl<M: Machine> core::fmt::Debug for Lines<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Lines to {} harts", self.mailboxes.len())
    }
}

/// Bytes that the rings between `harts` harts take: `harts * (harts - 1)` rings
/// of fixed size.
#[must_use]
pub const fn ring_bytes<M: Machine>(harts: usize) -> usize {
    // A word more in each slot is 14 KiB at 8 harts.
    const { assert!(size_of::<Op<M>>() <= 32) };
    harts * harts.saturating_sub(1) * size_of::<OpRing<M>>()
}

/// Builds the rings and mailboxes of a machine with `harts` harts. They live
/// for ever.
///
/// # Errors
/// When memory is out.
pub fn wire<M: Machine>(harts: usize) -> Result<Vec<Lines<M>>, OutOfMemory> {
    let mailboxes: &'static [Mailbox] =
        Box::leak((0..harts).map(|_| Mailbox::new(harts)).collect());
    let mut lines = Vec::new();
    lines.try_reserve_exact(harts).map_err(|_| OutOfMemory)?;
    for _ in 0..harts {
        lines.push(Lines { outbound: nothing(harts)?, inbound: nothing(harts)?, mailboxes });
    }
    for source in 0..harts {
        for target in (0..harts).filter(|&target| target != source) {
            let (producer, consumer) = new_ring::<M>()?.split();
            lines[source].outbound[target] = Some(producer);
            lines[target].inbound[source] = Some(consumer);
        }
    }
    Ok(lines)
}

fn new_ring<M: Machine>() -> Result<&'static mut OpRing<M>, OutOfMemory> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(|_| OutOfMemory)?;
    one.push(OpRing::<M>::new());
    one.leak().first_mut().ok_or(OutOfMemory)
}

fn nothing<T>(harts: usize) -> Result<Vec<Option<T>>, OutOfMemory> {
    let mut none = Vec::new();
    none.try_reserve_exact(harts).map_err(|_| OutOfMemory)?;
    none.extend((0..harts).map(|_| None));
    Ok(none)
}

/// The hart at place `index` of a table that [`wire`] made.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the table has one entry a hart")]
pub const fn hart_at(index: usize) -> HartIndex {
    HartIndex::new(index as u16)
}
