// SPDX-License-Identifier: Apache-2.0
//! The report of a run, for `docs/evidence`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

/// Where a report goes, and the command that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    path: PathBuf,
    command: String,
}

impl Report {
    pub(crate) fn new(path: &str, package: &str, arguments: &[String]) -> Self {
        let profile = if cfg!(debug_assertions) { "" } else { " --release" };
        let arguments = arguments.join(" ");
        let command = format!("cargo run{profile} -p {package} --example damage -- {arguments}");
        Report { path: path.into(), command }
    }

    /// Adds what came of a run.
    pub(crate) fn add(&self, what: &str, how: &str, outcome: &str) -> io::Result<()> {
        let changes = said("git", &["status", "--porcelain", "--untracked-files=no"]);
        let changed = if changes.is_empty() { "" } else { ", with changes" };
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        writeln!(file, "# Damage: {what}\n\n| | |\n|---|---|")?;
        writeln!(file, "| command | `{}` |", self.command)?;
        writeln!(
            file,
            "| commit | {}{changed} |",
            said("git", &["rev-parse", "--short=12", "HEAD"])
        )?;
        writeln!(file, "| compiler | {} |", said("rustc", &["--version"]))?;
        writeln!(file, "| run | {how} |\n\n{outcome}\n")
    }
}

/// What a program prints; nothing if there is none.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
