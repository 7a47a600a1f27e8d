// SPDX-License-Identifier: Apache-2.0
//! The first process: starts the others, collects, and adds up.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::measure::figure;
use skimmer_rt::process::{Child, ExitStatus};
use skimmer_rt::report::{Check, Report, report};
use skimmer_rt::{Errno, Result as Called, env, process, thread};

use crate::beside;
use crate::collector::{Collected, Collector};
use crate::histogram::Histogram;
use crate::note::{self, Bill, ENDED, STOP, WHERE};
use crate::sizes::{Address, Sizes};

/// What came of the servers.
struct Served {
    bill: Bill,
    /// Messages that each received.
    received: Vec<u64>,
}

pub(crate) fn run(sizes: &Sizes) -> Result<(), String> {
    let said = |errno: Errno| errno.to_string();
    let channel = Channel::create(ChannelFlags::NONE).map_err(said)?;
    let home = Address { pid: process::id().map_err(said)?.number(), chid: channel.id().number() };
    let sizes = *sizes;
    let warden = thread::spawn(move || warden(sizes, home)).map_err(said)?;
    let beside = (sizes.chanstorm > 0).then(|| thread::spawn(move || beside::run(sizes, home)));
    let beside = beside.transpose().map_err(said)?;
    let collected = Collector::new(&sizes, home.chid, sizes.servers as usize).collect();
    let served = warden.join().map_err(said)?;
    let beside = beside.map(|thread| thread.join()).transpose().map_err(said)?;
    channel.destroy().map_err(said)?;
    settle(&sizes, collected, &served, beside)
}

/// Adds up, and tells.
fn settle(
    sizes: &Sizes,
    collected: Collected,
    served: &Served,
    beside: Option<Bill>,
) -> Result<(), String> {
    let Collected { mut bill, counts: sent, times, runs, least } = collected;
    let clients = bill;
    bill.add(&served.bill);
    if let Some(beside) = beside {
        bill.add(&beside);
        bill.check(Check::GoesOnBeside, least > 0, format_args!("{least} runs between two looks"));
    }
    let due = sizes.clients * sizes.rounds;
    let why = format_args!("sent {sent:?}, received {:?}, {due} were due", served.received);
    let is_right = sent == served.received && clients.messages == due;
    bill.check(Check::CountsAgree, is_right, why);
    let why = format_args!("{} and {}", clients.verified, served.bill.verified);
    let is_right = (clients.verified, served.bill.verified) == (due, due);
    bill.check(Check::CountsAgree, is_right, why);
    tell_times(&times, runs, least)?;
    let Bill { looks, exact, .. } = served.bill;
    figure("ipcstorm/exact", looks, exact, None).map_err(|errno| errno.to_string())?;
    let Bill { errors, failed, digest, .. } = bill;
    let told = report(&Report { verified: 0, errors, digest, failed });
    told.map_err(|errno| format!("the report: {errno}"))?;
    if errors > 0 {
        return Err(format!("{errors} errors, {} messages verified", clients.verified));
    }
    Ok(())
}

/// Tells how long round trips took, and how often `chanstorm` ran.
pub(crate) fn tell_times(times: &Histogram, runs: u64, least: u64) -> Result<(), String> {
    let count = times.count();
    let told = [
        ("ipcstorm/least", count, times.least()),
        ("ipcstorm/median", count, times.quantile(50)),
        ("ipcstorm/percent99", count, times.quantile(99)),
        ("ipcstorm/most", count, times.most()),
        ("ipcstorm/chanstorm", runs, least),
    ];
    for (name, operations, value) in told {
        figure(name, operations, value, None).map_err(|errno| format!("{name}: {errno}"))?;
    }
    Ok(())
}

/// Starts servers and clients, and waits until they have ended.
fn warden(sizes: Sizes, home: Address) -> Served {
    let mut served = Served { bill: Bill::default(), received: Vec::new() };
    if let Err(errno) = all_children(&sizes, home, &mut served) {
        served.bill.fail(Check::ResultAllowed, format_args!("the children: {errno}"));
    }
    let ended = Connection::attach(home.pid, home.chid)
        .and_then(|home| home.send(&note::bytes(&[ENDED]), &mut []));
    served.bill.check(Check::ResultAllowed, ended.is_ok(), format_args!("the end: {ended:?}"));
    served
}

fn all_children(sizes: &Sizes, home: Address, served: &mut Served) -> Called<()> {
    let of_home = |role, number| sizes.program(role, number).arg(&format!("home={}", home.text()));
    let server = |number| of_home("server", number).hart(number % env::harts()).spawn();
    let servers: Vec<Child> = (0..sizes.servers).map(server).collect::<Called<_>>()?;
    let own = Connection::attach(home.pid, home.chid)?;
    let at: Vec<Address> =
        (0..sizes.servers).map(|server| place_of(&own, server)).collect::<Called<_>>()?;
    let all: Vec<String> = at.iter().map(|at| at.text()).collect();
    let all = all.join(",");
    // A client is not on its first server's hart.
    let client = |number| {
        let program = of_home("client", number).arg(&format!("at={all}"));
        program.hart((number + 1) % env::harts()).spawn()
    };
    let clients: Vec<Child> = (0..sizes.clients).map(client).collect::<Called<_>>()?;
    wait(clients, "client", &mut served.bill);
    for server in &at {
        served.received.push(stop(sizes, *server, &mut served.bill)?);
    }
    wait(servers, "server", &mut served.bill);
    Ok(())
}

/// Waits for each of them, which must end well.
fn wait(children: Vec<Child>, role: &str, bill: &mut Bill) {
    for (number, child) in children.into_iter().enumerate() {
        let ended = child.wait();
        let is_good = ended == Ok(ExitStatus::Exited(0));
        bill.check(Check::CallEnds, is_good, format_args!("{role} {number}: {ended:?}"));
    }
}

/// Where that server is.
fn place_of(own: &Connection, server: u64) -> Called<Address> {
    let mut answer = [0; 2 * size_of::<u64>()];
    own.send(&note::bytes(&[WHERE, server]), &mut answer)?;
    let mut words = note::words(&answer);
    let mut word = || words.next().unwrap_or_default();
    Ok(Address { pid: word(), chid: word() })
}

/// Stops each thread of a server: the messages that they received.
fn stop(sizes: &Sizes, server: Address, bill: &mut Bill) -> Called<u64> {
    let connection = Connection::attach(server.pid, server.chid)?;
    let mut received = 0;
    for _ in 0..sizes.threads {
        let mut answer = [0; Bill::WORDS * size_of::<u64>()];
        connection.send(&note::bytes(&[STOP, 0, 0, 0]), &mut answer)?;
        let told = Bill::read(&mut note::words(&answer)).unwrap_or_default();
        received += told.messages;
        bill.add(&told);
    }
    Ok(received)
}
