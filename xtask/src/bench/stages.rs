// SPDX-License-Identifier: Apache-2.0
//! Which stage of an operation an instruction belongs to: by the innermost of the
//! inlined functions there that is the project's own, whose file says it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::symbols::{Place, Symbols};

/// The instructions of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Which.
    pub(super) stage: String,
    /// How many.
    pub(super) instructions: u64,
}

/// Where the kernel's memory begins.
const KERNEL: u64 = 0xffff_ffff_0000_0000;

/// Where programs are loaded. Below it, firmware is.
const PROGRAM: u64 = 0x1_0000_0000;

pub(super) const FIRMWARE: &str = "firmware";
const USER: &str = "program: the loop and the stubs of `user/rt`";
pub(super) const OTHER: &str = "other";

/// The kernel's stages, in the order in which they are shown, with their files,
/// or symbols of assembly; what ends with a slash or underscore is how names begin.
/// The first stage that fits counts.
const STAGES: &[(&str, &[&str])] = &[
    (
        "entry, exit, saved registers",
        &[
            "kernel/arch/src/trap",
            "skimmer_trap_",
            "skimmer_message_",
            "from_",
            "return_from_call",
            "front_door",
            "enter_rust",
        ],
    ),
    (
        "the call: who calls, and what",
        &[
            "kernel/arch/src/message",
            "kernel/arch/src/user",
            "kernel/core/src/user",
            "kernel/image/src/process/",
            "kernel/core/src/message",
            "kernel/core/src/process",
            "abi/src/call",
            "abi/src/message",
        ],
    ),
    ("connection", &["kernel/core/src/channel/connection"]),
    (
        "channel: look-up and lock",
        &[
            "kernel/core/src/channel/table",
            "kernel/core/src/channel/id",
            "kernel/core/src/channel/slot",
            "kernel/sync/src/segments",
            "kernel/sync/src/lock",
            "kernel/sync/src/locked",
        ],
    ),
    ("rendezvous and queues", &["kernel/core/src/channel/", "abi/src/channel"]),
    ("trace records and counters", &["abi/src/trace", "abi/src/inspect"]),
    (
        "address space",
        &[
            "kernel/arch/src/paging",
            "kernel/core/src/space/",
            "kernel/core/src/frames",
            "kernel/arch/src/addr",
        ],
    ),
    (
        "copy",
        &[
            "kernel/arch/src/user_copy",
            "skimmer_copy",
            "skimmer_copy_",
            "skimmer_pass",
            "skimmer_pass_",
            "memcpy",
            "memcpy_done",
            "memset",
            "kernel/core/src/room",
        ],
    ),
    (
        "stack, switch and floating point",
        &[
            "kernel/arch/src/stack",
            "kernel/arch/src/fp",
            "skimmer_switch",
            "skimmer_go",
            "skimmer_thread_",
            "skimmer_fp_",
        ],
    ),
    (
        "threads and scheduling",
        &[
            "kernel/core/src/straight",
            "kernel/core/src/afar",
            "kernel/core/src/hart",
            "kernel/core/src/table",
            "kernel/core/src/thread",
            "kernel/core/src/runq",
            "kernel/core/src/sched",
            "kernel/core/src/shares",
            "kernel/core/src/turns",
            "kernel/core/src/handover",
            "kernel/core/src/budget",
            "kernel/core/src/deadlines",
            "kernel/core/src/ids",
            "kernel/core/src/list",
            "kernel/core/src/waiting",
            "kernel/image/src/lwkt",
        ],
    ),
    (
        "between harts: rings and doorbells",
        &[
            "kernel/core/src/remote",
            "kernel/core/src/mail",
            "kernel/core/src/chores",
            "kernel/core/src/port",
            "kernel/sync/src/spsc",
            "kernel/sync/src/fifo",
            "kernel/sync/src/mailbox",
            "kernel/sync/src/active",
            "kernel/image/src/smp",
            "kernel/arch/src/sbi",
        ],
    ),
    (
        "this hart: its cell, masks, registers, clock",
        &[
            "kernel/sync/src/cell",
            "kernel/sync/src/once",
            "kernel/sync/src/static_ref",
            "kernel/sync/src/irq",
            "kernel/arch/src/irq",
            "kernel/arch/src/csr",
            "kernel/arch/src/cpu",
            "kernel/arch/src/time",
        ],
    ),
];

/// Whether it is a program's instruction.
pub(super) const fn is_program(pc: u64) -> bool {
    PROGRAM <= pc && pc < KERNEL
}

/// The instructions by stage, none that has none.
pub(super) fn group(pcs: &[u64], kernel: &Symbols) -> Vec<Part> {
    let mut stages: HashMap<u64, String> = HashMap::new();
    let mut counts: BTreeMap<(usize, String), u64> = BTreeMap::new();
    for pc in pcs {
        let stage = stages.entry(*pc).or_insert_with(|| stage_at(*pc, kernel));
        *counts.entry((rank(stage), stage.clone())).or_default() += 1;
    }
    let part = |((_, stage), instructions)| Part { stage, instructions };
    counts.into_iter().map(part).collect()
}

/// The instructions in the order in which they were executed, one a line.
pub(super) fn listing(pcs: &[u64], kernel: &Symbols) -> String {
    let place = |place: &Place| {
        format!("{} {}", place.function, place.at.as_deref().unwrap_or("(no line)"))
    };
    let line = |pc: &u64| {
        let places: Vec<String> = kernel.places(*pc).iter().map(place).collect();
        format!("{pc:#018x} | {} | {}\n", stage_at(*pc, kernel), places.join(" < "))
    };
    pcs.iter().map(line).collect()
}

/// Its place in the table.
fn rank(stage: &str) -> usize {
    let kernels = STAGES.iter().position(|(name, _)| *name == stage);
    match stage {
        USER => 0,
        FIRMWARE => usize::MAX,
        _ => kernels.map_or(usize::MAX - 1, |place| place + 1),
    }
}

/// The stage of the instruction there.
fn stage_at(pc: u64, kernel: &Symbols) -> String {
    match pc {
        ..PROGRAM => FIRMWARE.to_owned(),
        PROGRAM..KERNEL => USER.to_owned(),
        KERNEL.. => stage_of(&kernel.places(pc)),
    }
}

/// The stage of an instruction of the kernel, innermost place first. If there is none
/// for it, it is called by its file or symbol.
fn stage_of(places: &[Place]) -> String {
    // Assembly has no lines, but symbols.
    let symbol = || places.last().map(|place| place.function.clone());
    let name = places.iter().find_map(file).or_else(symbol);
    let name = name.unwrap_or_else(|| "unknown".to_owned());
    let fits = |(_, files): &&(_, &[&str])| files.iter().any(|file| is_named(&name, file));
    let stage = STAGES.iter().find(fits).map(|(stage, _)| (*stage).to_owned());
    stage.unwrap_or_else(|| format!("{OTHER}: {name}"))
}

/// Whether a file or symbol is what the table says.
fn is_named(name: &str, due: &str) -> bool {
    let rest = name.strip_prefix(due);
    rest.is_some_and(|rest| {
        due.ends_with(['/', '_']) || rest.is_empty() || rest.starts_with(['.', '/'])
    })
}

/// The file of a place, if it is ours. Where the compiler made one instruction of
/// several it tells no file, or a strange one: then it is that of the function's
/// module.
fn file(place: &Place) -> Option<String> {
    let at = place.at.as_deref().unwrap_or_default();
    let file = at.rsplit_once(':').map_or(at, |(file, _)| file);
    if is_ours(file) { Some(file.to_owned()) } else { module(&place.function) }
}

fn is_ours(file: &str) -> bool {
    ["kernel/", "abi/", "drivers/"].iter().any(|room| file.starts_with(room))
}

/// The path of the module of a function, if a crate of ours is the first that its
/// name has: `skimmer_core::runq::pop` is in `kernel/core/src/runq`.
fn module(function: &str) -> Option<String> {
    let start = function.find(|c: char| c.is_alphanumeric())?;
    let function = &function[start..];
    let (dir, rest) = CRATES.iter().find_map(|(name, dir)| {
        function.strip_prefix(name)?.strip_prefix("::").map(|rest| (dir, rest))
    })?;
    let is_module = |word: &&str| word.starts_with(|c: char| c.is_lowercase());
    let words: Vec<_> = rest.split("::").take_while(is_module).collect();
    Some(format!("{dir}/{}", words.join("/")))
}

/// The kernel's crates and where they are.
const CRATES: &[(&str, &str)] = &[
    ("skimmer_core", "kernel/core/src"),
    ("skimmer_sync", "kernel/sync/src"),
    ("skimmer_arch", "kernel/arch/src"),
    ("skimmer_abi", "abi/src"),
    ("skimmer", "kernel/image/src"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: &str, at: Option<&str>) -> Place {
        Place { function: function.to_owned(), at: at.map(ToOwned::to_owned) }
    }

    #[test]
    fn the_innermost_place_of_ours_says_the_stage() {
        let places = [
            place("core::option::unwrap", Some("<std>/core/src/option.rs:1")),
            place("skimmer_core::runq::pop", Some("kernel/core/src/runq.rs:10")),
            place("skimmer_core::channel::send", Some("kernel/core/src/channel/mod.rs:10")),
        ];
        assert_eq!(stage_of(&places), "threads and scheduling");
        assert_eq!(stage_of(&places[2..]), "rendezvous and queues");
        let table = [place("get", Some("kernel/core/src/channel/table.rs:3"))];
        assert_eq!(stage_of(&table), "channel: look-up and lock");
    }

    #[test]
    fn assembly_goes_by_its_symbol_and_strangers_by_their_name() {
        assert_eq!(stage_of(&[place("skimmer_pass", None)]), "copy");
        assert_eq!(
            stage_of(&[place("f", Some("kernel/core/src/new.rs:3"))]),
            "other: kernel/core/src/new.rs"
        );
        assert_eq!(stage_of(&[place("__muldi3", Some("<std>/x.rs:3"))]), "other: __muldi3");
        assert_eq!(stage_of(&[]), "other: unknown");
        let copy = place("f", Some("kernel/arch/src/user_copy.rs:3"));
        assert_eq!(stage_of(&[copy]), "copy");
    }

    #[test]
    fn what_the_compiler_made_one_of_goes_by_its_function() {
        let name = "skimmer_core::sched::<impl skimmer_core::hart::Hart<M>>::next";
        assert_eq!(module(name).as_deref(), Some("kernel/core/src/sched"));
        for at in [None, Some("<std>/core/src/option.rs:1")] {
            assert_eq!(stage_of(&[place(name, at)]), "threads and scheduling");
        }
        let name = "<skimmer::process::messages::Bearer as skimmer_core::Carrier>::is_connected";
        assert_eq!(module(name).as_deref(), Some("kernel/image/src/process/messages"));
        assert_eq!(module("core::option::Option<skimmer_core::X>::take"), None);
        assert_eq!(module("memcpy"), None);
    }

    #[test]
    fn stages_are_shown_in_their_order() {
        let names = [USER, STAGES[0].0, STAGES[1].0, "other: x", FIRMWARE];
        assert!(names.is_sorted_by_key(|name| rank(name)));
    }

    #[test]
    fn every_file_of_a_stage_is_there() {
        let root = crate::workspace::root();
        for begins in STAGES.iter().flat_map(|(_, files)| *files).filter(|it| is_ours(it)) {
            let (dir, name) = begins.rsplit_once('/').expect("a room");
            let found = std::fs::read_dir(root.join(dir)).expect("a folder");
            let fits = |name: &str, file: &std::fs::DirEntry| {
                file.file_name().to_string_lossy().starts_with(name)
            };
            assert!(found.flatten().any(|file| fits(name, &file)), "{begins}");
        }
    }
}
