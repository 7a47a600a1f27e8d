// SPDX-License-Identifier: Apache-2.0
//! What the PCI crate must do, and what it must survive.
//!
//! `fake` is a host bridge with functions that obey the specification and say
//! where an access arrives; `plan` makes trees of them at random. `scanned`,
//! `placed`, `bars`, `lists` and `pins` ask by hand, `random` asks of any tree,
//! and `damaged` puts hardware below that does not obey.

mod bars;
mod damaged;
mod ecam;
mod fake;
mod lists;
mod pins;
mod placed;
mod plan;
mod random;
mod scanned;
mod taken;
