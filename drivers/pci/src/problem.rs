// SPDX-License-Identifier: Apache-2.0
//! What was strange.
//!
//! Role: the errors of single functions, which end nothing, and the one error
//! that does.

use alloc::vec::Vec;

use crate::bar::BarFlaw;
use crate::capability::ListFlaw;
use crate::config::FunctionAddress;

/// The tree could not be kept; what was learned so far is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Something strange about one function. The others went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which function.
    pub function: FunctionAddress,
    /// What about it.
    pub flaw: Flaw,
}

/// What can be strange about a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It asks for a retry (PCIe 2.3.1): it is there, and not ready. It is not
    /// in the tree.
    NotReady,
    /// It stopped answering while it was looked at.
    Gone,
    /// A header of a type other than 0 and 1. It is not in the tree, because
    /// nothing is known about its registers.
    UnknownHeader(u8),
    /// A bridge for which the host bridge's bus range has no number left.
    NoBusNumber,
    /// A bridge that does not keep bus numbers. What is behind it is not seen.
    BusNumbersRefused,
    /// A base address register that makes no sense. The function cannot decode
    /// the space that it might be for.
    BadBar(u8, BarFlaw),
    /// Its list of capabilities is malformed; what came before that counts.
    BadCapabilities(ListFlaw),
    /// No room for this base address register in the windows above it.
    NoSpace(u8),
    /// A base address register that does not keep its address.
    BarRefused(u8),
    /// A bridge that does not keep its windows, or cannot be let forward
    /// because a base address register of its own has no place.
    BridgeShut,
}

/// Appends, if there is memory for it.
pub(crate) fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), OutOfMemory> {
    list.try_reserve(1).map_err(|_| OutOfMemory)?;
    list.push(item);
    Ok(())
}
