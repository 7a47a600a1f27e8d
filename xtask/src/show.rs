// SPDX-License-Identifier: Apache-2.0
//! Records, verdicts and boots in words, for people who watch.

use std::fmt::Write as _;
use std::time::Duration;

use crate::boot::Booted;
use crate::record::{
    Beside, DiskWritten, DriveFault, DriveTold, Drives, Interrupts, Latency, Outcome, Programs,
    Record, Shortage, SkipReason,
};
use crate::round_trips::{self, RoundTrips};
use crate::symbols::Symbols;
use crate::trace::rings::digest;
use crate::verdict::{Ending, cases};

/// A record as a line (a panic or a fault: as several), with the symbols of the
/// kernel or, of a fault, the program's.
#[must_use]
pub fn record(record: &Record, symbols: Option<&Symbols>) -> String {
    match record {
        Record::Boot { version, boot_hart, harts, memory, ring_bytes, sbi, seed } => format!(
            "boot: Skimmer {version} on hart {boot_hart}, {harts} hart(s), {} of memory \
             ({} for rings), {}, seed {seed}",
            bytes(*memory),
            bytes(*ring_bytes),
            firmware(*sbi),
        ),
        Record::HartSkipped { hartid, reason } => {
            let why = match reason {
                SkipReason::Disabled => "the device tree disables it",
                SkipReason::NoMmu => "it has no Sv39",
                SkipReason::BadId => "its id cannot be read",
            };
            format!("hart {hartid}: not used, {why}")
        }
        Record::HartFailed { hartid, error } => {
            format!("hart {hartid}: did not start, SBI error {error}")
        }
        Record::HartUp { hartid, index } => format!("hart {hartid}: up, number {index}"),
        Record::Start { scenario, harts, clients, rounds } => format!(
            "start: {}, {harts} hart(s), {clients} client(s), {rounds} round(s)",
            scenario.name()
        ),
        Record::Figure { name, operations, instructions, .. } => {
            round_trips::in_words(name, *operations, *instructions).unwrap_or_else(|| {
                format!("figure: {name}, {instructions} instructions for {operations} operation(s)")
            })
        }
        Record::Case(told) => cases::line(told),
        Record::Fault(fault) => crate::faults::report(fault, symbols).trim_end().to_owned(),
        Record::CheckFailed { name } => format!("failed check: {name}"),
        Record::Shortage(Shortage { asked, small, frames, stacks, large }) => format!(
            "shortage: of {asked} requests for memory {small} small ones were refused, \
             {frames} frames, {stacks} stacks, {large} large ones"
        ),
        Record::DiskWritten(DiskWritten { drive, first, count, generation }) => format!(
            "disk {drive}: {count} block(s) from {first} on written, generation {generation}"
        ),
        Record::DriveFault(fault) => drive_fault(fault),
        Record::DriveTold(told) => drive_told(told),
        Record::End(outcome) => end(outcome),
        Record::BadInput { message } => format!("bad input: {message}"),
        Record::Panic(panic) => crate::evidence::panic_report(panic, symbols).trim_end().to_owned(),
    }
}

fn drive_fault(fault: &DriveFault) -> String {
    let DriveFault { drive, operation, status, attempt, first, count } = fault;
    let how = if *attempt == 0 { "" } else { " by itself" };
    format!(
        "drive {drive}: {operation:?} of {count} block(s) from {first} on{how} failed, \
         attempt {attempt}, status {status:#05x}"
    )
}

fn drive_told(told: &DriveTold) -> String {
    let DriveTold { drive, blocks, reads, writes, flushes, gone, refused, .. } = told;
    let DriveTold { failed_reads, failed_writes, failed_flushes, beside, nanos, .. } = told;
    format!(
        "drive {drive}: {blocks} blocks verified; of reads, writes, flushes {reads}, {writes}, \
         {flushes} succeeded and {failed_reads}, {failed_writes}, {failed_flushes} failed; \
         {beside} reads beside others' failures; {gone} gone, {refused} refused, {:.3} ms",
        *nanos as f64 / 1e6
    )
}

fn end(outcome: &Outcome) -> String {
    let Outcome { scenario, round_trips, errors, nanos, .. } = outcome;
    format!(
        "end: {}, {round_trips} round trip(s), {errors} error(s), {:.3} s of guest time",
        scenario.name(),
        Duration::from_nanos(*nanos).as_secs_f64()
    )
}

/// SBI's implementation in words.
#[must_use]
pub fn firmware((id, version): (u64, u64)) -> String {
    let name = match id {
        0 => "Berkeley Boot Loader",
        1 => return format!("OpenSBI {}.{}", version >> 16, version & 0xffff),
        3 => "KVM",
        4 => "RustSBI",
        _ => return format!("SBI implementation {id} version {version:#x}"),
    };
    format!("{name} {version:#x}")
}

/// An amount of bytes in the largest unit that keeps it whole enough.
#[must_use]
pub fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / 1_048_576),
    }
}

/// The summary that closes a run, with rows that the caller adds.
#[must_use]
pub fn summary(booted: &Booted, more: Vec<(&str, String)>) -> String {
    let mut rows = Vec::new();
    for record in &booted.records {
        match record {
            Record::Boot { sbi, .. } => rows.push(("firmware", firmware(*sbi))),
            Record::End(outcome) => rows.extend(outcome_rows(outcome)),
            _ => {}
        }
    }
    rows.extend(RoundTrips::of(&booted.records).map(|told| ("between programs", told.words())));
    rows.extend(more);
    if !booted.rings.is_empty() {
        let records: u64 = booted.rings.iter().map(|ring| ring.written).sum();
        rows.push(("trace", format!("{records} records, digest {}", digest(&booted.rings))));
    }
    let disks = booted.disks.iter().map(|disk| ("disk", format!("{}: {disk}", disk.drive)));
    rows.extend(disks);
    rows.push(("time of the boot", format!("{:.2} s", booted.took.as_secs_f64())));
    rows.push(("how it ended", ending(&booted.ending)));
    let verdict = if booted.verdict.passed() { "PASS".to_owned() } else { "FAIL".to_owned() };
    rows.push(("verdict", verdict));
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:width$}  {value}");
    }
    text
}

fn outcome_rows(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let Outcome { harts, round_trips, errors, .. } = *outcome;
    let mut rows =
        vec![("scenario", outcome.scenario.name().to_owned()), ("harts", harts.to_string())];
    if harts == 1 && round_trips == 0 {
        rows.push(("round trips", "0: one hart has no clients".to_owned()));
    } else {
        rows.push(("round trips", format!("{round_trips} verified, {errors} error(s)")));
    }
    if let Some(told) = outcome.beside {
        let Beside { runs, windows, reads, least_reads, least_storm, least_kstress, .. } = told;
        rows.push((
            "runs",
            format!("{runs}, looked at {windows} times, with {reads} reads beside them"),
        ));
        let least = format!(
            "{least_reads} reads, {least_storm} of msgstorm, {least_kstress} of kstress between two looks"
        );
        rows.push(("at the least", least));
    }
    rows.extend(outcome.kstress.map(|n| ("kstress", format!("{n} round trips beside it"))));
    if let Some(Programs { digest, channels_created, channels_destroyed, .. }) = outcome.programs
        && channels_created > 0
    {
        let channels = format!("{channels_created} created, {channels_destroyed} destroyed");
        rows.extend([("channels", channels), ("order", format!("digest {digest:016x}"))]);
    }
    if let Some(Interrupts { hartid, here, elsewhere, stray }) = outcome.interrupts {
        let on = format!("{here} on hart {hartid}, {elsewhere} on others, {stray} for nothing");
        rows.push(("interrupts", on));
    }
    rows.extend(outcome.drives.iter().flat_map(|told| drive_rows(told, outcome.nanos)));
    rows.extend([
        ("messages", format!("{} sent, {} replied", outcome.kernel_sends, outcome.kernel_replies)),
        ("ring operations", format!("{}, {} waits", outcome.remote_ops, outcome.ring_waits)),
        ("doorbells", outcome.doorbells.to_string()),
        ("thread switches", outcome.switches.to_string()),
        ("stack canaries", format!("{} whole", outcome.canaries)),
        ("guest time", format!("{:.3} ms", outcome.nanos as f64 / 1e6)),
    ]);
    rows
}

/// What drives did in so many nanoseconds.
fn drive_rows(told: &Drives, nanos: u64) -> Vec<(&'static str, String)> {
    let Drives { drives, reads, blocks, written, by_interrupt, polled, .. } = *told;
    let Drives { queue_pairs, distinct, missed, stray, resets, .. } = *told;
    let Latency { least, median, percent99, most } = told.latency;
    let rate = reads as f64 * 1e9 / nanos.max(1) as f64;
    vec![
        (
            "drives",
            format!(
                "{drives} with {queue_pairs} queue pair(s): {reads} reads of {distinct} places, {rate:.0} in a second of guest time; {blocks} blocks verified, {written} written"
            ),
        ),
        (
            "completions",
            format!(
                "{by_interrupt} by interrupt, {polled} polled, {missed} missed, {stray} stray; {resets} resets"
            ),
        ),
        (
            "latency",
            format!("{least} to {most} ticks, half up to {median}, 99 % up to {percent99}"),
        ),
    ]
}

/// How a boot ended, in words.
#[must_use]
pub fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("QEMU exited with {code}"),
        Ending::Signalled(signal) => format!("signal {signal} ended QEMU"),
        Ending::EndedAfterOutcome => {
            "ended by the host: the machine has no exit device, status not checked".to_owned()
        }
        Ending::Hang(_) => "ended by the watchdog".to_owned(),
        Ending::Timeout(seconds) => format!("ended after {seconds} s"),
        Ending::Interrupted => "stopped by the user".to_owned(),
        Ending::QemuFailed(_) => "QEMU did not start".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use skimmer_abi::scenario::Scenario;

    use super::*;

    #[test]
    fn kstress_has_a_row_where_it_ran() {
        let outcome = Outcome {
            harts: 8,
            round_trips: 64,
            kernel_sends: 100,
            kernel_replies: 100,
            remote_ops: 200,
            doorbells: 10,
            switches: 100,
            canaries: 9,
            preemptions: 1,
            kstress: Some(31),
            nanos: 1000,
            ..Outcome::of(Scenario::Msgstorm)
        };
        let row = |outcome| outcome_rows(outcome).into_iter().find(|(name, _)| *name == "kstress");
        assert_eq!(row(&outcome), Some(("kstress", "31 round trips beside it".to_owned())));
        assert_eq!(row(&Outcome { kstress: None, ..outcome }), None);
    }
}
