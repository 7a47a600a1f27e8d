// SPDX-License-Identifier: Apache-2.0
//! Sections with interrupts masked, and the token that proves one.

use skimmer_core::machine::Sections;
use skimmer_sync::irq::IrqOff;

use crate::{cpu, csr, off_times};

/// Runs `f` with interrupts masked on this hart, and puts them back as they
/// were. Sections nest.
#[inline]
pub fn masked<R>(f: impl FnOnce(&IrqOff) -> R) -> R {
    masked_from(|irq, _| f(irq))
}

/// As [`masked`], for what has to know whether interrupts were open.
#[inline]
pub(crate) fn masked_from<R>(f: impl FnOnce(&IrqOff, bool) -> R) -> R {
    let were_open = csr::mask_interrupts();
    if were_open {
        off_times::masking();
    }
    // SAFETY: interrupts are masked until the end of this function, and a
    // thread stays on its hart. If `f` is `cpu::enter`'s and switches threads, it
    // returns on this stack with interrupts masked again (law
    // switch-window-closed).
    let irq = unsafe { IrqOff::assume(cpu::this_hart()) };
    let result = f(&irq, were_open);
    if were_open {
        off_times::opening();
        csr::open_interrupts();
    }
    result
}

/// The hart's masked sections, for what opens several.
#[derive(Clone, Copy, Debug)]
pub struct Masked;

impl Sections for Masked {
    #[inline]
    fn masked<R>(&self, work: impl FnOnce(&IrqOff) -> R) -> R {
        masked(work)
    }
}
