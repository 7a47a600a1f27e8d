// SPDX-License-Identifier: Apache-2.0
//! `msgstorm`: servers and clients on all harts, and every client talks to
//! every server: 8 servers × 8 clients × 128 rounds unless told otherwise.
//! Each message carries its sender, a sequence number and a checksum; both
//! sides verify, and a watcher on each hart sees that nobody starves.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use skimmer_arch::time;
use skimmer_core::{cmdline::CommandLine, ids::ThreadId};

use super::{Report, announce, failed, mix, spawn};
use crate::{lwkt, smp};

const SERVERS: u32 = 8;
const CLIENTS: u32 = 8;
/// Round trips between each client and each server.
const ROUNDS: u64 = 128;

const ASK: u64 = 1;
const STOP: u64 = 2;

const WATCHER_PRIORITY: u8 = 240;
const LOWEST_PRIORITY: u8 = 100;

/// The watcher wakes a thousand times in a second.
const WATCHES_PER_SECOND: u64 = 1_000;
/// A watcher that is so late that a less urgent thread of its hart sees it has
/// starved. In seconds of guest time: emulated timers are late by what the host
/// makes of them, not by what the kernel does.
const STARVED_SECONDS: u64 = 2;

/// What a watcher shows to the threads of its hart.
#[derive(Debug, Default)]
struct Watch {
    is_over: AtomicBool,
    next: AtomicU64,
}

pub(super) struct Storm {
    /// Whether clients go on when they have done their rounds.
    goes_on: AtomicBool,
    /// Clients that have done a round.
    begun: AtomicU64,
    /// Round trips of all clients, counted a round at a time.
    done: AtomicU64,
    seed: u64,
    clients: u64,
    rounds: u64,
    servers: Vec<ThreadId>,
    watches: &'static [Watch],
    watchers: Vec<ThreadId>,
    collector: ThreadId,
}

pub(super) fn run(line: &CommandLine<'_>) -> Report {
    let clients = line.clients.unwrap_or(CLIENTS);
    let servers = line.servers.unwrap_or(SERVERS);
    let pairs = u64::from(clients) * u64::from(servers);
    let rounds = line.rounds.map_or(ROUNDS, |total| total.div_ceil(pairs.max(1)));
    announce(line, clients as usize, pairs * rounds);
    start(line.seed, clients, servers, rounds, false).finish()
}

/// The usual storm, which goes on until it is finished; returns when every client
/// has done a round.
pub(super) fn start_endless(seed: u64) -> &'static Storm {
    let storm = start(seed, CLIENTS, SERVERS, 1, true);
    while storm.begun.load(Ordering::Relaxed) < storm.clients {
        lwkt::sleep_until(time::now() + time::ticks_per_second() / WATCHES_PER_SECOND);
    }
    storm
}

/// Starts so many threads, each client with so many rounds with each server.
fn start(seed: u64, clients: u32, servers: u32, rounds: u64, goes_on: bool) -> &'static Storm {
    let services = smp::services();
    let watches: &'static [Watch] = Box::leak(services.iter().map(|_| Watch::default()).collect());
    let watchers = start_watchers(services, watches);
    let places = || (0..u64::MAX).zip(services.iter().copied().enumerate().cycle());
    let servers: Vec<ThreadId> = places()
        .take(servers as usize)
        .map(|(number, (hart, service))| {
            let serve = move || serve(u64::from(clients), &watches[hart]);
            spawn(service, "storm-server", priority(seed, number), serve)
        })
        .collect();
    let storm: &'static Storm = Box::leak(Box::new(Storm {
        goes_on: AtomicBool::new(goes_on),
        begun: AtomicU64::new(0),
        done: AtomicU64::new(0),
        seed,
        clients: u64::from(clients),
        rounds,
        servers,
        watches,
        watchers,
        collector: lwkt::current(),
    }));
    // A client is not on its first server's hart.
    let threads: Vec<ThreadId> = places()
        .skip(1)
        .take(clients as usize)
        .map(|(number, (hart, service))| {
            let storm = move || storm.client(number - 1, hart);
            spawn(service, "storm-client", priority(!seed, number), storm)
        })
        .collect();
    storm.servers.iter().chain(&threads).copied().for_each(lwkt::schedule);
    storm
}

/// Mixed, so that some preempt others; the seed decides who.
const fn priority(seed: u64, number: u64) -> u8 {
    LOWEST_PRIORITY + (mix(seed ^ number) % 32) as u8
}

impl Storm {
    /// Round trips so far, the rounds that clients are in left out.
    pub(super) fn count(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits for the end, or brings it about: what came of it.
    pub(super) fn finish(&self) -> Report {
        self.goes_on.store(false, Ordering::Relaxed);
        let mut report = self.collect();
        // Each watcher was made and is stopped.
        report.messages = report.messages.map(|messages| messages + 2 * self.watchers.len() as u64);
        let blind = stop_watchers(self.watches, &self.watchers);
        report.errors += blind + failed("every watcher watched", blind == 0);
        report
    }

    /// Adds up what both sides report, which must agree.
    fn collect(&self) -> Report {
        let mut report = Report::default();
        for _ in 0..self.clients {
            let done = lwkt::receive();
            let [verified, errors, ..] = done.payload().words();
            report.verified += verified;
            report.errors += errors;
            lwkt::reply(done, 0);
        }
        let mut served = 0;
        for server in &self.servers {
            let reply = lwkt::call(*server, lwkt::message([STOP, 0, 0, 0, 0, 0, 0, 0]));
            let [count, errors, ..] = reply.words();
            served += count;
            report.errors += errors;
        }
        // Each thread was made, and a client tells its end, a server is stopped.
        let threads = self.clients + self.servers.len() as u64;
        report.messages = Some(served + 2 * threads);
        let asked = self.clients * self.servers.len() as u64 * self.rounds;
        report.errors += failed("the servers served every round", served == report.verified);
        report.errors += failed("the clients verified every round", report.verified >= asked);
        report
    }

    fn client(&self, number: u64, hart: usize) {
        let (mut verified, mut errors) = (0, 0);
        let mut message = lwkt::message([0; 8]);
        let mut round = 0;
        while round < self.rounds || self.goes_on.load(Ordering::Relaxed) {
            // Each client goes round the servers in a direction of its own.
            let first = mix(self.seed ^ mix(number) ^ round);
            for step in 0..self.servers.len() as u64 {
                let at = (first % 1024 + step) as usize % self.servers.len();
                let data = mix(first ^ step);
                let check = checksum(number, round, data);
                message.set_words([ASK, number, round, data, check, 0, 0, 0]);
                let reply = lwkt::call(self.servers[at], message);
                let [result, echoed, sequence, answer, ..] = reply.words();
                let is_right = (reply.status(), result, echoed, sequence)
                    == (0, mix(data), number, round)
                    && answer == checksum(echoed, sequence, result);
                verified += u64::from(is_right);
                errors += failed("a reply is what the server must have computed", is_right);
                #[cfg(feature = "bug-hot-print")]
                skimmer_arch::println!("client {number}: round {round} done");
                message = reply.into_idle();
                if data.is_multiple_of(8) {
                    lwkt::yield_now();
                }
            }
            errors += failed("no watcher starves", !self.watches[hart].has_starved());
            round += 1;
            self.done.fetch_add(self.servers.len() as u64, Ordering::Relaxed);
            if round == 1 {
                self.begun.fetch_add(1, Ordering::Relaxed);
            }
        }
        message.set_words([verified, errors, 0, 0, 0, 0, 0, 0]);
        let _ = lwkt::call(self.collector, message);
    }
}

const fn checksum(sender: u64, sequence: u64, data: u64) -> u64 {
    mix(mix(sender).rotate_left(21) ^ mix(sequence).rotate_left(42) ^ data)
}

/// Serves every client's messages in the order of its sequence numbers.
fn serve(clients: u64, watch: &Watch) {
    #[cfg(feature = "bug-stack-stomp")]
    super::faults::overrun_stack();
    let (mut count, mut errors) = (0, 0);
    let mut next: Vec<u64> = (0..clients).map(|_| 0).collect();
    loop {
        let mut request = lwkt::receive();
        let [kind, sender, sequence, data, check, ..] = request.payload().words();
        if kind == STOP {
            request.answer([count, errors, 0, 0, 0, 0, 0, 0]);
            lwkt::reply(request, 0);
            return;
        }
        let expected = usize::try_from(sender).ok().and_then(|sender| next.get_mut(sender));
        let is_next = expected.as_deref() == Some(&sequence);
        expected.into_iter().for_each(|expected| *expected += u64::from(is_next));
        errors += failed("a client's messages arrive in order", is_next);
        errors += failed("a message is whole", check == checksum(sender, sequence, data));
        errors += failed("no watcher starves", !watch.has_starved());
        count += 1;
        let result = mix(data);
        let answer = checksum(sender, sequence, result);
        request.answer([result, sender, sequence, answer, 0, 0, 0, 0]);
        lwkt::reply(request, 0);
        lwkt::count_work();
        lwkt::count(|hart| &hart.storm, 1);
    }
}

fn start_watchers(services: &[ThreadId], watches: &'static [Watch]) -> Vec<ThreadId> {
    let watchers: Vec<ThreadId> = services
        .iter()
        .zip(watches)
        .map(|(service, watch)| {
            watch.next.store(time::now(), Ordering::Relaxed);
            spawn(*service, "watcher", WATCHER_PRIORITY, || watch.run())
        })
        .collect();
    watchers.iter().copied().for_each(lwkt::schedule);
    watchers
}

/// Ends the watchers and counts those that never got to watch.
fn stop_watchers(watches: &[Watch], watchers: &[ThreadId]) -> u64 {
    for watch in watches {
        watch.is_over.store(true, Ordering::Relaxed);
    }
    let mut blind = 0;
    for watcher in watchers {
        let reply = lwkt::call(*watcher, lwkt::message([STOP, 0, 0, 0, 0, 0, 0, 0]));
        blind += u64::from(reply.status() != 0 || reply.words()[0] == 0);
    }
    blind
}

impl Watch {
    fn run(&self) {
        let mut watches = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            let next = time::now() + time::ticks_per_second() / WATCHES_PER_SECOND;
            self.next.store(next, Ordering::Relaxed);
            lwkt::sleep_until(next);
            watches += 1;
        }
        let mut stop = lwkt::receive();
        stop.answer([watches, 0, 0, 0, 0, 0, 0, 0]);
        lwkt::reply(stop, 0);
    }

    /// Whether a thread that is less urgent runs long after the watcher's time.
    fn has_starved(&self) -> bool {
        let late = time::now().saturating_sub(self.next.load(Ordering::Relaxed));
        !self.is_over.load(Ordering::Relaxed) && time::seconds(late) >= STARVED_SECONDS
    }
}
