// SPDX-License-Identifier: Apache-2.0
//! `program`: the program that the command line names, out of the boot package,
//! in user mode. It must end by itself, with status 0; what it and its children
//! report is added up.

use alloc::vec::Vec;

use skimmer_abi::{
    call::{Exit, ended},
    check::Check,
    record::Programs,
};
use skimmer_arch::{memory, println};
use skimmer_core::{cmdline::CommandLine, ids::Priority};

use super::{Report, announce, failed};
use crate::{
    process::{self, Birth},
    smp,
};

/// Of the first program, and of all that come from it: below the kernel's own
/// threads that wait for it.
const PRIORITY: u8 = 100;

pub(super) fn run(line: &CommandLine<'_>) -> Report {
    let Some(name) = line.init else {
        crate::refuse(&"scenario=program needs init=NAME");
    };
    let arguments = arguments(line.args.unwrap_or(""));
    announce(line, 1, 0);
    let before = process::frames();
    let birth = Birth {
        name,
        arguments: &arguments,
        environment: &[],
        priority: Priority::new(PRIORITY),
        hart: smp::services()[0].home(),
        parent: None,
    };
    let pid = match process::spawn(&birth) {
        Ok(pid) => pid,
        Err(error) => crate::refuse(&format_args!("cannot start {name}: {error:?}")),
    };
    let exit = process::wait(None, pid, || false).unwrap_or_default();
    judge(name, exit, before)
}

fn judge(name: &str, exit: Exit, before: usize) -> Report {
    let reported = process::reported();
    let left_out = process::faults_left_out();
    if left_out > 0 {
        println!("{left_out} more fault(s) of programs not shown");
    }
    let is_good = (exit.how, exit.status) == (ended::EXITED, 0);
    if !is_good {
        println!("{name} ended: {exit:?}");
    }
    // What a program missed comes first: the rest may follow from it.
    let named = match Check::from_number(reported.failed) {
        Some(check) => failed(check.name(), false),
        None => failed("a program names a check that there is", reported.failed == 0),
    };
    let (created, destroyed) = process::channel_totals();
    let errors = reported.errors.max(named)
        + failed("the first program ends by itself, with status 0", is_good)
        + failed("every process is waited for", process::count() == 0)
        + failed("every channel of the processes was freed", created == destroyed)
        + failed("every frame of the processes came back", process::frames() == before)
        + failed("the kernel's heap is as it was", is_heap_as_it_was());
    let programs = Programs {
        digest: reported.digest,
        channels_created: created,
        channels_destroyed: destroyed,
    };
    Report { verified: reported.verified, errors, programs: Some(programs), ..Report::default() }
}

/// What harts keep in stock counts as in use, and the first program's own things
/// were there.
const SLACK: usize = 128 << 10;

/// So many ends tell a leak from what the stocks hold.
const MANY: usize = 10_000;

/// Whether many processes that have ended have left nothing in the kernel's heap
/// that the first of them had not left.
fn is_heap_as_it_was() -> bool {
    let (ended, warm) = process::ends();
    let now = memory::statistics().bytes_in_use;
    if ended < MANY {
        return true;
    }
    println!("{ended} processes: {warm} bytes of heap after the first, {now} in the end");
    now <= warm + SLACK
}

/// `A,B` as texts that each end with a NUL.
fn arguments(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for argument in text.split(',').filter(|argument| !argument.is_empty()) {
        bytes.extend_from_slice(argument.as_bytes());
        bytes.push(0);
    }
    bytes
}
