// SPDX-License-Identifier: Apache-2.0
//! What runs at once in a boot, as it runs and when it has ended: a count of each
//! stresser, and how many in a second. The counts are those that the guest keeps in its
//! own memory while it works (`skimmer_abi::inspect`): of a stresser that stands still
//! the count does.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use skimmer_abi::scenario::Scenario;

use crate::inspect::HartCounters;
use crate::record::Record;
use crate::spec::Workload;

/// Looks that a rate is reckoned from: at most so many, half a second apart.
const LOOKS: usize = 3;

/// Where there is no terminal, a line so often.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Something that goes on, and its count on one hart.
#[derive(Clone, Copy, Debug)]
struct Stresser {
    name: &'static str,
    count: fn(&HartCounters) -> u64,
}

const MESSAGES: Stresser = Stresser { name: "messages", count: |hart| hart.answered };
const STORM: Stresser = Stresser { name: "msgstorm", count: |hart| hart.storm };
const KSTRESS: Stresser = Stresser { name: "kstress", count: |hart| hart.kstress };
const CHANNELS: Stresser = Stresser { name: "chanstorm", count: |hart| hart.channels };
const READS: Stresser = Stresser { name: "NVMe reads", count: |hart| hart.reads };

/// What goes on in that workload.
fn stressers(workload: &Workload) -> Vec<Stresser> {
    let with_messages = workload.program.as_deref() == Some("ipcstorm");
    let with_kstress = workload.append.iter().any(|word| word == "with=kstress");
    let mut all = Vec::new();
    all.extend(with_messages.then_some(MESSAGES));
    match workload.scenario {
        Scenario::All => all.extend([STORM, KSTRESS, CHANNELS, READS]),
        Scenario::Msgstorm => all.push(STORM),
        _ => {}
    }
    all.extend((with_kstress && workload.scenario != Scenario::All).then_some(KSTRESS));
    all
}

/// Counts of all stressers at a moment.
#[derive(Clone, Debug)]
struct Look {
    at: Duration,
    counts: Vec<u64>,
}

/// The counts of a boot so far. Times are since the workload began.
#[derive(Debug)]
struct Counts {
    stressers: Vec<Stresser>,
    /// The last ones.
    looks: VecDeque<Look>,
    /// When each was last seen to have moved, and the longest that it was not.
    moved: Vec<(Duration, Duration)>,
}

impl Counts {
    fn new(stressers: Vec<Stresser>) -> Self {
        let moved = vec![(Duration::ZERO, Duration::ZERO); stressers.len()];
        Self { stressers, looks: VecDeque::new(), moved }
    }

    /// Takes in what the harts count at a moment.
    fn take(&mut self, at: Duration, harts: &[HartCounters]) {
        let of = |it: &Stresser| harts.iter().map(it.count).sum();
        let counts: Vec<u64> = self.stressers.iter().map(of).collect();
        for (place, (moved, longest)) in self.moved.iter_mut().enumerate() {
            let before = self.looks.back().and_then(|look| look.counts.get(place));
            *longest = (*longest).max(at.saturating_sub(*moved));
            if before.is_none_or(|before| Some(before) != counts.get(place)) {
                *moved = at;
            }
        }
        self.looks.push_back(Look { at, counts });
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
    }

    /// Each stresser's name, its count, and in words how fast it goes.
    fn rows(&self) -> Vec<(&'static str, u64, String)> {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else {
            return Vec::new();
        };
        let took = last.at.saturating_sub(first.at);
        let row = |((stresser, before), now): ((&Stresser, &u64), &u64)| {
            let speed = match now.saturating_sub(*before) {
                _ if took.is_zero() => "begun".to_owned(),
                0 => "stands still".to_owned(),
                more => format!("{}/s", grouped(per_second(more, took))),
            };
            (stresser.name, *now, speed)
        };
        self.stressers.iter().zip(&first.counts).zip(&last.counts).map(row).collect()
    }

    /// One line of all.
    fn line(&self) -> String {
        let at = self.looks.back().map_or(0.0, |look| look.at.as_secs_f64());
        let words: Vec<String> = self
            .rows()
            .iter()
            .map(|(name, count, speed)| format!("{name} {} ({speed})", grouped(*count)))
            .collect();
        format!("{at:4.1} s: {}", words.join(" · "))
    }

    /// A line for each.
    fn block(&self) -> String {
        let at = self.looks.back().map_or(0.0, |look| look.at.as_secs_f64());
        let mut text = format!("  {at:.1} s");
        for (name, count, speed) in self.rows() {
            let _ = write!(text, "\n  {name:12} {:>14}  {speed}", grouped(count));
        }
        text
    }

    /// What it came to, with the counts of the end.
    fn table(&mut self, took: Duration, harts: &[HartCounters]) -> String {
        self.take(took, harts);
        let mut text = format!(
            "  {:12} {:>14} {:>14}   {}\n",
            "stresser", "in all", "in a second", "longest seen without a change"
        );
        let rows = self.rows();
        for ((name, count, _), (_, longest)) in rows.iter().zip(&self.moved) {
            let _ = writeln!(
                text,
                "  {name:12} {:>14} {:>14}   {:.1} s",
                grouped(*count),
                grouped(per_second(*count, took)),
                longest.as_secs_f64()
            );
        }
        text
    }
}

fn per_second(count: u64, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64().max(0.001)).round() as u64
}

/// A number that can be read: 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Shows the counts of a boot: as a block that changes on a terminal, else as a line
/// every second. Whatever else is printed meanwhile goes through it.
#[derive(Debug)]
pub struct Live {
    counts: Counts,
    began: Option<Instant>,
    ended: Option<Duration>,
    /// When a line was printed last.
    said: Duration,
    bar: Option<ProgressBar>,
}

impl Live {
    /// Of a boot of that workload; shows nothing if little goes on there.
    #[must_use]
    pub fn of(workload: &Workload) -> Self {
        let stressers = stressers(workload);
        let is_seen = std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        let bar = (is_seen && !stressers.is_empty()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        let counts = Counts::new(stressers);
        Self { counts, began: None, ended: None, said: Duration::ZERO, bar }
    }

    /// Prints a line of the boot.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
    }

    /// Hears of the beginning and the end of the workload.
    pub fn hear(&mut self, record: &Record) {
        match record {
            Record::Start { .. } => self.began = Some(Instant::now()),
            Record::End(_) => {
                self.ended = self.began.map(|began| began.elapsed());
                self.clear();
            }
            _ => {}
        }
    }

    /// Shows what the harts count now.
    pub fn look(&mut self, harts: &[HartCounters]) {
        let (Some(began), None) = (self.began, self.ended) else { return };
        if self.counts.stressers.is_empty() {
            return;
        }
        let at = began.elapsed();
        self.counts.take(at, harts);
        match &self.bar {
            Some(bar) => {
                bar.set_message(self.counts.block());
                bar.tick();
            }
            None if at.saturating_sub(self.said) >= LINE_EVERY => {
                self.said = at;
                println!("  {}", self.counts.line());
            }
            None => {}
        }
    }

    /// Takes the block off the terminal.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// The table of the end; none if nothing was to be shown or nothing began.
    pub fn table(&mut self, harts: &[HartCounters]) -> Option<String> {
        let took = self.ended.or_else(|| self.began.map(|began| began.elapsed()))?;
        (!self.counts.stressers.is_empty()).then(|| self.counts.table(took, harts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harts(kstress: u64, reads: u64) -> [HartCounters; 2] {
        let one = HartCounters { kstress, ..HartCounters::default() };
        [one, HartCounters { reads, ..HartCounters::default() }]
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_stresser_that_stands_still_is_a_count_that_stands_still() {
        let mut counts = Counts::new(vec![KSTRESS, READS]);
        counts.take(at(1000), &harts(1_200, 50));
        counts.take(at(1500), &harts(1_200, 1_050));
        let line = counts.line();
        assert_eq!(line, " 1.5 s: kstress 1,200 (stands still) · NVMe reads 1,050 (2,000/s)");
        let block = counts.block();
        assert!(
            block.contains("1,200  stands still") && block.contains("1,050  2,000/s"),
            "{block}"
        );
        let table = counts.table(at(4000), &harts(1_200, 4_050));
        let row =
            |name: &str| table.lines().find(|line| line.contains(name)).expect(name).to_owned();
        assert!(row("kstress").ends_with("3.0 s") && row("kstress").contains(" 300 "), "{table}");
        assert!(row("NVMe").ends_with("2.5 s") && row("NVMe").contains(" 1,013 "), "{table}");
    }

    #[test]
    fn a_stresser_that_never_began_is_shown_too() {
        let mut counts = Counts::new(vec![KSTRESS, STORM]);
        counts.take(at(500), &harts(1, 0));
        assert_eq!(counts.line(), " 0.5 s: kstress 1 (begun) · msgstorm 0 (begun)");
        counts.take(at(1000), &harts(2, 0));
        assert_eq!(counts.line(), " 1.0 s: kstress 2 (2/s) · msgstorm 0 (stands still)");
    }

    #[test]
    fn a_rate_is_that_of_the_last_second() {
        let mut counts = Counts::new(vec![READS]);
        for (millis, reads) in [(500, 5_000), (1000, 5_001), (1500, 5_002), (2000, 5_003)] {
            counts.take(at(millis), &harts(0, reads));
        }
        assert!(counts.line().ends_with("NVMe reads 5,003 (2/s)"), "{}", counts.line());
    }

    #[test]
    fn what_goes_on_is_what_was_asked_for() {
        let names = |scenario, program: Option<&str>, append: &[&str]| {
            let workload = Workload {
                scenario,
                rounds: None,
                seed: 1,
                program: program.map(ToOwned::to_owned),
                arguments: Vec::new(),
                append: append.iter().map(|word| (*word).to_owned()).collect(),
            };
            stressers(&workload).iter().map(|it| it.name).collect::<Vec<_>>()
        };
        let all = ["messages", "msgstorm", "kstress", "chanstorm", "NVMe reads"];
        assert_eq!(names(Scenario::All, Some("ipcstorm"), &[]), all);
        assert_eq!(names(Scenario::All, Some("chanstorm"), &[]), all[1..]);
        assert_eq!(names(Scenario::Program, Some("ipcstorm"), &[]), all[..1]);
        assert_eq!(names(Scenario::Msgstorm, None, &["with=kstress"]), all[1..3]);
        assert!(names(Scenario::Ports, None, &[]).is_empty());
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }
}
