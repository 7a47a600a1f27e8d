// SPDX-License-Identifier: Apache-2.0
//! Options of the commands that boot nothing that the user describes.

use std::path::PathBuf;

use clap::Args;

use super::BuildArgs;
use super::boot::quoted;
use crate::setup::Wishes;
use crate::setup::compiler::Choice;
use crate::test::Part;

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// Write the figures as a list of {"name": …, "instructions": …, …}.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the table as markdown.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Take the figures as those to hold others against (docs/costs.json and
    /// docs/costs.md, and README's). Ceilings are not moved by it.
    #[arg(long)]
    pub update: bool,
    /// Measure nothing but this message (roundtrip-0, send-64k, …), and show where its
    /// instructions go, stage by stage. Each is seen: the sum is the figure, on one hart;
    /// of two harts it is the figure of a boot an instruction at a time.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["json", "report", "update"])]
    pub profile: Option<String>,
    /// With --profile: write the turn that is shown, an instruction a line, as it was
    /// executed: its address, its stage, and the functions that it is of, innermost first.
    #[arg(long, value_name = "FILE", requires = "profile")]
    pub listing: Option<PathBuf>,
}

impl BenchArgs {
    /// The command that does this again, without what it writes.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = ["cargo", "xtask", "bench"].map(ToOwned::to_owned).to_vec();
        words.extend(self.setup.words());
        quoted(&words)
    }
}

/// Options of `size`.
#[derive(Debug, Args)]
pub struct SizeArgs {
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// Write the table into README.md.
    #[arg(long)]
    pub update: bool,
}

/// Options of `milestones`.
#[derive(Debug, Args)]
pub struct MilestonesArgs {
    /// Write the tables into README.md.
    #[arg(long)]
    pub update: bool,
}

/// Options of `image`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// How it is built.
    #[command(flatten)]
    pub build: BuildArgs,
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// The file to write (unless told: target/image/skimmer.img).
    #[arg(long, short, visible_alias = "out", value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Options of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// Take the present amount of unsafe code as the known one.
    #[arg(long)]
    pub update_census: bool,
}

/// Options of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// Only this part (repeatable).
    #[arg(long, value_name = "PART")]
    pub only: Vec<Part>,
    /// Of the boots, only those whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub boot: Option<String>,
}

/// Options of `setup`.
#[derive(Clone, Debug, Args)]
pub struct SetupArgs {
    /// This emulator in place of the one on the search path.
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// Which compiler builds the kernel.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub compiler: Choice,
    /// Install nothing: say what is missing and fail.
    #[arg(long)]
    pub no_install: bool,
}

impl SetupArgs {
    /// The same, as set-up reads it.
    #[must_use]
    pub fn wishes(&self) -> Wishes {
        Wishes { qemu: self.qemu.clone(), compiler: self.compiler, no_install: self.no_install }
    }

    /// The words that ask for the same emulator and compiler.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(qemu) = &self.qemu {
            words.extend(["--qemu".to_owned(), qemu.display().to_string()]);
        }
        if self.compiler != Choice::Auto {
            words.extend(["--compiler".to_owned(), self.compiler.name().to_owned()]);
        }
        words
    }
}
