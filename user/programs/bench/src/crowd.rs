// SPDX-License-Identifier: Apache-2.0
//! Messages between a client and a server in a crowd: of other clients that the
//! server has not answered, and of channels and connections that nobody uses.

use alloc::format;
use alloc::vec::Vec;

use skimmer_rt::connection::Connection;
use skimmer_rt::process::{Child, ExitStatus, Program};
use skimmer_rt::thread::{Builder, JoinHandle};
use skimmer_rt::{Args, Errno, Result};

use super::NAME;
use super::messages::{Line, Server, Way, empty};

/// Round trips.
const TIMES: u64 = 1_000;

/// How many other clients are blocked.
const BLOCKED: &[(&str, u64)] = &[("blocked-1", 1), ("blocked-10", 10), ("blocked-1000", 1_000)];

/// Of these, threads of one process: it may have 512.
const THREADS: u64 = 250;

/// Stack of each.
const STACK: usize = 16 << 10;

/// Channels, and connections to them, of two servers: one may have 8,160.
const PRESENT: &str = "present-10000";
const CHANNELS: u64 = 5_000;

/// Measures all, or only what has that name. How many figures were told.
pub(crate) fn all(only: Option<&str>) -> Result<u64> {
    let is_asked = |name: &str| only.is_none_or(|only| only == name);
    let mut told = 0;
    for (name, count) in BLOCKED.iter().filter(|(name, _)| is_asked(name)) {
        blocked(name, *count)?;
        told += 1;
    }
    if is_asked(PRESENT) {
        present()?;
        told += 1;
    }
    Ok(told)
}

/// With so many other clients whose messages the same server has received from the
/// same channel, and answers never.
fn blocked(name: &'static str, count: u64) -> Result<()> {
    let server = Server::start(&Way { held: count, ..empty(name, TIMES) })?;
    let crowd = |first| start(&server, THREADS.min(count - first));
    let crowds = (0..count).step_by(THREADS as usize).map(crowd).collect::<Result<Vec<_>>>()?;
    server.wait_until_held()?;
    // Made last: who is early in the kernel's tables may be found sooner.
    let measure = || -> Result<()> {
        let mut line = Line::open(server)?;
        line.measure(1)?;
        line.close()
    };
    let last = Builder::new().hart(0).spawn(|| assert_eq!(measure(), Ok(()), "the last client"));
    last?.join()?;
    for crowd in crowds {
        // All of it was blocked until the server ended.
        assert_eq!(crowd.wait()?, ExitStatus::Exited(0), "{name}: clients that were blocked");
    }
    Ok(())
}

/// A process of so many clients.
fn start(server: &Server, threads: u64) -> Result<Child> {
    let words = [("pid", server.pid()), ("chid", server.chid()), ("threads", threads)];
    let program = Program::new(NAME).arg("blocked").hart(0);
    { words.iter() }.fold(program, |it, (key, value)| it.arg(&format!("{key}={value}"))).spawn()
}

/// That process: fails unless each of them was blocked until the server ended.
pub(crate) fn blocked_clients(args: Args) -> Result<()> {
    let number = |key| args.number(key, 0_u64).map_err(|_| Errno::EINVAL);
    let (pid, chid) = (number("pid")?, number("chid")?);
    let client = move || {
        let answered = Connection::attach(pid, chid).and_then(|it| it.send(&[], &mut []));
        assert_eq!(answered, Err(Errno::ESRCH), "a client that was never answered");
    };
    let mut clients = Vec::new();
    for _ in 0..number("threads")? {
        clients.push(Builder::new().stack(STACK).hart(0).spawn(client)?);
    }
    clients.into_iter().try_for_each(JoinHandle::join)
}

/// With channels and connections of both processes that nobody uses.
fn present() -> Result<()> {
    let way = Way { channels: CHANNELS, ..empty(PRESENT, TIMES) };
    let (idle, server) = (Server::start(&way)?, Server::start(&way)?);
    let (pid, chids) = (server.pid(), server.chids.clone());
    // The one that is used is attached after three quarters of the others.
    let (before, after) = chids.split_at(chids.len() / 2);
    let mut others = attach(idle.pid(), &idle.chids)?;
    others.extend(attach(pid, before)?);
    let mut line = Line::open(server)?;
    others.extend(attach(pid, &after[1..])?);
    assert_eq!(others.len() as u64 + 1, 2 * CHANNELS, "{PRESENT}: connections");
    line.measure(1)?;
    // Connections and channels were there to the end. The last first: what the servers
    // keep of them need not be moved.
    others.into_iter().rev().try_for_each(Connection::detach)?;
    drop((attach(idle.pid(), &idle.chids)?, attach(pid, &chids)?));
    line.close()?;
    idle.end()
}

/// A connection to each channel.
fn attach(pid: u64, chids: &[u64]) -> Result<Vec<Connection>> {
    chids.iter().map(|chid| Connection::attach(pid, *chid)).collect()
}
