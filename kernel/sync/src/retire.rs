// SPDX-License-Identifier: Apache-2.0
//! A growing table whose memory can be had back while other harts may still
//! look into it.
//!
//! Who looks shows that interrupts are masked, and has what is found no longer
//! than that. So a hart that was seen outside of masked sections has let go of
//! it. Who wants the memory takes it out of the table, sees each hart so
//! ([`crate::rounds`]), and frees it.
//!
//! ```
//! # use skimmer_sync::{irq::{HartIndex, IrqOff}, retire::Retirable};
//! # // SAFETY: one thread acts for the imaginary hart.
//! # let irq = unsafe { IrqOff::assume(HartIndex::new(0)) };
//! let table = Retirable::new();
//! table.ensure(0, |at| at).unwrap();
//! assert_eq!(table.get(&irq, 0), Some(&0));
//! ```
//!
//! ```compile_fail,E0597
//! # use skimmer_sync::{irq::{HartIndex, IrqOff}, retire::Retirable};
//! let table = Retirable::new();
//! table.ensure(0, |at| at).unwrap();
//! let found = {
//!     # // SAFETY: one thread acts for the imaginary hart.
//!     let irq = unsafe { IrqOff::assume(HartIndex::new(0)) };
//!     // Not longer than the section.
//!     table.get(&irq, 0)
//! };
//! assert_eq!(found, Some(&0));
//! ```

use core::mem::ManuallyDrop;

use crate::{
    irq::IrqOff,
    segments::{OutOfMemory, Segments},
};

/// The table.
#[derive(Debug)]
pub struct Retirable<T>(Segments<T>);

impl<T> Default for Retirable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Retirable<T> {
    /// A table without elements, and without memory.
    #[must_use]
    pub fn new() -> Self {
        Self(Segments::new())
    }

    /// The element, once the table has grown to it.
    #[inline]
    #[must_use]
    pub fn get<'i>(&'i self, _: &'i IrqOff, index: u32) -> Option<&'i T> {
        self.0.get(index)
    }

    /// Bytes of the heap that the table takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.0.footprint()
    }

    /// Grows the table, as [`Segments::ensure`].
    ///
    /// # Errors
    /// When memory is out.
    pub fn ensure(&self, index: u32, make: impl FnMut(u32) -> T) -> Result<(), OutOfMemory> {
        self.0.ensure(index, make)
    }

    /// Takes everything out: from now on nobody finds anything that was there.
    /// None if there is nothing.
    #[must_use]
    pub fn retire(&self) -> Option<Retired<T>> {
        // SAFETY: dropped by `Retired::free` only, and by then every loan, which
        // `get` ties to a masked section, has ended.
        let segments = unsafe { self.0.take() };
        segments.map(|segments| Retired(ManuallyDrop::new(segments)))
    }
}

/// What was taken out, and may still be looked at. Dropping it frees nothing.
#[derive(Debug)]
#[must_use = "its memory comes back by `free` only"]
pub struct Retired<T>(ManuallyDrop<Segments<T>>);

impl<T> Retired<T> {
    /// Drops the elements and frees their memory.
    ///
    /// # Safety
    /// Every hart has been outside of masked sections since: a
    /// [round](crate::rounds::Rounds) that began after [`Retirable::retire`] is
    /// over.
    pub unsafe fn free(self) {
        drop(ManuallyDrop::into_inner(self.0));
    }
}
