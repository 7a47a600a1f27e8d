// SPDX-License-Identifier: Apache-2.0
//! `flood`: every hart fills its rings to every other at once, with several
//! times more messages in flight than a ring has slots. Nothing may be lost,
//! doubled or reordered between a pair, and nobody may wait for ever.

use alloc::vec::Vec;

use skimmer_core::{cmdline::CommandLine, ids::ThreadId, remote::RING_SLOTS};

use super::{Report, announce, failed, mix, spawn};
use crate::{lwkt, smp};

/// Messages that each flooder sends, unless the command line gives a total.
const EACH: u64 = 1_000;

/// Messages that each flooder has in flight: four rings full.
const WINDOW: u64 = 4 * RING_SLOTS as u64;

const DATA: u64 = 1;
const STOP: u64 = 2;

/// The sink is less urgent than the flooder, so that rings and ports fill.
const FLOODER_PRIORITY: u8 = 110;
const SINK_PRIORITY: u8 = 90;

pub(super) fn run(line: &CommandLine<'_>) -> Report {
    let services = smp::services();
    let harts = services.len() as u64;
    let each = line.rounds.map_or(EACH, |total| total.div_ceil(harts));
    announce(line, services.len(), each * harts);
    let sinks: Vec<ThreadId> =
        services.iter().map(|service| spawn(*service, "sink", SINK_PRIORITY, sink)).collect();
    let collector = lwkt::current();
    let seed = line.seed;
    let flooders: Vec<ThreadId> = (0..harts)
        .zip(services)
        .map(|(number, service)| {
            let flooder = Flooder { number, seed, count: each, sinks: sinks.clone(), collector };
            spawn(*service, "flooder", FLOODER_PRIORITY, move || flooder.run())
        })
        .collect();
    sinks.iter().chain(&flooders).copied().for_each(lwkt::schedule);
    let mut report = Report::default();
    for _ in &flooders {
        let done = lwkt::receive();
        let words = done.payload().words();
        report.verified += words[0];
        report.errors += words[1];
        lwkt::reply(done, 0);
    }
    let mut sunk = 0;
    for sink in sinks {
        let words = lwkt::call(sink, lwkt::message([STOP, 0, 0, 0, 0, 0, 0, 0])).words();
        sunk += words[0];
        report.errors += words[1];
    }
    let asked = each * harts;
    report.errors += failed("the sinks got every message", sunk == asked);
    report.errors += failed("the flooders verified every reply", report.verified == asked);
    report
}

/// Checks that each flooder's messages to this sink come in order.
fn sink() {
    let (mut count, mut errors) = (0, 0);
    let mut next: Vec<u64> = alloc::vec![0; smp::services().len()];
    loop {
        let mut message = lwkt::receive();
        let [kind, from, sequence, data, ..] = message.payload().words();
        if kind == STOP {
            message.answer([count, errors, 0, 0, 0, 0, 0, 0]);
            lwkt::reply(message, 0);
            return;
        }
        let expected = usize::try_from(from).ok().and_then(|from| next.get_mut(from));
        let is_next = expected.as_deref() == Some(&sequence);
        expected.into_iter().for_each(|expected| *expected += u64::from(is_next));
        errors += failed("messages of a pair arrive in order", is_next);
        count += 1;
        message.answer([mix(data), from, sequence, 0, 0, 0, 0, 0]);
        lwkt::reply(message, 0);
        lwkt::count_work();
    }
}

struct Flooder {
    number: u64,
    seed: u64,
    count: u64,
    sinks: Vec<ThreadId>,
    collector: ThreadId,
}

impl Flooder {
    fn run(self) {
        let (mut verified, mut errors) = (0, 0);
        let mut sequences: Vec<u64> = alloc::vec![0; self.sinks.len()];
        let mut sent = 0;
        while sent < self.count {
            let burst = WINDOW.min(self.count - sent);
            let mut tickets = Vec::new();
            for number in sent..sent + burst {
                let data = mix(self.seed ^ mix(self.number) ^ number);
                // The neighbour gets most of it, so that two fill each other's
                // rings; the rest goes everywhere.
                let step = if data.is_multiple_of(4) { data >> 8 } else { 1 };
                let target = (self.number.wrapping_add(step) % self.sinks.len() as u64) as usize;
                let sequence = sequences[target];
                sequences[target] += 1;
                let words = [DATA, self.number, sequence, data, 0, 0, 0, 0];
                let ticket = lwkt::send(self.sinks[target], lwkt::message(words));
                tickets.push((ticket, mix(data), sequence));
            }
            for (ticket, result, sequence) in tickets {
                let reply = lwkt::wait(ticket);
                let expected = (result, self.number, sequence);
                let [result, from, echoed, ..] = reply.words();
                let is_right = reply.status() == 0 && (result, from, echoed) == expected;
                verified += u64::from(is_right);
                errors += failed("a reply is what the sink must have computed", is_right);
            }
            sent += burst;
        }
        let _ = lwkt::call(self.collector, lwkt::message([verified, errors, 0, 0, 0, 0, 0, 0]));
    }
}
