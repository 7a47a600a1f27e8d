// SPDX-License-Identifier: Apache-2.0
//! What drives did, against what was asked of them.

use std::ops::RangeInclusive;

use skimmer_abi::scenario::Scenario;

use super::Expected;
use crate::disk::Layout;
use crate::record::{Drives, Latency, Outcome, Record};

/// Of a hundred completions, those that an interrupt must have told of in `all`.
const BY_INTERRUPT: u64 = 95;

/// The same where drives have all harts' queue pairs to themselves: what comes between
/// the look that an interrupt asks for and the next one is found by the latter, and is
/// the more the more is in flight (a twentieth with 64 queue pairs).
const BY_INTERRUPT_ALONE: u64 = 80;

/// Bytes of a read of `nvme-read` and of `all`.
const UNIT: u64 = 4096;

/// Reads of one drive in flight there: no more of them come with one interrupt. On
/// more harts there is one for each queue pair.
const DEPTH: u64 = 8;

/// Commands of one hart to one drive in flight in `nvme-verify`.
const VERIFY_DEPTH: u64 = 64;

/// Queue pairs that a drive of QEMU's grants at the most (`max_ioqpairs`).
const QUEUE_PAIRS: u64 = 64;

/// Checks what was told of drives; nothing may be where none was asked for.
pub(super) fn check(
    expected: &Expected,
    outcome: &Outcome,
    records: &[Record],
    check: &mut impl FnMut(bool, String),
) {
    let writes = expected.scenario == Scenario::NvmeVerify;
    let is_beside = expected.scenario == Scenario::All;
    let may_fail = expected.scenario == Scenario::NvmeFaults;
    let is_asked = writes || is_beside || may_fail || expected.scenario == Scenario::NvmeRead;
    let Some(told) = outcome.drives.filter(|_| is_asked) else {
        let is_right = !is_asked && outcome.drives.is_none();
        return check(is_right, "what drives did is not told, or nobody asked".to_owned());
    };
    let due = expected.disks.len();
    check(told.drives as usize == due, format!("{} drives took part, {due} were due", told.drives));
    if may_fail {
        let (reads, verified) = (told.reads, outcome.round_trips);
        check(reads == verified, format!("{reads} reads, {verified} verified"));
    } else if writes {
        check_verified(expected, &told, outcome, records, check);
    } else {
        let alone = outcome.round_trips..=outcome.round_trips;
        // Some may have ended before the program began, or after its last end.
        let due = outcome.beside.map_or(alone, |beside| beside.reads..=u64::MAX);
        check_read(expected, &told, &due, check);
    }
    let Drives { reads, by_interrupt, polled, missed, stray, resets, latency, .. } = told;
    let queue_pairs = told.queue_pairs;
    let found = by_interrupt.saturating_add(polled);
    check(found >= reads, format!("{found} completions of {reads} reads"));
    let share = if is_beside { BY_INTERRUPT } else { BY_INTERRUPT_ALONE };
    let is_enough = u128::from(by_interrupt) * 100 >= u128::from(found) * u128::from(share);
    check(is_enough, format!("{by_interrupt} of {found} completions came by interrupt"));
    let heard = outcome.interrupts.map_or(0, |told| told.here);
    // One may be followed by another with nothing to do.
    let is_possible = heard <= found.saturating_mul(2);
    check(is_possible, format!("{heard} interrupts for {found} completions"));
    let harts = u64::from(outcome.harts);
    let depth = if writes { VERIFY_DEPTH.saturating_mul(harts) } else { DEPTH.max(harts) };
    let most = heard.saturating_mul(depth).saturating_mul(due as u64);
    let is_possible = by_interrupt <= most;
    check(is_possible, format!("{by_interrupt} completions by {heard} interrupts"));
    check(stray == 0, format!("{stray} completions should not have been"));
    check(missed == 0, format!("no interrupt told of {missed} completions"));
    let pairs = u64::from(outcome.harts).min(QUEUE_PAIRS).saturating_mul(due as u64);
    check(queue_pairs == pairs, format!("{queue_pairs} queue pairs, {pairs} were due"));
    check(resets == 0, format!("{resets} resets of a drive that is well"));
    let Latency { least, median, percent99, most } = latency;
    let is_order = least <= median && median <= percent99 && percent99 <= most && most > 0;
    check(is_order, format!("a latency of {least}, {median}, {percent99}, {most} ticks"));
}

/// Reads only: as many as are due, each completed once.
fn check_read(
    expected: &Expected,
    told: &Drives,
    due: &RangeInclusive<u64>,
    check: &mut impl FnMut(bool, String),
) {
    let Drives { reads, blocks, written, by_interrupt, polled, .. } = *told;
    check(due.contains(&reads), format!("{reads} reads, {due:?} were due"));
    // Drives may differ in the size of their blocks.
    let of_a_read = || expected.disks.iter().map(|disk| reads.saturating_mul(UNIT / disk.block));
    let due = of_a_read().min().unwrap_or(0)..=of_a_read().max().unwrap_or(0);
    check(due.contains(&blocks), format!("{blocks} blocks in {reads} reads, {due:?} were due"));
    check(written == 0, format!("{written} blocks were written"));
    check_distinct(expected, told, check);
    let found = by_interrupt.saturating_add(polled);
    check(found == reads, format!("{found} completions of {reads} reads"));
}

/// No place of a disk is read again before all others are: a small disk is soon
/// through, and beside other work is not what was asked for.
fn check_distinct(expected: &Expected, told: &Drives, check: &mut impl FnMut(bool, String)) {
    let Drives { reads, distinct, .. } = *told;
    let units = expected.disks.iter().map(|disk| disk.blocks() * disk.block / UNIT);
    let (least, all) = units.fold((u64::MAX, 0), |(least, all), n| (least.min(n), all + n));
    let is_beside = expected.scenario == Scenario::All;
    let asked = if is_beside { expected.rounds.reads_beside() } else { 0 };
    let due = reads.min(least).max(asked)..=reads.min(all);
    let is_right = due.contains(&distinct);
    check(is_right, format!("{distinct} different places in {reads} reads, {due:?} were due"));
}

/// `nvme-verify`: all that was begun is read, and what is written once more.
fn check_verified(
    expected: &Expected,
    told: &Drives,
    outcome: &Outcome,
    records: &[Record],
    check: &mut impl FnMut(bool, String),
) {
    let Drives { blocks, written, .. } = *told;
    let verified = outcome.round_trips;
    let is_begun = |r: &Record| matches!(r, Record::Start { rounds, .. } if *rounds == verified);
    check(records.iter().any(is_begun), format!("{verified} blocks verified, others were begun"));
    // All that there is, unless less was asked for.
    let all = expected.disks.iter().map(Layout::blocks).sum::<u64>();
    let due = expected.rounds.total.unwrap_or(all);
    check(verified == due, format!("{verified} blocks verified, {due} were due"));
    check(verified > 0 && written > 0, format!("{verified} blocks verified, {written} written"));
    let due = verified.saturating_add(written);
    check(blocks == due, format!("{blocks} blocks were read, {due} were due"));
    let named = records.iter().map(|r| match r {
        Record::DiskWritten(stretch) => stretch.count,
        _ => 0,
    });
    let named: u64 = named.sum();
    check(named == written, format!("{written} blocks were written, {named} are named"));
}
