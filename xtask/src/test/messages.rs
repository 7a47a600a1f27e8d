// SPDX-License-Identifier: Apache-2.0
//! Messages of programs in the traces of real boots: each is held against what the
//! harts have counted, and has its arrows.

use std::path::Path;

use anyhow::{Result, ensure};
use skimmer_abi::trace::Event;

use super::traces::{Check, Outcome, ask_viewer};
use crate::boot::{Boot, Booted};
use crate::cli::BootArgs;
use crate::setup::Tools;
use crate::spec::VIRT_TICK;
use crate::trace::command::checked;
use crate::trace::messages::Arrows;
use crate::trace::perfetto::{Messages, category};
use crate::trace::rings::Ring;
use crate::workspace::target_dir;

/// Name and check.
pub const CASES: &[(&str, Check)] = &[
    ("trace-messages-1-hart", |tools, elf| whole(tools, elf, 1)),
    ("trace-messages-4-harts", |tools, elf| whole(tools, elf, 4)),
    ("trace-messages-overwritten", overwritten),
    (VIEWED, viewed),
];

/// Name of the check by the viewer.
const VIEWED: &str = "trace-messages-in-their-viewer";

/// Few enough messages that no record is overwritten.
const FEW: u64 = 200;

/// More than a ring holds.
const MANY: u64 = 20_000;

/// Boots the program `echo`.
fn echo(tools: &Tools, elf: &Path, harts: usize, rounds: u64) -> Result<Booted> {
    let words = format!("--program echo --harts {harts} --seed 1 -- rounds={rounds}");
    let dir = target_dir().join("test").join(format!("trace-echo-{harts}-{rounds}"));
    Boot::of(&BootArgs::of_words(&words, tools)?, tools, elf, &dir).packed(tools)?.passed()
}

/// What the harts counted of messages handed over and answered.
fn counted(booted: &Booted) -> (u64, u64) {
    let add = |sum: (u64, u64), hart: &crate::inspect::HartCounters| {
        (sum.0 + hart.handed, sum.1 + hart.answered)
    };
    booted.harts.iter().fold((0, 0), add)
}

/// Every message is in the trace once as sent, received and answered, and has both
/// arrows.
fn whole(tools: &Tools, elf: &Path, harts: usize) -> Outcome {
    let booted = echo(tools, elf, harts, FEW)?;
    let lost: u64 = booted.rings.iter().map(Ring::lost).sum();
    ensure!(lost == 0, "{lost} records were overwritten: the rings are too short for this test");
    let (_, found) = checked(&booted.rings, VIRT_TICK)?;
    let counted = counted(&booted);
    ensure!(counted == (FEW, FEW), "the harts counted {counted:?} of {FEW} messages");
    let Messages { sent, received, answered, handed, woken, boosts, unblocks } = found.messages;
    let traced = [sent, received, answered];
    ensure!(traced == [FEW; 3], "sent, received, answered: {traced:?} traced of {FEW}");
    ensure!((handed, woken) == (FEW, FEW), "{handed} + {woken} arrows for {FEW} messages");
    // The server, when its channel goes.
    ensure!(unblocks == 1, "{unblocks} waits ended without a message");
    Ok(Some(format!("{answered} messages, an arrow there and one back each, {boosts} boosts")))
}

/// Of a trace that has lost its beginning, what is left has its arrows.
fn overwritten(tools: &Tools, elf: &Path) -> Outcome {
    let booted = echo(tools, elf, 4, MANY)?;
    let rings = &booted.rings;
    let lost: u64 = rings.iter().map(Ring::lost).sum();
    ensure!(lost > 0, "nothing was overwritten");
    let counted = counted(&booted);
    ensure!(counted == (MANY, MANY), "the harts counted {counted:?} of {MANY} messages");
    let (_, found) = checked(rings, VIRT_TICK)?;
    let (received, answered) = (found.messages.received, found.messages.answered);
    ensure!(received <= MANY && answered <= MANY, "{received} and {answered} of {MANY} traced");
    // From here on all rings have everything.
    let first = |ring: &Ring| ring.records.first().map(|record| record.time);
    let from = rings.iter().filter(|ring| ring.lost() > 0).filter_map(first).max();
    let arrows = Arrows::of(rings);
    let (mut due, mut drawn) = ([0; 2], [0; 2]);
    for (ring, each) in rings.iter().enumerate() {
        for (place, record) in each.records.iter().enumerate() {
            let (kind, arrow) = match Event::from_number(record.event) {
                Some(Event::MsgReceive) => (0, arrows.ends((ring, place))),
                // Who got the hart with it.
                Some(Event::Switch) if arrows.straight((ring, place)).is_some() => {
                    (0, arrows.ends((ring, place)))
                }
                Some(Event::MsgReply) => (1, arrows.begins((ring, place))),
                _ => continue,
            };
            drawn[kind] += u64::from(arrow.is_some());
            if Some(record.time) > from {
                due[kind] += 1;
                // The message may have been sent just before.
                ensure!(arrow.is_some() || kind == 0, "the answer {:#x} has no arrow", record.b);
            }
        }
    }
    ensure!(due[1] > 0 && drawn[0] + 1 >= due[0], "{drawn:?} arrows, {due:?} were due");
    let all = drawn[0] + drawn[1];
    Ok(Some(format!("{lost} records lost, {answered} of {MANY} answers left, {all} arrows")))
}

/// The viewer's own engine has an arrow of each kind for every message, and each leads
/// forward.
fn viewed(tools: &Tools, elf: &Path) -> Outcome {
    let booted = echo(tools, elf, 2, FEW)?;
    let (bytes, _) = checked(&booted.rings, VIRT_TICK)?;
    let arrows = |from: &str, to: &str| {
        format!(
            "select count(*) as n from flow join slice o on o.id=slice_out join slice i on \
             i.id=slice_in where o.category='{from}' and i.category='{to}' and i.ts>=o.ts"
        )
    };
    let queries = [
        arrows(category::MSG_SEND, category::MSG_RECEIVE),
        arrows(category::MSG_REPLY, category::THREAD),
    ];
    let Some(numbers) = ask_viewer(VIEWED, &bytes, &queries)? else { return Ok(None) };
    ensure!(numbers == [FEW; 2], "the viewer has {numbers:?} arrows for {FEW} messages");
    Ok(Some(format!("{FEW} messages, each with two arrows")))
}
