// SPDX-License-Identifier: Apache-2.0
//! Every hart gets its state, its service thread and its lines to the others
//! before any of them starts; then they start and say so.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::Ordering;

use skimmer_abi::{
    inspect::{HartInspect, InspectRoot},
    record::Record,
    trace,
};
use skimmer_arch::{
    addr, boot, console,
    cpu::{self, HartLocal, Riscv, enter},
    sbi,
    stack::{Beginning, KernelStack},
    time,
};
use skimmer_core::{
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    remote::{Lines, hart_at, wire},
    table::OutOfMemory,
    thread::NewThread,
};
use skimmer_sync::once::Once;

use crate::{lwkt, platform::UsableHart, refuse, service};

/// The service thread of each hart that came up, by index.
static SERVICES: Once<Vec<ThreadId>> = Once::new();

/// The public blocks, and the service threads that wait for their hart.
struct Plan {
    inspect: &'static [HartInspect],
    services: Vec<ThreadId>,
    /// Where each idle thread's stack begins.
    stacks: Vec<Beginning>,
}

static PLAN: Once<Plan> = Once::new();

/// Makes the state of every hart and publishes it.
pub(crate) fn publish(harts: &[UsableHart], root: &InspectRoot) {
    if let Err(OutOfMemory) = try_publish(harts, root) {
        refuse(&"not enough memory for the state of every hart");
    }
}

fn try_publish(usable: &[UsableHart], root: &InspectRoot) -> Result<(), OutOfMemory> {
    let inspect: &'static [HartInspect] =
        Box::leak(usable.iter().map(|_| HartInspect::default()).collect());
    let (mut locals, mut services, mut stacks) = (Vec::new(), Vec::new(), Vec::new());
    let lines = wire::<Riscv>(usable.len())?;
    for (index, (lines, (hart, inspect))) in
        lines.into_iter().zip(usable.iter().zip(inspect)).enumerate()
    {
        inspect.hartid.store(hart.id, Ordering::Relaxed);
        let stack = KernelStack::empty()?;
        stacks.push(stack.begin());
        let (state, service) = new_hart(index, inspect, lines, stack)?;
        locals.push(HartLocal::new(hart_at(index), hart.id, hart.has_sstc, state)?);
        services.push(service);
    }
    let harts = addr::to_physical(inspect.as_ptr().addr()).get() as u64;
    if PLAN.set(Box::new(Plan { inspect, services, stacks })).is_err() {
        unreachable!("the boot hart publishes once");
    }
    cpu::publish_harts(locals)?;
    root.publish(harts, usable.len() as u64);
    Ok(())
}

fn new_hart(
    index: usize,
    inspect: &'static HartInspect,
    lines: Lines<Riscv>,
    stack: KernelStack,
) -> Result<(Hart<Riscv>, ThreadId), OutOfMemory> {
    let idle = NewThread { name: "idle", priority: Priority::IDLE, family: None, context: stack };
    let trace = new_trace(inspect)?;
    let mut hart = Hart::new(hart_at(index), Riscv, inspect, trace, lines, idle)?;
    let service = lwkt::new_thread("service", service::PRIORITY, service::run)?;
    let service = hart.adopt(service).map_err(|(error, _)| error)?;
    hart.set_service(service);
    Ok((hart, service))
}

/// A hart's trace ring, where the host finds it.
fn new_trace(inspect: &'static HartInspect) -> Result<trace::Ring, OutOfMemory> {
    let mut slots: Vec<trace::Slot> = Vec::new();
    slots.try_reserve_exact(trace::RECORDS).map_err(|_| OutOfMemory)?;
    slots.extend((0..trace::RECORDS).map(|_| trace::Slot::default()));
    let slots: &'static [trace::Slot] = slots.leak();
    let place = addr::to_physical(slots.as_ptr().addr()).get() as u64;
    inspect.trace.store(place, Ordering::Relaxed);
    Ok(trace::Ring::new(&inspect.trace_count, slots))
}

fn plan() -> &'static Plan {
    match PLAN.get() {
        Some(plan) => plan,
        None => unreachable!("published before any hart starts"),
    }
}

/// Asks firmware for every other hart. One that it refuses is reported, and the
/// rest go on.
pub(crate) fn start_others(door: boot::Door) {
    for (local, &stack) in cpu::harts().iter().zip(&plan().stacks).skip(1) {
        if let Err(error) = boot::start_secondary(local, stack, door) {
            console::send(Record::HartFailed { hartid: local.hartid(), error });
            plan().inspect[local.index().index()].online.store(REFUSED, Ordering::Relaxed);
        }
    }
}

/// What a hart's public block says of it.
const ARRIVED: u64 = 1;
const REFUSED: u64 = 2;

/// The calling hart has its stack: its service thread may run.
pub(crate) fn arrive() {
    enter(|hart, irq| {
        let service = plan().services[hart.index().index()];
        // The service thread is this hart's own, so no ring can be full.
        let scheduled = hart.schedule(irq, service);
        debug_assert!(scheduled.is_ok());
        hart.inspect().online.store(ARRIVED, Ordering::Release);
        ((), None)
    });
}

/// Makes the first thread: it waits for the other harts, and then runs `main`.
pub(crate) fn begin(main: impl FnOnce() + Send + 'static, priority: Priority) {
    let entry = move || {
        wait_for_others();
        main();
    };
    let Ok(thread) = lwkt::new_thread("main", priority, entry) else {
        refuse(&"not enough memory for the first thread");
    };
    enter(|hart, irq| {
        if let Ok(id) = hart.adopt(thread) {
            let scheduled = hart.schedule(irq, id);
            debug_assert!(scheduled.is_ok());
        }
        ((), None)
    });
}

/// Leaves the boot stack: the boot hart becomes its idle thread.
pub(crate) fn become_idle() -> ! {
    boot::become_idle(plan().stacks[0])
}

/// How long after the last arrival a hart is waited for that firmware calls on
/// its way: firmware says so of a hart that is in the tree only, for ever. In
/// seconds of guest time; a hart that exists needs milliseconds, and minutes of
/// other harts' arrivals do not count against it.
const PATIENCE: u64 = 10;

const POLLS_PER_SECOND: u64 = 10_000;

/// SBI_ERR_TIMEOUT, for a hart that was started and never came.
const NEVER_CAME: i64 = -12;

/// Waits until every hart that firmware started has arrived, or will not.
fn wait_for_others() {
    let mut services = Vec::new();
    let mut last = LastArrival { count: count_arrived(), time: time::now() };
    for (index, local) in cpu::harts().iter().enumerate() {
        if !has_arrived(index) && !waits_until_here(index, local.hartid(), &mut last) {
            continue;
        }
        services.push(plan().services[index]);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        console::send(Record::HartUp { hartid: local.hartid(), index });
    }
    if SERVICES.set(Box::new(services)).is_err() {
        unreachable!("the first thread waits once");
    }
    // From here on each of them takes part in rounds, and no other.
    service::pass_all(&mut Some(lwkt::message([0; 8])));
}

/// When the last of so many harts arrived.
struct LastArrival {
    count: usize,
    time: u64,
}

fn has_arrived(index: usize) -> bool {
    plan().inspect[index].online.load(Ordering::Acquire) == ARRIVED
}

fn count_arrived() -> usize {
    (0..plan().inspect.len()).filter(|&index| has_arrived(index)).count()
}

/// Waits for the hart; returns whether it arrived. One that does not is
/// reported; one that firmware refused to start was reported then.
fn waits_until_here(index: usize, hartid: u64, last: &mut LastArrival) -> bool {
    loop {
        // Asked before looking: a hart that stopped after arriving has arrived.
        let state = sbi::hart_state(hartid);
        if has_arrived(index) {
            return true;
        }
        if plan().inspect[index].online.load(Ordering::Relaxed) == REFUSED {
            return false;
        }
        if count_arrived() != last.count {
            *last = LastArrival { count: count_arrived(), time: time::now() };
        }
        let has_waited = time::seconds(time::now().wrapping_sub(last.time)) >= PATIENCE;
        if state == sbi::HartState::Absent || has_waited {
            console::send(Record::HartFailed { hartid, error: NEVER_CAME });
            return false;
        }
        // Polled, for it has no way to say that it will not come; asleep in
        // between, so that whoever emulates it can.
        lwkt::sleep_until(time::now() + time::ticks_per_second() / POLLS_PER_SECOND);
    }
}

/// The service threads of the harts that came up, the boot hart's first.
pub(crate) fn services() -> &'static [ThreadId] {
    SERVICES.get().map_or(&[], Vec::as_slice)
}

/// The service thread of that hart.
pub(crate) fn service_of(hart: HartIndex) -> ThreadId {
    plan().services[hart.index()]
}

/// The public blocks of every hart.
pub(crate) fn inspect() -> &'static [HartInspect] {
    plan().inspect
}
