// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask mutants`: every named bug is built in, one at a time, and must
//! be caught: within so many boots, by the check that is meant for it, while
//! the good kernel passes the same seeds.
//!
//! [`table`] says what is tried, [`trial`] tries it in boots, [`fakes`] on fake
//! devices, [`check`] says what caught it, [`report`] shows it.

pub mod check;
pub mod fakes;
pub mod kernels;
pub mod report;
pub mod table;
pub mod trial;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use console::Term;

use crate::claim::Claim;
use crate::cli::MutantsArgs;
use crate::process;
use crate::setup::compiler::Choice;
use crate::setup::{self, Tools};
use crate::soak;
use crate::tally::Tally;
use crate::workspace::{short, target_dir};
use kernels::Kernels;
use report::About;
use table::{BUGS, Bug, ON_FAKES, OnFake};
use trial::{Row, Trials};

/// The most boots in which a bug must be caught.
pub const BOOTS: u32 = 20;

/// What the seeds are derived from unless something else is asked.
pub const SEED: u64 = 1;

/// Tries the bugs that are asked for. `true` if each was caught as meant.
///
/// # Errors
/// When it cannot run at all, or the user interrupts.
pub fn mutants(args: &MutantsArgs) -> Result<bool> {
    if args.list {
        println!("{}", report::list(width()));
        return Ok(true);
    }
    let tools = setup::ensure(&args.setup.wishes())?;
    let asked = |name: &str| args.names.is_empty() || args.names.iter().any(|n| n == name);
    let bugs: Vec<&'static Bug> = BUGS.iter().filter(|bug| asked(bug.name)).collect();
    let on_fakes: Vec<&'static OnFake> = ON_FAKES.iter().filter(|bug| asked(bug.name)).collect();
    let on_fakes = fakes::try_all(&on_fakes)?;
    let kernels = Kernels::of(&tools.compiler, &bugs)?;
    let how = How { compiler: args.setup.compiler, boots: args.boots, seed: args.seed };
    let rows = std::thread::scope(|scope| {
        let _building = kernels.begin(scope);
        try_all(&tools, &kernels, &bugs, &how)
    })?;
    if let Some(path) = &args.report {
        write_report(path, args, &tools, &rows, &on_fakes)?;
    }
    println!("{}", report::closing_line(&rows, &on_fakes));
    Ok(tally(&rows, &on_fakes).failed.is_empty())
}

/// The same as a part of `cargo xtask test`: every bug is a test.
///
/// # Errors
/// As [`mutants`].
pub fn as_tests(tools: &Tools, compiler: Choice, kernels: &Kernels<'_>) -> Result<Tally> {
    let on_fakes = fakes::try_all(&ON_FAKES.iter().collect::<Vec<_>>())?;
    let how = How { compiler, boots: BOOTS, seed: SEED };
    let rows = try_all(tools, kernels, &all(), &how)?;
    Ok(tally(&rows, &on_fakes))
}

/// Every bug that is built into kernels.
#[must_use]
pub fn all() -> Vec<&'static Bug> {
    BUGS.iter().collect()
}

/// How bugs are tried.
struct How {
    compiler: Choice,
    boots: u32,
    seed: u64,
}

/// Counts what was caught as meant, and what was not.
fn tally(rows: &[Row], on_fakes: &[fakes::Row]) -> Tally {
    let of_row = |row: &Row| {
        (!row.is_good()).then(|| format!("mutants: {}: {}", row.bug.name, row.wrong.join("; ")))
    };
    let of_fake = |row: &fakes::Row| {
        row.wrong.as_ref().map(|why| format!("mutants: {}: {why}", row.bug.name))
    };
    let failed: Vec<String> =
        rows.iter().filter_map(of_row).chain(on_fakes.iter().filter_map(of_fake)).collect();
    Tally { passed: rows.len() + on_fakes.len() - failed.len(), failed, skipped: 0 }
}

/// Tries these bugs, one after the other, and shows what came of them.
fn try_all(
    tools: &Tools,
    kernels: &Kernels<'_>,
    bugs: &[&'static Bug],
    how: &How,
) -> Result<Vec<Row>> {
    if bugs.is_empty() {
        return Ok(Vec::new());
    }
    let claim = Claim::wait(&target_dir().join("mutants").join("boots"))?;
    claim.clear()?;
    let How { compiler, boots, seed } = *how;
    let trials = Trials { tools, compiler, boots, seed, dir: claim.dir(), kernels };
    let mut rows = Vec::new();
    for (number, bug) in (1..).zip(bugs) {
        process::check_interrupt()?;
        let start = Instant::now();
        println!("mutants: {number}/{} {}: {}", bugs.len(), bug.name, bug.in_words());
        let row = trials.run(bug)?;
        let verdict = if row.is_good() { "caught as meant" } else { "FAILED" };
        let took = start.elapsed().as_secs_f32();
        println!("mutants: {number}/{} {}: {verdict} ({took:.0} s)", bugs.len(), bug.name);
        rows.push(row);
    }
    println!("\n{}\n", report::table(&rows, width()));
    for why in report::wrong(&rows) {
        println!("{why}");
    }
    println!("the boots that failed are kept in {}", short(claim.dir()));
    Ok(rows)
}

/// How wide the terminal is, if there is one.
fn width() -> Option<u16> {
    let terminal = Term::stdout();
    if terminal.is_term() { terminal.size_checked().map(|(_, columns)| columns) } else { None }
}

fn write_report(
    path: &Path,
    args: &MutantsArgs,
    tools: &Tools,
    rows: &[Row],
    on_fakes: &[fakes::Row],
) -> Result<()> {
    let about = About {
        command: args.command_line(),
        commit: soak::commit(),
        qemu: tools.qemu_version.clone(),
        compiler: tools.compiler.version(),
    };
    std::fs::write(path, report::markdown(rows, on_fakes, &about))
        .with_context(|| format!("cannot write the report {}", path.display()))?;
    println!("report: {}", path.display());
    Ok(())
}
