// SPDX-License-Identifier: Apache-2.0
//! How the machine ends: the status that leaves it beside the result record.
//!
//! QEMU exits with 0 for many endings that are nobody's success (a signal, a
//! closed monitor, an SBI reset with a failure reason), so success is a number
//! that nothing else gives. The status leaves through the `sifive_test` device
//! where the device tree names one.

/// Why the guest ended the machine. The number is QEMU's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// The scenario ran and verified its own work.
    Success = 85,
    /// The scenario ran and found something wrong.
    Failure = 86,
    /// The kernel panicked.
    Panic = 87,
    /// The machine or the command line asked for something that cannot be done.
    BadInput = 88,
}

impl ExitStatus {
    /// The status that a process exit code stands for, if the guest gave it.
    #[must_use]
    pub const fn from_code(code: i32) -> Option<Self> {
        match code {
            85 => Some(Self::Success),
            86 => Some(Self::Failure),
            87 => Some(Self::Panic),
            88 => Some(Self::BadInput),
            _ => None,
        }
    }
}
