// SPDX-License-Identifier: Apache-2.0
//! Breaks archives and programs at random, from a seed, and examines them.
//!
//! The tests and the example `damage` share it. A panic, an overflow (checks
//! are on) or a broken promise ends the run.

use crate::builder::{ENTRY, Elf, FIELDS, HEADER_FIELDS, TABLE, put};
use crate::telling::telling;
use crate::{examine, package};
use skimmer_damage::{Dice, Subject, Turns, copy_piece, flip_bits};
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

pub(crate) fn damage_archive(file: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(2) {
        match dice.below(12) {
            0 => flip_bits(file, dice),
            1 => file.truncate(dice.below(file.len())),
            2 => copy_piece(file, 1, 110 * (1 + dice.below(3)), dice),
            3 => {
                let at = dice.below(file.len());
                file.splice(at..at, [0, 0, b'0', b'7'].into_iter().take(1 + dice.below(4)));
            }
            4 => {
                let at = dice.below(file.len());
                file.drain(at..(at + 1 + dice.below(4)).min(file.len()));
            }
            _ => damage_header(file, dice),
        }
    }
}

/// Changes the name's length, the file's, the mode, or any other number of a
/// header, and leaves it a number.
fn damage_header(file: &mut [u8], dice: &mut Dice) {
    let heads: Vec<usize> =
        file.windows(6).enumerate().filter(|(_, w)| w == b"070701").map(|(at, _)| at).collect();
    if heads.is_empty() {
        return;
    }
    if dice.below(100) == 0 {
        // The other format.
        file[dice.pick(&heads) + 5] = b'2';
    }
    let any = dice.below(13);
    let field = dice.pick(&[1, 4, 6, 6, 6, 11, 11, 11, any]);
    let at = dice.pick(&heads) + 6 + 8 * field;
    let Some(place) = file.get_mut(at..at + 8) else {
        return;
    };
    let old = u32::from_str_radix(&String::from_utf8_lossy(place), 16).unwrap_or(0);
    let new = match dice.below(3) {
        0 => u32::try_from(telling(dice) & 0xffff_ffff).expect("32 bits"),
        1 => old.wrapping_add(u32::try_from(dice.below(9)).expect("small")).wrapping_sub(4),
        _ => u32::try_from(dice.below(300)).expect("small"),
    };
    place.copy_from_slice(format!("{new:08x}").as_bytes());
}

pub(crate) fn damage_program(file: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        match dice.below(12) {
            0 => flip_bits(file, dice),
            1 => file.truncate(dice.below(file.len())),
            2 => copy_piece(file, 1, ENTRY * (1 + dice.below(3)), dice),
            3 => {
                // One header over another.
                let (from, to) = (dice.below(9), dice.below(9));
                let from = TABLE + ENTRY * from;
                if from + ENTRY <= file.len() && TABLE + ENTRY * (to + 1) <= file.len() {
                    file.copy_within(from..from + ENTRY, TABLE + ENTRY * to);
                }
            }
            4 => put(file, dice.pick(&FIELDS), telling(dice)),
            5 => put(file, (24, 8), 0x1_0000 + dice.number() % 0x3000),
            _ => damage_segment(file, dice),
        }
    }
}

/// Changes a number of a program header to a telling or a near one.
fn damage_segment(file: &mut [u8], dice: &mut Dice) {
    let (offset, size) = dice.pick(&HEADER_FIELDS);
    let at = TABLE + ENTRY * dice.below(9) + offset;
    let Some(old) = file.get(at..at + size) else {
        return;
    };
    let mut number = [0; 8];
    number[..size].copy_from_slice(old);
    let old = u64::from_le_bytes(number);
    let new = match dice.below(5) {
        0 => telling(dice),
        // Just below the highest address.
        3 => 0x3f_bffe_0000 + ((dice.number() % 33) << 12) + old % 0x1000,
        1 => old.wrapping_add(dice.number() % 17).wrapping_sub(8),
        2 => old.wrapping_add((dice.number() % 9) << 12).wrapping_sub(4 << 12),
        _ => old ^ 1 << dice.below(8 * size),
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
}

impl skimmer_damage::Tally for Tally {
    fn join(&mut self, other: Self) {
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

/// Breaks and examines a file each turn; `look` sees every broken file.
pub(crate) fn run(reader: Reader, turns: Turns, seed: u64, mut look: impl FnMut(&[u8])) -> Tally {
    let victims = match reader {
        Reader::Archive => archives(),
        Reader::Program => programs(),
    };
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    let mut file = Subject::default();
    for () in turns {
        file.become_copy_of(&victims[dice.below(victims.len())]);
        match reader {
            Reader::Archive => {
                damage_archive(&mut file, &mut dice);
                tally.add(examine::archive(&file), |error| name(&error.flaw));
            }
            Reader::Program => {
                damage_program(&mut file, &mut dice);
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
