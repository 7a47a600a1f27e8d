// SPDX-License-Identifier: Apache-2.0
//! A long run: how long, from which seed, on how many threads.

use crate::report::Report;
use std::error::Error;
use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// Turns between two looks at the clock.
const TURNS_PER_LOOK: u64 = 256;

/// What came of a run, of one thread or of all.
pub trait Tally: Default + Display + Send {
    /// Adds what came of another thread's part.
    fn join(&mut self, other: Self);
}

/// A run as the command line asks for it: `--count` files, or as many as fit
/// in `--minutes`, or what ends first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    count: Option<u64>,
    minutes: Option<u64>,
    seed: u64,
    threads: u64,
    report: Option<Report>,
}

/// A thread's part: it yields once for each file.
#[derive(Clone, Debug)]
pub struct Turns {
    done: u64,
    count: u64,
    end: Option<Instant>,
}

impl Turns {
    /// That many, however long they take.
    #[must_use]
    pub const fn count(count: u64) -> Self {
        Turns { done: 0, count, end: None }
    }
}

impl Iterator for Turns {
    type Item = ();

    fn next(&mut self) -> Option<()> {
        let is_look = self.done.is_multiple_of(TURNS_PER_LOOK);
        let is_late = is_look && self.end.is_some_and(|end| Instant::now() >= end);
        if is_late || self.done >= self.count {
            return None;
        }
        self.done += 1;
        Some(())
    }
}

impl Campaign {
    /// What the command line of the example `damage` of `package` asks for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_command_line(package: &str) -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Self::read(package, &arguments)
    }

    /// What these arguments ask for; without any, a million files.
    ///
    /// # Errors
    /// Names the argument that cannot be read.
    pub fn read(package: &str, arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let (count, minutes, report) = (None, None, None);
        let mut campaign = Campaign { count, minutes, seed: 1, threads: 2, report };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or(format!("{name} needs a value"))?;
            if name == "--report" {
                campaign.report = Some(Report::new(value, package, arguments));
                continue;
            }
            let number: u64 = value.parse().map_err(|_| format!("{value} is no number"))?;
            match name.as_str() {
                "--count" => campaign.count = Some(number),
                "--minutes" => campaign.minutes = Some(number),
                "--seed" => campaign.seed = number,
                "--threads" => campaign.threads = number.max(1),
                _ => return Err(format!("unknown argument {name}").into()),
            }
        }
        if campaign.minutes.is_none() {
            campaign.count.get_or_insert(1_000_000);
        }
        Ok(campaign)
    }

    /// Lets each thread do its part with a seed of its own, and prints what
    /// came of all of them and how long it took.
    ///
    /// # Errors
    /// When a part panicked.
    pub fn run<T: Tally>(
        &self,
        what: &str,
        part: impl Fn(Turns, u64) -> T + Sync,
    ) -> Result<T, Box<dyn Error>> {
        let begin = Instant::now();
        let mut total = T::default();
        let parts: Vec<_> = thread::scope(|scope| {
            let start = |thread| {
                let (turns, seed) = (self.turns(thread, begin), self.seed.wrapping_add(thread));
                let part = &part;
                scope.spawn(move || part(turns, seed))
            };
            let workers: Vec<_> = (0..self.threads).map(start).collect();
            workers.into_iter().map(|worker| worker.join()).collect()
        });
        for part in parts {
            total.join(part.map_err(|_| format!("{what}: a damaged file broke its reader"))?);
        }
        let Campaign { seed, threads, .. } = self;
        let seconds = begin.elapsed().as_secs_f64();
        let how = format!("seed {seed}, {threads} threads, {seconds:.0} s");
        println!("{what}: {total}\n  {how}");
        if let Some(report) = &self.report {
            report.add(what, &how, &total.to_string())?;
        }
        Ok(total)
    }

    /// The part of one thread.
    fn turns(&self, thread: u64, begin: Instant) -> Turns {
        let share = |count| count / self.threads + u64::from(thread < count % self.threads);
        Turns {
            done: 0,
            count: self.count.map_or(u64::MAX, share),
            end: self.minutes.map(|minutes| begin + Duration::from_secs(60 * minutes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Default)]
    struct Count(u64, Vec<u64>);

    impl Tally for Count {
        fn join(&mut self, other: Self) {
            self.0 += other.0;
            self.1.extend(other.1);
        }
    }

    impl fmt::Display for Count {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(out)
        }
    }

    fn read(arguments: &str) -> Result<Campaign, Box<dyn Error>> {
        let arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
        Campaign::read("skimmer-damage", &arguments)
    }

    fn campaign(arguments: &str) -> Campaign {
        read(arguments).expect("readable arguments")
    }

    fn count(turns: Turns, seed: u64) -> Count {
        Count(turns.count() as u64, vec![seed])
    }

    #[test]
    fn the_count_is_shared_out_whole() {
        for threads in 1..6 {
            let run = campaign(&format!("--count 1001 --threads {threads} --seed 9"));
            let Count(turns, mut seeds) = run.run("turns", count).expect("no panic");
            assert_eq!(turns, 1001);
            seeds.sort_unstable();
            assert_eq!(seeds, (9..9 + threads).collect::<Vec<_>>(), "each its own");
        }
    }

    #[test]
    fn what_ends_first_counts() {
        assert_eq!(campaign("--minutes 0").run("turns", count).expect("no panic").0, 0);
        let both = campaign("--minutes 60 --count 5000").run("turns", count);
        assert_eq!(both.expect("no panic").0, 5000);
        assert_eq!(campaign("").count, Some(1_000_000));
        assert_eq!(campaign("--minutes 3").count, None);
    }

    #[test]
    fn the_clock_ends_a_run_in_the_middle() {
        let end = Instant::now() + Duration::from_millis(50);
        let turns = Turns { done: 0, count: u64::MAX, end: Some(end) }.count();
        assert!(turns > 1 && Instant::now() >= end);
    }

    #[test]
    fn a_panic_is_an_error() {
        let run = campaign("--count 10").run("turns", |turns, seed| {
            assert_ne!(seed, 2, "the second thread's");
            count(turns, seed)
        });
        assert!(run.is_err());
    }

    #[test]
    fn a_report_says_what_was_run_and_what_came_of_it() {
        let path = std::env::temp_dir().join(format!("damage-report-{}", std::process::id()));
        let run = campaign(&format!("--count 7 --seed 3 --report {}", path.display()));
        for what in ["Turns", "More turns"] {
            run.run(what, count).expect("no panic");
        }
        let text = std::fs::read_to_string(&path).expect("a report");
        std::fs::remove_file(&path).expect("it was there");
        let command = "-p skimmer-damage --example damage -- --count 7 --seed 3 --report ";
        for part in ["# Damage: Turns", command, "| commit |", "seed 3, 2 threads", "\n\n7\n"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("# Damage: More turns"), "added, not written over");
    }

    #[test]
    fn arguments_that_say_nothing() {
        for arguments in ["--count", "--count x", "--what 1", "--minutes -1"] {
            assert!(read(arguments).is_err(), "{arguments}");
        }
    }
}
