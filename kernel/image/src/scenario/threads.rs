// SPDX-License-Identifier: Apache-2.0
//! `threads`: on every hart, threads of mixed priorities are born, run in
//! strict order, first in first out among equals, and exit; names of the dead
//! wake nobody, not even those who have their place now; a neighbour stops and
//! is scheduled, re-ranked and aborted from elsewhere.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use skimmer_abi::errno::Errno;
use skimmer_arch::cpu::enter;
use skimmer_core::{
    cmdline::CommandLine,
    ids::{Priority, ThreadId},
};

use super::{Report, announce, failed, mix, spawn};
use crate::{lwkt, service, smp};

/// Generations of workers on each hart, unless the command line says otherwise.
const ROUNDS: u64 = 10;
const WORKERS: u64 = 16;
/// Times that a neighbour's thread stops and is woken.
const LAPS: u64 = 3;

const DRIVER_PRIORITY: u8 = 200;
/// Below every worker.
const WAITING_PRIORITY: u8 = 20;

pub(super) fn run(line: &CommandLine<'_>) -> Report {
    let services = smp::services();
    let rounds = line.rounds.unwrap_or(ROUNDS);
    announce(line, services.len(), rounds);
    let (collector, seed) = (lwkt::current(), line.seed);
    let drivers: Vec<ThreadId> = (0..)
        .zip(services)
        .map(|(number, &service)| {
            let neighbour = services[(number as usize + 1) % services.len()];
            let driver = Driver { number, seed, rounds, service, neighbour, collector };
            spawn(service, "driver", DRIVER_PRIORITY, move || driver.run())
        })
        .collect();
    drivers.iter().copied().for_each(lwkt::schedule);
    let mut report = Report::default();
    for _ in drivers {
        let done = lwkt::receive();
        let words = done.payload().words();
        report.verified += words[0];
        report.errors += words[1];
        lwkt::reply(done, 0);
    }
    report
}

/// Takes what should hold, and whether it does.
type Check<'c> = &'c mut dyn FnMut(&'static str, bool);

struct Driver {
    number: u64,
    seed: u64,
    rounds: u64,
    service: ThreadId,
    neighbour: ThreadId,
    collector: ThreadId,
}

impl Driver {
    fn run(self) {
        let (mut verified, mut errors) = (0, 0);
        let check: Check<'_> = &mut |name, holds| {
            verified += u64::from(holds);
            errors += failed(name, holds);
        };
        let mut dead = Vec::new();
        for round in 0..self.rounds {
            let seed = mix(self.seed ^ mix(self.number) ^ round);
            self.check_order(seed, &mut dead, check);
            self.check_remote(check);
            check_abort(self.neighbour, check);
            check_stale(self.neighbour, check);
            check_dead(&dead, check);
            lwkt::count_work();
        }
        let _ = lwkt::call(self.collector, lwkt::message([verified, errors, 0, 0, 0, 0, 0, 0]));
    }

    /// Workers are scheduled in the order of their birth and must run in the
    /// order of their priorities. The driver is left below them all.
    fn check_order(&self, seed: u64, dead: &mut Vec<ThreadId>, check: Check<'_>) {
        let me = lwkt::current();
        lwkt::set_priority(me, Priority::new(DRIVER_PRIORITY));
        let mut expected: Vec<(u8, u64)> = Vec::new();
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            // Few levels, so that there are equals.
            let level = 30 + (mix(seed ^ number) % 4) as u8 * 10;
            expected.push((level, number));
            workers.push(spawn(self.service, "worker", level, move || {
                // Sent, not called: the worker does not wait, so that its place
                // in the order is where it ran.
                let ticket = lwkt::send(me, lwkt::message([number, 0, 0, 0, 0, 0, 0, 0]));
                lwkt::yield_now();
                let _ = lwkt::wait(ticket);
            }));
        }
        workers.iter().copied().for_each(lwkt::schedule);
        // Stable: equals stay in the order in which they were scheduled.
        expected.sort_by_key(|&(level, _)| core::cmp::Reverse(level));
        let slices = preemptions();
        lwkt::set_priority(me, Priority::new(WAITING_PRIORITY));
        let mut ran: Vec<(u8, u64)> = Vec::new();
        for _ in &expected {
            let report = lwkt::receive();
            let number = report.payload().words()[0];
            ran.extend(expected.iter().find(|(_, known)| *known == number));
            lwkt::reply(report, 0);
        }
        // Equals keep their order unless a time slice ended among them.
        if preemptions() != slices {
            expected.sort_unstable_by_key(|&(level, number)| (core::cmp::Reverse(level), number));
            ran.sort_by_key(|&(_, number)| number);
            ran.sort_by_key(|&(level, _)| core::cmp::Reverse(level));
        }
        (0..expected.len())
            .for_each(|at| check("threads run in strict order", ran.get(at) == expected.get(at)));
        dead.extend(workers);
    }

    /// A thread on the neighbour stops, and is re-ranked and scheduled from here.
    /// A wake counts only for a thread that has stopped, so its hart is asked.
    fn check_remote(&self, check: Check<'_>) {
        let me = lwkt::current();
        let sleeper = spawn(self.neighbour, "sleeper", 50, move || {
            for lap in 0..LAPS {
                lwkt::deschedule_self();
                let said = lwkt::call(me, lwkt::message([lap, 1, 0, 0, 0, 0, 0, 0]));
                debug_assert!(said.status() == 0);
            }
        });
        lwkt::schedule(sleeper);
        // Waits at its port until it exits.
        let last = lwkt::send(sleeper, lwkt::message([0; 8]));
        for lap in 0..LAPS {
            while !service::is_stopped(self.neighbour, sleeper) {}
            let level = 50 + u8::try_from(lap).unwrap_or(0);
            lwkt::set_priority(sleeper, Priority::new(level));
            lwkt::schedule(sleeper);
            let said = lwkt::receive();
            check(
                "a thread that is woken goes on",
                said.payload().words() == [lap, 1, 0, 0, 0, 0, 0, 0],
            );
            lwkt::reply(said, 0);
        }
        check(
            "who waits at a port hears of its end",
            lwkt::wait(last).status() == Errno::ESRCH.status(),
        );
    }
}

/// Times that a thread of this hart lost it without giving it up.
fn preemptions() -> u64 {
    enter(|hart, _| (hart.inspect().preemptions.load(Ordering::Relaxed), None))
}

/// Of two messages that wait at a port, one is asked back before the thread
/// has run at all.
fn check_abort(service: ThreadId, check: Check<'_>) {
    let idler = spawn(service, "idler", 40, || {
        let first = lwkt::receive();
        lwkt::reply(first, 0);
    });
    let kept = lwkt::send(idler, lwkt::message([1; 8]));
    let unwanted = lwkt::send(idler, lwkt::message([2; 8]));
    lwkt::abort(&unwanted);
    check(
        "an aborted message comes back",
        lwkt::wait(unwanted).status() == Errno::ECANCELED.status(),
    );
    lwkt::schedule(idler);
    check("the other is answered", lwkt::wait(kept).status() == 0);
}

/// The dead stay dead under every name they had.
fn check_dead(dead: &[ThreadId], check: Check<'_>) {
    for &id in dead {
        lwkt::schedule(id);
        lwkt::set_priority(id, Priority::MAX);
        let status = lwkt::call(id, lwkt::message([0; 8])).status();
        check("the dead do not answer", status == Errno::ESRCH.status());
    }
}

/// A wake that names a thread which is gone does not reach the one that has its
/// place on that hart by now.
fn check_stale(service: ThreadId, check: Check<'_>) {
    let mut old = spawn(service, "brief", 40, || {});
    let new = loop {
        end(old, check);
        let new = spawn(service, "brief", 40, || {});
        if new.succeeds(old) {
            break new;
        }
        // Others are born there too, and one was quicker.
        old = new;
    };
    lwkt::schedule(old);
    // Asked through the same ring, so the wake has been dealt with.
    check("ids-never-alias: a stale wake wakes nobody", service::is_stopped(service, new));
    end(new, check);
}

/// Lets a thread that was never scheduled come to its end.
fn end(brief: ThreadId, check: Check<'_>) {
    let last = lwkt::send(brief, lwkt::message([0; 8]));
    lwkt::schedule(brief);
    check(
        "who waits at a port hears of its end",
        lwkt::wait(last).status() == Errno::ESRCH.status(),
    );
}
