// SPDX-License-Identifier: Apache-2.0
//! A message that is asked for back still ends once: with ECANCELED if nobody
//! had taken it, else as its receiver answers it.

use skimmer_abi::errno::Errno;

use super::{Batch, PortUnderTest, Stage, answer, check_reply, words};
use crate::seed::Seed;

/// The harts that run while a batch is sent.
const ALL: &[usize] = &[0, 1, 2];

/// Nobody has taken it: ECANCELED, and the receiver never sees it.
pub fn before_taken<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        me.stop().await;
        for round in [0, 2] {
            let message = me.get::<P>(port).await.expect("two are left");
            assert_eq!(P::request(&message), words(0, round));
            assert!(!me.is_aborted::<P>(&message).await);
            answer::<P>(&me, message).await;
        }
        assert!(me.get::<P>(port).await.is_none(), "the middle one was taken back");
    });
    let batch = Batch::new(stage.hart(0), (0..3).map(|round| words(0, round)).collect());
    let batch = Batch { claims: vec![1, 0, 2], aborts: vec![1], ..batch };
    batch.send::<P>((stage, ALL), seed, to, |reply, request| {
        if request == words(0, 1) {
            assert_eq!(P::status(reply), Errno::ECANCELED.status());
            assert_eq!(P::words(reply), request, "it comes back as it was");
        } else {
            check_reply::<P>(reply, request);
        }
    });
    stage.world.settle(seed);
    stage.world.wake(server);
}

/// It was taken: the receiver sees the request, as often as it looks, and its
/// answer counts.
pub fn after_taken<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let message = me.wait::<P>(port).await;
        assert!(!me.is_aborted::<P>(&message).await);
        me.stop().await;
        assert!(me.is_aborted::<P>(&message).await);
        assert!(me.is_aborted::<P>(&message).await);
        me.stop().await;
        answer::<P>(&me, message).await;
        let message = me.wait::<P>(port).await;
        assert!(!me.is_aborted::<P>(&message).await, "that was about an earlier one");
        answer::<P>(&me, message).await;
    });
    let client = stage.client(0, |me| async move {
        let ticket = me.send::<P>(to, P::message(words(0, 0))).await;
        me.stop().await;
        me.abort::<P>(&ticket, P::note()).await;
        me.abort::<P>(&ticket, P::note()).await;
        check_reply::<P>(&me.wait_reply::<P>(ticket).await, words(0, 0));
        let reply = me.domsg::<P>(to, P::message(words(0, 1))).await;
        check_reply::<P>(&reply, words(0, 1));
    });
    stage.world.settle(seed);
    stage.world.wake(client);
    stage.world.settle(seed);
    stage.world.wake(server);
    stage.world.settle(seed);
    assert!(stage.world.state(client).is_some(), "the client still waits for the reply");
    stage.world.wake(server);
}

/// It was answered already: nothing happens, and the request is not mistaken
/// for one about the next message.
pub fn after_reply<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let message = me.wait::<P>(port).await;
        answer::<P>(&me, message).await;
        let message = me.wait::<P>(port).await;
        assert!(!me.is_aborted::<P>(&message).await, "that was about an earlier one");
        me.stop().await;
        assert!(!me.is_aborted::<P>(&message).await, "that was about an earlier one");
        answer::<P>(&me, message).await;
    });
    let client = stage.client(0, |me| async move {
        let first = me.send::<P>(to, P::message(words(0, 0))).await;
        me.stop().await;
        me.abort::<P>(&first, P::note()).await;
        if !P::HAS_MANY_AWAY {
            check_reply::<P>(&me.wait_reply::<P>(first).await, words(0, 0));
            return check_reply::<P>(
                &me.domsg::<P>(to, P::message(words(0, 1))).await,
                words(0, 1),
            );
        }
        let second = me.send::<P>(to, P::message(words(0, 1))).await;
        me.abort::<P>(&first, P::note()).await;
        check_reply::<P>(&me.wait_reply::<P>(first).await, words(0, 0));
        check_reply::<P>(&me.wait_reply::<P>(second).await, words(0, 1));
    });
    stage.world.settle(seed);
    stage.world.wake(client);
    stage.world.settle(seed);
    stage.world.wake(server);
}

/// Several are held: the request is about one of them.
pub fn one_of_many<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const COUNT: usize = 5;
    let aborted = seed.below(COUNT);
    let (to, server) = stage.server::<P, _>(seed, move |me, port| async move {
        let mut held = Vec::new();
        for _ in 0..2 * COUNT {
            held.push(me.wait::<P>(port).await);
        }
        me.stop().await;
        for message in held {
            let [client, round, ..] = P::request(&message);
            let expected = client == 1 && round == aborted as u64;
            assert_eq!(me.is_aborted::<P>(&message).await, expected, "{client} {round}");
            answer::<P>(&me, message).await;
        }
    });
    let clients = [0, 1].map(|client| {
        let batch =
            Batch::new(stage.hart(client), (0..COUNT).map(|round| words(client, round)).collect());
        let aborts = if client == 1 { vec![aborted] } else { Vec::new() };
        let batch = Batch { aborts, stops: true, ..batch };
        batch.send::<P>((stage, ALL), seed, to, check_reply::<P>)
    });
    stage.world.settle(seed);
    clients.iter().flatten().for_each(|&client| stage.world.wake(client));
    stage.world.settle(seed);
    stage.world.wake(server);
}

/// The port is gone: ESRCH, as without the request.
pub fn of_nobody<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, _| async move { me.stop().await });
    stage.world.wake(server);
    stage.world.settle(seed);
    stage.client(0, |me| async move {
        let ticket = me.send::<P>(to, P::message(words(0, 0))).await;
        me.abort::<P>(&ticket, P::note()).await;
        let reply = me.wait_reply::<P>(ticket).await;
        assert_eq!(P::status(&reply), Errno::ESRCH.status());
    });
}

/// Whenever the request comes, the message ends once, one way or the other.
pub fn at_any_time<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const CLIENTS: usize = 3;
    const ROUNDS: usize = 6;
    let (to, _) = stage.server::<P, _>(seed, |me, port| async move {
        let mut left = CLIENTS;
        while left > 0 {
            let message = me.wait::<P>(port).await;
            let last = P::request(&message)[1] == ROUNDS as u64;
            let _either = me.is_aborted::<P>(&message).await;
            answer::<P>(&me, message).await;
            left -= usize::from(last);
        }
    });
    for client in 0..CLIENTS {
        let mut choice = Seed::new(seed.bits());
        stage.client(client, |me| async move {
            for round in 0..ROUNDS {
                let ticket = me.send::<P>(to, P::message(words(client, round))).await;
                for _ in 0..choice.below(12) {
                    me.yield_now().await;
                }
                me.abort::<P>(&ticket, P::note()).await;
                let reply = me.wait_reply::<P>(ticket).await;
                if P::status(&reply) != Errno::ECANCELED.status() {
                    check_reply::<P>(&reply, words(client, round));
                }
            }
            let reply = me.domsg::<P>(to, P::message(words(client, ROUNDS))).await;
            check_reply::<P>(&reply, words(client, ROUNDS));
        });
    }
}
