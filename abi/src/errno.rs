// SPDX-License-Identifier: Apache-2.0
//! Error numbers, with QNX's values.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Declares the numbers once: the enum, and the way back from a number.
macro_rules! errnos {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// Why a call failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[repr(u16)]
        pub enum Errno {
            $($(#[$doc])* $name = $number,)*
        }

        impl Errno {
            /// Every error.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The error that a negative result stands for.
            #[must_use]
            pub const fn from_status(status: i64) -> Option<Self> {
                match status.wrapping_neg() {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    /// Not allowed.
    EPERM = 1,
    /// No such program.
    ENOENT = 2,
    /// No such thread, process or message.
    ESRCH = 3,
    /// Something else ended the wait.
    EINTR = 4,
    /// The server is ending, and nobody receives.
    ENXIO = 6,
    /// It is no program that can run here.
    ENOEXEC = 8,
    /// No such connection.
    EBADF = 9,
    /// Not now: a limit was reached.
    EAGAIN = 11,
    /// Memory is out.
    ENOMEM = 12,
    /// No right to it.
    EACCES = 13,
    /// An address that the caller gave is not its own.
    EFAULT = 14,
    /// Somebody else has it.
    EBUSY = 16,
    /// An argument makes no sense.
    EINVAL = 22,
    /// The system's table is full.
    ENFILE = 23,
    /// The process's table is full.
    EMFILE = 24,
    /// It would wait for itself.
    EDEADLK = 45,
    /// The operation was aborted by the one who asked for it.
    ECANCELED = 47,
    /// Not supported.
    ENOTSUP = 48,
    /// Its owner ended while it had it.
    EOWNERDEAD = 58,
    /// A size that no number holds.
    EOVERFLOW = 79,
    /// No such call.
    ENOSYS = 89,
    /// The call is to be made again.
    ERESTART = 91,
    /// Time is up.
    ETIMEDOUT = 260,
    /// There is no other node.
    ENOREMOTE = 300,
    /// An address that the server gave is not its own.
    ESRVRFAULT = 312,
}

impl Errno {
    /// The negative number that travels as a status.
    #[must_use]
    pub const fn status(self) -> i64 {
        -(self as i64)
    }
}

/// Its name.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;

    /// QNX's table, as far as its messages need it, and by its names; then what
    /// else calls of ours answer.
    const QNX: &str = "EPERM 1, ESRCH 3, EINTR 4, ENXIO 6, EBADF 9, EAGAIN 11, ENOMEM 12, \
        EACCES 13, EFAULT 14, EBUSY 16, EINVAL 22, ENFILE 23, EMFILE 24, EDEADLK 45, \
        ECANCELED 47, ENOTSUP 48, EOWNERDEAD 58, EOVERFLOW 79, ENOSYS 89, ERESTART 91, \
        ETIMEDOUT 260, ENOREMOTE 300, ESRVRFAULT 312, ENOENT 2, ENOEXEC 8";

    #[test]
    fn the_numbers_are_qnxs() {
        let due = QNX.split(", ").filter_map(|entry| entry.split_once(' '));
        for (name, number) in due.clone() {
            let status = -number.parse::<i64>().unwrap();
            let errno = Errno::from_status(status).unwrap_or_else(|| panic!("no {name}"));
            assert!(alloc::format!("{errno}") == name, "{errno} has the number of {name}");
        }
        assert_eq!(due.count(), Errno::ALL.len());
    }

    #[test]
    fn a_status_leads_back_to_its_error() {
        for &errno in Errno::ALL {
            assert_eq!(Errno::from_status(errno.status()), Some(errno));
        }
        for none in [0, 1, -5, i64::MIN, i64::MAX] {
            assert_eq!(Errno::from_status(none), None, "{none}");
        }
    }
}
