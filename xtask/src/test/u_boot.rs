// SPDX-License-Identifier: Apache-2.0
//! Boots by way of U-Boot, as on a board: firmware, U-Boot in S-mode, the flat
//! image by `booti`. What the kernel then does is judged like every boot.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};

use super::traces::{Check, Outcome};
use crate::boot::{Boot, Booted, boot};
use crate::cli::BootArgs;
use crate::evidence::file;
use crate::image::u_boot::UBoot;
use crate::image::{Header, flat};
use crate::setup::{self, Tools};
use crate::verdict::Kind;
use crate::workspace::target_dir;

/// Name and check.
pub const CASES: &[(&str, Check)] = &[
    ("u-boot-msgstorm", msgstorm),
    ("u-boot-chanstorm", chanstorm),
    ("u-boot-elsewhere", elsewhere),
    ("u-boot-bad-magic", bad_magic),
    ("u-boot-no-size", no_size),
];

const MSGSTORM: &str = "--scenario msgstorm --rounds 1024 --harts 4";

/// Where memory begins.
const RAM: u64 = 0x8000_0000;

/// Programs from the package: U-Boot hands it on.
const CHANSTORM: &str = "--scenario chanstorm --rounds 20 --harts 4";

fn msgstorm(tools: &Tools, elf: &Path) -> Outcome {
    passes("u-boot-msgstorm", MSGSTORM, 0x20_0000, tools, elf)
}

fn chanstorm(tools: &Tools, elf: &Path) -> Outcome {
    passes("u-boot-chanstorm", CHANSTORM, 0x20_0000, tools, elf)
}

/// The kernel runs from any 2 MiB boundary: this image asks for the fifth. (The
/// host's looks into its memory miss it there; the records do not.)
fn elsewhere(tools: &Tools, elf: &Path) -> Outcome {
    passes("u-boot-elsewhere", MSGSTORM, 0xa0_0000, tools, elf)
}

/// `booti` looks for the second magic; without it nothing is started.
fn bad_magic(tools: &Tools, elf: &Path) -> Outcome {
    let damage = |image: &mut [u8]| image[56] ^= 1;
    refused("u-boot-bad-magic", damage, "Bad Linux RISCV Image magic!", tools, elf)
}

/// Nor is what does not say how much memory it takes.
fn no_size(tools: &Tools, elf: &Path) -> Outcome {
    let damage = |image: &mut [u8]| image[16..24].fill(0);
    refused("u-boot-no-size", damage, "Image lacks image_size field, error!", tools, elf)
}

/// An image that asks for the memory `offset` after its beginning is moved there, and
/// passes.
fn passes(name: &str, words: &str, offset: u64, tools: &Tools, elf: &Path) -> Outcome {
    let change = |image: &mut [u8]| image[8..16].copy_from_slice(&offset.to_le_bytes());
    let Some(booted) = through_u_boot(name, words, change, tools, elf)? else { return Ok(None) };
    let problem = booted.verdict.problems.first();
    ensure!(problem.is_none(), "{}", problem.map(ToString::to_string).unwrap_or_default());
    let place = format!("to 0x{:x}", RAM + offset);
    let is_there = |line: &str| line.contains("Moving Image from") && line.contains(&place);
    ensure!(console(name)?.lines().any(is_there), "no image was moved {place}");
    Ok(Some(format!("passed, at {:#x}", RAM + offset)))
}

/// The boot of the damaged image must fail, and U-Boot must have said why.
fn refused(
    name: &str,
    damage: impl FnOnce(&mut [u8]),
    why: &str,
    tools: &Tools,
    elf: &Path,
) -> Outcome {
    let Some(booted) = through_u_boot(name, MSGSTORM, damage, tools, elf)? else { return Ok(None) };
    let found = booted.verdict.kind();
    ensure!(found == Some(Kind::NoRecord), "it must be no-record, it is {found:?}");
    ensure!(booted.records.is_empty(), "a kernel ran: {:?}", booted.records);
    ensure!(console(name)?.contains(why), "U-Boot did not say `{why}`");
    Ok(Some(format!("failed as it must: {}", Kind::NoRecord.name())))
}

/// All that was said on the console.
fn console(name: &str) -> Result<String> {
    let bytes = std::fs::read(target_dir().join("test").join(name).join(file::CONSOLE))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Boots the flat image of the kernel after that `change` to it. None where there is
/// no U-Boot.
fn through_u_boot(
    name: &str,
    words: &str,
    change: impl FnOnce(&mut [u8]),
    tools: &Tools,
    elf: &Path,
) -> Result<Option<Booted>> {
    let program = match u_boot(tools) {
        Ok(program) => program.clone(),
        Err(why) => {
            println!("boot: {name}: SKIPPED, needs U-Boot; {why}");
            return Ok(None);
        }
    };
    let dir = target_dir().join("test").join(name);
    let mut spec = Boot::of(&BootArgs::of_words(words, tools)?, tools, elf, &dir).packed(tools)?;
    let mut image = flat(&std::fs::read(elf)?)?;
    ensure!(image.len() > Header::SIZE, "the image is a header");
    change(&mut image);
    let package = spec.machine.initrd.as_deref();
    let disk = dir.join("disk");
    let on_disk = UBoot::on_disk(program, &disk, &image, package, &spec.bootargs());
    spec.u_boot = Some(on_disk.context("cannot make U-Boot's disk")?);
    spec.reproduce = format!("cargo xtask test --only boot --boot {name}");
    boot(&spec, &mut |_| {}).map(Some)
}

/// Looked for, and installed, once.
fn u_boot(tools: &Tools) -> &'static Result<PathBuf, String> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(|| setup::u_boot(tools).map_err(|error| format!("{error:#}")))
}
