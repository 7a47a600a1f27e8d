// SPDX-License-Identifier: Apache-2.0
//! Boots of `ipcstorm`: its shapes, on few and many harts, and with everything else
//! beside it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::traces::{Check, Outcome};
use crate::boot::{Boot, Booted};
use crate::cli::BootArgs;
use crate::record::{Beside, Record};
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
        passes("ipcstorm-beside-all", "--scenario ipcstorm --rounds 200", whole, tools, elf)
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
    judge: fn(&[Record]) -> Result<String>,
    tools: &Tools,
    elf: &Path,
) -> Outcome {
    let dir = target_dir().join("test").join(name);
    let args = BootArgs::of_words(words, tools)?;
    args.check()?;
    let booted: Booted = Boot::of(&args, tools, elf, &dir).packed(tools)?.passed()?;
    judge(&booted.records).map(Some)
}

/// What was verified is the verdict's; here is what can be seen of it.
fn whole(records: &[Record]) -> Result<String> {
    let told = RoundTrips::of(records).context("nothing was told of round trips")?;
    Ok(format!("round trips: {}", told.words()))
}

/// Round trips of `msgstorm` for each read, at the least, where reads leave it room: there
/// are about ten. There was hardly one when reads took all of their hart.
const ROOM: u64 = 2;

/// Whether reads leave their hart to others where no drive is slower than the harts.
fn roomy(records: &[Record]) -> Result<String> {
    let told = records.iter().find_map(|record| match record {
        Record::End(outcome) => outcome.beside,
        _ => None,
    });
    let Beside { least_storm, least_reads, .. } = told.context("nothing was told of others")?;
    let said = format!("{least_storm} round trips of msgstorm, {least_reads} reads between looks");
    ensure!(least_storm >= ROOM * least_reads, "{said}");
    Ok(said)
}

/// Whether calls have ended in more than one way, and some well.
fn deadly(records: &[Record]) -> Result<String> {
    let count = |name: &str| {
        let name = format!("{}{name}", round_trips::PREFIX);
        round_trips::figures(records, &name).map(|(count, _)| count).sum::<u64>()
    };
    let answered = count("answered");
    let other = count("server died or destroyed the channel") + count("detached meanwhile");
    ensure!(answered > 0 && other > 0, "{answered} calls were answered, {other} cut");
    Ok(format!("{answered} calls were answered, {other} cut"))
}
