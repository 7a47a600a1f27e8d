// SPDX-License-Identifier: Apache-2.0
//! What the kernel refuses by panicking, because a law is about to be broken.

use core::mem::ManuallyDrop;

use skimmer_core::{
    message::{Message, Payload},
    port::MsgPort as _,
    thread_port::ThreadPort,
};
use skimmer_core_tests::{
    bench::{Act, Bench},
    fake::Fake,
};

type Port = ThreadPort<Fake>;

/// A hart with a client that sent a request, and a server that runs and has
/// the request at its port.
fn with_request() -> Bench {
    let mut bench = Bench::new();
    let (server, client) = (bench.ready(10), bench.ready(11));
    bench.act(Act::Preempt);
    assert_eq!(bench.current(), client);
    let to = bench.id(server);
    let message = Message::new(Payload::Words([7; 8]));
    let ticket = bench.world.cpu(0).enter(|hart, irq| Port::send(hart, irq, to, message));
    drop(ticket.expect("it is at home"));
    bench.act(Act::Stop);
    assert_eq!(bench.current(), server);
    bench
}

#[test]
#[should_panic(expected = "reply-once: a thread exits with requests unanswered")]
fn a_thread_that_took_a_request_does_not_exit() {
    let bench = with_request();
    let taken = bench.world.cpu(0).enter(|hart, irq| Port::get(hart, irq, (), &mut ()));
    // Dropping it would be refused too, and a second panic ends the process.
    let _taken = ManuallyDrop::new(taken.ok().flatten().expect("it was sent"));
    bench.act(Act::Exit);
}

#[test]
#[should_panic(expected = "reply-once: a received message was dropped unanswered")]
fn a_request_that_was_taken_is_not_dropped() {
    let bench = with_request();
    let taken = bench.world.cpu(0).enter(|hart, irq| Port::get(hart, irq, (), &mut ()));
    drop(taken.ok().flatten().expect("it was sent"));
}

#[test]
fn a_request_that_nobody_took_does_not_hold_its_thread() {
    let bench = with_request();
    bench.act(Act::Exit);
}
