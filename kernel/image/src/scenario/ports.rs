// SPDX-License-Identifier: Apache-2.0
//! `ports`: one server on the boot hart, a client on every other hart, and
//! synchronous round trips between them. The client knows what the server must
//! have computed, for whom, and in which order.

use alloc::vec::Vec;

use skimmer_core::{cmdline::CommandLine, ids::ThreadId};

use super::{Report, announce, failed, mix, spawn};
use crate::{lwkt, smp};

/// Round trips in all, unless the command line says otherwise.
const ROUNDS: u64 = 14;

const ASK: u64 = 1;
const STOP: u64 = 2;

const SERVER_PRIORITY: u8 = 120;
const CLIENT_PRIORITY: u8 = 110;

pub(super) fn run(line: &CommandLine<'_>) -> Report {
    let (first, others) = match smp::services() {
        [first, others @ ..] => (*first, others),
        [] => unreachable!("the boot hart is up"),
    };
    let clients = match (others.len(), line.clients) {
        (0, _) => 0,
        (harts, None) => harts,
        (_, Some(clients)) => clients as usize,
    };
    let rounds = if clients == 0 { 0 } else { line.rounds.unwrap_or(ROUNDS) };
    if others.is_empty() {
        skimmer_arch::println!("ports: one hart and so no clients; nothing to send");
    }
    announce(line, clients, rounds);
    let server = spawn(first, "server", SERVER_PRIORITY, serve);
    lwkt::schedule(server);
    let (seed, collector) = (line.seed, lwkt::current());
    let ids: Vec<ThreadId> = (0..clients as u64)
        .zip(others.iter().cycle())
        .map(|(number, service)| {
            let share = share(rounds, clients as u64, number);
            let client = Client { number, seed, share, server, collector };
            spawn(*service, "client", CLIENT_PRIORITY, move || client.run())
        })
        .collect();
    ids.iter().copied().for_each(lwkt::schedule);
    let mut report = collect(clients);
    let served = lwkt::call(server, lwkt::message([STOP, 0, 0, 0, 0, 0, 0, 0])).words()[0];
    report.errors += failed("the server served every round", served == rounds);
    report.errors += failed("the clients verified every round", report.verified == rounds);
    report
}

/// Adds up what the clients report when they are done.
fn collect(clients: usize) -> Report {
    let mut report = Report::default();
    for _ in 0..clients {
        let done = lwkt::receive();
        let words = done.payload().words();
        report.verified += words[0];
        report.errors += words[1];
        lwkt::reply(done, 0);
    }
    report
}

/// The part of `rounds` that falls to a client: as equal as whole numbers go.
const fn share(rounds: u64, clients: u64, number: u64) -> u64 {
    rounds / clients + if number < rounds % clients { 1 } else { 0 }
}

/// What the server makes of a request, and the client checks.
const fn answer(client: u64, sequence: u64, data: u64) -> u64 {
    mix(mix(client) ^ mix(sequence).rotate_left(17) ^ data)
}

fn serve() {
    let mut served = 0;
    loop {
        let mut request = lwkt::receive();
        let [kind, client, sequence, data, ..] = request.payload().words();
        if kind == STOP {
            request.answer([served, 0, 0, 0, 0, 0, 0, 0]);
            lwkt::reply(request, 0);
            return;
        }
        served += 1;
        let result = answer(client, sequence, data);
        request.answer([result, client, sequence, 0, 0, 0, 0, 0]);
        lwkt::reply(request, 0);
        lwkt::count_work();
    }
}

struct Client {
    number: u64,
    seed: u64,
    share: u64,
    server: ThreadId,
    collector: ThreadId,
}

impl Client {
    fn run(self) {
        let (mut verified, mut errors) = (0, 0);
        let mut message = lwkt::message([0; 8]);
        for sequence in 0..self.share {
            let data = mix(self.seed ^ mix(self.number) ^ sequence);
            message.set_words([ASK, self.number, sequence, data, 0, 0, 0, 0]);
            let reply = lwkt::call(self.server, message);
            let [result, client, echoed, ..] = reply.words();
            let expected = (answer(self.number, sequence, data), self.number, sequence);
            let is_right = reply.status() == 0 && (result, client, echoed) == expected;
            verified += u64::from(is_right);
            errors += failed("a reply is what the server must have computed", is_right);
            // The seed decides where clients fall out of step.
            for _ in 0..data % 4 {
                lwkt::yield_now();
            }
            message = reply.into_idle();
        }
        message.set_words([verified, errors, 0, 0, 0, 0, 0, 0]);
        let _ = lwkt::call(self.collector, message);
    }
}
