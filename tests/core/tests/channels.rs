// SPDX-License-Identifier: Apache-2.0
//! Channels on one hart after the other: names, limits, what a destroy wakes,
//! and that the steady state needs no memory. Harts that meet: `channel_harts`,
//! and the models.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashSet},
};

use proptest::prelude::*;
use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{ChannelFlags, ChannelId, Wait, Waiters, Which, table::ChannelTable},
    ids::{Priority, ThreadId},
    machine::{Quiesce, Sections},
};
use skimmer_core_tests::{
    census::{self, Census},
    sections::Here,
};
use skimmer_sync::retire::Retired;

#[global_allocator]
static CENSUS: Census = Census;

const NONE: ChannelFlags = ChannelFlags::FIXED_PRIORITY;
const PRIORITY: Priority = Priority::new(10);

/// The thread in that slot of hart 0, the first to live there.
fn thread(slot: u64) -> ThreadId {
    ThreadId::from_word(1 << 32 | slot)
}

fn waiters(count: u64) -> &'static Waiters {
    let waiters = Box::leak(Box::new(Waiters::new(1).unwrap()));
    (0..count).for_each(|slot| waiters.enrol(thread(slot)).unwrap());
    waiters
}

fn push<const LAST: u32>(
    table: &ChannelTable<LAST>,
    waiters: &'static Waiters,
    id: ChannelId,
    which: Which,
    thread: ThreadId,
    priority: u8,
) -> Wait {
    let priority = Priority::new(priority);
    Here::at(0)
        .masked(|irq| table.with(irq, waiters, id, |channel| channel.push(which, thread, priority)))
        .unwrap()
        .unwrap()
}

fn destroy<const LAST: u32>(
    table: &ChannelTable<LAST>,
    waiters: &'static Waiters,
    id: ChannelId,
) -> Result<Vec<(Wait, Which, Errno)>, Errno> {
    let mut woken = Vec::new();
    let wake = |one: skimmer_core::channel::Woken| woken.push((one.wait, one.queue, one.error));
    table.destroy(&Here::at(0), waiters, id, wake)?;
    Ok(woken)
}

fn is_there<const LAST: u32>(
    table: &ChannelTable<LAST>,
    waiters: &'static Waiters,
    id: ChannelId,
) -> bool {
    match Here::at(0).masked(|irq| table.with(irq, waiters, id, |channel| channel.id())) {
        Ok(found) => found == id,
        Err(errno) => {
            assert_eq!(errno, Errno::ESRCH);
            false
        }
    }
}

#[test]
fn a_freed_slot_is_used_at_once_under_another_name() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(1, 100).unwrap(), waiters(0));
    let mut names = HashSet::new();
    for _ in 0..1000 {
        let id = table.create(&Here::at(0), NONE).unwrap();
        assert_eq!(id.index(), 0);
        assert!(names.insert(id) && is_there(&table, waiters, id));
        assert_eq!(destroy(&table, waiters, id), Ok(vec![]));
    }
    for &id in &names {
        assert!(!is_there(&table, waiters, id));
        assert_eq!(destroy(&table, waiters, id), Err(Errno::EINVAL));
    }
    let counts = table.counts(&Here::at(0));
    assert_eq!((counts.created, counts.destroyed, counts.live()), (1000, 1000, 0));
}

#[test]
fn a_slot_out_of_generations_is_retired_and_replaced() {
    let table: ChannelTable<3> = ChannelTable::new(1, 2).unwrap();
    let waiters = waiters(0);
    let mut names = HashSet::new();
    for _ in 0..100 {
        let pair = [(); 2].map(|()| table.create(&Here::at(0), NONE).unwrap());
        assert_eq!(table.create(&Here::at(0), NONE), Err(Errno::EAGAIN), "the limit stays");
        for id in pair {
            assert!(id.generation().get() <= 3 && names.insert(id), "{id:?} again");
            assert_eq!(destroy(&table, waiters, id), Ok(vec![]));
        }
        assert!(names.iter().all(|&id| !is_there(&table, waiters, id)));
    }
}

/// Frees at once: one hart, and it is in no section.
struct AtOnce<'c>(&'c Cell<u32>);

impl Quiesce for AtOnce<'_> {
    fn free<T>(self, retired: Retired<T>) {
        self.0.set(self.0.get() + 1);
        // SAFETY: the only thread, outside of masked sections.
        unsafe { retired.free() };
    }
}

#[test]
fn a_table_that_is_retired_begins_anew_without_memory() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(2, 40).unwrap(), waiters(0));
    let (empty, rounds) = (table.footprint(), Cell::new(0));
    let retire = || table.retire(&Here::at(0), 40, AtOnce(&rounds));
    retire();
    assert_eq!(rounds.get(), 0, "there is nothing to free");
    let made = |n: u16| table.create(&Here::at(n % 2), NONE).unwrap();
    let mut ids: Vec<_> = Vec::new();
    for life in 1..=3 {
        ids = (0..40).map(made).collect();
        table.allow(&Here::at(0), 8);
        ids.extend((0..8).map(made));
        assert!(table.footprint() > empty);
        table.empty(&Here::at(1), waiters, |woken| panic!("nobody waits: {woken:?}"));
        retire();
        assert_eq!((table.footprint(), rounds.get()), (empty, life));
        assert!(ids.iter().all(|&id| !is_there(&table, waiters, id)));
        let counts = table.counts(&Here::at(0));
        assert_eq!((counts.live(), counts.free), (0, 0));
    }
    assert_eq!(destroy(&table, waiters, ids[0]), Err(Errno::EINVAL));
    // What was allowed before is the life before's.
    let again: HashSet<_> = (0..40).map(made).collect();
    assert_eq!(again.len(), 40);
    assert_eq!(table.create(&Here::at(0), NONE), Err(Errno::EAGAIN));
}

#[test]
fn the_limit_is_eagain_and_changes_nothing() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(3, 100).unwrap(), waiters(0));
    let mut ids: Vec<_> = (0..100).map(|n| table.create(&Here::at(n % 3), NONE).unwrap()).collect();
    for _ in 0..3 {
        assert_eq!(table.create(&Here::at(1), NONE), Err(Errno::EAGAIN));
        assert_eq!(table.counts(&Here::at(0)).live(), 100);
        // What hart 0 frees, hart 1 gets: the limit is the process's.
        assert_eq!(destroy(&table, waiters, ids.pop().unwrap()), Ok(vec![]));
        ids.push(table.create(&Here::at(1), NONE).unwrap());
    }
    assert!(ids.iter().all(|&id| is_there(&table, waiters, id)));
    let none: ChannelTable = ChannelTable::new(1, 0).unwrap();
    assert_eq!(none.create(&Here::at(0), NONE), Err(Errno::EAGAIN));
}

#[test]
fn names_of_nothing_are_refused() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(1, 100).unwrap(), waiters(0));
    let id = table.create(&Here::at(0), NONE).unwrap();
    for register in [1 << 32 | 31, 1 << 32 | 32, 1 << 32 | 0xffff_ffff, 0x7fff_ffff_0000_0000] {
        let other = ChannelId::from_register(register).unwrap();
        assert!(!is_there(&table, waiters, other));
        assert_eq!(destroy(&table, waiters, other), Err(Errno::EINVAL));
    }
    assert!(is_there(&table, waiters, id));
}

#[test]
fn one_channel_hears_of_deaths() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(1, 100).unwrap(), waiters(1));
    let (deaths, coids) = (ChannelFlags::THREAD_DEATH, ChannelFlags::COID_DISCONNECT);
    let special = |flag| Here::at(0).masked(|irq| table.special(irq, flag));
    let create = |flags| table.create(&Here::at(0), flags);
    let first = create(deaths.with(ChannelFlags::UNBLOCK)).unwrap();
    assert_eq!((special(deaths), special(coids)), (Some(first), None));
    assert_eq!(create(deaths), Err(Errno::EBUSY));
    assert_eq!(create(coids.with(deaths)), Err(Errno::EBUSY));
    assert_eq!(special(coids), None, "refused, and nothing taken");
    let second = create(coids).unwrap();
    push(&table, waiters, first, Which::Receive, thread(0), 1);
    assert_eq!(destroy(&table, waiters, first).map(|woken| woken.len()), Ok(1));
    assert_eq!((special(deaths), special(coids)), (None, Some(second)));
    let third = create(deaths).unwrap();
    assert_eq!(special(deaths), Some(third));
}

#[test]
fn a_destroy_wakes_everybody_in_order() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(1, 100).unwrap(), waiters(20));
    let id = table.create(&Here::at(0), NONE).unwrap();
    let mut expected = Vec::new();
    // Replies by arrival, the others by priority, then arrival.
    let plan = [
        (Which::Reply, 0, 5),
        (Which::Receive, 1, 5),
        (Which::Send, 2, 5),
        (Which::Reply, 3, 9),
        (Which::Send, 4, 9),
        (Which::Receive, 5, 9),
        (Which::Send, 6, 5),
        (Which::Send, 7, 9),
    ];
    let waits = plan
        .map(|(which, slot, level)| (push(&table, waiters, id, which, thread(slot), level), which));
    for place in [4, 7, 2, 6, 5, 1, 0, 3] {
        expected.push((waits[place].0, waits[place].1, Errno::ESRCH));
    }
    let woken = RefCell::new(Vec::new());
    table
        .destroy(&Here::at(0), waiters, id, |one| {
            // Found by nobody from the start, and all locks are free.
            assert!(!is_there(&table, waiters, id));
            assert_eq!(destroy(&table, waiters, id), Err(Errno::EINVAL));
            woken.borrow_mut().push((one.wait, one.queue, one.error));
        })
        .unwrap();
    assert_eq!(woken.into_inner(), expected);
    let again = table.create(&Here::at(0), NONE).unwrap();
    assert_eq!((again.index(), destroy(&table, waiters, again)), (id.index(), Ok(vec![])));
}

#[test]
fn a_thread_waits_at_one_place_and_leaves_it_once() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(1, 100).unwrap(), waiters(1));
    let [a, b] = [(); 2].map(|()| table.create(&Here::at(0), NONE).unwrap());
    let here = Here::at(0);
    let wait = push(&table, waiters, a, Which::Send, thread(0), 5);
    for id in [a, b] {
        let refused = here.masked(|irq| {
            table.with(irq, waiters, id, |channel| channel.push(Which::Send, thread(0), PRIORITY))
        });
        assert_eq!(refused, Ok(Err(Errno::EBUSY)));
    }
    let elsewhere = Wait { channel: b, ..wait };
    assert_eq!(here.masked(|irq| table.end_wait(irq, waiters, elsewhere)), None);
    let woken = here.masked(|irq| table.end_wait(irq, waiters, wait)).unwrap();
    assert_eq!((woken.wait, woken.queue), (wait, Which::Send));
    assert_eq!(here.masked(|irq| table.end_wait(irq, waiters, wait)), None);
    // The next wait, at the same place, is another.
    let next = push(&table, waiters, a, Which::Send, thread(0), 5);
    assert_ne!(next, wait);
    assert_eq!(here.masked(|irq| table.end_wait(irq, waiters, wait)), None);
    assert!(!here.masked(|irq| table.set_priority(irq, waiters, wait, PRIORITY)));
    assert!(here.masked(|irq| table.set_priority(irq, waiters, next, PRIORITY)));
    // A record that nobody made is no place to wait.
    let stranger = here.masked(|irq| {
        table.with(irq, waiters, b, |channel| channel.push(Which::Send, thread(99), PRIORITY))
    });
    assert_eq!(stranger, Ok(Err(Errno::EBUSY)));
    assert_eq!(destroy(&table, waiters, a), Ok(vec![(next, Which::Send, Errno::ESRCH)]));
}

#[test]
fn a_table_that_is_emptied_wakes_all_and_is_used_again() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(2, 1000).unwrap(), waiters(50));
    let ids: Vec<_> = (0..100).map(|n| table.create(&Here::at(n % 2), NONE).unwrap()).collect();
    let mut waits: HashSet<_> = (0..50)
        .map(|n| {
            let id = ids[usize::try_from(n).unwrap() % 7];
            push(&table, waiters, id, Which::ALL[usize::try_from(n).unwrap() % 3], thread(n), 3)
        })
        .collect();
    table.empty(&Here::at(1), waiters, |one| assert!(waits.remove(&one.wait)));
    assert!(waits.is_empty());
    assert_eq!(table.counts(&Here::at(0)).live(), 0);
    let next: Vec<_> = (0..100).map(|n| table.create(&Here::at(n % 2), NONE).unwrap()).collect();
    assert!(ids.iter().all(|&id| destroy(&table, waiters, id) == Err(Errno::EINVAL)));
    assert!(next.iter().all(|&id| is_there(&table, waiters, id)));
}

#[test]
fn the_steady_state_takes_no_memory() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(1, 1000).unwrap(), waiters(2));
    let here = Here::at(0);
    let round = || {
        let ids = [(); 128].map(|()| table.create(&here, NONE).unwrap());
        push(&table, waiters, ids[5], Which::Send, thread(0), 1);
        push(&table, waiters, ids[5], Which::Receive, thread(1), 1);
        let mut woken = 0;
        for id in ids {
            table.destroy(&here, waiters, id, |_| woken += 1).unwrap();
        }
        assert_eq!(woken, 2);
    };
    round();
    assert_eq!(census::allocations(|| (0..100).for_each(|_| round())), 0);
    assert_eq!(table.counts(&here).grown, 4);
}

#[test]
fn out_of_memory_changes_nothing() {
    let (table, waiters): (ChannelTable, _) = (ChannelTable::new(2, 1000).unwrap(), waiters(1));
    let here = Here::at(0);
    let none = census::without_memory(|| table.create(&here, NONE));
    assert_eq!(none, Err(Errno::ENOMEM));
    assert_eq!(table.counts(&here), Default::default());
    let ids: Vec<_> = (0..32).map(|_| table.create(&here, NONE).unwrap()).collect();
    let before = table.counts(&here);
    for hart in 0..2 {
        let none = census::without_memory(|| table.create(&Here::at(hart), NONE));
        assert_eq!((none, table.counts(&here)), (Err(Errno::ENOMEM), before));
    }
    assert!(ids.iter().all(|&id| is_there(&table, waiters, id)));
    // What others have free is found before the answer is no.
    assert_eq!(destroy(&table, waiters, ids[3]), Ok(vec![]));
    let found = census::without_memory(|| table.create(&Here::at(1), NONE)).unwrap();
    assert_eq!(found.index(), ids[3].index());
    assert!(table.create(&here, NONE).is_ok(), "memory is back");
    let enrolled = census::without_memory(|| waiters.enrol(thread(5000)));
    assert!(enrolled.is_err() && waiters.enrol(thread(5000)).is_ok());
    assert!(census::without_memory(|| ChannelTable::<5>::new(8, 10).is_err()));
}

#[test]
fn nothing_is_left_of_a_table() {
    // They stay for ever.
    let waiters = waiters(3);
    assert_eq!(
        census::leaks(|| {
            let table: ChannelTable = ChannelTable::new(4, 10_000).unwrap();
            let ids: Vec<_> =
                (0..1000).map(|n| table.create(&Here::at(n % 4), NONE).unwrap()).collect();
            push(&table, waiters, ids[7], Which::Send, thread(1), 1);
            table.empty(&Here::at(0), waiters, |_| ());
        }),
        0
    );
}

const THREADS: u64 = 10;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// On that hart.
    Create(u16),
    /// The name that was given out that many names ago, also a stale one.
    Destroy(u16, usize),
    Push(usize, usize, u64, u8),
    Pop(usize, usize),
    /// Of the thread's last wait, also a stale one.
    End(u64),
    Priority(u64, u8),
    Shift(u64, usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (name, queue, slot, level) = (0usize..8, 0usize..3, 0..THREADS, 0u8..4);
    let op = prop_oneof![
        4 => (0u16..3).prop_map(Op::Create),
        3 => (0u16..3, name.clone()).prop_map(|(hart, name)| Op::Destroy(hart, name)),
        8 => (name.clone(), queue.clone(), slot.clone(), level.clone())
            .prop_map(|(name, queue, slot, level)| Op::Push(name, queue, slot, level)),
        3 => (name, queue.clone()).prop_map(|(name, queue)| Op::Pop(name, queue)),
        2 => slot.clone().prop_map(Op::End),
        3 => (slot.clone(), level).prop_map(|(slot, level)| Op::Priority(slot, level)),
        2 => (slot, queue).prop_map(|(slot, queue)| Op::Shift(slot, queue)),
    ];
    prop::collection::vec(op, 0..250)
}

type Queues = [Vec<(u8, Wait)>; 3];

/// Live channels, and who waits where, the next first.
#[derive(Default)]
struct Model {
    channels: BTreeMap<u64, Queues>,
    waits: BTreeMap<u64, Wait>,
}

impl Model {
    fn add(&mut self, id: ChannelId, queue: usize, level: u8, wait: Wait) {
        let queues = self.channels.get_mut(&id.to_register()).expect("live");
        let stands_before = |other: &(u8, Wait)| queue == Which::Reply as usize || other.0 >= level;
        let place = queues[queue].partition_point(stands_before);
        queues[queue].insert(place, (level, wait));
    }

    fn find(&self, wait: Wait) -> Option<(usize, usize)> {
        let queues = self.channels.get(&wait.channel.to_register())?;
        let stands = |queue: &Vec<(u8, Wait)>| queue.iter().position(|(_, other)| *other == wait);
        queues.iter().enumerate().find_map(|(queue, list)| Some((queue, stands(list)?)))
    }

    fn remove(&mut self, wait: Wait) -> Option<(usize, u8)> {
        let (queue, place) = self.find(wait)?;
        let queues = self.channels.get_mut(&wait.channel.to_register())?;
        Some((queue, queues[queue].remove(place).0))
    }

    fn is_waiting(&self, slot: u64) -> bool {
        self.waits.get(&slot).is_some_and(|wait| self.find(*wait).is_some())
    }
}

const LIMIT: u32 = 6;

struct World {
    table: ChannelTable<4>,
    waiters: &'static Waiters,
    model: Model,
    names: Vec<ChannelId>,
}

impl World {
    fn name(&self, back: usize) -> Option<ChannelId> {
        self.names.iter().rev().nth(back).copied()
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Create(hart) => self.create(hart),
            Op::Destroy(hart, back) => self.destroy(hart, back),
            Op::Push(back, queue, slot, level) => self.push(back, queue, slot, level),
            Op::Pop(back, queue) => self.pop(back, queue),
            Op::End(slot) => self.end(slot),
            Op::Priority(slot, level) => self.set_priority(slot, level),
            Op::Shift(slot, queue) => self.shift(slot, queue),
        }
    }

    fn create(&mut self, hart: u16) {
        match self.table.create(&Here::at(hart), NONE) {
            Ok(id) => {
                assert!(!self.names.contains(&id), "a name was given out twice");
                self.names.push(id);
                self.model.channels.insert(id.to_register(), Queues::default());
            }
            Err(errno) => {
                assert_eq!((errno, self.model.channels.len()), (Errno::EAGAIN, LIMIT as usize));
            }
        }
    }

    fn destroy(&mut self, hart: u16, back: usize) {
        let Some(id) = self.name(back) else { return };
        let mut woken = Vec::new();
        let wake = |one: skimmer_core::channel::Woken| woken.push((one.queue as usize, one.wait));
        let result = self.table.destroy(&Here::at(hart), self.waiters, id, wake);
        let expected = self.model.channels.remove(&id.to_register());
        assert_eq!(result, expected.as_ref().map(|_| ()).ok_or(Errno::EINVAL));
        let expected = expected.unwrap_or_default().into_iter().enumerate();
        let all: Vec<_> = expected
            .flat_map(|(queue, list)| list.into_iter().map(move |(_, w)| (queue, w)))
            .collect();
        assert_eq!(woken, all);
    }

    fn push(&mut self, back: usize, queue: usize, slot: u64, level: u8) {
        let Some(id) = self.name(back) else { return };
        let (which, level_) = (Which::ALL[queue], Priority::new(level));
        let result = Here::at(0).masked(|irq| {
            self.table.with(irq, self.waiters, id, |c| c.push(which, thread(slot), level_))
        });
        if !self.model.channels.contains_key(&id.to_register()) {
            assert_eq!(result, Err(Errno::ESRCH));
        } else if self.model.is_waiting(slot) {
            assert_eq!(result, Ok(Err(Errno::EBUSY)));
        } else {
            let wait = result.unwrap().unwrap();
            assert_eq!((wait.channel, wait.thread), (id, thread(slot)));
            assert_ne!(self.model.waits.insert(slot, wait), Some(wait));
            self.model.add(id, queue, level, wait);
        }
    }

    fn pop(&mut self, back: usize, queue: usize) {
        let Some(id) = self.name(back) else { return };
        let which = Which::ALL[queue];
        let popped = Here::at(0).masked(|irq| {
            self.table.with(irq, self.waiters, id, |c| (c.first(which), c.pop(which)))
        });
        let Some(queues) = self.model.channels.get_mut(&id.to_register()) else {
            return assert_eq!(popped, Err(Errno::ESRCH));
        };
        let next = (!queues[queue].is_empty()).then(|| queues[queue].remove(0));
        let next = next.map(|(level, wait)| (wait, Priority::new(level)));
        assert_eq!(popped, Ok((next, next)));
    }

    fn end(&mut self, slot: u64) {
        let Some(&wait) = self.model.waits.get(&slot) else { return };
        let woken = Here::at(0).masked(|irq| self.table.end_wait(irq, self.waiters, wait));
        let expected = self.model.remove(wait).map(|(queue, _)| (queue, wait));
        assert_eq!(woken.map(|one| (one.queue as usize, one.wait)), expected);
    }

    fn set_priority(&mut self, slot: u64, level: u8) {
        let Some(&wait) = self.model.waits.get(&slot) else { return };
        let level_ = Priority::new(level);
        let waits =
            Here::at(0).masked(|irq| self.table.set_priority(irq, self.waiters, wait, level_));
        let found = self.model.find(wait);
        assert_eq!(waits, found.is_some());
        let Some((queue, place)) = found else { return };
        let queues = self.model.channels.get_mut(&wait.channel.to_register()).unwrap();
        if queue == Which::Reply as usize || queues[queue][place].0 == level {
            queues[queue][place].0 = level;
        } else {
            self.model.remove(wait);
            self.model.add(wait.channel, queue, level, wait);
        }
    }

    fn shift(&mut self, slot: u64, queue: usize) {
        let Some(&wait) = self.model.waits.get(&slot) else { return };
        let which = Which::ALL[queue];
        let shifted = Here::at(0).masked(|irq| {
            self.table.with(irq, self.waiters, wait.channel, |c| c.shift(wait, which))
        });
        let removed = self.model.remove(wait);
        assert_eq!(shifted.unwrap_or(false), removed.is_some());
        if let Some((_, level)) = removed {
            self.model.add(wait.channel, queue, level, wait);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_table_is_what_the_model_is(ops in ops()) {
        let (table, waiters) = (ChannelTable::new(3, LIMIT).unwrap(), waiters(THREADS));
        let (model, names) = (Model::default(), Vec::new());
        let mut world = World { table, waiters, model, names };
        for op in ops {
            world.step(op);
            let live = world.table.counts(&Here::at(0)).live();
            prop_assert_eq!(live, world.model.channels.len() as u64);
        }
        for &id in &world.names {
            let lives = world.model.channels.contains_key(&id.to_register());
            prop_assert_eq!(is_there(&world.table, world.waiters, id), lives);
        }
        let mut woken = 0;
        world.table.empty(&Here::at(2), world.waiters, |_| woken += 1);
        let all = world.model.channels.values().flatten().map(Vec::len).sum::<usize>();
        prop_assert_eq!(woken, all);
        prop_assert_eq!(world.table.counts(&Here::at(0)).live(), 0);
    }
}
