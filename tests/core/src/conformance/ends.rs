// SPDX-License-Identifier: Apache-2.0
//! One side goes away: every message still ends, once.

use skimmer_abi::errno::Errno;

use super::{Batch, LEVEL, Log, PortUnderTest, Stage, answer, check_reply, words};
use crate::seed::Seed;

/// A port that is gone answers ESRCH, and so it does when somebody else has
/// moved in where it was.
pub fn gone<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, _| async move { me.stop().await });
    stage.world.wake(server);
    stage.world.settle(seed);
    assert_eq!(stage.world.state(server), None, "it is buried");
    for _ in 0..2 {
        stage.client(0, |me| async move {
            for round in 0..3 {
                let reply = me.domsg::<P>(to, P::message(words(0, round))).await;
                assert_eq!(P::status(&reply), Errno::ESRCH.status());
                assert_eq!(P::words(&reply), words(0, round), "it comes back as it was");
            }
        });
        stage.world.settle(seed);
    }
    let (_, newcomer) = stage.server::<P, _>(seed, |me, port| async move {
        me.stop().await;
        assert!(me.get::<P>(port).await.is_none(), "the newcomer got its predecessor's mail");
    });
    stage.client(1, |me| async move {
        let reply = me.domsg::<P>(to, P::message(words(1, 0))).await;
        assert_eq!(P::status(&reply), Errno::ESRCH.status());
    });
    stage.world.settle(seed);
    stage.world.wake(newcomer);
}

/// A receiver that exits leaves no request behind.
pub fn gone_with_queue<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    let (to, server) = stage.server::<P, _>(seed, |me, port| async move {
        let first = me.wait::<P>(port).await;
        me.stop().await;
        answer::<P>(&me, first).await;
    });
    let log = Log::default();
    for client in 0..3 {
        let log = log.clone();
        let batch =
            Batch::new(stage.hart(client), (0..4).map(|round| words(client, round)).collect());
        batch.send::<P>((stage, &[0, 1, 2]), seed, to, move |reply, _| {
            log.add(P::status(reply));
        });
    }
    stage.world.settle(seed);
    stage.world.wake(server);
    stage.world.settle(seed);
    let mut statuses = log.take();
    statuses.sort_unstable();
    assert_eq!(statuses.len(), 12, "a request was left behind");
    assert_eq!(statuses[..11], [Errno::ESRCH.status(); 11], "all that it did not take");
    assert!(statuses[11] > 0, "and the answer to the one that it took");
}

/// A receiver that exits at any time, while requests come in: each is answered
/// or comes back.
pub fn gone_at_any_time<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 10;
    let served = seed.below(CLIENTS * ROUNDS);
    let (to, _) = stage.server::<P, _>(seed, move |me, port| async move {
        let first = me.wait::<P>(port).await;
        answer::<P>(&me, first).await;
        super::serve::<P>(&me, port, served).await;
    });
    let log = Log::default();
    for client in 0..CLIENTS {
        let log = log.clone();
        stage.client(client, |me| async move {
            for round in 0..ROUNDS {
                let reply = me.domsg::<P>(to, P::message(words(client, round))).await;
                if P::status(&reply) == Errno::ESRCH.status() {
                    assert_eq!(P::words(&reply), words(client, round), "it comes back as it was");
                } else {
                    check_reply::<P>(&reply, words(client, round));
                    log.add(());
                }
            }
        });
    }
    stage.world.settle(seed);
    assert_eq!(log.take().len(), served + 1);
}

/// A sender that exits before the reply: the reply is discarded, even when
/// another thread lives where the sender did.
pub fn sender_gone_before_reply<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    sender_gone::<P>(stage, seed, true);
}

/// A sender that exits before its message is taken: it is served all the same,
/// and the reply is discarded; or the message goes with its sender.
pub fn sender_gone_before_taken<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed) {
    sender_gone::<P>(stage, seed, false);
}

fn sender_gone<P: PortUnderTest>(stage: &Stage<'_>, seed: &mut Seed, taken: bool) {
    let is_served = taken || P::OUTLIVES_SENDER;
    let (to, server) = stage.server::<P, _>(seed, move |me, port| async move {
        if !taken {
            me.stop().await;
        }
        if !is_served {
            assert!(me.get::<P>(port).await.is_none(), "its sender has gone");
            return;
        }
        let first = me.wait::<P>(port).await;
        let second = me.wait::<P>(port).await;
        if taken {
            me.stop().await;
        }
        answer::<P>(&me, second).await;
        answer::<P>(&me, first).await;
    });
    let clients = [0, 1].map(|round| {
        stage.client(0, |me| async move {
            // The ticket goes; so does the sender, at once.
            let ticket = me.send::<P>(to, P::message(words(0, round))).await;
            if taken {
                me.stop().await;
            }
            P::leave(&me, ticket).await;
        })
    });
    stage.world.settle(seed);
    if taken {
        clients.iter().for_each(|&client| stage.world.wake(client));
        stage.world.settle(seed);
    }
    assert_eq!(clients.map(|client| stage.world.state(client)), [None; 2], "they are buried");
    let heir = stage.world.spawn(stage.hart(0), "heir", LEVEL, |me| async move {
        me.stop().await;
    });
    stage.world.wake(server);
    stage.world.settle(seed);
    stage.world.wake(heir);
}
