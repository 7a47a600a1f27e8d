// SPDX-License-Identifier: Apache-2.0
//! The compiler for the kernel's target.
//!
//! Chosen by asking, in this order: the target of the rustup toolchain that
//! runs us, the same after `rustup target add`, the distribution's compiler
//! with its library sources. Invariant: the two never share a target
//! directory, and the distribution's never sees rustup's environment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::process;
use crate::workspace::{KERNEL_TARGET, root, target_dir};

/// How long `rustup target add` may take.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Where a distribution's tools are: rustup's must not come first here.
const SYSTEM_BIN: &str = "/usr/bin";

/// The oldest compiler that builds the workspace.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Variables that steer cargo and rustc, and that `cargo xtask` inherits from
/// the toolchain that runs it.
const INHERITED: &[&str] = &[
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "LD_LIBRARY_PATH",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// A compiler that can build the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// The toolchain that runs us, with the target installed.
    Rustup {
        /// What it calls itself.
        version: String,
    },
    /// The distribution's, which builds the libraries from their sources.
    Distribution {
        /// What it calls itself.
        version: String,
    },
}

impl Compiler {
    /// What it calls itself, and where it comes from.
    #[must_use]
    pub fn version(&self) -> String {
        match self {
            Self::Rustup { version } => version.clone(),
            Self::Distribution { version } => format!("{version} (distribution)"),
        }
    }

    /// Where its output goes.
    #[must_use]
    pub fn target_dir(&self) -> PathBuf {
        match self {
            Self::Rustup { .. } => target_dir(),
            Self::Distribution { .. } => target_dir().join("distro"),
        }
    }

    /// `cargo SUBCOMMAND` for the kernel's target.
    #[must_use]
    pub fn cargo(&self, subcommand: &str) -> Command {
        self.cargo_into(subcommand, &self.target_dir())
    }

    /// The same, with its output in another place.
    #[must_use]
    pub fn cargo_into(&self, subcommand: &str, target: &Path) -> Command {
        let mut command = match self {
            Self::Rustup { .. } => {
                let mut command = own_cargo();
                // They would replace the flags that the kernel needs.
                command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
                command.arg(subcommand);
                command
            }
            Self::Distribution { .. } => distribution_cargo(subcommand),
        };
        command.current_dir(root());
        command.args(["--target", KERNEL_TARGET]);
        command.arg("--target-dir").arg(target);
        command
    }
}

/// The cargo that runs us, for the host's crates.
#[must_use]
pub fn own_cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

fn distribution_cargo(subcommand: &str) -> Command {
    let bin = Path::new(SYSTEM_BIN);
    // `cargo clippy` would look for a `cargo-clippy` of rustup's first.
    let program = if subcommand == "clippy" { "cargo-clippy" } else { "cargo" };
    let mut command = Command::new(bin.join(program));
    for name in INHERITED {
        command.env_remove(name);
    }
    command.env("CARGO", bin.join("cargo"));
    command.env("RUSTC", bin.join("rustc"));
    command.env("RUSTDOC", bin.join("rustdoc"));
    command.env("RUSTC_BOOTSTRAP", "1");
    let linker = format!("CARGO_TARGET_{}_LINKER", KERNEL_TARGET.to_uppercase().replace('-', "_"));
    command.env(linker, "ld.lld");
    command.arg(subcommand);
    command.args([
        "-Zbuild-std=core,alloc,compiler_builtins",
        "-Zbuild-std-features=compiler-builtins-mem",
    ]);
    command
}

/// Which compiler to use, if it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The first that can build the kernel.
    #[default]
    Auto,
    /// The rustup toolchain that runs us.
    Rustup,
    /// The distribution's.
    Distribution,
}

impl Choice {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Rustup => "rustup",
            Self::Distribution => "distribution",
        }
    }
}

/// Whether rustup may be asked to fetch the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Not in this pass: a distribution's compiler counts only if rustup
    /// was tried in vain before.
    Later,
    /// Now, unless it was tried before.
    Now,
    /// Never: what is there must do.
    Never,
}

/// A compiler that can build the kernel.
#[must_use]
pub fn find(choice: Choice, fetch: Fetch) -> Option<Compiler> {
    match choice {
        Choice::Distribution => distribution(),
        Choice::Rustup => rustup(fetch),
        Choice::Auto => {
            let found = rustup(fetch);
            let tried = fetch != Fetch::Later || target_add_failed();
            found.or_else(|| if tried { distribution() } else { None })
        }
    }
}

/// The toolchain that runs us, fetching the target if that may be.
fn rustup(fetch: Fetch) -> Option<Compiler> {
    let found = rustup_target();
    if found.is_some() || fetch != Fetch::Now || target_add_failed() {
        return found;
    }
    if let Err(error) = add_target() {
        println!("set-up: {error:#}");
    }
    let found = rustup_target();
    if found.is_none() {
        remember_failure();
    }
    found
}

/// The toolchain that runs us, if the target's library is installed.
fn rustup_target() -> Option<Compiler> {
    let args = ["--print", "target-libdir", "--target", KERNEL_TARGET];
    let dir = process::read(Command::new("rustc").current_dir(root()).args(args)).ok()?;
    if !Path::new(&dir).is_dir() {
        return None;
    }
    let version = process::read(Command::new("rustc").current_dir(root()).arg("--version")).ok()?;
    Some(Compiler::Rustup { version })
}

fn add_target() -> Result<()> {
    if process::find_program("rustup").is_none() {
        bail!("there is no rustup");
    }
    println!("set-up: rustup target add {KERNEL_TARGET}");
    let mut command = Command::new("rustup");
    command.current_dir(root()).args(["target", "add", KERNEL_TARGET]);
    let output = process::output_within(&command, RUSTUP_LIMIT)?
        .with_context(|| format!("rustup did not answer within {} s", RUSTUP_LIMIT.as_secs()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let why = said.lines().find_map(|line| line.trim().strip_prefix("error:"));
        bail!("rustup cannot fetch the target ({})", why.unwrap_or("no reason given").trim());
    }
    Ok(())
}

/// The note that this checkout's rustup could not fetch the target.
fn failure_note() -> PathBuf {
    target_dir().join("setup").join("no-rustup-target")
}

/// Which toolchain the note is about.
fn toolchain() -> String {
    std::env::var("RUSTUP_TOOLCHAIN").unwrap_or_default()
}

fn target_add_failed() -> bool {
    std::fs::read_to_string(failure_note()).is_ok_and(|text| text == toolchain())
}

fn remember_failure() {
    let note = failure_note();
    // Without the note the next run tries rustup again; nothing else is lost.
    let _ = std::fs::create_dir_all(target_dir().join("setup"));
    let _ = std::fs::write(note, toolchain());
}

/// The distribution's compiler, if everything it needs is there.
fn distribution() -> Option<Compiler> {
    let bin = Path::new(SYSTEM_BIN);
    let rustc = bin.join("rustc");
    let clippy = bin.join("cargo-clippy");
    if !rustc.is_file() || !bin.join("cargo").is_file() || !clippy.is_file() {
        return None;
    }
    process::find_program("ld.lld")?;
    let ask = |arg: &[&str]| {
        let mut command = Command::new(&rustc);
        for name in INHERITED {
            command.env_remove(name);
        }
        process::read(command.args(arg)).ok()
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    if !sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
        return None;
    }
    let version = ask(&["--version"])?;
    (new_enough(&version)?).then_some(Compiler::Distribution { version })
}

/// Whether `rustc X.Y.Z …` is at least [`OLDEST`].
fn new_enough(version: &str) -> Option<bool> {
    let number = version.split_whitespace().nth(1)?;
    Some(major_minor(number)? >= major_minor(OLDEST)?)
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-', '+']).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(new_enough("rustc 1.95.0 (59807616e 2026-04-14)"), Some(true));
        assert_eq!(new_enough("rustc 1.100.0"), Some(true));
        assert_eq!(new_enough("rustc 2.0.0"), Some(true));
        assert_eq!(new_enough("rustc 1.85.0 (Debian)"), Some(false));
        assert_eq!(new_enough("nonsense"), None);
    }
}
