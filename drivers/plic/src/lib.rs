// SPDX-License-Identifier: Apache-2.0
//! The platform-level interrupt controller, and what the kernel asks of any
//! interrupt controller.
//!
//! Role: between a device's line and the thread that serves it. [`Plic`] is
//! the device as boot finds it; [`Target`] is what one hart has of it
//! afterwards, behind the trait [`InterruptController`], which another
//! controller (AIA) can have as well. [`Registers`] is all they need of the
//! machine.
//!
//! Owns: which sources nobody has (`Plic`), and which a hart has (`Target`).
//! A handler needs its own hart's `Target` and nothing else, so it takes no
//! lock; `Plic` is for boot and for threads.
//!
//! Invariants:
//! - *one-irq-one-hart.* There is one [`Line`] for a source. Attaching it
//!   consumes it, and detaching gives it back, so a source that is enabled on
//!   two contexts cannot be said.
//! - A line is not lost. The specification ignores the completion of a source
//!   that is not enabled for the context (1.0.0, "Interrupt Completion"), and
//!   the gateway forwards nothing more until it has one. So a source is masked
//!   by priority 0, never by its enable bit, and the enable bit cannot be
//!   cleared while a [`Claim`] is out.
//! - A claim is completed once: [`Claim`] is consumed by that, and must not be
//!   dropped.
//!
//! Neighbours: `drivers/fdt` says where the registers are and how many sources
//! and contexts there are; the kernel image wires both together. "The
//! specification" in these docs is the *RISC-V Platform-Level Interrupt
//! Controller Specification*, version 1.0.0; its chapters are cited by title.
//!
//! Sums are not checked one by one: every number is a [`Source`], [`Context`]
//! or [`Word`] and so bounded, and `map` checks at compile time where the last
//! of them lie.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bits;
mod controller;
mod handles;
pub mod map;
mod number;
mod plic;
mod registers;
mod target;

pub use controller::{AttachError, Counts, End, InterruptController, Refused, Served};
pub use handles::{Attached, Claim, Line};
pub use map::Offset;
pub use number::{Context, Priority, Source, Word};
pub use plic::{ContextError, Plic, PlicError};
pub use registers::Registers;
pub use target::{SICK_AFTER, Target};
