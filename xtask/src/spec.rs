// SPDX-License-Identifier: Apache-2.0
//! What a boot is asked to do: the workload that the guest reads from its
//! command line, and the machine that it runs on. Plain values: the same
//! specification always gives the same QEMU command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use skimmer_abi::scenario::Scenario;

use crate::disk::Disk;
use crate::rounds::Rounds;
use crate::schedule::Schedule;
use crate::tree::Tree;
use crate::workloads::Work;

/// Round trips of the `ports` scenario when nothing else is asked.
pub const DEMO_ROUNDS: u64 = 14;

/// Reads of drives, at the least, beside a program that is run once.
const READS_ONCE: u64 = 100;

/// What `rounds` is in the kernel when nothing is asked; `None` for scenarios
/// that know no rounds.
#[must_use]
pub fn usual_rounds(scenario: Scenario, harts: u32) -> Option<u64> {
    match scenario {
        Scenario::Ports => Some(DEMO_ROUNDS),
        Scenario::Flood => Some(1_000 * u64::from(harts)),
        Scenario::Threads => Some(10),
        Scenario::Msgstorm => Some(8_192),
        Scenario::Preempt => Some(20),
        Scenario::Ist => Some(300),
        Scenario::NvmeRead => Some(10_000),
        _ => None,
    }
}

/// Nanoseconds of a tick of the clock of `virt`.
pub const VIRT_TICK: u64 = 100;

/// What the guest is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Which scenario.
    pub scenario: Scenario,
    /// How much of it; the scenario's own default when `None`.
    pub rounds: Option<u64>,
    /// What perturbs it.
    pub seed: u64,
    /// Which program of the boot package, for [`Scenario::Program`].
    pub program: Option<String>,
    /// What the program is given.
    pub arguments: Vec<String>,
    /// More `key=value` words for the guest.
    pub append: Vec<String>,
}

impl Workload {
    /// How much work the guest is asked for.
    #[must_use]
    pub fn rounds(&self) -> Rounds {
        let rounds = Rounds::of(self.rounds, &self.append);
        let reads = rounds.reads.or(self.is_once().then_some(READS_ONCE));
        Rounds { reads, kstress: rounds.kstress || self.scenario == Scenario::All, ..rounds }
    }

    /// Whether everything runs at once beside a program that is run once.
    fn is_once(&self) -> bool {
        let is_all = self.scenario == Scenario::All;
        is_all && matches!(self.work(), Some(Work::Ipcstorm(_)))
    }

    /// How much the program is asked for, if it is a workload.
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        let is_all = self.scenario == Scenario::All;
        Work::of(self.program.as_deref()?, &self.arguments, self.rounds, self.seed, is_all)
    }

    /// The guest's command line. What a workload is asked for stands there in
    /// full, so that the guest's own defaults count nowhere.
    #[must_use]
    pub fn bootargs(&self) -> String {
        let mut words = vec![format!("scenario={}", self.scenario.name())];
        let demo = (self.scenario == Scenario::Ports && self.rounds().total.is_none())
            .then_some(DEMO_ROUNDS);
        let work = self.work();
        let rounds = self.rounds.filter(|_| work.is_none()).or(demo);
        words.extend(rounds.map(|rounds| format!("rounds={rounds}")));
        if self.is_once() {
            // The kernel's: the program has its own.
            words.push("rounds=1".to_owned());
            let is_said = self.append.iter().any(|word| word.starts_with("reads="));
            words.extend((!is_said).then(|| format!("reads={READS_ONCE}")));
        }
        words.push(format!("seed={}", self.seed));
        words.extend(self.program.iter().map(|name| format!("init={name}")));
        let arguments = work.map_or_else(|| self.arguments.clone(), |work| work.arguments());
        if !arguments.is_empty() {
            words.push(format!("args={}", arguments.join(",")));
        }
        words.extend(self.append.iter().cloned());
        words.join(" ")
    }
}

/// An amount of memory, as QEMU and people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySize {
    /// In MiB.
    pub mib: u64,
}

/// The least memory that firmware and kernel fit into.
const LEAST_MIB: u64 = 16;

/// More than any emulated machine takes; guards the arithmetic.
const MOST_MIB: u64 = 1 << 24;

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.mib)
    }
}

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let say = |why: &str| format!("{why}; write memory like 256M or 1G");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let scale = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "" | "M" | "MB" | "MIB" => 1,
            "G" | "GB" | "GIB" => 1024,
            unit => return Err(say(&format!("`{unit}` is no unit of memory"))),
        };
        let number: u64 = digits.parse().map_err(|_| say(&format!("`{digits}` is no number")))?;
        let mib = number.checked_mul(scale).filter(|&mib| mib <= MOST_MIB);
        match mib {
            None => Err(say("that is more than any machine has")),
            Some(mib) if mib < LEAST_MIB => Err(say(&format!(
                "{mib} MiB is less than the {LEAST_MIB} MiB that firmware and kernel need"
            ))),
            Some(mib) => Ok(Self { mib }),
        }
    }
}

/// The machine that QEMU is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The emulator.
    pub qemu: PathBuf,
    /// The first two numbers of its version.
    pub version: (u32, u32),
    /// `-machine`.
    pub machine: String,
    /// `-cpu`; the machine's own default when `None`.
    pub cpu: Option<String>,
    /// `-smp`.
    pub harts: u32,
    /// `-m`.
    pub memory: MemorySize,
    /// How its harts take turns.
    pub schedule: Schedule,
    /// `-dtb`: a device tree in place of QEMU's own.
    pub dtb: Option<PathBuf>,
    /// `-initrd`: the boot package, if a program is to run.
    pub initrd: Option<PathBuf>,
    /// Its test disks.
    pub disks: Vec<Disk>,
    /// Passed through as they are.
    pub extra: Vec<String>,
}

impl Machine {
    /// The machine's name without its options.
    #[must_use]
    pub fn name(&self) -> &str {
        self.machine.split(',').next().unwrap_or_default()
    }

    /// Whether a status can leave it: `virt` has a `sifive_test` device.
    #[must_use]
    pub fn has_exit_device(&self) -> bool {
        self.name() == "virt"
    }

    /// How many harts must come up, where that is known beforehand: all of
    /// `virt`, or those that its tree lets the kernel use, the user's or QEMU's
    /// own (`sifive_u` has a hart without an MMU).
    #[must_use]
    pub fn expected_harts(&self) -> Option<u32> {
        if self.dtb.is_none() && self.name() == "virt" {
            return Some(self.harts);
        }
        self.tree().and_then(|tree| tree.usable_harts()).ok()
    }

    /// Nanoseconds of a tick of its clock, as far as its tree says.
    #[must_use]
    pub fn tick(&self) -> u64 {
        let frequency = self.tree().and_then(|tree| tree.timebase()).ok();
        let tick = frequency.and_then(|hertz| 1_000_000_000_u64.checked_div(hertz.into()));
        tick.unwrap_or(VIRT_TICK)
    }

    /// Its device tree: the user's, or QEMU's own.
    fn tree(&self) -> Result<Tree> {
        self.dtb.as_deref().map_or_else(|| Tree::of(self), Tree::load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_sizes() {
        assert_eq!("256M".parse(), Ok(MemorySize { mib: 256 }));
        assert_eq!("256".parse(), Ok(MemorySize { mib: 256 }));
        assert_eq!("2g".parse(), Ok(MemorySize { mib: 2048 }));
        for bad in ["", "M", "12Q", "-1", "4", "1.5G", "99999999999999999999", "99999999G", "é"] {
            assert!(bad.parse::<MemorySize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bootargs_carry_everything() {
        let mut workload = Workload {
            scenario: Scenario::Ports,
            rounds: None,
            seed: 7,
            program: None,
            arguments: Vec::new(),
            append: vec!["x=1".to_owned()],
        };
        assert_eq!(workload.bootargs(), "scenario=ports rounds=14 seed=7 x=1");
        workload.append = vec!["rounds=3".to_owned()];
        assert_eq!(workload.bootargs(), "scenario=ports seed=7 rounds=3");
        workload.append = vec!["x=1".to_owned()];
        workload.scenario = Scenario::Hang;
        assert_eq!(workload.bootargs(), "scenario=hang seed=7 x=1");
        workload.scenario = Scenario::Program;
        workload.program = Some("hello".to_owned());
        assert_eq!(workload.bootargs(), "scenario=program seed=7 init=hello x=1");
        workload.arguments = vec!["a".to_owned(), "k=v".to_owned()];
        assert_eq!(workload.bootargs(), "scenario=program seed=7 init=hello args=a,k=v x=1");
        workload.program = Some("spawnstorm".to_owned());
        workload.arguments = vec!["threads=2".to_owned()];
        workload.rounds = Some(9);
        let all = "args=threads=2,rounds=9,seed=7,plain=0,steps=0";
        assert_eq!(
            workload.bootargs(),
            format!("scenario=program seed=7 init=spawnstorm {all} x=1")
        );
    }
}
