// SPDX-License-Identifier: Apache-2.0
//! The trace: what is written, how much of it, and that it says who ran. (In
//! every other test `Cpu::audit` holds each record against what was done.)

use std::collections::HashMap;

use skimmer_abi::trace::{Event, RECORDS, Reason, Record};
use skimmer_core::{
    ids::ThreadId,
    message::{Message, Payload},
    thread_port::ThreadPort,
};
use skimmer_core_tests::{
    bench::{Act, Bench},
    conformance::{Log, words},
    fake::{Fake, SLICE},
    script::Me,
    seed::Seed,
    world::World,
};

type Port = ThreadPort<Fake>;

fn event(record: &Record) -> Event {
    Event::from_number(record.event).expect("an event that the host knows")
}

fn events(records: &[Record]) -> Vec<Event> {
    records.iter().map(event).collect()
}

fn switches(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|record| event(record) == Event::Switch)
}

async fn serve(me: Me, rounds: usize) {
    for _ in 0..rounds {
        let message = me.wait::<Port>(()).await;
        me.reply::<Port>(message, 0).await;
    }
}

/// Round trips, each of which is written down when it is over: by then, how
/// many records are there.
async fn call(me: Me, to: ThreadId, rounds: usize, log: Log<u64>) {
    let mut message = Message::new(Payload::Words(words(0, 0)));
    for _ in 0..rounds {
        message = me.domsg::<Port>(to, message).await.into_idle();
        log.add(me.section(|hart, _| count(hart.inspect())).await);
    }
}

fn count(inspect: &skimmer_abi::inspect::HartInspect) -> u64 {
    inspect.trace_count.load(std::sync::atomic::Ordering::Relaxed)
}

/// Law no-hot-prints: a local round trip writes at most four records, whoever
/// of the two is more urgent.
#[test]
fn a_local_round_trip_writes_four_records() {
    const ROUNDS: usize = 20;
    for (client, server) in [(10, 10), (10, 20), (20, 10)] {
        let (world, log) = (World::new(1), Log::default());
        let to = world.spawn(0, "server", server, |me| serve(me, ROUNDS));
        let lines = log.clone();
        world.spawn(0, "client", client, move |me| call(me, to, ROUNDS, lines));
        // No time passes, and nobody interrupts.
        while world.cpu(0).is_busy() {
            world.step(0);
        }
        let counts = log.take();
        assert_eq!(counts.len(), ROUNDS);
        // The first begins with the server's wait, the last ends with its exit.
        for pair in counts[1..ROUNDS - 1].windows(2) {
            assert_eq!(pair[1] - pair[0], 4, "client at {client}, server at {server}");
        }
        let last = usize::try_from(counts[ROUNDS - 2]).expect("few");
        let mut trip = events(&world.cpu(0).trace()[last - 4..last]);
        trip.sort_by_key(|&event| event as u8);
        assert_eq!(trip, [Event::Switch, Event::Switch, Event::PortSend, Event::PortReply]);
        world.finish(&mut Seed::new(0));
    }
}

/// What the two sides of a message write names both, and pairs them.
#[test]
fn a_remote_round_trip_can_be_followed() {
    let (world, mut seed) = (World::new(2), Seed::new(1));
    let to = world.spawn(1, "server", 10, |me| serve(me, 1));
    world.settle(&mut seed);
    let (here, there) = (world.cpu(0).trace().len(), world.cpu(1).trace().len());
    let from = world.spawn(0, "client", 10, move |me| call(me, to, 1, Log::default()));
    world.settle(&mut seed);
    let client: Vec<_> = world.cpu(0).trace().drain(here..).collect();
    let server: Vec<_> = world.cpu(1).trace().drain(there..).collect();
    let find = |records: &[Record], wanted| {
        *records.iter().find(|record| event(record) == wanted).expect("it is written")
    };
    let (send, reply) = (find(&client, Event::PortSend), find(&server, Event::PortReply));
    assert_eq!((send.thread, send.b), (from.to_word(), to.to_word()));
    assert_eq!((reply.thread, reply.b), (to.to_word(), from.to_word()));
    assert_eq!(send.a, reply.a, "the message's number");
    for (side, other) in [(&client, 1), (&server, 0)] {
        assert_eq!(find(side, Event::DoorbellSent).a, other);
        let taken = side.iter().filter(|r| event(r) == Event::DoorbellTaken).map(|r| r.a);
        assert_eq!(taken.sum::<u32>(), 1, "one operation each");
    }
}

#[test]
fn wakes_say_who_woke_whom() {
    let (world, mut seed) = (World::new(2), Seed::new(2));
    let ids =
        [0, 1].map(|hart| world.spawn(hart, "stopped", 20, |me| async move { me.stop().await }));
    world.settle(&mut seed);
    let (here, there) = (world.cpu(0).trace().len(), world.cpu(1).trace().len());
    let waker = world.spawn(0, "waker", 10, move |me| async move {
        for id in ids {
            me.schedule(id).await;
            // It runs, or will: nothing to write.
            me.schedule(id).await;
        }
    });
    world.settle(&mut seed);
    let wakes = |hart: usize, from: usize, wanted: Event| -> Vec<(u64, u64)> {
        let records = world.cpu(hart).trace();
        let records = records[from..].iter().filter(|record| event(record) == wanted);
        records.map(|record| (record.thread, record.b)).collect()
    };
    let local = wakes(0, here, Event::WakeLocal);
    assert_eq!(
        local.iter().filter(|wake| **wake == (waker.to_word(), ids[0].to_word())).count(),
        1
    );
    let remote = wakes(0, here, Event::WakeRemote);
    assert_eq!(remote, [(waker.to_word(), ids[1].to_word()); 2], "asked is asked");
    let heard = wakes(1, there, Event::WakeLocal);
    assert_eq!(heard.iter().filter(|(_, id)| *id == ids[1].to_word()).count(), 1, "woken once");
    world.finish(&mut seed);
}

#[test]
fn each_switch_gives_its_reason() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    let urgent = bench.adopt(20);
    let mut expected = Vec::new();
    let mut act = |bench: &Bench, act: Act, reason: Reason| {
        let from = bench.id(bench.current()).to_word();
        bench.act(act);
        let to = bench.id(bench.current()).to_word();
        assert_ne!(from, to);
        expected.push((from, to, reason as u32));
    };
    act(&bench, Act::Preempt, Reason::Preempted);
    act(&bench, Act::Yield, Reason::Yielded);
    bench.world.clock.advance(SLICE);
    act(&bench, Act::Rotate, Reason::Preempted);
    bench.schedule(urgent);
    act(&bench, Act::Preempt, Reason::Preempted);
    act(&bench, Act::Stop, Reason::Blocked);
    assert_eq!(bench.current(), a);
    act(&bench, Act::Sleep(10_000), Reason::Blocked);
    assert_eq!(bench.current(), b);
    act(&bench, Act::Exit, Reason::Exited);
    let records = bench.world.cpu(0).trace();
    let seen: Vec<_> = switches(&records).map(|r| (r.thread, r.b, r.a)).collect();
    assert_eq!(seen, expected);
    bench.world.cpu(0).audit();
}

/// From the trace alone: who ran when. Held against what threads themselves
/// wrote down each time they ran.
#[test]
fn the_switches_tell_who_ran() {
    for number in 0..20 {
        let (world, mut seed, log) = (World::new(3), Seed::new(number), Log::default());
        for thread in 0..9 {
            let (mut choice, log) = (Seed::new(seed.bits()), log.clone());
            world.spawn(thread % 3, "runner", 5, |me| async move {
                for _ in 0..20 {
                    me.sleep_until(me.now() + choice.bits() % SLICE).await;
                    log.add((me.now(), me.id().home().index(), me.id().to_word()));
                    me.yield_now().await;
                }
            });
        }
        world.finish(&mut seed);
        let mut ran = HashMap::new();
        for hart in 0..3 {
            let records = world.cpu(hart).trace();
            assert!(records.len() < RECORDS, "all of it is there");
            let mut running = switches(&records).next().expect("somebody ran").thread;
            let mut since = 0;
            for record in switches(&records) {
                assert_eq!(record.thread, running, "who gives the hart up is who got it");
                ran.entry((hart, running)).or_insert_with(Vec::new).push(since..=record.time);
                (running, since) = (record.b, record.time);
            }
            let now = world.cpu(hart).enter(|hart, _| hart.current());
            assert_eq!(running, now.to_word(), "the last one runs still");
        }
        for (time, hart, id) in log.take() {
            let spans = ran.get(&(hart, id)).expect("it ran");
            assert!(spans.iter().any(|span| span.contains(&time)), "{id:x} ran at {time}");
        }
    }
}

#[test]
fn the_oldest_records_are_overwritten() {
    let mut bench = Bench::new();
    let (a, b) = (bench.ready(10), bench.ready(10));
    bench.act(Act::Preempt);
    for _ in 0..RECORDS + 99 {
        bench.act(Act::Yield);
    }
    let records = bench.world.cpu(0).trace();
    assert_eq!(records.len(), RECORDS);
    let (first, last) = (records[0], records[RECORDS - 1]);
    assert_eq!(switches(&records).count(), RECORDS);
    // An even number of records, and two who take turns.
    assert_eq!(last.b, bench.id(bench.current()).to_word());
    assert_eq!(first.thread, last.b);
    assert!(bench.current() == a || bench.current() == b);
}
