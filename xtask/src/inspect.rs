// SPDX-License-Identifier: Apache-2.0
//! Looks into a guest from outside: the counters it publishes (see
//! `skimmer_abi::inspect`), read as physical memory out of the file that the
//! guest runs in or through the monitor, and the CPU time that the emulator
//! has used.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use skimmer_abi::inspect::{HartInspect, InspectRoot, ROOT_MAGIC};

use crate::qemu::qmp::Qmp;
use crate::ram::Memory;

/// Words of the root.
const ROOT_WORDS: usize = size_of::<InspectRoot>() / 8;

/// Words of a hart's block.
const HART_WORDS: usize = size_of::<HartInspect>() / 8;

/// More harts than any machine has: a root that says so is not believed.
const MOST_HARTS: u64 = 4096;

/// Clock ticks a second in `/proc/PID/stat`: 100 on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// What one hart shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HartCounters {
    /// Its id in the machine.
    pub hartid: u64,
    /// Whether it runs its idle thread.
    pub online: bool,
    /// Thread switches.
    pub switches: u64,
    /// Operations taken from rings.
    pub remote_ops: u64,
    /// Units of the scenario's work.
    pub work: u64,
    /// Messages sent.
    pub sends: u64,
    /// Messages replied to.
    pub replies: u64,
    /// Doorbells rung.
    pub doorbells: u64,
    /// Times a thread lost the hart without giving it up.
    pub preemptions: u64,
    /// Timer interrupts.
    pub timers: u64,
    /// Physical address of its trace ring.
    pub trace: u64,
    /// Trace records written since boot.
    pub trace_count: u64,
    /// Messages of programs that it gave to a server.
    #[serde(default)]
    pub handed: u64,
    /// Messages of programs that its threads answered.
    #[serde(default)]
    pub answered: u64,
    /// Messages that servers of `msgstorm` answered.
    #[serde(default)]
    pub storm: u64,
    /// Round trips of `kstress`.
    #[serde(default)]
    pub kstress: u64,
    /// Reads of drives that were verified.
    #[serde(default)]
    pub reads: u64,
    /// Channels of processes that have ended.
    #[serde(default)]
    pub channels: u64,
    /// Worst off-times; zero unless the kernel measures them.
    #[serde(default)]
    pub off_times: OffTimes,
}

/// Worst off-times of one hart, as in `skimmer_abi::inspect::OffTimes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffTimes {
    /// Interrupts masked.
    pub masked: Longest,
    /// Preemption deferred.
    pub deferred: Longest,
    /// Interrupts masked while another hart was seen to run.
    pub masked_shared: Longest,
    /// Preemption deferred while another hart was seen to run.
    pub deferred_shared: Longest,
}

/// The longest of some intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Longest {
    /// How long.
    pub length: u64,
    /// Code address where it began.
    pub from: u64,
    /// Code address where it ended.
    pub to: u64,
}

/// The counters of all harts, or `None` while the guest has not published
/// them.
///
/// # Errors
/// When the memory cannot be read.
pub fn counters(memory: &mut dyn Memory, root: u64) -> Result<Option<Vec<HartCounters>>> {
    let words = memory.words(root, ROOT_WORDS)?;
    let &[magic, count, harts] = words.as_slice() else {
        bail!("{} words of a root of {ROOT_WORDS}", words.len());
    };
    if magic != ROOT_MAGIC || count == 0 || count > MOST_HARTS {
        return Ok(None);
    }
    let words = memory.words(harts, usize::try_from(count)? * HART_WORDS)?;
    Ok(Some(words.chunks_exact(HART_WORDS).map(hart).collect()))
}

fn hart(words: &[u64]) -> HartCounters {
    HartCounters {
        hartid: words[0],
        online: words[1] == 1,
        switches: words[2],
        remote_ops: words[3],
        work: words[4],
        sends: words[5],
        replies: words[6],
        doorbells: words[8],
        preemptions: words[10],
        timers: words[11],
        trace: words[12],
        trace_count: words[13],
        handed: words[32],
        answered: words[33],
        storm: words[34],
        kstress: words[35],
        reads: words[36],
        channels: words[37],
        off_times: OffTimes {
            masked: longest(&words[14..17]),
            deferred: longest(&words[17..20]),
            masked_shared: longest(&words[20..23]),
            deferred_shared: longest(&words[23..26]),
        },
    }
}

fn longest(words: &[u64]) -> Longest {
    Longest { length: words[0], from: words[1], to: words[2] }
}

/// One number that changes whenever any hart does anything that counts.
#[must_use]
pub fn sum(harts: &[HartCounters]) -> u64 {
    harts
        .iter()
        .flat_map(|h| [h.switches, h.remote_ops, h.work, h.sends, h.replies, u64::from(h.online)])
        .fold(0, u64::wrapping_add)
}

/// The monitor, for machines whose memory is in no file.
impl Memory for Qmp {
    fn words(&mut self, address: u64, count: usize) -> Result<Vec<u64>> {
        let text = self.monitor(&format!("xp /{count}gx {address:#x}"))?;
        let words = parse_words(&text);
        if words.len() != count {
            bail!("the monitor gave {} words, {count} were asked: {text}", words.len());
        }
        Ok(words)
    }
}

/// The words of `xp` output: lines of `ADDRESS: 0xWORD 0xWORD`.
fn parse_words(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(_, words)| words.split_whitespace())
        .filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect()
}

/// The CPU time that process `pid` has used, all threads together; `None`
/// where the system does not say.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&stat)
}

/// User and system time of a `/proc/PID/stat` line (fields 14 and 15; the
/// name in field 2 may contain anything, so count from its closing bracket).
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_monitor() {
        let text = "0000000080200000: 0x3152454d4d494b53 0x0000000000000008\r\n\
                    0000000080200010: 0x0000000080300000\r\n";
        assert_eq!(parse_words(text), [ROOT_MAGIC, 8, 0x8030_0000]);
        assert_eq!(parse_words("Cannot access memory"), [0_u64; 0]);
    }

    #[test]
    fn stat_lines_with_strange_names() {
        let stat = "12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(parse_stat(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse_stat("nonsense"), None);
        assert!(cpu_time(std::process::id()).is_some());
    }
}
