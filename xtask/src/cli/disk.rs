// SPDX-License-Identifier: Apache-2.0
//! The machine's test disks.

use anyhow::{Result, ensure};
use clap::Args;

use crate::disk::{Disk, DiskSpec, SEED};

/// The machine's test disks.
#[derive(Clone, Debug, Args)]
pub struct DiskArgs {
    /// A test disk in an NVMe drive (repeatable): SIZE like 64M or 1G, and after
    /// commas
    ///   blocks=4096           blocks of 4096 bytes in place of 512
    ///   namespaces=N          the disk is N namespaces of the drive, one behind the
    ///                         other, none as long as another
    ///   root-port             behind a PCIe root port
    ///   write                 the guest may write: each boot has a copy, and all
    ///                         of it is verified when the machine has ended
    ///   fails=OP              OP is read, write or flush: such requests fail
    ///   fails=OP@BLOCK        only those that touch that block
    ///   fails-once=...        only the first of them
    ///   full                  there is no room for what is written
    ///   full-after=N          none after N writes
    ///   dies-after=N          after N reads and writes, 500 at most, every
    ///                         request fails
    ///   pulled                where a scenario does that (nvme-faults), the guest
    ///                         turns the slot off that it is in
    /// Each block states its number and more: abi/src/disk.rs.
    #[arg(long, value_name = "SIZE[,OPTION...]", verbatim_doc_comment)]
    pub disk: Vec<DiskSpec>,
    /// What the blocks of the first test disk state, whatever the boot's seed is;
    /// those of the next state the next.
    #[arg(long, value_name = "S", default_value_t = SEED)]
    pub disk_seed: u64,
}

impl Default for DiskArgs {
    fn default() -> Self {
        Self { disk: Vec::new(), disk_seed: SEED }
    }
}

impl DiskArgs {
    /// Refuses disks where nothing can hold them.
    ///
    /// # Errors
    /// When there are some, and the machine of that name has no PCI.
    pub fn check(&self, machine: &str) -> Result<()> {
        let has_pci = machine.split(',').next() == Some("virt");
        ensure!(self.disk.is_empty() || has_pci, "--disk: only `virt` has PCI, not `{machine}`");
        Ok(())
    }

    /// The same, numbered.
    #[must_use]
    pub fn disks(&self) -> Vec<Disk> {
        Disk::of(&self.disk, self.disk_seed)
    }

    /// The words that ask for them.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> =
            self.disk.iter().flat_map(|disk| ["--disk".to_owned(), disk.to_string()]).collect();
        if !words.is_empty() {
            words.extend(["--disk-seed".to_owned(), self.disk_seed.to_string()]);
        }
        words
    }
}
