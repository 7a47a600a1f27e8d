// SPDX-License-Identifier: Apache-2.0
//! How the kernel is built.

use clap::Args;

use crate::bench;
use crate::build::Profile;
use crate::mutants::table::features;
use crate::test::{off_times, shortage};

/// How the kernel is built.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Build")]
pub struct BuildArgs {
    /// Optimised (the default).
    #[arg(long, conflicts_with = "debug")]
    pub release: bool,
    /// Little optimised (opt-level 1), with debug assertions.
    #[arg(long)]
    pub debug: bool,
    /// A cargo feature of the kernel (repeatable): off-times measures how long
    /// interrupts stay masked and preemption deferred (in instructions with
    /// --schedule rr); shortage refuses memory on purpose, one request in N with
    /// --append shortage=N; bench counts what `cargo xtask bench` shows; bug-NAME
    /// builds in a deliberate bug (`cargo xtask mutants --list` names them),
    /// delay-NAME only the delay that such a bug has to widen its window, if it
    /// has one.
    #[arg(long, value_name = "FEATURE", value_delimiter = ',', value_parser = feature)]
    pub features: Vec<String>,
}

impl BuildArgs {
    /// The same as a profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile { debug: self.debug, features: self.features.clone() }
    }

    /// The words that ask for it.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.debug {
            words.push("--debug".to_owned());
        }
        for feature in &self.features {
            words.extend(["--features".to_owned(), feature.clone()]);
        }
        words
    }
}

fn feature(text: &str) -> Result<String, String> {
    let others = [off_times::FEATURE, bench::FEATURE, shortage::FEATURE].map(ToOwned::to_owned);
    let known: Vec<String> = features().into_iter().chain(others).collect();
    if known.iter().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(format!("the kernel has none of that name, only {}", known.join(", ")))
}
