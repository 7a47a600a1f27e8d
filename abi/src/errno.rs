// SPDX-License-Identifier: Apache-2.0
//! Error numbers, with QNX's values.

use serde::{Deserialize, Serialize};

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u16)]
pub enum Errno {
    /// No such thread, process or message.
    ESRCH = 3,
    /// Not now: a limit was reached.
    EAGAIN = 11,
    /// Memory is out.
    ENOMEM = 12,
    /// There is one already.
    EBUSY = 16,
    /// An argument makes no sense.
    EINVAL = 22,
    /// The operation was aborted by the one who asked for it.
    ECANCELED = 47,
}

impl Errno {
    /// The negative number that travels as a status.
    #[must_use]
    pub const fn status(self) -> i64 {
        -(self as i64)
    }
}
