// SPDX-License-Identifier: Apache-2.0
//! Boots with drives: those of several namespaces, and such that fail as they were
//! asked to, among them.

use skimmer_abi::scenario::Scenario;

use super::scenarios::{Case, PORTS, interrupts_on};
use crate::boot::Booted;
use crate::evidence::file;
use crate::schedule::Schedule;
use crate::verdict::Kind;

/// Drives of every kind of failure beside one that has none.
const FAULTS: Case = Case {
    name: "nvme-faults",
    scenario: Scenario::NvmeFaults,
    disks: &[
        "8M,write",
        "1M,fails=read@3,fails-once=read@1500,fails=read@2047",
        "1M,blocks=4096,root-port,write,fails=write@130,fails-once=write@150,fails-once=flush",
        "1M,write,full-after=2",
        "256K,write,dies-after=10",
        "1M,root-port,write,pulled",
    ],
    ..PORTS
};

/// Every such boot.
pub const CASES: &[Case] = &[
    Case {
        name: "nvme-read",
        scenario: Scenario::NvmeRead,
        disks: &["32M"],
        check: |booted| interrupts_on(booted, 3) > Some(0),
        ..PORTS
    },
    Case {
        name: "nvme-read-two-drives-rr",
        scenario: Scenario::NvmeRead,
        harts: 2,
        schedule: Schedule::Rr(0),
        disks: &["16M", "16M,blocks=4096,root-port"],
        rounds: Some(3000),
        check: |booted| interrupts_on(booted, 0) > Some(0),
        ..PORTS
    },
    // The host looks at what was written.
    Case {
        name: "nvme-verify",
        scenario: Scenario::NvmeVerify,
        disks: &["32M,write", "16M,blocks=4096,root-port,write"],
        check: |booted| booted.disks.len() == 2,
        ..PORTS
    },
    Case {
        name: "all",
        scenario: Scenario::All,
        rounds: Some(5),
        append: &["reads=3000"],
        disks: &["32M"],
        ..PORTS
    },
    Case {
        name: "all-rr",
        scenario: Scenario::All,
        schedule: Schedule::Rr(0),
        rounds: Some(2),
        append: &["reads=3000"],
        disks: &["16M"],
        ..PORTS
    },
    Case {
        name: "nvme-read-without-a-drive",
        scenario: Scenario::NvmeRead,
        expect: Some(Kind::BadInput),
        evidence: &[(file::CONSOLE, "no NVMe drive … needs a test disk")],
        ..PORTS
    },
    Case {
        name: "nvme-verify-without-a-drive",
        scenario: Scenario::NvmeVerify,
        expect: Some(Kind::BadInput),
        evidence: &[(file::CONSOLE, "no NVMe drive … needs a test disk")],
        ..PORTS
    },
    Case {
        name: "all-without-a-drive",
        scenario: Scenario::All,
        expect: Some(Kind::BadInput),
        evidence: &[(file::CONSOLE, "no NVMe drive … needs a test disk")],
        ..PORTS
    },
    Case {
        name: "nvme-read-64-harts",
        scenario: Scenario::NvmeRead,
        harts: 64,
        disks: &["16M"],
        rounds: Some(2000),
        ..PORTS
    },
    // Blocks on both sides of every boundary, and all that was written.
    Case {
        name: "nvme-read-namespaces",
        scenario: Scenario::NvmeRead,
        disks: &["4M,namespaces=3", "2M,blocks=4096,namespaces=4,root-port"],
        rounds: Some(4000),
        evidence: &[(file::CONSOLE, "namespace 3: … namespace 4: 205 blocks of 4096 bytes")],
        ..PORTS
    },
    Case {
        name: "nvme-verify-namespaces",
        scenario: Scenario::NvmeVerify,
        disks: &["16M,namespaces=3,write", "8M,blocks=4096,namespaces=3,root-port,write"],
        check: |booted| booted.disks.iter().filter(|disk| disk.written > 0).count() == 2,
        ..PORTS
    },
    Case {
        name: "nvme-faults-namespaces",
        disks: &[
            "8M,namespaces=3,write",
            "1M,namespaces=2,fails=read@3,fails-once=read@1500,fails=read@2047",
            "1M,blocks=4096,namespaces=3,root-port,write,fails=write@129,fails-once=flush",
            "1M,namespaces=3,write,full-after=2",
            "256K,namespaces=3,write,dies-after=10",
            "1M,namespaces=3,root-port,write,pulled",
        ],
        ..FAULTS
    },
    FAULTS,
    Case { name: "nvme-faults-1-hart", harts: 1, ..FAULTS },
    Case { name: "nvme-faults-4-harts", harts: 4, ..FAULTS },
    Case { name: "nvme-faults-rr", schedule: Schedule::Rr(0), ..FAULTS },
    Case { name: "nvme-faults-rr-1-hart", harts: 1, schedule: Schedule::Rr(0), ..FAULTS },
    Case { name: "nvme-faults-rr-4-harts", harts: 4, schedule: Schedule::Rr(0), ..FAULTS },
    // Whatever they are asked to do, these do not.
    Case {
        name: "nvme-faults-of-everything",
        harts: 2,
        disks: &[
            "4M,write",
            "128K,fails=read",
            "128K,write,full,fails=flush",
            "128K,write,fails=write",
            "128K,write,dies-after=0",
        ],
        ..FAULTS
    },
    Case {
        name: "nvme-faults-pulled-beside-its-like",
        disks: &[
            "4M,root-port,write",
            "512K,root-port,pulled",
            "512K,blocks=4096,root-port,pulled",
        ],
        ..FAULTS
    },
    // Block 5 is never written: what was to fail did not, and that is no pass.
    Case {
        name: "nvme-faults-that-do-not-come",
        disks: &["2M,write", "1M,write,fails-once=write@5"],
        expect: Some(Kind::NumbersWrong),
        check: |booted| blames(booted, "write of block 5 did not fail once"),
        ..FAULTS
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
        schedule: Schedule::Rr(0),
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

/// Whether a problem of the verdict is that.
fn blames(booted: &Booted, what: &str) -> bool {
    booted.verdict.problems.iter().any(|problem| problem.what.contains(what))
}

/// Whether the guest wrote nothing, and the host found that it did not.
fn is_as_made(booted: &Booted) -> bool {
    booted.disks.iter().all(|disk| (disk.written, disk.wrong) == (0, 0)) && !booted.disks.is_empty()
}
