// SPDX-License-Identifier: Apache-2.0
//! What a boot is made of: the options that every command has which boots
//! something of the user's choice, and the command that does it again.

use anyhow::Result;
use clap::{Args, Parser};

use super::{BuildArgs, MachineArgs, WorkloadArgs};
use crate::process;
use crate::schedule::{Plan, Schedule};
use crate::setup::Tools;
use crate::workloads::{part_in_turns, taking_turns};

/// A workload on a machine with a kernel.
#[derive(Clone, Debug, Args)]
pub struct BootArgs {
    /// The workload. Its seed is the boot's; of a soak, what the boots' seeds are
    /// derived from.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// The machine.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The build.
    #[command(flatten)]
    pub build: BuildArgs,
}

/// For tests that make boots which people can make too.
#[derive(Parser)]
struct Words {
    #[command(flatten)]
    boot: BootArgs,
}

impl BootArgs {
    /// What `cargo xtask run` is asked for with these options, on the emulator that
    /// `tools` were asked for.
    ///
    /// # Errors
    /// When it has no such options.
    pub fn of_words(words: &str, tools: &Tools) -> Result<Self> {
        let mut args = Words::try_parse_from(["run"].into_iter().chain(words.split(' ')))?.boot;
        args.machine.setup.qemu.clone_from(&tools.qemu_asked);
        Ok(args.complete())
    }

    /// With everything at once if nothing was said of what is to run: it is what there
    /// is to see. Where that cannot be (one hart, no PCI) the usual workload stays.
    #[must_use]
    pub fn or_all(mut self) -> Self {
        let MachineArgs { machine, harts, dtb, disks, .. } = &self.machine;
        if machine == "virt" && *harts > 1 && dtb.is_none() && disks.disk.is_empty() {
            self.workload = self.workload.or_all();
        }
        self
    }

    /// With a test disk where the workload needs one and none was asked for.
    #[must_use]
    pub fn complete(mut self) -> Self {
        let disks = &mut self.machine.disks.disk;
        if disks.is_empty() {
            disks.extend(self.workload.usual_disk().and_then(|disk| disk.parse().ok()));
        }
        self
    }

    /// Refuses what can be seen to be wrong before anything starts.
    ///
    /// # Errors
    /// When the workload or the machine cannot be what is asked for.
    pub fn check(&self) -> Result<()> {
        self.workload.check()?;
        self.machine.check()
    }

    /// Turns a plan into one boot: the same arguments with that seed, the schedule
    /// that it gives, the rounds that are left where it cuts them, and an end for
    /// what would run without one where harts take turns.
    #[must_use]
    pub fn one_of(&self, seed: u64) -> Self {
        let mut boot = self.clone();
        let plan = self.machine.schedule;
        boot.workload.seed = seed;
        let schedule = plan.schedule(seed);
        let part = match (plan, schedule) {
            (Plan::Mix, Schedule::Rr(_)) if boot.workload.program.is_none() => {
                part_in_turns(boot.workload.scenario_name())
            }
            _ => plan.part(seed),
        };
        if part > 1
            && let Some(rounds) = boot.workload.asked_rounds(self.machine.harts)
        {
            boot.workload = boot.workload.with_rounds((rounds / part).max(1));
        }
        if let (Schedule::Rr(_), 2.., Some(program)) =
            (schedule, self.machine.harts, self.workload.program())
        {
            boot.workload.arguments.extend(taking_turns(program, &self.workload.arguments));
        }
        boot.machine.schedule = Plan::Always(schedule);
        boot
    }

    /// The words that ask for it, in a command line that begins with `words`.
    pub(super) fn command(&self, mut words: Vec<String>) -> String {
        words.extend(self.workload.words(self.workload.seed));
        words.extend(self.machine.words());
        words.extend(self.build.words());
        words.extend(self.workload.last_words());
        quoted(&words)
    }

    /// The `run` command that makes it.
    #[must_use]
    pub fn run_line(&self) -> String {
        self.command(["cargo", "xtask", "run"].map(ToOwned::to_owned).to_vec())
    }
}

pub(super) fn quoted(words: &[String]) -> String {
    words.iter().map(|w| process::quote(w)).collect::<Vec<_>>().join(" ")
}
