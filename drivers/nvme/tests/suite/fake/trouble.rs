// SPDX-License-Identifier: Apache-2.0
//! What a command of I/O can run into.

/// One misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Done, and never completed: not even by Abort.
    Lost,
    /// Not done before it is aborted.
    Held,
    /// Fails with this status field (bits 31:17 of dword 3).
    Fails(u16),
    /// Completed under another identifier, whose bits differ in these.
    WrongId(u16),
    /// Completed twice.
    Twice,
    /// Completed once more as the command that ended so many before it.
    Stale(usize),
    /// Completed by an entry whose phase tag is that of the last pass.
    WrongPhase,
    /// Completed in the name of another queue.
    WrongQueue,
    /// Completed with a head beyond the queue.
    BadHead,
    /// The controller goes into its fatal state.
    Fatal,
    /// The drive goes away.
    Gone,
}
