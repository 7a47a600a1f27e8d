// SPDX-License-Identifier: Apache-2.0
//! What the device tree walker must do, and what it must survive.
//!
//! `grammar` and `header` break blobs by hand, `values` reads properties,
//! `machine`, `devices` and `isa` ask about trees made for the question,
//! `boards` reads real ones, `differential` and `machines` compare generated
//! trees with what went in and with another parser, and `damaged` goes through
//! blobs that a seeded generator broke, `giants` through the largest. The second opinions are `oracle`, on
//! what a tree holds, and `surveyor`, on what it means.

mod boards;
mod builder;
mod damage;
mod damaged;
mod devices;
mod differential;
mod findings;
mod generated;
mod giants;
mod grammar;
mod header;
mod isa;
mod machine;
mod machines;
mod oracle;
mod surveyor;
mod values;
