// SPDX-License-Identifier: Apache-2.0
//! What stands in a block of a test disk.
//!
//! The host makes a disk of such blocks, the guest verifies what it reads and
//! writes blocks of a higher generation, and the host verifies those. A block
//! of `n` words of 8 bytes, the least significant byte first:
//!
//! | word | content |
//! |---|---|
//! | 0 | the block's number on its disk |
//! | 1 | the disk's seed |
//! | 2 | the generation: [`AS_MADE`] by the host, higher when written again |
//! | 3 | a checksum over all other words, which knows their order |
//! | 4 to n - 1 | a sequence that begins at a number mixed from words 0 to 2 |
//!
//! Invariant: every word has one right value, and within a block's filling no
//! two are alike. So a block that is another, stale, shifted or torn differs,
//! in nearly every word where it is not right; a check compares them all.
//!
//! Both forms, of bytes and of words, are the same on the disk. A guest reads
//! words eight bytes at a time where its memory is known to be aligned: it
//! costs about a quarter of the instructions.

use core::fmt;

use crate::random::mix;

/// The generation of a block that nobody has written since the disk was made.
pub const AS_MADE: u64 = 0;

/// The least bytes of a block: the header and one word.
pub const LEAST: usize = WORD * (HEADER + 1);

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Words before the filling.
const HEADER: usize = 4;

/// Odd, so that no two words of a block's filling are alike.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What the serial number of a test disk's drive begins with; its number among
/// the machine's drives, counted from 0, follows. So a guest knows which drive
/// it is, in whatever order it finds them.
pub const SERIAL: &str = "skimmer-";

/// The number of the drive with that serial number, which may be padded with
/// blanks; `None` if it is no test disk's.
#[must_use]
pub fn drive_of(serial: &[u8]) -> Option<u32> {
    str::from_utf8(serial).ok()?.trim_end().strip_prefix(SERIAL)?.parse().ok()
}

/// The seed of a drive's disk, where the guest was told that of the first
/// (`disk_seed` on the kernel command line): no two disks have the same blocks.
#[must_use]
pub const fn seed_of(first: u64, drive: u32) -> u64 {
    first.wrapping_add(drive as u64)
}

/// What tells a block from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The disk's.
    pub seed: u64,
    /// The block's on its disk, counted from 0.
    pub number: u64,
    /// How often it was written since it was made.
    pub generation: u64,
}

/// Why a block is not the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A whole block, of a disk of this seed.
    Seed(u64),
    /// A whole block of this disk, which belongs at this number.
    Number(u64),
    /// This block, whole, of this generation: stale, or written unasked.
    Generation(u64),
    /// The header or part of the filling is right, and the byte at `at` is the
    /// first that is not.
    Torn {
        /// Counted from the block's beginning.
        at: usize,
    },
    /// Nothing but zeros: perhaps nobody has written here at all.
    Zeros,
    /// Neither a block nor part of the right one; this is its first word.
    Garbage(u64),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => write!(f, "a block of a disk of seed {seed}"),
            Self::Number(number) => write!(f, "block {number} in its place"),
            Self::Generation(generation) => write!(f, "its generation {generation}"),
            Self::Torn { at } => write!(f, "torn, wrong from byte {at} on"),
            Self::Zeros => write!(f, "zeros"),
            Self::Garbage(first) => write!(f, "garbage that begins with {first:#018x}"),
        }
    }
}

impl core::error::Error for Wrong {}

impl Stamp {
    /// The words of a block's header before its checksum.
    const fn header(self) -> [u64; HEADER - 1] {
        [self.number, self.seed, self.generation]
    }

    const fn of_header([number, seed, generation]: [u64; HEADER - 1]) -> Self {
        Self { seed, number, generation }
    }

    /// The words behind the header, without end.
    fn filling(self) -> impl Iterator<Item = u64> + Clone {
        let start = mix(self.seed ^ mix(self.number ^ mix(self.generation)));
        core::iter::successors(Some(start), |word| Some(word.wrapping_add(STEP)))
    }

    /// All the words of a block of `count`.
    fn words(self, count: usize) -> impl Iterator<Item = u64> + Clone {
        let filling = self.filling().take(count - HEADER);
        let mut sum = Sum::default();
        self.header().into_iter().chain(filling.clone()).for_each(|word| sum.add(word));
        self.header().into_iter().chain([sum.value()]).chain(filling)
    }
}

/// The checksum: the sum of the words, and the sum of those sums, by which
/// two words that changed places are found.
#[derive(Clone, Copy, Default)]
struct Sum {
    words: u64,
    sums: u64,
}

impl Sum {
    const fn add(&mut self, word: u64) {
        self.words = self.words.wrapping_add(word);
        self.sums = self.sums.wrapping_add(self.words);
    }

    const fn value(self) -> u64 {
        mix(self.words) ^ self.sums
    }
}

/// Makes the block of that stamp.
///
/// # Panics
/// When it is shorter than [`LEAST`], or no multiple of 8.
pub fn fill(block: &mut [u8], stamp: Stamp) {
    let (words, rest) = block.as_chunks_mut();
    assert!(rest.is_empty(), "a block is a multiple of 8 bytes");
    write(words.iter_mut(), stamp, |place, word: u64| *place = word.to_le_bytes());
}

/// The same in memory that is words already.
///
/// # Panics
/// When it is shorter than [`LEAST`].
pub fn fill_words(block: &mut [u64], stamp: Stamp) {
    write(block.iter_mut(), stamp, |place, word| *place = word.to_le());
}

fn write<T>(places: impl ExactSizeIterator<Item = T>, stamp: Stamp, put: impl Fn(T, u64)) {
    let count = places.len();
    assert!(count > HEADER, "a block of {count} words");
    places.zip(stamp.words(count)).for_each(|(place, word)| put(place, word));
}

/// Verifies every byte of what should be the block of that stamp.
///
/// # Errors
/// What it is instead.
///
/// # Panics
/// When it is shorter than [`LEAST`], or no multiple of 8.
pub fn check(block: &[u8], stamp: Stamp) -> Result<(), Wrong> {
    let (words, rest) = block.as_chunks();
    assert!(rest.is_empty(), "a block is a multiple of 8 bytes");
    verify(words.iter().map(|bytes| u64::from_le_bytes(*bytes)), stamp)
}

/// The same in memory that is words already.
///
/// # Errors
/// What it is instead.
///
/// # Panics
/// When it is shorter than [`LEAST`].
pub fn check_words(block: &[u64], stamp: Stamp) -> Result<(), Wrong> {
    verify(block.iter().map(|word| u64::from_le(*word)), stamp)
}

fn verify(block: impl ExactSizeIterator<Item = u64> + Clone, stamp: Stamp) -> Result<(), Wrong> {
    assert!(block.len() > HEADER, "a block of {} words", block.len());
    if is_right(block.clone(), stamp) { Ok(()) } else { Err(tell(block, stamp)) }
}

/// One pass over all words, whatever is found: the common case.
#[inline]
fn is_right(mut block: impl Iterator<Item = u64>, stamp: Stamp) -> bool {
    let (mut sum, mut differences) = (Sum::default(), 0);
    for right in stamp.header() {
        let word = block.next().unwrap_or_default();
        differences |= word ^ right;
        sum.add(word);
    }
    let stated = block.next().unwrap_or_default();
    for (word, right) in block.zip(stamp.filling()) {
        differences |= word ^ right;
        sum.add(word);
    }
    differences | (stated ^ sum.value()) == 0
}

/// What a block that is not right is instead.
#[cold]
fn tell(block: impl ExactSizeIterator<Item = u64> + Clone, stamp: Stamp) -> Wrong {
    let mut first = block.clone();
    let header: [u64; HEADER - 1] = core::array::from_fn(|_| first.next().unwrap_or_default());
    let stated = Stamp::of_header(header);
    if stated != stamp && is_right(block.clone(), stated) {
        return match stated {
            Stamp { seed, .. } if seed != stamp.seed => Wrong::Seed(seed),
            Stamp { number, .. } if number != stamp.number => Wrong::Number(number),
            Stamp { generation, .. } => Wrong::Generation(generation),
        };
    }
    if block.clone().all(|word| word == 0) {
        return Wrong::Zeros;
    }
    let pairs = || block.clone().zip(stamp.words(block.len()));
    let is_part_right = pairs().skip(HEADER).any(|(word, right)| word == right);
    let first_wrong = pairs().position(|(word, right)| word != right);
    match first_wrong.zip(pairs().find(|(word, right)| word != right)) {
        Some((at, (word, right))) if stated == stamp || is_part_right => {
            let byte = (word ^ right).trailing_zeros() as usize / 8;
            Wrong::Torn { at: at * WORD + byte }
        }
        _ => Wrong::Garbage(header[0]),
    }
}
