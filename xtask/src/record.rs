// SPDX-License-Identifier: Apache-2.0
//! Result records as the host keeps them: the same as in `skimmer_abi`, but
//! owning their texts, so that they outlive the console line.

use serde::{Deserialize, Serialize};
pub use skimmer_abi::call::Counts;
use skimmer_abi::record as abi;
pub use skimmer_abi::record::{
    Beside, DiskWritten, DriveFault, DriveOperation, DriveTold, Drives, Exchanged, Interrupts,
    Latency, OffTimes, Outcome, Programs, Shortage, SkipReason,
};
use skimmer_abi::scenario::Scenario;

/// The machine state of a panic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicInfo {
    /// The hart's id in the machine.
    pub hartid: u64,
    /// What went wrong.
    pub message: String,
    /// Source file, or empty.
    pub file: String,
    /// Source line.
    pub line: u32,
    /// `scause`, if a trap was the cause.
    pub scause: Option<u64>,
    /// Where it happened.
    pub pc: u64,
    /// `stval`.
    pub stval: u64,
    /// Return addresses, innermost first.
    pub frames: Vec<u64>,
}

/// A fault that ended a program's process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultInfo {
    /// The process.
    pub pid: u64,
    /// The thread, as its process knows it.
    pub thread: u64,
    /// The program's name.
    pub program: String,
    /// What was added to the addresses of the program's file.
    pub base: u64,
    /// `scause`.
    pub scause: u64,
    /// Where it happened.
    pub pc: u64,
    /// `stval`.
    pub stval: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The register with the return address, less `base`.
    pub ra: u64,
    /// Return addresses, innermost first, less `base`.
    pub frames: Vec<u64>,
}

/// What became of a case that a program has tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseTold {
    /// Its name.
    pub name: String,
    /// The clause of the specification that it is about.
    pub clause: String,
    /// What was seen that should not be; empty if it holds.
    pub seen: String,
    /// Who takes part in it was on two harts.
    pub is_apart: bool,
    /// Whether it holds.
    pub holds: bool,
    /// What was counted in it: observations, or what the case is about.
    pub count: u64,
    /// What that is held against; 0 where it is nothing.
    pub beside: u64,
}

/// What the guest told the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "a boot has a few dozen, and one of the largest")]
pub enum Record {
    /// The kernel found its device tree and starts the harts.
    Boot {
        /// The kernel's version.
        version: String,
        /// The hart that booted.
        boot_hart: u64,
        /// Usable harts.
        harts: u32,
        /// Usable memory in bytes.
        memory: u64,
        /// Memory that the rings take, in bytes.
        ring_bytes: u64,
        /// SBI implementation id and version.
        sbi: (u64, u64),
        /// The seed of this boot.
        seed: u64,
    },
    /// A hart of the device tree is not used.
    HartSkipped {
        /// Its id.
        hartid: u64,
        /// Why.
        reason: SkipReason,
    },
    /// A hart did not start.
    HartFailed {
        /// Its id.
        hartid: u64,
        /// The SBI error.
        error: i64,
    },
    /// A hart runs its idle thread.
    HartUp {
        /// Its id in the machine.
        hartid: u64,
        /// Its place among the harts in use.
        index: u32,
    },
    /// The scenario begins.
    Start {
        /// Which.
        scenario: Scenario,
        /// Harts that take part.
        harts: u32,
        /// Client threads.
        clients: u32,
        /// Round trips asked for.
        rounds: u64,
    },
    /// What something costs, as a program measured it.
    Figure {
        /// Of what.
        name: String,
        /// Operations that were measured.
        operations: u64,
        /// Instructions that they took together.
        instructions: u64,
        /// What the kernel counted meanwhile.
        counts: Option<Counts>,
    },
    /// What became of a case that a program has tried.
    Case(CaseTold),
    /// A program's process ended by a fault.
    Fault(FaultInfo),
    /// The first check of the scenario that failed.
    CheckFailed {
        /// What should have held.
        name: String,
    },
    /// How much memory was refused on purpose.
    Shortage(Shortage),
    /// Blocks of a test disk that the guest has written.
    DiskWritten(DiskWritten),
    /// Commands that a drive has failed.
    DriveFault(DriveFault),
    /// What came of a drive that may fail.
    DriveTold(DriveTold),
    /// The scenario ended by itself.
    End(Outcome),
    /// What was asked for cannot be done.
    BadInput {
        /// What is wrong.
        message: String,
    },
    /// The kernel panicked.
    Panic(PanicInfo),
}

impl From<&abi::PanicInfo<'_>> for PanicInfo {
    fn from(info: &abi::PanicInfo<'_>) -> Self {
        let depth = usize::from(info.depth).min(info.frames.len());
        Self {
            hartid: info.hartid,
            message: info.message.to_owned(),
            file: info.file.to_owned(),
            line: info.line,
            scause: info.scause,
            pc: info.pc,
            stval: info.stval,
            frames: info.frames[..depth].to_vec(),
        }
    }
}

impl From<&abi::FaultInfo<'_>> for FaultInfo {
    fn from(info: &abi::FaultInfo<'_>) -> Self {
        let depth = usize::from(info.depth).min(info.frames.len());
        Self {
            pid: info.pid,
            thread: info.thread,
            program: info.program.to_owned(),
            base: info.base,
            scause: info.scause,
            pc: info.pc,
            stval: info.stval,
            sp: info.sp,
            ra: info.ra,
            frames: info.frames[..depth].to_vec(),
        }
    }
}

impl From<&abi::CaseTold<'_>> for CaseTold {
    fn from(told: &abi::CaseTold<'_>) -> Self {
        let abi::CaseTold { name, clause, seen, is_apart, holds, count, beside } = *told;
        let [name, clause, seen] = [name, clause, seen].map(ToOwned::to_owned);
        Self { name, clause, seen, is_apart, holds, count, beside }
    }
}

impl From<&abi::Record<'_>> for Record {
    fn from(record: &abi::Record<'_>) -> Self {
        match *record {
            abi::Record::Boot { version, boot_hart, harts, memory, ring_bytes, sbi, seed } => {
                let version = version.to_owned();
                Self::Boot { version, boot_hart, harts, memory, ring_bytes, sbi, seed }
            }
            abi::Record::HartSkipped { hartid, reason } => Self::HartSkipped { hartid, reason },
            abi::Record::HartFailed { hartid, error } => Self::HartFailed { hartid, error },
            abi::Record::HartUp { hartid, index } => Self::HartUp { hartid, index },
            abi::Record::Start { scenario, harts, clients, rounds } => {
                Self::Start { scenario, harts, clients, rounds }
            }
            abi::Record::Figure { name, operations, instructions, counts } => {
                Self::Figure { name: name.to_owned(), operations, instructions, counts }
            }
            abi::Record::Case(ref told) => Self::Case(told.into()),
            abi::Record::Fault(ref info) => Self::Fault(info.into()),
            abi::Record::CheckFailed { name } => Self::CheckFailed { name: name.to_owned() },
            abi::Record::Shortage(shortage) => Self::Shortage(shortage),
            abi::Record::DiskWritten(written) => Self::DiskWritten(written),
            abi::Record::DriveFault(fault) => Self::DriveFault(fault),
            abi::Record::DriveTold(told) => Self::DriveTold(told),
            abi::Record::End(outcome) => Self::End(outcome),
            abi::Record::BadInput { message } => Self::BadInput { message: message.to_owned() },
            abi::Record::Panic(ref info) => Self::Panic(info.into()),
        }
    }
}
