// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask test`: everything the project can check, one part after the
//! other. A part that fails does not stop the next. What failed is said once
//! more at the end, and the last line says how many tests passed, failed and
//! could not be made here: a check that was skipped is no check that passed.

pub mod boots;
pub mod disks;
pub mod drives;
pub mod featured;
pub mod host;
pub mod image;
pub mod interrupt;
pub mod ipcstorm;
pub mod messages;
pub mod off_times;
pub mod scenarios;
pub mod shortage;
pub mod sifive_u;
pub mod tour;
pub mod traces;
pub mod u_boot;

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::bench;
use crate::cli::TestArgs;
use crate::lint;
use crate::mutants::{self, kernels::Kernels};
use crate::process;
use crate::programs;
use crate::setup::{self, Tools};
use crate::tally::Tally;

/// The parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Format, clippy, arrows, unsafe code, licences, docs.
    Lint,
    /// Tests of the host crates, must-not-compile cases among them.
    Host,
    /// Programs: their images, the boot package, the template.
    Programs,
    /// Interleavings under loom.
    Model,
    /// Boots in QEMU.
    Boot,
    /// What calls cost, held against ceilings and the committed table.
    Bench,
    /// Every named bug, built in and caught.
    Mutants,
}

/// Every part, in the order in which they run.
const PARTS: &[Part] =
    &[Part::Lint, Part::Host, Part::Programs, Part::Model, Part::Boot, Part::Bench, Part::Mutants];

impl Part {
    /// Whether it mostly waits for boots, and leaves time to build kernels for those
    /// to come.
    const fn leaves_time(self) -> bool {
        matches!(self, Self::Boot | Self::Mutants)
    }
}

/// Runs the parts that are asked for. `true` if nothing failed.
///
/// # Errors
/// When it cannot run at all, or the user interrupts.
pub fn test(args: &TestArgs) -> Result<bool> {
    let tools = setup::ensure(&args.setup.wishes())?;
    let is_wanted = |part: &Part| args.only.is_empty() || args.only.contains(part);
    let mut total = Tally::default();
    let mut table = Vec::new();
    let kernels = Kernels::of(&tools.compiler, &mutants::all())?;
    std::thread::scope(|scope| {
        let mut building = None;
        for part in PARTS.iter().filter(|part| is_wanted(part)) {
            if part.leaves_time() && is_wanted(&Part::Mutants) && building.is_none() {
                building = Some(kernels.begin(scope));
            }
            let start = Instant::now();
            println!("\n== {part:?}");
            let tally = one(*part, args, &tools, &kernels)?;
            process::check_interrupt()?;
            table.push((part, tally.clone(), start.elapsed()));
            total += tally;
        }
        anyhow::Ok(())
    })?;
    println!("\npart      passed  failed  skipped     time");
    for (part, tally, took) in table {
        let name = format!("{part:?}").to_lowercase();
        let Tally { passed, failed, skipped } = tally;
        let took = took.as_secs_f32();
        println!("{name:<8} {passed:>7} {:>7} {skipped:>8} {took:>6.0} s", failed.len());
    }
    total.show_failed();
    println!("\n{total}");
    Ok(total.failed.is_empty() && total.passed > 0)
}

fn one(part: Part, args: &TestArgs, tools: &Tools, kernels: &Kernels<'_>) -> Result<Tally> {
    match part {
        Part::Lint => lint::steps(tools, false),
        Part::Host => host::crates(),
        Part::Programs => programs::checks::all(tools),
        Part::Model => host::models(),
        Part::Boot => boots::all(tools, args.boot.as_deref()),
        Part::Bench => bench::as_test(tools),
        Part::Mutants => mutants::as_tests(tools, args.setup.compiler, kernels),
    }
}
