// SPDX-License-Identifier: Apache-2.0
//! Channels, as message ports, pass the conformance suite.

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::port::{ChannelPort, Place, Room},
    port::{MsgPort as _, Refused},
};
use skimmer_core_tests::{
    census::Census,
    conformance,
    conformance::{Arena, PortUnderTest as _, Stage, answer, check_reply, words},
    fake::Fake,
    script::Me,
    seed::Seed,
    world::World,
};

#[global_allocator]
static CENSUS: Census = Census;

conformance!(ChannelPort<Fake, Arena>);

type Port = ChannelPort<Fake, Arena>;

/// A client and a server, in a world of their own.
fn scene<F: Future<Output = ()> + 'static, G: Future<Output = ()> + 'static>(
    server: impl FnOnce(Me, Place) -> F + 'static,
    client: impl FnOnce(Me, Place) -> G,
) {
    let (world, mut seed) = (World::new(2), Seed::new(1));
    Port::prepare(&world);
    let stage = Stage { world: &world, across: true };
    let (to, server) = stage.server::<Port, _>(&mut seed, server);
    stage.client(0, |me| client(me, to));
    world.settle(&mut seed);
    world.wake(server);
    world.finish(&mut seed);
}

/// Until the reply is claimed, what became of the message is all that is kept.
#[test]
fn a_thread_has_one_message_away_and_waits_for_nothing_else() {
    let server = |me: Me, port| async move {
        let message = me.wait::<Port>(port).await;
        assert_eq!(Port::request(&message), words(0, 0));
        answer::<Port>(&me, message).await;
        me.stop().await;
        assert!(me.get::<Port>(port).await.is_none(), "the others were never sent");
    };
    scene(server, |me, to| async move {
        let ticket = me.send::<Port>(to, Port::message(words(0, 0))).await;
        for round in 1..3 {
            let reply = me.domsg::<Port>(to, Port::message(words(0, round))).await;
            assert_eq!(Port::status(&reply), Errno::EBUSY.status());
            assert_eq!(Port::words(&reply), words(0, round), "it comes back as it was");
        }
        let mut room = Room::default();
        let refused = me.section(|hart, irq| Port::get(hart, irq, to, &mut room).err()).await;
        assert_eq!(refused, Some(Refused::Failed(Errno::EBUSY)));
        check_reply::<Port>(&me.wait_reply::<Port>(ticket).await, words(0, 0));
    });
}

/// Who answers too late, or too often, learns of it; and an answer without memory has no
/// bytes.
#[test]
fn who_answers_is_told_what_came_of_it() {
    let server = |me: Me, port| async move {
        let mut message = me.wait::<Port>(port).await;
        message.letter = None;
        assert_eq!(me.reply::<Port>(message, 7).await, Ok(()));
        me.stop().await;
        let message = me.wait::<Port>(port).await;
        me.stop().await;
        assert_eq!(me.reply::<Port>(message, 0).await, Err(Errno::ESRCH));
    };
    let (world, mut seed) = (World::new(2), Seed::new(2));
    Port::prepare(&world);
    let stage = Stage { world: &world, across: true };
    let (to, server) = stage.server::<Port, _>(&mut seed, server);
    let client = stage.client(0, |me| async move {
        let reply = me.domsg::<Port>(to, Port::message(words(0, 0))).await;
        assert_eq!((Port::status(&reply), Port::words(&reply)), (7, words(0, 0)));
        let ticket = me.send::<Port>(to, Port::message(words(0, 1))).await;
        me.stop().await;
        Port::leave(&me, ticket).await;
    });
    for id in [server, client, server] {
        world.settle(&mut seed);
        world.wake(id);
    }
    world.finish(&mut seed);
}

/// A client on another hart hears of its end while it is blocked.
#[test]
fn who_waits_is_told_that_the_port_has_gone() {
    let server = |me: Me, _| async move { me.stop().await };
    scene(server, |me, to| async move {
        let reply = me.domsg::<Port>(to, Port::message(words(0, 0))).await;
        assert_eq!(Port::status(&reply), Errno::ESRCH.status());
        let reply = me.domsg::<Port>(to, Port::message(words(0, 1))).await;
        assert_eq!(Port::status(&reply), Errno::ESRCH.status());
        let mut room = Room::default();
        let refused = me.section(|hart, irq| Port::get(hart, irq, to, &mut room).err()).await;
        assert_eq!(refused, Some(Refused::Failed(Errno::ESRCH)));
    });
}
