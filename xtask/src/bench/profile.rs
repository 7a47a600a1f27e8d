// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench --profile NAME`: where each instruction of a message goes.
//!
//! The machine that measured it is booted once more, an instruction at a time, and
//! QEMU says each. What is shown is one turn of the loop that was measured: its
//! instructions are as many as were measured, or nothing is shown; of two harts, as
//! many as are measured an instruction at a time.

use std::fmt::Write as _;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::stages::{self, FIRMWARE, Part};
use super::table::Table;
use super::{CASES, Case, Told, What, one, rounded, turns};
use crate::boot::Boot;
use crate::build::{self, Profile as Build};
use crate::claim::Claim;
use crate::cli::BootArgs;
use crate::process::Group;
use crate::programs;
use crate::qemu;
use crate::schedule::Schedule;
use crate::setup::Tools;
use crate::symbols::Symbols;
use crate::workspace::{short, target_dir};

/// The figures of which it is committed.
pub(super) const COMMITTED: &[&str] =
    &["roundtrip-0", "roundtrip-64", "roundtrip-512", "roundtrip-0-separate", CROSS_HART];

/// The figure that two harts make.
const CROSS_HART: &str = "roundtrip-cross-hart";

/// Where the instructions of a figure go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) parts: Vec<Part>,
}

/// Which argument of the program has messages measured whose names begin like that.
const ARGUMENTS: &[(&str, &str)] = &[
    (CROSS_HART, "two"),
    ("roundtrip-", "one"),
    ("send-", "one"),
    ("blocked-", "crowd"),
    ("present-", "crowd"),
    ("pairs-1", "pairs count=1"),
];

/// What a message of that name costs, by stage. Every instruction of it goes to a file, if
/// one is given.
///
/// # Errors
/// When there is no such message, it cannot be booted, or no turn of its loop takes
/// as many instructions as were measured; or the file cannot be written.
pub(super) fn of(tools: &Tools, name: &str, listing: Option<&Path>) -> Result<Vec<Part>> {
    let case = case_of(name)?;
    let claim = Claim::wait(&target_dir().join("bench"))?;
    claim.clear()?;
    let dir = claim.dir();
    let kernel = build::kernel(&tools.compiler, &Build::default())?.keep_copy(dir)?;
    let package = dir.join(programs::PACKAGE);
    std::fs::copy(programs::package(&tools.compiler)?.path, &package)?;
    let (told, _) = one(case, tools, &kernel, &package, &dir.join("plain"))?;
    let due = measured(&told, name)?;
    // The others would only take their time.
    let args = BootArgs::of_words(&format!("{} only={name}", case.words()), tools)?;
    let place = dir.join("slow");
    let mut boot = Boot::of(&args, tools, &kernel.elf, &place);
    boot.machine.initrd = Some(package);
    boot.machine.extra.extend(Schedule::OneInsn.arguments(boot.machine.version, false));
    let mut slow = super::told(&boot.passed()?.records);
    // What is left of a division is no turn's, but a tick's or the like.
    slow.iter_mut().for_each(|it| it.instructions -= it.instructions % it.operations.max(1));
    let cost = measured(&slow, name)?;
    check(case, name, due, cost)?;
    let turn = executed(boot, cost).with_context(|| format!("a turn of {name}"))?;
    let symbols = Symbols::load(&kernel.elf)?;
    if let Some(listing) = listing {
        let text = stages::listing(&turn, &symbols);
        std::fs::write(listing, text).with_context(|| short(listing))?;
    }
    Ok(stages::group(&turn, &symbols))
}

/// The boot that measures it.
fn case_of(name: &str) -> Result<&'static Case> {
    let fits = |begins: &str| name == begins || begins.ends_with('-') && name.starts_with(begins);
    let argument = ARGUMENTS.iter().find(|(begins, _)| fits(begins));
    let known = || ARGUMENTS.iter().map(|(begins, _)| *begins).collect::<Vec<_>>().join(", ");
    let (_, argument) = argument.with_context(|| {
        format!("`{name}` is no message that there is a profile of: {}", known())
    })?;
    let is_it = |case: &&Case| matches!(case.what, What::Program(it) if it == *argument);
    CASES.iter().find(is_it).context("nothing measures it")
}

/// Whether it costs the same an instruction at a time. Harts hear of each other's
/// doorbells between what QEMU executes at once, which are other places then.
fn check(case: &Case, name: &str, due: usize, cost: usize) -> Result<()> {
    if case.harts > 1 && due.abs_diff(cost) * 100 <= due {
        println!(
            "{name}, firmware's instructions among it: {cost} an instruction at a time, which is \
             shown here; {due} as it is measured, where doorbells are heard later"
        );
        return Ok(());
    }
    ensure!(due == cost, "{name} takes {due} instructions, but {cost} an instruction at a time");
    Ok(())
}

/// What it costs, firmware's instructions among it.
fn measured(told: &[Told], name: &str) -> Result<usize> {
    let known = || told.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
    let it = told.iter().find(|it| it.name == name);
    let it = it.with_context(|| format!("`{name}` is none of {}", known()))?;
    Ok(usize::try_from(rounded(it.instructions, it.operations))?)
}

/// The instructions of one turn of the loop.
fn executed(mut boot: Boot<'_>, cost: usize) -> Result<Vec<u64>> {
    // Without a file, it says them on its standard error.
    boot.machine.extra.extend(["-d", "exec,nochain"].map(ToOwned::to_owned));
    let sockets = tempfile::Builder::new().prefix("skimmer-").tempdir()?;
    let (machine, arguments) = (&boot.machine, boot.bootargs());
    let mut command = Command::new(&machine.qemu);
    command.args(qemu::arguments(machine, boot.elf, &arguments, sockets.path(), None, &[]));
    let mut group = Group::start(&command)?;
    let console = group.child().stdout.take().context("no console")?;
    let log = group.child().stderr.take().context("QEMU says nothing")?;
    // Nobody looks at it, but it must not fill up. It ends with the emulator.
    std::thread::spawn(move || BufReader::new(console).bytes().for_each(drop));
    turns::find(BufReader::with_capacity(1 << 20, log), cost, stages::is_program)
}

/// Those of which it is committed, held against what was measured.
///
/// # Errors
/// As [`of`]; or when stages do not add up to what was measured on one hart.
pub(super) fn committed(tools: &Tools, measured: &Table) -> Result<Vec<Profile>> {
    let profile = |name: &&str| {
        let parts = of(tools, name, None)?;
        let (sum, due) = (sum(&parts), measured.instructions(name));
        ensure!(
            *name == CROSS_HART || due == Some(sum),
            "not committed: the stages of {name} take {sum} instructions, not {due:?}"
        );
        Ok(Profile { name: (*name).to_owned(), parts })
    };
    COMMITTED.iter().map(profile).collect()
}

/// One table of several, for docs: files that are no stage's in one row.
pub(super) fn side_by_side(profiles: &[Profile]) -> String {
    let mut stages: Vec<&str> = Vec::new();
    for Part { stage, .. } in profiles.iter().flat_map(|profile| &profile.parts) {
        let stage = row_of(stage);
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    stages.sort_by_key(|stage| (*stage == FIRMWARE, *stage == stages::OTHER));
    let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    let mut text =
        format!("| stage | {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(names.len()));
    for stage in stages {
        let of = |profile: &Profile| {
            let parts = profile.parts.iter().filter(|part| row_of(&part.stage) == stage);
            parts.map(|part| part.instructions).sum::<u64>()
        };
        let row: Vec<String> = profiles.iter().map(|profile| of(profile).to_string()).collect();
        let _ = writeln!(text, "| {stage} | {} |", row.join(" | "));
    }
    let sums: Vec<String> = profiles.iter().map(|it| sum(&it.parts).to_string()).collect();
    let _ = writeln!(text, "| all, firmware apart | {} |", sums.join(" | "));
    text
}

fn row_of(stage: &str) -> &str {
    if stage.starts_with(stages::OTHER) { stages::OTHER } else { stage }
}

/// All but firmware's.
pub(super) fn sum(parts: &[Part]) -> u64 {
    let own = parts.iter().filter(|part| part.stage != FIRMWARE);
    own.map(|part| part.instructions).sum()
}

/// The table, for a terminal and for docs.
pub(super) fn markdown(name: &str, parts: &[Part]) -> String {
    let mut text = format!("| stage of {name} | instructions |\n|---|---:|\n");
    for Part { stage, instructions } in parts {
        let _ = writeln!(text, "| {stage} | {instructions} |");
    }
    let apart =
        if parts.iter().any(|part| part.stage == FIRMWARE) { ", firmware apart" } else { "" };
    let _ = writeln!(text, "| all{apart} | {} |", sum(parts));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_is_shown_and_not_counted() {
        let part = |stage: &str, instructions| Part { stage: stage.to_owned(), instructions };
        let own = [part("a", 3), part("b", 4)];
        let text = markdown("x", &own);
        assert!(text.ends_with("| a | 3 |\n| b | 4 |\n| all | 7 |\n"), "{text}");
        let with = [part("a", 3), part(FIRMWARE, 4)];
        assert_eq!(sum(&with), 3);
        assert!(markdown("x", &with).ends_with("| firmware | 4 |\n| all, firmware apart | 3 |\n"));
    }

    #[test]
    fn side_by_side_each_has_its_column_and_nothing_is_lost() {
        let profile = |name: &str, parts: &[(&str, u64)]| {
            let part = |&(stage, instructions): &(&str, u64)| Part {
                stage: stage.to_owned(),
                instructions,
            };
            Profile { name: name.to_owned(), parts: parts.iter().map(part).collect() }
        };
        let text = side_by_side(&[
            profile("x", &[("a", 3), ("other: one", 1), ("other: two", 2)]),
            profile("y", &[("b", 5), ("firmware", 7)]),
        ]);
        let due = "| stage | x | y |\n|---|---:|---:|\n| a | 3 | 0 |\n| b | 0 | 5 |\n\
                   | other | 3 | 0 |\n| firmware | 0 | 7 |\n| all, firmware apart | 6 | 5 |\n";
        assert_eq!(text, due);
    }

    #[test]
    fn the_boot_of_a_message_is_found() {
        for (name, case) in [
            ("roundtrip-0", "1-hart"),
            ("send-1m", "1-hart"),
            ("roundtrip-cross-hart", "2-harts"),
            ("blocked-10", "crowd"),
            ("pairs-1", "1-pair"),
        ] {
            assert_eq!(case_of(name).expect("there").name, case, "{name}");
        }
        // Which hart is at it changes in the middle of a turn.
        assert!(case_of("pairs-16").is_err());
        assert!(case_of("null-call").is_err());
    }

    #[test]
    fn one_hart_costs_the_same_and_two_nearly() {
        let case = |harts| CASES.iter().find(|case| case.harts == harts).expect("there");
        assert!(check(case(1), "x", 1_000, 1_000).is_ok());
        assert!(check(case(1), "x", 1_000, 999).is_err());
        assert!(check(case(2), "x", 1_000, 990).is_ok());
        assert!(check(case(2), "x", 1_000, 989).is_err());
    }

    #[test]
    fn the_cost_has_firmware_in_it_and_unknown_names_are_told() {
        let told = |name: &str| Told {
            name: name.to_owned(),
            operations: 10,
            instructions: 1_006,
            counts: None,
        };
        let all = [told("roundtrip-0"), told("send-1m")];
        assert_eq!(measured(&all, "send-1m").expect("known"), 101);
        let error = measured(&all, "send-2m").expect_err("unknown");
        assert!(error.to_string().contains("none of roundtrip-0, send-1m"), "{error}");
    }
}
