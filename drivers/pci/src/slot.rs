// SPDX-License-Identifier: Apache-2.0
//! Slots: ports that a function can be taken out of.
//!
//! Role: takes the power away from what is behind a port. There is no way back
//! here; what is plugged in later is found by another scan.

use crate::config::{ConfigSpace, Register, Registers};
use crate::tree::Tree;

/// Where Slot Control is in the PCI Express capability; Slot Status, whose bits
/// are cleared by writing ones, is the upper half (PCIe 7.5.3.10, 7.5.3.11).
const SLOT_CONTROL: u8 = 0x18;

/// Power Indicator Control: off; Power Controller Control: off (PCIe 7.5.3.10).
const POWER_OFF: u32 = 0x300 | 0x400;

/// What of the register is Slot Control.
const CONTROL: u32 = 0xffff;

impl Tree {
    /// Turns off the slot that a function is in, with everything behind its port.
    /// Says whether the port did so; a function that is in no slot stays.
    pub fn power_off<C: ConfigSpace>(&self, config: &mut C, index: usize) -> bool {
        let Some(function) = self.functions.get(index) else { return false };
        let port = self.bridge_above(function.address.bus());
        let slot = port.and_then(|port| Some((port, port.pcie().filter(|pcie| pcie.slot)?)));
        let Some((port, pcie)) = slot else { return false };
        let Some(offset) = pcie.offset.checked_add(SLOT_CONTROL) else { return false };
        let control = Register::holding(offset);
        let mut registers = Registers::new(config, port.address);
        let before = registers.read(control) & CONTROL;
        registers.settle(control, before | POWER_OFF, POWER_OFF)
    }
}
