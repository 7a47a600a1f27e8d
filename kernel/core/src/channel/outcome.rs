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

    #[inline]
    pub(crate) fn set(&self, outcome: Outcome) {
        let (kind, words) = match outcome {
            Outcome::Failed(errno) => (FAILED, [errno.status().cast_unsigned(), 0, 0]),
            Outcome::Answered(status) => (ANSWERED, [status.cast_unsigned(), 0, 0]),
            Outcome::Received(Receipt { id, copied, sent }) => {
                (RECEIVED, [id.to_register(), copied as u64, sent as u64])
            }
            Outcome::Again => (AGAIN, [0; 3]),
        };
        self.kind.store(kind, Ordering::Relaxed);
        self.words.iter().zip(words).for_each(|(to, word)| to.store(word, Ordering::Relaxed));
    }

    pub(crate) fn get(&self) -> Option<Outcome> {
        let [first, copied, sent] =
            core::array::from_fn(|place| self.words[place].load(Ordering::Relaxed));
        Some(match self.kind.load(Ordering::Relaxed) {
            FAILED => Outcome::Failed(Errno::from_status(first.cast_signed())?),
            ANSWERED => Outcome::Answered(first.cast_signed()),
            RECEIVED => Outcome::Received(Receipt {
                id: MessageId::from_register(first)?,
                copied: usize::try_from(copied).ok()?,
                sent: usize::try_from(sent).ok()?,
            }),
            AGAIN => Outcome::Again,
            _ => return None,
        })
    }
}
