// SPDX-License-Identifier: Apache-2.0
//! Channels: two harts meet in one slot. Whatever the order, a name finds its
//! own channel or nothing, one destroy of a channel succeeds, and a waiter is
//! taken out once.

use skimmer_core::{
    channel::{ChannelFlags, ChannelId, Wait, Waiters, Which, Woken, table::ChannelTable},
    ids::{HartIndex, Priority, ThreadId},
    machine::Sections,
};
use skimmer_sync::irq::IrqOff;

use crate::explore::{Depth, Kept, harts, holds};

/// A model hart, which has no interrupts at all.
#[derive(Clone, Copy)]
struct Hart(u16);

impl Sections for Hart {
    fn masked<R>(&self, work: impl FnOnce(&IrqOff) -> R) -> R {
        // SAFETY: one loom thread plays the hart.
        let irq = unsafe { IrqOff::assume(HartIndex::new(self.0)) };
        work(&irq)
    }
}

const NONE: ChannelFlags = ChannelFlags::FIXED_PRIORITY;

fn thread(slot: u64) -> ThreadId {
    ThreadId::from_word(1 << 32 | slot)
}

struct World {
    table: ChannelTable,
    waiters: &'static Waiters,
    id: ChannelId,
}

/// A table with one channel, made by hart 0.
fn world(limit: u32) -> Kept<World> {
    let Ok(table) = ChannelTable::new(2, limit) else { panic!("no memory") };
    let Ok(waiters) = Waiters::new(1) else { panic!("no memory") };
    let Ok(id) = table.create(&Hart(0), NONE) else { panic!("no channel") };
    Kept::new(World { table, waiters: Box::leak(Box::new(waiters)), id })
}

impl World {
    fn wait(&self, which: Which, slot: u64) -> Wait {
        assert!(self.waiters.enrol(thread(slot)).is_ok());
        let push = |irq: &IrqOff| {
            self.table.with(irq, self.waiters, self.id, |channel| {
                channel.push(which, thread(slot), Priority::new(5))
            })
        };
        match Hart(0).masked(push) {
            Ok(Ok(wait)) => wait,
            other => panic!("no wait: {other:?}"),
        }
    }

    fn destroy(&self, hart: Hart, woken: &mut u32) -> bool {
        self.table.destroy(&hart, self.waiters, self.id, |_: Woken| *woken += 1).is_ok()
    }

    fn is_there(&self, hart: Hart, id: ChannelId) -> bool {
        hart.masked(|irq| self.table.with(irq, self.waiters, id, |channel| channel.id()))
            .is_ok_and(|found| found == id)
    }
}

/// Both destroy the channel; hart 0 makes the next one in the same slot, hart 1
/// looks for the old.
fn stale_name() {
    let world = world(1);
    let (mut first, mut second, mut next) = (false, false, None);
    harts([
        Box::new(|| {
            first = world.destroy(Hart(0), &mut 0);
            assert!(!world.is_there(Hart(0), world.id));
            next = world.table.create(&Hart(0), NONE).ok();
        }),
        Box::new(|| {
            second = world.destroy(Hart(1), &mut 0);
            assert!(!world.is_there(Hart(1), world.id), "destroyed, yet found");
        }),
    ]);
    assert!(first != second, "destroyed once");
    let Some(next) = next else { panic!("the slot is free, yet no channel") };
    assert!(next.index() == world.id.index() && next != world.id);
    assert!(world.is_there(Hart(0), next) && !world.is_there(Hart(0), world.id));
    assert_eq!(world.table.counts(&Hart(0)).live(), 1);
}

/// Hart 0 destroys; hart 1 ends one of the waits, as for a thread that is
/// killed, and changes the priority of the other.
fn destroy_or_kill(queue: Which) {
    let world = world(2);
    let waits = [world.wait(queue, 0), world.wait(Which::Send, 1)];
    let (mut woken, mut ended) = (0, 0);
    harts([
        Box::new(|| assert!(world.destroy(Hart(0), &mut woken))),
        Box::new(|| {
            let end = |wait| Hart(1).masked(|irq| world.table.end_wait(irq, world.waiters, wait));
            let urgent = Priority::new(9);
            Hart(1).masked(|irq| world.table.set_priority(irq, world.waiters, waits[1], urgent));
            ended += u32::from(end(waits[0]).is_some());
            assert!(end(waits[0]).is_none(), "ended twice");
        }),
    ]);
    assert_eq!(woken + ended, 2, "each is woken once");
    assert_eq!(world.table.counts(&Hart(0)).live(), 0);
}

/// Hart 1 empties the table while hart 0 destroys the channel that is in it.
fn empty_or_destroy() {
    let world = world(2);
    world.wait(Which::Receive, 0);
    let (mut woken, mut emptied) = (0, 0);
    harts([
        Box::new(|| _ = world.destroy(Hart(0), &mut woken)),
        Box::new(|| world.table.empty(&Hart(1), world.waiters, |_: Woken| emptied += 1)),
    ]);
    assert_eq!(woken + emptied, 1, "woken once");
    let counts = world.table.counts(&Hart(0));
    assert_eq!((counts.created, counts.destroyed), (1, 1), "it goes once");
}

#[test]
fn channel_stale_name() {
    holds("channel: stale name", Depth::Whole, stale_name);
}

#[test]
fn channel_destroy_or_kill() {
    // The queues differ in nothing that harts could see.
    let few = Depth::Preemptions(4);
    for (queue, depth) in [(Which::Send, Depth::Whole), (Which::Receive, few), (Which::Reply, few)]
    {
        holds(&format!("channel: destroy or kill, {queue:?}"), depth, move || {
            destroy_or_kill(queue);
        });
    }
}

#[test]
fn channel_empty_or_destroy() {
    holds("channel: empty or destroy", Depth::Preemptions(4), empty_or_destroy);
}
