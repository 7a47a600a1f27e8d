// SPDX-License-Identifier: Apache-2.0
//! The ring: values arrive once, whole and in order, slots have one owner at a
//! time, and a producer that waits for space is told of it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use loom::{sync::atomic::AtomicBool, thread::yield_now};
use skimmer_sync::spsc::{Consumer, Producer, Ring};

use crate::explore::{Depth, Kept, fails, harts, holds};

/// Both ends at once, each slot used twice or more; what either end could not
/// do is done afterwards. loom watches the slots themselves.
pub(crate) fn wraps_around() {
    let mut ring = Kept::new(Ring::<Box<u32>, 2>::new());
    let (mut producer, mut consumer) = ring.split();
    assert!(producer.push(Box::new(0)).is_ok());
    let (mut to_push, mut popped) = (1..4, Vec::new());
    let mut left = None;
    harts([
        Box::new(|| {
            left = to_push.find_map(|number| producer.push(Box::new(number)).err());
        }),
        Box::new(|| popped.extend((0..3).filter_map(|_| consumer.pop()))),
    ]);
    popped.extend(core::iter::from_fn(|| consumer.pop()));
    for value in left.into_iter().chain(to_push.map(Box::new)) {
        assert!(producer.push(value).is_ok(), "there is space now");
    }
    popped.extend(core::iter::from_fn(|| consumer.pop()));
    assert!(popped.iter().map(|value| **value).eq(0..4), "lost, doubled or out of order");
    assert!(!consumer.has_more());
}

/// Three values through one slot, each end waiting for the other.
fn waits_and_carries() {
    let mut ring = Kept::new(Ring::<Box<u32>, 1>::new());
    let (mut producer, mut consumer) = ring.split();
    harts([
        Box::new(|| {
            for number in 0..3 {
                let mut value = Box::new(number);
                while let Err(back) = producer.push(value) {
                    value = back;
                    yield_now();
                }
            }
        }),
        Box::new(|| {
            for number in 0..3 {
                assert_eq!(*take(&mut consumer), number, "lost, doubled or out of order");
            }
        }),
    ]);
    assert!(consumer.pop().is_none(), "something that was never sent");
}

fn take<T, const N: usize>(consumer: &mut Consumer<'_, T, N>) -> T {
    loop {
        if let Some(value) = consumer.pop() {
            return value;
        }
        yield_now();
    }
}

/// Counts how often it is dropped.
struct Dropped<'c>(&'c AtomicU32);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Whatever the consumer has not taken, the ring drops; new ends go on where
/// the old ones stopped.
fn drops_what_is_left() {
    let counts: [AtomicU32; 4] = Default::default();
    let mut ring = Kept::new(Ring::<Dropped<'_>, 2>::new());
    let (mut producer, mut consumer) = ring.split();
    harts([
        Box::new(|| {
            for count in &counts[..3] {
                drop(producer.push(Dropped(count)));
            }
        }),
        Box::new(|| drop(consumer.pop())),
    ]);
    let (mut producer, mut consumer) = ring.split();
    drop(consumer.pop());
    drop(producer.push(Dropped(&counts[3])));
    drop(ring);
    for count in &counts {
        assert_eq!(count.load(Relaxed), 1, "a value is dropped once");
    }
}

/// When the consumer takes the producer's word.
#[derive(Clone, Copy)]
pub(crate) enum Take {
    AfterPop,
    BeforePop,
}

/// A producer fills the ring until it has to wait; by the end there is space
/// that it saw, or word for it.
pub(crate) fn space_or_notice(take: Take) {
    let mut ring = Kept::new(Ring::<u32, 1>::new());
    let (mut producer, mut consumer) = ring.split();
    let (mut waits, mut told) = (false, 0);
    harts([
        Box::new(|| {
            assert!(producer.push(0).is_ok());
            if producer.push(1).is_err() {
                waits = producer.starve();
            }
        }),
        Box::new(|| {
            for _ in 0..2 {
                if matches!(take, Take::BeforePop) {
                    told += u32::from(consumer.take_starved());
                }
                let popped = consumer.pop().is_some();
                if matches!(take, Take::AfterPop) && popped {
                    told += u32::from(consumer.take_starved());
                }
            }
        }),
    ]);
    assert!(!waits || told == 1 || consumer.has_more(), "nobody will wake the producer");
    if consumer.pop().is_some() && consumer.take_starved() {
        told += 1;
    }
    assert!(!waits || told == 1, "nobody will wake the producer");
}

/// The same to the end: the producer sleeps until it is told. The word itself
/// carries nothing (`Relaxed`); what the ring needs, the ring orders.
fn starved_producer_ends() {
    let mut ring = Kept::new(Ring::<u32, 1>::new());
    let (mut producer, mut consumer) = ring.split();
    let space = AtomicBool::new(false);
    harts([
        Box::new(|| (0..3).for_each(|number| send(&mut producer, number, &space))),
        Box::new(|| {
            for number in 0..3 {
                assert_eq!(take(&mut consumer), number);
                if consumer.take_starved() {
                    space.swap(true, Relaxed);
                }
            }
        }),
    ]);
}

fn send<const N: usize>(producer: &mut Producer<'_, u32, N>, number: u32, space: &AtomicBool) {
    while producer.push(number).is_err() {
        if producer.starve() {
            while !space.load(Relaxed) {
                yield_now();
            }
            space.swap(false, Relaxed);
        }
    }
}

#[test]
fn ring_wraps_around() {
    holds("ring: wraps around", Depth::Whole, wraps_around);
}

#[test]
fn ring_waits_and_carries() {
    holds("ring: waits and carries", Depth::Preemptions(3), waits_and_carries);
}

#[test]
fn ring_drops_what_is_left() {
    holds("ring: drops what is left", Depth::Whole, drops_what_is_left);
}

#[test]
fn ring_space_or_notice() {
    holds("ring: space or notice", Depth::Whole, || space_or_notice(Take::AfterPop));
}

#[test]
fn ring_starved_producer_ends() {
    holds("ring: starved producer ends", Depth::Preemptions(3), starved_producer_ends);
}

#[test]
fn ring_word_taken_too_early() {
    fails("ring: word taken before the pop", "nobody will wake", Depth::Whole, || {
        space_or_notice(Take::BeforePop);
    });
}
