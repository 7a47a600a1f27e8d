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
use skimmer_arch::{cpu::enter, time};
use skimmer_core::{cmdline::CommandLine, ids::ThreadId};

use super::{Report, announce, mix, spawn};
use crate::{lwkt, smp};

/// Threads on the stairs.
const STAIRS: u64 = 16;
/// Times up and down the stairs, unless the command line says otherwise.
const ROUNDS: u64 = 20;

const FIRST_PRIORITY: u8 = 40;
const STEP: u8 = 5;
const PUSHER_PRIORITY: u8 = 230;

/// How far up the stairs are taken, and how far they have been left again.
#[derive(Debug, Default)]
struct Stairs {
    reached: AtomicU64,
    left: AtomicU64,
}

pub(super) fn run(line: &CommandLine) -> Report {
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
    // Beside other work a trace may be overwritten before it is read; not each.
    report.errors += u64::from(report.verified == 0);
    report
}

/// Once up and down the stairs on a hart: the errors, and whether the whole of
/// it could be judged.
fn climb(services: &'static [ThreadId], target: usize) -> (u64, bool) {
    let stairs: &'static Stairs = Box::leak(Box::default());
    let collector = lwkt::current();
    let steps: Vec<ThreadId> = (0..STAIRS)
        .zip((FIRST_PRIORITY..).step_by(usize::from(STEP)))
        .map(|(number, priority)| {
            let step = move || stairs.step(number);
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
    let pusher = spawn(services[(target + 1) % services.len()], "pusher", PUSHER_PRIORITY, {
        move || {
            stairs.push(&steps, judge);
            let _ = lwkt::call(collector, lwkt::message([0; 8]));
        }
    });
    lwkt::schedule(pusher);
    let mut verdict = (0, false);
    for _ in 0..2 {
        let done = lwkt::receive();
        let [errors, is_whole, ..] = done.payload().words();
        verdict = (verdict.0 + errors, verdict.1 || is_whole == 1);
        lwkt::reply(done, 0);
    }
    verdict
}

impl Stairs {
    /// Runs without giving up the hart until the steps above have come and
    /// gone. If one of them cannot preempt, this never ends, and the watchdog
    /// says so.
    fn step(&self, number: u64) {
        self.reached.store(number + 1, Ordering::Release);
        while number + 1 < STAIRS && self.left.load(Ordering::Acquire) < STAIRS - 1 - number {
            core::hint::spin_loop();
        }
        self.left.store(STAIRS - number, Ordering::Release);
    }

    /// Makes each step ready as soon as the one below it runs, and then the
    /// judge.
    fn push(&self, steps: &[ThreadId], judge: ThreadId) {
        for (step, number) in steps.iter().zip(0..) {
            self.wait_for(&self.reached, number);
            lwkt::schedule(*step);
        }
        self.wait_for(&self.left, STAIRS);
        lwkt::schedule(judge);
    }

    fn wait_for(&self, counter: &AtomicU64, value: u64) {
        while counter.load(Ordering::Acquire) < value {
            lwkt::sleep_until(time::now() + time::ticks_per_second() / 10_000);
        }
    }
}

/// What the trace says of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Waiting,
    Ready,
    Running,
    Gone,
}

/// Replays the hart's trace: whenever the hart changed hands, nobody on the
/// stairs who was ready may have been more urgent than who got it. Returns the
/// errors, and whether the trace still held all of the climb.
fn judge(steps: &[ThreadId], start: u64) -> (u64, bool) {
    let (records, count): (Vec<Record>, u64) =
        enter(|hart, _| ((hart.trace().collect(), hart.inspect().trace_count.load(Relaxed)), None));
    let words: Vec<u64> = steps.iter().map(|id| id.to_word()).collect();
    let place = |word: u64| words.iter().position(|&known| known == word);
    let mut seen: Vec<Seen> = steps.iter().map(|_| Seen::Waiting).collect();
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
            let is_gone = record.a == Reason::Exited as u32;
            seen[step] = if is_gone { Seen::Gone } else { Seen::Ready };
        }
        place(record.b).into_iter().for_each(|step| seen[step] = Seen::Running);
        let above = first_step_above(place(record.b), record.b);
        errors += u64::from(seen[above..].contains(&Seen::Ready));
    }
    let is_whole = count - start < RECORDS as u64;
    // Every step but the highest was preempted, by the one above it. The lowest
    // may be on its last instructions while the judge is called.
    let is_complete = preemptions + 1 >= STAIRS && seen[1..].iter().all(|s| *s == Seen::Gone);
    (errors + u64::from(is_whole && !is_complete), is_whole)
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
