// SPDX-License-Identifier: Apache-2.0
//! Decides from samples whether the guest hangs. Pure: the samples come from
//! [`crate::inspect`], the clock comes with them.
//!
//! Progress is what the guest has done (switches, ring operations, work), not
//! what it prints; only before it publishes its counters do console bytes
//! count. Three kinds of hang are told apart, because each needs another
//! measure: harts that run and get nowhere are measured in the *emulator's
//! CPU time* (a busy host does not make it pass); so is a workload that stands
//! still while something else (a stresser beside it, a timer) goes on; and
//! harts that all sleep are measured in samples during which the host itself
//! was awake.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often the guest is looked at.
pub const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// CPU time the emulator may use while the guest makes no progress.
pub const BUSY_LIMIT: Duration = Duration::from_secs(20);

/// Quiet samples in a row after which the guest counts as asleep for good.
pub const ASLEEP_SAMPLES: u32 = 20;

/// An emulator that used at most this share of a sample's time was quiet.
pub const QUIET_SHARE: f64 = 0.10;

/// A sample that came later than this many times its interval says that the
/// host was busy, and proves nothing about the guest.
pub const LATE_FACTOR: u32 = 3;

/// The backstop when nothing else is asked: wall-clock time in which nothing gets
/// done.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// How the guest hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hang {
    /// Harts run, and nothing gets done (livelock, endless loop).
    Busy {
        /// CPU seconds used without progress.
        cpu_seconds: u64,
    },
    /// The scenario has begun and none of its work gets done, while other
    /// things do.
    Stalled {
        /// Seconds without work: of CPU time, or by the wall clock if the
        /// backstop ended it.
        seconds: u64,
    },
    /// Every hart sleeps and nothing will wake it (deadlock, lost wake-up).
    Asleep {
        /// Seconds without progress or work.
        seconds: u64,
    },
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { cpu_seconds } => {
                write!(f, "no progress in {cpu_seconds} s of CPU time: harts run and get nowhere")
            }
            Self::Stalled { seconds } => {
                write!(f, "no work in {seconds} s: the workload stands still, others go on")
            }
            Self::Asleep { seconds } => {
                write!(f, "no progress in {seconds} s: every hart sleeps")
            }
        }
    }
}

/// What counts as progress at this moment. A change of any kind is progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The guest has not published its counters: bytes on the console.
    Console(u64),
    /// The sum of its counters.
    Guest(u64),
}

/// One look at guest and emulator.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What the guest has done.
    pub progress: Progress,
    /// Units of work of the scenario, once it has begun.
    pub work: Option<u64>,
    /// CPU time the emulator has used since its start.
    pub cpu: Duration,
    /// Time since the last sample.
    pub elapsed: Duration,
}

/// The samples so far, as far as they matter.
#[derive(Debug)]
pub struct Watchdog {
    busy_limit: Duration,
    last: Option<Sample>,
    cpu_at_progress: Duration,
    quiet: u32,
    quiet_time: Duration,
    cpu_at_work: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Watchdog {
    /// One that lets the emulator take `patience` times as long as usual for
    /// the same work.
    #[must_use]
    pub const fn new(patience: u32) -> Self {
        Self {
            busy_limit: BUSY_LIMIT.saturating_mul(patience),
            last: None,
            cpu_at_progress: Duration::ZERO,
            quiet: 0,
            quiet_time: Duration::ZERO,
            cpu_at_work: Duration::ZERO,
        }
    }

    /// Takes in a sample; `Some` when the guest hangs.
    pub fn observe(&mut self, sample: Sample) -> Option<Hang> {
        let last = self.last.replace(sample);
        let Some(last) = last.filter(|last| last.progress == sample.progress) else {
            self.cpu_at_progress = sample.cpu;
            self.quiet = 0;
            self.quiet_time = Duration::ZERO;
            return self.observe_work(last, sample);
        };
        let busy = sample.cpu.saturating_sub(self.cpu_at_progress);
        if busy > self.busy_limit {
            return Some(Hang::Busy { cpu_seconds: busy.as_secs() });
        }
        if sample.elapsed <= SAMPLE_EVERY * LATE_FACTOR {
            let used = sample.cpu.saturating_sub(last.cpu);
            if used <= sample.elapsed.mul_f64(QUIET_SHARE) {
                self.quiet += 1;
                self.quiet_time += sample.elapsed;
            } else {
                self.quiet = 0;
                self.quiet_time = Duration::ZERO;
            }
        }
        (self.quiet >= ASLEEP_SAMPLES)
            .then_some(Hang::Asleep { seconds: self.quiet_time.as_secs() })
    }

    /// Whether the workload itself stands still, though the guest does not.
    fn observe_work(&mut self, last: Option<Sample>, sample: Sample) -> Option<Hang> {
        if sample.work.is_none() || last.is_none_or(|last| last.work != sample.work) {
            self.cpu_at_work = sample.cpu;
        }
        let without = sample.cpu.saturating_sub(self.cpu_at_work);
        (without > self.busy_limit).then_some(Hang::Stalled { seconds: without.as_secs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = SAMPLE_EVERY;

    /// Feeds samples of (progress, CPU milliseconds used in the step) and
    /// says at which one the watchdog bites.
    fn bites(steps: impl IntoIterator<Item = (Progress, u64)>) -> Option<(usize, Hang)> {
        let mut dog = Watchdog::default();
        let mut cpu = Duration::ZERO;
        steps.into_iter().enumerate().find_map(|(at, (progress, used))| {
            cpu += Duration::from_millis(used);
            let sample = Sample { progress, work: None, cpu, elapsed: STEP };
            dog.observe(sample).map(|hang| (at, hang))
        })
    }

    #[test]
    fn progress_is_never_a_hang() {
        assert_eq!(bites((0..1000).map(|n| (Progress::Guest(n), 1000))), None);
        assert_eq!(bites((0..1000).map(|n| (Progress::Guest(n), 0))), None);
    }

    #[test]
    fn a_livelock_is_found_by_cpu_time() {
        let (at, hang) = bites((0..1000).map(|_| (Progress::Guest(5), 1000))).expect("bites");
        assert_eq!(at, 21);
        assert!(matches!(hang, Hang::Busy { .. }));
    }

    #[test]
    fn a_slow_host_gives_the_guest_more_time() {
        // Half a CPU: the same 20 s of CPU time take twice as many samples.
        let (at, _) = bites((0..1000).map(|_| (Progress::Guest(5), 250))).expect("bites");
        assert_eq!(at, 81);
    }

    #[test]
    fn a_slow_schedule_is_given_more_time() {
        let mut dog = Watchdog::new(8);
        let used = |seconds: u32| Sample {
            progress: Progress::Guest(1),
            work: None,
            cpu: Duration::from_secs(seconds.into()),
            elapsed: STEP,
        };
        assert_eq!((0..=160).find_map(|n| dog.observe(used(n))), None);
        assert!(dog.observe(used(161)).is_some());
    }

    #[test]
    fn a_workload_that_stands_still_is_found_though_others_go_on() {
        let at = |used: u64, work: fn(u64) -> Option<u64>| {
            let mut dog = Watchdog::default();
            (0..1000).find(|&n| {
                let cpu = Duration::from_millis(used * n);
                let progress = Progress::Guest(n);
                dog.observe(Sample { progress, work: work(n), cpu, elapsed: STEP }).is_some()
            })
        };
        assert_eq!(at(1000, |_| Some(5)), Some(21));
        assert_eq!(at(100, |_| Some(5)), Some(201), "in CPU time");
        // It began with the fourth sample; before that nothing was due.
        assert_eq!(at(1000, |n| (n > 3).then_some(0)), Some(4 + 21));
        for used in [100, 1000] {
            assert_eq!(at(used, |n| Some(n / 15)), None);
            assert_eq!(at(used, |_| None), None);
        }
    }

    #[test]
    fn a_deadlock_is_found_by_quiet_samples() {
        let (at, hang) = bites((0..1000).map(|_| (Progress::Guest(5), 1))).expect("bites");
        assert_eq!(at, ASLEEP_SAMPLES as usize);
        assert_eq!(hang, Hang::Asleep { seconds: 10 });
    }

    #[test]
    fn one_step_of_progress_starts_the_count_again() {
        let steps = (0..1000).map(|n| (Progress::Guest(n / 15), 1));
        assert_eq!(bites(steps), None);
    }

    #[test]
    fn before_the_counters_the_console_counts() {
        assert_eq!(bites((0..100).map(|n| (Progress::Console(n), 1000))), None);
        assert!(bites((0..100).map(|_| (Progress::Console(0), 1000))).is_some());
        // Publishing the counters is progress itself.
        let steps =
            (0..30).map(|n| (if n < 15 { Progress::Console(7) } else { Progress::Guest(7) }, 1));
        assert_eq!(bites(steps), None);
    }

    #[test]
    fn late_samples_prove_nothing() {
        let mut dog = Watchdog::default();
        for _ in 0..1000 {
            let sample = Sample {
                progress: Progress::Guest(1),
                work: None,
                cpu: Duration::ZERO,
                elapsed: STEP * (LATE_FACTOR + 1),
            };
            assert_eq!(dog.observe(sample), None);
        }
    }

    #[test]
    fn some_work_now_and_then_is_not_sleep() {
        let steps = (0..60).map(|n| (Progress::Guest(1), if n % 10 == 0 { 200 } else { 1 }));
        assert_eq!(bites(steps), None);
    }
}
