// SPDX-License-Identifier: Apache-2.0
//! What drives did, against what was asked of them.

use skimmer_abi::scenario::Scenario;

use super::Expected;
use crate::record::{Drives, Latency, Outcome};

/// Of a hundred completions, those that an interrupt must have told of.
const BY_INTERRUPT: u64 = 95;

/// The most blocks of a read: one of 4 KiB, in blocks of 512 bytes.
const MOST_BLOCKS: u64 = 8;

/// Checks what was told of drives; nothing may be where none was asked for.
pub(super) fn check(expected: &Expected, outcome: &Outcome, check: &mut impl FnMut(bool, String)) {
    let is_asked = expected.scenario == Scenario::NvmeRead;
    let Some(told) = outcome.drives.filter(|_| is_asked) else {
        let is_right = !is_asked && outcome.drives.is_none();
        return check(is_right, "what drives did is not told, or nobody asked".to_owned());
    };
    let Drives { drives, reads, blocks, written, by_interrupt, polled, stray, resets, latency } =
        told;
    let verified = outcome.round_trips;
    check(drives > 0, "no drive took part".to_owned());
    check(reads == verified, format!("{reads} reads, {verified} verified"));
    let is_possible = (reads..=reads.saturating_mul(MOST_BLOCKS)).contains(&blocks);
    check(is_possible, format!("{blocks} blocks in {reads} reads"));
    check(written == 0, format!("{written} blocks were written"));
    let found = by_interrupt.saturating_add(polled);
    check(found == reads, format!("{found} completions of {reads} reads"));
    let is_enough = u128::from(by_interrupt) * 100 >= u128::from(found) * u128::from(BY_INTERRUPT);
    check(is_enough, format!("{by_interrupt} of {found} completions came by interrupt"));
    let heard = outcome.interrupts.map_or(0, |told| told.here);
    check(heard <= 2 * found, format!("{heard} interrupts for {found} completions"));
    check(stray == 0, format!("{stray} completions should not have been"));
    check(resets == 0, format!("{resets} resets of a drive that is well"));
    let Latency { least, median, percent99, most } = latency;
    let is_order = least <= median && median <= percent99 && percent99 <= most && most > 0;
    check(is_order, format!("a latency of {least}, {median}, {percent99}, {most} ticks"));
}
