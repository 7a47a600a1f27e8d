// SPDX-License-Identifier: Apache-2.0
//! The command register (PCI 6.2.2; PCIe 7.5.1.1.3).
//!
//! Role: what a function may do.
//! Invariant: the status register, which shares the 32 bits and is cleared by
//! writing ones, is written with zeros.

use crate::config::{ConfigSpace, Registers};
use crate::register::{COMMAND, lower};

bitflags::bitflags! {
    /// Bits of the command register. Bits that have no name here are kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Command: u16 {
        /// It answers I/O accesses to its registers, or forwards them.
        const IO = 1 << 0;
        /// It answers memory accesses to its registers, or forwards them.
        const MEMORY = 1 << 1;
        /// It may read and write memory by itself, and send interrupt messages;
        /// a bridge lets those behind it do so.
        const BUS_MASTER = 1 << 2;
        /// It raises no INTx interrupt.
        const INTX_DISABLE = 1 << 10;
        const _ = !0;
    }
}

impl Command {
    /// What makes a function answer or act.
    pub(crate) const ACTIVE: Command =
        Command::IO.union(Command::MEMORY).union(Command::BUS_MASTER);
}

pub(crate) fn read<C: ConfigSpace>(registers: &Registers<'_, C>) -> Command {
    Command::from_bits_retain(lower(registers.read(COMMAND)))
}

/// Writes the register, and says whether the bits of `checked` took.
pub(crate) fn write<C: ConfigSpace>(
    registers: &mut Registers<'_, C>,
    command: Command,
    checked: Command,
) -> bool {
    registers.settle(COMMAND, u32::from(command.bits()), u32::from(checked.bits()))
}
