// SPDX-License-Identifier: Apache-2.0
//! The machine that QEMU is asked for.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use super::{DiskArgs, SetupArgs};
use crate::schedule::{Plan, Schedule};
use crate::setup::Tools;
use crate::spec::{Machine, MemorySize};
use crate::tree::Tree;
use crate::watchdog::DEFAULT_TIMEOUT;

/// The most harts that QEMU's `virt` takes.
const MOST_HARTS: u32 = 512;

/// The most harts that boot reliably with debug triggers.
const MOST_HARTS_WITH_TRIGGERS: u32 = 32;

/// The machine that QEMU is asked for.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// How many harts (sifive_u: 5, of which the first cannot run the kernel).
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = harts,
          default_value_if("machine", "sifive_u", "5"))]
    pub harts: u32,
    /// How much memory: 256M, 1G.
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub memory: MemorySize,
    /// QEMU's `-cpu` (for `virt` unless told: rv64, on more than 32 harts
    /// rv64,debug=off).
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<String>,
    /// QEMU's `-machine`.
    #[arg(long, value_name = "MACHINE", default_value = "virt")]
    pub machine: String,
    /// One more argument for QEMU (repeatable).
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub qemu_arg: Vec<String>,
    /// How the harts take turns: parallel (a host thread each), rr (one after
    /// the other on a clock of instructions; the same seed gives the same
    /// run), rr-shift=N (with 2^N ns an instruction, N at most 7), one-insn
    /// (parallel, an instruction at a time), mix (chosen by the seed; the boots
    /// that go by the instruction do a twentieth of the rounds; with all of
    /// them chanstorm would take about a minute).
    #[arg(long, value_name = "SCHEDULE", default_value = "parallel", verbatim_doc_comment)]
    pub schedule: Plan,
    /// A device tree blob in place of QEMU's own.
    #[arg(long, value_name = "FILE")]
    pub dtb: Option<PathBuf>,
    /// Its test disks.
    #[command(flatten)]
    pub disks: DiskArgs,
    /// End a boot that gets nothing done for this many seconds. (The watchdog
    /// ends most of them sooner. Slow schedules get more: rr four times,
    /// one-insn eight times.)
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
}

impl MachineArgs {
    /// Refuses what can be seen to be wrong before anything starts.
    ///
    /// # Errors
    /// When the device tree cannot be read, is none, or was cut, or the machine
    /// has no place for disks.
    pub fn check(&self) -> Result<()> {
        self.disks.check(&self.machine)?;
        if let Some(dtb) = &self.dtb {
            Tree::load(dtb).with_context(|| format!("--dtb {}", dtb.display()))?;
        }
        Ok(())
    }

    /// The machine for the boot with that seed, with the tools that were
    /// found.
    #[must_use]
    pub fn machine(&self, tools: &Tools, seed: u64) -> Machine {
        let mut machine = Machine {
            qemu: tools.qemu.clone(),
            version: tools.qemu_release,
            machine: self.machine.clone(),
            cpu: self.cpu.clone(),
            harts: self.harts,
            memory: self.memory,
            schedule: self.schedule.schedule(seed),
            dtb: self.dtb.clone(),
            initrd: None,
            disks: self.disks.disks(),
            extra: self.qemu_arg.clone(),
        };
        if machine.cpu.is_none() && machine.name() == "virt" {
            machine.cpu = Some(usual_cpu(self.harts).to_owned());
        }
        machine
    }

    /// The backstop.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The words that ask for this machine.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut put = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        put("harts", self.harts.to_string());
        put("memory", self.memory.to_string());
        put("machine", self.machine.clone());
        if self.schedule != Plan::Always(Schedule::Parallel) {
            put("schedule", self.schedule.to_string());
        }
        if let Some(cpu) = &self.cpu {
            put("cpu", cpu.clone());
        }
        if let Some(dtb) = &self.dtb {
            put("dtb", dtb.display().to_string());
        }
        put("timeout", self.timeout.to_string());
        words.extend(self.disks.words());
        words.extend(self.setup.words());
        for arg in &self.qemu_arg {
            words.push(format!("--qemu-arg={arg}"));
        }
        words
    }
}

/// The CPU of `virt` unless another is asked for. OpenSBI 1.5 (QEMU 9 and 10
/// bring it) gives each hart that has debug triggers some kilobytes of a heap
/// that is too small for many of them: those that get none hang in the
/// firmware. The kernel uses no triggers.
#[must_use]
pub const fn usual_cpu(harts: u32) -> &'static str {
    if harts > MOST_HARTS_WITH_TRIGGERS { "rv64,debug=off" } else { "rv64" }
}

fn harts(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("a machine needs at least one hart".to_owned()),
        Ok(count) if count > MOST_HARTS => Err(format!("QEMU has at most {MOST_HARTS} harts")),
        Ok(count) => Ok(count),
        Err(_) => Err("not a number of harts".to_owned()),
    }
}
