// SPDX-License-Identifier: Apache-2.0
//! A driver for NVMe drives as logic over small traits.
//!
//! Role: between whoever wants blocks and a PCI function whose registers are
//! mapped. [`Registers`], [`Dma`], [`Gate`] and [`Clock`] are all that it knows of
//! the machine, so the kernel, a process and a test run the same source.
//!
//! Owns: the admin queue pair ([`Controller`]), and with each [`QueuePair`]
//! its rings, its commands in flight and their buffers. One hart has one queue
//! pair and shares nothing with the others.
//!
//! Invariant: a drive is not trusted. What it says of itself and what it
//! writes into completion queues is judged before it is used; no bytes of its
//! make this crate panic or reach outside the memory it was given. A buffer
//! comes back when its command has completed, or the controller was stopped or cut off,
//! and not before. Nothing is indexed and no sum is unchecked.
//!
//! Neighbours: `drivers/pci` finds the function; nothing here knows about the
//! kernel. Sections in the comments are those of the NVM Express Base
//! Specification, revision 2.0, unless they say otherwise.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

extern crate alloc;

mod admin;
mod buffer;
mod controller;
mod entry;
mod error;
pub mod identify;
mod platform;
mod prp;
mod queue;
mod recovery;
mod registers;
mod request;
mod reset;
mod rings;
mod slots;
mod span;
mod status;

pub use buffer::{Buffer, Extent};
pub use controller::{Controller, Options};
pub use error::{Error, Field, Misuse, Unsupported};
pub use identify::{ControllerInfo, Namespace};
pub use platform::{Clock, Dma, Gate, Memory, PAGE_SIZE, Platform, Registers};
pub use queue::{Counts, Patience, QueuePair, Refused};
pub use recovery::Attended;
pub use registers::Capabilities;
pub use request::Request;
pub use reset::{AdminQueues, disable, enable};
pub use slots::{Completion, Ticket};
pub use span::{Place, Span, Unspanned};
pub use status::{Cause, Status};
