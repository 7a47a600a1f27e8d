// SPDX-License-Identifier: Apache-2.0
//! How the emulator lets the harts take turns, and what a plan of several
//! schedules gives to each boot. Pure: the same seed gives the same schedule.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use skimmer_abi::random::mix;

/// The slowest instruction: 2 to this power nanoseconds of guest time. With
/// slower ones the harts do not come up in time.
const MOST_SHIFT: u8 = 7;

/// From this version on QEMU calls one instruction per block an accelerator's
/// option.
const ONE_INSN_OPTION_SINCE: (u32, u32) = (8, 1);

/// Makes the choice of a schedule independent of the guest's use of the seed.
const SALT: u64 = 0x7363_6865_6475_6c65;

/// Of a hundred mixed boots, those below this run in parallel.
const MIX_PARALLEL: u64 = 75;

/// Those from there on and below this take turns; the others go instruction
/// by instruction.
const MIX_RR: u64 = 95;

/// Shifts that mixed boots use.
const MIX_SHIFTS: u64 = 4;

/// A mixed boot that goes instruction by instruction does this part of the
/// work.
pub const ONE_INSN_PART: u64 = 20;

/// How one boot is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// Every hart on a thread of its own, as the host likes.
    Parallel,
    /// One after the other on a clock of instructions, each of which takes 2
    /// to this power nanoseconds. Repeatable.
    Rr(u8),
    /// In parallel, one instruction per block: every instruction is a place
    /// where an interrupt may come.
    OneInsn,
}

impl Schedule {
    /// What a QEMU of that version must be told, of a machine that waits for the
    /// host's disks or does not. If it does not, time jumps to the next deadline when
    /// all harts sleep; if it did then, it would run out before the host has read.
    #[must_use]
    pub fn arguments(self, version: (u32, u32), has_disks: bool) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Parallel => &[],
            Self::Rr(shift) => {
                let sleep = if has_disks { "on" } else { "off" };
                return vec!["-icount".to_owned(), format!("shift={shift},sleep={sleep}")];
            }
            Self::OneInsn if version >= ONE_INSN_OPTION_SINCE => {
                &["-accel", "tcg,one-insn-per-tb=on"]
            }
            Self::OneInsn => &["-singlestep"],
        };
        words.iter().map(ToString::to_string).collect()
    }

    /// How many times longer than in parallel the same work may take.
    #[must_use]
    pub const fn patience(self) -> u32 {
        match self {
            Self::Parallel => 1,
            Self::Rr(_) => 4,
            Self::OneInsn => 8,
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parallel => f.write_str("parallel"),
            Self::Rr(0) => f.write_str("rr"),
            Self::Rr(shift) => write!(f, "rr-shift={shift}"),
            Self::OneInsn => f.write_str("one-insn"),
        }
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

impl TryFrom<String> for Schedule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "parallel" => return Ok(Self::Parallel),
            "rr" => return Ok(Self::Rr(0)),
            "one-insn" => return Ok(Self::OneInsn),
            _ => {}
        }
        let shift = text.strip_prefix("rr-shift=").and_then(|n| n.parse().ok());
        match shift {
            Some(shift) if shift <= MOST_SHIFT => Ok(Self::Rr(shift)),
            Some(_) => Err(format!("`{text}`: the shift is at most {MOST_SHIFT}")),
            None => Err(format!("`{text}` is none of parallel, rr, rr-shift=N, one-insn, mix")),
        }
    }
}

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Every boot the same.
    Always(Schedule),
    /// Most boots in parallel, some in turns, a few by the instruction.
    Mix,
}

impl Plan {
    /// The schedule of the boot with that seed.
    #[must_use]
    pub const fn schedule(self, seed: u64) -> Schedule {
        match self {
            Self::Always(schedule) => schedule,
            Self::Mix => {
                let dice = mix(seed ^ SALT);
                match dice % 100 {
                    ..MIX_PARALLEL => Schedule::Parallel,
                    MIX_PARALLEL..MIX_RR => Schedule::Rr((dice / 100 % MIX_SHIFTS) as u8),
                    _ => Schedule::OneInsn,
                }
            }
        }
    }

    /// What part (one in so many) of its work the boot with that seed does.
    #[must_use]
    pub const fn part(self, seed: u64) -> u64 {
        match (self, self.schedule(seed)) {
            (Self::Mix, Schedule::OneInsn) => ONE_INSN_PART,
            _ => 1,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always(schedule) => schedule.fmt(f),
            Self::Mix => f.write_str("mix"),
        }
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "mix" { Ok(Self::Mix) } else { text.parse().map(Self::Always) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for name in ["parallel", "rr", "rr-shift=3", "one-insn", "mix"] {
            assert_eq!(name.parse::<Plan>().expect(name).to_string(), name);
        }
        assert_eq!("rr-shift=0".parse::<Schedule>(), Ok(Schedule::Rr(0)));
        assert_eq!("rr-shift=7".parse::<Schedule>(), Ok(Schedule::Rr(7)));
        for bad in ["", "mixed", "rr-shift=", "rr-shift=8", "rr-shift=-1"] {
            assert!(bad.parse::<Plan>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mix_is_what_it_says() {
        let count = |which: fn(Schedule) -> bool| {
            (0..10_000).filter(|seed| which(Plan::Mix.schedule(*seed))).count()
        };
        assert!((7_300..7_700).contains(&count(|s| s == Schedule::Parallel)));
        for shift in [Schedule::Rr(0), Schedule::Rr(1), Schedule::Rr(2), Schedule::Rr(3)] {
            let found = (0..10_000).filter(|seed| Plan::Mix.schedule(*seed) == shift).count();
            assert!((400..600).contains(&found), "{found} of {shift}");
        }
        assert!((400..600).contains(&count(|s| s == Schedule::OneInsn)));
        let cut = (0..10_000).filter(|seed| Plan::Mix.part(*seed) == ONE_INSN_PART).count();
        assert_eq!(cut, count(|s| s == Schedule::OneInsn));
        assert_eq!(Plan::Always(Schedule::OneInsn).part(1), 1);
    }

    #[test]
    fn every_qemu_is_told_in_its_own_words() {
        assert!(Schedule::Parallel.arguments((7, 2), false).is_empty());
        assert_eq!(Schedule::Rr(2).arguments((10, 0), false), ["-icount", "shift=2,sleep=off"]);
        assert_eq!(Schedule::Rr(2).arguments((10, 0), true), ["-icount", "shift=2,sleep=on"]);
        assert_eq!(Schedule::OneInsn.arguments((7, 2), false), ["-singlestep"]);
        assert_eq!(Schedule::OneInsn.arguments((8, 0), false), ["-singlestep"]);
        assert_eq!(
            Schedule::OneInsn.arguments((8, 1), false),
            ["-accel", "tcg,one-insn-per-tb=on"]
        );
        assert_eq!(
            Schedule::OneInsn.arguments((10, 0), false),
            ["-accel", "tcg,one-insn-per-tb=on"]
        );
    }
}
