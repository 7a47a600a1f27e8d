// SPDX-License-Identifier: Apache-2.0
//! The programs of the boot package: finds them, builds them, checks their
//! images, packs them.
//!
//! A program is a package under `user/programs`, of the same name as its folder
//! and its binary. Invariant: the same sources and compiler give the same
//! package, byte for byte.

pub mod archive;
pub mod checks;
pub mod command;
pub mod image;
pub mod template;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use skimmer_abi::scenario::Scenario;

use crate::build;
use crate::process;
use crate::setup::compiler::Compiler;
use crate::spec::Workload;
use crate::workspace::{KERNEL_TARGET, root};

/// Where the programs are, from the root.
pub const FOLDER: &str = "user/programs";

/// The run-time library's package: the host can build it too.
pub const RUNTIME: &str = "skimmer-rt";

/// The linker script, from the root.
const SCRIPT: &str = "user/rt/program.ld";

/// The profile that programs are built with.
const PROFILE: &str = "program";

/// The name of the package.
pub const PACKAGE: &str = "boot-package.cpio";

/// Where the programs' ELF files lie beside a package that was copied.
const ELVES: &str = "programs";

/// A program that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its ELF file, with all that a debugger can ask for.
    pub elf: PathBuf,
    /// What of that the kernel needs.
    pub image: Vec<u8>,
}

/// A boot package that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its file.
    pub path: PathBuf,
    /// What is in it.
    pub programs: Vec<Program>,
}

/// The names of all programs, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn names() -> Result<Vec<String>> {
    names_in(&root())
}

/// The same of another checkout.
///
/// # Errors
/// When the folder cannot be read.
pub fn names_in(root: &Path) -> Result<Vec<String>> {
    let dir = root.join(FOLDER);
    let mut names = Vec::new();
    let entries = std::fs::read_dir(&dir).with_context(|| format!("cannot read {FOLDER}"))?;
    for entry in entries {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The flags that make a program what the kernel loads: a static PIE by our
/// script. They take the place of those in `.cargo/config.toml`.
fn flags() -> String {
    let script = format!("-Clink-arg=-T{}", root().join(SCRIPT).display());
    let words = [
        // A fault is told with a backtrace by frame pointers.
        "-Cforce-frame-pointers=yes",
        "-Crelocation-model=pie",
        &script,
        "-Clink-arg=-pie",
        "-Clink-arg=--no-dynamic-linker",
        // Code and constants are never written, not even to relocate them.
        "-Clink-arg=-ztext",
    ];
    words.join("\x1f")
}

/// Builds every program with `compiler`.
///
/// # Errors
/// When the compiler fails (it has said why), or one is no program.
pub fn build(compiler: &Compiler) -> Result<Vec<Program>> {
    build_in(compiler, &root(), &names()?, &compiler.target_dir().join("programs"))
}

/// Builds those of another checkout, with the output in `target`.
///
/// # Errors
/// As [`build()`].
pub fn build_in(
    compiler: &Compiler,
    root: &Path,
    names: &[String],
    target: &Path,
) -> Result<Vec<Program>> {
    let mut command = compiler.cargo_into("build", target);
    command.current_dir(root);
    command.args(["--quiet", "--profile", PROFILE]);
    for name in names {
        command.args(["--package", name, "--bin", name]);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags());
    process::run(&mut command).context("cannot build the programs")?;
    let folder = target.join(KERNEL_TARGET).join(PROFILE);
    names.iter().map(|name| load(name, folder.join(name))).collect()
}

fn load(name: &str, elf: PathBuf) -> Result<Program> {
    let bytes = std::fs::read(&elf)
        .with_context(|| format!("the build left no program at {}", elf.display()))?;
    let image = image::of(&bytes).with_context(|| format!("the program {name}"))?;
    Ok(Program { name: name.to_owned(), elf, image })
}

/// Builds every program and packs them.
///
/// # Errors
/// When one cannot be built, or the package cannot be written.
pub fn package(compiler: &Compiler) -> Result<Package> {
    let programs = build(compiler)?;
    let bytes = archive::pack(&programs)?;
    let path = compiler.target_dir().join("programs").join(PACKAGE);
    // Somebody may boot with the old one just now.
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    std::io::Write::write_all(&mut file, &bytes)?;
    file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Package { path, programs })
}

/// The package for a boot of `workload`, as a copy in `dir` that no later build
/// changes; none if it runs no program.
///
/// # Errors
/// As [`package`], or when there is no program of that name.
pub fn for_boot(compiler: &Compiler, workload: &Workload, dir: &Path) -> Result<Option<PathBuf>> {
    if !matches!(workload.scenario, Scenario::Program | Scenario::All) {
        return Ok(None);
    }
    let package = package(compiler)?;
    if let Some(name) = &workload.program
        && !package.programs.iter().any(|program| program.name == *name)
    {
        bail!("there is no program named {name}, only {}", names()?.join(", "));
    }
    let copy = dir.join(PACKAGE);
    std::fs::copy(&package.path, &copy).context("cannot keep a copy of the boot package")?;
    std::fs::create_dir_all(dir.join(ELVES))?;
    for program in &package.programs {
        std::fs::copy(&program.elf, dir.join(ELVES).join(&program.name))
            .with_context(|| format!("cannot keep a copy of {}", program.name))?;
    }
    Ok(Some(copy))
}

/// The file with all that a debugger can ask for, of a program in a package that
/// [`for_boot`] has copied.
#[must_use]
pub fn elf_beside(package: &Path, name: &str) -> Option<PathBuf> {
    template::check_name(name).ok()?;
    Some(package.with_file_name(ELVES).join(name))
}

/// What tells one package from another; empty if there is none.
#[must_use]
pub fn identity(package: Option<&Path>) -> String {
    package.and_then(|path| build::identity(path).ok()).unwrap_or_default()
}
