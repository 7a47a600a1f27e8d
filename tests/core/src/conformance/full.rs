// SPDX-License-Identifier: Apache-2.0
//! A full ring gives back what it was given; nothing is lost, nothing comes
//! twice, and whoever waits for space gets it.

use std::{cell::Cell, rc::Rc};

use skimmer_core::thread::{State, Why};

use super::{Batch, PortUnderTest, Stage, answer, check_reply, serve, words};
use crate::seed::Seed;

/// The harts that run while a batch is sent.
const ALL: &[usize] = &[0, 1, 2];

/// More than any ring holds.
const MANY: usize = 48;

/// Fills the ring to the server while the server's hart stands still.
pub fn of_requests<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, _) = stage.server::<P, _>(seed, |me, port| async move {
        for round in 0..MANY {
            let message = me.wait::<P>(port).await;
            assert_eq!(P::request(&message), words(0, round), "lost, doubled or overtaken");
            answer::<P>(&me, message).await;
        }
    });
    let senders: &[usize] = if stage.across { &[1] } else { &[0, 1, 2] };
    let clients = many(stage.hart(0)).send::<P>((stage, senders), seed, to, check_reply::<P>);
    if stage.across && P::HAS_MANY_AWAY {
        stage.world.settle_some(seed, senders);
        let waits = matches!(stage.world.state(clients[0]), Some(State::Blocked(Why::Space(_))));
        assert!(waits, "the client waits for space");
    }
}

/// From that hart.
fn many(hart: usize) -> Batch {
    Batch::new(hart, (0..MANY).map(|round| words(0, round)).collect())
}

/// Fills the ring to the client with replies while the client's hart stands
/// still.
pub fn of_replies<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let answered = Rc::new(Cell::new(0));
    let count = answered.clone();
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let mut held = Vec::new();
        for _ in 0..MANY {
            held.push(me.wait::<P>(port).await);
        }
        me.stop().await;
        for message in held {
            answer::<P>(&me, message).await;
            count.set(count.get() + 1);
        }
    });
    let batch = Batch { claims: (0..MANY).rev().collect(), ..many(stage.hart(0)) };
    batch.send::<P>((stage, ALL), seed, to, check_reply::<P>);
    stage.world.settle(seed);
    stage.world.wake(server);
    if stage.across {
        stage.world.settle_some(seed, &[0]);
        assert!(answered.get() < MANY, "the server waits for space");
    }
}

/// Fills the ring to the server with abort requests.
pub fn of_aborts<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let mut held = Vec::new();
        for _ in 0..MANY {
            held.push(me.wait::<P>(port).await);
        }
        me.stop().await;
        for message in held {
            assert!(me.is_aborted::<P>(&message).await, "an abort request was lost");
            answer::<P>(&me, message).await;
        }
    });
    let batch = Batch { aborts: (0..MANY).collect(), stops: true, ..many(stage.hart(0)) };
    let clients = batch.send::<P>((stage, ALL), seed, to, check_reply::<P>);
    stage.world.settle(seed);
    clients.into_iter().for_each(|client| stage.world.wake(client));
    if stage.across {
        stage.world.settle_some(seed, &[1]);
    }
    stage.world.settle(seed);
    stage.world.wake(server);
}

/// Two that serve each other fill each other's rings at once.
pub fn of_both<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (here, _) = stage.server::<P, _>(seed, |me, port| async move {
        serve::<P>(&me, port, MANY).await;
    });
    let (there, _) = stage.server_on::<P, _>(stage.hart(0), seed, |me, port| async move {
        serve::<P>(&me, port, MANY).await;
    });
    for (hart, to) in [(stage.hart(0), here), (0, there)] {
        many(hart).send::<P>((stage, &[]), seed, to, check_reply::<P>);
    }
}
