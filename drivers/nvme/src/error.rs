// SPDX-License-Identifier: Apache-2.0
//! Why something did not work: by whose fault, and whether the drive is left.

use core::fmt;

use crate::status::Status;

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The drive is no longer there: its registers read as all ones.
    Gone,
    /// The controller reports that it cannot go on (CSTS.CFS).
    Fatal,
    /// CSTS.RDY did not follow CC.EN within CAP.TO. A controller that does not
    /// stop was cut off from memory.
    NotReady,
    /// It does not stop, or is gone, and nothing says that it reaches no memory:
    /// what it knows of is kept for ever.
    AtLarge,
    /// A command was not completed in time, nor after a reset and retries.
    TimedOut,
    /// The controller completed the command, and says that it failed.
    Failed(Status),
    /// What the controller says of itself cannot be true.
    Garbage(Field),
    /// It is true, and nothing that this driver can use.
    Unsupported(Unsupported),
    /// After a reset it is another drive, or has other namespaces.
    Changed,
    /// The controller was shut down.
    Stopped,
    /// There is no memory for it.
    NoMemory,
    /// As many commands are in flight as the queue holds: take some and retry.
    Full,
    /// The caller asked for what cannot be.
    Misuse(Misuse),
}

/// What the controller said that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// CAP: queues of fewer than two entries.
    QueueEntries,
    /// Doorbells outside of the registers (CAP.DSTRD).
    Doorbells,
    /// Identify Controller: entry sizes other than 64 and 16 bytes, or minimum above maximum.
    EntrySizes,
    /// Identify Controller: a transfer size below one page.
    TransferSize,
    /// Active Namespace ID list: not ascending, or above NN.
    NamespaceList,
    /// Identify Namespace: the format in use is not among the formats.
    Format,
    /// Identify Namespace: more blocks than bytes can be counted, or capacity above size.
    Size,
}

/// What this driver has no use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// No NVM command set (CAP.CSS).
    CommandSet,
    /// No memory pages of 4 KiB (CAP.MPSMIN).
    PageSize,
    /// Blocks of neither 512 nor 4,096 bytes: the exponent.
    BlockSize(u8),
    /// Blocks with metadata: its bytes.
    Metadata(u16),
    /// The controller grants no queue pair.
    NoQueues,
}

/// What a caller asked for and must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// Blocks that the namespace does not have.
    OutOfRange,
    /// No blocks, or more than one command may move.
    Length,
    /// A buffer that is not as long as the blocks, or is missing, or not wanted.
    Buffer,
    /// A buffer whose start is not a multiple of 4, or with a hole inside a page.
    Alignment,
    /// More queue pairs than the controller granted.
    TooManyQueues,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the drive is gone"),
            Self::Fatal => f.write_str("the controller reports a fatal state"),
            Self::NotReady => f.write_str("the controller does not get ready"),
            Self::AtLarge => f.write_str("the controller cannot be kept from memory"),
            Self::TimedOut => f.write_str("no completion in time"),
            Self::Failed(status) => write!(f, "{status}"),
            Self::Garbage(field) => write!(f, "the controller says the impossible: {field:?}"),
            Self::Unsupported(what) => write!(f, "not supported: {what:?}"),
            Self::Changed => f.write_str("another drive answers"),
            Self::Stopped => f.write_str("the controller was shut down"),
            Self::NoMemory => f.write_str("no memory"),
            Self::Full => f.write_str("the queue is full"),
            Self::Misuse(what) => write!(f, "misuse: {what:?}"),
        }
    }
}

impl core::error::Error for Error {}
