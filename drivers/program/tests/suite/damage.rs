// SPDX-License-Identifier: Apache-2.0
//! Breaks archives and programs at random, from a seed, and examines them.
//!
//! The tests and the example `damage` share it. A panic, an overflow (checks
//! are on) or a broken promise ends the run.

use crate::builder::{ENTRY, Elf, FIELDS, HEADER_FIELDS, TABLE, put};
use crate::random::{Random, copy_piece, flip_bits};
use crate::{examine, package};
use std::collections::BTreeMap;
use std::fmt;

/// Which reader is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Archive,
    Program,
}

/// The archives that are broken.
pub(crate) fn archives() -> Vec<Vec<u8>> {
    let item = package::item("i", package::FILE, b"1");
    vec![package::usual(), package::archive(&[item])]
}

/// The programs that are broken: real ones and built ones.
pub(crate) fn programs() -> Vec<Vec<u8>> {
    let mut dynamic = Elf::pie();
    dynamic.dynamic(&[(7, 0x280), (30, 8), (0, 0)]);
    vec![
        Elf::fixed().bytes(),
        Elf::pie().bytes(),
        dynamic.bytes(),
        include_bytes!("../programs/little-fixed.elf").to_vec(),
        include_bytes!("../programs/little-pie.elf").to_vec(),
    ]
}

fn damage_archive(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(2) {
        match random.below(12) {
            0 => flip_bits(file, random),
            1 => file.truncate(random.below(file.len())),
            2 => copy_piece(file, 110, random),
            3 => {
                let at = random.below(file.len());
                file.splice(at..at, [0, 0, b'0', b'7'].into_iter().take(1 + random.below(4)));
            }
            4 => {
                let at = random.below(file.len());
                file.drain(at..(at + 1 + random.below(4)).min(file.len()));
            }
            _ => damage_header(file, random),
        }
    }
}

/// Changes the name's length, the file's, the mode, or any other number of a
/// header, and leaves it a number.
fn damage_header(file: &mut [u8], random: &mut Random) {
    let heads: Vec<usize> =
        file.windows(6).enumerate().filter(|(_, w)| w == b"070701").map(|(at, _)| at).collect();
    if heads.is_empty() {
        return;
    }
    if random.below(100) == 0 {
        // The other format.
        file[random.pick(&heads) + 5] = b'2';
    }
    let any = random.below(13);
    let field = random.pick(&[1, 4, 6, 6, 6, 11, 11, 11, any]);
    let at = random.pick(&heads) + 6 + 8 * field;
    let Some(place) = file.get_mut(at..at + 8) else {
        return;
    };
    let old = u32::from_str_radix(&String::from_utf8_lossy(place), 16).unwrap_or(0);
    let new = match random.below(3) {
        0 => u32::try_from(random.telling() & 0xffff_ffff).expect("32 bits"),
        1 => old.wrapping_add(u32::try_from(random.below(9)).expect("small")).wrapping_sub(4),
        _ => u32::try_from(random.below(300)).expect("small"),
    };
    place.copy_from_slice(format!("{new:08x}").as_bytes());
}

fn damage_program(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        match random.below(12) {
            0 => flip_bits(file, random),
            1 => file.truncate(random.below(file.len())),
            2 => copy_piece(file, ENTRY, random),
            3 => {
                // One header over another.
                let (from, to) = (random.below(9), random.below(9));
                let from = TABLE + ENTRY * from;
                if from + ENTRY <= file.len() && TABLE + ENTRY * (to + 1) <= file.len() {
                    file.copy_within(from..from + ENTRY, TABLE + ENTRY * to);
                }
            }
            4 => put(file, random.pick(&FIELDS), random.telling()),
            5 => put(file, (24, 8), 0x1_0000 + random.next() % 0x3000),
            _ => damage_segment(file, random),
        }
    }
}

/// Changes a number of a program header to a telling or a near one.
fn damage_segment(file: &mut [u8], random: &mut Random) {
    let (offset, size) = random.pick(&HEADER_FIELDS);
    let at = TABLE + ENTRY * random.below(9) + offset;
    let Some(old) = file.get(at..at + size) else {
        return;
    };
    let mut number = [0; 8];
    number[..size].copy_from_slice(old);
    let old = u64::from_le_bytes(number);
    let new = match random.below(5) {
        0 => random.telling(),
        // Just below the highest address.
        3 => 0x3f_bffe_0000 + ((random.next() % 33) << 12) + old % 0x1000,
        1 => old.wrapping_add(random.next() % 17).wrapping_sub(8),
        2 => old.wrapping_add((random.next() % 9) << 12).wrapping_sub(4 << 12),
        _ => old ^ 1 << random.below(8 * size),
    };
    put(file, (at, size), new);
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) files: u64,
    pub(crate) accepted: u64,
    /// Errors by name.
    pub(crate) refused: BTreeMap<String, u64>,
}

impl Tally {
    fn add<E: fmt::Debug>(&mut self, outcome: Result<usize, E>, name: impl Fn(E) -> String) {
        self.files += 1;
        match outcome {
            Ok(_) => self.accepted += 1,
            Err(error) => *self.refused.entry(name(error)).or_default() += 1,
        }
    }

    #[allow(dead_code, reason = "the example uses it, the tests do not")]
    pub(crate) fn join(&mut self, other: Tally) {
        self.files += other.files;
        self.accepted += other.accepted;
        for (name, count) in other.refused {
            *self.refused.entry(name).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} damaged files without a panic: {} accepted", self.files, self.accepted)?;
        for (name, count) in &self.refused {
            write!(out, ", {count} {name}")?;
        }
        Ok(())
    }
}

/// The name of an error, without its numbers.
fn name(error: &impl fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// Breaks and examines `count` times; `look` sees every broken file.
pub(crate) fn run(reader: Reader, count: u64, seed: u64, mut look: impl FnMut(&[u8])) -> Tally {
    let victims = match reader {
        Reader::Archive => archives(),
        Reader::Program => programs(),
    };
    let mut random = Random::new(seed);
    let mut tally = Tally::default();
    let mut file = Vec::new();
    for _ in 0..count {
        file.clear();
        file.extend(&victims[random.below(victims.len())]);
        match reader {
            Reader::Archive => {
                damage_archive(&mut file, &mut random);
                tally.add(examine::archive(&file), |error| name(&error.flaw));
            }
            Reader::Program => {
                damage_program(&mut file, &mut random);
                tally.add(examine::program(&file), |error| match error {
                    skimmer_program::image::ElfError::Segment { flaw, .. } => name(&flaw),
                    error => name(&error),
                });
            }
        }
        look(&file);
    }
    tally
}
