// SPDX-License-Identifier: Apache-2.0
//! Which interrupt controller there is, by the device tree, and whose its
//! contexts are. Law trust-no-firmware-table: what is missing or strange is a
//! reason, and boot goes on.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use skimmer_arch::{mmio::Mmio, println};
use skimmer_core::{memory::NotRegisters, remote::hart_at};
use skimmer_fdt::{Fdt, ValueError};
use skimmer_plic::{Context, ContextError, Plic, PlicError, Target};
use skimmer_sync::{cell::HartCell, lock::SpinLock};

use super::{Controller, OnHart, PlicRegisters};
use crate::platform::{UsableHart, extent};

/// Why there is no controller to work with.
pub(super) enum NoController {
    /// The tree names none of a kind that is known.
    Unfamiliar,
    /// What the tree says of it cannot be read.
    Unreadable(ValueError),
    /// Its registers cannot be where the tree says.
    Misplaced(NotRegisters),
    /// It is no PLIC.
    Wrong(PlicError),
    /// A context of it cannot be had.
    Context(ContextError),
}

impl fmt::Display for NoController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfamiliar => f.write_str("the device tree names no PLIC"),
            Self::Unreadable(why) => write!(f, "the device tree: {why}"),
            Self::Misplaced(why) => write!(f, "its registers: {why}"),
            Self::Wrong(why) => write!(f, "it is no PLIC: {why:?}"),
            Self::Context(why) => write!(f, "its contexts: {why:?}"),
        }
    }
}

/// The first PLIC of the tree, with a context for each hart that it has one for.
pub(super) fn controller(tree: &Fdt<'_>, harts: &[UsableHart]) -> Result<Controller, NoController> {
    let mut plics = tree.plics();
    let node = plics.next().ok_or(NoController::Unfamiliar)?;
    if plics.next().is_some() {
        println!("interrupts: only the first controller is used");
    }
    let registers = node.registers().map_err(NoController::Unreadable)?;
    let registers = Mmio::new(extent(registers)).map_err(NoController::Misplaced)?;
    let sources = node.sources().map_err(NoController::Unreadable)?;
    let mut plic = Plic::new(PlicRegisters(registers), sources).map_err(NoController::Wrong)?;
    let mut on_harts: Vec<Option<HartCell<OnHart>>> = harts.iter().map(|_| None).collect();
    for context in node.contexts().map_err(NoController::Unreadable)? {
        let context = context.map_err(NoController::Unreadable)?;
        let number = Context::new(context.index).ok_or(NoController::Wrong(PlicError::TooShort))?;
        let is_its = |hart: &UsableHart| hart.intc == Some(context.hart_intc);
        let hart = harts.iter().position(is_its).filter(|_| context.is_supervisor());
        match hart.filter(|&hart| on_harts[hart].is_none()) {
            Some(hart) => {
                let target = plic.open(number).map_err(NoController::Context)?;
                on_harts[hart] = Some(HartCell::new(hart_at(hart), OnHart::new(target, sources)));
            }
            None => plic.shut(number).map_err(NoController::Context)?,
        }
    }
    let reached = on_harts.iter().flatten().count();
    println!("interrupts: a PLIC of {sources} sources, for {reached} of {} harts", harts.len());
    for (hart, _) in harts.iter().zip(&on_harts).filter(|(_, on_hart)| on_hart.is_none()) {
        println!("interrupts: no device can interrupt hart {}", hart.id);
    }
    Ok(Controller { phandle: node.phandle(), plic: SpinLock::new(plic), harts: on_harts })
}

impl OnHart {
    fn new(target: Target<PlicRegisters>, sources: u32) -> Self {
        let threads: Box<[_]> = (0..=sources).map(|_| None).collect();
        Self { target, threads }
    }
}
