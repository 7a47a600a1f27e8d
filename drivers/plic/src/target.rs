// SPDX-License-Identifier: Apache-2.0
//! What one hart has of a PLIC: one context.
//!
//! Owns: the context's enable bits, threshold and claim register, and the
//! priorities of the sources that are enabled there.
//! Invariant: `owned` is what the enable bits are; `masked` and `claimed` are
//! subsets of it. An enable word is written from `owned`, never read back and
//! changed: nobody else writes it.
//! Neighbours: the hart's external interrupt handler, which calls
//! [`InterruptController::serve`].

use crate::bits::Bits;
use crate::controller::{AttachError, Counts, InterruptController, Refused};
use crate::handles::{Attached, Claim, Line};
use crate::map;
use crate::number::{Context, Priority, Source, Threshold};
use crate::registers::Registers;

/// After how many answers in a row that are no honest interrupt a controller
/// counts as sick.
pub const SICK_AFTER: u32 = 1000;

/// One context, and the sources that are enabled on it.
#[derive(Debug)]
pub struct Target<R> {
    registers: R,
    context: Context,
    last: Source,
    owned: Bits,
    masked: Bits,
    claimed: Bits,
    counts: Counts,
    /// The last answer was "nothing".
    is_quiet: bool,
    /// Answers in a row that were of no use.
    useless: u32,
}

impl<R: Registers> Target<R> {
    pub(crate) fn new(registers: R, context: Context, last: Source) -> Self {
        Self {
            registers,
            context,
            last,
            owned: Bits::NONE,
            masked: Bits::NONE,
            claimed: Bits::NONE,
            counts: Counts::default(),
            is_quiet: true,
            useless: 0,
        }
    }

    /// Which context it is.
    pub const fn context(&self) -> Context {
        self.context
    }

    /// Lets every priority through, once more. For a hart that has started:
    /// firmware may reset the context of a hart that it starts (OpenSBI clears
    /// its enable bits and sets its threshold to the highest), after
    /// [`Plic::open`](crate::Plic::open).
    ///
    /// # Panics
    /// When a source is enabled already: firmware has undone it.
    pub fn hart_started(&mut self) {
        assert!(self.owned == Bits::NONE, "a hart starts before its sources are attached");
        self.registers.write(map::threshold(self.context), Threshold::Open.number());
    }

    /// Writes the enable bits of a source and its 31 neighbours.
    fn write_enables(&self, source: Source) {
        let word = source.word();
        self.registers.write(map::enables(self.context, word), self.owned.word(word));
    }

    /// Completes: the source's gateway may forward its next request, if the
    /// source is enabled here.
    fn write_completion(&self, source: Source) {
        self.registers.write(map::claim(self.context), source.number());
    }

    /// Masks a source in the PLIC. Its enable bit stays, or its completion
    /// would be ignored.
    fn hide(&self, source: Source) {
        #[cfg(not(feature = "bug-plic-eoi-order"))]
        self.registers.write(map::priority(source), 0);
        #[cfg(feature = "bug-plic-eoi-order")]
        self.registers.write(
            map::enables(self.context, source.word()),
            self.owned.word(source.word()) & !source.bit(),
        );
    }

    /// The opposite of [`hide`](Self::hide).
    fn show(&self, source: Source, priority: Priority) {
        #[cfg(feature = "bug-plic-eoi-order")]
        self.write_enables(source);
        self.registers.write(map::priority(source), priority.number());
    }

    /// What the PLIC makes of a priority, of a source that is not enabled
    /// anywhere. Leaves it masked.
    fn try_priority(&self, source: Source, priority: Priority) -> Result<Priority, AttachError> {
        let at = map::priority(source);
        self.registers.write(at, priority.number());
        let heard = self.registers.read(at);
        self.registers.write(at, 0);
        if self.registers.read(at) != 0 {
            return Err(AttachError::CannotBeMasked);
        }
        // The threshold is 0 unless somebody has wired it otherwise.
        if heard <= self.registers.read(map::threshold(self.context)) {
            return Err(AttachError::CannotBeHeard);
        }
        Priority::new(heard).ok_or(AttachError::CannotBeHeard)
    }

    /// Sets the enable bit of a source that is masked, if it can be set.
    fn enable(&mut self, source: Source) -> Result<(), AttachError> {
        self.owned.insert(source);
        self.write_enables(source);
        let enables = self.registers.read(map::enables(self.context, source.word()));
        if enables & source.bit() == 0 {
            self.owned.remove(source);
            self.write_enables(source);
            return Err(AttachError::CannotBeRouted);
        }
        self.masked.insert(source);
        Ok(())
    }

    fn try_attach(&mut self, source: Source, wish: Priority) -> Result<Priority, AttachError> {
        if source > self.last {
            return Err(AttachError::NoSuchSource);
        }
        let priority = self.try_priority(source, wish)?;
        self.enable(source)?;
        // Somebody before us (firmware, another kernel) may have claimed it
        // and not completed it, and then nothing would ever come. A completion
        // that is not due does no harm: at most two requests become one,
        // before anybody was told of either.
        self.write_completion(source);
        Ok(priority)
    }

    /// "Nothing".
    fn note_nothing(&mut self) {
        if self.is_quiet {
            self.counts.spurious += 1;
            self.useless = self.useless.saturating_add(1);
        } else {
            self.counts.ends += 1;
        }
        self.is_quiet = true;
    }

    /// A source that this hart does not have, or has in hand. Completing it,
    /// then seeing to it that it is not enabled here, lets it go to whomever
    /// it belongs to; in the other order the completion would be ignored.
    fn turn_away(&mut self, number: u32) {
        self.counts.strays += 1;
        self.useless = self.useless.saturating_add(1);
        let Some(source) = Source::new(number) else { return };
        if self.claimed.has(source) {
            return; // The claim that is out completes it.
        }
        self.write_completion(source);
        if source <= self.last {
            self.write_enables(source);
        }
    }

    fn assert_here(&self, context: Context, source: Source) {
        assert!(
            context == self.context,
            "one-irq-one-hart: source {} belongs to context {}, not to {}",
            source.number(),
            context.number(),
            self.context.number()
        );
    }
}

impl<R: Registers> InterruptController for Target<R> {
    fn attach(&mut self, line: Line, priority: Priority) -> Result<Attached, Refused> {
        let source = line.source();
        match self.try_attach(source, priority) {
            Ok(priority) => Ok(Attached::new(source, self.context, priority)),
            Err(why) => Err(Refused { line, why }),
        }
    }

    fn detach(&mut self, attached: Attached) -> Result<Line, Attached> {
        let source = attached.source();
        self.assert_here(attached.context(), source);
        if self.claimed.has(source) {
            return Err(attached);
        }
        self.hide(source);
        self.masked.remove(source);
        self.owned.remove(source);
        #[cfg(not(feature = "bug-irq-two-harts"))]
        self.write_enables(source);
        Ok(Line::new(source))
    }

    fn claim(&mut self) -> Option<Claim> {
        let number = self.registers.read(map::claim(self.context));
        if number == 0 {
            self.note_nothing();
            return None;
        }
        self.is_quiet = false;
        let source = Source::new(number).filter(|&source| self.owned.has(source));
        let Some(source) = source.filter(|&source| !self.claimed.has(source)) else {
            self.turn_away(number);
            return None;
        };
        if self.masked.insert(source) {
            self.useless = 0;
        } else {
            self.counts.while_masked += 1;
            self.useless = self.useless.saturating_add(1);
        }
        self.hide(source);
        self.claimed.insert(source);
        self.counts.claims += 1;
        Some(Claim::new(source, self.context))
    }

    fn complete(&mut self, claim: Claim) {
        let (source, context) = claim.into_parts();
        self.assert_here(context, source);
        self.claimed.remove(source);
        self.write_completion(source);
        self.counts.completions += 1;
    }

    fn mask(&mut self, attached: &Attached) -> bool {
        self.assert_here(attached.context(), attached.source());
        let is_new = self.masked.insert(attached.source());
        if is_new {
            self.hide(attached.source());
        }
        is_new
    }

    fn unmask(&mut self, attached: &Attached) -> bool {
        self.assert_here(attached.context(), attached.source());
        let was_masked = self.masked.remove(attached.source());
        if was_masked {
            self.show(attached.source(), attached.priority());
        }
        was_masked
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn is_sick(&self) -> bool {
        self.useless >= SICK_AFTER
    }
}
