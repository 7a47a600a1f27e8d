// SPDX-License-Identifier: Apache-2.0
//! The table of costs: as it is measured, committed, and shown.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::profile::Profile;
use super::{beside, judge::ceiling, profile, scaling};
use crate::workspace::root;

/// The committed table, for machines and for people.
const JSON: &str = "docs/costs.json";
const MARKDOWN: &str = "docs/costs.md";

/// What one operation costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cost {
    /// Of what.
    pub(super) name: String,
    /// Instructions, firmware's not among them.
    pub(super) instructions: u64,
    /// Operations that were measured.
    pub(super) operations: u64,
    /// Instructions of firmware.
    pub(super) firmware: u64,
    /// `sfence.vma` instructions, satp writes, locks taken, locks waited for,
    /// doorbells rung.
    pub(super) sfence_vma: f64,
    pub(super) satp_writes: f64,
    pub(super) locks: f64,
    pub(super) lock_waits: f64,
    pub(super) doorbells: f64,
}

/// All costs, and what made them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) command: String,
    pub(super) compiler: String,
    pub(super) qemu: String,
    pub(super) firmware: String,
    pub(super) figures: Vec<Cost>,
    /// Where the instructions of [`profile::COMMITTED`] go; only what is committed
    /// has them.
    #[serde(default)]
    pub(super) profiles: Vec<Profile>,
}

/// What stands above the table.
const PREFACE: &str = "\
<!-- SPDX-License-Identifier: Apache-2.0 -->
# What calls cost

Written by `cargo xtask bench --update`; nothing is edited by hand. Guest instructions per operation, on
one hart unless the name says otherwise, under `-icount` (`--schedule rr`): the same figure on every run.
Firmware's instructions are apart. The instructions come from the kernel that everything else boots;
the columns to the right from one that counts (feature `bench`). The timer is Sstc's, so that
ticks have no firmware in them.

`cargo xtask test` fails if a figure is above its ceiling (`xtask/src/bench/judge.rs`), if channels on
eight harts cost 10 % more or less than on one, if a message costs 5 % more or less where there is much else
(`xtask/src/bench/scaling.rs`), if two boots differ, and, with the same compiler, if a figure is more than 2 %
from this table.
";

/// What stands below it.
const NOTES: &str = "\
- `null-call`: from `ecall` to the next instruction of the program, both calls of `channel-create-destroy`
  likewise.
- `thread-create-join`, `process-spawn-exit`: as a program sees them through `user/rt`; the process is
  `bench` itself, loaded from the boot package.
- `page-fault-death`: from the instruction that faults to the parent that has heard of it, the line
  on the console included (firmware's part of it is under \"firmware\").
- `timer-tick`: from the instruction that the timer interrupts to the next one of a thread of the same
  priority, the switch included.
- `switch-same-space`, `switch-other-space`: from the `ecall` of a yield to the next instruction of the other
  thread.
- `interrupt-to-ist-idle`, `interrupt-to-ist-busy`: from the moment that a device raises its line to the thread
  of the kernel that serves it and has looked at the time of the device, on a hart that sleeps and on one that
  runs a less urgent thread. Trap, claim, mask, post, completion and switch are in it. The columns to the right
  are of the whole round, the thread's wait included.
- `nvme-read-4k`: what the kernel executes for a read of 4 KiB, by the interrupt service thread that owns the
  queue pair, in scenario `nvme-read` with `load=busy`: the command, its PRP and doorbell (`nvme-submit-4k`), the
  wait with its switch to another thread, and trap, claim, mask, post, completion, switch, the completion queue
  with its doorbell, the second look at it, and the buffer's return. The drive's time is not in it: the thread
  lets the drive finish before it waits, and a read that needed longer is left out, as is one with an interrupt
  that had nothing to do. It is the median of the reads (500); 98 in 100 cost the same, and the others up to ten
  instructions more, because it matters where in its loop the other thread was. The columns to
  the right are of the whole round, the drive's time and the verification included.
- `roundtrip-…`, `send-…`: a message from one process to another and its answer, with the stubs of `user/rt`; as
  many bytes there and back as the name says (`send-…`: none back). The server's loop is one call
  (MsgReplyReceive), but for `roundtrip-0-separate`. `roundtrip-cross-hart`: no bytes, a process on each of two
  harts, the instructions of both. What was sent and answered is verified beside what is timed.
- `channel-create-destroy-8-harts`: eight threads on eight harts, 10,000 pairs each; instructions of all
  harts while at least one is at it, idle harts execute none. Harts take turns (781,250 instructions at
  most), so that a lock is seldom found taken: contention of harts that really run at once is not in it.
";

/// What stands above what a message costs where there is much else.
const SCALING: &str = "\
## Where there is much else

A message of no bytes to a server on the same hart, and its answer: what it costs while there is much else, beside
what it costs alone. Within 5 %, or `cargo xtask test` fails.

";

/// And below it.
const SCALING_NOTES: &str = "\
- `pairs-…`: a client and a server, a process each, on each of as many harts, 2,000 round trips of every pair
  measured; instructions of all harts while at least one pair is at it, through all round trips. All begin at the same
  time and have a time when all are at it, or nothing is told. A hart whose pair is done sleeps, and executes
  nothing. QEMU's harts take turns, and when a turn ends by the clock QEMU 7.2 passes over the next hart; so the machine
  has one more between two pairs, which sleeps. Contention of harts that really run at once is not in it. The
  client is a child of the program that has it begin; the one of `roundtrip-0` is the first process, which is of no
  family and does without what is counted for families.
- `blocked-…`: the same server has received so many messages of other clients (threads, each with a connection of its
  own) from the same channel, and never answers them: they are REPLY-blocked until it ends, which each of them verifies.
- `present-10000`: two servers have 5,000 channels each, and the client a connection to every one. The channel that is
  used is the 2,501st of its server, its connection the 7,501st of the client. They are all there afterwards.
";

/// What stands above our figures beside others.
const BESIDE: &str = "\
## Beside seL4

";

/// What stands above the table of stages.
const STAGES: &str = "\
## Where the instructions go

`cargo xtask bench --profile NAME` shows it of any message: QEMU executes the same boot an instruction at a time
and says each. One turn of the loop that was measured is counted, the third of three that are the same; it has
as many instructions as the figure, or nothing is shown. An instruction belongs to the file of the innermost
inlined function of the project there (`xtask/src/bench/stages.rs`). Two harts hear of doorbells at other places
then: `roundtrip-cross-hart` is shown as it is an instruction at a time, an instruction or two less, and with all of
firmware apart; the figure above has in it what firmware does on the hart that a doorbell interrupts.

What cannot be less is the mechanics of two ways: a bare switch between two Sv39 spaces with ASIDs, without a check,
is 84 instructions one way with all registers kept, and 48 with those that a call must keep (given with the aims).
So of `roundtrip-0` about 190 are floor, with the program's own: entry, exit and saved registers, and satp. The rest is
checks and state, of which nothing is left out for the figure: ids with generations looked up in tables, a lock, queues
that others may stand in, whom the run queue would have chosen, what a kill or a timeout would need to find, the trace.
";

impl Table {
    /// The committed one; none if there is none yet.
    pub(super) fn committed() -> Result<Option<Self>> {
        let path = root().join(JSON);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {JSON}"))?;
        Ok(Some(serde_json::from_str(&text).with_context(|| format!("{JSON} makes no sense"))?))
    }

    /// Figures of those names, for tests.
    #[cfg(test)]
    pub(super) fn of_figures<'n>(
        names: impl Iterator<Item = &'n str>,
        cost: impl Fn(&str) -> u64,
    ) -> Self {
        let figure = |name: &str| Cost {
            name: name.to_owned(),
            instructions: cost(name),
            operations: 1,
            firmware: 0,
            sfence_vma: 0.0,
            satp_writes: 0.0,
            locks: 0.0,
            lock_waits: 0.0,
            doorbells: 0.0,
        };
        Self {
            command: String::new(),
            compiler: String::new(),
            qemu: String::new(),
            firmware: String::new(),
            figures: names.map(figure).collect(),
            profiles: Vec::new(),
        }
    }

    /// The instructions of that figure.
    pub(super) fn instructions(&self, name: &str) -> Option<u64> {
        self.figures.iter().find(|cost| cost.name == name).map(|cost| cost.instructions)
    }

    /// Writes both files, and what README has of them.
    pub(super) fn commit(&self) -> Result<()> {
        beside::commit(self)?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        super::write(&root().join(JSON), &text)?;
        super::write(&root().join(MARKDOWN), &self.markdown())
    }

    /// The figures as a list in JSON.
    pub(super) fn list(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.figures)? + "\n")
    }

    fn rows(&self) -> Vec<[String; 9]> {
        let row = |cost: &Cost| {
            [
                cost.name.clone(),
                cost.instructions.to_string(),
                ceiling(&cost.name).map_or_else(|| "none".to_owned(), |most| most.to_string()),
                cost.firmware.to_string(),
                cost.sfence_vma.to_string(),
                cost.satp_writes.to_string(),
                cost.locks.to_string(),
                cost.lock_waits.to_string(),
                cost.doorbells.to_string(),
            ]
        };
        self.figures.iter().map(row).collect()
    }

    /// For the terminal.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(HEAD.map(ToOwned::to_owned)).chain(self.rows()) {
            let [name, rest @ ..] = row;
            let _ = write!(text, "{name:<32}");
            for (cell, head) in rest.iter().zip(&HEAD[1..]) {
                let _ = write!(text, " {cell:>width$}", width = head.len().max(7));
            }
            text.push('\n');
        }
        text
    }

    /// For docs.
    pub(super) fn markdown(&self) -> String {
        let mut text = PREFACE.to_owned();
        let Self { command, compiler, qemu, firmware, .. } = self;
        let _ = write!(
            text,
            "\n- command: `{command}`\n- compiler: {compiler}\n- emulator: {qemu}\n- firmware: {firmware}\n\n"
        );
        let _ = writeln!(text, "| {} |", HEAD.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(HEAD.len() - 1));
        for row in self.rows() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        let _ = write!(text, "\n{NOTES}\n{SCALING}{}\n{SCALING_NOTES}", scaling::markdown(self));
        let _ = write!(text, "\n{BESIDE}{}\n{}", beside::HOW, beside::markdown(self));
        if !self.profiles.is_empty() {
            let _ = write!(text, "\n{STAGES}\n{}", profile::side_by_side(&self.profiles));
        }
        text
    }
}

const HEAD: [&str; 9] = [
    "operation",
    "instructions",
    "ceiling",
    "firmware",
    "sfence.vma",
    "satp writes",
    "locks",
    "waits",
    "doorbells",
];
