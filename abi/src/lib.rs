// SPDX-License-Identifier: Apache-2.0
//! What kernel, programs and host tools agree on: system calls, their errors and
//! flags, result records, the names of the scenarios, exit statuses, and the
//! layouts that the host reads out of a running or stopped machine. The seeded
//! generator, the digest of workloads and the content of test disks are here because
//! the host reckons again what the guest draws, reads and writes. No policy and no unsafe code live here.
#![no_std]
#![forbid(unsafe_code)]

pub mod call;
pub mod channel;
pub mod check;
pub mod digest;
pub mod disk;
pub mod errno;
pub mod exit;
pub mod inspect;
pub mod message;
pub mod random;
pub mod record;
pub mod scenario;
pub mod trace;
