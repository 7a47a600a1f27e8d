// SPDX-License-Identifier: Apache-2.0
//! The RISC-V machine: boot, traps, the switch, firmware calls, registers,
//! console, heap. `unsafe` is allowed here, in small blocks; there is no
//! policy. It keeps each hart's state of `core`, lends it out under the proof of
//! masked interrupts, and calls on it at the few points where the machine and
//! policy meet: the doorbell, the idle turn, the end of a thread.
#![no_std]

extern crate alloc;

pub mod addr;
pub mod boot;
pub mod console;
pub mod cpu;
pub mod csr;
pub mod dma;
mod fp;
pub mod heap;
pub mod irq;
pub mod memory;
pub mod message;
pub mod mmio;
#[cfg(feature = "off-times")]
pub mod off_times;
#[cfg(not(feature = "off-times"))]
#[path = "off_times_none.rs"]
pub mod off_times;
pub mod paging;
pub mod panic;
pub mod power;
pub mod rounds;
pub mod sbi;
#[cfg(feature = "shortage")]
pub mod shortage;
#[cfg(not(feature = "shortage"))]
#[path = "shortage_none.rs"]
pub mod shortage;
pub mod stack;
pub mod stack_memory;
pub mod time;
pub mod trap;
pub mod user;
pub mod user_copy;
