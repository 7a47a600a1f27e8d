// SPDX-License-Identifier: Apache-2.0
//! The policy of the kernel: threads, run queues, message ports, the traffic
//! between harts. No unsafe code and no statics; everything is reached through
//! arguments, so that several imaginary harts fit in one host test.
//!
//! The centre is [`hart::Hart`]: the state that one hart owns and nobody else
//! touches. What another hart wants of it arrives through a
//! ring ([`remote`]).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod afar;
pub mod backtrace;
pub mod budget;
pub mod channel;
pub mod chores;
pub mod cmdline;
pub mod deadlines;
pub mod frames;
pub mod handover;
pub mod hart;
pub mod histogram;
pub mod ids;
pub mod interrupt;
pub mod list;
pub mod looks;
pub mod machine;
mod mail;
pub mod memory;
pub mod message;
pub mod port;
pub mod portrait;
pub mod process;
pub mod remote;
pub mod room;
pub mod runq;
pub mod sched;
pub mod shares;
pub mod space;
pub mod straight;
pub mod table;
pub mod thread;
pub mod thread_port;
pub mod turns;
pub mod user;
pub mod waiting;
