// SPDX-License-Identifier: Apache-2.0
//! The names of the boot scenarios, as they stand on the kernel command line.

use serde::{Deserialize, Serialize};

/// One workload that a boot can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scenario {
    /// One server, a client on every other hart, synchronous round trips.
    Ports,
    /// All harts fill each other's rings at once; nothing may be lost.
    Flood,
    /// Threads of many priorities on each hart: order, wake, exit, reuse.
    Threads,
    /// Servers and clients on all harts, every client to every server, and a
    /// watcher on each hart that must never starve.
    Msgstorm,
    /// Threads of rising priority on one hart, each made ready from another
    /// hart while the one before it runs.
    Preempt,
    /// An interrupt service thread on one hart (`hart=ID`), and alarms of a
    /// real-time clock that must wake it.
    Ist,
    /// Reads of random blocks of all drives, verified, whose interrupts come on
    /// one hart (`hart=ID`).
    NvmeRead,
    /// Every block of all drives, in random order and sizes by all harts at once,
    /// verified; a region is written and flushed.
    NvmeVerify,
    /// All drives go through the same commands, some of which fail, and one may be
    /// pulled (`pull=MASK`): what fails is told, and the rest is right.
    NvmeFaults,
    /// A program, [`Self::Msgstorm`], `kstress` and reads of drives, all at once.
    All,
    /// A program of the boot package, in user mode: `init=NAME` says which, and
    /// `args=A,B,C` what it is given.
    Program,
    /// A deliberate kernel panic: the harness must call it a failure.
    Panic,
    /// A load from address 0, in a thread.
    Fault,
    /// The same with a frame pointer that leads nowhere.
    FaultBadFrame,
    /// A deliberate hang: the watchdog must end it.
    Hang,
    /// Prints a success record, then exits with the wrong status.
    LieRecord,
    /// Exits with the right status, without a record.
    LieStatus,
    /// Writes below a thread's stack: the canary must say so.
    Stomp,
    /// Recurses without end: the guard below the stack must say so.
    Overflow,
}

impl Scenario {
    /// Every scenario, in the order in which help texts list them.
    pub const ALL: &[Self] = &[
        Self::Ports,
        Self::Flood,
        Self::Threads,
        Self::Msgstorm,
        Self::Preempt,
        Self::Ist,
        Self::NvmeRead,
        Self::NvmeVerify,
        Self::NvmeFaults,
        Self::All,
        Self::Program,
        Self::Panic,
        Self::Fault,
        Self::FaultBadFrame,
        Self::Hang,
        Self::LieRecord,
        Self::LieStatus,
        Self::Stomp,
        Self::Overflow,
    ];

    /// The name on the kernel command line: `scenario=NAME`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ports => "ports",
            Self::Flood => "flood",
            Self::Threads => "threads",
            Self::Msgstorm => "msgstorm",
            Self::Preempt => "preempt",
            Self::Ist => "ist",
            Self::NvmeRead => "nvme-read",
            Self::NvmeVerify => "nvme-verify",
            Self::NvmeFaults => "nvme-faults",
            Self::All => "all",
            Self::Program => "program",
            Self::Panic => "panic",
            Self::Fault => "fault",
            Self::FaultBadFrame => "fault-bad-frame",
            Self::Hang => "hang",
            Self::LieRecord => "lie-record",
            Self::LieStatus => "lie-status",
            Self::Stomp => "stomp",
            Self::Overflow => "overflow",
        }
    }

    /// The scenario of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }
}
