// SPDX-License-Identifier: Apache-2.0
//! Test disks in QEMU itself: what the drives hold, and what was asked to be
//! wrong with them is. No guest takes part but in the last boot: QEMU's monitor
//! reads and writes through the drives.

use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::traces::{Check, Outcome};
use crate::boot::Boot;
use crate::cli::BootArgs;
use crate::disk::Drive;
use crate::qemu::Qemu;
use crate::qemu::qmp::Qmp;
use crate::setup::Tools;
use crate::workspace::target_dir;

/// Name and check.
pub const CASES: &[(&str, Check)] = &[("disks-faults", faults), ("disks-copies", copies)];

/// How long QEMU may take to open its monitor.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a drive is asked, and what it must say of it.
type Request = (u32, &'static str, &'static str);

/// The disks, and in order what is asked of them.
const DISKS: &str = "--disk 1M,fails=read@3,fails-once=read@8 \
                     --disk 1M,blocks=4096,root-port,write,full,fails=read@2,fails-once=flush \
                     --disk 1M,write,dies-after=3";
const REQUESTS: &[Request] = &[
    // The numbers of the first block and of the second, seeds 5 and 6.
    (0, "read -v 512 16", "01 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00"),
    (1, "read -v 4096 16", "01 00 00 00 00 00 00 00 06 00 00 00 00 00 00 00"),
    (0, "read 1024 512", "read 512/512 bytes"),
    (0, "read 1536 512", "read failed: Input/output error"),
    (0, "read 0 4096", "read failed: Input/output error"),
    (0, "read 1536 512", "read failed: Input/output error"),
    (0, "read 4096 512", "read failed: Input/output error"),
    (0, "read 4096 512", "read 512/512 bytes"),
    (1, "read 8192 4096", "read failed: Input/output error"),
    (1, "read 12288 4096", "read 4096/4096 bytes"),
    (1, "write 0 4096", "write failed: No space left on device"),
    (2, "write 0 512", "wrote 512/512 bytes"),
    (2, "read 0 512", "read 512/512 bytes"),
    (2, "write 512 512", "wrote 512/512 bytes"),
    (2, "read 0 512", "read failed: Input/output error"),
    (2, "write 0 512", "write failed: Input/output error"),
    (2, "read 4096 512", "read failed: Input/output error"),
];

fn faults(tools: &Tools, elf: &Path) -> Outcome {
    let args = BootArgs::of_words(&format!("{DISKS} --disk-seed 5 --harts 1"), tools)?;
    let machine = args.machine.machine(tools, 1);
    let dir = tempfile::tempdir()?;
    let drives = Drive::attach(&machine.disks, dir.path())?;
    let mut qemu = Qemu::start(&machine, elf, "", None, &drives, true)?;
    let mut qmp = monitor(&mut qemu)?;
    let mut console = qemu.take_console().context("the emulator has no console")?;
    let mut ask =
        |drive: u32, request: &str| qmp.monitor(&format!("qemu-io -d drive{drive} \"{request}\""));
    for (drive, request, _) in REQUESTS {
        ask(*drive, request)?;
    }
    let refused = ask(0, "write 0 512")?;
    ensure!(refused.contains("read-only"), "writing to a disk for reading: `{refused}`");
    // It may close the connection before it answers.
    let _ = qmp.execute("quit", None);
    let mut text = String::new();
    console.read_to_string(&mut text)?;
    judge(&text)?;
    Ok(Some(format!("{} requests", REQUESTS.len())))
}

fn monitor(qemu: &mut Qemu) -> Result<Qmp> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(qmp) = qemu.connect() {
            return Ok(qmp);
        }
        if let Some(status) = qemu.try_wait()? {
            bail!("QEMU ended with {status}: {}", qemu.errors());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("QEMU opens no monitor")
}

/// Holds what the drives said against what they must say, in order.
fn judge(text: &str) -> Result<()> {
    let mut rest = text;
    for (drive, request, due) in REQUESTS {
        let at = rest.find(due);
        let at = at.with_context(|| format!("drive {drive}, {request}: no `{due}` in\n{text}"))?;
        rest = &rest[at + due.len()..];
    }
    Ok(())
}

/// A boot whose guest does not know of disks leaves them as they were.
fn copies(tools: &Tools, elf: &Path) -> Outcome {
    let words = "--harts 2 --disk 2M --disk 1M,blocks=4096,root-port,write --scenario ports";
    let dir = target_dir().join("test").join("disks-copies");
    let spec = Boot::of(&BootArgs::of_words(words, tools)?, tools, elf, &dir).packed(tools)?;
    let booted = spec.passed()?;
    let [disk] = booted.disks.as_slice() else { bail!("{:?} were verified", booted.disks) };
    ensure!((disk.drive, disk.blocks, disk.wrong) == (1, 256, 0), "{disk:?}");
    Ok(Some(disk.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_due_in_its_place() {
        let good: Vec<&str> = REQUESTS.iter().map(|(_, _, due)| *due).collect();
        assert!(judge(&good.join("\n")).is_ok());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = "";
            // What is missing at the end is missing; before, another may stand for it.
            let is_alone = good.iter().filter(|due| *due == &good[at]).count() == 1;
            if is_alone || at + 1 == good.len() {
                assert!(judge(&bad.join("\n")).is_err(), "{at}");
            }
        }
        assert!(judge("").is_err());
    }
}
