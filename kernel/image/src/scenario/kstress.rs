// SPDX-License-Identifier: Apache-2.0
//! `kstress`: a ping-pong between two harts, beside any scenario, from before
//! its first operation to after its last. The count it reports is what both
//! sides agree on.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use alloc::boxed::Box;
use skimmer_core::ids::ThreadId;

use super::{failed, mix, spawn};
use crate::{lwkt, smp};

const PING: u64 = 1;
const STOP: u64 = 2;

/// Among the workloads' own, so that it neither starves nor is starved.
const PRIORITY: u8 = 110;

/// Messages beside the round trips: two threads are made, and beginning, stop
/// and end are told.
const MESSAGES: u64 = 5;

/// What the two sides and the one who stops them share.
#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    /// Round trips so far.
    rounds: AtomicU64,
}

/// A running ping-pong.
pub(super) struct Kstress {
    shared: &'static Shared,
}

/// What came of it.
pub(super) struct Tally {
    /// Round trips.
    pub(super) rounds: u64,
    /// Messages in all: those that made the two threads, its beginning, its
    /// round trips, its stop and its end.
    pub(super) messages: u64,
    /// Checks that failed, on either side.
    pub(super) errors: u64,
}

impl Kstress {
    /// Starts it between the last hart and the one before, and returns when the
    /// first round trip is done. One hart is refused: there are no two to go
    /// between, and on one it would keep everything less urgent from running.
    pub(super) fn start(seed: u64) -> Self {
        let [.., first, second] = smp::services() else {
            crate::refuse(&"kstress needs two harts");
        };
        let shared: &'static Shared = Box::leak(Box::default());
        let server = spawn(*second, "kstress-server", PRIORITY, serve);
        let collector = lwkt::current();
        let ping = move || ping(shared, server, collector, seed);
        let client = spawn(*first, "kstress-client", PRIORITY, ping);
        lwkt::schedule(server);
        lwkt::schedule(client);
        let begun = lwkt::receive();
        lwkt::reply(begun, 0);
        Self { shared }
    }

    /// Round trips so far.
    pub(super) fn count(&self) -> u64 {
        self.shared.rounds.load(Ordering::Relaxed)
    }

    /// Stops it. No round trip since `start` is an error: it did not run.
    pub(super) fn stop(self) -> Tally {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let ended = lwkt::receive();
        let [rounds, errors, ..] = ended.payload().words();
        lwkt::reply(ended, 0);
        let errors = errors + failed("kstress went on", rounds >= 2);
        Tally { rounds, messages: rounds + MESSAGES, errors }
    }
}

fn serve() {
    let mut expected = 0;
    let mut errors = 0;
    loop {
        let mut request = lwkt::receive();
        let [kind, sequence, data, ..] = request.payload().words();
        if kind == STOP {
            request.answer([expected, errors, 0, 0, 0, 0, 0, 0]);
            lwkt::reply(request, 0);
            return;
        }
        errors += failed("kstress: pings arrive in order", sequence == expected);
        expected = sequence + 1;
        request.answer([mix(data ^ sequence), sequence, 0, 0, 0, 0, 0, 0]);
        lwkt::reply(request, 0);
    }
}

fn ping(shared: &'static Shared, server: ThreadId, collector: ThreadId, seed: u64) {
    let (mut sequence, mut errors) = (0, 0);
    let mut message = lwkt::message([0; 8]);
    while !shared.is_over.load(Ordering::Relaxed) {
        let data = mix(seed ^ sequence);
        message.set_words([PING, sequence, data, 0, 0, 0, 0, 0]);
        let reply = lwkt::call(server, message);
        let [result, echoed, ..] = reply.words();
        let is_right = (result, echoed) == (mix(data ^ sequence), sequence);
        errors += failed("kstress: a pong is the ping's", is_right);
        message = reply.into_idle();
        sequence += 1;
        shared.rounds.store(sequence, Ordering::Relaxed);
        lwkt::count(|hart| &hart.kstress, 1);
        if sequence == 1 {
            message = lwkt::call(collector, message).into_idle();
        }
    }
    message.set_words([STOP, 0, 0, 0, 0, 0, 0, 0]);
    let served = lwkt::call(server, message);
    let [count, server_errors, ..] = served.words();
    errors += server_errors + failed("kstress: both sides agree", count == sequence);
    let tally = [sequence, errors, 0, 0, 0, 0, 0, 0];
    let _ = lwkt::call(collector, lwkt::message(tally));
}
