// SPDX-License-Identifier: Apache-2.0
//! The boot scenarios. Each verifies its own work and comes back with a
//! [`Report`]; the kernel's counters are added here, and the host verifies all
//! of it again.

mod all;
mod drives;
mod faults;
mod flood;
mod ist;
mod kstress;
mod msgstorm;
mod nvme_cost;
mod off_times;
mod pace;
mod ports;
mod preempt;
mod program;
mod threads;

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::{
    exit::ExitStatus,
    inspect::HartInspect,
    random::mix,
    record::{Beside, Drives, Interrupts, Outcome, Programs, Record},
    scenario::Scenario,
};
use skimmer_arch::{console, cpu, paging, power, time};
use skimmer_core::{
    cmdline::{CommandLine, Load},
    ids::{HartIndex, ThreadId},
};
use skimmer_fdt::Fdt;
use skimmer_sync::once::Once;

use crate::{interrupts, nvme::Drive, service, smp};

/// What a scenario vouches for.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Units of work that were verified.
    pub(crate) verified: u64,
    /// Checks that failed.
    pub(crate) errors: u64,
    /// Messages that were sent and answered for it, where its threads know.
    pub(crate) messages: Option<u64>,
    /// What programs did.
    pub(crate) programs: Option<Programs>,
    /// Where devices interrupted, where a scenario asked them to.
    pub(crate) interrupts: Option<Interrupts>,
    /// What drives did, where a scenario asked them to.
    pub(crate) drives: Option<Drives>,
    /// What ran beside it.
    pub(crate) beside: Option<Beside>,
}

/// Runs what the command line asks for, and ends the machine.
pub(crate) fn run(line: &CommandLine<'_>, tree: &Fdt<'_>, drives: Vec<Drive>) -> ! {
    let before = Counters::read();
    let started = time::now();
    let with_kstress = line.with_kstress || line.scenario == Scenario::All;
    let kstress = with_kstress.then(|| kstress::Kstress::start(line.seed));
    let mut report = perform(line, tree, drives, kstress.as_ref());
    let kstress = kstress.map(kstress::Kstress::stop);
    report.errors += kstress.as_ref().map_or(0, |tally| tally.errors);
    let nanos = time::nanos(time::now().wrapping_sub(started));
    let off_times = off_times::stop();
    let counters = Counters::read().since(&before);
    report.errors += counters.differ_from(report.messages, kstress.as_ref());
    let stacks = service::check_all_stacks();
    let errors = report.errors + stacks.err().unwrap_or(0);
    failed("every stack's canary is whole", stacks.is_ok());
    let errors = errors
        + failed("no kernel page is writable and executable", paging::is_kernel_half_sound())
        + failed("the interrupt controller talks no nonsense", interrupts::is_sound());
    if let Some(name) = FIRST_FAILED.get() {
        console::send(Record::CheckFailed { name });
    }
    console::send(Record::End(Outcome {
        scenario: line.scenario,
        harts: harts(),
        round_trips: report.verified,
        errors,
        kernel_sends: counters.sends,
        kernel_replies: counters.replies,
        remote_ops: counters.remote_ops,
        ring_waits: counters.ring_waits,
        doorbells: counters.doorbells,
        switches: counters.switches,
        canaries: stacks.unwrap_or(0),
        preemptions: counters.preemptions,
        kstress: kstress.map(|tally| tally.rounds),
        nanos,
        off_times,
        programs: report.programs,
        interrupts: report.interrupts,
        drives: report.drives,
        beside: report.beside,
    }));
    power::exit(if errors == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

/// The scenario itself.
fn perform(
    line: &CommandLine<'_>,
    tree: &Fdt<'_>,
    drives: Vec<Drive>,
    kstress: Option<&kstress::Kstress>,
) -> Report {
    match line.scenario {
        Scenario::Ports => ports::run(line),
        Scenario::Flood => flood::run(line),
        Scenario::Threads => threads::run(line),
        Scenario::Msgstorm => msgstorm::run(line),
        Scenario::Preempt => preempt::run(line),
        Scenario::Ist => ist::run(line, tree),
        Scenario::NvmeRead if line.load == Some(Load::Busy) => nvme_cost::run(line, drives),
        Scenario::NvmeRead => drives::read(line, drives),
        Scenario::NvmeVerify => drives::verify(line, drives),
        Scenario::NvmeFaults => drives::faults(line, drives),
        Scenario::All => all::run(line, drives, kstress),
        Scenario::Program => program::run(line),
        Scenario::Panic => faults::panic(),
        Scenario::Fault => faults::fault(false),
        Scenario::FaultBadFrame => faults::fault(true),
        Scenario::Hang => faults::hang(),
        Scenario::LieRecord => faults::lie_record(),
        Scenario::LieStatus => faults::lie_status(),
        Scenario::Stomp => faults::stomp(),
        Scenario::Overflow => faults::overflow(),
    }
}

/// What should have held and did not, the first time.
static FIRST_FAILED: Once<&'static str> = Once::new();

/// One check: 1 if it failed, for the caller's sum of errors. The first to fail
/// is told to the host by its name.
fn failed(name: &'static str, holds: bool) -> u64 {
    if holds {
        return 0;
    }
    // Another was first: that one is told.
    let _ = FIRST_FAILED.set(Box::new(name));
    1
}

/// Says what is about to run.
fn announce(line: &CommandLine<'_>, clients: usize, rounds: u64) {
    console::send(Record::Start {
        scenario: line.scenario,
        harts: harts(),
        clients: u32::try_from(clients).unwrap_or(u32::MAX),
        rounds,
    });
    // The console is silent from here to the end.
    off_times::start();
}

/// Harts that came up.
fn harts() -> u32 {
    u32::try_from(smp::services().len()).unwrap_or(u32::MAX)
}

/// A counter of all harts of that kind.
fn sum(counter: impl Fn(&HartInspect) -> &AtomicU64, which: impl Fn(HartIndex) -> bool) -> u64 {
    let harts = cpu::harts().iter().zip(smp::inspect());
    let of_kind = harts.filter(|(local, _)| which(local.index()));
    of_kind.map(|(_, hart)| counter(hart).load(Ordering::Relaxed)).sum()
}

/// Creates a stopped thread on the hart of that service thread. Memory that is
/// out this early ends the boot: the scenario could not be what was asked for.
fn spawn(
    service: ThreadId,
    name: &'static str,
    priority: u8,
    entry: impl FnOnce() + Send + 'static,
) -> ThreadId {
    let priority = skimmer_core::ids::Priority::new(priority);
    let thread = crate::lwkt::new_thread(name, priority, entry);
    match thread.map_err(|_| 0).and_then(|thread| service::spawn_on(service, thread)) {
        Ok(id) => id,
        Err(_) => crate::refuse(&"not enough memory for the threads of the scenario"),
    }
}

/// The kernel's counters, summed over all harts.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    sends: u64,
    replies: u64,
    remote_ops: u64,
    ring_waits: u64,
    doorbells: u64,
    switches: u64,
    preemptions: u64,
}

impl Counters {
    /// The kernel's totals against those of the workload and of what ran beside
    /// it: the errors.
    fn differ_from(&self, messages: Option<u64>, kstress: Option<&kstress::Tally>) -> u64 {
        let beside = kstress.map_or(0, |tally| tally.messages);
        let is_answered = self.sends == self.replies;
        let agrees = messages.is_none_or(|messages| self.sends == messages + beside);
        let covers = self.sends >= beside;
        failed("every message is answered", is_answered)
            + failed("the kernel's totals agree with the workload's", agrees && covers)
    }

    fn read() -> Self {
        smp::inspect().iter().fold(Self::default(), |sum, hart: &HartInspect| Self {
            sends: sum.sends + hart.sends.load(Ordering::Relaxed),
            replies: sum.replies + hart.replies.load(Ordering::Relaxed),
            remote_ops: sum.remote_ops + hart.remote_ops.load(Ordering::Relaxed),
            ring_waits: sum.ring_waits + hart.ring_waits.load(Ordering::Relaxed),
            doorbells: sum.doorbells + hart.doorbells.load(Ordering::Relaxed),
            switches: sum.switches + hart.switches.load(Ordering::Relaxed),
            preemptions: sum.preemptions + hart.preemptions.load(Ordering::Relaxed),
        })
    }

    const fn since(&self, before: &Self) -> Self {
        Self {
            sends: self.sends - before.sends,
            replies: self.replies - before.replies,
            remote_ops: self.remote_ops - before.remote_ops,
            ring_waits: self.ring_waits - before.ring_waits,
            doorbells: self.doorbells - before.doorbells,
            switches: self.switches - before.switches,
            preemptions: self.preemptions - before.preemptions,
        }
    }
}
