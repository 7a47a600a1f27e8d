// SPDX-License-Identifier: Apache-2.0
//! Where the registers are ("Memory Map"). All are 32 bits wide.
//!
//! Invariant: an [`Offset`] is made here only, so each is a register of the
//! map. Whether the block of a given PLIC goes that far, [`crate::Plic`] asks.

use crate::number::{Context, Source, Word};

/// Where a register is, from the first byte of the PLIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset(u32);

impl Offset {
    /// In bytes: a multiple of 4, less than 64 MiB.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }

    /// Its first byte after it.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.0 as u64 + 4
    }
}

const PRIORITIES: u32 = 0x0;
const PENDING: u32 = 0x1000;
const ENABLES: u32 = 0x2000;
/// Enable bits of one context: 1024 bits.
const ENABLES_SIZE: u32 = 0x80;
const CONTEXTS: u32 = 0x20_0000;
/// Threshold and claim of one context have a page.
const CONTEXT_SIZE: u32 = 0x1000;

/// A source's priority ("Interrupt Priorities").
#[must_use]
pub const fn priority(source: Source) -> Offset {
    Offset(PRIORITIES + 4 * source.number())
}

/// Pending bits of 32 sources ("Interrupt Pending Bits").
#[must_use]
pub const fn pending(word: Word) -> Offset {
    Offset(PENDING + 4 * word.number())
}

/// Enable bits of 32 sources for a context ("Interrupt Enables").
#[must_use]
pub const fn enables(context: Context, word: Word) -> Offset {
    Offset(ENABLES + ENABLES_SIZE * context.number() + 4 * word.number())
}

/// A context's threshold ("Priority Thresholds").
#[must_use]
pub const fn threshold(context: Context) -> Offset {
    Offset(CONTEXTS + CONTEXT_SIZE * context.number())
}

/// A context's claim, when read, and completion, when written
/// ("Interrupt Claim Process", "Interrupt Completion").
#[must_use]
pub const fn claim(context: Context) -> Offset {
    Offset(CONTEXTS + CONTEXT_SIZE * context.number() + 4)
}

// The last register of each array, as the specification's table has it.
const _: () = {
    let last = Source::LAST.word();
    assert!(Source::LAST.number() == 1023 && last.number() == 31);
    assert!(Source::LAST.bit() == 1 << 31);
    assert!(priority(Source::LAST).bytes() == 0x00_0ffc);
    assert!(pending(last).bytes() == 0x00_107c);
    assert!(enables(Context::FIRST, last).bytes() == 0x00_207c);
    assert!(enables(Context::LAST, last).bytes() == 0x1f_1ffc);
    assert!(threshold(Context::FIRST).bytes() == 0x20_0000);
    assert!(threshold(Context::LAST).bytes() == 0x3ff_f000);
    assert!(claim(Context::LAST).bytes() == 0x3ff_f004);
};
