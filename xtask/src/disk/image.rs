// SPDX-License-Identifier: Apache-2.0
//! Images of test disks: made once for each size, size of block and seed.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use skimmer_abi::disk::{AS_MADE, Stamp, fill};

use crate::claim::Claim;
use crate::workspace::short;

/// Bytes that are written or read at once: a multiple of any size of block.
pub(super) const CHUNK: usize = 1 << 20;

/// The smallest image whose making is worth a word.
const WORTH_A_WORD: u64 = 64 << 20;

/// What an image is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its size, a multiple of `block`.
    pub bytes: u64,
    /// The size of a block.
    pub block: u64,
    /// What its blocks state.
    pub seed: u64,
}

impl Layout {
    /// How many blocks.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.bytes / self.block
    }

    /// The stamp of a block.
    #[must_use]
    pub const fn stamp(&self, number: u64, generation: u64) -> Stamp {
        Stamp { seed: self.seed, number, generation }
    }

    /// The file's name. The checksum of the first block is part of it, so that an
    /// image that another version of this tool has made is none.
    fn file_name(&self) -> String {
        let mut block = vec![0; self.block as usize];
        fill(&mut block, self.stamp(0, AS_MADE));
        let checksum = u64::from_le_bytes(block.as_chunks().0[3]);
        let Self { bytes, block, seed } = self;
        format!("{bytes}-{block}-{seed}-{:08x}.img", checksum >> 32)
    }
}

/// The image of that layout in `dir`, which is made if it is not there.
///
/// # Errors
/// When there is no room.
pub(super) fn cached(dir: &Path, layout: &Layout) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", short(dir)))?;
    // QEMU reads a relative path from where it runs.
    let path = std::path::absolute(dir)?.join(layout.file_name());
    if path.exists() {
        return Ok(path);
    }
    let _claim = Claim::wait(&path)?;
    if path.exists() {
        return Ok(path);
    }
    if layout.bytes >= WORTH_A_WORD {
        println!("disk: making {} ({} MiB)", short(&path), layout.bytes >> 20);
    }
    // An image has its name only when it is whole.
    let mut part = tempfile::NamedTempFile::new_in(dir)?;
    let about = || format!("cannot make {} of {} bytes", short(&path), layout.bytes);
    write(part.as_file_mut(), layout).with_context(about)?;
    let mut permissions = part.as_file().metadata()?.permissions();
    permissions.set_readonly(true);
    part.as_file().set_permissions(permissions)?;
    part.persist(&path).map_err(|error| error.error).with_context(about)?;
    Ok(path)
}

fn write(file: &mut File, layout: &Layout) -> Result<()> {
    ensure!(layout.bytes.is_multiple_of(layout.block), "no whole number of blocks");
    let mut chunk = vec![0; CHUNK];
    let (mut number, mut left) = (0, layout.bytes);
    while left > 0 {
        let length = left.min(CHUNK as u64) as usize;
        for block in chunk[..length].chunks_exact_mut(layout.block as usize) {
            fill(block, layout.stamp(number, AS_MADE));
            number += 1;
        }
        file.write_all(&chunk[..length])?;
        left -= length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use skimmer_abi::disk::check;

    const SMALL: Layout = Layout { bytes: (1 << 20) + 8192, block: 4096, seed: 7 };

    #[test]
    fn every_block_is_as_the_guest_expects_it() {
        let dir = tempfile::tempdir().expect("a directory");
        for layout in [SMALL, Layout { block: 512, ..SMALL }] {
            let path = cached(dir.path(), &layout).expect("made");
            let bytes = std::fs::read(&path).expect("there");
            assert_eq!(bytes.len() as u64, layout.bytes);
            for (number, block) in (0..).zip(bytes.chunks(layout.block as usize)) {
                assert_eq!(check(block, layout.stamp(number, AS_MADE)), Ok(()), "{number}");
            }
            assert!(std::fs::metadata(&path).expect("there").permissions().readonly());
        }
    }

    #[test]
    fn an_image_is_made_once_and_of_one_layout() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = cached(dir.path(), &SMALL).expect("made");
        let made = std::fs::metadata(&path).expect("there").modified().expect("a time");
        assert_eq!(cached(dir.path(), &SMALL).expect("there"), path);
        assert_eq!(std::fs::metadata(&path).expect("there").modified().expect("a time"), made);
        for other in [
            Layout { bytes: 4096, ..SMALL },
            Layout { block: 512, ..SMALL },
            Layout { seed: 8, ..SMALL },
        ] {
            assert_ne!(cached(dir.path(), &other).expect("made"), path);
        }
    }
}
