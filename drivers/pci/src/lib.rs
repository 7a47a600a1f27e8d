// SPDX-License-Identifier: Apache-2.0
//! PCI and PCI Express: which functions there are, where their registers come
//! to lie, and where their interrupts go.
//!
//! Role: turns a host bridge's configuration space, which the caller reaches
//! through [`ConfigSpace`], into a [`Tree`]. [`Tree::scan`] gives out bus
//! numbers and looks at every function; [`Tree::place`] lays out BARs and the
//! bridges' windows; [`Tree::enable`] lets a function answer, [`Tree::cut_off`]
//! takes memory away from it; [`Tree::intx`] follows an interrupt pin to the
//! host bridge.
//!
//! Invariant: no answers of the hardware make this crate panic, recurse, or
//! read more than a fixed number of registers for each function of each bus
//! (the lints below refuse indexing and unchecked sums). Bus numbers only
//! grow, so a tree ends. What is strange is told as a [`Problem`] of one
//! function, and the others go on. Only want of memory ends a walk.
//!
//! Neighbours: the kernel's image, and later a server, map configuration space
//! and read bus range, windows and interrupt map out of the device tree;
//! nothing here knows about either.
//!
//! Sources, as cited: *PCI* is PCI Local Bus 3.0, *bridge* is PCI-to-PCI Bridge
//! Architecture 1.2, *PCIe* is PCI Express Base 5.0.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

extern crate alloc;

mod bar;
mod bridge;
mod capability;
mod command;
mod config;
mod ecam;
mod enable;
mod function;
mod intx;
mod message;
mod needs;
mod place;
mod problem;
mod register;
mod scan;
mod slot;
mod span;
mod tree;
mod window;

pub use bar::{Bar, BarFlaw, BarSpace, Place};
pub use bridge::{Bridge, IoWidth};
pub use capability::{Capabilities, Capability, ListFlaw};
pub use command::Command;
pub use config::{BusRange, ConfigAddress, ConfigSpace, FunctionAddress, Register};
pub use ecam::{Ecam, EcamOffset};
pub use enable::EnableError;
pub use function::{Function, Identity, Kind};
pub use intx::{InterruptMap, Intx, MapEntry, MapTable, Pin};
pub use message::{Msi, MsiX, OutsideBar, Pcie, PortType, TableAt};
pub use problem::{Flaw, OutOfMemory, Problem};
pub use tree::{Bus, Tree};
pub use window::{Window, WindowSpace};
