// SPDX-License-Identifier: Apache-2.0
//! Boots of `ipcstorm`: its shapes, on few and many harts, and with everything else
//! beside it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::traces::{Check, Outcome as Came};
use crate::boot::{Boot, Booted};
use crate::cli::BootArgs;
use crate::inspect::HartCounters;
use crate::record::{Beside, Outcome, Record};
use crate::round_trips::{self, RoundTrips};
use crate::setup::Tools;
use crate::workspace::target_dir;

/// Name and check.
pub const CASES: &[(&str, Check)] = &[
    ("ipcstorm-1-hart", |tools, elf| {
        passes("ipcstorm-1-hart", "--program ipcstorm --rounds 200 --harts 1", whole, tools, elf)
    }),
    ("ipcstorm-4-harts", |tools, elf| {
        passes("ipcstorm-4-harts", "--program ipcstorm --rounds 200 --harts 4", whole, tools, elf)
    }),
    ("ipcstorm-8-harts", |tools, elf| {
        passes("ipcstorm-8-harts", "--program ipcstorm --rounds 200", whole, tools, elf)
    }),
    ("ipcstorm-rr", |tools, elf| {
        let words = "--program ipcstorm --rounds 50 --schedule rr --harts 3";
        passes("ipcstorm-rr", words, whole, tools, elf)
    }),
    ("ipcstorm-several", |tools, elf| {
        let words = "--program ipcstorm --rounds 200 -- servers=3 threads=4";
        passes("ipcstorm-several", words, whole, tools, elf)
    }),
    ("ipcstorm-deaths", |tools, elf| {
        let words = "--program ipcstorm --rounds 200 -- servers=3 threads=4 deaths=4";
        passes("ipcstorm-deaths", words, deadly, tools, elf)
    }),
    ("ipcstorm-deaths-1-hart-rr", |tools, elf| {
        let words = "--program ipcstorm --rounds 100 --schedule rr --harts 1 -- servers=3 threads=4 deaths=4";
        passes("ipcstorm-deaths-1-hart-rr", words, deadly, tools, elf)
    }),
    ("ipcstorm-beside-all", |tools, elf| {
        passes("ipcstorm-beside-all", "--scenario ipcstorm --rounds 200", counted, tools, elf)
    }),
    ("ipcstorm-rr-beside-all", |tools, elf| {
        let words = "--scenario ipcstorm --rounds 100 --schedule rr-shift=3";
        passes("ipcstorm-rr-beside-all", words, roomy, tools, elf)
    }),
    ("ipcstorm-deaths-beside-all", |tools, elf| {
        let words = "--scenario ipcstorm --rounds 100 -- servers=3 threads=4 deaths=4";
        passes("ipcstorm-deaths-beside-all", words, deadly, tools, elf)
    }),
];

/// Makes the boot, which must pass and show what `judge` looks for.
fn passes(
    name: &str,
    words: &str,
    judge: fn(&Booted) -> Result<String>,
    tools: &Tools,
    elf: &Path,
) -> Came {
    let dir = target_dir().join("test").join(name);
    let args = BootArgs::of_words(words, tools)?;
    args.check()?;
    let booted: Booted = Boot::of(&args, tools, elf, &dir).packed(tools)?.passed()?;
    judge(&booted).map(Some)
}

/// What was verified is the verdict's; here is what can be seen of it.
fn whole(booted: &Booted) -> Result<String> {
    let told = RoundTrips::of(&booted.records).context("nothing was told of round trips")?;
    Ok(format!("round trips: {}", told.words()))
}

/// Round trips of `msgstorm` for each read, at the least, where reads leave it room: there
/// are about ten. There was hardly one when reads took all of their hart.
const ROOM: u64 = 2;

/// Whether reads leave their hart to others where no drive is slower than the harts.
fn roomy(booted: &Booted) -> Result<String> {
    let told = booted.records.iter().find_map(|record| match record {
        Record::End(outcome) => outcome.beside,
        _ => None,
    });
    let Beside { least_storm, least_reads, .. } = told.context("nothing was told of others")?;
    let said = format!("{least_storm} round trips of msgstorm, {least_reads} reads between looks");
    ensure!(least_storm >= ROOM * least_reads, "{said}");
    Ok(said)
}

/// Whether what people watch while it runs is what the guest vouches for at the end.
fn counted(booted: &Booted) -> Result<String> {
    let end = booted.records.iter().find_map(|record| match record {
        Record::End(outcome) => Some(*outcome),
        _ => None,
    });
    let Outcome { kstress, drives, programs, .. } = end.context("it told no end")?;
    let programs = programs.context("nothing of programs")?;
    let sum = |of: fn(&HartCounters) -> u64| booted.harts.iter().map(of).sum::<u64>();
    let due = [
        kstress.context("no kstress")?,
        drives.context("no drives")?.reads,
        programs.channels_destroyed,
        programs.messages.context("nothing of messages")?.answered,
    ];
    let are = [
        sum(|hart| hart.kstress),
        sum(|hart| hart.reads),
        sum(|hart| hart.channels),
        sum(|hart| hart.answered),
    ];
    ensure!(are == due, "counted as it ran {are:?}, in the end {due:?}");
    ensure!(sum(|hart| hart.storm) > 0, "nothing of msgstorm was counted");
    whole(booted)
}

/// Whether calls have ended in more than one way, and some well.
fn deadly(booted: &Booted) -> Result<String> {
    let count = |name: &str| {
        let name = format!("{}{name}", round_trips::PREFIX);
        round_trips::figures(&booted.records, &name).map(|(count, _)| count).sum::<u64>()
    };
    let answered = count("answered");
    let other = count("server died or destroyed the channel") + count("detached meanwhile");
    ensure!(answered > 0 && other > 0, "{answered} calls were answered, {other} cut");
    Ok(format!("{answered} calls were answered, {other} cut"))
}
