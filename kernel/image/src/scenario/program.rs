// SPDX-License-Identifier: Apache-2.0
//! `program`: the program that the command line names, out of the boot package,
//! in user mode. It must end by itself, with status 0; what it and its children
//! report is added up.

use alloc::vec::Vec;

use skimmer_abi::{
    call::{Exit, ended},
    check::Check,
    errno::Errno,
    record::{Exchanged, Programs, Record},
};
use skimmer_arch::{console, println, shortage};
use skimmer_core::{cmdline::CommandLine, ids::Priority, looks::Moment};

use super::{Report, announce, failed, pace::Pace};
use crate::{
    ledger::Ledger,
    process::{self, Birth},
    smp,
};

/// Of the first program, and of all that come from it: below the kernel's own
/// threads that wait for it.
const PRIORITY: u8 = 100;

pub(super) fn run(line: &CommandLine<'_>) -> Report {
    run_while(line, None, |_| false)
}

/// Runs it, and after each end that was good once more while `again` says so, which is
/// asked at each beat of `pace`, too.
pub(super) fn run_while(
    line: &CommandLine<'_>,
    pace: Option<&Pace>,
    mut again: impl FnMut(Moment) -> bool,
) -> Report {
    let Some(name) = line.init else {
        crate::refuse(&"scenario=program needs init=NAME");
    };
    let arguments = arguments(line.args.unwrap_or(""));
    if line.shortage.is_some() && !shortage::CAN {
        crate::refuse(&"shortage=N needs a kernel with the feature shortage");
    }
    let before = Before { frames: process::frames(), ledger: Ledger::read() };
    announce(line, 1, 0);
    let birth = Birth {
        name,
        arguments: &arguments,
        environment: &[],
        priority: Priority::new(PRIORITY),
        hart: smp::services()[0].home(),
        parent: None,
    };
    let exit = loop {
        let pid = match process::spawn(&birth) {
            Ok(pid) => pid,
            Err(error) => crate::refuse(&format_args!("cannot start {name}: {error:?}")),
        };
        if let Some(one_in) = line.shortage {
            shortage::begin(line.seed, one_in.get());
        }
        let exit = loop {
            match process::wait(None, pid, || pace.is_some_and(Pace::take)) {
                Err(Errno::EINTR) => again(Moment::Meanwhile),
                ended => break ended.unwrap_or_default(),
            };
        };
        if !is_good(exit) || !again(Moment::Ended) {
            break exit;
        }
    };
    let refused = line.shortage.map(|_| shortage::end());
    let mut report = judge(name, exit, &before);
    if let Some(refused) = refused {
        console::send(Record::Shortage(refused));
        report.errors += failed("some memory was refused", refused.refused() > 0);
    }
    report
}

fn is_good(exit: Exit) -> bool {
    (exit.how, exit.status) == (ended::EXITED, 0)
}

/// What there was before there were programs.
struct Before {
    frames: usize,
    ledger: Ledger,
}

fn judge(name: &str, exit: Exit, before: &Before) -> Report {
    let after = Ledger::settled(&before.ledger);
    let reported = process::reported();
    let left_out = process::faults_left_out();
    if left_out > 0 {
        println!("{left_out} more fault(s) of programs not shown");
    }
    let is_good = is_good(exit);
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
        + failed("every frame of the processes came back", process::frames() == before.frames)
        + failed("nothing is charged to programs that are gone", process::charged() == (0, 0))
        + failed("no room is kept with memory for channels", process::are_rooms_bare())
        + failed("little is kept for programs to come", after.keeps_little(&before.ledger))
        + failed("every thread of the programs is gone", after.threads == before.ledger.threads)
        + failed("the kernel's heap is as it was", after.live == before.ledger.live);
    if errors > 0 {
        println!("before: {:?}, after: {after:?}", before.ledger);
    }
    let programs = Programs {
        digest: reported.digest,
        channels_created: created,
        channels_destroyed: destroyed,
        messages: Some(messages()),
    };
    Report { verified: reported.verified, errors, programs: Some(programs), ..Report::default() }
}

/// Messages between programs since boot.
fn messages() -> Exchanged {
    let (sent, answered) = process::message_totals();
    Exchanged { sent, answered }
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
