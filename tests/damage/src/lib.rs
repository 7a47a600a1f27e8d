// SPDX-License-Identifier: Apache-2.0
//! What the damage generators share.
//!
//! Role: each reader of untrusted bytes (device trees, archives, programs,
//! Identify data) has a generator that breaks its format from a seed, and an
//! example `damage` that runs it for long. Dice, damage that fits any file,
//! the arguments of a long run and its threads are the same for all, and here.
//! Invariant: for the same `--count`, `--seed` and `--threads` a run is the
//! same run. One that is bounded by `--minutes` is the beginning of it.
//! Neighbours: the tests and examples of `drivers/*`; nothing else.
#![forbid(unsafe_code)]

mod campaign;
mod dice;
mod report;
mod subject;

pub use campaign::{Campaign, Tally, Turns};
pub use dice::{Dice, copy_piece, flip_bits};
pub use subject::Subject;
