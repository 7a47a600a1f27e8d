// SPDX-License-Identifier: Apache-2.0
//! The status that a completion carries (section 3.3.3.2.1), as a cause.

use core::fmt;

/// How a command failed, as the controller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Status Code Type.
    pub code_type: u8,
    /// Status Code within that type.
    pub code: u8,
    /// Do Not Retry: the same command would fail again.
    pub do_not_retry: bool,
}

/// What a [`Status`] means, as far as anybody would act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The command was not well formed: a bug of the driver's.
    Invalid,
    /// Data did not get across the bus.
    Transfer,
    /// The controller failed inside.
    Internal,
    /// Aborted, because the host or the end of its queue wanted so.
    Aborted,
    /// Blocks outside of the namespace, or more than it has capacity for.
    OutOfRange,
    /// The namespace is not ready or not there.
    NotReady,
    /// The namespace may not be written.
    ReadOnly,
    /// The medium could not be written.
    WriteFault,
    /// The medium could not be read.
    ReadError,
    /// Access denied.
    Denied,
    /// The path to the controller.
    Path,
    /// Anything else.
    Other,
}

impl Status {
    /// From bits 31:17 of the completion's last dword, shifted down; `None`
    /// is success.
    #[must_use]
    pub const fn from_field(field: u16) -> Option<Self> {
        let code = (field & 0xff) as u8;
        let code_type = ((field >> 8) & 7) as u8;
        if code == 0 && code_type == 0 {
            return None;
        }
        Some(Self { code_type, code, do_not_retry: field & (1 << 14) != 0 })
    }

    /// What it means. Codes as in section 3.3.3.2.1 ("Generic Command
    /// Status", "Media and Data Integrity Errors").
    #[must_use]
    pub const fn cause(self) -> Cause {
        match (self.code_type, self.code) {
            (0, 0x01..=0x03 | 0x0c | 0x0d..=0x13) => Cause::Invalid,
            (0, 0x04) => Cause::Transfer,
            (0, 0x06) => Cause::Internal,
            (0, 0x05 | 0x07..=0x0a | 0x1b) => Cause::Aborted,
            (0, 0x0b | 0x82) => Cause::NotReady,
            (0, 0x20) => Cause::ReadOnly,
            (0, 0x80 | 0x81) => Cause::OutOfRange,
            (1, 0x82) => Cause::ReadOnly,
            (2, 0x80) => Cause::WriteFault,
            (2, 0x81..=0x85 | 0x87) => Cause::ReadError,
            (2, 0x86) => Cause::Denied,
            (3, _) => Cause::Path,
            _ => Cause::Other,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (type {}, code {:#04x})", self.cause(), self.code_type, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_no_status_whatever_else_is_set() {
        assert_eq!(Status::from_field(0), None);
        assert_eq!(Status::from_field(1 << 14), None);
    }

    #[test]
    fn type_code_and_retry_are_taken_apart() {
        let status = Status::from_field((1 << 14) | (2 << 8) | 0x81);
        let expected = Status { code_type: 2, code: 0x81, do_not_retry: true };
        assert_eq!(status, Some(expected));
        assert_eq!(expected.cause(), Cause::ReadError);
    }
}
