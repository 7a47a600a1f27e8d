// SPDX-License-Identifier: Apache-2.0
//! Guest memory as a file: QEMU maps it, the host reads it, while the machine
//! runs and after it has ended. Reading asks nobody and stops nobody.
//!
//! State: the open file. Invariant: the file is gone from the disk when its
//! [`Ram`] is; it is sparse, so it takes what the guest has touched.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::spec::Machine;

/// The machines of QEMU that take all of their memory from a file, and have it
/// in one piece from [`BASE`] on.
const MACHINES: &[&str] = &["virt", "sifive_u"];

/// Where that memory begins.
const BASE: u64 = 0x8000_0000;

/// The file's name in a boot's directory.
const NAME: &str = "ram";

/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

/// Something that gives words of guest memory at a physical address.
pub trait Memory {
    /// `count` words from `address` on.
    ///
    /// # Errors
    /// When they cannot be read.
    fn words(&mut self, address: u64, count: usize) -> Result<Vec<u64>>;
}

/// The memory of one guest.
#[derive(Debug)]
pub struct Ram {
    file: File,
    path: PathBuf,
}

impl Ram {
    /// Memory for `machine` in `dir`; `None` where the machine's memory
    /// may be elsewhere or the user has brought their own.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(machine: &Machine, dir: &Path) -> Result<Option<Self>> {
        let own = |word: &String| word.contains("memory-backend") || word == "-m";
        if !MACHINES.contains(&machine.name())
            || own(&machine.machine)
            || machine.extra.iter().any(own)
        {
            return Ok(None);
        }
        // QEMU reads a relative path from where it runs: give it none.
        let path = std::path::absolute(dir)?.join(NAME);
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        let ram = Self { file, path };
        ram.file.set_len(machine.memory.mib * MIB).context("no room for the guest's memory")?;
        Ok(Some(ram))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Memory for Ram {
    fn words(&mut self, address: u64, count: usize) -> Result<Vec<u64>> {
        let offset = address.checked_sub(BASE).context("an address below the memory")?;
        let mut bytes = vec![0; count.checked_mul(size_of::<u64>()).context("too many words")?];
        self.file.read_exact_at(&mut bytes, offset).context("an address beyond the memory")?;
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // The directory may have gone with it.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::schedule::Schedule;

    /// A `virt` with 16 MiB.
    pub(crate) fn small() -> Machine {
        Machine {
            qemu: "qemu".into(),
            version: (7, 2),
            machine: "virt".to_owned(),
            cpu: None,
            harts: 2,
            memory: "16M".parse().expect("a size"),
            schedule: Schedule::Parallel,
            dtb: None,
            initrd: None,
            disks: Vec::new(),
            extra: Vec::new(),
        }
    }

    #[test]
    fn words_are_read_where_they_were_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut ram = Ram::create(&small(), dir.path()).expect("made").expect("virt");
        ram.file.write_all_at(&0x1122_3344_5566_7788_u64.to_le_bytes(), 16).expect("room");
        assert_eq!(ram.words(BASE + 8, 2).expect("there"), [0, 0x1122_3344_5566_7788]);
        for (address, count) in [(0, 1), (BASE + 16 * MIB - 8, 2), (u64::MAX, 1)] {
            assert!(ram.words(address, count).is_err(), "{address:#x}");
        }
        let path = ram.path().to_owned();
        assert!(path.exists());
        drop(ram);
        assert!(!path.exists());
    }

    #[test]
    fn who_brings_memory_keeps_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let none =
            |machine: &Machine| Ram::create(machine, dir.path()).expect("no error").is_none();
        assert!(none(&Machine { machine: "spike".to_owned(), ..small() }));
        assert!(none(&Machine { machine: "virt,memory-backend=mine".to_owned(), ..small() }));
        assert!(none(&Machine { extra: vec!["-m".to_owned(), "1G".to_owned()], ..small() }));
    }
}
