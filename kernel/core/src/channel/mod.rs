// SPDX-License-Identifier: Apache-2.0
//! Channels: where servers wait and clients queue.
//!
//! Each process has a [`ChannelTable`](table::ChannelTable). A channel lives in
//! a slot that never moves, behind a lock of its own, and has three queues of
//! threads ([`Which`]). A freed slot goes to the *stock* of the hart that freed
//! it, and is used again under the next generation; so harts that create and
//! destroy side by side touch nothing in common.
//!
//! Locks, in the order in which they are taken:
//! 1. the table's `special` (who has the process's one death channel),
//! 2. the stock of one hart,
//! 3. one channel.
//!
//! A waiter's record belongs to the channel's lock and has none of its own. Two
//! channels, or two stocks, are never locked together; `room` is locked alone.
//! All this is for threads, not for handlers (law handlers-take-no-object-locks),
//! in masked sections that are bounded: the longest put a waiter behind 255
//! levels (some 10 instructions each), or add a batch of 32 slots.
//!
//! How a channel dies: a destroy makes it *closing*, which nobody finds any
//! more; its waiters are taken out one at a time, and woken outside of all
//! locks; with the last of them gone the slot is freed. When a process dies, its
//! last thread empties its table, which does the same for each channel; the
//! table and its memory are the next process's.

pub mod connection;
mod id;
mod outcome;
pub mod port;
pub mod queue;
pub mod rendezvous;
mod slot;
mod stock;
pub(crate) mod straight;
pub mod table;
pub mod transfer;
mod waiter;

pub use id::{ChannelId, LAST_GENERATION, MessageId};
pub use outcome::{Outcome, Receipt};
pub use skimmer_abi::channel::ChannelFlags;
pub use slot::Channel;
pub use waiter::{Guest, Record, Wait, Waiters, Which, Woken};
