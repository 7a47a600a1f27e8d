// SPDX-License-Identifier: Apache-2.0
//! Builds the kernel image and says exactly which one it is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::process;
use crate::setup::compiler::Compiler;
use crate::workspace::KERNEL_TARGET;

/// The kernel's package.
pub const PACKAGE: &str = "skimmer-image";

/// The kernel's binary.
const BINARY: &str = "skimmer";

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
    kernel_in(compiler, profile, &compiler.target_dir())
}

/// The same, with the output in `target`, so that what is built elsewhere
/// stays as it is.
///
/// # Errors
/// As [`kernel`].
pub fn kernel_in(compiler: &Compiler, profile: &Profile, target: &Path) -> Result<Kernel> {
    let mut command = compiler.cargo_into("build", target);
    command.args(["--package", PACKAGE, "--bin", BINARY]);
    if !profile.debug {
        command.arg("--release");
    }
    if !profile.features.is_empty() {
        command.arg("--features").arg(profile.features.join(","));
    }
    process::run(&mut command).context("cannot build the kernel")?;
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
