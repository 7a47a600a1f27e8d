// SPDX-License-Identifier: Apache-2.0
//! What a caller wants of a namespace, and the command for it (NVM Command Set
//! Specification 1.0, section 3.2).

use crate::entry::Submission;
use crate::error::{Error, Misuse};
use crate::identify::Namespace;

/// Opcode of Flush (NVM Express Base Specification, section 7.1).
const FLUSH: u8 = 0x00;
/// Opcode of Write (section 3.2.6).
const WRITE: u8 = 0x01;
/// Opcode of Read (section 3.2.4).
const READ: u8 = 0x02;
/// Force Unit Access, in dword 12 of a Write.
const FORCE_UNIT_ACCESS: u32 = 1 << 30;

/// A command of a caller's. Its buffer is as long as its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Reads blocks into the buffer.
    Read {
        /// Where.
        namespace: Namespace,
        /// The first block.
        first: u64,
        /// How many.
        blocks: u32,
    },
    /// Writes blocks from the buffer.
    Write {
        /// Where.
        namespace: Namespace,
        /// The first block.
        first: u64,
        /// How many.
        blocks: u32,
        /// Whether they are on the medium when it completes.
        through: bool,
    },
    /// Brings every write that has completed to the medium. Has no buffer.
    Flush {
        /// Where.
        namespace: Namespace,
    },
}

impl Request {
    /// The command, for a buffer of so many bytes.
    pub(crate) fn entry(self, buffer: Option<usize>) -> Result<Submission, Error> {
        let (opcode, namespace, first, blocks, flags) = match self {
            Self::Read { namespace, first, blocks } => (READ, namespace, first, blocks, 0),
            Self::Write { namespace, first, blocks, through } => {
                let flags = if through { FORCE_UNIT_ACCESS } else { 0 };
                (WRITE, namespace, first, blocks, flags)
            }
            Self::Flush { namespace } => {
                let flush =
                    Submission { opcode: FLUSH, namespace: namespace.id, ..Default::default() };
                return if buffer.is_none() { Ok(flush) } else { Err(misuse(Misuse::Buffer)) };
            }
        };
        let last = judge(namespace, first, blocks, buffer)?;
        Ok(Submission {
            opcode,
            namespace: namespace.id,
            dword10: first as u32,
            dword11: (first >> 32) as u32,
            dword12: last | flags,
            ..Default::default()
        })
    }
}

/// How many blocks, from 0 (NLB), if the namespace has them and the buffer is
/// for them.
fn judge(
    namespace: Namespace,
    first: u64,
    blocks: u32,
    buffer: Option<usize>,
) -> Result<u32, Error> {
    let last = blocks.checked_sub(1).ok_or(misuse(Misuse::Length))?;
    if blocks > namespace.most_blocks {
        return Err(misuse(Misuse::Length));
    }
    let end = first.checked_add(blocks.into());
    if end.is_none_or(|end| end > namespace.blocks) {
        return Err(misuse(Misuse::OutOfRange));
    }
    let bytes = u64::from(blocks).saturating_mul(namespace.block_size.into());
    if buffer.map(|length| length as u64) != Some(bytes) {
        return Err(misuse(Misuse::Buffer));
    }
    Ok(last & 0xffff)
}

const fn misuse(what: Misuse) -> Error {
    Error::Misuse(what)
}
