// SPDX-License-Identifier: Apache-2.0
//! Numbers that calls of messages share: QNX's.

/// The bit of an index that says that a connection is outside of the numbers of
/// files (`_NTO_SIDE_CHANNEL`).
pub const SIDE_CHANNEL: u32 = 0x4000_0000;

/// The flag of a connection that a program does not pass on (`COF_CLOEXEC`).
pub const CLOSE_ON_EXEC: u64 = 1;

/// The clock that counts from boot (`CLOCK_MONOTONIC`).
pub const MONOTONIC: u64 = 2;

/// States of a thread, as bits: when a timeout counts.
pub mod states {
    /// It has sent, and was not received.
    pub const SEND: u64 = 1 << 4;
    /// It waits for a message.
    pub const RECEIVE: u64 = 1 << 5;
    /// It was received, and not answered.
    pub const REPLY: u64 = 1 << 6;
    /// All of these.
    pub const ALL: u64 = SEND | RECEIVE | REPLY;
}
