// SPDX-License-Identifier: Apache-2.0
//! Messages arrive, in order; replies go where they belong; who waits wakes.

use std::{cell::Cell, rc::Rc};

use skimmer_core::thread::State;

use super::{Batch, Log, PortUnderTest, Stage, answer, answer_to, check_reply, serve, words};
use crate::seed::Seed;

/// The harts that run while a batch is sent.
const ALL: &[usize] = &[0, 1, 2];

/// Words and status there and back, and the same message again.
pub fn round_trip<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, _) = stage.server::<P, _>(seed, |me, port| async move {
        serve::<P>(&me, port, 3).await;
    });
    stage.client(0, |me| async move {
        let mut message = P::message([0; 8]);
        for round in 0..3 {
            P::fill(&mut message, words(7, round));
            let reply = me.domsg::<P>(to, message).await;
            check_reply::<P>(&reply, words(7, round));
            message = P::into_idle(reply);
        }
    });
}

/// `get` takes what is there and says when nothing is.
pub fn get_does_not_wait<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        me.stop().await;
        assert!(me.get::<P>(port).await.is_none());
        me.stop().await;
        for round in 0..2 {
            let message = me.get::<P>(port).await.expect("two were sent");
            assert_eq!(P::request(&message), words(0, round));
            answer::<P>(&me, message).await;
        }
        assert!(me.get::<P>(port).await.is_none());
    });
    stage.world.wake(server);
    stage.world.settle(seed);
    let batch = Batch::new(stage.hart(0), vec![words(0, 0), words(0, 1)]);
    batch.send::<P>((stage, ALL), seed, to, check_reply::<P>);
    stage.world.settle(seed);
    stage.world.wake(server);
}

/// Requests are taken in the order they were sent, as they come or when all have come.
pub fn first_in_first_out<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const COUNT: usize = 50;
    let is_late = seed.one_in(2);
    let (to, server) = stage.server::<P, _>(seed, move |me, port| async move {
        if is_late {
            me.stop().await;
        }
        for round in 0..COUNT {
            let message = me.wait::<P>(port).await;
            assert_eq!(P::request(&message), words(0, round), "requests overtook each other");
            answer::<P>(&me, message).await;
        }
    });
    let batch = Batch::new(stage.hart(0), (0..COUNT).map(|round| words(0, round)).collect());
    batch.send::<P>((stage, ALL), seed, to, check_reply::<P>);
    if is_late {
        stage.world.settle(seed);
        stage.world.wake(server);
    }
}

/// Several in flight, answered in any order and claimed in any other: each
/// reply goes to its own ticket.
pub fn replies_in_any_order<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const COUNT: usize = 8;
    let mut theirs = Seed::new(seed.bits());
    let (to, _) = stage.server::<P, _>(seed, move |me, port| async move {
        let mut held = Vec::new();
        for _ in 0..COUNT {
            held.push(me.wait::<P>(port).await);
        }
        while !held.is_empty() {
            let message = held.swap_remove(theirs.below(held.len()));
            answer::<P>(&me, message).await;
        }
    });
    let batch = Batch::new(stage.hart(0), (0..COUNT).map(|round| words(1, round)).collect());
    let (mut left, mut claims) = (batch.claims.clone(), Vec::new());
    while !left.is_empty() {
        claims.push(left.swap_remove(seed.below(left.len())));
    }
    Batch { claims, ..batch }.send::<P>((stage, ALL), seed, to, check_reply::<P>);
}

/// Clients side by side and elsewhere, answered out of turn: each gets the
/// answers to what it asked itself.
pub fn right_client<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 10;
    let mut choice = Seed::new(seed.bits());
    let (to, _) = stage.server::<P, _>(seed, move |me, port| async move {
        let (mut held, mut taken) = (Vec::new(), 0);
        while taken < CLIENTS * ROUNDS || !held.is_empty() {
            match me.get::<P>(port).await {
                Some(message) => held.push(message),
                None if held.is_empty() => held.push(me.wait::<P>(port).await),
                None => {
                    let message = held.swap_remove(choice.below(held.len()));
                    answer::<P>(&me, message).await;
                    continue;
                }
            }
            taken += 1;
        }
    });
    for client in 0..CLIENTS {
        stage.client(client, |me| async move {
            for round in 0..ROUNDS {
                let reply = me.domsg::<P>(to, P::message(words(client, round))).await;
                check_reply::<P>(&reply, words(client, round));
            }
        });
    }
}

/// A receiver that waits is woken by what it waits for, and not before.
pub fn wakes_receiver<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let log = Log::default();
    let lines = log.clone();
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let message = me.wait::<P>(port).await;
        lines.add(P::request(&message));
        answer::<P>(&me, message).await;
    });
    let is_blocked = |id| matches!(stage.world.state(id), Some(State::Blocked(_)));
    assert!(is_blocked(server), "it waits");
    stage.world.wake(server);
    stage.world.settle(seed);
    assert!(is_blocked(server), "a wake is not a message");
    assert!(log.take().is_empty());
    stage.client(0, |me| async move {
        let reply = me.domsg::<P>(to, P::message(words(2, 2))).await;
        assert_eq!(P::words(&reply), answer_to(words(2, 2)));
    });
    stage.world.settle(seed);
    assert_eq!(log.take(), [words(2, 2)]);
}

/// A sender that waits is woken by its reply; by no other, of its own if it has several, and
/// by no message.
pub fn wakes_for_own_reply_only<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let claimed = Rc::new(Cell::new(false));
    let is_first = claimed.clone();
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let first = me.wait::<P>(port).await;
        let second = me.wait::<P>(port).await;
        me.stop().await;
        answer::<P>(&me, second).await;
        me.stop().await;
        answer::<P>(&me, first).await;
    });
    let batch = Batch::new(stage.hart(0), vec![words(0, 1), words(0, 2)]);
    let client = batch.send::<P>((stage, ALL), seed, to, move |reply, request| {
        check_reply::<P>(reply, request);
        is_first.set(is_first.get() || request == words(0, 1));
    })[0];
    for _ in 0..2 {
        stage.world.settle(seed);
        assert!(matches!(stage.world.state(client), Some(State::Blocked(_))));
        stage.world.wake(client);
        stage.world.settle(seed);
        assert!(!claimed.get(), "woken, but not by its reply");
        stage.world.wake(server);
    }
    stage.world.settle(seed);
    assert!(claimed.get());
}
