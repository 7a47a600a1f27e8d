// SPDX-License-Identifier: Apache-2.0
//! Test disks: what is asked for, the images, the drives of the emulator, and
//! what stands on them in the end.
//!
//! Every block of an image says what it is (`skimmer_abi::disk`). Invariant: an
//! image under `target/disks` is whole and never changes. Boots that only read
//! share it, and QEMU opens it for reading; a boot that writes has a copy, which
//! is verified and deleted when the machine has ended.

mod drive;
mod fault;
mod image;
mod slices;
mod spec;
mod verify;

use std::path::PathBuf;

use anyhow::Result;
use skimmer_abi::disk::seed_of;

use crate::workspace::target_dir;

pub use drive::Drive;
pub use fault::{Fault, Operation};
pub use image::Layout;
pub use spec::DiskSpec;
pub use verify::{Checked, verify};

/// The seed of the first disk unless another is asked for.
pub const SEED: u64 = 1;

/// A disk of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its place among the machine's, from 0.
    pub number: u32,
    /// What its blocks state.
    pub seed: u64,
    /// What was asked for.
    pub spec: DiskSpec,
}

impl Disk {
    /// The disks of a machine, the first of which has that seed.
    #[must_use]
    pub fn of(specs: &[DiskSpec], seed: u64) -> Vec<Self> {
        let numbered = (0..).zip(specs);
        numbered
            .map(|(number, spec)| Self { number, seed: seed_of(seed, number), spec: spec.clone() })
            .collect()
    }

    /// What its image is made of.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        Layout { bytes: self.spec.bytes, block: self.spec.block, seed: self.seed }
    }
}

/// Makes the images that these disks need and that are not there yet.
///
/// # Errors
/// When there is no room.
pub fn prepare(disks: &[Disk]) -> Result<()> {
    disks.iter().try_for_each(|disk| image::cached(&images(), &disk.layout()).map(|_| ()))
}

/// What the guest is told of them: how many, the seed of the first, and which it
/// pulls. What is wrong with them it is not told.
#[must_use]
pub fn bootargs(disks: &[Disk]) -> String {
    let Some(first) = disks.first() else { return String::new() };
    let bit = |disk: &Disk| 1_u64.checked_shl(disk.number).unwrap_or(0);
    let pull: u64 = disks.iter().filter(|disk| disk.spec.pulled).map(bit).sum();
    let pull = if pull == 0 { String::new() } else { format!(" pull={pull}") };
    format!(" disks={} disk_seed={}{pull}", disks.len(), first.seed)
}

fn images() -> PathBuf {
    target_dir().join("disks")
}
