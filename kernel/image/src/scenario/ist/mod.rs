// SPDX-License-Identifier: Apache-2.0
//! `ist`: an interrupt service thread sets an alarm of the real-time clock,
//! waits for its interrupt, and looks whether the time has come; again and
//! again. Before it stays on the hart that was asked for, the source goes round
//! all the others. Each alarm must wake its thread once, on the hart where the
//! source is, and no other hart may hear of it. (Where there is no such clock
//! another device stands in, which interrupts at once: [`device`].)
//!
//! With `load=` it tells how long the interrupts on that hart took to their
//! thread: from the alarm to the thread that looks at the clock. The alarm's
//! nanoseconds are instructions where the emulator makes them so (`cargo xtask
//! bench`), and time elsewhere.

mod device;

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

use skimmer_abi::record::{Interrupts, Record};
use skimmer_arch::{console, cpu, time};
use skimmer_core::{
    cmdline::{CommandLine, Load},
    ids::{HartIndex, ThreadId},
};
use skimmer_fdt::Fdt;

use device::Device;

use super::{Report, announce, failed, mix, spawn, sum};
use crate::{
    interrupts::{self, Interrupt},
    lwkt,
    process::counts,
    smp,
};

/// Alarms on the hart that was asked for, unless the command line says otherwise.
const ROUNDS: u64 = 300;

/// Alarms on each other hart, before.
const VISIT: u64 = 4;

/// Above `kstress` and every other workload: its device waits.
const PRIORITY: u8 = 200;

/// Of the thread that keeps the hart busy.
const BUSY_PRIORITY: u8 = 20;

/// Seconds after which an alarm that has not come will not.
const PATIENCE: u64 = 2;

pub(super) fn run(line: &CommandLine<'_>, tree: &Fdt<'_>) -> Report {
    let Some(device) = Device::find(tree) else {
        crate::refuse(&"scenario=ist needs a goldfish-rtc or a spare port that can interrupt");
    };
    let services = smp::services();
    let at = chosen(line, services);
    let rounds = line.rounds.unwrap_or(ROUNDS);
    announce(line, services.len(), rounds);
    let strays_before = sum(|hart| &hart.stray_interrupts, |_| true);
    let mut report = Report::default();
    let visit = |number, alarms| Visit { device, alarms, seed: mix(line.seed ^ mix(number)) };
    for (number, hart) in (0..services.len()).filter(|&hart| hart != at).enumerate() {
        report.add(&visit(number as u64, VISIT).on(services[hart]));
        // What follows would wait for alarms that do not come.
        if report.errors > 0 {
            break;
        }
    }
    if report.errors == 0 {
        report.add(&stay(visit(services.len() as u64, rounds), services[at], line.load));
    }
    let home = services[at].home();
    let is_home = |hart: HartIndex| hart == home;
    report.interrupts = Some(Interrupts {
        hartid: cpu::harts()[home.index()].hartid(),
        here: sum(|hart| &hart.interrupts, is_home),
        elsewhere: sum(|hart| &hart.interrupts, |hart| !is_home(hart)),
        stray: sum(|hart| &hart.stray_interrupts, |_| true) - strays_before,
    });
    // Each thread is given a home, and tells its end.
    let threads = services.len() as u64 + u64::from(line.load == Some(Load::Busy));
    report.messages = Some(2 * threads);
    report
}

impl Report {
    fn add(&mut self, tally: &Tally) {
        self.verified += tally.verified;
        self.errors += tally.errors;
    }
}

/// The alarms on the hart that was asked for, beside that load.
fn stay(visit: Visit, service: ThreadId, load: Option<Load>) -> Tally {
    let busy = (load == Some(Load::Busy)).then(|| Busy::start(service));
    let before = counts();
    let tally = visit.on(service);
    if let Some(load) = load {
        console::send(Record::Figure {
            name: match load {
                Load::Idle => "interrupt-to-ist-idle",
                Load::Busy => "interrupt-to-ist-busy",
            },
            operations: tally.verified,
            instructions: tally.late,
            counts: counts().zip(before).map(|(now, before)| now.since(&before)),
        });
    }
    if let Some(busy) = busy {
        busy.stop();
    }
    tally
}

/// A thread that keeps a hart from sleeping.
struct Busy(&'static AtomicBool);

impl Busy {
    fn start(service: ThreadId) -> Self {
        let is_over: &'static AtomicBool = Box::leak(Box::default());
        let collector = lwkt::current();
        let thread = spawn(service, "busy", BUSY_PRIORITY, move || {
            while !is_over.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
            let _ = lwkt::call(collector, lwkt::message([0; 8]));
        });
        lwkt::schedule(thread);
        Self(is_over)
    }

    fn stop(self) {
        self.0.store(true, Ordering::Relaxed);
        lwkt::reply(lwkt::receive(), 0);
    }
}

/// What came of some alarms.
#[derive(Debug, Default)]
struct Tally {
    /// Alarms that were verified.
    verified: u64,
    errors: u64,
    /// How much later than its alarm the thread looked at the clock, summed up.
    late: u64,
}

/// The hart that was asked for, or one by the seed, as a place among those that
/// came up.
fn chosen(line: &CommandLine<'_>, services: &[ThreadId]) -> usize {
    if let Some(bare) = services.iter().find(|service| !interrupts::reaches(service.home())) {
        crate::refuse(&format_args!("no device can interrupt the hart of index {}", bare.home()));
    }
    let Some(id) = line.hart else {
        return (mix(line.seed) % services.len() as u64) as usize;
    };
    let is_it = |service: &ThreadId| cpu::harts()[service.home().index()].hartid() == id;
    match services.iter().position(is_it) {
        Some(place) => place,
        None => crate::refuse(&format_args!("hart={id}: there is no such hart")),
    }
}

/// Some alarms on one hart.
struct Visit {
    device: Device,
    alarms: u64,
    seed: u64,
}

impl Visit {
    /// Lets a thread on the hart of that service thread do it, and waits for its
    /// end.
    fn on(self, service: ThreadId) -> Tally {
        let collector = lwkt::current();
        let thread = spawn(service, "ist", PRIORITY, move || {
            let Tally { verified, errors, late } = self.run();
            let words = [verified, errors, late, 0, 0, 0, 0, 0];
            let _ = lwkt::call(collector, lwkt::message(words));
        });
        lwkt::schedule(thread);
        let done = lwkt::receive();
        let [verified, errors, late, ..] = done.payload().words();
        lwkt::reply(done, 0);
        Tally { verified, errors, late }
    }

    /// The thread.
    fn run(&self) -> Tally {
        let mut tally = Tally::default();
        let Ok(interrupt) = Interrupt::attach(self.device.source) else {
            tally.errors = failed("a source that nobody has can be attached", false);
            return tally;
        };
        let is_refused = Interrupt::attach(self.device.source).is_err();
        tally.errors = failed("a source that somebody has cannot be attached", is_refused);
        let before = Heard::now();
        self.device.begin();
        for number in 1..=self.alarms {
            self.alarm(&interrupt, mix(self.seed ^ number), &mut tally);
            tally.errors += before.check(number)
                + failed("each alarm wakes its thread once", interrupt.posts() == number);
            if tally.errors > 0 {
                break;
            }
            tally.verified = number;
            lwkt::count_work();
        }
        self.device.silence();
        tally
    }

    /// One alarm.
    fn alarm(&self, interrupt: &Interrupt, random: u64, tally: &mut Tally) {
        let at = self.device.ring(random);
        let patience = time::now() + PATIENCE * time::ticks_per_second();
        let woke = interrupt.wait(Some(patience));
        let now = self.device.now();
        // The line is down before the source is unmasked by the next wait.
        self.device.clear();
        tally.errors += match woke {
            Ok(()) => failed("no alarm rings early", now >= at),
            // Named by who has heard of it: nobody, or another hart.
            Err(_) => 1,
        };
        tally.late += now.saturating_sub(at);
    }
}

/// What this hart and all others had heard of devices at a time.
struct Heard {
    here: u64,
    elsewhere: u64,
}

impl Heard {
    fn now() -> Self {
        let is_here = |hart: HartIndex| hart == cpu::this_hart();
        let strays = sum(|hart| &hart.stray_interrupts, |hart| !is_here(hart));
        Self {
            here: sum(|hart| &hart.interrupts, is_here),
            elsewhere: sum(|hart| &hart.interrupts, |hart| !is_here(hart)) + strays,
        }
    }

    /// After so many alarms since then: the errors.
    fn check(&self, alarms: u64) -> u64 {
        let now = Self::now();
        let is_alone = now.elsewhere == self.elsewhere;
        failed("one-irq-one-hart: no other hart hears of it", is_alone)
            + failed("each alarm interrupts its hart once", now.here - self.here == alarms)
    }
}
