// SPDX-License-Identifier: Apache-2.0
//! Letting a function answer and act.
//!
//! Role: the last step before a driver.
//! Invariant: a function decodes a space only if each of its BARs in that space
//! has a place. One without would answer at an address that is another's.

use crate::command::{self, Command};
use crate::config::{ConfigSpace, Register, Registers};
use crate::function::{Function, Kind};
use crate::register::{COMMAND, NOBODY};
use crate::tree::Tree;

/// MSI: it is on (PCI 6.8.1.3; PCIe 7.7.1.2), in the whole register.
const MSI_ENABLE: u32 = 1 << 16;

/// MSI-X: it is on (PCI 6.8.2.3; PCIe 7.7.2.2), in the whole register.
const MSI_X_ENABLE: u32 = 1 << 31;

/// Why a function was not enabled. Nothing was changed, [`EnableError::Refused`]
/// apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnableError {
    /// There is no such function, or it is a bridge, which placing enables.
    NoEndpoint,
    /// A BAR of it has no place in a space that it would decode.
    NotPlaced,
    /// The register does not read as it was written: the function is gone, or
    /// cannot do this.
    Refused,
}

impl Tree {
    /// Sets the bits that [`Command`] names as `command` has them, and keeps the
    /// others: I/O, memory, bus master, and whether INTx is *disabled*. To be
    /// called after [`Tree::place`]; with an empty `command`, or only with INTx
    /// disabled, it stops the function.
    ///
    /// # Errors
    /// When there is no such endpoint, a BAR has no place, or the function
    /// does not obey. Whether it knows how to disable INTx is not checked, as
    /// devices from before PCI 2.3 do not.
    pub fn enable<C: ConfigSpace>(
        &self,
        config: &mut C,
        index: usize,
        command: Command,
    ) -> Result<(), EnableError> {
        let function = self.functions.get(index);
        let function = function.filter(|function| function.kind == Kind::Endpoint);
        let function = function.ok_or(EnableError::NoEndpoint)?;
        let wanted = command & Command::ACTIVE;
        if !self.may_decode(function).contains(wanted) {
            return Err(EnableError::NotPlaced);
        }
        let mut registers = Registers::new(config, function.address);
        let named = Command::ACTIVE | Command::INTX_DISABLE;
        let kept = command::read(&registers).difference(named);
        match command::write(&mut registers, kept | (command & named), Command::ACTIVE) {
            true => Ok(()),
            false => Err(EnableError::Refused),
        }
    }

    /// Has a function interrupt by its pin and not by messages, whatever firmware
    /// left behind: with either kind of message on it raises no pin (PCI 6.8.1.3,
    /// 6.8.2.3). Says whether it obeyed.
    pub fn send_no_messages<C: ConfigSpace>(&self, config: &mut C, index: usize) -> bool {
        let Some(function) = self.functions.get(index) else { return false };
        let msi = function.msi().map(|msi| (msi.offset, MSI_ENABLE));
        let msi_x = function.msi_x().map(|msi_x| (msi_x.offset, MSI_X_ENABLE));
        let mut registers = Registers::new(config, function.address);
        let mut turn_off = |(offset, bit): (u8, u32)| {
            let control = Register::holding(offset);
            let rest = registers.read(control) & !bit;
            registers.settle(control, rest, bit)
        };
        msi.is_none_or(&mut turn_off) & msi_x.is_none_or(&mut turn_off)
    }

    /// Takes memory and interrupts away from a function, and leaves it its
    /// registers. Says whether it surely reaches no memory any more: it obeyed, or
    /// is not there.
    pub fn cut_off<C: ConfigSpace>(&self, config: &mut C, index: usize) -> bool {
        let Some(function) = self.functions.get(index) else { return false };
        let mut registers = Registers::new(config, function.address);
        let before = command::read(&registers).difference(Command::BUS_MASTER);
        command::write(&mut registers, before | Command::INTX_DISABLE, Command::BUS_MASTER)
            || registers.read(COMMAND) == NOBODY
    }

    /// What a function may be let do.
    pub(crate) fn may_decode(&self, function: &Function) -> Command {
        let mut may = Command::ACTIVE;
        if function.bad_bar {
            may.remove(Command::IO | Command::MEMORY);
        }
        for bar in self.bars(function).iter().filter(|bar| bar.place.is_none()) {
            may.remove(if bar.is_io() { Command::IO } else { Command::MEMORY });
        }
        may
    }
}
