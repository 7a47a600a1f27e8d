// SPDX-License-Identifier: Apache-2.0
//! Directories that one process at a time may work in. The claim is a lock on
//! a file beside the directory; the system lifts it when its holder ends,
//! however it ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace::short;

/// A directory that is ours until this is dropped.
#[derive(Debug)]
pub struct Claim {
    dir: PathBuf,
    _lock: File,
}

impl Claim {
    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Claims `dir`, waiting for whoever has it.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn wait(dir: &Path) -> Result<Self> {
        let file = lock_file(dir)?;
        if !try_lock(&file)? {
            println!("waiting: another process works in {}", short(dir));
            file.lock().with_context(|| format!("cannot lock {}", short(dir)))?;
        }
        Ok(Self { dir: dir.to_path_buf(), _lock: file })
    }

    /// Claims `dir`, or the first of `dir-2`, `dir-3`, … that is free.
    ///
    /// # Errors
    /// When the lock's file cannot be made.
    pub fn first_free(dir: &Path) -> Result<Self> {
        let mut number = 1;
        loop {
            let dir = if number == 1 { dir.to_path_buf() } else { beside(dir, number) };
            let file = lock_file(&dir)?;
            if try_lock(&file)? {
                return Ok(Self { dir, _lock: file });
            }
            number += 1;
        }
    }

    /// Empties the directory.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn clear(&self) -> Result<()> {
        let dir = &self.dir;
        if dir.exists() {
            std::fs::remove_dir_all(dir).with_context(|| format!("cannot clear {}", short(dir)))?;
        }
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", short(dir)))
    }
}

fn beside(dir: &Path, number: u32) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_os_string();
    name.push(format!("-{number}"));
    dir.with_file_name(name)
}

fn lock_file(dir: &Path) -> Result<File> {
    let mut name = std::ffi::OsString::from(".");
    name.push(dir.file_name().unwrap_or_default());
    name.push(".lock");
    let path = dir.with_file_name(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", short(parent)))?;
    }
    File::create(&path).with_context(|| format!("cannot make {}", short(&path)))
}

fn try_lock(file: &File) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_directory_is_left_alone() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = temp.path().join("run");
        let first = Claim::first_free(&dir).expect("free");
        let second = Claim::first_free(&dir).expect("the next is free");
        assert_eq!(first.dir(), dir);
        assert_eq!(second.dir(), temp.path().join("run-2"));
        drop(first);
        assert_eq!(Claim::wait(&dir).expect("free again").dir(), dir);
    }
}
