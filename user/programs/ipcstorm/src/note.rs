// SPDX-License-Identifier: Apache-2.0
//! What the processes of a storm tell each other, beside the storm: some words, of
//! which the first says what they are.

use alloc::vec::Vec;

/// To a server: a client's first message; it says its number.
pub(crate) const HELLO: u64 = 0x6865_6c6c_6f20_0001;
/// To a server: the thread that receives it answers with its [`Bill`] and ends.
pub(crate) const STOP: u64 = 0x6865_6c6c_6f20_0002;
/// To the first process: a server says its number, its pid, its chid, and a number that
/// is greater each time that one of its number does.
pub(crate) const HERE: u64 = 0x6865_6c6c_6f20_0003;
/// To the first process: where the server of that number is. Answered when it is known.
pub(crate) const WHERE: u64 = 0x6865_6c6c_6f20_0004;
/// To the first process: a client's number, and what it verified since it told last.
pub(crate) const TELL: u64 = 0x6865_6c6c_6f20_0005;
/// To the first process: a client's number and its [`Bill`].
pub(crate) const BILL: u64 = 0x6865_6c6c_6f20_0006;
/// To the first process, from itself: `chanstorm` has run once. Answered when the
/// storm has gone on, with whether it is over.
pub(crate) const RAN: u64 = 0x6865_6c6c_6f20_0007;
/// To the first process, from itself: all children have ended.
pub(crate) const ENDED: u64 = 0x6865_6c6c_6f20_0008;
/// To the first process, from itself: `chanstorm` runs no more.
pub(crate) const LAST: u64 = 0x6865_6c6c_6f20_0009;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// The words as bytes.
pub(crate) fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The words of those bytes.
pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let read = |piece: &[u8]| piece.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    bytes.chunks_exact(WORD).map(read)
}

/// What a client, or a thread of a server, has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bill {
    /// Messages that were sent, or received: those of the storm only.
    pub(crate) messages: u64,
    /// Of these, messages that were right in everything, and were not told before.
    pub(crate) verified: u64,
    /// Checks that failed, and were not told before.
    pub(crate) errors: u64,
    /// The number of the first of them.
    pub(crate) failed: u64,
    /// Of what came.
    pub(crate) digest: u64,
    /// Looks of a server at its priority, where that is the client's, and those at
    /// which it was just that and nobody more urgent waited.
    pub(crate) looks: u64,
    pub(crate) exact: u64,
}

impl Bill {
    /// Words of it.
    pub(crate) const WORDS: usize = 7;

    pub(crate) const fn to_words(self) -> [u64; Self::WORDS] {
        let Self { messages, verified, errors, failed, digest, looks, exact } = self;
        [messages, verified, errors, failed, digest, looks, exact]
    }

    pub(crate) const fn of(words: [u64; Self::WORDS]) -> Self {
        let [messages, verified, errors, failed, digest, looks, exact] = words;
        Self { messages, verified, errors, failed, digest, looks, exact }
    }

    /// From the words of bytes, if there are enough.
    pub(crate) fn read(words: &mut impl Iterator<Item = u64>) -> Option<Self> {
        let mut all = [0; Self::WORDS];
        for word in &mut all {
            *word = words.next()?;
        }
        Some(Self::of(all))
    }

    pub(crate) const fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.verified += other.verified;
        self.errors += other.errors;
        self.digest = self.digest.wrapping_add(other.digest);
        self.looks += other.looks;
        self.exact += other.exact;
        if self.failed == 0 {
            self.failed = other.failed;
        }
    }
}
