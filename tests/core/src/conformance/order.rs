// SPDX-License-Identifier: Apache-2.0
//! Messages arrive, in order; replies go where they belong; who waits wakes.

use std::{cell::Cell, rc::Rc};

use skimmer_core::thread::State;

use super::{Log, PortUnderTest, Stage, answer, answer_to, check_reply, serve, words};
use crate::seed::Seed;

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
    stage.client(0, |me| async move {
        let first = me.send::<P>(to, P::message(words(0, 0))).await;
        let second = me.send::<P>(to, P::message(words(0, 1))).await;
        check_reply::<P>(&me.wait_reply::<P>(first).await, words(0, 0));
        check_reply::<P>(&me.wait_reply::<P>(second).await, words(0, 1));
    });
    stage.world.settle(seed);
    stage.world.wake(server);
}

/// Requests of one sender are taken in the order they were sent.
pub fn first_in_first_out<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const COUNT: usize = 50;
    let (to, _) = stage.server::<P, _>(seed, |me, port| async move {
        for round in 0..COUNT {
            let message = me.wait::<P>(port).await;
            assert_eq!(P::request(&message), words(0, round), "requests overtook each other");
            answer::<P>(&me, message).await;
        }
    });
    stage.client(0, |me| async move {
        let mut tickets = Vec::new();
        for round in 0..COUNT {
            tickets.push(me.send::<P>(to, P::message(words(0, round))).await);
        }
        for (round, ticket) in tickets.into_iter().enumerate() {
            check_reply::<P>(&me.wait_reply::<P>(ticket).await, words(0, round));
        }
    });
}

/// Several in flight, answered in any order and claimed in any other: each
/// reply goes to its own ticket.
pub fn replies_in_any_order<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const COUNT: usize = 8;
    let (mut ours, mut theirs) = (Seed::new(seed.bits()), Seed::new(seed.bits()));
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
    stage.client(0, |me| async move {
        let mut tickets = Vec::new();
        for round in 0..COUNT {
            tickets.push((round, me.send::<P>(to, P::message(words(1, round))).await));
        }
        while !tickets.is_empty() {
            let (round, ticket) = tickets.swap_remove(ours.below(tickets.len()));
            check_reply::<P>(&me.wait_reply::<P>(ticket).await, words(1, round));
        }
    });
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

/// A sender that waits is woken by its reply; by no other of its own, and by
/// no message.
pub fn wakes_for_own_reply_only<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let claimed = Rc::new(Cell::new(0));
    let count = claimed.clone();
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let first = me.wait::<P>(port).await;
        let second = me.wait::<P>(port).await;
        me.stop().await;
        answer::<P>(&me, second).await;
        me.stop().await;
        answer::<P>(&me, first).await;
    });
    let client = stage.client(0, |me| async move {
        let first = me.send::<P>(to, P::message(words(0, 1))).await;
        let second = me.send::<P>(to, P::message(words(0, 2))).await;
        check_reply::<P>(&me.wait_reply::<P>(first).await, words(0, 1));
        count.set(1);
        check_reply::<P>(&me.wait_reply::<P>(second).await, words(0, 2));
        count.set(2);
    });
    for _ in 0..2 {
        stage.world.settle(seed);
        assert!(matches!(stage.world.state(client), Some(State::Blocked(_))));
        stage.world.wake(client);
        stage.world.settle(seed);
        assert_eq!(claimed.get(), 0, "woken, but not by its reply");
        stage.world.wake(server);
    }
    stage.world.settle(seed);
    assert_eq!(claimed.get(), 2);
}
