// SPDX-License-Identifier: Apache-2.0
//! Pairs of a client and a server, each on a hart of its own, all at it at the same
//! time.
//!
//! An emulator whose harts take turns passes over the next hart when a turn ends by
//! its clock (QEMU 7.2). So where there are harts enough, one that sleeps is between
//! two that have a pair, and all get on at once.
//!
//! The first process tells all clients when to begin, and hears from each when it was
//! at it. They wait for a time, not for a message of its own each: who gets one goes
//! on while the others still sleep. What is told is the instructions that the machine
//! executed while at least one of them was: a hart whose pair is done sleeps, and
//! executes none.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::message::{self, ReceiveId, states};
use skimmer_rt::process::{self, Child, ExitStatus, Program};
use skimmer_rt::{Args, Errno, Result, env, time};

use super::messages::{Line, Server, Way, empty};
use super::{NAME, covered, step, tell_in_steps};

/// Round trips of each pair: more than a hart's turn of the emulator is long.
const EACH: u64 = 2_000;

/// The time that all clients have to hear when to begin.
const BEFORE: Duration = Duration::from_millis(200);

/// Measures so many pairs. How many figures were told.
pub(crate) fn all(pairs: u64) -> Result<u64> {
    let step = step();
    let home = Channel::create(ChannelFlags::NONE)?;
    let clients = harts_of(pairs).map(|hart| start(&home, hart)).collect::<Result<Vec<_>>>()?;
    let mut ready = Vec::new();
    hear(&home, pairs, &mut ready)?;
    tell_in_steps(&format!("pairs-{pairs}"), EACH, (pairs, 0), step, |n| {
        let spans = round(&home, &mut ready, n);
        let mut spans = spans.unwrap_or_else(|errno| panic!("a round of pairs: {errno}"));
        assert!(n < EACH || is_at_once(&spans), "pairs came one after the other");
        covered(&mut spans)
    })?;
    dismiss(&ready, 0)?;
    for client in clients {
        // It has verified its messages.
        assert_eq!(client.wait()?, ExitStatus::Exited(0), "the client of a pair");
    }
    Ok(1)
}

/// Where so many pairs are: as far apart as can be. More than there are harts cannot be
/// started.
fn harts_of(pairs: u64) -> impl Iterator<Item = u64> {
    let apart = env::harts().saturating_sub(1) / pairs.saturating_sub(1).max(1);
    (0..pairs).map(move |pair| pair * apart.max(1))
}

fn start(home: &Channel, hart: u64) -> Result<Child> {
    let (pid, chid) = (process::id()?.number(), home.id().number());
    let words = [("pid", pid), ("chid", chid), ("hart", hart)];
    let program = Program::new(NAME).arg("pair").hart(hart);
    { words.iter() }.fold(program, |it, (key, value)| it.arg(&format!("{key}={value}"))).spawn()
}

/// Has every client make so many round trips. When each was at it.
fn round(home: &Channel, ready: &mut Vec<ReceiveId>, n: u64) -> Result<Vec<(u64, u64)>> {
    dismiss(ready, n)?;
    let clients = ready.len() as u64;
    ready.clear();
    hear(home, clients, ready)
}

/// Has each make so many, all from the same time on.
fn dismiss(ready: &[ReceiveId], n: u64) -> Result<()> {
    let begin = nanoseconds(time::now() + BEFORE).to_le_bytes();
    ready.iter().try_for_each(|client| message::reply(client.number(), n.cast_signed(), &begin))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Waits for so many clients that are ready. When each was at it.
fn hear(home: &Channel, clients: u64, ready: &mut Vec<ReceiveId>) -> Result<Vec<(u64, u64)>> {
    let one = |_| {
        let mut words = [0; 16];
        ready.push(message::receive(home.id().number(), &mut words)?.id);
        let (words, _) = words.as_chunks();
        Ok((u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])))
    };
    (0..clients).map(one).collect()
}

/// Whether there was a time when all were at it.
fn is_at_once(spans: &[(u64, u64)]) -> bool {
    let last_start = spans.iter().map(|(start, _)| *start).max();
    let first_end = spans.iter().map(|(_, end)| *end).min();
    last_start < first_end
}

/// The client of a pair.
pub(crate) fn pair(args: Args) -> Result<()> {
    let number = |key| args.number(key, 0_u64).map_err(|_| Errno::EINVAL);
    let home = Connection::attach(number("pid")?, number("chid")?)?;
    let way = Way { hart: number("hart")?, ..empty("a pair", EACH) };
    let mut line = Line::open(Server::start(&way)?)?;
    let nobody_knows = Channel::create(ChannelFlags::NONE)?;
    let (mut span, mut begin) = ((0_u64, 0_u64), [0; 8]);
    loop {
        let words = [span.0.to_le_bytes(), span.1.to_le_bytes()];
        match home.send(words.as_flattened(), &mut begin)?.cast_unsigned() {
            0 => return line.close(),
            n => {
                sleep_until(&nobody_knows, u64::from_le_bytes(begin))?;
                span = line.run(n);
            }
        }
    }
}

/// Sleeps until so many nanoseconds after boot, at a channel where nothing comes.
fn sleep_until(channel: &Channel, time: u64) -> Result<()> {
    message::timeout_at(states::RECEIVE, time)?;
    match channel.receive(&mut []) {
        Err(Errno::ETIMEDOUT) => Ok(()),
        other => other.map(|_| ()),
    }
}
