// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench`: what calls cost, in guest instructions on a clock of
//! instructions, and what gates them.
//!
//! The instructions come from the kernel that everything else boots; what lies
//! beside them (fences, satp writes, locks, doorbells, firmware's instructions)
//! from a second one that counts it (feature `bench`) and is slower.

mod beside;
mod judge;
mod profile;
mod scaling;
mod stages;
mod table;
mod turns;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::boot::Boot;
use crate::build::{self, Kernel, Profile};
use crate::claim::Claim;
use crate::cli::{BenchArgs, BootArgs};
use crate::process;
use crate::programs;
use crate::record::{Counts, Record};
use crate::schedule::Schedule;
use crate::setup::{self, Tools};
use crate::show;
use crate::tally::Tally;
use crate::workspace::target_dir;

use table::{Cost, Table};

/// The kernel's feature that counts.
pub const FEATURE: &str = "bench";

/// The program in the boot package.
pub const PROGRAM: &str = "bench";

/// A boot.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    what: What,
    harts: u32,
    schedule: Schedule,
}

/// What is measured in it.
#[derive(Clone, Copy, Debug)]
enum What {
    /// The program, which gets that argument.
    Program(&'static str),
    /// Scenario `ist`, beside that load.
    Interrupts(&'static str),
    /// Reads of a drive.
    Reads,
}

/// Alarms of scenario `ist`.
const ALARMS: u64 = 200;

/// Reads of a drive.
const READS: u64 = 500;

/// Every boot. On several harts an instruction is 128 ns, so that harts take
/// turns every 781,250 instructions at the latest and get into each other's way.
const CASES: &[Case] = &[
    Case { name: "1-hart", what: What::Program("one"), harts: 1, schedule: Schedule::Rr(0) },
    Case { name: "2-harts", what: What::Program("two"), harts: 2, schedule: Schedule::Rr(7) },
    Case { name: "8-harts", what: What::Program("harts"), harts: 8, schedule: Schedule::Rr(7) },
    Case { name: "crowd", what: What::Program("crowd"), harts: 1, schedule: Schedule::Rr(0) },
    // A hart that sleeps between two that have a pair (user/programs/bench/src/pairs.rs).
    pairs("1-pair", "pairs count=1", 1),
    pairs("2-pairs", "pairs count=2", 2),
    pairs("4-pairs", "pairs count=4", 4),
    pairs("8-pairs", "pairs count=8", 8),
    pairs("16-pairs", "pairs count=16", 16),
    // An instruction is a nanosecond of the alarm clock.
    Case { name: "idle", what: What::Interrupts("load=idle"), harts: 1, schedule: Schedule::Rr(0) },
    Case { name: "busy", what: What::Interrupts("load=busy"), harts: 1, schedule: Schedule::Rr(0) },
    Case { name: "drive", what: What::Reads, harts: 1, schedule: Schedule::Rr(0) },
];

const fn pairs(name: &'static str, argument: &'static str, count: u32) -> Case {
    let what = What::Program(argument);
    Case { name, what, harts: 2 * count - 1, schedule: Schedule::Rr(7) }
}

/// A figure as the guest told it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    name: String,
    operations: u64,
    instructions: u64,
    counts: Option<Counts>,
}

/// Measures, shows, writes what is asked for. `true` if all is within bounds.
///
/// # Errors
/// When it cannot be measured.
pub fn bench(args: &BenchArgs) -> Result<bool> {
    let tools = setup::ensure(&args.setup.wishes())?;
    if let Some(name) = &args.profile {
        print!("{}", profile::markdown(name, &profile::of(&tools, name, args.listing.as_deref())?));
        return Ok(true);
    }
    let mut measured = measure(&tools, args.command_line())?;
    print!("{}", measured.text());
    if let Some(file) = &args.json {
        write(file, &measured.list()?)?;
    }
    if let Some(file) = &args.report {
        write(file, &measured.markdown())?;
    }
    if args.update {
        let too_much = judge::bounds(&measured);
        ensure!(too_much.is_empty(), "not committed: {}", too_much.join("; "));
        measured.profiles = profile::committed(&tools, &measured)?;
        measured.commit()?;
    }
    let problems = judge::all(&measured, Table::committed()?.as_ref());
    for problem in &problems {
        println!("  {problem}");
    }
    match problems.len() {
        0 => println!("{} figures: all within bounds", measured.figures.len()),
        count => println!("{} figures: {count} problem(s)", measured.figures.len()),
    }
    Ok(problems.is_empty())
}

/// The same as a test.
///
/// # Errors
/// When the user interrupts.
pub fn as_test(tools: &Tools) -> Result<Tally> {
    let result = measure(tools, String::new()).and_then(|measured| {
        let problems = judge::all(&measured, Table::committed()?.as_ref());
        ensure!(problems.is_empty(), "{}", problems.join("\n    "));
        Ok(measured)
    });
    process::check_interrupt()?;
    let mut tally = Tally::default();
    match result {
        Ok(measured) => {
            tally.passed = measured.figures.len();
            println!("bench: {} figures: ok, twice the same", tally.passed);
        }
        Err(error) => tally.take("bench", Err(format!("{error:#}"))),
    }
    Ok(tally)
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Makes every boot, those of the plain kernel twice.
fn measure(tools: &Tools, command: String) -> Result<Table> {
    let claim = Claim::wait(&target_dir().join("bench"))?;
    claim.clear()?;
    let dir = claim.dir();
    let kernel = |profile: &Profile| build::kernel(&tools.compiler, profile);
    let counting = kernel(&Profile::with(FEATURE))?.keep_copy(&dir.join("counting"))?;
    // Last, so that the plain one is what stays in the target directory.
    let plain = kernel(&Profile::default())?.keep_copy(&dir.join("plain"))?;
    let package = dir.join(programs::PACKAGE);
    std::fs::copy(programs::package(&tools.compiler)?.path, &package)?;
    let mut figures = Vec::new();
    let mut firmware = String::new();
    for case in CASES {
        let boot = |kernel: &Kernel, what: &str| {
            process::check_interrupt()?;
            let dir = dir.join(format!("{}-{what}", case.name));
            one(case, tools, kernel, &package, &dir)
                .with_context(|| format!("{} {what}", case.name))
        };
        let (told, sbi) = boot(&plain, "plain")?;
        let (again, _) = boot(&plain, "again")?;
        ensure!(told == again, "two boots differ: {told:?} and {again:?}");
        let (counted, _) = boot(&counting, "counting")?;
        figures.extend(join(&told, &counted)?);
        firmware = sbi;
    }
    let (compiler, qemu) = (tools.compiler.version(), tools.qemu_version.clone());
    Ok(Table { command, compiler, qemu, firmware, figures, profiles: Vec::new() })
}

/// Makes one boot: its figures and its firmware.
fn one(
    case: &Case,
    tools: &Tools,
    kernel: &Kernel,
    package: &Path,
    dir: &Path,
) -> Result<(Vec<Told>, String)> {
    let mut spec = Boot::of(&BootArgs::of_words(&case.words(), tools)?, tools, &kernel.elf, dir);
    spec.machine.initrd = Some(package.to_owned());
    let booted = spec.passed()?;
    let firmware = booted.records.iter().find_map(|record| match record {
        Record::Boot { sbi, .. } => Some(show::firmware(*sbi)),
        _ => None,
    });
    Ok((told(&booted.records), firmware.unwrap_or_default()))
}

impl Case {
    /// What makes it once, behind `cargo xtask run`.
    fn words(&self) -> String {
        let machine = format!("--harts {} --schedule {}", self.harts, self.schedule);
        match self.what {
            What::Program(argument) => format!("--program {PROGRAM} {machine} -- {argument}"),
            What::Interrupts(load) => {
                format!("--scenario ist --rounds {ALARMS} {machine} --append {load}")
            }
            What::Reads => format!(
                "--scenario nvme-read --rounds {READS} {machine} --disk 8M --append load=busy"
            ),
        }
    }
}

/// The figures that a boot told.
fn told(records: &[Record]) -> Vec<Told> {
    let told = records.iter().filter_map(|record| match record {
        Record::Figure { name, operations, instructions, counts } => Some(Told {
            name: name.clone(),
            operations: *operations,
            instructions: *instructions,
            counts: *counts,
        }),
        _ => None,
    });
    told.collect()
}

/// What the gate says of a boot if the other's figures were committed. Firmware's
/// instructions are among the figures.
#[must_use]
pub fn against(records: &[Record], committed: &[Record]) -> Vec<String> {
    let uncounted = |told: Told| {
        let counted = Told { counts: Some(Counts::default()), ..told.clone() };
        cost(&told, &counted).ok()
    };
    let table = |records| Table {
        command: String::new(),
        compiler: String::new(),
        qemu: String::new(),
        firmware: String::new(),
        profiles: Vec::new(),
        figures: told(records).into_iter().filter_map(uncounted).collect(),
    };
    judge::against(&table(records), &table(committed))
}

/// Puts the counts beside the instructions, per operation.
fn join(told: &[Told], counted: &[Told]) -> Result<Vec<Cost>> {
    let names = |all: &[Told]| all.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    ensure!(names(told) == names(counted), "the counting kernel measured something else");
    told.iter().zip(counted).map(|(told, counted)| cost(told, counted)).collect()
}

fn cost(told: &Told, counted: &Told) -> Result<Cost> {
    let name = &told.name;
    ensure!(told.counts.is_none(), "{name}: the plain kernel counts");
    let counts = counted.counts.with_context(|| format!("{name}: nothing was counted"))?;
    ensure!(told.operations > 0 && told.operations == counted.operations, "{name}: operations");
    let each = |count: u64| (count as f64 / told.operations as f64 * 100.0).round() / 100.0;
    let own = told.instructions.checked_sub(counts.firmware);
    let own = own.with_context(|| format!("{name}: firmware took more than all"))?;
    let rounded = |count| rounded(count, told.operations);
    Ok(Cost {
        name: name.clone(),
        instructions: rounded(own),
        operations: told.operations,
        firmware: rounded(counts.firmware),
        sfence_vma: each(counts.fences),
        satp_writes: each(counts.satp_writes),
        locks: each(counts.locks),
        lock_waits: each(counts.lock_waits),
        doorbells: each(counts.doorbells),
    })
}

/// What each of that many operations takes.
const fn rounded(count: u64, operations: u64) -> u64 {
    (count + operations / 2) / operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_put_beside_instructions() {
        let plain = Told { name: "a".to_owned(), operations: 4, instructions: 410, counts: None };
        let counts = Counts { locks: 6, firmware: 8, ..Counts::default() };
        let counted = Told { counts: Some(counts), instructions: 999, ..plain.clone() };
        let cost = cost(&plain, &counted).expect("good");
        assert_eq!((cost.instructions, cost.firmware), (101, 2));
        assert!((cost.locks - 1.5).abs() < 1e-9);
        assert!(super::cost(&counted, &counted).is_err());
        assert!(super::cost(&plain, &plain).is_err());
        let other = Told { name: "b".to_owned(), ..counted };
        assert!(join(&[plain], &[other]).is_err());
    }
}
