// SPDX-License-Identifier: Apache-2.0
//! Packages of a Debian-like system: which exist, and how to install them.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Whether this system has `apt-get`.
#[must_use]
pub fn is_there() -> bool {
    process::find_program("apt-get").is_some() && process::find_program("apt-cache").is_some()
}

/// Whether `package` can be installed from what the system knows.
#[must_use]
pub fn knows(package: &str) -> bool {
    process::read(Command::new("apt-cache").args(["policy", package])).is_ok_and(|text| {
        text.lines()
            .filter_map(|line| line.trim().strip_prefix("Candidate:"))
            .any(|candidate| candidate.trim() != "(none)")
    })
}

/// Fetches the lists of packages.
///
/// # Errors
/// When `apt-get` fails.
pub fn update() -> Result<()> {
    println!("set-up: apt-get update");
    process::run(&mut as_root("apt-get", &["update", "-qq"])?).context("cannot fetch package lists")
}

/// The command that installs `packages`, as one would type it.
#[must_use]
pub fn install_line(packages: &[&str]) -> String {
    format!("apt-get install --no-install-recommends {}", packages.join(" "))
}

/// Installs `packages`, through sudo where that is needed.
///
/// # Errors
/// When `apt-get` fails.
pub fn install(packages: &[&str]) -> Result<()> {
    println!("set-up: {}", install_line(packages));
    let mut words = vec!["install", "-y", "-qq", "--no-install-recommends"];
    words.extend(packages);
    process::run(&mut as_root("apt-get", &words)?).context("cannot install packages")
}

fn as_root(program: &str, args: &[&str]) -> Result<Command> {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    } else if let Some(sudo) = process::find_program("sudo") {
        let mut command = Command::new(sudo);
        command.args(["DEBIAN_FRONTEND=noninteractive", program]);
        command
    } else {
        bail!("installing packages needs root, and there is no sudo");
    };
    command.args(args);
    Ok(command)
}
