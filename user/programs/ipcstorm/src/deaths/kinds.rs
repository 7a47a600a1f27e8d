// SPDX-License-Identifier: Apache-2.0
//! How calls ended, counted.

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With an answer.
    Answered,
    /// With the error that the server gave.
    Refused,
    /// The server died, or destroyed the channel, while it waited.
    Died,
    /// The server's channel was gone before.
    Gone,
    /// The connection was given up while it waited.
    Detached,
    /// Its time was up.
    TimedOut,
    /// The server was ending.
    Ending,
}

impl Kind {
    /// Each, with the name of its figure.
    pub(crate) const ALL: [(Self, &str); 7] = [
        (Self::Answered, "ipcstorm/answered"),
        (Self::Refused, "ipcstorm/refused"),
        (Self::Died, "ipcstorm/server died or destroyed the channel"),
        (Self::Gone, "ipcstorm/channel was gone"),
        (Self::Detached, "ipcstorm/detached meanwhile"),
        (Self::TimedOut, "ipcstorm/timed out"),
        (Self::Ending, "ipcstorm/server was ending"),
    ];
}
