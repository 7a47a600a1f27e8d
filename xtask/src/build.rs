// SPDX-License-Identifier: Apache-2.0
//! Builds the kernel image and says exactly which one it is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::process;
use crate::setup::compiler::Compiler;
use crate::workspace::KERNEL_TARGET;

/// The kernel's package.
pub const PACKAGE: &str = "skimmer-image";

/// The kernel's binary.
const BINARY: &str = "skimmer";

/// What a build beside other work may take.
const LIMIT: Duration = Duration::from_mins(30);

/// How the kernel is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Without optimisation.
    pub debug: bool,
    /// Cargo features, passed through.
    pub features: Vec<String>,
}

impl Profile {
    /// Optimised, with this feature.
    #[must_use]
    pub fn with(feature: &str) -> Self {
        Self { debug: false, features: vec![feature.to_owned()] }
    }
}

/// A kernel that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its ELF file.
    pub elf: PathBuf,
    /// SHA-256 of that file: two boots are of the same build if it is equal.
    pub identity: String,
}

impl Kernel {
    /// The same kernel as a copy in `dir`, which is made: a build that happens while it is
    /// booted must not change it.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep_copy(&self, dir: &Path) -> Result<Self> {
        let elf = dir.join("kernel.elf");
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::copy(&self.elf, &elf))
            .context("cannot keep a copy of the kernel")?;
        Ok(Self { identity: identity(&elf)?, elf })
    }
}

/// Builds the kernel with `compiler`.
///
/// # Errors
/// When the compiler fails; it has said why.
pub fn kernel(compiler: &Compiler, profile: &Profile) -> Result<Kernel> {
    let target = compiler.target_dir();
    process::run(&mut cargo(compiler, profile, &target)).context("cannot build the kernel")?;
    built(profile, &target)
}

/// The same with the output in `target`, beside other work: nothing is said, and
/// the compiler takes what time others leave it.
///
/// # Errors
/// When the compiler fails, with what it says.
pub fn kernel_aside(compiler: &Compiler, profile: &Profile, target: &Path) -> Result<Kernel> {
    let command = process::gently(&cargo(compiler, profile, target));
    let output = process::output_within(&command, LIMIT)?.context("the compiler took too long")?;
    if !output.status.success() {
        bail!("cannot build the kernel: {}", String::from_utf8_lossy(&output.stderr));
    }
    built(profile, target)
}

fn cargo(compiler: &Compiler, profile: &Profile, target: &Path) -> Command {
    let mut command = compiler.cargo_into("build", target);
    command.args(["--package", PACKAGE, "--bin", BINARY]);
    if !profile.debug {
        command.arg("--release");
    }
    if !profile.features.is_empty() {
        command.arg("--features").arg(profile.features.join(","));
    }
    command
}

/// What cargo has left.
fn built(profile: &Profile, target: &Path) -> Result<Kernel> {
    let folder = if profile.debug { "debug" } else { "release" };
    let elf = target.join(KERNEL_TARGET).join(folder).join(BINARY);
    if !elf.is_file() {
        bail!("the build left no kernel at {}", elf.display());
    }
    let identity = identity(&elf)?;
    Ok(Kernel { elf, identity })
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// When it cannot be read.
pub fn identity(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(&Sha256::digest(&bytes)))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
