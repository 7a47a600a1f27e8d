// SPDX-License-Identifier: Apache-2.0
//! Block and wake between threads of different harts, through all of it: the
//! kernel's policy on each hart, ring, mailbox, doorbell and `wfi`. Nobody
//! sleeps for ever, and what a message stands for has one owner at a time.

use core::{array::from_fn, mem::ManuallyDrop};

use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};
use skimmer_core::{
    ids::ThreadId,
    message::{InFlight, Message, Payload, Received},
};

use crate::{
    cpu::{Blocks, Cpu, Look, Manners, Model},
    explore::{ASLEEP, Depth, fails, harts, holds},
    target::Fences,
};

/// When a waker says what it wakes for.
#[derive(Clone, Copy)]
enum Tell {
    BeforeWake,
    AfterWake,
}

/// One thread counts up and wakes the other at each step, which stops until it
/// sees the last one. The count itself orders nothing; and the wakes are more
/// than the ring has slots.
fn wakes(look: Look, tell: Tell, manners: Manners) {
    const STEPS: u32 = 3;
    let [mut waker, mut sleeper] = Cpu::some(manners);
    let (to, count) = (sleeper.thread(), AtomicU32::new(0));
    harts([
        Box::new(|| {
            for step in 1..=STEPS {
                if matches!(tell, Tell::AfterWake) {
                    waker.schedule(to);
                }
                count.store(step, Relaxed);
                if matches!(tell, Tell::BeforeWake) {
                    waker.schedule(to);
                }
            }
        }),
        Box::new(|| {
            sleeper.stop_until(look, || count.load(Relaxed) == STEPS);
            sleeper.end_after(STEPS.into());
        }),
    ]);
}

/// Threads of two harts wake one of a third.
fn two_wakers() {
    let [mut one, mut two, mut sleeper] = Cpu::some(Manners::RIGHT);
    let (to, told) = (sleeper.thread(), [AtomicBool::new(false), AtomicBool::new(false)]);
    harts([
        Box::new(|| {
            told[0].store(true, Relaxed);
            one.schedule(to);
        }),
        Box::new(|| {
            told[1].store(true, Relaxed);
            two.schedule(to);
        }),
        Box::new(|| {
            sleeper.stop_until(Look::Masked, || told.iter().all(|told| told.load(Relaxed)));
            sleeper.end_after(2);
        }),
    ]);
}

/// A buffer that goes to the server and back with each message. loom watches
/// that its owners do not meet.
struct Buffer(UnsafeCell<u64>);

// SAFETY: as in `replace`.
unsafe impl Sync for Buffer {}

impl Buffer {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn replace(&self, value: u64) -> u64 {
        // SAFETY: whoever holds the message that names the buffer owns it; loom
        // fails the model otherwise.
        self.0.with_mut(|place| unsafe { place.replace(value) })
    }
}

/// A client sends `AT_ONCE` messages and then waits for the replies, `turns`
/// times.
fn calls<const AT_ONCE: usize>(turns: u64) {
    let [mut client, mut server] = Cpu::some(Manners::RIGHT);
    let to = server.thread();
    let buffers: [Buffer; AT_ONCE] = from_fn(|_| Buffer::new());
    harts([
        Box::new(|| {
            for turn in 0..turns {
                let tickets = buffers.each_ref().map(|buffer| ask(&mut client, to, buffer, turn));
                for (buffer, ticket) in buffers.iter().zip(tickets) {
                    claim(&mut client, ticket, buffer, turn);
                }
            }
        }),
        Box::new(|| {
            for number in 0..turns * AT_ONCE as u64 {
                let number = number as usize % AT_ONCE;
                serve(&mut server, &buffers[number]);
            }
        }),
    ]);
}

/// A server that stops when its port is empty, and a client that schedules it
/// after each message, twice.
fn sends_and_schedules(look: Look) {
    let [mut client, mut server] = Cpu::some(Manners::RIGHT);
    let (to, buffer) = (server.thread(), Buffer::new());
    harts([
        Box::new(|| {
            for turn in 0..2 {
                let ticket = ask(&mut client, to, &buffer, turn);
                client.schedule(to);
                claim(&mut client, ticket, &buffer, turn);
            }
        }),
        Box::new(|| {
            for _ in 0..2 {
                let request = loop {
                    if let Some(request) = server.receive_or_stop(look) {
                        break request;
                    }
                };
                answer(&mut server, request, &buffer);
            }
            // Both messages, and the wakes that go with them.
            server.end_after(4);
        }),
    ]);
}

/// Two threads send each other messages, then answer, then claim.
fn calls_cross() {
    let [mut one, mut two] = Cpu::some(Manners::RIGHT);
    let (to_one, to_two) = (one.thread(), two.thread());
    let (of_one, of_two) = ([Buffer::new(), Buffer::new()], [Buffer::new()]);
    let side = |cpu: &mut Cpu, to, own: &[Buffer], other: &[Buffer]| {
        let tickets: Vec<_> = own.iter().map(|buffer| ask(cpu, to, buffer, 0)).collect();
        other.iter().for_each(|buffer| serve(cpu, buffer));
        own.iter().zip(tickets).for_each(|(buffer, ticket)| claim(cpu, ticket, buffer, 0));
    };
    harts([
        Box::new(|| side(&mut one, to_two, &of_one, &of_two)),
        Box::new(|| side(&mut two, to_one, &of_two, &of_one)),
    ]);
}

fn ask(client: &mut Cpu, to: ThreadId, buffer: &Buffer, turn: u64) -> InFlight {
    buffer.replace(2 * turn + 1);
    client.send(to, Message::new(Payload::Words([turn; 8])))
}

fn serve(server: &mut Cpu, buffer: &Buffer) {
    let request = server.receive();
    answer(server, request, buffer);
}

fn answer(server: &mut Cpu, mut request: ManuallyDrop<Received<Model>>, buffer: &Buffer) {
    let turn = request.payload().words()[0];
    assert_eq!(buffer.replace(2 * turn + 2), 2 * turn + 1, "seen before it was made");
    request.answer([turn + 1; 8]);
    server.reply(request);
}

fn claim(client: &mut Cpu, ticket: InFlight, buffer: &Buffer, turn: u64) {
    assert_eq!(client.wait(ticket).words(), [turn + 1; 8], "another's reply");
    assert_eq!(buffer.replace(0), 2 * turn + 2, "claimed before it was answered");
}

/// The wake protocol in a model that every site is needed for.
pub(crate) fn stopped_thread() {
    wakes(Look::Masked, Tell::BeforeWake, Manners::RIGHT);
}

/// Messages through rings that run full, likewise.
pub(crate) fn full_rings() {
    calls::<3>(1);
}

/// Fails like `wakes` in the right order.
fn wakes_with(name: &str, words: &str, manners: Manners) {
    fails(name, words, Depth::Preemptions(2), move || {
        wakes(Look::Masked, Tell::BeforeWake, manners);
    });
}

#[test]
fn wake_stopped_thread() {
    holds("wake: a stopped thread", Depth::Preemptions(3), stopped_thread);
    let blocks = Blocks::take();
    assert!(blocks.stopped > 0 && blocks.space > 0, "{blocks:?}");
}

#[test]
fn wake_by_two_harts() {
    holds("wake: by two harts", Depth::Preemptions(3), two_wakers);
    assert!(Blocks::take().stopped > 0);
}

#[test]
fn wake_call_and_reply() {
    holds("wake: call and reply", Depth::Preemptions(4), || calls::<1>(2));
    let blocks = Blocks::take();
    assert!(blocks.receive > 0 && blocks.reply > 0, "{blocks:?}");
}

#[test]
fn wake_full_rings() {
    holds("wake: calls through full rings", Depth::Preemptions(2), full_rings);
    let blocks = Blocks::take();
    assert!(blocks.receive > 0 && blocks.reply > 0 && blocks.space > 0, "{blocks:?}");
}

#[test]
fn wake_calls_cross() {
    holds("wake: calls cross", Depth::Preemptions(2), calls_cross);
    let blocks = Blocks::take();
    assert!(blocks.receive > 0 && blocks.reply > 0 && blocks.space > 0, "{blocks:?}");
}

#[test]
fn wake_send_and_schedule() {
    let model = || sends_and_schedules(Look::Masked);
    holds("wake: message, then schedule", Depth::Preemptions(3), model);
    assert!(Blocks::take().stopped > 0);
}

#[test]
fn wake_port_looked_at_before_block() {
    let model = || sends_and_schedules(Look::Before);
    fails("wake: port looked at before the block", ASLEEP, Depth::Preemptions(2), model);
}

#[test]
fn wake_look_before_block() {
    fails("wake: look and block in two sections", ASLEEP, Depth::Preemptions(2), || {
        wakes(Look::Before, Tell::BeforeWake, Manners::RIGHT);
    });
}

#[test]
fn wake_before_what_it_tells() {
    fails("wake: sent before what it tells of", ASLEEP, Depth::Preemptions(2), || {
        wakes(Look::Masked, Tell::AfterWake, Manners::RIGHT);
    });
}

#[test]
fn wake_drained_before_switch() {
    let manners = Manners { open_before_switch: true, ..Manners::RIGHT };
    let words = "nothing-between-block-and-switch";
    wakes_with("wake: ring drained between block and switch", words, manners);
}

#[test]
fn wake_flag_taken_before_clear() {
    let manners = Manners { clears_late: true, ..Manners::RIGHT };
    wakes_with("wake: doorbell cleared after the flag is taken", ASLEEP, manners);
}

#[test]
fn wake_no_fence_before_ring() {
    let fences = Fences { before_ring: false, ..Fences::ALL };
    let manners = Manners { fences, ..Manners::RIGHT };
    wakes_with("wake: no fence before the doorbell rings", ASLEEP, manners);
}

#[test]
fn wake_no_fence_after_clear() {
    let fences = Fences { after_clear: false, ..Fences::ALL };
    let manners = Manners { fences, ..Manners::RIGHT };
    wakes_with("wake: no fence after the doorbell is cleared", ASLEEP, manners);
}
