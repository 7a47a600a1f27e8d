// SPDX-License-Identifier: Apache-2.0
//! Host tests of the kernel core: several imaginary harts in one process.
//!
//! [`fake::Fake`] is the machine, [`cpu::Cpu`] one hart on it with the laws that
//! hold between its steps, [`world::World`] wires some harts together
//! and steps them in an order that a seed chooses, [`script::Me`] lets a thread
//! be written as an `async` block whose every operation is one irq-off section.
//! [`ipc`] is what the kernel's calls of messages do around the policy.
//! [`explore`] plays a scene in every order of its sections and doorbells.
//! [`mod@conformance`] holds the checks that every message port must pass;
//! [`census`] counts allocations, so that a leak is a failed test.
//!
//! One OS thread plays all harts, so what is tested here is the protocol in
//! every order of its steps; memory order is the models' business
//! (`tests/model`).

pub mod apart;
pub mod bench;
pub mod census;
pub mod conformance;
pub mod cpu;
pub mod explore;
pub mod fake;
pub mod ipc;
pub mod laws;
pub mod script;
pub mod sections;
pub mod seed;
pub mod world;
