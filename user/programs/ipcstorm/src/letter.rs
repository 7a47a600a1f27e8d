// SPDX-License-Identifier: Apache-2.0
//! What stands in a message: words that each differ from their neighbours, and are
//! another's in each message. What is long enough says first what it is.

use skimmer_rt::random::mix;

/// Words that say what it is.
pub(crate) const HEADER: usize = 4;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// First words.
pub(crate) const MESSAGE: u64 = 0x6d65_7373_6167_6531;
const ANSWER: u64 = 0x616e_7377_6572_2131;

/// A content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letter {
    header: [u64; HEADER],
    has_header: bool,
    start: u64,
    step: u64,
    length: usize,
}

impl Letter {
    pub(crate) fn message(client: u64, sequence: u64, length: usize, key: u64) -> Self {
        Self::new([MESSAGE, client, sequence, length as u64], mix(key))
    }

    pub(crate) fn answer(client: u64, sequence: u64, length: usize, key: u64) -> Self {
        Self::new([ANSWER, client, sequence, length as u64], mix(!key))
    }

    fn new(header: [u64; HEADER], start: u64) -> Self {
        let length = header[3] as usize;
        let has_header = length >= HEADER * WORD;
        Self { header, has_header, start, step: mix(start) | 1, length }
    }

    /// Writes all of it.
    pub(crate) fn write(&self, into: &mut [u8]) {
        let mut words = self.words();
        let mut pieces = into.chunks_exact_mut(WORD);
        for (piece, word) in pieces.by_ref().zip(words.by_ref()) {
            piece.copy_from_slice(&word.to_le_bytes());
        }
        let word = self.word((self.length / WORD) as u64).to_le_bytes();
        pieces.into_remainder().iter_mut().zip(word).for_each(|(byte, due)| *byte = due);
    }

    /// The sum of the words of its beginning as it was got; `None` if that is another's.
    pub(crate) fn sum(&self, got: &[u8]) -> Option<u64> {
        if got.len() > self.length {
            return None;
        }
        let (mut sum, mut wrong) = (0_u64, 0);
        let mut pieces = got.chunks_exact(WORD);
        for (piece, due) in pieces.by_ref().zip(self.words()) {
            let word = word_of(piece);
            wrong |= word ^ due;
            sum = sum.wrapping_add(word);
        }
        let rest = pieces.remainder();
        let kept = (1_u64 << (8 * rest.len())) - 1;
        let due = self.word((got.len() / WORD) as u64) & kept;
        wrong |= word_of(rest) ^ due;
        (wrong == 0).then(|| sum.wrapping_add(due))
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        let header = if self.has_header { &self.header[..] } else { &[] };
        let rest = header.len() as u64;
        let first = self.start.wrapping_add(rest.wrapping_mul(self.step));
        let step = self.step;
        let body = core::iter::successors(Some(first), move |word| Some(word.wrapping_add(step)));
        header.iter().copied().chain(body)
    }

    fn word(&self, place: u64) -> u64 {
        match self.header.get(place as usize) {
            Some(word) if self.has_header => *word,
            _ => self.start.wrapping_add(place.wrapping_mul(self.step)),
        }
    }
}

/// The number in at most eight bytes, the least significant first.
fn word_of(bytes: &[u8]) -> u64 {
    match <[u8; WORD]>::try_from(bytes) {
        Ok(bytes) => u64::from_le_bytes(bytes),
        Err(_) => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// What stands at the beginning of some bytes: kind, client, sequence number.
pub(crate) fn header(got: &[u8]) -> Option<[u64; HEADER]> {
    let bytes = got.get(..HEADER * WORD)?;
    Some(core::array::from_fn(|place| word_of(&bytes[place * WORD..][..WORD])))
}
