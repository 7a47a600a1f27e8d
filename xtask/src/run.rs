// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask run`: one boot, shown as it happens.

use std::path::Path;

use anyhow::Result;

use crate::boot::{self, Boot, Booted, Event};
use crate::build;
use crate::claim::Claim;
use crate::cli::RunArgs;
use crate::console::Line;
use crate::evidence::file;
use crate::faults::Programs;
use crate::live::Live;
use crate::off_times;
use crate::qemu::cpu;
use crate::record::Record;
use crate::setup;
use crate::show;
use crate::symbols::Symbols;
use crate::workspace::{short, target_dir};

/// Lines of the console that a failure without a boot record shows.
const TAIL: usize = 25;

/// Builds, boots, shows, judges. `true` only for a pass.
///
/// # Errors
/// When the boot could not be made.
pub fn run(args: &RunArgs) -> Result<bool> {
    let args = &RunArgs { boot: args.boot.clone().or_all().complete(), ..args.clone() };
    args.boot.check()?;
    let tools = setup::ensure(&args.boot.machine.setup.wishes())?;
    let kernel = build::kernel(&tools.compiler, &args.boot.build.profile())?;
    let one = args.boot.one_of(args.boot.workload.seed);
    let scenario = one.workload.scenario().name();
    let claim = Claim::first_free(&target_dir().join("run").join(scenario))?;
    claim.clear()?;
    let dir = claim.dir();
    let kernel = kernel.keep_copy(dir)?;
    let spec = Boot::of(&one, &tools, &kernel.elf, dir);
    cpu::demand(&spec.machine)?;
    let spec = Boot { wait: args.gdb, ..spec.packed(&tools)? };
    let machine = &spec.machine;
    println!(
        "boot: {} hart(s), {}, {} · {}",
        machine.harts,
        machine.memory,
        machine.schedule,
        spec.bootargs()
    );
    let symbols = Symbols::load(&kernel.elf).ok();
    let programs = Programs::of(machine.initrd.as_deref());
    let live = Live::of(&spec.workload);
    let mut viewer = Viewer { all: args.verbose, kernel_speaks: false, symbols, programs, live };
    let booted = boot::boot(&spec, &mut |event| viewer.see(&event))?;
    viewer.live.clear();
    if let Some(table) = viewer.live.table(&booted.harts) {
        println!("\n{}", table.trim_end());
    }
    let more = off_times::rows(&booted, machine.schedule, viewer.symbols.as_ref());
    report(&booted, dir, viewer.kernel_speaks || args.verbose, more);
    Ok(booted.verdict.passed())
}

/// Prints a boot while it runs. The firmware's banner is left out unless all
/// is asked for.
struct Viewer {
    all: bool,
    kernel_speaks: bool,
    symbols: Option<Symbols>,
    programs: Programs,
    live: Live,
}

impl Viewer {
    fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Started(_) => {}
            Event::Waiting(command) => println!("waiting for a debugger:\n  {command}"),
            Event::Line(Line::Record(record)) => {
                self.kernel_speaks |= matches!(**record, Record::Boot { .. });
                let symbols = match &**record {
                    Record::Fault(fault) => self.programs.symbols(&fault.program),
                    _ => self.symbols.as_ref(),
                };
                self.live.hear(record);
                let shown = show::record(record, symbols).replace('\n', "\n  ");
                self.live.say(&format!("  {shown}"));
            }
            Event::Line(Line::Text(text)) => {
                if (self.kernel_speaks || self.all) && !text.trim().is_empty() {
                    self.live.say(&format!("  | {text}"));
                }
            }
            Event::Line(Line::Damaged(text)) => {
                self.live.say(&format!("  ! damaged record: {text}"));
            }
            Event::Counted(harts) => self.live.look(harts),
        }
    }
}

fn report(booted: &Booted, dir: &Path, shown: bool, more: Vec<(&str, String)>) {
    if !booted.verdict.passed() && !shown {
        print_tail(&dir.join(file::CONSOLE));
    }
    println!("\n{}", show::summary(booted, more));
    if booted.verdict.passed() {
        return;
    }
    for problem in &booted.verdict.problems {
        println!("  {problem}");
    }
    println!("evidence in {}:", short(dir));
    for path in &booted.evidence {
        println!("  {}", short(path));
    }
    println!("  {}", short(&dir.join(file::CONSOLE)));
}

/// The end of the console, when nothing of it was shown.
fn print_tail(log: &Path) {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    println!("the console ends with:");
    for line in &lines[lines.len().saturating_sub(TAIL)..] {
        println!("  | {line}");
    }
}
