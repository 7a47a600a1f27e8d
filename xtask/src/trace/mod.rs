// SPDX-License-Identifier: Apache-2.0
//! The trace of a boot on the host: read out of guest memory ([`rings`]), its
//! messages paired ([`messages`]), written for the Perfetto viewer ([`perfetto`],
//! in its wire format [`wire`]), and `cargo xtask trace` ([`command`]).

pub mod command;
pub mod messages;
pub mod perfetto;
pub mod rings;
pub mod wire;
