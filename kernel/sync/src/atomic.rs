// SPDX-License-Identifier: Apache-2.0
//! Atomics for policy that is looked up without a lock: under loom, the models'. Their
//! orderings have names ([`crate::order::Site`]).

pub use crate::shim::AtomicU64;
