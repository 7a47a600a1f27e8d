// SPDX-License-Identifier: Apache-2.0
//! The first process of a storm with deaths: each server is followed by another, each
//! client has so many lives.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::measure::figure;
use skimmer_rt::process::Program;
use skimmer_rt::report::{Check, Report, report};
use skimmer_rt::{Errno, Result as Called, env, process, thread};

use super::kinds::Kind;
use super::reaper::{self, Family};
use super::wrong;
use crate::beside;
use crate::collector::{Collected, Collector};
use crate::note::{self, Bill, ENDED};
use crate::parent::tell_times;
use crate::sizes::{Address, Sizes};

/// What all threads here share.
struct Storm {
    sizes: Sizes,
    home: Address,
    servers: Family,
    clients: Family,
    is_over: AtomicBool,
}

pub(crate) fn run(sizes: &Sizes) -> Result<(), String> {
    let said = |errno: Errno| errno.to_string();
    let channel = Channel::create(ChannelFlags::NONE).map_err(said)?;
    let home = Address { pid: process::id().map_err(said)?.number(), chid: channel.id().number() };
    let sizes = *sizes;
    let storm = Arc::new(Storm {
        sizes,
        home,
        servers: Family::of(sizes.servers),
        clients: Family::of(sizes.clients),
        is_over: AtomicBool::new(false),
    });
    let warden = thread::spawn(move || warden(&storm)).map_err(said)?;
    let beside = (sizes.chanstorm > 0).then(|| thread::spawn(move || beside::run(sizes, home)));
    let beside = beside.transpose().map_err(said)?;
    let collected = Collector::new(&sizes, home.chid, Kind::ALL.len()).collect();
    warden.join().map_err(said)?;
    let beside = beside.map(|thread| thread.join()).transpose().map_err(said)?;
    channel.destroy().map_err(said)?;
    settle(collected, beside)
}

/// Adds up, and tells.
fn settle(collected: Collected, beside: Option<Bill>) -> Result<(), String> {
    let Collected { mut bill, counts, times, runs, least } = collected;
    if let Some(beside) = beside {
        bill.add(&beside);
        bill.check(Check::GoesOnBeside, least > 0, format_args!("{least} runs between two looks"));
    }
    tell_times(&times, runs, least)?;
    for ((_, name), count) in Kind::ALL.into_iter().zip(counts) {
        figure(name, count, 0, None).map_err(|errno| format!("{name}: {errno}"))?;
    }
    let Bill { errors, failed, .. } = bill;
    let told = report(&Report { verified: 0, errors, digest: 0, failed });
    told.map_err(|errno| format!("the report: {errno}"))?;
    if errors > 0 { Err(format!("{errors} errors")) } else { Ok(()) }
}

/// Begins all of it, and ends it when each client has had its lives.
fn warden(storm: &Arc<Storm>) {
    let keep = |count: u64, keep: fn(&Storm, u64)| -> Vec<_> {
        let start = |place| {
            let storm = Arc::clone(storm);
            thread::spawn(move || keep(&storm, place))
        };
        (0..count).map(start).collect()
    };
    let join = |threads: Vec<Called<thread::JoinHandle<()>>>| {
        for thread in threads {
            let came = thread.and_then(|thread| thread.join());
            if came.is_err() {
                wrong(Check::ResultAllowed, format_args!("a thread of the first: {came:?}"));
            }
        }
    };
    let servers = keep(storm.sizes.servers, keep_server);
    let clients = keep(storm.sizes.clients, keep_client);
    let reaper = keep(1, |storm, _| {
        reaper::reap(&storm.servers, &storm.clients, &storm.is_over, storm.sizes.seed);
    });
    join(clients);
    storm.is_over.store(true, Ordering::Relaxed);
    join(reaper);
    (0..storm.sizes.servers).for_each(|place| storm.servers.kill(place));
    join(servers);
    let ended = Connection::attach(storm.home.pid, storm.home.chid)
        .and_then(|home| home.send(&note::bytes(&[ENDED]), &mut []));
    if ended.is_err() {
        wrong(Check::ResultAllowed, format_args!("the end: {ended:?}"));
    }
}

/// One server after the other, until it is over.
fn keep_server(storm: &Storm, place: u64) {
    let mut life = 0;
    while !storm.is_over.load(Ordering::Relaxed) {
        one(storm, &storm.servers, ("server", place, life));
        life += 1;
    }
}

/// A client's lives, one after the other.
fn keep_client(storm: &Storm, place: u64) {
    for life in 0..storm.sizes.deaths {
        if one(storm, &storm.clients, ("client", place, life)) {
            let _ = report(&Report { verified: 1, ..Report::default() });
        }
    }
}

/// One life. Whether it ended as it may.
fn one(storm: &Storm, family: &Family, (role, place, life): (&str, u64, u64)) -> bool {
    let program: Program = storm.sizes.program(role, place);
    let program = program.arg(&format!("life={life}")).arg(&format!("home={}", storm.home.text()));
    let hart = (place + life) % env::harts();
    let ended = program.hart(hart).spawn().and_then(|child| {
        family.born(place, child.id());
        if storm.is_over.load(Ordering::Relaxed) {
            // It was born while the others were killed.
            family.kill(place);
        }
        child.wait()
    });
    let is_good = ended.is_ok_and(|how| family.ended(place, how));
    if !is_good {
        wrong(Check::CallEnds, format_args!("{role} {place}: {ended:?}"));
    }
    is_good
}
