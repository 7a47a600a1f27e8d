// SPDX-License-Identifier: Apache-2.0
//! What stands on a disk when its machine has ended.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use skimmer_abi::disk::{AS_MADE, Wrong, check};

use super::image::{CHUNK, Layout};
use crate::record::DiskWritten;

/// So many wrong blocks are told one by one.
const TOLD: usize = 100;

/// What was found on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The disk.
    pub drive: u32,
    /// Blocks that were looked at: all of them.
    pub blocks: u64,
    /// Of those, blocks that the guest says it has written.
    pub written: u64,
    /// Blocks that are not what they should be.
    pub wrong: u64,
    /// The first of them.
    pub first: Vec<(u64, Wrong)>,
}

impl Checked {
    /// What is wrong, if anything is, in a line.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let (number, wrong) = self.first.first()?;
        let Self { drive, blocks, wrong: count, .. } = self;
        let text = format!("disk {drive}: {count} of {blocks} blocks are wrong");
        Some(format!("{text}, the first is block {number}: {wrong}"))
    }

    /// Every wrong block that is told, in a line each.
    #[must_use]
    pub fn report(&self) -> String {
        let lines = self.first.iter().map(|(number, wrong)| format!("  block {number}: {wrong}\n"));
        self.problem().map(|problem| problem + "\n").into_iter().chain(lines).collect()
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, written, wrong, .. } = self;
        write!(f, "{blocks} blocks verified, {written} of them written, {wrong} wrong")
    }
}

/// Verifies every byte of the image of drive `drive`: what `written` names of
/// that drive is of the generation that it states, all else is as made.
///
/// # Errors
/// When it cannot be read, or has another size.
pub fn verify(
    path: &Path,
    drive: u32,
    layout: &Layout,
    written: &[DiskWritten],
) -> Result<Checked> {
    let mut file = File::open(path).context("cannot open the disk's image")?;
    let mut checked =
        Checked { drive, blocks: layout.blocks(), written: 0, wrong: 0, first: Vec::new() };
    let mut chunk = vec![0; CHUNK];
    let (mut number, mut left) = (0, layout.bytes);
    while left > 0 {
        let length = left.min(CHUNK as u64) as usize;
        file.read_exact(&mut chunk[..length]).context("the disk's image is cut")?;
        for block in chunk[..length].chunks_exact(layout.block as usize) {
            let generation = generation(number, drive, written);
            checked.written += u64::from(generation != AS_MADE);
            if let Err(wrong) = check(block, layout.stamp(number, generation)) {
                checked.wrong += 1;
                checked.first.extend((checked.first.len() < TOLD).then_some((number, wrong)));
            }
            number += 1;
        }
        left -= length as u64;
    }
    Ok(checked)
}

/// What a block must state.
fn generation(number: u64, drive: u32, written: &[DiskWritten]) -> u64 {
    let is_of = |w: &&DiskWritten| {
        w.drive == drive && number.checked_sub(w.first).is_some_and(|at| at < w.count)
    };
    written.iter().rev().find(is_of).map_or(AS_MADE, |w| w.generation)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use skimmer_abi::disk::fill;

    use super::super::image::cached;
    use super::*;

    const LAYOUT: Layout = Layout { bytes: 1 << 21, block: 512, seed: 7 };

    /// An image of which a guest has written blocks 10 to 29, the last ten of
    /// them twice.
    fn image(dir: &Path) -> (std::path::PathBuf, [DiskWritten; 3]) {
        let path = dir.join("copy");
        std::fs::copy(cached(dir, &LAYOUT).expect("made"), &path).expect("room");
        let mut permissions = std::fs::metadata(&path).expect("there").permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "it is the test's own")]
        permissions.set_readonly(false);
        std::fs::set_permissions(&path, permissions).expect("ours");
        for (numbers, generation) in [(10..30, 1), (20..30, 2)] {
            numbers.for_each(|number| put(&path, number, LAYOUT.stamp(number, generation)));
        }
        let written =
            |drive, first, count, generation| DiskWritten { drive, first, count, generation };
        (path, [written(3, 10, 20, 1), written(3, 20, 10, 2), written(0, 100, 5, 9)])
    }

    fn put(path: &Path, at: u64, stamp: skimmer_abi::disk::Stamp) {
        let mut block = [0; 512];
        fill(&mut block, stamp);
        let file = File::options().write(true).open(path).expect("there");
        file.write_all_at(&block, at * 512).expect("room");
    }

    #[test]
    fn what_was_written_is_due_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, told) = image(dir.path());
        let of = |told: &[DiskWritten]| verify(&path, 3, &LAYOUT, told).expect("readable");
        let good = of(&told);
        assert_eq!((good.blocks, good.written, good.wrong), (4096, 20, 0));
        assert_eq!((good.problem(), good.report()), (None, String::new()));
        assert_eq!(good.to_string(), "4096 blocks verified, 20 of them written, 0 wrong");
        // The order of what is told counts, and so does every end of a stretch.
        let [first, second, _] = told;
        let [front, back] =
            [DiskWritten { count: 19, ..first }, DiskWritten { first: 11, count: 19, ..first }];
        for (told, wrong, at) in [
            (vec![], 20, 10),
            (vec![first], 10, 20),
            (vec![second, first], 10, 20),
            (vec![back, second], 1, 10),
            (vec![front, DiskWritten { count: 9, ..second }], 1, 29),
            (vec![first, DiskWritten { drive: 0, ..second }], 10, 20),
            (vec![DiskWritten { count: u64::MAX, ..first }, second], 4066, 30),
        ] {
            let found = of(&told);
            assert_eq!((found.wrong, found.first[0].0), (wrong, at), "{told:?}");
        }
    }

    #[test]
    fn one_wrong_byte_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, told) = image(dir.path());
        let file = File::options().read(true).write(true).open(&path).expect("there");
        for at in [0, 5 * 512 + 100, 25 * 512 + 511, (1 << 20) - 1, 1 << 20, (1 << 21) - 1] {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("there");
            file.write_all_at(&[byte[0] ^ 0x10], at).expect("room");
            let found = verify(&path, 3, &LAYOUT, &told).expect("readable");
            let torn = Wrong::Torn { at: (at % 512) as usize };
            assert_eq!(found.first, [(at / 512, torn)]);
            let due =
                format!("disk 3: 1 of 4096 blocks are wrong, the first is block {}", at / 512);
            assert!(found.problem().is_some_and(|said| said.starts_with(&due)), "{found:?}");
            file.write_all_at(&byte, at).expect("room");
        }
        assert_eq!(verify(&path, 3, &LAYOUT, &told).expect("readable").wrong, 0);
    }

    #[test]
    fn a_block_in_anothers_place_is_told_as_that() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, told) = image(dir.path());
        put(&path, 50, LAYOUT.stamp(51, AS_MADE));
        put(&path, 60, LAYOUT.stamp(60, 1));
        put(&path, 70, Layout { seed: 8, ..LAYOUT }.stamp(70, AS_MADE));
        let found = verify(&path, 3, &LAYOUT, &told).expect("readable");
        assert_eq!(
            found.first,
            [(50, Wrong::Number(51)), (60, Wrong::Generation(1)), (70, Wrong::Seed(8))]
        );
        assert_eq!(found.report().lines().count(), 4);
    }

    #[test]
    fn a_cut_image_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, told) = image(dir.path());
        let file = File::options().write(true).open(&path).expect("there");
        file.set_len((1 << 21) - 1).expect("ours");
        assert!(verify(&path, 3, &LAYOUT, &told).is_err());
    }
}
