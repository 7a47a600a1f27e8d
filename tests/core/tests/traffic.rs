// SPDX-License-Identifier: Apache-2.0
//! Traffic between harts: what one asks of another's threads, rings that are
//! full in both directions, doorbells.

use std::{cell::Cell, rc::Rc};

use skimmer_core::{
    ids::{Priority, ThreadId},
    message::{Message, Payload},
    remote::{RING_SLOTS, ring_bytes},
    thread::{State, Why},
    thread_port::ThreadPort,
};
use skimmer_core_tests::{
    conformance::{Log, answer, check_reply, words},
    fake::Fake,
    script::Me,
    seed::Seed,
    world::World,
};

type Port = ThreadPort<Fake>;

const STOPPED: Option<State> = Some(State::Blocked(Why::Stopped));

fn priority(world: &World, id: ThreadId) -> Option<u8> {
    world.cpu(id.home().index()).enter(|hart, _| hart.thread(id).map(|t| t.priority().level()))
}

/// A thread on hart 1 that stops again and again, and writes down each time
/// that it was woken.
fn sleeper(world: &World, log: &Log<&'static str>, name: &'static str, wakes: usize) -> ThreadId {
    let log = log.clone();
    world.spawn(1, name, 10, move |me| async move {
        for _ in 0..wakes {
            me.stop().await;
            log.add(name);
        }
    })
}

#[test]
fn a_thread_elsewhere_is_woken_by_a_message() {
    for number in 0..50 {
        let (world, mut seed, log) = (World::new(2), Seed::new(number), Log::default());
        let sleeper = sleeper(&world, &log, "sleeper", 1);
        world.settle(&mut seed);
        world.spawn(0, "waker", 10, move |me| async move { me.schedule(sleeper).await });
        world.settle_some(&mut seed, &[0]);
        assert_eq!(world.state(sleeper), STOPPED, "nobody but its hart touches it");
        world.finish(&mut seed);
        assert_eq!(log.take(), ["sleeper"]);
    }
}

#[test]
fn a_priority_elsewhere_is_changed_by_a_message() {
    let (world, mut seed, log) = (World::new(2), Seed::new(1), Log::default());
    let (low, high) = (sleeper(&world, &log, "low", 1), sleeper(&world, &log, "high", 1));
    world.settle(&mut seed);
    world.spawn(0, "chief", 10, move |me| async move {
        // Blocked, then ready, behind one that was woken before it.
        me.set_priority(low, Priority::new(5)).await;
        me.schedule(low).await;
        me.schedule(high).await;
        me.set_priority(high, Priority::new(40)).await;
    });
    world.settle_some(&mut seed, &[0]);
    assert_eq!((priority(&world, low), priority(&world, high)), (Some(10), Some(10)));
    world.land(1);
    world.interrupt(1);
    assert_eq!((priority(&world, low), priority(&world, high)), (Some(5), Some(40)));
    assert_eq!(world.cpu(1).enter(|hart, _| hart.current()), high, "it preempted");
    // Running.
    world.spawn(0, "chief", 10, move |me| async move {
        me.set_priority(high, Priority::new(4)).await;
    });
    world.settle_some(&mut seed, &[0]);
    world.land(1);
    world.interrupt(1);
    assert_eq!(world.cpu(1).enter(|hart, _| hart.current()), low, "it lost the hart");
    world.finish(&mut seed);
    assert_eq!(log.take(), ["low", "high"]);
}

/// Law enqueue-idempotent: however often it is woken, it runs once for each
/// time it stopped, and never twice at a time.
#[test]
fn wakes_of_a_thread_that_is_not_stopped_do_nothing() {
    for number in 0..50 {
        let (world, mut seed, log) = (World::new(3), Seed::new(number), Log::default());
        let sleeper = sleeper(&world, &log, "sleeper", 3);
        for hart in [0, 2] {
            world.spawn(hart, "waker", 10, move |me| async move {
                for _ in 0..100 {
                    me.schedule(sleeper).await;
                }
            });
        }
        world.finish(&mut seed);
        assert_eq!(log.take().len(), 3);
    }
}

/// Law ids-never-alias: what comes for the last occupant of a slot does
/// nothing to the next.
#[test]
fn a_stale_name_does_nothing() {
    for number in 0..20 {
        let (world, mut seed, log) = (World::new(2), Seed::new(number), Log::default());
        let late = Rc::new(Cell::new(false));
        let gone = world.spawn(1, "gone", 10, |_| async {});
        world.settle(&mut seed);
        let heir = sleeper(&world, &log, "heir", 1);
        world.settle(&mut seed);
        assert_ne!(heir, gone);
        assert_eq!(heir.to_word() << 32, gone.to_word() << 32, "the same slot of the same hart");
        for hart in 0..2 {
            let late = late.clone();
            world.spawn(hart, "late", 10, move |me| async move {
                me.schedule(gone).await;
                me.set_priority(gone, Priority::new(77)).await;
                late.set(true);
            });
        }
        world.settle(&mut seed);
        assert!(late.get());
        assert_eq!((world.state(heir), priority(&world, heir)), (STOPPED, Some(10)));
        world.wake(heir);
        world.finish(&mut seed);
    }
}

/// Words from anywhere are names of nobody.
#[test]
fn no_word_is_dangerous() {
    let (world, mut seed) = (World::new(2), Seed::new(9));
    let mut choice = Seed::new(10);
    world.spawn(0, "guesser", 10, |me| async move {
        for _ in 0..2000 {
            // Generations that no slot has reached.
            let word = choice.bits() >> choice.below(24) | 1 << 62;
            let id = ThreadId::from_word(word);
            assert_eq!(id.to_word(), word);
            me.schedule(id).await;
            me.set_priority(id, Priority::MAX).await;
        }
        let reply = me.domsg::<Port>(ThreadId::from_word(u64::MAX), new_message(0, 0)).await;
        assert!(reply.status() < 0);
        let reply = me.domsg::<Port>(ThreadId::from_word(0), new_message(0, 0)).await;
        assert!(reply.status() < 0);
    });
    world.finish(&mut seed);
}

fn new_message(client: usize, round: usize) -> Message<Fake> {
    Message::new(Payload::Words(words(client, round)))
}

#[test]
fn a_thread_is_given_a_home_elsewhere_by_a_message() {
    let (world, mut seed, log) = (World::new(2), Seed::new(3), Log::default());
    let lines = log.clone();
    let new = world.prepare(1, "settler", 10, |me| async move { lines.add(me.id()) });
    let service = world.cpu(1).enter(|hart, _| {
        hart.threads().find(|(_, t)| t.name() == "service").map(|(id, _)| id).expect("it is there")
    });
    let asked = log.clone();
    world.spawn(0, "founder", 10, |me| async move {
        let reply = me.domsg::<Port>(service, Message::new(Payload::Thread(new))).await;
        asked.add(ThreadId::from_word(reply.words()[0]));
    });
    world.finish(&mut seed);
    let names = log.take();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0].home().index(), 1);
}

/// A thread for each hart that takes `count` messages from each of `clients`
/// others: all once, those of each client in order.
async fn sink(me: Me, clients: usize, count: usize, answers: bool) {
    let mut next = vec![0; clients];
    for _ in 0..clients * count {
        let message = me.wait::<Port>(()).await;
        let [client, round, ..] = message.payload().words();
        let client = usize::try_from(client).expect("small");
        assert_eq!(message.payload().words(), words(client, next[client]), "lost or overtaken");
        assert_eq!(round, next[client] as u64);
        next[client] += 1;
        if answers {
            answer::<Port>(&me, message).await;
        } else {
            me.reply::<Port>(message, 0).await;
        }
    }
    assert_eq!(next, vec![count; clients]);
}

/// Every hart sends to every hart, itself included, without waiting for
/// replies: all rings run full in both directions.
fn storm(harts: usize, count: usize, seed: &mut Seed) -> World {
    let world = World::new(harts);
    let sinks: Vec<ThreadId> = (0..harts)
        .map(|hart| world.spawn(hart, "sink", 10, |me| sink(me, harts, count, true)))
        .collect();
    for hart in 0..harts {
        let (mut choice, sinks) = (Seed::new(seed.bits()), sinks.clone());
        world.spawn(hart, "source", 10, move |me| async move {
            let mut sent = vec![0; sinks.len()];
            let mut tickets = Vec::new();
            while sent.iter().any(|&n| n < count) {
                let to = choice.below(sinks.len());
                if sent[to] < count {
                    let ticket = me.send::<Port>(sinks[to], new_message(hart, sent[to])).await;
                    tickets.push((sent[to], ticket));
                    sent[to] += 1;
                }
            }
            for (round, ticket) in tickets {
                let reply = me.wait_reply::<Port>(ticket).await;
                check_reply::<Port>(&reply, words(hart, round));
            }
        });
    }
    world
}

#[test]
fn rings_that_are_full_both_ways_drain() {
    let mut waits = 0;
    for number in 0..40 {
        for harts in [1, 2, 3, 5] {
            let mut seed = Seed::new(number);
            let world = storm(harts, 150, &mut seed);
            world.finish(&mut seed);
            waits += ring_waits(&world);
        }
    }
    assert!(waits > 1000, "the rings were full {waits} times only");
}

fn ring_waits(world: &World) -> u64 {
    let count = |hart: usize| {
        let inspect = world.cpu(hart).enter(|hart, _| hart.inspect());
        inspect.ring_waits.load(std::sync::atomic::Ordering::Relaxed)
    };
    (0..world.harts()).map(count).sum()
}

/// One hart stands still while others fill its rings, then another: whoever
/// was waiting goes on.
#[test]
fn a_hart_that_sleeps_holds_nobody_up_for_ever() {
    for number in 0..40 {
        let mut seed = Seed::new(number);
        let world = storm(3, 100, &mut seed);
        for _ in 0..6 {
            let asleep = seed.below(3);
            let awake: Vec<usize> = (0..3).filter(|&hart| hart != asleep).collect();
            world.settle_some(&mut seed, &awake);
            world.settle_some(&mut seed, &[asleep]);
        }
        assert!(ring_waits(&world) > 0);
        world.finish(&mut seed);
    }
}

/// Many threads of one hart wait for the same ring.
#[test]
fn all_who_wait_for_space_get_it() {
    for number in 0..20 {
        let (world, mut seed) = (World::new(2), Seed::new(number));
        let to = world.spawn(1, "sink", 10, |me| sink(me, 20, 10, false));
        for client in 0..20 {
            world.spawn(0, "source", 10, move |me| async move {
                let mut tickets = Vec::new();
                for round in 0..10 {
                    tickets.push(me.send::<Port>(to, new_message(client, round)).await);
                }
                for ticket in tickets {
                    assert_eq!(me.wait_reply::<Port>(ticket).await.status(), 0);
                }
            });
        }
        world.settle_some(&mut seed, &[0]);
        assert!(ring_waits(&world) >= 16, "the ring is full and they wait");
        world.finish(&mut seed);
    }
}

#[test]
fn one_doorbell_until_it_is_answered() {
    let (world, mut seed) = (World::new(2), Seed::new(5));
    let to = world.spawn(1, "sink", 10, |me| sink(me, 1, 40, false));
    world.settle(&mut seed);
    let source = world.spawn(0, "source", 10, move |me| async move {
        let mut tickets = Vec::new();
        for round in 0..40 {
            if round % 20 == 0 {
                me.stop().await;
            }
            tickets.push(me.send::<Port>(to, new_message(0, round)).await);
        }
        for ticket in tickets {
            assert_eq!(me.wait_reply::<Port>(ticket).await.status(), 0);
        }
    });
    for batch in 1..=2 {
        world.settle(&mut seed);
        world.wake(source);
        world.settle_some(&mut seed, &[0]);
        let rings = world.bells.of(1).rings.get();
        assert_eq!(rings, batch, "20 messages, one doorbell");
        // Taken without it: the doorbell that lands later is a call for
        // nothing, and is answered all the same.
        world.cpu(1).poll();
        world.land(1);
        world.interrupt(1);
    }
    world.finish(&mut seed);
}

/// Law harts-from-the-tree: more harts than a word has bits.
#[test]
fn seventy_harts_reach_each_other() {
    let (world, mut seed) = (World::new(70), Seed::new(6));
    let to = world.spawn(69, "sink", 10, |me| sink(me, 70, 3, true));
    for client in 0..70 {
        world.spawn(client, "client", 10, move |me| async move {
            for round in 0..3 {
                let reply = me.domsg::<Port>(to, new_message(client, round)).await;
                check_reply::<Port>(&reply, words(client, round));
            }
        });
    }
    world.finish(&mut seed);
}

#[test]
fn the_memory_of_rings_is_bounded() {
    assert_eq!(ring_bytes::<Fake>(1), 0);
    let ring = ring_bytes::<Fake>(2) / 2;
    assert_eq!(ring_bytes::<Fake>(64), 64 * 63 * ring);
    assert!(ring <= RING_SLOTS * 32 + 256, "a ring takes {ring} bytes");
}

/// The harness can fail: one doorbell that is lost is noticed at once, not
/// only by whoever waits for ever.
#[test]
#[should_panic(expected = "has mail and was not rung")]
fn a_lost_doorbell_is_noticed() {
    let mut seed = Seed::new(7);
    let world = storm(3, 50, &mut seed);
    world.bells.lose.set(Some(5));
    world.finish(&mut seed);
}

/// The harness can fail: a thread that nobody wakes is named.
#[test]
#[should_panic(expected = "forgotten")]
fn a_thread_left_blocked_is_noticed() {
    let (world, mut seed) = (World::new(2), Seed::new(8));
    world.spawn(1, "forgotten", 10, |me| async move { me.stop().await });
    world.finish(&mut seed);
}
