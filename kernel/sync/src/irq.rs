// SPDX-License-Identifier: Apache-2.0
//! The proof that interrupts are masked on this hart, as a value.
//!
//! Law runq-irq-off: what the doorbell handler may touch too is reached only
//! with this token in hand. It cannot be made in safe code, cannot leave its
//! hart, and lives no longer than the section that masks.

use core::{fmt, marker::PhantomData};

/// A hart's place among the harts in use, counted from 0. Not the machine's
/// hart id, which is sparse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HartIndex(u16);

impl HartIndex {
    /// The hart at that place.
    #[must_use]
    pub const fn new(index: u16) -> Self {
        Self(index)
    }

    /// As an index into per-hart tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// As the number that ids carry.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for HartIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Interrupts are masked on hart [`IrqOff::hart`], and the holder runs there.
#[derive(Debug)]
pub struct IrqOff {
    hart: HartIndex,
    // Neither Send nor Sync: the proof holds on one hart.
    _here: PhantomData<*const ()>,
}

impl IrqOff {
    /// Claims that interrupts are masked.
    ///
    /// # Safety
    /// The caller runs on `hart` with interrupts masked, and they stay masked
    /// until the token is gone. On the host, where imaginary harts share one
    /// process: nothing else acts for `hart` meanwhile.
    #[inline]
    #[must_use]
    pub const unsafe fn assume(hart: HartIndex) -> Self {
        Self { hart, _here: PhantomData }
    }

    /// The hart the proof holds on.
    #[inline]
    #[must_use]
    pub const fn hart(&self) -> HartIndex {
        self.hart
    }
}
