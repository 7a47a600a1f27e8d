// SPDX-License-Identifier: Apache-2.0
//! Two clients, a server on another hart, and somebody who ends what they do, in every
//! order of masked sections and doorbells (`explore`): the policy, the home harts, the
//! rings between them, and the service threads, in the kernel's own source. Nobody sleeps
//! for ever, each wait ends once, and each client finds what became of its message. A
//! mistake of each kind is found.
//!
//! What one section of one hart does while another is in the middle of one is the loom
//! models' business (`tests/model`).

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use skimmer_abi::{channel::ChannelFlags, errno::Errno};
use skimmer_core::{
    channel::{ChannelId, connection::ConnectionId},
    ids::{Priority, ThreadId},
};
use skimmer_core_tests::{
    explore::{Played, Scene, every_order},
    fake::Parking,
    ipc::{Call, Given, Ipc},
    script::Me,
    seed::Seed,
    world::World,
};

const SHORT: Call = Call { length: 8, timeout: None };

/// Who ends what the others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rival {
    /// The channel goes, section by section.
    Destroys,
    /// A wrong way: who waited for an answer is not told.
    DestroysSilently,
    /// The clients' connection goes.
    Detaches,
    /// A wrong way: they are told before it has gone.
    TellsThenDetaches,
    /// The first client is to end.
    Condemns,
    /// A wrong way: its service thread does nothing about that.
    CondemnsIdly,
}

thread_local! {
    /// How many messages and answers went the short way, in one world at the most.
    static STRAIGHT: Cell<u64> = const { Cell::new(0) };
}

/// What is played.
#[derive(Clone, Copy, Debug)]
struct Cast {
    harts: usize,
    /// The harts of the clients; and of the server, and of the rival.
    clients: &'static [usize],
    server: usize,
    rival: (usize, Rival),
    /// Messages of each client.
    messages: u64,
    /// Whether the server answers; it keeps them if not.
    answers: bool,
    /// Whether it answers and waits in one call.
    is_both: bool,
    parking: Parking,
}

/// What happened.
#[derive(Default)]
struct Seen {
    /// What each client found, of one message after the other.
    told: RefCell<HashMap<usize, Vec<Result<i64, Errno>>>>,
    /// The answers that the server was told have been given.
    answered: RefCell<Vec<i64>>,
    /// Whose waits the end of the channel has ended.
    woken: RefCell<Vec<ThreadId>>,
    is_destroyed: Cell<bool>,
}

struct Play {
    cast: Cast,
    ipc: &'static Ipc,
    channel: ChannelId,
    clients: Vec<ThreadId>,
    server: ThreadId,
    rival: ThreadId,
    seen: Rc<Seen>,
}

async fn call(
    me: Me,
    ipc: &'static Ipc,
    coid: ConnectionId,
    number: usize,
    count: u64,
    seen: Rc<Seen>,
) {
    for _ in 0..count {
        let told = me.msg_send(ipc, coid, SHORT).await;
        seen.told.borrow_mut().entry(number).or_default().push(told);
        if told.is_err() {
            return;
        }
    }
}

/// Answers each message with a number of its own.
async fn serve(me: Me, ipc: &'static Ipc, channel: ChannelId, cast: Cast, seen: Rc<Seen>) {
    let mut next = 100;
    let mut got = me.msg_receive(ipc, channel, SHORT).await;
    while let Ok(receipt) = got {
        next += 1;
        let given = Given { message: receipt.id, status: next, length: 8 };
        got = if !cast.answers {
            me.msg_receive(ipc, channel, SHORT).await
        } else if cast.is_both {
            let place = seen.answered.borrow().len();
            // Who waits is told only as it waits no more.
            seen.answered.borrow_mut().push(next);
            match me.msg_reply_receive(ipc, given, channel, SHORT).await {
                Err((_, 1)) => {
                    seen.answered.borrow_mut().remove(place);
                    me.msg_receive(ipc, channel, SHORT).await
                }
                got => got.map_err(|(error, _)| error),
            }
        } else {
            if me.msg_reply(ipc, receipt.id, next).await.is_ok() {
                seen.answered.borrow_mut().push(next);
            }
            me.msg_receive(ipc, channel, SHORT).await
        };
    }
}

async fn destroy(me: Me, ipc: &'static Ipc, channel: ChannelId, is_silent: bool, seen: Rc<Seen>) {
    let ended = me.channel_destroy_apart(ipc, channel, |one| {
        seen.woken.borrow_mut().push(one.wait.thread);
        !is_silent || one.queue != skimmer_core::channel::Which::Reply
    });
    assert_eq!(ended.await, Ok(()), "there is one destroy");
    seen.is_destroyed.set(true);
}

async fn end(
    me: Me,
    ipc: &'static Ipc,
    play: (ChannelId, ConnectionId, Vec<ThreadId>),
    rival: Rival,
    seen: Rc<Seen>,
) {
    let (channel, coid, clients) = play;
    match rival {
        Rival::Destroys | Rival::DestroysSilently => {
            destroy(me, ipc, channel, rival == Rival::DestroysSilently, seen).await;
        }
        Rival::Detaches => me.connect_detach(ipc, coid, &clients).await,
        Rival::TellsThenDetaches => {
            for &client in &clients {
                me.tell(|hart, irq| hart.tell_detached(irq, client, coid)).await;
            }
            me.connect_detach(ipc, coid, &[]).await;
        }
        Rival::Condemns | Rival::CondemnsIdly => {
            me.tell(|hart, irq| hart.condemn(irq, clients[0], Priority::IDLE)).await;
        }
    }
}

impl Cast {
    fn set(self, world: &World, ipc: &'static Ipc) -> Play {
        world.ledger.park(self.parking);
        ipc.settles_nothing.set(self.rival.1 == Rival::CondemnsIdly);
        let (channel, coid) = ipc.channel(ChannelFlags::NONE);
        let seen = Rc::<Seen>::default();
        let server = world
            .spawn(self.server, "server", 10, |me| serve(me, ipc, channel, self, seen.clone()));
        let spawn = |(number, &hart): (usize, &usize)| {
            world.spawn(hart, "client", 10, |me| {
                call(me, ipc, coid, number, self.messages, seen.clone())
            })
        };
        let clients: Vec<_> = self.clients.iter().enumerate().map(spawn).collect();
        let all = (channel, coid, clients.clone());
        let rival = world
            .spawn(self.rival.0, "rival", 10, |me| end(me, ipc, all, self.rival.1, seen.clone()));
        Play { cast: self, ipc, channel, clients, server, rival, seen }
    }

    fn play(self) -> Played {
        let played = every_order(self.harts, |world, ipc| self.set(world, ipc));
        eprintln!("{played:?} of {self:?}");
        played
    }

    /// It is found.
    fn fails(self, words: &str) {
        let failed = catch_unwind(AssertUnwindSafe(|| self.play()));
        let said = failed.expect_err("a mistake was not found");
        let said = said.downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        assert!(said.contains(words), "{said}");
    }
}

impl Scene for Play {
    fn must_end(&self) -> Vec<ThreadId> {
        let mut all = vec![self.rival];
        let is_condemned = matches!(self.cast.rival.1, Rival::Condemns | Rival::CondemnsIdly);
        // Nobody but the first is to end then, and a server that answers nothing leaves them.
        let some = if is_condemned && !self.cast.answers { 1 } else { self.clients.len() };
        all.extend(&self.clients[..some]);
        if self.seen.is_destroyed.get() {
            all.push(self.server);
        }
        all
    }

    fn check(self, world: &World) {
        self.check_clients();
        if !self.seen.is_destroyed.get() {
            let (ipc, channel, seen) = (self.ipc, self.channel, self.seen.clone());
            world.spawn(0, "janitor", 10, |me| destroy(me, ipc, channel, false, seen));
            world.settle(&mut Seed::new(0));
        }
        assert_eq!(world.state(self.server), None, "the server has not been told");
    }
}

impl Play {
    fn check_clients(&self) {
        let (told, mut answered) = (self.seen.told.borrow(), Vec::new());
        STRAIGHT.set(STRAIGHT.get().max(self.ipc.straight.iter().map(Cell::get).sum()));
        for (&number, told) in &*told {
            for (place, &told_now) in told.iter().enumerate() {
                let is_last = place + 1 == told.len();
                let woken = self.seen.woken.borrow().contains(&self.clients[number]);
                match (self.cast.rival.1, told_now) {
                    (_, Ok(status)) => answered.push(status),
                    (Rival::Destroys | Rival::DestroysSilently, Err(error)) => {
                        // Whose wait was ended, and who found no channel.
                        let expected = if woken { Errno::ESRCH } else { Errno::EBADF };
                        assert_eq!(error, expected, "{number}");
                    }
                    (Rival::Detaches | Rival::TellsThenDetaches, Err(error)) => {
                        assert_eq!(error, Errno::EBADF, "{number}");
                    }
                    (Rival::Condemns | Rival::CondemnsIdly, Err(error)) => {
                        assert_eq!((error, number), (Errno::EINTR, 0));
                    }
                }
                assert!(told_now.is_ok() || is_last);
            }
        }
        let mut given = self.seen.answered.borrow().clone();
        given.sort_unstable();
        answered.sort_unstable();
        assert_eq!(answered, given, "each answer is found by one client");
        let mut woken = self.seen.woken.borrow().clone();
        woken.sort_unstable_by_key(|id| id.to_word());
        let count = woken.len();
        woken.dedup();
        assert_eq!(woken.len(), count, "a wait ended twice");
    }
}

const CAST: Cast = Cast {
    harts: 3,
    clients: &[0, 0],
    server: 1,
    rival: (2, Rival::Destroys),
    messages: 1,
    answers: true,
    is_both: false,
    parking: Parking::Never,
};

/// The clients beside each other, or each on a hart of its own.
#[test]
fn the_channel_goes() {
    assert!(CAST.play().whole > 1000);
}

#[test]
fn the_channel_goes_as_clients_come_from_two_harts() {
    assert!(
        Cast { harts: 4, clients: &[0, 2], rival: (3, Rival::Destroys), ..CAST }.play().whole
            > 1000
    );
}

#[test]
fn the_channel_goes_as_the_server_answers_and_waits() {
    let cast = Cast { is_both: true, parking: Parking::Always, ..CAST };
    assert!(cast.play().whole > 1000);
}

#[test]
fn the_connection_goes() {
    assert!(Cast { rival: (2, Rival::Detaches), ..CAST }.play().whole > 1000);
}

#[test]
fn the_connection_goes_and_nobody_answers() {
    let cast = Cast { rival: (2, Rival::Detaches), answers: false, ..CAST };
    assert!(cast.play().whole > 100);
}

/// Client and server are parked on one hart, and what another says comes by a ring.
#[test]
fn a_client_is_condemned_on_the_short_way() {
    let cast = Cast {
        harts: 2,
        clients: &[0],
        server: 0,
        rival: (1, Rival::Condemns),
        messages: 4,
        is_both: true,
        parking: Parking::Always,
        ..CAST
    };
    STRAIGHT.set(0);
    assert!(cast.play().whole > 10);
    assert!(STRAIGHT.get() > 4, "no message went the short way");
    Cast { clients: &[0, 0], messages: 2, ..cast }.play();
    Cast { answers: false, ..cast }.play();
    // The usual way, and across harts.
    Cast { parking: Parking::Never, ..cast }.play();
    Cast { harts: 3, server: 1, rival: (2, Rival::Condemns), messages: 2, ..cast }.play();
}

#[test]
fn mistakes_are_found() {
    let words = "sleeps for ever";
    Cast { rival: (2, Rival::DestroysSilently), ..CAST }.fails(words);
    Cast { rival: (2, Rival::TellsThenDetaches), answers: false, ..CAST }.fails(words);
    let idle = Cast { harts: 2, clients: &[0], rival: (1, Rival::CondemnsIdly), ..CAST };
    Cast { answers: false, server: 0, is_both: true, ..idle }.fails(words);
}
