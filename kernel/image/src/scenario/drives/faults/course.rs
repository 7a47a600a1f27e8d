// SPDX-License-Identifier: Apache-2.0
//! The course that a drive goes through: which command comes next.

use alloc::vec::Vec;
use core::ops::Range;

use skimmer_abi::{
    random::{Random, mix},
    record::DriveOperation,
};
use skimmer_nvme::Span;

use super::super::plan::Plan;

/// Blocks of a command at the most.
const MOST_BLOCKS: u64 = 64;

/// The region that is written is so many times smaller than the disk, and has at
/// the most so many blocks.
const REGION: (u64, u64) = (8, 128);

/// The last attempt; the first is 0.
pub(super) const LAST: u32 = 2;

/// One command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) operation: DriveOperation,
    pub(super) first: u64,
    /// None of a flush, which is of the namespace that has the first.
    pub(super) blocks: u64,
    /// 0 as it was planned; 1 a block of it by itself, and 2 the same again.
    pub(super) attempt: u32,
}

/// What is done with a drive, one after the other: nothing is in flight where one
/// ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// All of it is read as it was made.
    Read,
    /// A region is written.
    Write,
    /// All is brought to the medium.
    Flush,
    /// The region is read again.
    ReadBack,
    /// It is read until all drives have come so far.
    ReadOn,
    /// Its slot is turned off.
    Pull,
    /// Nothing more.
    Done,
}

/// Where a drive is in its course.
pub(super) struct Course {
    phase: Phase,
    plan: Plan,
    span: &'static Span,
    seed: u64,
    random: Random,
    /// Namespaces that are to be flushed: a flush is of one (NVM Express Base 2.0,
    /// section 7.1).
    unflushed: Range<usize>,
    /// What failed and is to be tried again.
    again: Vec<Task>,
}

impl Course {
    /// Of a disk.
    pub(super) fn new(span: &'static Span, seed: u64) -> Self {
        let plan = Plan::new(0..span.blocks(), mix(seed), (0, 1), MOST_BLOCKS);
        let random = Random::of(seed, 0);
        let (phase, unflushed, again) = (Phase::Read, 0..0, Vec::new());
        Self { phase, plan, span, seed, random, unflushed, again }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    /// The region that is written.
    pub(super) fn region(&self) -> Range<u64> {
        let (part, most) = REGION;
        let blocks = self.span.blocks();
        let start = blocks / 2;
        start..start + (blocks / part).min(most)
    }

    /// The next command of this phase.
    pub(super) fn next(&mut self, goes_on: bool) -> Option<Task> {
        if let Some(task) = self.again.pop() {
            return Some(task);
        }
        let operation = match self.phase {
            Phase::Read | Phase::ReadBack => DriveOperation::Read,
            Phase::ReadOn if goes_on => return Some(self.any_read()),
            Phase::Write => DriveOperation::Write,
            Phase::Flush => {
                let first = self.unflushed.next().and_then(|number| self.span.start(number))?;
                let operation = DriveOperation::Flush;
                return Some(Task { operation, first, blocks: 0, attempt: 0 });
            }
            Phase::ReadOn | Phase::Pull | Phase::Done => return None,
        };
        let piece = self.plan.next(&mut self.random, self.span)?;
        Some(Task { operation, first: piece.start, blocks: piece.end - piece.start, attempt: 0 })
    }

    /// A read of anything.
    pub(super) fn any_read(&mut self) -> Task {
        let first = self.random.below(self.span.blocks());
        let blocks = 1 + self.random.below(self.span.together(first, MOST_BLOCKS));
        Task { operation: DriveOperation::Read, first, blocks, attempt: 0 }
    }

    /// A command has failed: once more, each block by itself.
    pub(super) fn try_again(&mut self, task: &Task) {
        if task.attempt >= LAST {
            return;
        }
        let attempt = task.attempt + 1;
        let blocks = task.first..task.first + task.blocks;
        if blocks.is_empty() {
            self.again.push(Task { attempt, ..*task });
        }
        self.again.extend(blocks.map(|first| Task { first, blocks: 1, attempt, ..*task }));
    }

    /// Goes to the next phase.
    pub(super) fn go_to(&mut self, phase: Phase) {
        self.phase = phase;
        self.unflushed = 0..if phase == Phase::Flush { self.span.count() } else { 0 };
        let window = match phase {
            Phase::Write | Phase::ReadBack => self.region(),
            _ => 0..0,
        };
        self.plan = Plan::new(window, mix(self.seed ^ phase as u64), (0, 1), MOST_BLOCKS);
    }

    /// Nothing more is begun.
    pub(super) fn stop(&mut self) {
        self.again.clear();
        self.go_to(Phase::Done);
    }
}
