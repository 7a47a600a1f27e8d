// SPDX-License-Identifier: Apache-2.0
//! Boots of a kernel that refuses memory on purpose: programs meet ENOMEM on
//! every path, whatever failed leaves nothing behind, and everything works in
//! the end.

use anyhow::{Context as _, Result, ensure};

use super::featured::Case;
use crate::boot::Booted;
use crate::record::{Record, Shortage};

/// The kernel's feature.
pub const FEATURE: &str = "shortage";

/// One of these boots.
const fn case(name: &'static str, words: &'static str) -> Case {
    Case { name, words, judge }
}

/// Every boot. One request in so many is refused: rare refusals reach far into a
/// call, frequent ones two at a time.
pub const CASES: &[Case] = &[
    case(
        "shortage-1-hart",
        "--harts 1 --seed 1 --append shortage=100 --program shortage -- rounds=10",
    ),
    case("shortage", "--harts 8 --seed 2 --append shortage=100 --program shortage -- rounds=10"),
    case(
        "shortage-often",
        "--harts 3 --seed 3 --append shortage=30 --program shortage -- rounds=10",
    ),
];

/// In words what was refused.
fn judge(booted: &Booted) -> Result<String> {
    let told = booted.records.iter().find_map(|record| match record {
        Record::Shortage(shortage) => Some(*shortage),
        _ => None,
    });
    let shortage = told.context("the kernel does not say what it refused")?;
    enough(&shortage)?;
    let Shortage { asked, small, frames, stacks, large } = shortage;
    Ok(format!(
        "of {asked} requests {small} small ones, {frames} frames, {stacks} stacks and {large} \
         large ones were refused"
    ))
}

/// Whether programs met what they were to meet.
fn enough(shortage: &Shortage) -> Result<()> {
    let Shortage { small, frames, stacks, .. } = *shortage;
    ensure!(small > 0 && frames > 0 && stacks > 0, "not every kind was refused: {shortage:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_without_refusals_proves_nothing() {
        let good = Shortage { asked: 1000, small: 1, frames: 1, stacks: 1, large: 0 };
        assert!(enough(&good).is_ok());
        for bad in [
            Shortage { small: 0, ..good },
            Shortage { frames: 0, ..good },
            Shortage { stacks: 0, ..good },
        ] {
            assert!(enough(&bad).is_err());
        }
    }
}
