// SPDX-License-Identifier: Apache-2.0
//! What one drive's course has brought to light: the failures, and what may
//! stand on the disk now.

use alloc::vec::Vec;
use core::ops::Range;

use skimmer_abi::record::{DiskWritten, DriveFault, DriveOperation, DriveTold};
use skimmer_nvme::Status;

use super::{
    super::worker::WRITTEN,
    course::{LAST, Task},
};

/// What is told of a drive.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) told: DriveTold,
    pub(super) faults: Vec<DriveFault>,
    pub(super) written: Vec<DiskWritten>,
}

impl Findings {
    pub(super) const fn new(drive: u32) -> Self {
        let told = DriveTold::of(drive);
        Self { told, faults: Vec::new(), written: Vec::new() }
    }

    /// A command that the drive has failed.
    pub(super) fn fail(&mut self, task: &Task, status: Status) {
        let failed = match task.operation {
            DriveOperation::Read => &mut self.told.failed_reads,
            DriveOperation::Write => &mut self.told.failed_writes,
            DriveOperation::Flush => &mut self.told.failed_flushes,
        };
        *failed += 1;
        self.faults.push(DriveFault {
            drive: self.told.drive,
            operation: task.operation,
            status: u16::from(status.code_type) << 8 | u16::from(status.code),
            attempt: task.attempt,
            first: task.first,
            count: task.blocks,
        });
    }

    /// Sorts the failures, and makes one of those of single blocks in a row.
    pub(super) fn tidy(&mut self) {
        self.faults.sort_unstable_by_key(|it| (it.operation, it.attempt, it.status, it.first));
        self.faults.dedup_by(|next, it| {
            let is_alike = (it.operation, it.attempt, it.status)
                == (next.operation, next.attempt, next.status);
            let is_next = (1..=LAST).contains(&it.attempt) && it.first + it.count == next.first;
            let joins = is_alike && is_next && it.count > 0;
            it.count += if joins { next.count } else { 0 };
            joins
        });
    }

    /// Notes which blocks from `start` on were written.
    pub(super) fn note_written(&mut self, start: u64, is_written: &[bool]) {
        let drive = self.told.drive;
        let runs = is_written.chunk_by(|one, next| one == next);
        let mut first = start;
        for run in runs {
            let Range { start, end } = first..first + run.len() as u64;
            if run.first() == Some(&true) {
                let count = end - start;
                self.written.push(DiskWritten { drive, first, count, generation: WRITTEN });
            }
            first = end;
        }
    }
}
