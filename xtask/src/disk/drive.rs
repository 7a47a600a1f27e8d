// SPDX-License-Identifier: Apache-2.0
//! A drive of the emulator with a test disk in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use skimmer_abi::disk::SERIAL;

use super::{Checked, Disk, fault, image, images, verify};
use crate::record::{DiskWritten, Record};

/// A disk with its image, for one boot. A copy is deleted with it.
#[derive(Debug)]
pub struct Drive {
    disk: Disk,
    image: PathBuf,
}

impl Drive {
    /// The drives of a boot whose files go to `dir`.
    ///
    /// # Errors
    /// When there is no room for an image.
    pub fn attach(disks: &[Disk], dir: &Path) -> Result<Vec<Self>> {
        disks.iter().map(|disk| Self::of(disk.clone(), &images(), dir)).collect()
    }

    fn of(disk: Disk, images: &Path, dir: &Path) -> Result<Self> {
        let shared = image::cached(images, &disk.layout())?;
        if !disk.spec.write {
            return Ok(Self { disk, image: shared });
        }
        let copy = std::path::absolute(dir)?.join(format!("disk-{}.img", disk.number));
        let drive = Self { disk, image: copy };
        // The file is made here, so that it has not the image's permissions.
        let mut from = std::fs::File::open(&shared)?;
        let mut to = std::fs::File::create(&drive.image)?;
        std::io::copy(&mut from, &mut to)
            .with_context(|| format!("no room for {}", drive.image.display()))?;
        Ok(drive)
    }

    /// The arguments that give it to QEMU: the file, what is wrong with it, the
    /// drive, and its bus.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let Disk { number, spec, .. } = &self.disk;
        let mut args = Vec::new();
        for node in self.nodes() {
            args.extend(["-blockdev".to_owned(), node.to_string()]);
        }
        let sizes = format!("logical_block_size={0},physical_block_size={0}", spec.block);
        let serial = format!("serial={SERIAL}{number}");
        let mut device = match spec.namespaces {
            1 => format!("nvme,id=drive{number},drive=disk{number},{serial},{sizes}"),
            _ => format!("nvme,id=drive{number},{serial}"),
        };
        if spec.root_port {
            let port = format!("pcie-root-port,id=port{number},chassis={}", number + 1);
            args.extend(["-device".to_owned(), port]);
            device += &format!(",bus=port{number}");
        }
        args.extend(["-device".to_owned(), device]);
        // What is below the slices of one disk has several users.
        for id in (1..=spec.namespaces).filter(|_| spec.namespaces > 1) {
            let namespace =
                format!("nvme-ns,bus=drive{number},nsid={id},drive=disk{number}-{id},share-rw=on");
            args.extend(["-device".to_owned(), format!("{namespace},{sizes}")]);
        }
        args
    }

    /// QEMU's block nodes, the lowest first. The uppermost are raw, one for each
    /// namespace, and not the file itself, because it is what counts requests for
    /// `blkdebug`.
    fn nodes(&self) -> Vec<Value> {
        let Disk { number, spec, .. } = &self.disk;
        let node = |driver: &str, name: &str| {
            json!({
                "driver": driver,
                "node-name": format!("{name}{number}"),
                "read-only": !spec.write,
            })
        };
        let mut file = node("file", "file");
        file["filename"] = self.image.display().to_string().into();
        let mut nodes = vec![file];
        let mut below = format!("file{number}");
        if !spec.faults.is_empty() {
            let mut debug = node("blkdebug", "fault");
            debug["image"] = below.into();
            for (key, rules) in fault::rules(&spec.faults, spec.block) {
                debug[key] = rules;
            }
            nodes.push(debug);
            below = format!("fault{number}");
        }
        let mut disk = node("raw", "disk");
        disk["file"] = below.into();
        if spec.namespaces == 1 {
            nodes.push(disk);
            return nodes;
        }
        for (id, slice) in (1..).zip(spec.slices()) {
            disk["node-name"] = format!("disk{number}-{id}").into();
            disk["offset"] = slice.start.into();
            disk["size"] = (slice.end - slice.start).into();
            nodes.push(disk.clone());
        }
        nodes
    }

    /// What stands on it, if the guest could write and has told what it wrote.
    fn verify(&self, written: &[DiskWritten]) -> Option<Result<Checked>> {
        let Disk { number, spec, .. } = &self.disk;
        spec.write.then(|| verify(&self.image, *number, &self.disk.layout(), written))
    }

    /// Verifies the drives of a machine that has ended. Without an outcome
    /// nobody knows what was written, and nothing is verified. With what is
    /// wrong, in words.
    #[must_use]
    pub fn verify_all(drives: &[Self], records: &[Record]) -> (Vec<Checked>, Vec<String>) {
        if !records.iter().any(|record| matches!(record, Record::End(_))) {
            return Default::default();
        }
        let told = |record: &Record| match record {
            Record::DiskWritten(written) => Some(*written),
            _ => None,
        };
        let written: Vec<DiskWritten> = records.iter().filter_map(told).collect();
        let mut problems: Vec<String> =
            written.iter().filter_map(|written| refuted(written, drives)).collect();
        let (mut all, results) = (Vec::new(), drives.iter().filter_map(|d| d.verify(&written)));
        for result in results {
            match result {
                Ok(checked) => {
                    problems.extend(checked.problem());
                    all.push(checked);
                }
                Err(error) => problems.push(format!("{error:#}")),
            }
        }
        (all, problems)
    }
}

/// Why this cannot have been written.
fn refuted(written: &DiskWritten, drives: &[Drive]) -> Option<String> {
    let DiskWritten { drive, first, count, generation } = *written;
    let say = |why: String| Some(format!("the guest says it has written disk {drive}, {why}"));
    let Some(Drive { disk, .. }) = drives.iter().find(|d| d.disk.number == drive) else {
        return say("which the machine has not".to_owned());
    };
    let blocks = disk.spec.blocks();
    if !disk.spec.write {
        return say("which is for reading".to_owned());
    }
    if first.checked_add(count).is_none_or(|end| end > blocks) {
        return say(format!("{count} block(s) from {first} on: it has {blocks}"));
    }
    (generation == skimmer_abi::disk::AS_MADE)
        .then(|| say("as the host made it".to_owned()))
        .flatten()
}

impl Drop for Drive {
    fn drop(&mut self) {
        if self.disk.spec.write {
            // The directory may have gone with it.
            let _ = std::fs::remove_file(&self.image);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use skimmer_abi::disk::fill;

    use super::*;
    use crate::verdict::tests::outcome;

    /// Drives for these words, with what is in their directory.
    fn drives(words: &[&str]) -> (tempfile::TempDir, Vec<Drive>) {
        let dir = tempfile::tempdir().expect("a directory");
        let specs: Vec<_> = words.iter().map(|word| word.parse().expect("a disk")).collect();
        let of = |disk| Drive::of(disk, &dir.path().join("images"), dir.path()).expect("room");
        let drives = Disk::of(&specs, 7).into_iter().map(of).collect();
        (dir, drives)
    }

    fn files(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir).expect("there").flatten();
        let mut names: Vec<_> =
            names.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "images");
        names.sort();
        names
    }

    #[test]
    fn who_reads_shares_and_who_writes_has_a_copy_that_goes() {
        let (dir, drives) = drives(&["64K", "64K,write"]);
        assert!(drives[0].image.starts_with(dir.path().join("images")));
        assert_eq!(files(dir.path()), ["disk-1.img"]);
        let writable = std::fs::metadata(&drives[1].image).expect("there").permissions();
        assert!(!writable.readonly());
        let shared = drives[0].image.clone();
        drop(drives);
        assert!(files(dir.path()).is_empty());
        assert!(shared.exists());
    }

    #[test]
    fn qemu_is_asked_for_what_was_asked() {
        let (_dir, drives) = drives(&["64K", "64K,blocks=4096,root-port,write,full"]);
        let node = |args: &[String], at: usize| -> Value {
            assert_eq!(args[2 * at], "-blockdev");
            serde_json::from_str(&args[2 * at + 1]).expect("JSON")
        };
        let args = drives[0].arguments();
        assert_eq!(args.len(), 6);
        let file = node(&args, 0);
        assert_eq!(file["read-only"], true);
        assert_eq!(file["filename"], drives[0].image.display().to_string());
        let disk =
            json!({ "driver": "raw", "node-name": "disk0", "read-only": true, "file": "file0" });
        assert_eq!(node(&args, 1), disk);
        let device = "nvme,id=drive0,drive=disk0,serial=skimmer-0,\
                      logical_block_size=512,physical_block_size=512";
        assert_eq!(args[4..], ["-device", device]);
        let args = drives[1].arguments();
        let fault = node(&args, 1);
        assert_eq!((&fault["driver"], &fault["image"]), (&json!("blkdebug"), &json!("file1")));
        assert_eq!(fault["inject-error"][0]["errno"], 28);
        assert_eq!(node(&args, 2)["file"], "fault1");
        assert_eq!(node(&args, 2)["read-only"], false);
        let device = "nvme,id=drive1,drive=disk1,serial=skimmer-1,\
                      logical_block_size=4096,physical_block_size=4096,bus=port1";
        assert_eq!(args[6..], ["-device", "pcie-root-port,id=port1,chassis=2", "-device", device]);
    }

    #[test]
    fn a_namespace_is_a_slice_of_what_is_below() {
        let (_dir, drives) = drives(&["1M,blocks=4096,namespaces=3,root-port,write,fails=read@7"]);
        let args = drives[0].arguments();
        let device = "nvme,id=drive0,serial=skimmer-0,bus=port0";
        assert_eq!(
            args[10..14],
            ["-device", "pcie-root-port,id=port0,chassis=1", "-device", device]
        );
        let starts = [0, 43 << 12, 129 << 12, 1 << 20];
        for at in 0..3 {
            let id = at + 1;
            let node: Value = serde_json::from_str(&args[2 * (2 + at) + 1]).expect("JSON");
            let name = format!("disk0-{id}");
            let size = starts[id] - starts[at];
            let due = json!({ "driver": "raw", "node-name": name, "read-only": false,
                              "file": "fault0", "offset": starts[at], "size": size });
            assert_eq!(node, due);
            let device = format!(
                "nvme-ns,bus=drive0,nsid={id},drive=disk0-{id},share-rw=on,\
                 logical_block_size=4096,physical_block_size=4096"
            );
            assert_eq!(args[14 + 2 * at..][..2], ["-device".to_owned(), device]);
        }
        assert_eq!(args.len(), 20);
    }

    fn told(drive: u32, first: u64, count: u64, generation: u64) -> Record {
        Record::DiskWritten(DiskWritten { drive, first, count, generation })
    }

    #[test]
    fn what_the_guest_wrote_is_verified_with_its_outcome() {
        let (_dir, drives) = drives(&["64K", "64K,write"]);
        let mut block = [0; 512];
        // The second disk has a seed of its own.
        fill(&mut block, drives[1].disk.layout().stamp(5, 1));
        let file = std::fs::File::options().write(true).open(&drives[1].image).expect("ours");
        file.write_all_at(&block, 5 * 512).expect("room");
        let end = Record::End(outcome());
        let (checked, problems) = Drive::verify_all(&drives, &[told(1, 5, 1, 1), end.clone()]);
        assert_eq!(problems, Vec::<String>::new());
        // A disk that cannot be written is not read either.
        assert_eq!(checked.len(), 1);
        assert_eq!((checked[0].drive, checked[0].blocks, checked[0].written), (1, 128, 1));
        let (_, problems) = Drive::verify_all(&drives, &[end]);
        let due = "disk 1: 1 of 128 blocks are wrong, the first is block 5: its generation 1";
        assert_eq!(problems, [due]);
        assert_eq!(Drive::verify_all(&drives, &[]), (vec![], vec![]));
    }

    #[test]
    fn what_cannot_have_been_written_is_refuted() {
        let (_dir, drives) = drives(&["64K", "64K,write"]);
        for (record, due) in [
            (told(2, 0, 1, 1), "disk 2, which the machine has not"),
            (told(0, 0, 1, 1), "disk 0, which is for reading"),
            (told(1, 127, 2, 1), "2 block(s) from 127 on: it has 128"),
            (told(1, u64::MAX, 2, 1), "it has 128"),
            (told(1, 0, 1, 0), "as the host made it"),
        ] {
            let records = [record, Record::End(outcome())];
            let (_, problems) = Drive::verify_all(&drives, &records);
            assert!(problems[0].contains(due), "{problems:?}");
        }
    }
}
