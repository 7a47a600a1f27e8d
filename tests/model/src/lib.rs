// SPDX-License-Identifier: Apache-2.0
//! Models of the protocols between harts, explored by loom in the very source
//! that the kernel runs: `skimmer-sync`, and in `wake` all of `skimmer-core`
//! above it, built with `--cfg loom`. That makes rings of two slots in policy,
//! so that they run full; nothing else differs.
//!
//! Run: `RUSTFLAGS="--cfg loom" cargo test --release -p skimmer-models
//! --target-dir target/loom`. Without `--cfg loom` there is nothing here.
//!
//! Each model prints how many executions were explored. A model is worth
//! something because it can fail: `sites` weakens every named ordering in turn,
//! and each protocol is also run in a wrong order; all of these must fail, and
//! in the way that is meant.
//!
//! What loom cannot show: a read-modify-write always finds the newest value,
//! and accesses of one hart to different places are never exchanged; only
//! loads are late, and find one of the last seven values. A protocol whose
//! every step is a read-modify-write would pass with any ordering. A device
//! access (the doorbell) is modelled as an atomic with fences beside it; that
//! the fences of the machine do as much is for the machine's code to see to.
#![cfg(all(loom, test))]

mod active;
mod channels;
mod connections;
mod cpu;
mod crossing;
mod doorbell;
mod explore;
mod idle;
mod lock;
mod locked;
mod once;
mod rendezvous;
mod ring;
mod rounds;
mod segments;
mod sites;
mod straight;
mod target;
mod wake;
