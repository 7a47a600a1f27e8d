// SPDX-License-Identifier: Apache-2.0
//! `preempt`: on one hart, threads of rising priority. While each runs and
//! gives nothing up, another hart makes the next one ready: it must take the
//! hart at once, and give it back when it is done. The trace is then read back
//! and every switch checked for strict priority.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{
    AtomicU64,
    Ordering::{self, Relaxed},
};

use skimmer_abi::trace::{Event, RECORDS, Reason, Record};
use skimmer_arch::cpu::{doze, enter};
use skimmer_core::{cmdline::CommandLine, ids::ThreadId};

use super::{Report, announce, failed, mix, spawn};
use crate::{lwkt, smp};

/// Threads on the stairs.
const STAIRS: u64 = 16;
/// Times up and down the stairs, unless the command line says otherwise.
const ROUNDS: u64 = 20;

const FIRST_PRIORITY: u8 = 40;
const STEP: u8 = 5;
/// Tells the pusher of one to push.
const LEARN: u64 = 1;
/// Tells the pusher to push the next.
const GO: u64 = 2;

/// Turns that a step spins before it dozes.
const SPINS: u32 = 10_000;

const PUSHER_PRIORITY: u8 = 230;

/// How far the stairs have been left again.
#[derive(Debug, Default)]
struct Stairs {
    left: AtomicU64,
}

pub(super) fn run(line: &CommandLine<'_>) -> Report {
    let services = smp::services();
    let rounds = line.rounds.unwrap_or(ROUNDS);
    announce(line, services.len(), rounds);
    let mut report = Report::default();
    for round in 0..rounds {
        // The hart of the stairs changes; its neighbours push.
        let target = (mix(line.seed ^ round) % services.len() as u64) as usize;
        let (errors, is_whole) = climb(services, target);
        report.errors += errors;
        report.verified += u64::from(errors == 0 && is_whole);
        lwkt::count_work();
    }
    // Beside other work a trace may be overwritten before it is read.
    let due = if line.with_kstress { rounds.div_ceil(2) } else { rounds };
    report.errors += failed("the climbs could be judged", report.verified >= due);
    report
}

/// Once up and down the stairs on a hart: the errors, and whether the whole of
/// it could be judged.
fn climb(services: &'static [ThreadId], target: usize) -> (u64, bool) {
    let stairs: &'static Stairs = Box::leak(Box::default());
    let collector = lwkt::current();
    let pusher = spawn(services[(target + 1) % services.len()], "pusher", PUSHER_PRIORITY, push);
    lwkt::schedule(pusher);
    let steps: Vec<ThreadId> = (0..STAIRS)
        .zip((FIRST_PRIORITY..).step_by(usize::from(STEP)))
        .map(|(number, priority)| {
            let step = move || stairs.step(number, pusher);
            spawn(services[target], "step", priority, step)
        })
        .collect();
    let names = steps.clone();
    // Reads the trace on the hart that wrote it, more urgent than the stairs
    // and asleep until they are done.
    let judge = spawn(services[target], "judge", PUSHER_PRIORITY, move || {
        let start = trace_count();
        lwkt::deschedule_self();
        let (errors, is_whole) = judge(&names, start);
        let words = [errors, u64::from(is_whole), 0, 0, 0, 0, 0, 0];
        let _ = lwkt::call(collector, lwkt::message(words));
    });
    lwkt::schedule(judge);
    // The pusher learns whom to push, lowest first, and then the judge.
    for id in steps.into_iter().chain([judge]) {
        let _ = lwkt::call(pusher, lwkt::message([LEARN, id.to_word(), 0, 0, 0, 0, 0, 0]));
    }
    let _ = lwkt::call(pusher, lwkt::message([GO, 0, 0, 0, 0, 0, 0, 0]));
    let done = lwkt::receive();
    let [errors, is_whole, ..] = done.payload().words();
    lwkt::reply(done, 0);
    (errors, is_whole == 1)
}

/// Makes the next one ready each time that somebody says so: first the one who
/// gives the start, then each step as soon as it runs, then the lowest as it
/// leaves.
fn push() {
    let mut waiting = Vec::new();
    loop {
        let message = lwkt::receive();
        let [kind, word, ..] = message.payload().words();
        lwkt::reply(message, 0);
        if kind == LEARN {
            waiting.push(ThreadId::from_word(word));
            continue;
        }
        if waiting.is_empty() {
            return;
        }
        lwkt::schedule(waiting.remove(0));
        if waiting.is_empty() {
            return;
        }
    }
}

impl Stairs {
    /// Says that it runs, and then keeps the hart until the steps above have
    /// come and gone. If one of them cannot preempt, this never ends, and the
    /// watchdog says so. It spins for a while only (law remote-waits-yield): an
    /// emulator that runs one hart after the other would let it spin for long
    /// before the hart gets to run that it waits for.
    fn step(&self, number: u64, pusher: ThreadId) {
        let here = (number + 1 < STAIRS)
            .then(|| lwkt::send(pusher, lwkt::message([GO, 0, 0, 0, 0, 0, 0, 0])));
        let are_gone = || self.left.load(Ordering::Acquire) >= STAIRS - 1 - number;
        let mut turns = 0;
        while !are_gone() {
            turns += 1;
            if turns < SPINS { core::hint::spin_loop() } else { doze(are_gone) }
        }
        self.left.store(STAIRS - number, Ordering::Release);
        if number == 0 {
            let _ = lwkt::call(pusher, lwkt::message([GO, 0, 0, 0, 0, 0, 0, 0]));
        }
        here.map(lwkt::wait);
    }
}

/// What the trace says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Away,
    Ready,
    Running,
}

/// Replays the hart's trace: whenever the hart changed hands, nobody on the
/// stairs who was ready may have been more urgent than who got it. Returns the
/// errors, and whether the trace still held all of the climb.
fn judge(steps: &[ThreadId], start: u64) -> (u64, bool) {
    // Read with interrupts open (law bounded-off-time): the count that follows
    // says whether what was written meanwhile has overwritten any of it.
    let records: Vec<Record> = enter(|hart, _| (hart.trace(), None)).collect();
    let count = trace_count();
    let words: Vec<u64> = steps.iter().map(|id| id.to_word()).collect();
    let place = |word: u64| words.iter().position(|&known| known == word);
    let mut seen: Vec<Seen> = steps.iter().map(|_| Seen::Away).collect();
    let (mut errors, mut preemptions) = (0, 0);
    for record in records {
        if record.event == Event::WakeLocal as u8 {
            place(record.b).into_iter().for_each(|step| seen[step] = Seen::Ready);
        }
        if record.event != Event::Switch as u8 {
            continue;
        }
        if let Some(step) = place(record.thread) {
            preemptions += u64::from(record.a == Reason::Preempted as u32);
            // One that blocks comes back without a word: a reply wakes it.
            let has_lost_it = record.a == Reason::Preempted as u32;
            seen[step] = if has_lost_it { Seen::Ready } else { Seen::Away };
        }
        place(record.b).into_iter().for_each(|step| seen[step] = Seen::Running);
        let above = first_step_above(place(record.b), record.b);
        let is_strict = !seen[above..].contains(&Seen::Ready);
        errors += failed("nobody more urgent was ready", is_strict);
    }
    let is_whole = count - start < RECORDS as u64;
    // Every step but the highest was preempted, by the one above it.
    let is_complete = preemptions + 1 >= STAIRS;
    let was_taken = failed("each step was preempted by the one above", is_complete || !is_whole);
    (errors + was_taken, is_whole)
}

/// The lowest step that is more urgent than the thread that got the hart. Of a
/// thread that is gone nothing can be said.
fn first_step_above(step: Option<usize>, word: u64) -> usize {
    let id = ThreadId::from_word(word);
    let level = match step {
        Some(step) => return step + 1,
        None => enter(|hart, _| (hart.thread(id).map(|thread| thread.priority().level()), None)),
    };
    level.map_or(STAIRS as usize, |level| {
        (FIRST_PRIORITY..)
            .step_by(usize::from(STEP))
            .take(STAIRS as usize)
            .take_while(|&step| step <= level)
            .count()
    })
}

/// Records that the trace of this hart has seen so far.
fn trace_count() -> u64 {
    enter(|hart, _| (hart.inspect().trace_count.load(Relaxed), None))
}
