// SPDX-License-Identifier: Apache-2.0
//! What a thread finds when its wait at a channel is over.
//!
//! Who ends the wait writes it, under the channel's lock and before the thread is
//! woken; the thread reads it on its home hart, which learned of the wake through
//! a ring or is the hart that wrote. So plain words are enough.

use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::errno::Errno;

use crate::channel::id::MessageId;

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call failed.
    Failed(Errno),
    /// The server answered, with that status.
    Answered(i64),
    /// A message came.
    Received(Receipt),
    /// Nothing: the call is to look again.
    Again,
}

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What to answer.
    pub id: MessageId,
    /// Bytes that were copied.
    pub copied: usize,
    /// Bytes that were sent.
    pub sent: usize,
}

const FAILED: u64 = 1;
const ANSWERED: u64 = 2;
const RECEIVED: u64 = 3;
const AGAIN: u64 = 4;

/// A place for one.
#[derive(Debug)]
pub(crate) struct OutcomeCell {
    kind: AtomicU64,
    words: [AtomicU64; 3],
}

impl OutcomeCell {
    pub(crate) const fn new() -> Self {
        Self { kind: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; 3] }
    }

    /// Of the words only those that the kind has are written, and read.
    #[inline]
    pub(crate) fn set(&self, outcome: Outcome) {
        let set = |place: usize, word| self.words[place].store(word, Ordering::Relaxed);
        let kind = match outcome {
            Outcome::Failed(errno) => {
                set(0, errno.status().cast_unsigned());
                FAILED
            }
            Outcome::Answered(status) => {
                set(0, status.cast_unsigned());
                ANSWERED
            }
            Outcome::Received(Receipt { id, copied, sent }) => {
                set(0, id.to_register());
                set(1, copied as u64);
                set(2, sent as u64);
                RECEIVED
            }
            Outcome::Again => AGAIN,
        };
        self.kind.store(kind, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<Outcome> {
        let word = |place: usize| self.words[place].load(Ordering::Relaxed);
        Some(match self.kind.load(Ordering::Relaxed) {
            FAILED => Outcome::Failed(Errno::from_status(word(0).cast_signed())?),
            ANSWERED => Outcome::Answered(word(0).cast_signed()),
            RECEIVED => Outcome::Received(Receipt {
                id: MessageId::from_register(word(0))?,
                copied: usize::try_from(word(1)).ok()?,
                sent: usize::try_from(word(2)).ok()?,
            }),
            AGAIN => Outcome::Again,
            _ => return None,
        })
    }
}
