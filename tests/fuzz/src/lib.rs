// SPDX-License-Identifier: Apache-2.0
//! What the fuzz targets share.
//!
//! Role: each target lets libFuzzer find inputs by the code that they reach,
//! from real files on, and holds what its reader makes of them against what
//! the reader promises: with the oracles of the driver's tests, second
//! opinions included. Half of the new inputs are made by libFuzzer's own
//! mutations, half by the damage of the driver's tests, which knows the format.
//! Started by `cargo xtask fuzz`; neighbours: `drivers/*/tests/suite`.
#![forbid(unsafe_code)]

use skimmer_damage::Dice;
use std::cell::Cell;

/// What begins the line that tells the counts at the end.
const TALLY: &str = "tally:";

thread_local! {
    static COUNTS: Counts = const { Counts { accepted: Cell::new(0), refused: Cell::new(0) } };
}

/// Inputs that were read and those that were not; told when libFuzzer is done,
/// which ends the process from this thread.
struct Counts {
    accepted: Cell<u64>,
    refused: Cell<u64>,
}

impl Drop for Counts {
    fn drop(&mut self) {
        let (accepted, refused) = (self.accepted.get(), self.refused.get());
        let seconds = processor().unwrap_or(0);
        eprintln!("{TALLY} {accepted} accepted, {refused} refused, {seconds} s of processor");
    }
}

/// Seconds that this process had a processor; proc_pid_schedstat(5) counts
/// nanoseconds.
fn processor() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<u64>().ok()? / 1_000_000_000)
}

/// Counts an input.
pub fn count(is_accepted: bool) {
    COUNTS.with(|counts| {
        let counter = if is_accepted { &counts.accepted } else { &counts.refused };
        counter.set(counter.get() + 1);
    });
}

/// The next input from `data[..size]`, in its place, and its size.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    most: usize,
    seed: u32,
    damage: impl FnOnce(&mut Vec<u8>, &mut Dice),
) -> usize {
    let mut dice = Dice::new(seed.into());
    if size == 0 || dice.below(2) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, most);
    }
    let mut input = data[..size].to_vec();
    damage(&mut input, &mut dice);
    input.truncate(most);
    data[..input.len()].copy_from_slice(&input);
    input.len()
}
