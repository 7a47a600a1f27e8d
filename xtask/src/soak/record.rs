// SPDX-License-Identifier: Apache-2.0
//! What a soak keeps of each boot: one JSON file, written whole or not at
//! all, so that a soak can be interrupted anywhere and go on later.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use skimmer_abi::random::mix;

use crate::boot::{Boot, Booted};
use crate::inspect::HartCounters;
use crate::record::{Outcome, Record};
use crate::round_trips::RoundTrips;
use crate::schedule::Schedule;
use crate::trace::rings;
use crate::verdict::{Ending, Kind, Problem, Verdict};

/// One boot of a soak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    /// Its number, from 0.
    pub boot: u32,
    /// Its seed.
    pub seed: u64,
    /// The kernel that was booted.
    pub build: String,
    /// How it went.
    pub verdict: Verdict,
    /// How it ended.
    pub ending: Ending,
    /// Wall-clock milliseconds.
    pub millis: u64,
    /// How it was scheduled.
    pub schedule: Schedule,
    /// What the trace rings amount to, where they could be read.
    pub digest: Option<String>,
    /// An earlier boot of the soak had the same digest.
    pub duplicate: bool,
    /// What the harts counted.
    pub totals: Totals,
    /// What the guest vouched for.
    pub outcome: Option<Outcome>,
    /// How long round trips between programs took, where that is told.
    pub between_programs: Option<RoundTrips>,
    /// How the workload's threads were spread, where there is a choice.
    pub shape: Option<String>,
    /// The firmware's SBI implementation id and version.
    pub firmware: Option<(u64, u64)>,
    /// The command that does the same again.
    pub reproduce: String,
}

/// What the harts of a boot counted, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Thread switches.
    pub switches: u64,
    /// Doorbells rung.
    pub doorbells: u64,
    /// Times a thread lost its hart without giving it up.
    pub preemptions: u64,
}

impl Totals {
    /// Of these harts.
    #[must_use]
    pub fn of(harts: &[HartCounters]) -> Self {
        let sum = |count: fn(&HartCounters) -> u64| harts.iter().map(count).sum();
        Self {
            switches: sum(|hart| hart.switches),
            doorbells: sum(|hart| hart.doorbells),
            preemptions: sum(|hart| hart.preemptions),
        }
    }
}

impl std::ops::Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            switches: self.switches + other.switches,
            doorbells: self.doorbells + other.doorbells,
            preemptions: self.preemptions + other.preemptions,
        }
    }
}

impl BootRecord {
    /// The record of boot number `boot`, which was made as `spec` says.
    #[must_use]
    pub fn new(boot: u32, build: &str, spec: &Boot<'_>, booted: &Booted) -> Self {
        let outcome = booted.records.iter().find_map(|r| match r {
            Record::End(outcome) => Some(*outcome),
            _ => None,
        });
        let firmware = booted.records.iter().find_map(|r| match r {
            Record::Boot { sbi, .. } => Some(*sbi),
            _ => None,
        });
        Self {
            boot,
            seed: spec.workload.seed,
            build: build.to_owned(),
            verdict: booted.verdict.clone(),
            ending: booted.ending.clone(),
            millis: u64::try_from(booted.took.as_millis()).unwrap_or(u64::MAX),
            schedule: spec.machine.schedule,
            digest: (!booted.rings.is_empty()).then(|| rings::digest(&booted.rings)),
            duplicate: false,
            totals: Totals::of(&booted.harts),
            outcome,
            between_programs: RoundTrips::of(&booted.records),
            shape: spec.workload.work().and_then(|work| work.shape()),
            firmware,
            reproduce: spec.reproduce.clone(),
        }
    }

    /// The record of a boot that could not be made: a failure.
    #[must_use]
    pub fn not_made(boot: u32, seed: u64, build: &str, why: &anyhow::Error) -> Self {
        let what = format!("{why:#}");
        let problems = vec![Problem { kind: Kind::NotMade, what: what.clone() }];
        Self {
            boot,
            seed,
            build: build.to_owned(),
            verdict: Verdict { problems },
            ending: Ending::QemuFailed(what),
            millis: 0,
            schedule: Schedule::Parallel,
            digest: None,
            duplicate: false,
            totals: Totals::default(),
            outcome: None,
            between_programs: None,
            shape: None,
            firmware: None,
            reproduce: String::new(),
        }
    }

    /// Whether it is worth keeping: a boot that was not made, or that the user
    /// ended, is to be made when the soak goes on.
    #[must_use]
    pub fn was_made(&self) -> bool {
        !matches!(self.verdict.kind(), Some(Kind::NotMade | Kind::Interrupted))
    }

    /// How long it took.
    #[must_use]
    pub const fn took(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// Writes it into `dir`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = path(dir, self.boot);
        write_whole(&path, &serde_json::to_string_pretty(self)?)
    }

    /// Reads boot `boot` of `build` from `dir`; `None` when it is not there
    /// or is of another build.
    #[must_use]
    pub fn load(dir: &Path, boot: u32, build: &str) -> Option<Self> {
        let text = std::fs::read_to_string(path(dir, boot)).ok()?;
        let record: Self = serde_json::from_str(&text).ok()?;
        (record.boot == boot && record.build == build).then_some(record)
    }
}

/// The name of a boot's files and directory.
#[must_use]
pub fn name(boot: u32) -> String {
    format!("boot-{boot:04}")
}

fn path(dir: &Path, boot: u32) -> PathBuf {
    dir.join(format!("{}.json", name(boot)))
}

/// Writes a file so that it is there whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let dir = path.parent().context("a file has a directory")?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// The seed of boot number `boot` in a soak with base seed `seed`: different
/// for each boot, the same every time.
#[must_use]
pub const fn derive_seed(seed: u64, boot: u32) -> u64 {
    mix(seed ^ mix(boot as u64 + 1))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A boot that passed, or failed with `kind`.
    pub(in crate::soak) fn sample(boot: u32, millis: u64, kind: Option<Kind>) -> BootRecord {
        let problems = kind.map(|kind| Problem { kind, what: "so".to_owned() });
        BootRecord {
            boot,
            seed: 1,
            build: "abc".to_owned(),
            verdict: Verdict { problems: problems.into_iter().collect() },
            ending: Ending::Exited(85),
            millis,
            schedule: Schedule::Parallel,
            digest: Some(format!("{boot:016x}")),
            duplicate: false,
            totals: Totals { switches: 10, doorbells: 2, preemptions: 1 },
            outcome: None,
            between_programs: None,
            shape: None,
            firmware: Some((1, 0x1_0001)),
            reproduce: "cargo xtask run".to_owned(),
        }
    }

    #[test]
    fn a_record_survives_the_disk() {
        let dir = tempfile::tempdir().expect("a directory");
        let record = sample(7, 12, Some(Kind::Hang));
        record.save(dir.path()).expect("writable");
        assert_eq!(BootRecord::load(dir.path(), 7, "abc"), Some(record));
        assert_eq!(BootRecord::load(dir.path(), 7, "another build"), None);
        assert_eq!(BootRecord::load(dir.path(), 8, "abc"), None);
    }

    #[test]
    fn a_damaged_record_is_no_record() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("boot-0001.json"), "{\"boot\": 1").expect("writable");
        assert_eq!(BootRecord::load(dir.path(), 1, "abc"), None);
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let mut seeds: Vec<u64> = (0..1000).map(|boot| derive_seed(1, boot)).collect();
        assert_eq!(seeds[5], derive_seed(1, 5));
        assert_ne!(seeds[5], derive_seed(2, 5));
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 1000);
    }
}
