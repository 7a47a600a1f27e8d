// SPDX-License-Identifier: Apache-2.0
//! Seeing every hart outside of masked sections, and rid of translations of the
//! kernel's half: before memory is freed that it may have found.
//!
//! A thread that runs with interrupts open is proof that its hart is in no masked
//! section: none contains a switch, which `cpu::enter` asserts. The machine's part
//! is a fence, so that what was unmapped before the round is seen nowhere after
//! it. A hart takes part from its first pass on, which is before it has a thread
//! of a program (`takes_part`, asserted when it adopts one).

use alloc::boxed::Box;

use skimmer_core::{machine::Quiesce, table::OutOfMemory};
use skimmer_sync::{once::Once, retire::Retired, rounds::Rounds};

use crate::{cpu, csr, stack_memory};

static ROUNDS: Once<Rounds> = Once::new();

/// Prepares for that many harts. Once, at boot.
///
/// # Errors
/// When memory is out.
pub(crate) fn begin(harts: usize) -> Result<(), OutOfMemory> {
    let rounds = Rounds::new(harts).ok_or(OutOfMemory)?;
    match ROUNDS.set(Box::new(rounds)) {
        Ok(_) => Ok(()),
        Err(_) => unreachable!("harts are counted once"),
    }
}

fn rounds() -> &'static Rounds {
    match ROUNDS.get() {
        Some(rounds) => rounds,
        None => unreachable!("nothing is given back before the harts are known"),
    }
}

/// The calling thread's hart passes every round that has begun, and takes part in
/// all that come.
///
/// # Panics
/// With interrupts masked.
pub fn pass() {
    assert!(csr::are_interrupts_open(), "a hart passes outside of masked sections");
    rounds().pass(cpu::this_hart(), stack_memory::fence);
}

/// Whether the calling hart takes part.
pub(crate) fn takes_part() -> bool {
    ROUNDS.get().is_some_and(|rounds| rounds.has(cpu::this_hart()))
}

/// Begins a round and has it passed: when `ask` returns, [`pass`] has run on every
/// hart that takes part.
///
/// # Panics
/// When it has not.
pub(crate) fn see_all(ask: impl FnOnce()) {
    let round = rounds().begin();
    ask();
    assert!(rounds().is_over(round), "every hart was asked to pass");
}

/// Frees what is retired, after asking every hart as in `see_all`.
#[derive(Debug)]
pub struct After<F>(pub F);

impl<F: FnOnce()> Quiesce for After<F> {
    fn free<T>(self, retired: Retired<T>) {
        see_all(self.0);
        // SAFETY: each hart ran a thread with interrupts open since it was
        // retired, and a masked section holds no switch.
        unsafe { retired.free() };
    }
}
