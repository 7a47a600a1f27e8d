// SPDX-License-Identifier: Apache-2.0
//! Programs that are workloads: how much each was asked for, spelled out for
//! the guest, and what it must therefore tell. Pure. The host draws again what
//! `chanstorm` draws, with the same generator (`abi::random`).

mod ipcstorm;

use skimmer_abi::digest::Digest;
use skimmer_abi::random::Random;

use crate::verdict::cases;

pub use ipcstorm::Ipcstorm;

/// Scenarios in which everything runs at once beside a program: the scenario's name
/// for people, and the program's.
pub const WITH_ALL: &[(&str, &str)] = &[("all", "chanstorm"), ("ipcstorm", "ipcstorm")];

/// Programs that go by their names as scenarios do.
pub const NAMES: &[&str] = &["chanstorm", "conform", "faults", "hogs", "spawnstorm"];

/// Ways of `faults` (`WAYS` in user/programs/faults), and its neighbour.
const FAULTS: u64 = 72;

/// How much a program was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Channels.
    Chanstorm(Chanstorm),
    /// Every case of the specification of messages.
    Conform,
    /// Every way to misbehave, so many times.
    Faults(u64),
    /// A pair that talks beside threads that only run.
    Hogs,
    /// Processes.
    Spawnstorm(Spawnstorm),
    /// Messages.
    Ipcstorm(Ipcstorm),
}

/// What `chanstorm` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chanstorm {
    /// Threads.
    pub threads: u64,
    /// Rounds of each.
    pub rounds: u64,
    /// Channels of each in a round.
    pub channels: u64,
    /// What the orders are drawn from.
    pub seed: u64,
    /// If not 0, so many processes of one thread instead of threads.
    pub processes: u64,
}

/// What `spawnstorm` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spawnstorm {
    /// Threads.
    pub threads: u64,
    /// Processes that each starts.
    pub rounds: u64,
    /// What they do, and when they are killed, is drawn from it.
    pub seed: u64,
    /// 1: they only end.
    pub plain: u64,
    /// After so many steps a child ends by itself; 0: never.
    pub steps: u64,
}

/// Rounds of the workload of that name when nothing is asked; `None` for one
/// that knows none.
#[must_use]
pub fn usual_rounds(program: &str) -> Option<u64> {
    match program {
        "chanstorm" => Some(1_000),
        "spawnstorm" => Some(100),
        "ipcstorm" => Some(ipcstorm::ROUNDS),
        _ => None,
    }
}

/// What a program is told besides where harts take turns. Such an emulator (QEMU
/// 7.2) never comes to the hart behind one that runs without end
/// (docs/caveats.md), so nothing there does.
#[must_use]
pub fn taking_turns(program: &str, words: &[String]) -> Option<String> {
    let is_said = words.iter().filter_map(|word| parted(word)).any(|(key, _)| key == "steps");
    (program == "spawnstorm" && !is_said).then(|| "steps=200".to_owned())
}

/// What part (one in so many) of its work a program of [`WITH_ALL`] does in a mix where
/// harts take turns: everything else takes its turns, too, and never sleeps.
#[must_use]
pub fn part_in_turns(scenario: &str) -> u64 {
    if scenario == "ipcstorm" { 10 } else { 1 }
}

/// The keys of its arguments.
fn keys(program: &str) -> &'static [&'static str] {
    match program {
        "chanstorm" => &["threads", "rounds", "channels", "seed", "processes"],
        "spawnstorm" => &["threads", "rounds", "seed", "plain", "steps"],
        "faults" => &["times"],
        "ipcstorm" => ipcstorm::KEYS,
        _ => &[],
    }
}

/// The first of these arguments that is a setting which `program` does not have:
/// it would do the usual work, and nobody would know what is due.
#[must_use]
pub fn unknown<'a>(program: &str, words: &'a [String]) -> Option<&'a str> {
    let keys = keys(program);
    let is_unknown = |word: &&String| parted(word).is_some_and(|(key, _)| !keys.contains(&key));
    (!keys.is_empty()).then(|| words.iter().find(is_unknown))?.map(String::as_str)
}

/// Arguments of the form `key=value`. Of several with one key the last counts,
/// as for the guest.
struct Words<'a>(&'a [String]);

impl<'a> Words<'a> {
    /// The number of that key, `usual` if there is none; `None` if it is none.
    fn number(&self, key: &str, usual: u64) -> Option<u64> {
        let value =
            |word: &'a String| parted(word).filter(|(k, _)| *k == key).map(|(_, value)| value);
        self.0.iter().rev().find_map(value).map_or(Some(usual), |value| value.parse().ok())
    }
}

fn parted(word: &str) -> Option<(&str, &str)> {
    word.split_once('=')
}

impl Work {
    /// What such arguments ask of `program`. `rounds` and `seed` are those of the
    /// boot, and count where the arguments have none; `is_beside` says that everything
    /// runs at once. `None` for other programs, and for arguments that ask for something
    /// else: then nobody knows what is due.
    #[must_use]
    pub fn of(
        program: &str,
        words: &[String],
        rounds: Option<u64>,
        seed: u64,
        is_beside: bool,
    ) -> Option<Self> {
        let is_known =
            |word: &String| parted(word).is_some_and(|(key, _)| keys(program).contains(&key));
        if !words.iter().all(is_known) {
            return None;
        }
        let words = Words(words);
        match program {
            "faults" => return words.number("times", 1).map(Self::Faults),
            "conform" => return Some(Self::Conform),
            "hogs" => return Some(Self::Hogs),
            _ => {}
        }
        let asked = words.number("seed", seed)?;
        if program == "ipcstorm" {
            return Ipcstorm::of(&words, rounds, asked, is_beside).map(Self::Ipcstorm);
        }
        let rounds = words.number("rounds", rounds.unwrap_or(usual_rounds(program)?))?;
        if program == "spawnstorm" {
            let (threads, plain) = (words.number("threads", 4)?, words.number("plain", 0)?);
            let steps = words.number("steps", 0)?;
            let storm = Spawnstorm { threads, rounds, seed: asked, plain, steps };
            return Some(Self::Spawnstorm(storm));
        }
        let threads = words.number("threads", 16)?;
        // The boots of a soak take both shapes.
        let usual = if seed.is_multiple_of(2) { threads } else { 0 };
        Some(Self::Chanstorm(Chanstorm {
            threads,
            rounds,
            channels: words.number("channels", 128)?,
            seed: asked,
            processes: words.number("processes", usual)?,
        }))
    }

    /// The arguments that say all of it.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let say = |(key, value): &(&str, u64)| format!("{key}={value}");
        match *self {
            Self::Conform | Self::Hogs => Vec::new(),
            Self::Faults(times) => vec![say(&("times", times))],
            Self::Ipcstorm(storm) => storm.words().iter().map(say).collect(),
            Self::Chanstorm(Chanstorm { threads, rounds, channels, seed, processes }) => {
                let words = [("threads", threads), ("rounds", rounds), ("channels", channels)];
                words.iter().chain(&[("seed", seed), ("processes", processes)]).map(say).collect()
            }
            Self::Spawnstorm(Spawnstorm { threads, rounds, seed, plain, steps }) => {
                let words = [("threads", threads), ("rounds", rounds), ("seed", seed)];
                words.iter().chain(&[("plain", plain), ("steps", steps)]).map(say).collect()
            }
        }
    }

    /// Rounds, where it has any.
    #[must_use]
    pub const fn rounds(&self) -> Option<u64> {
        match self {
            Self::Conform | Self::Faults(_) | Self::Hogs => None,
            Self::Chanstorm(Chanstorm { rounds, .. })
            | Self::Spawnstorm(Spawnstorm { rounds, .. })
            | Self::Ipcstorm(Ipcstorm { rounds, .. }) => Some(*rounds),
        }
    }

    /// Units that the program must verify.
    #[must_use]
    pub fn verified(&self) -> u64 {
        match self {
            Self::Conform | Self::Hogs => cases::count(self),
            Self::Faults(times) => times.saturating_mul(FAULTS),
            Self::Chanstorm(storm) => {
                storm.workers().saturating_mul(storm.rounds).saturating_mul(storm.channels)
            }
            Self::Spawnstorm(storm) => storm.threads.saturating_mul(storm.rounds),
            Self::Ipcstorm(storm) => storm.verified(),
        }
    }

    /// Channels that the kernel must have counted, where that is known.
    #[must_use]
    pub fn channels(&self) -> Option<u64> {
        match self {
            Self::Chanstorm(_) => Some(self.verified()),
            Self::Ipcstorm(storm) => storm.channels(),
            Self::Conform | Self::Faults(_) | Self::Hogs | Self::Spawnstorm(_) => None,
        }
    }

    /// What it runs beside itself, again and again.
    #[must_use]
    pub fn beside(&self) -> Option<Self> {
        match self {
            Self::Ipcstorm(storm) => storm.beside().map(Self::Chanstorm),
            _ => None,
        }
    }

    /// Messages between programs that the kernel must have counted, where that is known,
    /// if what is beside it was run so many times.
    #[must_use]
    pub fn messages(&self, beside: u64) -> Option<u64> {
        match self {
            Self::Ipcstorm(storm) => storm.messages(beside),
            _ => None,
        }
    }

    /// The digest that the program must report.
    #[must_use]
    pub fn digest(&self) -> u64 {
        match self {
            Self::Chanstorm(storm) => storm.digest(),
            Self::Conform | Self::Faults(_) | Self::Hogs | Self::Spawnstorm(_) => 0,
            Self::Ipcstorm(storm) => storm.digest(),
        }
    }

    /// How its threads are spread, where there is a choice.
    #[must_use]
    pub fn shape(&self) -> Option<String> {
        match self {
            Self::Chanstorm(Chanstorm { processes: 0, threads, .. }) => {
                Some(format!("1 process of {threads} threads"))
            }
            Self::Chanstorm(Chanstorm { processes, .. }) => {
                Some(format!("{processes} processes of 1 thread"))
            }
            Self::Conform | Self::Faults(_) | Self::Hogs | Self::Spawnstorm(_) => None,
            Self::Ipcstorm(storm) => Some(storm.shape()),
        }
    }
}

impl Chanstorm {
    /// Threads, in whatever processes.
    const fn workers(&self) -> u64 {
        if self.processes == 0 { self.threads } else { self.processes }
    }

    /// The sum of the threads' digests of the orders in which they destroy.
    fn digest(&self) -> u64 {
        (0..self.workers()).map(|number| self.digest_of(number)).fold(0, u64::wrapping_add)
    }

    fn digest_of(&self, number: u64) -> u64 {
        let mut random = Random::of(self.seed, number);
        let mut digest = Digest::new();
        let mut order: Vec<u64> = Vec::new();
        for _ in 0..self.rounds {
            order.clear();
            order.extend(0..self.channels);
            random.shuffle(&mut order);
            order.iter().for_each(|channel| digest.add(*channel));
        }
        digest.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(program: &str, words: &[&str], rounds: Option<u64>, seed: u64) -> Option<Work> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Work::of(program, &words, rounds, seed, false)
    }

    fn said(program: &str, words: &[&str], rounds: Option<u64>, seed: u64) -> String {
        work(program, words, rounds, seed).expect("work").arguments().join(" ")
    }

    #[test]
    fn every_name_is_a_program_with_work() {
        let programs = crate::programs::names().expect("readable");
        for name in NAMES {
            assert!(programs.iter().any(|program| program == name), "{name}");
            assert!(work(name, &[], None, 1).is_some(), "{name}");
        }
        assert_eq!(work("hello", &[], None, 1), None);
    }

    #[test]
    fn the_usual_work_is_that_of_the_issue() {
        let all = "threads=16 rounds=1000 channels=128 seed=1 processes=0";
        assert_eq!(said("chanstorm", &[], None, 1), all);
        let storm = work("chanstorm", &[], None, 1).expect("work");
        assert_eq!((storm.verified(), storm.channels()), (2_048_000, Some(2_048_000)));
        let spawn = work("spawnstorm", &[], None, 3).expect("work");
        assert_eq!((spawn.verified(), spawn.channels(), spawn.digest()), (400, None, 0));
        assert_eq!(spawn.arguments().join(" "), "threads=4 rounds=100 seed=3 plain=0 steps=0");
        assert_eq!(work("faults", &[], None, 1).map(|faults| faults.verified()), Some(72));
    }

    #[test]
    fn the_shape_follows_the_boots_seed_unless_it_is_said() {
        let shape = |words: &[&str], seed| work("chanstorm", words, None, seed)?.shape();
        assert_eq!(shape(&[], 1).as_deref(), Some("1 process of 16 threads"));
        assert_eq!(shape(&[], 2).as_deref(), Some("16 processes of 1 thread"));
        assert_eq!(shape(&["seed=1", "threads=3"], 2).as_deref(), Some("3 processes of 1 thread"));
        assert_eq!(shape(&["processes=0"], 2).as_deref(), Some("1 process of 16 threads"));
        assert_eq!(shape(&["processes=5"], 1).as_deref(), Some("5 processes of 1 thread"));
    }

    #[test]
    fn words_count_before_what_the_boot_says_and_the_last_counts() {
        let all = "threads=2 rounds=7 channels=128 seed=5 processes=0";
        let words = ["rounds=6", "rounds=7", "threads=2", "seed=5"];
        assert_eq!(said("chanstorm", &words, Some(9), 1), all);
        assert_eq!(
            said("spawnstorm", &[], Some(9), 4),
            "threads=4 rounds=9 seed=4 plain=0 steps=0"
        );
        for other in [&["rounds=many"][..], &["child", "ends"], &["round=3"]] {
            assert_eq!(work("spawnstorm", other, None, 1), None, "{other:?}");
        }
        assert_eq!(work("faults", &["null-read"], None, 1), None);
        let words = ["rounds=3", "round=3"].map(ToOwned::to_owned);
        assert_eq!(unknown("chanstorm", &words), Some("round=3"));
        assert_eq!(unknown("chanstorm", &words[..1]), None);
        assert_eq!(unknown("hello", &words), None);
    }

    #[test]
    fn the_digest_is_of_the_seed_and_not_of_the_shape() {
        let digest =
            |words: &[&str], seed| work("chanstorm", words, Some(3), seed).expect("work").digest();
        let one = digest(&["processes=0"], 1);
        assert_eq!(one, digest(&["processes=16"], 1));
        assert_ne!(one, digest(&[], 3));
        assert_ne!(one, digest(&["rounds=4"], 1));
    }
}
