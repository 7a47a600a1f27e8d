// SPDX-License-Identifier: Apache-2.0
//! What a soak amounts to: counts, failures by kind, times; as text for the
//! terminal and as markdown for docs/evidence.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::record::BootRecord;
use crate::show;
use crate::verdict::Kind;

/// The circumstances of a soak, for its report.
#[derive(Clone, Debug)]
pub struct About {
    /// The command.
    pub command: String,
    /// The commit of the checkout.
    pub commit: String,
    /// The kernel's build identity.
    pub build: String,
    /// QEMU's version.
    pub qemu: String,
    /// The compiler.
    pub compiler: String,
    /// The machine in words.
    pub machine: String,
    /// The scenario.
    pub scenario: String,
}

/// A soak in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Boots that were made.
    pub boots: usize,
    /// Boots that passed.
    pub passed: usize,
    /// Failures by kind.
    pub kinds: BTreeMap<Kind, usize>,
    /// Shortest, median and longest boot.
    pub times: Option<(Duration, Duration, Duration)>,
    /// Round trips that were verified, over all boots that passed.
    pub round_trips: u64,
    /// Firmware, as the guest saw it.
    pub firmware: Option<(u64, u64)>,
}

impl Summary {
    /// Sums up.
    #[must_use]
    pub fn of(records: &[BootRecord]) -> Self {
        let mut kinds = BTreeMap::new();
        for kind in records.iter().filter_map(|r| r.verdict.kind()) {
            *kinds.entry(kind).or_insert(0) += 1;
        }
        let mut times: Vec<Duration> = records.iter().map(BootRecord::took).collect();
        times.sort_unstable();
        let passing = || records.iter().filter(|r| r.verdict.passed());
        Self {
            boots: records.len(),
            passed: passing().count(),
            kinds,
            times: median(&times).and_then(|m| Some((*times.first()?, m, *times.last()?))),
            round_trips: passing().filter_map(|r| Some(r.outcome?.round_trips)).sum(),
            firmware: records.iter().find_map(|r| r.firmware),
        }
    }

    /// Boots that did not pass.
    #[must_use]
    pub const fn failed(&self) -> usize {
        self.boots - self.passed
    }

    /// The last line of a soak.
    #[must_use]
    pub fn closing_line(&self) -> String {
        format!("{} boots, {} passed, {} failed", self.boots, self.passed, self.failed())
    }

    fn times_in_words(&self) -> String {
        let seconds = |d: Duration| format!("{:.2} s", d.as_secs_f64());
        match self.times {
            None => "none".to_owned(),
            Some((min, median, max)) => {
                format!("min {}, median {}, max {}", seconds(min), seconds(median), seconds(max))
            }
        }
    }

    fn kinds_in_words(&self) -> String {
        let kinds: Vec<String> =
            self.kinds.iter().map(|(kind, n)| format!("{n} {}", kind.name())).collect();
        if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") }
    }

    /// For the terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "  passes        {}", self.passed);
        let _ = writeln!(text, "  failures      {}", self.kinds_in_words());
        let _ = writeln!(text, "  time per boot {}", self.times_in_words());
        let _ = writeln!(text, "  round trips   {} verified", self.round_trips);
        text
    }

    /// For docs/evidence.
    #[must_use]
    pub fn markdown(&self, about: &About) -> String {
        let firmware = self.firmware.map_or_else(|| "not seen".to_owned(), show::firmware);
        let rows = [
            ("command", format!("`{}`", about.command)),
            ("machine", about.machine.clone()),
            ("commit", about.commit.clone()),
            ("kernel (SHA-256)", about.build.clone()),
            ("compiler", about.compiler.clone()),
            ("QEMU", about.qemu.clone()),
            ("firmware", firmware),
            ("boots", self.boots.to_string()),
            ("passed", self.passed.to_string()),
            ("failed", self.failed().to_string()),
            ("failures by kind", self.kinds_in_words()),
            ("time per boot", self.times_in_words()),
            ("round trips verified", self.round_trips.to_string()),
        ];
        let mut text = format!("# Soak of `{}`\n\n| | |\n|---|---|\n", about.scenario);
        for (name, value) in rows {
            let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|"));
        }
        let _ = write!(text, "\n{}\n", self.closing_line());
        text
    }
}

/// The middle of sorted times; of two middles the mean.
fn median(times: &[Duration]) -> Option<Duration> {
    let last = times.len().checked_sub(1)?;
    Some((times[last / 2] + times[last.div_ceil(2)]) / 2)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::sample;
    use super::*;

    #[test]
    fn counts_kinds_and_times() {
        let records = [
            sample(0, 100, None),
            sample(1, 400, Some(Kind::Hang)),
            sample(2, 200, Some(Kind::Hang)),
            sample(3, 300, Some(Kind::WrongExit)),
        ];
        let summary = Summary::of(&records);
        assert_eq!(summary.closing_line(), "4 boots, 1 passed, 3 failed");
        assert_eq!(summary.kinds_in_words(), "2 hang, 1 wrong-exit");
        assert_eq!(summary.times_in_words(), "min 0.10 s, median 0.25 s, max 0.40 s");
        assert!(summary.text().contains("2 hang"));
    }

    #[test]
    fn no_boots_are_no_pass() {
        let summary = Summary::of(&[]);
        assert_eq!(summary.closing_line(), "0 boots, 0 passed, 0 failed");
        assert_eq!(summary.times, None);
    }

    #[test]
    fn the_report_says_what_was_done() {
        let about = About {
            command: "cargo xtask soak".to_owned(),
            commit: "c0ffee".to_owned(),
            build: "abc".to_owned(),
            qemu: "7.2".to_owned(),
            compiler: "rustc".to_owned(),
            machine: "virt, 8 harts".to_owned(),
            scenario: "ports".to_owned(),
        };
        let text = Summary::of(&[sample(0, 100, None)]).markdown(&about);
        for part in ["c0ffee", "OpenSBI 1.1", "1 boots, 1 passed, 0 failed", "virt, 8 harts"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
