// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask lint`: everything that can be said about the source without
//! running it. A table of named steps; each passes or says what is wrong;
//! one that fails does not stop the others.

pub mod arrows;
pub mod bugs;
pub mod census;
pub mod licences;
pub mod rules;
pub mod sources;
pub mod tokens;

use std::process::Command;

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::cli::LintArgs;
use crate::process;
use crate::programs;
use crate::setup::compiler::{Compiler, own_cargo};
use crate::setup::{self, Tools};
use crate::tally::Tally;
use crate::workspace::root;

/// Crates that only the kernel's target can build; all programs are such too.
const TARGET_ONLY: &[&str] = &["skimmer-arch", "skimmer-image"];

/// What the steps work on.
pub struct Context {
    compiler: Compiler,
    metadata: Metadata,
    update_census: bool,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("compiler", &self.compiler).finish_non_exhaustive()
    }
}

/// A step: its name, and what it does. `Ok` carries a remark or nothing.
type Step = (&'static str, fn(&Context) -> Result<String>);

/// All steps, the quick ones first.
const STEPS: &[Step] = &[
    ("licence headers", |_| rules::licence_headers()),
    ("file lengths", |_| rules::file_lengths()),
    ("arrows between crates", |c| arrows::check(&c.metadata)),
    ("unsafe census", |c| census::check(&c.metadata, c.update_census)),
    ("licences of dependencies", |c| licences::check(&c.metadata)),
    ("rustfmt", |_| rustfmt()),
    ("clippy, host", |_| clippy_host()),
    ("clippy, kernel and programs", |c| clippy_kernel(c, &[])),
    ("clippy, kernel with off-times", |c| {
        clippy_kernel(c, &["--features", "skimmer-image/off-times"])
    }),
    ("clippy, kernel with every feature", |c| clippy_kernel(c, &["--all-features"])),
    ("programs are what can be loaded", |c| images(&c.compiler)),
    ("no bug in a default build", |c| bugs::check(&c.metadata, &c.compiler)),
    ("docs, host", |_| docs_host()),
    ("docs, kernel and programs", docs_kernel),
];

/// Runs lint by itself. `true` if all passed.
///
/// # Errors
/// When it cannot run at all.
pub fn lint(args: &LintArgs) -> Result<bool> {
    let tools = setup::ensure(&args.setup.wishes())?;
    let tally = steps(&tools, args.update_census)?;
    println!("lint: {} passed, {} failed", tally.passed, tally.failed.len());
    Ok(tally.failed.is_empty())
}

/// Runs every step.
///
/// # Errors
/// When the workspace cannot be read, or the user interrupts.
pub fn steps(tools: &Tools, update_census: bool) -> Result<Tally> {
    let metadata =
        MetadataCommand::new().current_dir(root()).exec().context("cannot read the workspace")?;
    let context = Context { compiler: tools.compiler.clone(), metadata, update_census };
    let mut tally = Tally::default();
    for (name, step) in STEPS {
        process::check_interrupt()?;
        let came = step(&context).map_err(|error| format!("{error:#}"));
        tally.take(&format!("lint: {name}"), came);
    }
    Ok(tally)
}

fn rustfmt() -> Result<String> {
    quietly(own_cargo().args(["fmt", "--all", "--check"]))
}

/// The names of the crates that only the target can build.
///
/// # Errors
/// When the programs cannot be listed.
fn target_only() -> Result<Vec<String>> {
    let mut names: Vec<String> = TARGET_ONLY.iter().map(ToString::to_string).collect();
    names.extend(programs::names()?);
    Ok(names)
}

/// The workspace without the crates that only the target can build.
///
/// # Errors
/// When the programs cannot be listed.
pub fn host_crates(command: &mut Command) -> Result<&mut Command> {
    command.arg("--workspace");
    for name in target_only()? {
        command.args(["--exclude", &name]);
    }
    Ok(command)
}

/// The crates of the target; the run-time library, which the host builds for
/// its tests, is one.
fn target_crates(command: &mut Command) -> Result<&mut Command> {
    for name in target_only()? {
        command.args(["--package", &name]);
    }
    Ok(command.args(["--package", programs::RUNTIME]))
}

fn clippy_host() -> Result<String> {
    let mut command = own_cargo();
    command.arg("clippy").args(["--quiet", "--all-targets"]);
    quietly(host_crates(&mut command)?.args(["--", "-D", "warnings"]))
}

fn clippy_kernel(context: &Context, features: &[&str]) -> Result<String> {
    let mut command = context.compiler.cargo("clippy");
    command.args(["--quiet", "--release"]).args(features);
    quietly(target_crates(&mut command)?.args(["--", "-D", "warnings"]))
}

/// Each program is a static PIE in whose segments nothing is both writable and
/// executable and no page is shared.
fn images(compiler: &Compiler) -> Result<String> {
    let programs = programs::build(compiler)?;
    let bytes: usize = programs.iter().map(|program| program.image.len()).sum();
    Ok(format!("{} programs, {} KiB", programs.len(), bytes / 1024))
}

fn docs_host() -> Result<String> {
    let mut command = own_cargo();
    command.args(["doc", "--quiet", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    // The kernel's binary documents a crate of the same name as no library.
    quietly(host_crates(&mut command)?)
}

fn docs_kernel(context: &Context) -> Result<String> {
    let mut command = context.compiler.cargo("doc");
    command.args(["--quiet", "--no-deps", "--release"]).env("RUSTDOCFLAGS", "-D warnings");
    quietly(target_crates(&mut command)?)
}

/// Runs a command whose output matters only when it fails.
fn quietly(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot start {}", process::line(command)))?;
    if output.status.success() {
        return Ok(String::new());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::bail!(
        "`{}` failed ({}):\n{said}{}",
        process::line(command),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
}
