// SPDX-License-Identifier: Apache-2.0
//! The gate of the law bounded-off-time: how long interrupts may stay masked
//! and preemption deferred, in instructions, and boots of a kernel that
//! measures itself, held against it. The numbers are stated here and nowhere
//! else in code; docs/invariants.md repeats them for people.
//!
//! On one hart all that is counted is the hart's own. On several, sections in
//! which another hart was seen to run are set apart and not judged.

use anyhow::{Context as _, Result, ensure};

use super::featured::Case;
use crate::off_times::reported;
use crate::record::OffTimes;

/// The kernel's feature.
pub const FEATURE: &str = "off-times";

/// What is allowed, in instructions, firmware's and the instrument's included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ceiling {
    masked: u64,
    deferred: u64,
}

/// On one hart. What was measured, and where: docs/invariants.md.
const ONE_HART: Ceiling = Ceiling { masked: 4_900, deferred: 4_900 };

/// On several.
const SEVERAL: Ceiling = Ceiling { masked: 11_000, deferred: 11_000 };

/// A boot on one hart.
const fn alone(name: &'static str, words: &'static str) -> Case {
    Case { name, words, judge: |booted| judge(reported(booted), 1) }
}

/// One on eight.
const fn beside(name: &'static str, words: &'static str) -> Case {
    Case { name, words, judge: |booted| judge(reported(booted), 8) }
}

/// Every boot, in turns: the counter counts instructions.
pub const CASES: &[Case] = &[
    alone("off-times-msgstorm-1-hart", "--schedule rr --harts 1 --scenario msgstorm"),
    alone("off-times-threads-1-hart", "--schedule rr --harts 1 --scenario threads"),
    alone("off-times-flood-1-hart", "--schedule rr --harts 1 --scenario flood"),
    alone("off-times-preempt-1-hart", "--schedule rr --harts 1 --scenario preempt"),
    alone("off-times-ist-1-hart", "--schedule rr --harts 1 --scenario ist"),
    alone("off-times-chanstorm-1-hart", "--schedule rr --harts 1 --program chanstorm -- rounds=5"),
    alone(
        "off-times-spawnstorm-1-hart",
        "--schedule rr --harts 1 --program spawnstorm -- rounds=40",
    ),
    alone("off-times-ipcstorm-1-hart", "--schedule rr --harts 1 --program ipcstorm"),
    beside("off-times-msgstorm", "--schedule rr --scenario msgstorm"),
    beside("off-times-flood", "--schedule rr --scenario flood"),
];

/// Holds figures against the ceilings; returns them in words.
fn judge(told: Option<OffTimes>, harts: u32) -> Result<String> {
    let OffTimes { masked, deferred, intervals, set_apart, .. } =
        told.context("the record has no off-times")?;
    let ceiling = if harts == 1 { ONE_HART } else { SEVERAL };
    ensure!(masked > 0 && deferred > 0, "masked {masked}, deferred {deferred}: nothing measured");
    ensure!(set_apart < intervals, "all {intervals} sections are set apart");
    ensure!(harts > 1 || set_apart == 0, "{set_apart} sections set apart on the only hart");
    let within = masked <= ceiling.masked && deferred <= ceiling.deferred;
    ensure!(
        within,
        "bounded-off-time: interrupts masked for {masked} instructions, {} are allowed; \
         preemption deferred for {deferred}, {} are allowed",
        ceiling.masked,
        ceiling.deferred
    );
    Ok(format!(
        "masked {masked} of {}, deferred {deferred} of {} instructions, \
         {set_apart} of {intervals} sections set apart",
        ceiling.masked, ceiling.deferred
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: OffTimes = OffTimes {
        masked: ONE_HART.masked,
        deferred: ONE_HART.deferred,
        masked_shared: 0,
        deferred_shared: 0,
        lock_wait: 0,
        intervals: 100,
        set_apart: 0,
        steps: 1_000_000,
        nanos: 1_000_000,
    };

    fn refused(told: Option<OffTimes>, harts: u32) -> String {
        judge(told, harts).expect_err("must be refused").to_string()
    }

    #[test]
    fn what_is_at_the_ceiling_passes() {
        assert!(judge(Some(GOOD), 1).is_ok());
        let several = OffTimes { masked: SEVERAL.masked, deferred: SEVERAL.deferred, ..GOOD };
        let shared = OffTimes { set_apart: 5, masked_shared: 1 << 40, ..several };
        assert!(judge(Some(shared), 8).is_ok());
    }

    #[test]
    fn what_is_over_a_ceiling_is_refused() {
        for (harts, ceiling) in [(1, ONE_HART), (8, SEVERAL)] {
            let Ceiling { masked, deferred } = ceiling;
            let over = OffTimes { masked: masked + 1, deferred, ..GOOD };
            assert!(refused(Some(over), harts).contains("bounded-off-time"));
            let over = OffTimes { masked, deferred: deferred + 1, ..GOOD };
            assert!(refused(Some(over), harts).contains("bounded-off-time"));
        }
    }

    #[test]
    fn a_dead_instrument_is_refused() {
        assert!(refused(None, 1).contains("no off-times"));
        assert!(refused(Some(OffTimes { masked: 0, ..GOOD }), 1).contains("nothing measured"));
        assert!(refused(Some(OffTimes { deferred: 0, ..GOOD }), 8).contains("nothing measured"));
        assert!(refused(Some(OffTimes { set_apart: 1, ..GOOD }), 1).contains("only hart"));
        assert!(refused(Some(OffTimes { set_apart: 100, ..GOOD }), 8).contains("set apart"));
    }
}
