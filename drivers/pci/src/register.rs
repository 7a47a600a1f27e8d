// SPDX-License-Identifier: Apache-2.0
//! Where the registers are (PCI 6.1 for headers of type 0; bridge 3.2 for
//! type 1; PCIe 7.5.1) and the bits of them that more than one module
//! knows.

use crate::config::Register;

const fn at(offset: u8) -> Register {
    Register::holding(offset)
}

/// Vendor in the lower half, device in the upper (PCI 6.2.1).
pub(crate) const ID: Register = at(0x00);
/// Command in the lower half, status in the upper (PCI 6.2.2, 6.2.3). Status
/// bits are cleared by writing ones, so what is written there is zero.
pub(crate) const COMMAND: Register = at(0x04);
/// Revision, interface, subclass, class, from the low byte up (PCI 6.2.1).
pub(crate) const CLASS: Register = at(0x08);
/// The header's type is the third byte (PCI 6.2.1).
pub(crate) const HEADER: Register = at(0x0c);
/// Primary, secondary, subordinate, secondary latency timer (bridge 3.2.5.2 on).
pub(crate) const BUSES: Register = at(0x18);
/// I/O base and limit in the lower half, secondary status in the upper, which
/// is cleared by writing ones (bridge 3.2.5.6, 3.2.5.7).
pub(crate) const IO_WINDOW: Register = at(0x1c);
/// Memory base and limit (bridge 3.2.5.8).
pub(crate) const MEMORY_WINDOW: Register = at(0x20);
/// Prefetchable memory base and limit (bridge 3.2.5.9).
pub(crate) const PREFETCH_WINDOW: Register = at(0x24);
/// The upper 32 bits of the prefetchable base (bridge 3.2.5.10).
pub(crate) const PREFETCH_BASE_UPPER: Register = at(0x28);
/// The upper 32 bits of the prefetchable limit (bridge 3.2.5.10).
pub(crate) const PREFETCH_LIMIT_UPPER: Register = at(0x2c);
/// The upper 16 bits of I/O base and limit (bridge 3.2.5.11).
pub(crate) const IO_WINDOW_UPPER: Register = at(0x30);
/// The expansion ROM's address in a header of type 0 (PCI 6.2.5.2).
pub(crate) const ROM_TYPE_0: Register = at(0x30);
/// The first capability is the low byte (PCI 6.7).
pub(crate) const CAPABILITIES: Register = at(0x34);
/// The expansion ROM's address in a header of type 1 (bridge 3.2.5.14).
pub(crate) const ROM_TYPE_1: Register = at(0x38);
/// Interrupt line, interrupt pin (PCI 6.2.4).
pub(crate) const INTERRUPT: Register = at(0x3c);

/// Base address register 0 to 5 (PCI 6.2.5.1); what lies above 5 is none.
pub(crate) fn bar(index: u8) -> Register {
    at(0x10_u8.saturating_add(index.min(5).saturating_mul(4)))
}

/// Status: there is a list of capabilities (PCI 6.2.3), in the whole register.
pub(crate) const HAS_CAPABILITIES: u32 = 1 << 20;

/// What a read gives when nobody answers.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Byte `index` (0 is the lowest) of a register.
pub(crate) fn byte(value: u32, index: usize) -> u8 {
    value.to_le_bytes().get(index).copied().unwrap_or(u8::MAX)
}

/// The lower half of a register.
pub(crate) fn lower(value: u32) -> u16 {
    (value & 0xffff) as u16
}

/// The upper half of a register.
pub(crate) fn upper(value: u32) -> u16 {
    (value >> 16) as u16
}

/// The lower 32 bits of an address.
pub(crate) fn low_word(address: u64) -> u32 {
    (address & 0xffff_ffff) as u32
}

/// The upper 32 bits of an address.
pub(crate) fn high_word(address: u64) -> u32 {
    (address >> 32) as u32
}
