// SPDX-License-Identifier: Apache-2.0
//! Channels under harts that really run side by side: one OS thread each. The
//! host decides who meets whom; every order is the business of the models.

use std::{
    collections::BTreeSet,
    sync::{Barrier, Mutex},
    thread,
};

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{ChannelFlags, ChannelId, Wait, Waiters, Which, Woken, table::ChannelTable},
    ids::{Priority, ThreadId},
    machine::Sections,
};
use skimmer_core_tests::{
    census::{self, Census},
    sections::Here,
};

#[global_allocator]
static CENSUS: Census = Census;

const NONE: ChannelFlags = ChannelFlags::FIXED_PRIORITY;

/// For ever, as in the kernel.
fn leaked(waiters: Waiters) -> &'static Waiters {
    Box::leak(Box::new(waiters))
}

fn is_there(table: &ChannelTable, waiters: &'static Waiters, here: Here, id: ChannelId) -> bool {
    here.masked(|irq| table.with(irq, waiters, id, |_| ())).is_ok()
}

/// One round of the storm: `channels` made, and destroyed in another order.
fn storm(
    table: &ChannelTable,
    waiters: &'static Waiters,
    here: Here,
    ids: &mut [Option<ChannelId>],
) {
    for id in &mut *ids {
        *id = Some(table.create(&here, NONE).unwrap());
    }
    let count = ids.len();
    for place in 0..count {
        // 37 and the count have no common divisor.
        let id = ids[place * 37 % count].unwrap();
        table.destroy(&here, waiters, id, |_| unreachable!("nobody waits")).unwrap();
        assert!(!is_there(table, waiters, here, id), "a stale name was accepted");
        assert_eq!(table.destroy(&here, waiters, id, |_| ()), Err(Errno::EINVAL));
    }
}

/// Done-when 4, as far as a host can tell: harts that create and destroy side
/// by side share no slot, no stock, and ask for no memory.
#[test]
fn eight_harts_do_not_meet() {
    const HARTS: u16 = 8;
    const ROUNDS: u64 = 200;
    const EACH: usize = 128;
    let table: ChannelTable = ChannelTable::new(usize::from(HARTS), 5000).unwrap();
    let waiters = leaked(Waiters::new(usize::from(HARTS)).unwrap());
    let (warm, all_warm) = (Mutex::new(None), Barrier::new(usize::from(HARTS)));
    let seen = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for hart in 0..HARTS {
            let (table, waiters, warm, all_warm, seen) = (&table, waiters, &warm, &all_warm, &seen);
            scope.spawn(move || {
                let (here, mut ids) = (Here::at(hart), [None; EACH]);
                storm(table, waiters, here, &mut ids);
                let mut own: BTreeSet<_> = ids.iter().flatten().map(|id| id.index()).collect();
                if all_warm.wait().is_leader() {
                    *warm.lock().unwrap() = Some(table.counts(&here));
                }
                all_warm.wait();
                let taken = census::allocations(|| {
                    (0..ROUNDS).for_each(|_| storm(table, waiters, here, &mut ids));
                });
                assert_eq!(taken, 0, "memory in the steady state");
                let count = own.len();
                own.extend(ids.iter().flatten().map(|id| id.index()));
                assert_eq!(own.len(), count, "the slots that it freed are those it uses");
                let mut seen = seen.lock().unwrap();
                assert!(own.iter().all(|index| seen.insert(*index)), "a slot of two harts");
            });
        }
    });
    let (before, after) = (warm.into_inner().unwrap().unwrap(), table.counts(&Here::at(0)));
    assert_eq!((after.grown, after.stolen), (before.grown, 0), "no growth, no theft");
    assert_eq!(after.created, u64::from(HARTS) * EACH as u64 * (ROUNDS + 1));
    assert_eq!((after.live(), after.free), (0, u64::from(HARTS) * EACH as u64));
}

/// At the limit, harts take slots from each other; none is lost.
#[test]
fn at_the_limit_slots_go_round() {
    const HARTS: u16 = 4;
    const LIMIT: u32 = 10;
    let table: ChannelTable = ChannelTable::new(usize::from(HARTS), LIMIT).unwrap();
    let waiters = leaked(Waiters::new(usize::from(HARTS)).unwrap());
    let (table, waiters) = (&table, waiters);
    thread::scope(|scope| {
        for hart in 0..HARTS {
            scope.spawn(move || {
                let mut ids = Vec::new();
                for turn in 0..20_000 {
                    match table.create(&Here::at(hart), NONE) {
                        Ok(id) => ids.push(id),
                        Err(errno) => assert_eq!(errno, Errno::EAGAIN),
                    }
                    if ids.len() > turn % 5 {
                        let id = ids.swap_remove(turn % ids.len());
                        table.destroy(&Here::at(hart), waiters, id, |_| ()).unwrap();
                    }
                }
                for id in ids {
                    table.destroy(&Here::at(hart), waiters, id, |_| ()).unwrap();
                }
            });
        }
    });
    let here = Here::at(0);
    let counts = table.counts(&here);
    assert_eq!((counts.live(), counts.free), (0, u64::from(LIMIT)));
    assert!(counts.stolen > 0);
    let ids: BTreeSet<_> = (0..LIMIT).map(|_| table.create(&here, NONE).unwrap().index()).collect();
    assert_eq!(ids.len(), LIMIT as usize);
    assert_eq!(table.create(&here, NONE), Err(Errno::EAGAIN));
}

/// Destroys, kills and changes of priority fall upon the same waiters: each is
/// woken once.
#[test]
fn each_waiter_is_woken_once() {
    const WAITERS: u64 = 12;
    let table: ChannelTable = ChannelTable::new(4, 8).unwrap();
    let waiters = leaked(Waiters::new(1).unwrap());
    let names: Vec<_> = (0..WAITERS).map(|slot| ThreadId::from_word(1 << 32 | slot)).collect();
    names.iter().for_each(|name| waiters.enrol(*name).unwrap());
    for round in 0..300 {
        let here = Here::at(0);
        let id = table.create(&here, NONE).unwrap();
        let wait = |(place, &name): (usize, &ThreadId)| {
            let (which, priority) = (Which::ALL[place % 3], Priority::new(1));
            here.masked(|irq| table.with(irq, waiters, id, |c| c.push(which, name, priority)))
                .unwrap()
                .unwrap()
        };
        let waits: Vec<Wait> = names.iter().enumerate().map(wait).collect();
        let woken = Mutex::new(Vec::new());
        let (table, waiters, waits, woken) = (&table, waiters, &waits, &woken);
        let wake = move |one: Woken| woken.lock().unwrap().push(one.wait);
        thread::scope(|scope| {
            scope.spawn(move || table.destroy(&Here::at(1), waiters, id, wake).unwrap());
            scope.spawn(move || {
                for wait in waits.iter().rev().step_by(1 + round % 2) {
                    let one = Here::at(2).masked(|irq| table.end_wait(irq, waiters, *wait));
                    one.into_iter().for_each(wake);
                }
            });
            scope.spawn(move || {
                for (level, wait) in (0..).zip(waits) {
                    let priority = Priority::new(level);
                    Here::at(3).masked(|irq| table.set_priority(irq, waiters, *wait, priority));
                    assert!(table.create(&Here::at(3), NONE).is_ok_and(|new| {
                        let refused = Here::at(3).masked(|irq| {
                            table.end_wait(irq, waiters, Wait { channel: new, ..*wait })
                        });
                        table.destroy(&Here::at(3), waiters, new, wake).is_ok() && refused.is_none()
                    }));
                }
            });
        });
        let mut slots: Vec<_> =
            woken.lock().unwrap().iter().map(|wait| wait.thread.to_word()).collect();
        slots.sort_unstable();
        let all: Vec<_> = names.iter().map(|name| name.to_word()).collect();
        assert_eq!(slots, all, "each once");
    }
    assert_eq!(table.counts(&Here::at(0)).live(), 0);
}
