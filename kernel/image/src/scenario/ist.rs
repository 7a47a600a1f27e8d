// SPDX-License-Identifier: Apache-2.0
//! `ist`: an interrupt service thread sets an alarm of the real-time clock,
//! waits for its interrupt, and looks whether the time has come; again and
//! again. Before it stays on the hart that was asked for, the source goes round
//! all the others. Each alarm must wake its thread once, on the hart where the
//! source is, and no other hart may hear of it.

use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::{inspect::HartInspect, record::Interrupts};
use skimmer_arch::{cpu, mmio::Mmio, time};
use skimmer_core::{
    cmdline::CommandLine,
    ids::{HartIndex, ThreadId},
};
use skimmer_fdt::Fdt;
use skimmer_goldfish_rtc::{COMPATIBLE, Register, Registers, Rtc};

use super::{Report, announce, failed, mix, spawn};
use crate::{
    interrupts::{self, Interrupt},
    lwkt, platform, smp,
};

/// Alarms on the hart that was asked for, unless the command line says otherwise.
const ROUNDS: u64 = 300;

/// Alarms on each other hart, before.
const VISIT: u64 = 4;

/// Above `kstress` and every other workload: its device waits.
const PRIORITY: u8 = 200;

/// An alarm rings after so many nanoseconds at the least, and at the most after
/// so many more.
const DELAY: (u64, u64) = (20_000, 200_000);

/// Seconds after which an alarm that has not come will not.
const PATIENCE: u64 = 2;

/// The alarm clock of the machine.
#[derive(Clone, Copy, Debug)]
struct AlarmClock {
    registers: ClockRegisters,
    source: u32,
}

#[derive(Clone, Copy, Debug)]
struct ClockRegisters(Mmio);

impl Registers for ClockRegisters {
    fn read(&self, register: Register) -> u32 {
        self.0.read(register.offset())
    }

    fn write(&self, register: Register, value: u32) {
        self.0.write(register.offset(), value);
    }
}

pub(super) fn run(line: &CommandLine<'_>, tree: &Fdt<'_>) -> Report {
    let Some(clock) = AlarmClock::find(tree) else {
        crate::refuse(&"scenario=ist needs a goldfish-rtc that can interrupt");
    };
    let services = smp::services();
    let at = chosen(line, services);
    let rounds = line.rounds.unwrap_or(ROUNDS);
    announce(line, services.len(), rounds);
    let strays_before = sum(|hart| &hart.stray_interrupts, |_| true);
    let mut report = Report::default();
    let others = (0..services.len()).filter(|&hart| hart != at);
    let visits = others.map(|hart| (hart, VISIT)).chain([(at, rounds)]);
    for (number, (hart, alarms)) in (0..).zip(visits) {
        let visit = Visit { clock, alarms, seed: mix(line.seed ^ mix(number)) };
        report.errors += visit.on(services[hart], &mut report.verified);
        // What follows would wait for alarms that do not come.
        if report.errors > 0 {
            break;
        }
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
    report.messages = Some(2 * services.len() as u64);
    report
}

impl AlarmClock {
    /// The first that interrupts by the kernel's controller.
    fn find(tree: &Fdt<'_>) -> Option<Self> {
        tree.find_compatible(COMPATIBLE).find_map(|node| {
            let registers = Mmio::new(platform::extent(node.registers().ok()?)).ok()?;
            let interrupt = node.interrupts().next()?.ok()?;
            let is_usable = registers.size() >= Register::BYTES
                && interrupts::is_controller(interrupt.controller);
            let source = interrupt.source().ok()?;
            is_usable.then_some(Self { registers: ClockRegisters(registers), source })
        })
    }
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

/// A counter of all harts of that kind.
fn sum(counter: impl Fn(&HartInspect) -> &AtomicU64, which: impl Fn(HartIndex) -> bool) -> u64 {
    let harts = cpu::harts().iter().zip(smp::inspect());
    let of_kind = harts.filter(|(local, _)| which(local.index()));
    of_kind.map(|(_, hart)| counter(hart).load(Ordering::Relaxed)).sum()
}

/// Some alarms on one hart.
struct Visit {
    clock: AlarmClock,
    alarms: u64,
    seed: u64,
}

impl Visit {
    /// Lets a thread on the hart of that service thread do it, and waits for its
    /// end. Returns the errors, and adds what it verified.
    fn on(self, service: ThreadId, verified: &mut u64) -> u64 {
        let collector = lwkt::current();
        let thread = spawn(service, "ist", PRIORITY, move || {
            let (verified, errors) = self.run();
            let words = [verified, errors, 0, 0, 0, 0, 0, 0];
            let _ = lwkt::call(collector, lwkt::message(words));
        });
        lwkt::schedule(thread);
        let done = lwkt::receive();
        let [more, errors, ..] = done.payload().words();
        lwkt::reply(done, 0);
        *verified += more;
        errors
    }

    /// The thread: alarms that were verified, and errors.
    fn run(&self) -> (u64, u64) {
        let rtc = Rtc::new(self.clock.registers);
        let Ok(interrupt) = Interrupt::attach(self.clock.source) else {
            return (0, failed("a source that nobody has can be attached", false));
        };
        let is_refused = Interrupt::attach(self.clock.source).is_err();
        let mut errors = failed("a source that somebody has cannot be attached", is_refused);
        let before = Heard::now();
        rtc.enable();
        let mut done = 0;
        while done < self.alarms && errors == 0 {
            errors += self.alarm(&rtc, &interrupt, mix(self.seed ^ done));
            errors += before.check(done + 1);
            done += 1;
            lwkt::count_work();
        }
        rtc.silence();
        errors += failed("each alarm wakes its thread once", interrupt.posts() == done);
        (if errors == 0 { done } else { done.saturating_sub(1) }, errors)
    }

    /// One alarm: the errors.
    fn alarm(&self, rtc: &Rtc<ClockRegisters>, interrupt: &Interrupt, random: u64) -> u64 {
        let (least, more) = DELAY;
        let at = rtc.now() + least + random % more;
        rtc.set_alarm(at);
        let patience = time::now() + PATIENCE * time::ticks_per_second();
        let woke = interrupt.wait(Some(patience));
        let now = rtc.now();
        // The line is down before the source is unmasked by the next wait.
        rtc.clear();
        match woke {
            Ok(()) => failed("no alarm rings early", now >= at),
            // If another hart has had it, that is what went wrong.
            Err(_) => 1,
        }
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
