// SPDX-License-Identifier: Apache-2.0
//! Boots with drives that fail as they were asked to.

use skimmer_abi::scenario::Scenario;

use super::scenarios::{Case, PORTS};
use crate::boot::Booted;
use crate::verdict::Kind;

/// Every such boot.
pub const CASES: &[Case] = &[
    Case {
        name: "nvme-read-64-harts",
        scenario: Scenario::NvmeRead,
        harts: 64,
        disks: &["16M"],
        rounds: Some(2000),
        ..PORTS
    },
    // A scenario that expects no errors says so of them, and ends.
    Case {
        name: "nvme-read-of-a-bad-block",
        scenario: Scenario::NvmeRead,
        disks: &["16M", "1M,fails=read@77"],
        expect: Some(Kind::GuestErrors),
        ..PORTS
    },
    Case {
        name: "nvme-read-of-a-drive-that-dies",
        scenario: Scenario::NvmeRead,
        schedule: crate::schedule::Schedule::Rr(0),
        disks: &["16M", "1M,dies-after=100"],
        expect: Some(Kind::GuestErrors),
        ..PORTS
    },
    // What was read wrong is not written over: nothing is wrong on the disk.
    Case {
        name: "nvme-verify-of-a-bad-block",
        scenario: Scenario::NvmeVerify,
        disks: &["16M,write,fails=read@77"],
        expect: Some(Kind::GuestErrors),
        check: is_as_made,
        ..PORTS
    },
];

/// Whether the guest wrote nothing, and the host found that it did not.
fn is_as_made(booted: &Booted) -> bool {
    booted.disks.iter().all(|disk| (disk.written, disk.wrong) == (0, 0)) && !booted.disks.is_empty()
}
