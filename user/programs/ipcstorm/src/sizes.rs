// SPDX-License-Identifier: Apache-2.0
//! How much is to be done, and who is who: what a process of the storm is told.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use skimmer_rt::Args;
use skimmer_rt::process::Program;

use crate::NAME;

/// Looks at the progress of a storm, at the least: a client tells so often.
const LOOKS: u64 = 20;

/// The longest message, and the longest answer.
pub(crate) const MOST: usize = 1 << 20;

/// What the server that does not receive all of it has room for.
pub(crate) const LITTLE: usize = 2048;

/// How much is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) clients: u64,
    pub(crate) rounds: u64,
    pub(crate) servers: u64,
    pub(crate) threads: u64,
    pub(crate) seed: u64,
    pub(crate) deaths: u64,
    pub(crate) chanstorm: u64,
}

impl Sizes {
    pub(crate) fn of(args: Args) -> Result<Self, String> {
        let number = |key, usual| args.number(key, usual).map_err(|bad| bad.to_string());
        let sizes = Self {
            clients: number("clients", 16)?,
            rounds: number("rounds", 1_000)?,
            servers: number("servers", 1)?,
            threads: number("threads", 1)?,
            seed: number("seed", 1)?,
            deaths: number("deaths", 0)?,
            chanstorm: number("chanstorm", 0)?,
        };
        if sizes.clients == 0 || sizes.servers == 0 || sizes.threads == 0 {
            return Err("a storm needs clients, servers and threads".to_string());
        }
        Ok(sizes)
    }

    /// One of our own children, told all of it.
    pub(crate) fn program(&self, role: &str, number: u64) -> Program {
        let Self { clients, rounds, servers, threads, seed, deaths, chanstorm: _ } = self;
        Program::new(NAME)
            .arg(&format!("clients={clients}"))
            .arg(&format!("rounds={rounds}"))
            .arg(&format!("servers={servers}"))
            .arg(&format!("threads={threads}"))
            .arg(&format!("seed={seed}"))
            .arg(&format!("deaths={deaths}"))
            .arg(&format!("role={role}"))
            .arg(&format!("number={number}"))
    }

    /// Messages between two of a client's reports.
    pub(crate) fn step(&self) -> u64 {
        (self.rounds / LOOKS).max(1)
    }

    /// Whether that server's channel leaves its receivers their priority.
    pub(crate) fn is_fixed(&self, server: u64) -> bool {
        self.servers > 1 && server + 1 == self.servers
    }

    /// What that server has room for.
    pub(crate) fn room(&self, server: u64) -> usize {
        if self.servers > 2 && server + 2 == self.servers { LITTLE } else { MOST }
    }
}

/// Where a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) pid: u64,
    pub(crate) chid: u64,
}

impl Address {
    /// As `PID:CHID`.
    pub(crate) fn text(self) -> String {
        format!("{}:{}", self.pid, self.chid)
    }

    /// Of such a text.
    fn read(text: &str) -> Option<Self> {
        let (pid, chid) = text.split_once(':')?;
        Some(Self { pid: pid.parse().ok()?, chid: chid.parse().ok()? })
    }

    /// All of the argument of that key, between which there are commas.
    pub(crate) fn all(args: Args, key: &str) -> Result<Vec<Self>, String> {
        let text = args.value(key).unwrap_or_default();
        let read: Option<Vec<Self>> = text.split(',').map(Self::read).collect();
        read.ok_or_else(|| format!("{key}={text}: that makes no sense"))
    }
}
