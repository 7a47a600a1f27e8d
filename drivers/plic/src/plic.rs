// SPDX-License-Identifier: Apache-2.0
//! A PLIC as boot finds it.
//!
//! Role: puts every source and context into a known state, and hands out each
//! context and each source once.
//! Owns: the sources that nobody has.
//! Invariant: contexts are handed out in rising order, so none twice; a source
//! is in `free` or there is a [`Line`] or an [`Attached`](crate::Attached) of
//! it, never both.

use crate::bits::Bits;
use crate::handles::Line;
use crate::map;
use crate::number::{Context, Source, Threshold};
use crate::registers::Registers;
use crate::target::Target;

/// One PLIC.
#[derive(Debug)]
pub struct Plic<R> {
    registers: R,
    last: Source,
    free: Bits,
    /// The first context that has not been handed out.
    next: u32,
}

/// What is wrong with a PLIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlicError {
    /// No source, or more than 1023.
    Sources,
    /// Its registers end before those of the first context.
    TooShort,
}

/// Why a context cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextError {
    /// It, or one with a higher number, was handed out before.
    OutOfOrder,
    /// The registers end before its own.
    TooShort,
}

impl<R: Registers + Clone> Plic<R> {
    /// The PLIC with these registers and that many sources (`riscv,ndev`).
    /// Masks all of them. What firmware has enabled stays so until the context
    /// is opened or shut.
    ///
    /// # Errors
    /// When it cannot be a PLIC; then nothing was written.
    pub fn new(registers: R, sources: u32) -> Result<Self, PlicError> {
        let last = Source::new(sources).ok_or(PlicError::Sources)?;
        if map::claim(Context::FIRST).end() > registers.bytes() {
            return Err(PlicError::TooShort);
        }
        let mut free = Bits::NONE;
        for source in last.up_to_here() {
            registers.write(map::priority(source), 0);
            free.insert(source);
        }
        Ok(Self { registers, last, free, next: 0 })
    }

    /// The context of a hart that is to be interrupted. No source is enabled
    /// on it, and its threshold lets every priority through. Contexts are to
    /// be opened or shut in rising order, as the device tree lists them.
    ///
    /// # Errors
    /// When it cannot be had; then nothing was written.
    pub fn open(&mut self, context: Context) -> Result<Target<R>, ContextError> {
        self.reset(context, Threshold::Open)?;
        Ok(Target::new(self.registers.clone(), context, self.last))
    }

    /// A context that is not to be used: nothing is enabled on it, and nothing
    /// would come through. By the law one-irq-one-hart these are all contexts
    /// that are not opened, firmware's own among them.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn shut(&mut self, context: Context) -> Result<(), ContextError> {
        self.reset(context, Threshold::Shut)
    }

    fn reset(&mut self, context: Context, threshold: Threshold) -> Result<(), ContextError> {
        if context.number() < self.next {
            return Err(ContextError::OutOfOrder);
        }
        if map::claim(context).end() > self.registers.bytes() {
            return Err(ContextError::TooShort);
        }
        self.next = context.number() + 1;
        // Not beyond the last source: registers there need not exist.
        for word in self.last.word().up_to_here() {
            self.registers.write(map::enables(context, word), 0);
        }
        self.registers.write(map::threshold(context), threshold.number());
        Ok(())
    }

    /// The line of a source, if there is such a source and nobody has it.
    pub fn line(&mut self, source: Source) -> Option<Line> {
        self.free.remove(source).then(|| Line::new(source))
    }

    /// Takes back a line that nobody wants any more.
    pub fn put_back(&mut self, line: Line) {
        self.free.insert(line.source());
    }

    /// The last source.
    #[must_use]
    pub const fn last(&self) -> Source {
        self.last
    }

    /// Whether the source's request waits to be claimed ("Interrupt Pending
    /// Bits"). For whoever looks into a PLIC, not for handlers.
    #[must_use]
    pub fn is_pending(&self, source: Source) -> bool {
        source <= self.last && self.registers.read(map::pending(source.word())) & source.bit() != 0
    }
}
