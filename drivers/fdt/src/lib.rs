// SPDX-License-Identifier: Apache-2.0
//! A walker for flattened device trees (Devicetree Specification v0.4,
//! chapter 5) that trusts nothing it reads.
//!
//! Role: the kernel's first source of knowledge about the machine: which harts
//! there are, where memory lies and what in it is taken, the command line, the
//! devices. It runs before there is an allocator, on whatever bytes firmware
//! left behind.
//!
//! Invariant: no bytes make this crate panic or read outside the blob. Nothing
//! is indexed and no sum is unchecked, which the lints below enforce; there is
//! no allocator to ask. Depth, name length and blob size have the bounds
//! [`MAX_DEPTH`], [`MAX_NAME`] and [`MAX_SIZE`].
//! [`Fdt::new`] goes through the structure once, tag by tag, so a malformed
//! tree is refused with an [`FdtError`] before anybody acts on half of it. What
//! a property *says* is judged where it is read and comes back as a
//! [`ValueError`].
//!
//! Cost: each question is one more such pass, which gathers on the way what
//! nodes inherit. Only phandles, which may point forwards, need a second look,
//! and one list of interrupts gets sixteen. So the time for any one answer is
//! at most a small multiple of the blob's size. Asking each of many harts for
//! its context, or many devices for their interrupts, costs that for each.
//!
//! Neighbours: the kernel image calls it during boot; nothing here knows about
//! the kernel. `events` is the state machine, `nodes` and `node` put nodes
//! with their inherited facts on top, and one module per question answers for
//! harts, memory, reservations, the chosen node and devices.
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

mod bytes;
mod chosen;
mod device;
mod error;
mod events;
mod harts;
mod header;
mod interrupts;
mod isa;
mod memory;
mod node;
mod nodes;
mod pci;
mod plic;
mod property;
mod region;
mod reservations;
mod tree;
mod uart;

pub use chosen::Chosen;
pub use device::{Compatible, Mmio};
pub use error::{BadNode, Block, FdtError, Flaw, ValueError};
pub use events::{Event, Events, MAX_DEPTH, MAX_NAME};
pub use harts::{Hart, Harts, Unusable};
pub use header::{HEADER_SIZE, MAX_SIZE, total_size};
pub use interrupts::{Interrupt, Interrupts};
pub use memory::Memory;
pub use node::{Node, Properties};
pub use nodes::{Children, Nodes};
pub use pci::{PciAddress, PciHost, PciHosts, PciSpace, PciWindow, PciWindows};
pub use plic::{Context, Contexts, Plic, Plics};
pub use property::{Property, Strings, Words};
pub use region::{Cells, Region, Regions};
pub use reservations::{Reservation, Reservations, ReservedBy};
pub use tree::Fdt;
pub use uart::{Uart, UartKind, Uarts};
