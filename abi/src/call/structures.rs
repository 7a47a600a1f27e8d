// SPDX-License-Identifier: Apache-2.0
//! What calls pass through memory, and what a program finds when it starts.

use serde::{Deserialize, Serialize};

use super::words::{Words, structures};
use crate::check::Check;

structures! {
    /// What [`Call::ProcessSpawn`](super::Call::ProcessSpawn) is told.
    struct Spawn: 64 {
        /// Address of the program's name in the boot package.
        name: u64 = 0,
        /// Bytes of it.
        name_length: u64 = 8,
        /// Address of the arguments: each ends with a NUL. The program's name is
        /// none of them.
        arguments: u64 = 16,
        /// Bytes of them.
        arguments_length: u64 = 24,
        /// Address of the environment: texts `KEY=value`, each ends with a NUL.
        environment: u64 = 32,
        /// Bytes of it.
        environment_length: u64 = 40,
        /// Priority of the first thread, and the highest that the process may
        /// have; 0 for the caller's. Not above the caller's highest.
        priority: u64 = 48,
        /// The hart of the first thread plus one; 0 for whatever the kernel likes.
        hart: u64 = 56,
    }

    /// How a process ended, from [`Call::ProcessWait`](super::Call::ProcessWait).
    struct Exit: 32 {
        /// One of [`ended`].
        how: u64 = 0,
        /// The status that it gave; or `scause` of its fault.
        status: i64 = 8,
        /// The address that it failed at (`stval`), else 0.
        address: u64 = 16,
        /// The instruction that failed (`sepc`), else 0.
        pc: u64 = 24,
    }

    /// What a workload vouches for, to [`Call::Report`](super::Call::Report).
    struct Report: 32 {
        /// Units of work that it verified.
        verified: u64 = 0,
        /// Checks that failed.
        errors: u64 = 8,
        /// A digest of what it did, the same for the same seed.
        digest: u64 = 16,
        /// The number of the first [`Check`] that failed, if it is one with a name;
        /// 0 for none.
        failed: u64 = 24,
    }

    /// What something costs, to [`Call::Figure`](super::Call::Figure).
    struct Figure: 88 {
        /// Address of its name.
        name: u64 = 0,
        /// Bytes of it, at most [`MOST_FIGURE_NAME`].
        name_length: u64 = 8,
        /// How many operations were measured.
        operations: u64 = 16,
        /// Instructions that they took together.
        instructions: u64 = 24,
        /// 1 if `counts` was counted, else 0.
        is_counted: u64 = 32,
        /// What the kernel counted meanwhile.
        counts: Counts = 40,
    }

    /// What became of a case, to [`Call::Verdict`](super::Call::Verdict).
    struct Verdict: 80 {
        /// Address of its name.
        name: u64 = 0,
        /// Bytes of it; of each of the texts at most [`MOST_VERDICT_TEXT`].
        name_length: u64 = 8,
        /// Address of the clause of the specification that it is about.
        clause: u64 = 16,
        /// Bytes of it.
        clause_length: u64 = 24,
        /// Address of what was seen that should not be.
        seen: u64 = 32,
        /// Bytes of it; 0 if the case holds.
        seen_length: u64 = 40,
        /// 1 if who takes part in it was on two harts, else 0.
        is_apart: u64 = 48,
        /// 1 if it holds, else 0.
        holds: u64 = 56,
        /// What was counted in it: observations, or what the case is about.
        count: u64 = 64,
        /// What that is held against; 0 where it is nothing.
        beside: u64 = 72,
    }

    /// What the kernel counts over all harts, from [`Call::Counts`](super::Call::Counts).
    #[derive(Serialize, Deserialize)]
    struct Counts: 48 {
        /// `sfence.vma` instructions.
        fences: u64 = 0,
        /// Writes to satp.
        satp_writes: u64 = 8,
        /// Locks that were taken.
        locks: u64 = 16,
        /// Of those, how many were not free at once.
        lock_waits: u64 = 24,
        /// Doorbells that were rung.
        doorbells: u64 = 32,
        /// Steps of the counter `instret` in calls of firmware.
        firmware: u64 = 40,
    }

    /// What a process holds, from [`Call::ProcessHoldings`](super::Call::ProcessHoldings).
    struct Holdings: 56 {
        /// Threads that have not ended.
        threads: u64 = 0,
        /// Channels.
        channels: u64 = 8,
        /// Channels that it ever created.
        channels_created: u64 = 16,
        /// Channels that it ever destroyed.
        channels_destroyed: u64 = 24,
        /// Frames of memory, page tables included.
        frames: u64 = 32,
        /// What it counts for with all processes that come from it, in frames: their
        /// memory, and the kernel's that is there because of them.
        family_frames: u64 = 40,
        /// The most of that.
        family_limit: u64 = 48,
    }

    /// What [`Call::ThreadCreate`](super::Call::ThreadCreate) is told.
    struct NewThread: 40 {
        /// Where it begins, with `argument` in a0.
        entry: u64 = 0,
        /// What it finds in a0.
        argument: u64 = 8,
        /// Bytes of stack, below which the kernel leaves pages that are never
        /// mapped; 0 for [`USUAL_STACK`].
        stack: u64 = 16,
        /// Its priority; 0 for the caller's.
        priority: u64 = 24,
        /// Its hart plus one; 0 for whatever the kernel likes.
        hart: u64 = 32,
    }

    /// Who has sent a message, from [`Call::MsgInfo`](super::Call::MsgInfo).
    struct MsgInfo: 104 {
        /// The client's node: 0.
        nd: u64 = 0,
        /// This node as the client sees it: 0.
        srcnd: u64 = 8,
        /// The client's process.
        pid: u64 = 16,
        /// The client's thread.
        tid: u64 = 24,
        /// The channel that it was received at.
        chid: u64 = 32,
        /// The client's process at that channel.
        scoid: u64 = 40,
        /// The client's connection.
        coid: u64 = 48,
        /// The client's priority as it sent, or was given since.
        priority: u64 = 56,
        /// None so far.
        flags: u64 = 64,
        /// Bytes that were received.
        msglen: u64 = 72,
        /// Bytes that the client has sent.
        srcmsglen: u64 = 80,
        /// Bytes that the client has room for.
        dstmsglen: u64 = 88,
        /// 0.
        type_id: u64 = 96,
    }

    /// What a program's first thread finds in a0: the address of this.
    struct Start: 48 {
        /// Where the program was placed: what is added to its link addresses.
        bias: u64 = 0,
        /// Address of the arguments: each ends with a NUL.
        arguments: u64 = 8,
        /// Bytes of them.
        arguments_length: u64 = 16,
        /// Address of the environment: each ends with a NUL.
        environment: u64 = 24,
        /// Bytes of it.
        environment_length: u64 = 32,
        /// Harts of the machine that threads can be put on.
        harts: u64 = 40,
    }
}

/// Values of [`Exit::how`].
pub mod ended {
    /// It said so itself.
    pub const EXITED: u64 = 0;
    /// A fault ended it.
    pub const FAULTED: u64 = 1;
    /// Somebody killed it.
    pub const KILLED: u64 = 2;
}

impl Report {
    /// Counts a check that has a name, if it failed.
    pub const fn check(&mut self, check: Check, holds: bool) {
        if !holds {
            self.add(&Self { verified: 0, errors: 1, digest: 0, failed: check as u64 });
        }
    }

    /// Adds what somebody else vouches for, wrapping.
    pub const fn add(&mut self, other: &Self) {
        self.verified = self.verified.wrapping_add(other.verified);
        self.errors = self.errors.wrapping_add(other.errors);
        self.digest = self.digest.wrapping_add(other.digest);
        if self.failed == 0 {
            self.failed = other.failed;
        }
    }
}

impl Counts {
    /// What was counted since `before`.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            fences: self.fences.wrapping_sub(before.fences),
            satp_writes: self.satp_writes.wrapping_sub(before.satp_writes),
            locks: self.locks.wrapping_sub(before.locks),
            lock_waits: self.lock_waits.wrapping_sub(before.lock_waits),
            doorbells: self.doorbells.wrapping_sub(before.doorbells),
            firmware: self.firmware.wrapping_sub(before.firmware),
        }
    }

    /// How much more it is than `other`; nothing where it is less.
    #[must_use]
    pub const fn more_than(&self, other: &Self) -> Self {
        Self {
            fences: self.fences.saturating_sub(other.fences),
            satp_writes: self.satp_writes.saturating_sub(other.satp_writes),
            locks: self.locks.saturating_sub(other.locks),
            lock_waits: self.lock_waits.saturating_sub(other.lock_waits),
            doorbells: self.doorbells.saturating_sub(other.doorbells),
            firmware: self.firmware.saturating_sub(other.firmware),
        }
    }
}

/// The longest name of a figure, in bytes.
pub const MOST_FIGURE_NAME: u64 = 64;

/// The longest text of a verdict, in bytes.
pub const MOST_VERDICT_TEXT: u64 = 120;

/// Bytes of stack of a thread that does not say.
pub const USUAL_STACK: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each word lands in a field of its own, and comes back from there.
    macro_rules! all_words_come_back {
        ($($name:ident)*) => {$({
            let words = core::array::from_fn(|place| u64::MAX - place as u64);
            let made = $name::from_words(words);
            assert_eq!(made.to_words(), words, "{made:?}");
            assert_eq!($name::from_words([0; $name::WORDS]), $name::default());
        })*};
    }

    #[test]
    fn words_lead_back_to_their_structures() {
        all_words_come_back!(Spawn Exit Report Figure Verdict Counts Holdings NewThread MsgInfo Start);
    }

    #[test]
    fn words_are_in_the_order_of_memory() {
        let counts = Counts { fences: 6, firmware: 11, ..Counts::default() };
        let figure = Figure { name: 1, is_counted: 5, counts, ..Figure::default() };
        assert_eq!(figure.to_words(), [1, 0, 0, 0, 5, 6, 0, 0, 0, 0, 11]);
        let exit = Exit { how: ended::EXITED, status: -2, address: 3, pc: 4 };
        assert_eq!(exit.to_words(), [0, u64::MAX - 1, 3, 4]);
        assert_eq!(Exit::from_words([0, u64::MAX - 1, 3, 4]), exit);
    }
}
