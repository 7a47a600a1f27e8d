// SPDX-License-Identifier: Apache-2.0
//! Command lines that do again what was done.

use super::{BuildArgs, MachineArgs, WorkloadArgs};
use crate::process;
use crate::schedule::Plan;

/// Turns a plan into one boot: the same arguments with that seed, the schedule
/// that it gives, and the rounds that are left where it cuts them.
#[must_use]
pub fn one_of(
    workload: &WorkloadArgs,
    machine: &MachineArgs,
    seed: u64,
) -> (WorkloadArgs, MachineArgs) {
    let (mut workload, mut machine) = (workload.clone(), machine.clone());
    let plan = machine.schedule;
    workload.seed = seed;
    if plan.part(seed) > 1
        && let Some(rounds) = workload.asked_rounds(machine.harts)
    {
        workload = workload.with_rounds((rounds / plan.part(seed)).max(1));
    }
    machine.schedule = Plan::Always(plan.schedule(seed));
    (workload, machine)
}

/// The `run` command for one boot.
#[must_use]
pub fn run_line(
    workload: &WorkloadArgs,
    machine: &MachineArgs,
    build: &BuildArgs,
    seed: u64,
) -> String {
    let mut words = ["cargo", "xtask", "run"].map(ToOwned::to_owned).to_vec();
    words.extend(workload.words(seed));
    words.extend(machine.words());
    words.extend(build.words());
    words.extend(workload.last_words());
    quoted(&words)
}

pub(super) fn quoted(words: &[String]) -> String {
    words.iter().map(|w| process::quote(w)).collect::<Vec<_>>().join(" ")
}
