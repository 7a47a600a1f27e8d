// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask trace`: one boot, and what every hart did in it as a file for
//! the viewer. The file is read back before it is called written.

use anyhow::{Context as _, Result, bail};

use super::perfetto::{Counts, Messages, expected, export, parse};
use super::rings::Ring;
use crate::boot::{self, Boot};
use crate::build;
use crate::claim::Claim;
use crate::cli::TraceArgs;
use crate::setup;
use crate::show;
use crate::workspace::{short, target_dir};

/// Boots, writes the file, says what is in it. `true` if the boot passed.
///
/// # Errors
/// When the boot could not be made, or there is no trace to write.
pub fn trace(args: &TraceArgs) -> Result<bool> {
    args.boot.check()?;
    let tools = setup::ensure(&args.boot.machine.setup.wishes())?;
    let kernel = build::kernel(&tools.compiler, &args.boot.build.profile())?;
    let one = args.boot.one_of(args.boot.workload.seed);
    let scenario = one.workload.scenario().name();
    let claim = Claim::first_free(&target_dir().join("trace").join(scenario))?;
    claim.clear()?;
    let dir = claim.dir();
    let kernel = kernel.keep_copy(dir)?;
    let spec = Boot::of(&one, &tools, &kernel.elf, dir).packed(&tools)?;
    let booted = boot::boot(&spec, &mut |_| {})?;
    println!("{}", show::summary(&booted, Vec::new()));
    for problem in &booted.verdict.problems {
        println!("  {problem}");
    }
    if !booted.verdict.passed() {
        println!("evidence in {}", short(dir));
    }
    if booted.rings.is_empty() {
        bail!("the trace cannot be read: only `virt` and `sifive_u` with memory of ours keep it");
    }
    let (bytes, counts) = checked(&booted.rings, spec.machine.tick())?;
    std::fs::write(&args.output, &bytes)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    println!("{}: {}", args.output.display(), in_words(&booted.rings, &counts));
    Ok(booted.verdict.passed())
}

/// The trace file of a machine with such ticks, and what is in it when it is
/// read back.
///
/// # Errors
/// When that is not what the rings hold.
pub fn checked(rings: &[Ring], tick: u64) -> Result<(Vec<u8>, Counts)> {
    let bytes = export(rings, tick);
    let found = parse(&bytes).context("the trace cannot be read back")?;
    let due = expected(rings);
    if (Counts { arrows: 0, ..found }) != due {
        bail!("the trace holds {found:?}, the rings hold {due:?}");
    }
    Ok((bytes, found))
}

fn in_words(rings: &[Ring], counts: &Counts) -> String {
    let Counts { harts, switches, sends, replies, wakes, arrows, messages } = counts;
    let mut text = format!(
        "{harts} hart(s), {switches} switches, {sends} messages sent, {replies} replied, {wakes} \
         wakes, {arrows} arrows"
    );
    if *messages != Messages::default() {
        let Messages { sent, received, answered, handed, woken, boosts, unblocks } = messages;
        text += &format!(
            "; of programs {sent} messages sent, {received} received, {answered} answered, \
             {handed} + {woken} arrows, {boosts} boosts, {unblocks} unblocked"
        );
    }
    let lost: u64 = rings.iter().map(Ring::lost).sum();
    if lost > 0 {
        text += &format!("; {lost} older records were overwritten");
    }
    text
}
