// SPDX-License-Identifier: Apache-2.0
//! U-Boot between firmware and the kernel, as on a board: firmware starts it in
//! S-mode, and it boots from the first partition of a disk, where the flat
//! image, the boot package and a script lie.
//!
//! Nobody types: U-Boot runs a script of the name `boot.scr` by itself
//! (`distro_bootcmd`; doc/develop/distro.rst of U-Boot), after the seconds that
//! it waits for a key. When the script cannot start the kernel it turns the
//! machine off.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::programs;
use crate::spec::Machine;

/// The kernel's name on the disk.
const IMAGE: &str = "skimmer.img";

/// The script that U-Boot looks for.
const SCRIPT: &str = "boot.scr";

/// U-Boot's checksum, that of zlib.
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// A boot through U-Boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UBoot {
    /// U-Boot's own image.
    pub program: PathBuf,
    /// The folder that it sees as a disk.
    disk: PathBuf,
}

impl UBoot {
    /// U-Boot at `program`, with that kernel, package and command line on the
    /// disk that is made of the folder `disk`.
    ///
    /// # Errors
    /// When the folder cannot be written, or the script cannot say that command
    /// line.
    pub fn on_disk(
        program: PathBuf,
        disk: &Path,
        image: &[u8],
        package: Option<&Path>,
        bootargs: &str,
    ) -> Result<Self> {
        let disk = std::path::absolute(disk)?;
        std::fs::create_dir_all(&disk)
            .with_context(|| format!("cannot make {}", disk.display()))?;
        std::fs::write(disk.join(IMAGE), image)?;
        if let Some(package) = package {
            std::fs::copy(package, disk.join(programs::PACKAGE))?;
        }
        let script = commands(package.is_some(), bootargs)?;
        std::fs::write(disk.join(SCRIPT), as_script(&script)?)?;
        Ok(Self { program, disk })
    }

    /// `machine` with that disk, and without what the script brings.
    #[must_use]
    pub fn machine(&self, machine: &Machine) -> Machine {
        let mut machine = Machine { initrd: None, ..machine.clone() };
        let disk = json!({
            "driver": "vvfat",
            "node-name": "board",
            "dir": self.disk.display().to_string(),
            "read-only": true,
        });
        let device = "virtio-blk-device,drive=board".to_owned();
        machine.extra.extend(["-blockdev".to_owned(), disk.to_string()]);
        machine.extra.extend(["-device".to_owned(), device]);
        machine
    }
}

/// What U-Boot is told. The variables are its own: where the script came from,
/// and the addresses that are good on this board.
fn commands(has_package: bool, bootargs: &str) -> Result<String> {
    let is_plain = |c: char| c.is_ascii_graphic() && c != '\'' || c == ' ';
    ensure!(bootargs.chars().all(is_plain), "U-Boot cannot be told `{bootargs}`");
    let load = "load ${devtype} ${devnum}:${distro_bootpart}";
    let mut lines = vec![
        format!("setenv bootargs '{bootargs}'"),
        format!("{load} ${{kernel_addr_r}} {IMAGE} || poweroff"),
        "setenv package -".to_owned(),
    ];
    if has_package {
        lines.push(format!("{load} ${{ramdisk_addr_r}} {} || poweroff", programs::PACKAGE));
        lines.push("setenv package ${ramdisk_addr_r}:${filesize}".to_owned());
    }
    lines.push("booti ${kernel_addr_r} ${package} ${fdtcontroladdr}".to_owned());
    lines.push("poweroff".to_owned());
    Ok(lines.join("\n") + "\n")
}

/// `text` as U-Boot loads scripts: with the header of a legacy image of type
/// script (include/image.h of U-Boot) and a list of one length, all big-endian.
fn as_script(text: &str) -> Result<Vec<u8>> {
    const MAGIC: u32 = 0x2705_1956;
    // No operating system's in particular: U-Boot's own, for RISC-V, a script,
    // not compressed.
    const KIND: [u8; 4] = [17, 26, 6, 0];
    let mut body = u32::try_from(text.len())?.to_be_bytes().to_vec();
    body.extend([0; 4]);
    body.extend(text.as_bytes());
    let header = |checksum: u32| -> Result<Vec<u8>> {
        let size = u32::try_from(body.len())?;
        let words = [MAGIC, checksum, 0, size, 0, 0, CRC.checksum(&body)];
        let mut header: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        header.extend(KIND);
        header.extend([0; 32]);
        Ok(header)
    };
    let unsigned = header(0)?;
    let mut script = header(CRC.checksum(&unsigned))?;
    script.extend(body);
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_says_it_all() {
        let plain = commands(false, "scenario=ports seed=1").expect("plain");
        assert!(plain.contains("setenv bootargs 'scenario=ports seed=1'\n"), "{plain}");
        assert!(plain.contains("load ${devtype} ${devnum}:${distro_bootpart} ${kernel_addr_r} "));
        assert!(plain.ends_with("${fdtcontroladdr}\npoweroff\n") && !plain.contains("filesize"));
        let packed = commands(true, "").expect("plain");
        assert!(packed.contains("${ramdisk_addr_r} boot-package.cpio || "), "{packed}");
        for bad in ["x='", "x=\n", "x=é"] {
            assert!(commands(false, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_script_is_a_legacy_image() {
        let script = as_script("poweroff\n").expect("short");
        let word =
            |at: usize| u32::from_be_bytes(script[at..at + 4].try_into().expect("four bytes"));
        assert_eq!((word(0), word(12), script.len()), (0x2705_1956, 17, 64 + 17));
        assert_eq!((script[28], script[29], script[30], script[31]), (17, 26, 6, 0));
        assert_eq!((word(64), word(68), &script[72..]), (9, 0, &b"poweroff\n"[..]));
        let mut zeroed = script[..64].to_vec();
        zeroed[4..8].fill(0);
        assert_eq!(word(4), CRC.checksum(&zeroed));
        assert_eq!(word(24), CRC.checksum(&script[64..]));
        assert_eq!(CRC.checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_machine_has_the_disk_and_nothing_of_what_is_on_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let package = dir.path().join("a package");
        std::fs::write(&package, b"cpio").expect("writable");
        let disk = dir.path().join("disk");
        let u_boot = UBoot::on_disk("u-boot".into(), &disk, b"kernel", Some(&package), "seed=1");
        let u_boot = u_boot.expect("made");
        let machine = Machine { initrd: Some(package), ..crate::ram::tests::small() };
        let machine = u_boot.machine(&machine);
        assert_eq!(machine.initrd, None);
        assert!(machine.extra.iter().any(|word| word.contains("\"vvfat\"")), "{machine:?}");
        let read = |name: &str| std::fs::read(disk.join(name)).expect("there");
        assert_eq!((read(IMAGE), read(programs::PACKAGE)), (b"kernel".to_vec(), b"cpio".to_vec()));
        assert!(read(SCRIPT).ends_with(b"poweroff\n"));
    }
}
