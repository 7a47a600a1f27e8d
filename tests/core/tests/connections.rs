// SPDX-License-Identifier: Apache-2.0
//! Names that programs have: of connections, of messages; and what a thread finds when
//! its wait is over.

use std::{cell::Cell, collections::BTreeMap};

use proptest::prelude::*;
use skimmer_abi::{errno::Errno, message::SIDE_CHANNEL};
use skimmer_core::{
    channel::{
        ChannelFlags, ChannelId, Guest, MessageId, Outcome, Wait, Waiters, Which,
        connection::{ConnectionId, Connections, Directory, MOST, Target, part_of},
        table::ChannelTable,
    },
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

/// A server's room.
type Room = u64;
static ROOMS: [Room; 3] = [70, 71, 72];
const HERE: Here = Here::at(0);

struct Process {
    directory: Directory,
    connections: Connections<Room>,
}

fn target(which: u64) -> Target<Room> {
    let channel = ChannelId::from_register((which + 1) << 32 | which).unwrap();
    let server = &ROOMS[usize::try_from(which).unwrap() % ROOMS.len()];
    Target { server, pid: 100 + which, channel, scoid: 200 + which }
}

fn words(target: &Target<Room>) -> (Room, u64, ChannelId, u64) {
    (*target.server, target.pid, target.channel, target.scoid)
}

impl Process {
    fn new() -> Self {
        Self { directory: Directory::new(), connections: Connections::new() }
    }

    fn attach(&mut self, least: u32, which: u64) -> Result<ConnectionId, Errno> {
        let index = self.directory.choose(least)?;
        self.directory.grow(&self.connections, index).map_err(|_| Errno::EAGAIN)?;
        let made = self.directory.attach(&HERE, &self.connections, index, &target(which));
        made.ok_or(Errno::EAGAIN)
    }

    fn detach(&mut self, id: ConnectionId) -> Option<(Room, u64, ChannelId, u64)> {
        let gone = self.directory.detach(&HERE, &self.connections, id);
        gone.map(|target| words(&target))
    }

    fn find(&self, id: ConnectionId) -> Option<(Room, u64, ChannelId, u64)> {
        HERE.masked(|irq| {
            let found = self.connections.find(irq, id);
            assert_eq!(found.is_some(), self.connections.is_current(irq, id));
            found.map(|target| words(&target))
        })
    }

    fn next(&self, from: u32) -> Option<ConnectionId> {
        self.directory.next(&HERE, &self.connections, from)
    }
}

#[test]
fn the_lowest_free_index_that_is_not_below_the_least() {
    let mut process = Process::new();
    let indices: Vec<_> =
        [0, 0, 5, 0, 5, 64, 3].map(|least| process.attach(least, 0).unwrap().index()).into();
    assert_eq!(indices, [0, 1, 5, 2, 6, 64, 3]);
    assert_eq!(process.attach(63, 0).unwrap().index(), 63);
    assert_eq!(process.attach(63, 0).unwrap().index(), 65);
    assert_eq!(process.attach(10_000, 0).unwrap().index(), 10_000);
    assert_eq!(process.directory.choose(MOST - 1), Ok(MOST - 1));
    for none in [MOST, SIDE_CHANNEL - 1, 1 << 31, !SIDE_CHANNEL] {
        assert_eq!(process.directory.choose(none), Err(Errno::EINVAL), "{none:#x}");
    }
}

#[test]
fn the_last_index_is_the_last() {
    let mut process = Process::new();
    assert_eq!(process.attach(MOST - 1, 0).unwrap().index(), MOST - 1);
    assert_eq!(process.attach(MOST - 1, 0), Err(Errno::EMFILE));
    assert!(process.attach(MOST - 2, 0).is_ok());
    assert_eq!(process.attach(MOST - 2, 0), Err(Errno::EMFILE));
}

#[test]
fn side_channels_are_numbers_of_their_own() {
    let mut process = Process::new();
    let file = process.attach(0, 0).unwrap();
    // Other bits of their index count for nothing.
    let sides = [SIDE_CHANNEL, SIDE_CHANNEL | 7, u32::MAX].map(|least| process.attach(least, 1));
    let sides = sides.map(Result::unwrap);
    assert_eq!(sides.map(ConnectionId::index), [0, 1, 2].map(|it| it | SIDE_CHANNEL));
    assert_eq!(process.attach(0, 0).unwrap().index(), 1);
    assert_eq!(process.find(file), Some(words(&target(0))));
    assert_eq!(process.find(sides[0]), Some(words(&target(1))));
    assert_eq!(process.detach(sides[0]), Some(words(&target(1))));
    assert_eq!((process.find(file).is_some(), process.find(sides[0])), (true, None));
    assert_eq!(process.attach(SIDE_CHANNEL, 2).unwrap().index(), SIDE_CHANNEL);
    let all: Vec<_> = std::iter::successors(process.next(0), |id| process.next(id.index() + 1))
        .map(ConnectionId::index)
        .collect();
    assert_eq!(all, [0, 1, SIDE_CHANNEL, SIDE_CHANNEL | 1, SIDE_CHANNEL | 2], "files first");
}

#[test]
fn an_index_is_used_again_under_another_name() {
    let mut process = Process::new();
    let mut names = Vec::new();
    for which in 0..50 {
        let id = process.attach(3, which).unwrap();
        assert!(id.index() == 3 && i64::try_from(id.to_register()).unwrap() > 0);
        assert_eq!(ConnectionId::from_register(id.to_register()), id);
        assert_eq!(process.find(id), Some(words(&target(which))));
        assert!(!names.contains(&id));
        names.push(id);
        assert_eq!(process.directory.live(), 1);
        assert_eq!(process.detach(id), Some(words(&target(which))));
        assert_eq!((process.detach(id), process.directory.live()), (None, 0));
        assert!(names.iter().all(|&old| process.find(old).is_none()));
    }
}

#[test]
fn numbers_that_nobody_was_given_name_nothing() {
    let mut process = Process::new();
    let id = process.attach(0, 0).unwrap().to_register();
    let others =
        [0, 1, id + 1, id ^ 1 << 32, id ^ 1 << 33, id ^ 1 << 63, id | 1 << 30, !0, 3 << 32];
    for register in others {
        let other = ConnectionId::from_register(register);
        assert_eq!((process.find(other), process.detach(other)), (None, None), "{register:#x}");
    }
    assert_eq!(process.directory.live(), 1);
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
fn nothing_is_left_of_a_process_and_no_memory_changes_nothing() {
    let left = census::leaks(|| {
        let (mut process, freed) = (Process::new(), Cell::new(0));
        let ids = [0, 100, SIDE_CHANNEL].map(|least| process.attach(least, 0).unwrap());
        assert!(process.connections.footprint() > 0 && process.directory.footprint() > 0);
        for memory in process.connections.retire().into_iter().flatten() {
            memory.free(AtOnce(&freed));
        }
        assert_eq!((freed.get(), process.connections.footprint()), (2, 0));
        assert!(ids.iter().all(|&id| process.find(id).is_none()));
    });
    assert_eq!(left, 0);
    let mut process = Process::new();
    let index = process.directory.choose(70).unwrap();
    let grown =
        census::without_memory(|| process.directory.grow(&process.connections, index).is_ok());
    assert!(!grown && HERE.masked(|irq| process.connections.lacks(irq, index)));
    assert_eq!((process.directory.live(), process.next(0)), (0, None));
    assert_eq!(process.attach(70, 1).map(ConnectionId::index), Ok(70));
    let (first, bytes) = part_of::<Room>(70);
    assert!(first <= 70 && bytes > 0 && part_of::<Room>(0).0 == 0);
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Attach(u32, u64),
    /// The name that was given so many names ago, also a stale one.
    Detach(usize),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_directory_is_a_map(ops in prop::collection::vec(prop_oneof![
        3 => (prop_oneof![0u32..8, 60u32..70, Just(SIDE_CHANNEL), 300u32..302], any::<u8>())
            .prop_map(|(least, which)| Op::Attach(least, which.into())),
        2 => (0usize..12).prop_map(Op::Detach),
    ], 0..150)) {
        let (mut process, mut model, mut names) = (Process::new(), BTreeMap::new(), Vec::new());
        for op in ops {
            match op {
                Op::Attach(least, which) => {
                    let id = process.attach(least, which).unwrap();
                    let is_taken = |index: &u32| model.contains_key(index);
                    prop_assert_eq!(id.index(), (least..).find(|it| !is_taken(it)).unwrap());
                    prop_assert!(!names.contains(&id));
                    model.insert(id.index(), (id, words(&target(which))));
                    names.push(id);
                }
                Op::Detach(back) => if let Some(&id) = names.iter().rev().nth(back) {
                    let is_there = model.get(&id.index()).is_some_and(|it| it.0 == id);
                    let gone = is_there.then(|| model.remove(&id.index()).unwrap().1);
                    prop_assert_eq!(process.detach(id), gone);
                },
            }
            prop_assert_eq!(process.directory.live() as usize, model.len());
            for &id in &names {
                let found = model.get(&id.index()).filter(|it| it.0 == id).map(|it| it.1);
                prop_assert_eq!(process.find(id), found);
            }
            let walk = std::iter::successors(process.next(0), |id| process.next(id.index() + 1));
            prop_assert!(walk.eq(model.values().map(|it| it.0)));
        }
    }
}

fn wait(place: u64, number: u64) -> Wait {
    let channel = ChannelId::from_register(1 << 32).unwrap();
    Wait { channel, thread: ThreadId::from_word(1 << 32 | place), number }
}

#[test]
fn messages_have_names_of_their_own() {
    let mut names = Vec::new();
    for place in [0, 1, 0xf_ffff, 1 << 20, ((MessageId::MOST_HARTS as u64 - 1) << 20) | 5] {
        for number in [1, 2, 1000, (1 << 33) - 1] {
            let id = MessageId::of(wait(place, number));
            let register = id.to_register();
            assert!(i64::try_from(register).unwrap() > 0, "{register:#x}");
            assert_eq!(MessageId::from_register(register), Some(id));
            assert!(!names.contains(&id));
            names.push(id);
        }
    }
    for none in [0, 1, (1 << 30) - 1, 1 << 63, u64::MAX, (-1_i64).cast_unsigned()] {
        assert_eq!(MessageId::from_register(none), None, "{none:#x}");
    }
}

#[test]
fn harts_without_names_are_refused() {
    assert!(Waiters::new(MessageId::MOST_HARTS).is_ok());
    assert!(Waiters::new(MessageId::MOST_HARTS + 1).is_err());
}

/// Whatever a wait ends with is what its thread finds, until the end of its next.
#[test]
fn an_outcome_is_found_as_it_was_left() {
    let (table, waiters): (ChannelTable, &'static Waiters) =
        (ChannelTable::new(1, 10).unwrap(), Box::leak(Box::new(Waiters::new(1).unwrap())));
    let thread = ThreadId::from_word(1 << 32);
    assert_eq!(waiters.outcome(thread), None, "it has no record");
    waiters.enrol(thread).unwrap();
    assert_eq!(waiters.outcome(thread), None, "it has not waited");
    let id = table.create(&HERE, ChannelFlags::NONE).unwrap();
    let mut last = None;
    for &error in Errno::ALL {
        HERE.masked(|irq| {
            table
                .with(irq, waiters, id, |channel| {
                    let record = waiters.of(thread);
                    let guest = Guest { record, ..Guest::bare(thread, Priority::new(3)) };
                    let wait = channel.put(Which::Send, &guest).unwrap();
                    assert_eq!(waiters.outcome(thread), last, "not before it ends");
                    assert_eq!(waiters.channel_of(MessageId::of(wait)), Some(id));
                    assert!(channel.end(wait, error).is_some());
                })
                .unwrap();
        });
        last = Some(Outcome::Failed(error));
        assert_eq!(waiters.outcome(thread), last);
    }
}
