// SPDX-License-Identifier: Apache-2.0
//! The mechanisms that policy stands on: rings between harts, doorbell flags,
//! per-hart cells, owned queues, a lock and cells that a lock owns, tables that
//! grow and never move, rounds after which they can be freed. `unsafe` is allowed
//! here, and every protocol is model-checked (`tests/model`, built with `--cfg
//! loom`) from this very source. Nothing here knows what a thread or a message is.
#![no_std]

extern crate alloc;
#[cfg(loom)]
extern crate std;

pub mod active;
pub mod atomic;
pub mod boxed;
pub mod cell;
pub mod fifo;
pub mod footprint;
pub mod irq;
pub mod lock;
pub mod locked;
pub mod magazine;
pub mod mailbox;
pub mod once;
pub mod order;
pub mod retire;
pub mod rounds;
pub mod segments;
mod shim;
pub mod slab;
pub mod spsc;
pub mod static_ref;
pub mod tally;
