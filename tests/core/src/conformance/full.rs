// SPDX-License-Identifier: Apache-2.0
//! A full ring gives back what it was given; nothing is lost, nothing comes
//! twice, and whoever waits for space gets it.

use std::{cell::Cell, rc::Rc};

use super::{PortUnderTest, Stage, answer, check_reply, serve, words};
use crate::seed::Seed;

/// More than any ring holds.
const MANY: usize = 100;

/// Fills the ring to the server while the server's hart stands still.
pub fn of_requests<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, _) = stage.server::<P, _>(seed, |me, port| async move {
        for round in 0..MANY {
            let message = me.wait::<P>(port).await;
            assert_eq!(P::request(&message), words(0, round), "lost, doubled or overtaken");
            answer::<P>(&me, message).await;
        }
    });
    let was_full = Rc::new(Cell::new(0));
    let count = was_full.clone();
    stage.client(0, |me| async move {
        let mut tickets = Vec::new();
        for round in 0..MANY {
            let mut message = P::message(words(0, round));
            let ticket = loop {
                match me.try_send::<P>(to, message).await {
                    Ok(ticket) => break ticket,
                    Err(full) => {
                        count.set(count.get() + 1);
                        message = me.after_space(full).await;
                    }
                }
            };
            tickets.push(ticket);
        }
        for (round, ticket) in tickets.into_iter().enumerate() {
            check_reply::<P>(&me.wait_reply::<P>(ticket).await, words(0, round));
        }
    });
    if stage.across {
        stage.world.settle_some(seed, &[1]);
        assert_eq!(was_full.get(), 1, "the client waits for space");
    }
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
    stage.client(0, |me| async move {
        let mut tickets = Vec::new();
        for round in 0..MANY {
            tickets.push(me.send::<P>(to, P::message(words(0, round))).await);
        }
        for (round, ticket) in tickets.into_iter().enumerate().rev() {
            check_reply::<P>(&me.wait_reply::<P>(ticket).await, words(0, round));
        }
    });
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
    let client = stage.client(0, |me| async move {
        let mut tickets = Vec::new();
        for round in 0..MANY {
            tickets.push(me.send::<P>(to, P::message(words(0, round))).await);
        }
        me.stop().await;
        for ticket in &tickets {
            me.abort::<P>(ticket, P::note()).await;
        }
        for (round, ticket) in tickets.into_iter().enumerate() {
            check_reply::<P>(&me.wait_reply::<P>(ticket).await, words(0, round));
        }
    });
    stage.world.settle(seed);
    stage.world.wake(client);
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
    let there = Rc::new(Cell::new(None));
    let place = there.clone();
    stage.world.spawn(stage.hart(0), "server", super::LEVEL, |me| async move {
        let (address, own) = me.section(|hart, irq| P::open(hart, irq)).await;
        place.set(Some(address));
        serve::<P>(&me, own, MANY).await;
    });
    stage.world.settle(seed);
    let there = there.get().expect("it has opened its port");
    for (hart, to) in [(stage.hart(0), here), (0, there)] {
        stage.world.spawn(hart, "client", super::LEVEL, |me| async move {
            let mut tickets = Vec::new();
            for round in 0..MANY {
                tickets.push(me.send::<P>(to, P::message(words(hart, round))).await);
            }
            for (round, ticket) in tickets.into_iter().enumerate() {
                check_reply::<P>(&me.wait_reply::<P>(ticket).await, words(hart, round));
            }
        });
    }
}
