// SPDX-License-Identifier: Apache-2.0
//! The gate of the law bounded-off-time: how long interrupts may stay masked
//! and preemption deferred, in instructions, and boots of a kernel that
//! measures itself, held against it. The numbers are stated here and nowhere
//! else in code; docs/invariants.md repeats them for people.
//!
//! On one hart all that is counted is the hart's own. On several, sections in
//! which another hart was seen to run are set apart and not judged.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use skimmer_abi::scenario::Scenario;

use crate::boot::{Boot, boot};
use crate::build::{self, Kernel, Profile};
use crate::off_times::reported;
use crate::process;
use crate::programs;
use crate::record::OffTimes;
use crate::schedule::Schedule;
use crate::setup::Tools;
use crate::spec::{Machine, MemorySize, Workload};
use crate::workspace::target_dir;

/// The kernel's feature.
pub const FEATURE: &str = "off-times";

/// What is allowed, in instructions, firmware's and the instrument's included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ceiling {
    masked: u64,
    deferred: u64,
}

/// On one hart. What was measured, and where: docs/invariants.md.
const ONE_HART: Ceiling = Ceiling { masked: 4_900, deferred: 4_900 };

/// On several.
const SEVERAL: Ceiling = Ceiling { masked: 24_000, deferred: 24_000 };

/// A boot that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, and its directory's.
    pub name: &'static str,
    scenario: Scenario,
    /// The program of [`Scenario::Program`], and its arguments.
    program: Option<(&'static str, &'static [&'static str])>,
    harts: u32,
}

/// One of these boots.
const fn scenario(name: &'static str, scenario: Scenario, harts: u32) -> Case {
    Case { name, scenario, program: None, harts }
}

/// One of a program.
const fn program(
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
) -> Case {
    Case { name, scenario: Scenario::Program, program: Some((program, arguments)), harts: 1 }
}

/// Every boot.
pub const CASES: &[Case] = &[
    scenario("off-times-msgstorm-1-hart", Scenario::Msgstorm, 1),
    scenario("off-times-threads-1-hart", Scenario::Threads, 1),
    scenario("off-times-flood-1-hart", Scenario::Flood, 1),
    scenario("off-times-preempt-1-hart", Scenario::Preempt, 1),
    scenario("off-times-ist-1-hart", Scenario::Ist, 1),
    program("off-times-chanstorm-1-hart", "chanstorm", &["rounds=5"]),
    program("off-times-spawnstorm-1-hart", "spawnstorm", &["rounds=40"]),
    scenario("off-times-msgstorm", Scenario::Msgstorm, 8),
    scenario("off-times-flood", Scenario::Flood, 8),
];

/// Takes a boot's name, when it began, and a remark or what was wrong.
pub type Report<'a> = &'a mut dyn FnMut(&str, Instant, Result<String, String>);

/// Builds the kernel that measures itself, with a copy in `dir`, and makes the
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

/// Makes one boot and judges its figures, which it returns.
fn run(case: &Case, tools: &Tools, elf: &Path) -> Result<String> {
    let mut machine = Machine {
        qemu: tools.qemu.clone(),
        version: tools.qemu_release,
        machine: "virt".to_owned(),
        cpu: Some("rv64".to_owned()),
        harts: case.harts,
        memory: MemorySize { mib: 256 },
        schedule: Schedule::Rr(0),
        dtb: None,
        initrd: None,
        extra: Vec::new(),
    };
    let workload = Workload {
        scenario: case.scenario,
        rounds: None,
        seed: 1,
        program: case.program.map(|(name, _)| name.to_owned()),
        arguments: case.program.map_or(Vec::new(), |(_, arguments)| {
            arguments.iter().map(ToString::to_string).collect()
        }),
        append: Vec::new(),
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
        reproduce: &command(case),
    };
    let booted = boot(&spec, &mut |_| {})?;
    let problem = booted.verdict.problems.first();
    ensure!(problem.is_none(), "{}", problem.map(ToString::to_string).unwrap_or_default());
    judge(reported(&booted), case.harts)
        .with_context(|| format!("it shows where: {}", command(case)))
}

/// The command that shows the figures, and where the worst sections are.
fn command(case: &Case) -> String {
    let (what, arguments) = match case.program {
        Some((name, arguments)) => {
            (format!("--program {name}"), format!(" -- {}", arguments.join(" ")))
        }
        None => (format!("--scenario {}", case.scenario.name()), String::new()),
    };
    let harts = case.harts;
    format!("cargo xtask run {what} --harts {harts} --schedule rr --features {FEATURE}{arguments}")
}

/// Holds figures against the ceilings; returns them in words.
fn judge(told: Option<OffTimes>, harts: u32) -> Result<String> {
    let OffTimes { masked, deferred, intervals, set_apart, .. } =
        told.context("the record has no off-times")?;
    let ceiling = if harts == 1 { ONE_HART } else { SEVERAL };
    ensure!(masked > 0 && deferred > 0, "masked {masked}, deferred {deferred}: nothing measured");
    ensure!(set_apart < intervals, "all {intervals} sections are set apart");
    ensure!(harts > 1 || set_apart == 0, "{set_apart} sections set apart on the only hart");
    let within = masked <= ceiling.masked && deferred <= ceiling.deferred;
    ensure!(
        within,
        "bounded-off-time: interrupts masked for {masked} instructions, {} are allowed; \
         preemption deferred for {deferred}, {} are allowed",
        ceiling.masked,
        ceiling.deferred
    );
    Ok(format!(
        "masked {masked} of {}, deferred {deferred} of {} instructions, \
         {set_apart} of {intervals} sections set apart",
        ceiling.masked, ceiling.deferred
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: OffTimes = OffTimes {
        masked: ONE_HART.masked,
        deferred: ONE_HART.deferred,
        masked_shared: 0,
        deferred_shared: 0,
        lock_wait: 0,
        intervals: 100,
        set_apart: 0,
        steps: 1_000_000,
        nanos: 1_000_000,
    };

    fn refused(told: Option<OffTimes>, harts: u32) -> String {
        judge(told, harts).expect_err("must be refused").to_string()
    }

    #[test]
    fn what_is_at_the_ceiling_passes() {
        assert!(judge(Some(GOOD), 1).is_ok());
        let several = OffTimes { masked: SEVERAL.masked, deferred: SEVERAL.deferred, ..GOOD };
        let shared = OffTimes { set_apart: 5, masked_shared: 1 << 40, ..several };
        assert!(judge(Some(shared), 8).is_ok());
    }

    #[test]
    fn what_is_over_a_ceiling_is_refused() {
        for (harts, ceiling) in [(1, ONE_HART), (8, SEVERAL)] {
            let Ceiling { masked, deferred } = ceiling;
            let over = OffTimes { masked: masked + 1, deferred, ..GOOD };
            assert!(refused(Some(over), harts).contains("bounded-off-time"));
            let over = OffTimes { masked, deferred: deferred + 1, ..GOOD };
            assert!(refused(Some(over), harts).contains("bounded-off-time"));
        }
    }

    #[test]
    fn a_dead_instrument_is_refused() {
        assert!(refused(None, 1).contains("no off-times"));
        assert!(refused(Some(OffTimes { masked: 0, ..GOOD }), 1).contains("nothing measured"));
        assert!(refused(Some(OffTimes { deferred: 0, ..GOOD }), 8).contains("nothing measured"));
        assert!(refused(Some(OffTimes { set_apart: 1, ..GOOD }), 1).contains("only hart"));
        assert!(refused(Some(OffTimes { set_apart: 100, ..GOOD }), 8).contains("set apart"));
    }
}
