// SPDX-License-Identifier: Apache-2.0
//! What policy needs of a machine. The kernel's is `skimmer-arch`; tests bring
//! imaginary ones.

use skimmer_sync::{irq::IrqOff, retire::Retired};

use crate::{ids::HartIndex, user::UserBytes};

/// The machine under one hart.
pub trait Machine: 'static {
    /// What a thread runs on: its stack, and its saved registers while it does
    /// not run. Dropping it frees the stack.
    type Context: Send + 'static;

    /// What the switch needs of a context: where its stack pointer is kept.
    type Saved: Copy + core::fmt::Debug;

    /// What harts know of an address space.
    type Space: Sync + 'static;

    /// Where the stack pointer of `context` is kept.
    fn saved(context: &Self::Context) -> Self::Saved;

    /// The calling hart gives a thread with this context its home, and will switch
    /// to it.
    fn adopted(_context: &Self::Context) {}

    /// Makes the thread that runs on `context` end before it runs a program's
    /// code again.
    fn condemn(context: &Self::Context);

    /// Whether the thread that has `context`, and is blocked, can be gone on with by who
    /// knows what became of its wait.
    fn is_parked(_context: &Self::Context) -> bool {
        false
    }

    /// Copies as much as both have, of the calling thread's bytes to the memory of the
    /// program whose thread has that context and is about to run, and goes over to that
    /// memory. False if it cannot: then it has not, but a part may have been copied.
    fn pass(irq: &IrqOff, from: UserBytes, context: &Self::Context, to: UserBytes) -> bool;

    /// Copies likewise, and stays in the calling thread's memory.
    fn give(irq: &IrqOff, from: UserBytes, context: &Self::Context, to: UserBytes) -> bool;

    /// Makes `hart` look at its mailbox. Takes no lock and does not wait.
    fn ring_doorbell(&self, hart: HartIndex);

    /// Clears this hart's own doorbell, so that the next one is felt.
    fn clear_doorbell(&self);

    /// The time, in ticks.
    fn now(&self) -> u64;

    /// Makes the timer of this hart fire at `deadline`, or not at all. A new
    /// deadline replaces the old one; one that is past fires at once.
    fn set_timer(&self, deadline: Option<u64>);

    /// How long a thread may keep its hart from its equals, in ticks.
    fn time_slice(&self) -> u64;
}

/// How a thread masks interrupts. What takes object locks opens its sections
/// itself, so that each is short, and so that memory is asked for, and others
/// are woken, outside of them.
pub trait Sections {
    /// Runs `work` with interrupts masked on this hart.
    fn masked<R>(&self, work: impl FnOnce(&IrqOff) -> R) -> R;
}

/// How memory is freed that other harts may be looking at.
pub trait Quiesce {
    /// Frees it once every hart has been outside of masked sections. May block.
    fn free<T>(self, retired: Retired<T>);
}
