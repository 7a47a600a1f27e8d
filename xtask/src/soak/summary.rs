// SPDX-License-Identifier: Apache-2.0
//! What a soak amounts to: counts, failures by kind, times; as text for the
//! terminal and as markdown for docs/evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::between::BetweenPrograms;
use super::drives::DriveSummary;
use super::record::{BootRecord, Totals};
use crate::schedule::Schedule;
use crate::show;
use crate::verdict::Kind;

/// The circumstances of a soak, for its report.
#[derive(Clone, Debug)]
pub struct About {
    /// The command.
    pub command: String,
    /// Which boots of which soak it is about.
    pub part: String,
    /// The commit of the checkout when the kernel was built.
    pub commit: String,
    /// Boots that were asked for.
    pub asked: usize,
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
    /// Boots that count.
    pub boots: usize,
    /// Boots that passed.
    pub passed: usize,
    /// Boots that passed and did what an earlier one had done: left out.
    pub duplicates: usize,
    /// Different traces that were seen, where traces could be read.
    pub digests: usize,
    /// Boots that count, by schedule.
    pub schedules: BTreeMap<Schedule, usize>,
    /// Boots that count, by how their workload's threads were spread, where that
    /// differs.
    pub shapes: BTreeMap<String, usize>,
    /// What the harts counted, in all boots that count.
    pub totals: Totals,
    /// Failures by kind.
    pub kinds: BTreeMap<Kind, usize>,
    /// Shortest, median and longest boot.
    pub times: Option<(Duration, Duration, Duration)>,
    /// Round trips that were verified, over all boots that passed.
    pub round_trips: u64,
    /// Round trips of `kstress` beside them: over all boots that passed and
    /// had it, and the fewest of one boot.
    pub kstress: Option<(u64, u64)>,
    /// Round trips between programs, over all boots that passed and told of some.
    pub between_programs: Option<BetweenPrograms>,
    /// What drives did, over all boots that passed and had some.
    pub drives: Option<DriveSummary>,
    /// Firmware, as the guest saw it.
    pub firmware: Option<(u64, u64)>,
}

impl Summary {
    /// Sums up.
    #[must_use]
    pub fn of(all: &[BootRecord]) -> Self {
        let records: Vec<&BootRecord> = all.iter().filter(|r| !r.duplicate).collect();
        let digests: BTreeSet<&str> = all.iter().filter_map(|r| r.digest.as_deref()).collect();
        let mut times: Vec<Duration> = records.iter().map(|r| r.took()).collect();
        times.sort_unstable();
        let passing = || records.iter().filter(|r| r.verdict.passed());
        Self {
            boots: records.len(),
            passed: passing().count(),
            duplicates: all.len() - records.len(),
            digests: digests.len(),
            schedules: counted(records.iter().map(|r| r.schedule)),
            shapes: counted(records.iter().filter_map(|r| r.shape.clone())),
            totals: records.iter().fold(Totals::default(), |sum, r| sum + r.totals),
            kinds: counted(records.iter().filter_map(|r| r.verdict.kind())),
            times: median(&times).and_then(|m| Some((*times.first()?, m, *times.last()?))),
            round_trips: passing().filter_map(|r| Some(r.outcome?.round_trips)).sum(),
            kstress: passing().filter_map(|r| r.outcome?.kstress).fold(None, |sum, n| {
                let (all, least) = sum.unwrap_or((0, n));
                Some((all + n, n.min(least)))
            }),
            between_programs: BetweenPrograms::of(passing().copied()),
            drives: DriveSummary::of(passing().copied()),
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
        in_words(&self.kinds, |kind, n| format!("{n} {}", kind.name()))
    }

    fn schedules_in_words(&self) -> String {
        in_words(&self.schedules, |schedule, n| format!("{n} {schedule}"))
    }

    fn traces_in_words(&self) -> String {
        match (self.digests, self.duplicates) {
            (0, _) => "not read: this machine's memory is in no file".to_owned(),
            (digests, duplicates) => {
                format!("{digests} different, {duplicates} duplicate boot(s) left out")
            }
        }
    }

    /// What is counted, and how many.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let Totals { switches, doorbells, preemptions } = self.totals;
        let kstress = self.kstress.map(|(all, least)| {
            format!("{all} round trips beside them, {least} at least in a boot")
        });
        let mut rows = vec![
            ("passes", self.passed.to_string()),
            ("failures", self.kinds_in_words()),
            ("schedules", self.schedules_in_words()),
            ("traces", self.traces_in_words()),
            ("time per boot", self.times_in_words()),
            ("round trips", format!("{} verified", self.round_trips)),
        ];
        rows.extend(kstress.map(|kstress| ("kstress", kstress)));
        rows.extend(self.between_programs.iter().flat_map(BetweenPrograms::rows));
        rows.extend(self.drives.iter().flat_map(DriveSummary::rows));
        if !self.shapes.is_empty() {
            let shapes = in_words(&self.shapes, |shape, n| format!("{n} boot(s) of {shape}"));
            rows.push(("shapes", shapes));
        }
        rows.extend([
            ("thread switches", switches.to_string()),
            ("doorbells", doorbells.to_string()),
            ("preemptions", preemptions.to_string()),
        ]);
        rows
    }

    /// For the terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.rows() {
            let _ = writeln!(text, "  {name:<15} {value}");
        }
        text
    }

    /// For docs/evidence.
    #[must_use]
    pub fn markdown(&self, about: &About) -> String {
        let firmware = self.firmware.map_or_else(|| "not seen".to_owned(), show::firmware);
        let rows = [
            ("command", format!("`{}`", about.command)),
            ("part", about.part.clone()),
            ("machine", about.machine.clone()),
            ("commit", about.commit.clone()),
            ("kernel (SHA-256)", about.build.clone()),
            ("compiler", about.compiler.clone()),
            ("QEMU", about.qemu.clone()),
            ("firmware", firmware),
            ("boots", format!("{} of {} that were asked for", self.boots, about.asked)),
        ];
        let rows: Vec<(&str, String)> = rows.into_iter().chain(self.rows()).collect();
        let mut text = format!("# Soak of `{}`\n\n", about.scenario);
        text += &markdown_facts(&rows);
        let _ = write!(text, "\n{}\n", self.closing_line());
        text
    }
}

/// What is named and what it is, as a table without a header.
#[must_use]
pub fn markdown_facts<Name: AsRef<str>>(facts: &[(Name, String)]) -> String {
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (name, value) in facts {
        let _ = writeln!(text, "| {} | {} |", name.as_ref(), markdown_cell(value));
    }
    text
}

/// Text as a cell of a table.
#[must_use]
pub fn markdown_cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// How many there are of each.
fn counted<T: Ord>(things: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    things.fold(BTreeMap::new(), |mut counts, thing| {
        *counts.entry(thing).or_insert(0) += 1;
        counts
    })
}

fn in_words<T>(counts: &BTreeMap<T, usize>, word: impl Fn(&T, usize) -> String) -> String {
    let words: Vec<String> = counts.iter().map(|(thing, n)| word(thing, *n)).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// The middle of sorted times; of two middles the mean.
fn median(times: &[Duration]) -> Option<Duration> {
    let last = times.len().checked_sub(1)?;
    Some((times[last / 2] + times[last.div_ceil(2)]) / 2)
}

#[cfg(test)]
mod tests {
    use skimmer_abi::scenario::Scenario;

    use super::super::record::tests::sample;
    use super::*;
    use crate::record::Outcome;

    fn outcome() -> Outcome {
        Outcome {
            harts: 2,
            round_trips: 64,
            kernel_sends: 100,
            kernel_replies: 100,
            remote_ops: 100,
            switches: 100,
            canaries: 4,
            nanos: 1000,
            ..Outcome::of(Scenario::Msgstorm)
        }
    }

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
    fn duplicates_do_not_count() {
        let mut again = sample(1, 100, None);
        again.digest.clone_from(&sample(0, 100, None).digest);
        again.duplicate = true;
        let mut turns = sample(2, 100, None);
        turns.schedule = Schedule::Rr(1);
        let summary = Summary::of(&[sample(0, 100, None), again, turns]);
        assert_eq!(summary.closing_line(), "2 boots, 2 passed, 0 failed");
        assert_eq!((summary.duplicates, summary.digests), (1, 2));
        let text = summary.text();
        for part in ["1 parallel, 1 rr-shift=1", "2 different, 1 duplicate", "20\n"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn kstress_is_summed_and_its_least_is_shown() {
        let with = |boot, count| {
            let mut record = sample(boot, 100, None);
            record.outcome = Some(Outcome { kstress: count, ..outcome() });
            record
        };
        let records = [with(0, Some(40)), with(1, Some(7)), with(2, None)];
        let summary = Summary::of(&records);
        assert_eq!(summary.kstress, Some((47, 7)));
        let said = "47 round trips beside them, 7 at least in a boot";
        assert!(summary.text().contains(said), "{}", summary.text());
        assert_eq!(Summary::of(&records[2..]).kstress, None);
        assert!(!Summary::of(&records[2..]).text().contains("kstress"));
    }

    #[test]
    fn boots_are_counted_by_shape_where_there_are_several() {
        let with = |boot, shape: &str| {
            let shape = Some(shape.to_owned());
            BootRecord { shape, ..sample(boot, 100, None) }
        };
        let records = [with(0, "one"), with(1, "other"), with(2, "one")];
        let said = Summary::of(&records).text();
        assert!(said.contains("2 boot(s) of one, 1 boot(s) of other"), "{said}");
        assert!(!Summary::of(&[sample(0, 100, None)]).text().contains("shapes"));
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
            part: "boots 257 to 306 of seed 1".to_owned(),
            commit: "c0ffee".to_owned(),
            asked: 50,
            build: "abc".to_owned(),
            qemu: "7.2".to_owned(),
            compiler: "rustc".to_owned(),
            machine: "virt, 8 harts".to_owned(),
            scenario: "ports".to_owned(),
        };
        let text = Summary::of(&[sample(0, 100, None)]).markdown(&about);
        for part in [
            "c0ffee",
            "OpenSBI 1.1",
            "1 of 50",
            "1 boots, 1 passed, 0 failed",
            "virt, 8 harts",
            "| part | boots 257 to 306 of seed 1 |",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
