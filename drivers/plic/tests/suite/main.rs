// SPDX-License-Identifier: Apache-2.0
//! What the interrupt controller must do, on devices that are not there.
//!
//! `fake` is a PLIC by the letter of the specification (and, on request, one
//! that does what QEMU's does); `fake_itself` checks that it is. `boot`,
//! `lines` and `wired` take one thing at a time; `traffic` lets devices,
//! handlers and threads do what they like; `nonsense` is a PLIC that lies.
//! `named` has the tests that catch the named bugs; `../bugs.rs` shows that
//! they do.

mod boot;
mod fake;
mod fake_itself;
mod lines;
mod named;
mod nonsense;
mod traffic;
mod wired;
