// SPDX-License-Identifier: Apache-2.0
//! Masked sections of an imaginary hart.

use skimmer_core::{ids::HartIndex, machine::Sections};
use skimmer_sync::irq::IrqOff;

/// The caller's OS thread plays this hart, and no other thread does.
#[derive(Clone, Copy, Debug)]
pub struct Here(HartIndex);

impl Here {
    /// On hart `index`.
    #[must_use]
    pub const fn at(index: u16) -> Self {
        Self(HartIndex::new(index))
    }
}

impl Sections for Here {
    fn masked<R>(&self, work: impl FnOnce(&IrqOff) -> R) -> R {
        // SAFETY: imaginary harts have no interrupts, and one OS thread plays
        // each, as `Here` says.
        let irq = unsafe { IrqOff::assume(self.0) };
        work(&irq)
    }
}
