// SPDX-License-Identifier: Apache-2.0
//! The entries of the queues: a command on its way (section 3.3.3.1) and its
//! completion on the way back (section 3.3.3.2).

use crate::status::Status;

/// Bytes of a submission queue entry.
pub(crate) const SUBMISSION_BYTES: usize = 64;
/// Bytes of a completion queue entry.
pub(crate) const COMPLETION_BYTES: usize = 16;

/// The phase tag in a completion's last dword (section 3.3.3.2.1).
pub(crate) const PHASE: u32 = 1 << 16;

/// A command without its identifier; dwords that no command here uses are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Submission {
    /// Opcode (dword 0, bits 7:0).
    pub(crate) opcode: u8,
    /// Namespace (dword 1).
    pub(crate) namespace: u32,
    /// First PRP entry (dwords 6 and 7).
    pub(crate) prp1: u64,
    /// Second PRP entry or PRP list (dwords 8 and 9).
    pub(crate) prp2: u64,
    /// Dword 10.
    pub(crate) dword10: u32,
    /// Dword 11.
    pub(crate) dword11: u32,
    /// Dword 12.
    pub(crate) dword12: u32,
}

impl Submission {
    /// The entry's dwords under the identifier `id`. PRPs, no fused operation
    /// (dword 0, bits 15:8 are 0).
    pub(crate) const fn dwords(&self, id: u16) -> [u32; SUBMISSION_BYTES / 4] {
        let dword0 = self.opcode as u32 | ((id as u32) << 16);
        let (low1, high1) = (self.prp1 as u32, (self.prp1 >> 32) as u32);
        let (low2, high2) = (self.prp2 as u32, (self.prp2 >> 32) as u32);
        let (ten, eleven, twelve) = (self.dword10, self.dword11, self.dword12);
        [dword0, self.namespace, 0, 0, 0, 0, low1, high1, low2, high2, ten, eleven, twelve, 0, 0, 0]
    }
}

/// A completion as the drive wrote it: every field is its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    /// Dword 0: what the command is about.
    pub(crate) result: u32,
    /// SQHD: how far the drive has read the submission queue.
    pub(crate) head: u16,
    /// SQID: which submission queue the command came from.
    pub(crate) queue: u16,
    /// CID.
    pub(crate) id: u16,
    /// How it failed, or `None`.
    pub(crate) failure: Option<Status>,
}

impl Completed {
    /// From dwords 0, 2 and 3.
    pub(crate) const fn from_dwords(zero: u32, two: u32, three: u32) -> Self {
        Self {
            result: zero,
            head: two as u16,
            queue: (two >> 16) as u16,
            id: three as u16,
            failure: Status::from_field((three >> 17) as u16),
        }
    }
}
