// SPDX-License-Identifier: Apache-2.0
//! Bridges: bus numbers and windows (bridge chapter 3.2.5; PCIe 7.5.1.3).
//!
//! Role: writes the registers by which a bridge decides what to pass on.
//! Invariant: a window that nothing was placed in passes nothing on: its base
//! lies above its limit. What was written is read back.

use crate::config::{ConfigSpace, Registers};
use crate::register::{
    BUSES, IO_WINDOW, IO_WINDOW_UPPER, MEMORY_WINDOW, PREFETCH_BASE_UPPER, PREFETCH_LIMIT_UPPER,
    PREFETCH_WINDOW, byte, high_word, low_word,
};
use crate::span::Span;

/// Memory windows begin and end at multiples of this (bridge 3.2.5.8).
pub(crate) const MEMORY_GRAIN: u64 = 1 << 20;
/// I/O windows begin and end at multiples of this (bridge 3.2.5.6).
pub(crate) const IO_GRAIN: u64 = 1 << 12;

/// A memory window that is closed: base FFF, limit 000.
const CLOSED: u32 = 0x0000_fff0;
/// An I/O window that is closed: base F, limit 0.
const IO_CLOSED: u32 = 0x0000_00f0;
/// The bits of a memory window's register that are addresses.
const WINDOW_BITS: u32 = 0xfff0_fff0;
/// The bits of an I/O window's register that are addresses.
const IO_BITS: u32 = 0x0000_f0f0;
/// The three bus numbers, without the latency timer beside them.
const BUS_BITS: u32 = 0x00ff_ffff;

/// How many bits of I/O addresses a bridge knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoWidth {
    /// 16.
    Bits16,
    /// 32.
    Bits32,
}

/// What a bridge can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The bus behind it, as an index of the tree's buses, if it got a number.
    pub bus: Option<usize>,
    /// Its I/O window, if it has one.
    pub io: Option<IoWidth>,
    /// Whether it has a prefetchable window of 64 bits. One of 32 bits is left
    /// closed: what would go there goes into the memory window.
    pub prefetchable64: bool,
}

/// Finds out what windows there are, and leaves them closed. The bridge must
/// not forward meanwhile.
pub(crate) fn probe<C: ConfigSpace>(registers: &mut Registers<'_, C>) -> Bridge {
    registers.write(MEMORY_WINDOW, CLOSED);
    Bridge { bus: None, io: probe_io(registers), prefetchable64: probe_prefetch(registers) }
}

/// A window that is not there reads as zero (bridge 3.2.5.6); the low bits of
/// base and limit, which must agree, say its width.
fn probe_io<C: ConfigSpace>(registers: &mut Registers<'_, C>) -> Option<IoWidth> {
    registers.write(IO_WINDOW, IO_CLOSED);
    registers.write(IO_WINDOW_UPPER, 0);
    match registers.read(IO_WINDOW) & 0xffff {
        0x00f0 => Some(IoWidth::Bits16),
        0x01f1 => Some(IoWidth::Bits32),
        _ => None,
    }
}

/// The same (bridge 3.2.5.9), and the upper halves must hold what is written.
/// With both all ones, the base still lies above the limit.
fn probe_prefetch<C: ConfigSpace>(registers: &mut Registers<'_, C>) -> bool {
    registers.write(PREFETCH_WINDOW, CLOSED);
    let wide = registers.read(PREFETCH_WINDOW) == CLOSED | 0x0001_0001;
    let base = registers.settle(PREFETCH_BASE_UPPER, u32::MAX, u32::MAX);
    let limit = registers.settle(PREFETCH_LIMIT_UPPER, u32::MAX, u32::MAX);
    wide && base && limit
}

/// Gives a bridge its bus numbers, and says whether it keeps them.
pub(crate) fn number<C: ConfigSpace>(
    registers: &mut Registers<'_, C>,
    primary: u8,
    secondary: u8,
    subordinate: u8,
) -> bool {
    let timer = byte(registers.read(BUSES), 3);
    let value = u32::from_le_bytes([primary, secondary, subordinate, timer]);
    registers.settle(BUSES, value, BUS_BITS)
}

/// Writes the windows of a bridge, and says whether it keeps them.
pub(crate) fn open<C: ConfigSpace>(
    registers: &mut Registers<'_, C>,
    bridge: Bridge,
    io: Option<Span>,
    memory: Option<Span>,
    prefetchable: Option<Span>,
) -> bool {
    let kept = registers.settle(MEMORY_WINDOW, memory_window(memory), WINDOW_BITS);
    let kept = kept && (bridge.io.is_none() || open_io(registers, bridge, io));
    kept && (!bridge.prefetchable64 || open_prefetch(registers, prefetchable))
}

fn open_io<C: ConfigSpace>(
    registers: &mut Registers<'_, C>,
    bridge: Bridge,
    span: Option<Span>,
) -> bool {
    let (low, high) = match span.and_then(|span| span.bounds()) {
        None => (IO_CLOSED, 0),
        Some((first, last)) => {
            let low = low_word(first) >> 8 & 0xf0 | low_word(last) & 0xf000;
            (low, low_word(first) >> 16 | low_word(last) & 0xffff_0000)
        }
    };
    let kept = registers.settle(IO_WINDOW, low, IO_BITS);
    match bridge.io {
        Some(IoWidth::Bits32) => kept && registers.settle(IO_WINDOW_UPPER, high, u32::MAX),
        _ => kept,
    }
}

fn open_prefetch<C: ConfigSpace>(registers: &mut Registers<'_, C>, span: Option<Span>) -> bool {
    let (first, last) = span.and_then(|span| span.bounds()).unwrap_or((0, 0));
    let base = registers.settle(PREFETCH_BASE_UPPER, high_word(first), u32::MAX);
    let limit = registers.settle(PREFETCH_LIMIT_UPPER, high_word(last), u32::MAX);
    base && limit && registers.settle(PREFETCH_WINDOW, memory_window(span), WINDOW_BITS)
}

/// Bits 31 to 20 of the first address and of the last.
fn memory_window(span: Option<Span>) -> u32 {
    match span.and_then(|span| span.bounds()) {
        None => CLOSED,
        Some((first, last)) => low_word(first) >> 16 & 0xfff0 | low_word(last) & 0xfff0_0000,
    }
}
