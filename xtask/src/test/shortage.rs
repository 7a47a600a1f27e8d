// SPDX-License-Identifier: Apache-2.0
//! Boots of a kernel that refuses memory on purpose: programs meet ENOMEM on
//! every path, whatever failed leaves nothing behind, and everything works in
//! the end.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use skimmer_abi::scenario::Scenario;

use super::off_times::Report;
use crate::boot::{Boot, Booted, boot};
use crate::build::{self, Kernel, Profile};
use crate::process;
use crate::programs;
use crate::record::{Record, Shortage};
use crate::schedule::Schedule;
use crate::setup::Tools;
use crate::spec::{Machine, MemorySize, Workload};
use crate::workspace::target_dir;

/// The kernel's feature.
pub const FEATURE: &str = "shortage";

/// A boot.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, and its directory's.
    pub name: &'static str,
    harts: u32,
    seed: u64,
    /// One request in so many is refused.
    one_in: u64,
}

/// Every boot. Rare refusals reach far into a call, frequent ones two at a time.
pub const CASES: &[Case] = &[
    Case { name: "shortage-1-hart", harts: 1, seed: 1, one_in: 100 },
    Case { name: "shortage", harts: 8, seed: 2, one_in: 100 },
    Case { name: "shortage-often", harts: 3, seed: 3, one_in: 30 },
];

/// Builds the kernel that refuses memory, with a copy in `dir`, and makes the
/// boots that are wanted.
///
/// # Errors
/// When the user interrupts.
pub fn all(
    tools: &Tools,
    dir: &Path,
    wanted: impl Fn(&str) -> bool,
    report: Report<'_>,
) -> Result<()> {
    let mut built = None;
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        process::check_interrupt()?;
        let start = Instant::now();
        let result = match built.get_or_insert_with(|| kernel(tools, dir)) {
            Ok(kernel) => run(case, tools, &kernel.elf).map_err(|error| format!("{error:#}")),
            Err(error) => Err(format!("its kernel: {error:#}")),
        };
        process::check_interrupt()?;
        report(case.name, start, result);
    }
    Ok(())
}

fn kernel(tools: &Tools, dir: &Path) -> Result<Kernel> {
    let profile = Profile { debug: false, features: vec![FEATURE.to_owned()] };
    let dir = dir.join(FEATURE);
    std::fs::create_dir_all(&dir)?;
    build::kernel(&tools.compiler, &profile)?.keep_copy(&dir)
}

fn run(case: &Case, tools: &Tools, elf: &Path) -> Result<String> {
    let mut machine = Machine {
        qemu: tools.qemu.clone(),
        version: tools.qemu_release,
        machine: "virt".to_owned(),
        cpu: Some("rv64".to_owned()),
        harts: case.harts,
        memory: MemorySize { mib: 256 },
        schedule: Schedule::Parallel,
        dtb: None,
        initrd: None,
        extra: Vec::new(),
    };
    let workload = Workload {
        scenario: Scenario::Program,
        rounds: None,
        seed: case.seed,
        program: Some("shortage".to_owned()),
        arguments: vec!["rounds=10".to_owned()],
        append: vec![format!("shortage={}", case.one_in)],
    };
    let dir = target_dir().join("test").join(case.name);
    std::fs::create_dir_all(&dir)?;
    machine.initrd = programs::for_boot(&tools.compiler, &workload, &dir)?;
    let spec = Boot {
        machine: &machine,
        elf,
        gdb: &tools.gdb,
        workload: &workload,
        dir: &dir,
        timeout: crate::watchdog::DEFAULT_TIMEOUT,
        wait: false,
        reproduce: &format!("cargo xtask test --only boot --boot {}", case.name),
    };
    judge(&boot(&spec, &mut |_| {})?)
}

/// What a boot must be; in words what was refused.
fn judge(booted: &Booted) -> Result<String> {
    let problem = booted.verdict.problems.first();
    ensure!(problem.is_none(), "{}", problem.map(ToString::to_string).unwrap_or_default());
    let told = booted.records.iter().find_map(|record| match record {
        Record::Shortage(shortage) => Some(*shortage),
        _ => None,
    });
    let shortage = told.context("the kernel does not say what it refused")?;
    enough(&shortage)?;
    let Shortage { asked, small, frames, stacks, large } = shortage;
    Ok(format!(
        "of {asked} requests {small} small ones, {frames} frames, {stacks} stacks and {large} \
         large ones were refused"
    ))
}

/// Whether programs met what they were to meet.
fn enough(shortage: &Shortage) -> Result<()> {
    let Shortage { small, frames, stacks, .. } = *shortage;
    ensure!(small > 0 && frames > 0 && stacks > 0, "not every kind was refused: {shortage:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_without_refusals_proves_nothing() {
        let good = Shortage { asked: 1000, small: 1, frames: 1, stacks: 1, large: 0 };
        assert!(enough(&good).is_ok());
        for bad in [
            Shortage { small: 0, ..good },
            Shortage { frames: 0, ..good },
            Shortage { stacks: 0, ..good },
        ] {
            assert!(enough(&bad).is_err());
        }
    }
}
