// SPDX-License-Identifier: Apache-2.0
//! Options of the commands that boot a workload on a machine.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::boot::quoted;
use super::{BootArgs, SetupArgs};
use crate::mutants;
use crate::mutants::table::names;

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// What is booted.
    #[command(flatten)]
    pub boot: BootArgs,
    /// Wait for a debugger before the first instruction.
    #[arg(long)]
    pub gdb: bool,
    /// Show the firmware's lines too.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Options of `soak`.
#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// What is booted.
    #[command(flatten)]
    pub boot: BootArgs,
    /// How many boots.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub boots: u32,
    /// Number of the first boot: a soak in several parts. `--first 257 --boots 243` makes boots
    /// 257 to 499, with the seeds that these have among 500. A boot that repeats an earlier one
    /// of its part has a substitute of its own, from 1000000 on, so no part takes a boot of
    /// another.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub first: u32,
    /// How many boots at a time.
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: u32,
    /// Count boots that repeat an earlier one, event by event, too: for
    /// workloads so small that they know few schedules. The summary says how
    /// many differ.
    #[arg(long)]
    pub repeats: bool,
    /// Go on with an interrupted soak of this build and these arguments.
    #[arg(long)]
    pub resume: bool,
    /// Write the summary as markdown, for docs/evidence.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl SoakArgs {
    /// The command that does this soak again.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = ["cargo", "xtask", "soak", "--boots"].map(ToOwned::to_owned).to_vec();
        words.push(self.boots.to_string());
        if self.first > 0 {
            words.extend(["--first".to_owned(), self.first.to_string()]);
        }
        words.extend(["--jobs".to_owned(), self.jobs.to_string()]);
        words.extend(self.repeats.then(|| "--repeats".to_owned()));
        self.boot.command(words)
    }
}

/// Options of `mutants`.
#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// Only these bugs.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    pub names: Vec<String>,
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// In how many boots a bug must be caught.
    #[arg(long, value_name = "N", default_value_t = mutants::BOOTS, value_parser = clap::value_parser!(u32).range(1..))]
    pub boots: u32,
    /// What the seeds of the boots are derived from.
    #[arg(long, value_name = "S", default_value_t = mutants::SEED)]
    pub seed: u64,
    /// Write the table as markdown, for docs/evidence.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Only show the bugs and what is meant to catch each.
    #[arg(long)]
    pub list: bool,
}

impl MutantsArgs {
    /// The command that does this again.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = ["cargo", "xtask", "mutants"].map(ToOwned::to_owned).to_vec();
        words.extend(self.names.clone());
        words.extend(["--boots".to_owned(), self.boots.to_string()]);
        words.extend(["--seed".to_owned(), self.seed.to_string()]);
        words.extend(self.setup.words());
        quoted(&words)
    }
}

/// Options of `trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// What is booted.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}
