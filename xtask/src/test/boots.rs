// SPDX-License-Identifier: Apache-2.0
//! Makes the boots of the table and holds each against what it must be.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::disks;
use super::drives;
use super::featured;
use super::image;
use super::interrupt;
use super::ipcstorm;
use super::messages;
use super::off_times;
use super::scenarios::{CASES, Case};
use super::shortage;
use super::sifive_u;
use super::tour;
use super::traces::{self, Check};
use super::u_boot;
use crate::boot::{Boot, Booted, Event, boot};
use crate::build::{self, Kernel, Profile};
use crate::claim::Claim;
use crate::cli::{BootArgs, BuildArgs, DiskArgs, MachineArgs, SetupArgs, WorkloadArgs};
use crate::console::Line;
use crate::gdb_test;
use crate::process;
use crate::qemu::cpu;
use crate::record::Record;
use crate::schedule::Plan;
use crate::setup::Tools;
use crate::setup::compiler::Choice;
use crate::spec::MemorySize;
use crate::tally::Tally;
use crate::tree::Tree;
use crate::watchdog::DEFAULT_TIMEOUT;
use crate::workspace::{short, target_dir};

/// The seed of every boot here. (Soaks are what varies it.)
const SEED: u64 = 1;

/// Checks that may have to be skipped.
const CHECKS: &[&[(&str, Check)]] =
    &[traces::CASES, messages::CASES, disks::CASES, image::CASES, u_boot::CASES, ipcstorm::CASES];

/// Builds the kernel and makes every boot whose name contains `only`.
///
/// # Errors
/// When the kernel cannot be built, or the user interrupts.
pub fn all(tools: &Tools, only: Option<&str>) -> Result<Tally> {
    let mut tally = Tally::default();
    let kernel = match build::kernel(&tools.compiler, &Profile::default()) {
        Ok(kernel) => kernel,
        Err(error) => {
            tally.take("boot: the kernel", Err(format!("{error:#}")));
            return Ok(tally);
        }
    };
    let claim = Claim::wait(&target_dir().join("test"))?;
    claim.clear()?;
    let kernel = kernel.keep_copy(claim.dir())?;
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut skipped = 0;
    let mut report = |name: &str, start: Instant, result: Result<String, String>| {
        let took = start.elapsed().as_secs_f32();
        let came = result
            .map(|remark| format!("{remark} ({took:.1} s)"))
            .map_err(|why| format!("{why}\nafter {took:.1} s"));
        tally.take(&format!("boot: {name}"), came);
    };
    for case in
        CASES.iter().chain(sifive_u::CASES).chain(drives::CASES).filter(|case| wanted(case.name))
    {
        process::check_interrupt()?;
        let start = Instant::now();
        match one(case, tools, &kernel) {
            Ok(None) => skipped += 1,
            Ok(Some(result)) => report(case.name, start, result),
            Err(error) => report(case.name, start, Err(format!("{error:#}"))),
        }
        process::check_interrupt()?;
    }
    for (name, check) in gdb_test::CASES.iter().filter(|(name, _)| wanted(name)) {
        plain(name, &mut report, || gdb_test::run(name, *check, tools, &kernel.elf))?;
    }
    for (name, check) in CHECKS.iter().copied().flatten().filter(|(name, _)| wanted(name)) {
        process::check_interrupt()?;
        let start = Instant::now();
        match check(tools, &kernel.elf) {
            Ok(None) => skipped += 1,
            Ok(Some(remark)) => report(name, start, Ok(remark)),
            Err(error) => report(name, start, Err(format!("{error:#}"))),
        }
    }
    for (feature, cases) in
        [(off_times::FEATURE, off_times::CASES), (shortage::FEATURE, shortage::CASES)]
    {
        featured::all(feature, cases, tools, claim.dir(), wanted, &mut report)?;
    }
    if wanted(tour::NAME) {
        plain(tour::NAME, &mut report, tour::check)?;
    }
    for (name, signal) in interrupt::CASES.iter().filter(|(name, _)| wanted(name)) {
        plain(name, &mut report, || interrupt::leaves_nothing(*signal, &tools.qemu))?;
    }
    some(Tally { skipped, ..tally }, only)
}

/// A name that no boot has is a mistake, and no boots are no pass.
fn some(tally: Tally, only: Option<&str>) -> Result<Tally> {
    match only {
        Some(name) if tally == Tally::default() => bail!("no boot has `{name}` in its name"),
        _ => Ok(tally),
    }
}

/// Makes a check that is no boot of the table.
fn plain(
    name: &str,
    report: &mut impl FnMut(&str, Instant, Result<String, String>),
    check: impl FnOnce() -> Result<String>,
) -> Result<()> {
    process::check_interrupt()?;
    let start = Instant::now();
    report(name, start, check().map_err(|error| format!("{error:#}")));
    Ok(())
}

/// Makes one boot. `Some(Err)`: it was not what it must be. None: it cannot be made
/// with this emulator.
fn one(case: &Case, tools: &Tools, kernel: &Kernel) -> Result<Option<Result<String, String>>> {
    let dir = target_dir().join("test").join(case.name);
    std::fs::create_dir_all(&dir)?;
    let machine = machine_args(case, tools, &dir)?;
    let workload = WorkloadArgs {
        scenario: Some(case.scenario.name().to_owned()),
        rounds: case.rounds,
        seed: SEED,
        program: case.program.map(|(name, _)| name.to_owned()),
        arguments: case
            .program
            .map_or(&[][..], |(_, given)| given)
            .iter()
            .map(ToString::to_string)
            .collect(),
        append: case.append.iter().map(ToString::to_string).collect(),
    };
    let build = BuildArgs { release: true, debug: false, features: Vec::new() };
    let spec = Boot::of(&BootArgs { workload, machine, build }, tools, &kernel.elf, &dir);
    if let Some(property) = cpu::missing(&spec.machine)? {
        println!("boot: {}: skipped, this QEMU has no CPU property `{property}`", case.name);
        return Ok(None);
    }
    let spec = spec.packed(tools)?;
    let mut killer = Killer { armed: case.kill, id: None };
    let booted = boot(&spec, &mut |event| killer.see(&event))?;
    Ok(Some(judge(case, &booted, &dir)))
}

fn disk_args(case: &Case) -> Result<DiskArgs> {
    let disks = case.disks.iter().map(|disk| disk.parse().map_err(anyhow::Error::msg));
    Ok(DiskArgs { disk: disks.collect::<Result<_>>()?, ..DiskArgs::default() })
}

fn machine_args(case: &Case, tools: &Tools, dir: &Path) -> Result<MachineArgs> {
    let mut args = MachineArgs {
        harts: case.harts,
        memory: MemorySize { mib: case.mib },
        cpu: case.cpu.map(ToOwned::to_owned),
        machine: case.machine.to_owned(),
        qemu_arg: case.extra.iter().map(ToString::to_string).collect(),
        dtb: None,
        disks: disk_args(case)?,
        schedule: Plan::Always(case.schedule),
        timeout: DEFAULT_TIMEOUT.as_secs(),
        setup: SetupArgs {
            qemu: tools.qemu_asked.clone(),
            compiler: Choice::Auto,
            no_install: true,
        },
    };
    if let Some(change) = case.tree {
        let mut tree = Tree::of(&args.machine(tools, SEED))?;
        change(&mut tree)?;
        let file: PathBuf = dir.join("tree.dtb");
        tree.save(&file)?;
        args.dtb = Some(file);
    }
    Ok(args)
}

fn judge(case: &Case, booted: &Booted, dir: &Path) -> Result<String, String> {
    let found = booted.verdict.kind();
    let mut wrong = Vec::new();
    if found != case.expect {
        let word = |kind: Option<crate::verdict::Kind>| kind.map_or("pass", |k| k.name());
        wrong.push(format!("it must be {}, it is {}", word(case.expect), word(found)));
        wrong.extend(booted.verdict.problems.iter().map(ToString::to_string));
    }
    if !(case.check)(booted) {
        wrong.push("the records are not what they must be".to_owned());
    }
    for (name, part) in case.evidence {
        let text = std::fs::read(dir.join(name)).unwrap_or_default();
        if !says(&String::from_utf8_lossy(&text), part) {
            wrong.push(format!("{name} does not say `{part}`"));
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!("evidence in {}", short(dir)));
        return Err(wrong.join("\n"));
    }
    Ok(match case.expect {
        None => "passed".to_owned(),
        Some(kind) => format!("failed as it must: {}", kind.name()),
    })
}

/// Whether the text has all that is between the `…` of `parts`, in that order.
fn says(text: &str, parts: &str) -> bool {
    let mut rest = Some(text);
    for part in parts.split(" … ") {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
    }
    rest.is_some()
}

/// Kills the emulator when the first hart is up.
struct Killer {
    armed: bool,
    id: Option<u32>,
}

impl Killer {
    fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Started(id) => self.id = Some(*id),
            Event::Line(Line::Record(record))
                if self.armed && matches!(**record, Record::HartUp { .. }) =>
            {
                self.armed = false;
                let id = self.id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
                if let Some(id) = id {
                    // If it has ended already, the verdict will say so.
                    let _ = kill_process(id, Signal::KILL);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_has_its_parts_in_order() {
        for good in ["b", "a … c", "a … b … c"] {
            assert!(says("a b c", good), "{good}");
        }
        for bad in ["d", "c … a", "a … a", "a … d … c"] {
            assert!(!says("a b c", bad), "{bad}");
        }
    }
}
