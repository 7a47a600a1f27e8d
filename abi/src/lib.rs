// SPDX-License-Identifier: Apache-2.0
//! What kernel, programs and host tools agree on: system calls, their errors and
//! flags, result records, the names of the scenarios, exit statuses, and the
//! layouts that the host reads out of a running or stopped machine. The seeded
//! generator and the digest of workloads are here because the host reckons again
//! what programs draw. No policy and no unsafe code live here.
#![no_std]
#![forbid(unsafe_code)]

pub mod call;
pub mod channel;
pub mod check;
pub mod digest;
pub mod errno;
pub mod exit;
pub mod inspect;
pub mod random;
pub mod record;
pub mod scenario;
pub mod trace;
