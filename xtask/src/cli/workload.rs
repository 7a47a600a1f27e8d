// SPDX-License-Identifier: Apache-2.0
//! What the guest is asked to do.

use anyhow::{Result, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use skimmer_abi::scenario::Scenario;

use crate::programs;
use crate::spec::{Workload, usual_rounds};
use crate::workloads;

/// Rounds of each of the runs of the program of `all`.
const ROUNDS_OF_ALL: u64 = 100;

/// The scenario when none is asked for.
const USUAL: &str = "ports";

/// The one in which there is most to see.
const EVERYTHING: &str = "ipcstorm";

/// The test disk of a scenario that has all stressers.
const USUAL_DISK: &str = "64M";

/// What the guest is asked to do.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workload")]
pub struct WorkloadArgs {
    /// The scenario to run: ports unless told; of `run` without any option here,
    /// ipcstorm where the machine can (virt, two harts). chanstorm, faults and
    /// spawnstorm are programs: the same as --program NAME. ipcstorm is the program of
    /// that name with everything else beside it; by itself it is --program ipcstorm.
    #[arg(long, value_name = "NAME", value_parser = scenario_names())]
    pub scenario: Option<String>,
    /// Run this program of the boot package (a folder of user/programs). What
    /// follows `--` are its arguments: docs/writing-a-program.md.
    #[arg(long, value_name = "NAME", conflicts_with = "scenario", value_parser = program)]
    pub program: Option<String>,
    /// The program's arguments. The kernel's command line has no way to say
    /// spaces and commas.
    #[arg(last = true, value_name = "ARGUMENT", value_parser = argument)]
    pub arguments: Vec<String>,
    /// How much of it: of ports round trips (14 unless told), of chanstorm
    /// rounds of each thread (1000), of spawnstorm processes of each thread
    /// (100), of ipcstorm messages of each client (1000).
    #[arg(long, value_name = "N")]
    pub rounds: Option<u64>,
    /// What the data, the priorities and the order of the workload are drawn
    /// from. (It delays nothing.) chanstorm is one process of 16 threads if it
    /// is odd, and 16 processes if it is even, unless `processes=` says.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// One more `key=value` for the kernel's command line (repeatable).
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub append: Vec<String>,
}

impl WorkloadArgs {
    /// Refuses arguments that nobody reads.
    ///
    /// # Errors
    /// When there is no program, or it has no such setting.
    pub fn check(&self) -> Result<()> {
        let Some(program) = self.program() else {
            let unread = self.arguments.first();
            ensure!(
                unread.is_none(),
                "`{}`: only a program takes arguments: --program NAME",
                unread.map_or("", String::as_str)
            );
            return Ok(());
        };
        if let Some(word) = workloads::unknown(program, &self.arguments) {
            anyhow::bail!("{program} does not know `{word}`");
        }
        Ok(())
    }

    /// The scenario's name for people.
    pub(super) fn scenario_name(&self) -> &str {
        self.scenario.as_deref().unwrap_or(USUAL)
    }

    /// Everything at once, if nothing was said of what is to run.
    pub(super) fn or_all(mut self) -> Self {
        let Self { scenario, program, arguments, rounds, append, .. } = &self;
        let is_open = scenario.is_none() && program.is_none() && rounds.is_none();
        if is_open && arguments.is_empty() && append.is_empty() {
            self.scenario = Some(EVERYTHING.to_owned());
        }
        self
    }

    /// The program, whichever way it was asked for.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        let name = self.scenario_name();
        let with_all = workloads::WITH_ALL.iter().find(|(scenario, _)| *scenario == name);
        let by_scenario = match with_all {
            Some((_, program)) => Some(*program),
            None => Some(name).filter(|name| workloads::NAMES.contains(name)),
        };
        self.program.as_deref().or(by_scenario)
    }

    /// Whether everything is to run at once.
    fn is_all(&self) -> bool {
        let name = self.scenario_name();
        self.program.is_none() && workloads::WITH_ALL.iter().any(|(scenario, _)| *scenario == name)
    }

    /// Rounds of the program of `all`, which is run several times, unless its words
    /// say how many.
    fn rounds_of_all(&self) -> Option<u64> {
        let is_said = self.arguments.iter().any(|word| word.starts_with("rounds="));
        let is_all = self.scenario_name() == Scenario::All.name();
        (self.is_all() && is_all && !is_said).then_some(ROUNDS_OF_ALL)
    }

    /// The test disk that it has if none is asked for. (`all` is asked for reads of as
    /// many places as its disk must have, so that is said.)
    #[must_use]
    pub fn usual_disk(&self) -> Option<&'static str> {
        (self.is_all() && self.scenario_name() != Scenario::All.name()).then_some(USUAL_DISK)
    }

    /// What it is called in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        self.program().filter(|_| !self.is_all()).unwrap_or(self.scenario_name())
    }

    /// How many rounds are asked for, if it has any.
    #[must_use]
    pub fn asked_rounds(&self, harts: u32) -> Option<u64> {
        let workload = self.workload(self.seed);
        match workload.work() {
            Some(work) => work.rounds(),
            None => self.rounds.or(usual_rounds(workload.scenario, harts)),
        }
    }

    /// The same with so many.
    #[must_use]
    pub fn with_rounds(mut self, rounds: u64) -> Self {
        self.rounds = Some(rounds);
        self.arguments.retain(|word| !word.starts_with("rounds="));
        self
    }

    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        match self.program() {
            Some(_) if self.is_all() => Scenario::All,
            Some(_) => Scenario::Program,
            // The parser admits the names of scenarios only.
            None => Scenario::from_name(self.scenario_name()).unwrap_or(Scenario::Ports),
        }
    }

    /// The words of the program's arguments, which come after all others.
    #[must_use]
    pub fn last_words(&self) -> Vec<String> {
        let dashes = (!self.arguments.is_empty()).then(|| "--".to_owned());
        dashes.into_iter().chain(self.arguments.iter().cloned()).collect()
    }

    /// The workload with that seed.
    #[must_use]
    pub fn workload(&self, seed: u64) -> Workload {
        Workload {
            scenario: self.scenario(),
            rounds: self.rounds.or(self.rounds_of_all()),
            seed,
            program: self.program().map(ToOwned::to_owned),
            arguments: self.arguments.clone(),
            append: self.append.clone(),
        }
    }

    /// The words that ask for it with that seed.
    #[must_use]
    pub fn words(&self, seed: u64) -> Vec<String> {
        let mut words = match &self.program {
            Some(program) => vec!["--program".to_owned(), program.clone()],
            None => vec!["--scenario".to_owned(), self.scenario_name().to_owned()],
        };
        if let Some(rounds) = self.rounds {
            words.extend(["--rounds".to_owned(), rounds.to_string()]);
        }
        words.extend(["--seed".to_owned(), seed.to_string()]);
        for more in &self.append {
            words.extend(["--append".to_owned(), more.clone()]);
        }
        words
    }
}

fn scenario_names() -> PossibleValuesParser {
    let kernel = Scenario::ALL.iter().map(|s| s.name());
    let with_all = workloads::WITH_ALL.iter().map(|(name, _)| *name);
    let with_all = with_all.filter(|name| Scenario::from_name(name).is_none());
    PossibleValuesParser::new(kernel.chain(with_all).chain(workloads::NAMES.iter().copied()))
}

fn program(text: &str) -> Result<String, String> {
    let names = programs::names().map_err(|error| format!("{error:#}"))?;
    if names.iter().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(format!("there is none of that name, only {}", names.join(", ")))
}

fn argument(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) {
        return Err("a program's argument cannot be empty or have spaces or commas".to_owned());
    }
    Ok(text.to_owned())
}

fn key_value(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("write it as key=value, without spaces".to_owned()),
    }
}
