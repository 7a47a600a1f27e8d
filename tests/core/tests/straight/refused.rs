// SPDX-License-Identifier: Apache-2.0
//! What keeps a message from the short way: then the hart, its threads and the channel
//! are as they were. Beside each a message that has nothing in its way, and goes it.

use std::{cell::Cell, rc::Rc};

use skimmer_abi::{errno::Errno, message::states};
use skimmer_core::{
    channel::{
        ChannelFlags, ChannelId, MessageId, Which, connection::ConnectionId, rendezvous::AT_ONCE,
    },
    hart::Hart,
    ids::{Priority, SlotId, ThreadId},
    shares::Family,
    straight::Baggage,
    user::UserBytes,
    waiting::{Timeout, Until},
};
use skimmer_core_tests::{
    fake::{Fake, Parking},
    ipc::{Call, Given, Ipc},
    script::Me,
    seed::Seed,
    world::World,
};
use skimmer_sync::irq::IrqOff;

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Nothing: it goes the short way.
    Nothing,
    /// Nothing, though an equal waits: both are of one family.
    OwnFamily,
    OtherFamily,
    NoFamily,
    /// What was left of an earlier turn is to be used up first.
    Left,
    Elsewhere,
    NotParked,
    Timed,
    Ending,
    NewPriority,
    Queued,
    Fixed,
    Equal,
    Urgent,
    Long,
    NoPass,
    Detached,
    Stale,
    OtherChannel,
}

use Way::{
    Detached, Elsewhere, Ending, Equal, Fixed, Left, Long, NewPriority, NoFamily, NoPass,
    NotParked, Nothing, OtherChannel, OtherFamily, OwnFamily, Queued, Stale, Timed, Urgent,
};

impl Way {
    const fn is_free(self) -> bool {
        matches!(self, Nothing | OwnFamily)
    }

    const fn has_rival(self) -> bool {
        matches!(self, OwnFamily | OtherFamily | NoFamily | Left)
    }

    /// The families of who gives up the hart and who gets it.
    fn families(self) -> [Option<Family>; 2] {
        let family = |number: u64| Some(Family::of(SlotId::from_word(1 << 24 | number)));
        match self {
            OwnFamily | Left => [family(1), family(1)],
            OtherFamily => [family(1), family(2)],
            _ => [None; 2],
        }
    }

    const fn length(self) -> usize {
        if matches!(self, Long) { AT_ONCE + 1 } else { AT_ONCE }
    }

    fn call(self, states: u64) -> Call {
        let timeout = Timeout { states, until: Until::After(1 << 40) };
        Call { length: self.length(), timeout: (self == Timed).then_some(timeout) }
    }
}

/// A world in which one message is about to go the short way.
struct Bench {
    way: Way,
    world: Rc<World>,
    ipc: &'static Ipc,
    channel: ChannelId,
    coid: ConnectionId,
    /// Two more threads, which are stopped: an equal and an urgent one.
    others: [ThreadId; 2],
    /// Whether the attempt was made.
    is_tried: Rc<Cell<bool>>,
}

/// Nobody but these.
const LEVEL: u8 = 10;

impl Bench {
    fn new(way: Way) -> Self {
        // A service thread would be woken by what is to end, and be in the way itself.
        let is_bare = matches!(way, Ending | NewPriority);
        let world = Rc::new(if is_bare { World::bare(2) } else { World::new(2) });
        let ipc = world.ipc();
        let fixed = if way == Fixed { ChannelFlags::FIXED_PRIORITY } else { ChannelFlags::NONE };
        let (channel, coid) = ipc.channel(fixed);
        world.ledger.park(if way == NotParked { Parking::Never } else { Parking::Always });
        world.ledger.fail_passes(u64::from(way == NoPass));
        let stopped = |level| world.spawn(0, "other", level, |me| async move { me.stop().await });
        let others = [stopped(LEVEL), stopped(30)];
        others.iter().for_each(|it| ipc.waiters.enrol(*it).unwrap());
        let bench = Self { way, world, ipc, channel, coid, others, is_tried: Rc::default() };
        bench.settle();
        bench
    }

    fn settle(&self) {
        self.world.settle(&mut Seed::new(1));
    }

    /// A thread of that family, or elsewhere.
    fn born<F: Future<Output = ()> + 'static>(
        &self,
        family: Option<Family>,
        is_peer: bool,
        body: impl FnOnce(Me) -> F,
    ) -> ThreadId {
        let at = usize::from(is_peer && self.way == Elsewhere);
        let mut new = self.world.prepare(at, "thread", LEVEL, body);
        new.family = family;
        self.world.cpu(at).enter(|hart, irq| {
            let id = hart.adopt(new).expect("memory");
            hart.schedule(irq, id).expect("it is at home");
            id
        })
    }

    /// An equal that wants the hart, too, if one is to.
    fn rival(&self) {
        if self.way.has_rival() {
            self.born(None, false, |me| async move {
                for _ in 0..3000 {
                    me.yield_now().await;
                }
            });
        }
    }

    /// Somebody tries, with that in the way.
    async fn tries(
        &self,
        me: &Me,
        peer: Rc<Cell<ThreadId>>,
        attempt: impl FnOnce(&mut Hart<Fake>, &IrqOff) -> bool,
    ) {
        let (ipc, way, channel) = (self.ipc, self.way, self.channel);
        ipc.waiters.enrol(me.id()).unwrap();
        me.section(|hart, _| hart.visitor(ipc.waiters)).await;
        if way == Left {
            // One of the family goes: what is left of its turn is for the next that is woken.
            self.born(way.families()[0], false, |me| async move {
                while !me.section(has_slice).await {}
            });
            while !me.section(has_left).await {
                me.yield_now().await;
            }
        }
        while way.has_rival() && !me.section(has_slice).await {}
        self.is_tried.set(true);
        if way.is_free() {
            return;
        }
        let [equal, urgent] = self.others;
        me.section(|hart, irq| {
            let wait = match way {
                Ending => hart.condemn(irq, peer.get(), Priority::IDLE).map(|()| None).unwrap(),
                NewPriority => {
                    hart.set_priority(irq, peer.get(), Priority::new(LEVEL)).unwrap();
                    None
                }
                Equal => hart.schedule(irq, equal).map(|()| None).unwrap(),
                Urgent => hart.schedule(irq, urgent).map(|()| None).unwrap(),
                Queued => {
                    let queued = ipc.with(hart, irq, channel, |channel, _| {
                        channel.push(Which::Send, equal, Priority::IDLE).unwrap()
                    });
                    queued.map(Some).unwrap()
                }
                _ => None,
            };
            let before = self.portrait(hart, irq);
            assert!(!attempt(hart, irq), "{way:?} was not in the way");
            assert_eq!(before, self.portrait(hart, irq), "{way:?}");
            if let Some(wait) = wait {
                ipc.with(hart, irq, channel, |channel, _| channel.take(wait)).unwrap();
            }
        })
        .await;
    }

    fn portrait(&self, hart: &mut Hart<Fake>, irq: &IrqOff) -> String {
        let channel = self.ipc.with(hart, irq, self.channel, |channel, _| channel.portrait());
        format!("{}{}", hart.portrait(), channel.unwrap())
    }

    /// Ends all of it. How many messages and answers went the short way.
    fn ends(self) -> [u64; 6] {
        self.settle();
        assert!(self.is_tried.get(), "{:?}: nobody came so far", self.way);
        self.ipc.straight.each_ref().map(Cell::get)
    }
}

fn has_slice(hart: &mut Hart<Fake>, _: &IrqOff) -> bool {
    hart.portrait().contains("slice to Some")
}

fn has_left(hart: &mut Hart<Fake>, _: &IrqOff) -> bool {
    let portrait = hart.portrait();
    portrait.lines().any(|it| it.starts_with("Share") && !it.contains("left: 0,"))
}

fn bytes(length: usize) -> UserBytes {
    UserBytes::new(0, length)
}

/// A client sends to a server that waits.
fn send(way: Way) -> u64 {
    let bench = Rc::new(Bench::new(way));
    let Bench { ipc, channel, coid, .. } = *bench;
    let [own, peers] = way.families();
    let server = bench.born(peers, true, move |me| async move {
        let got = me.msg_receive(ipc, channel, way.call(states::RECEIVE)).await;
        if let Ok(receipt) = got {
            me.msg_reply(ipc, receipt.id, 42).await.unwrap();
        }
    });
    bench.settle();
    bench.rival();
    let (own_bench, peer) = (bench.clone(), Rc::new(Cell::new(server)));
    bench.born(own, false, move |me| async move {
        let (table, length) = (&ipc.table, way.length());
        let (out, into, coid64) = (bytes(length), bytes(length), coid.to_register());
        let client = Baggage { table, owner: 0, tid: 0, coid: coid64, out, into };
        let attempt = |hart: &mut Hart<Fake>, irq: &IrqOff| {
            let went = table.with(irq, ipc.waiters, channel, |channel| {
                hart.send_straight(irq, channel, &client).is_some()
            });
            went.unwrap()
        };
        own_bench.tries(&me, peer, attempt).await;
        let sent = me.msg_send(ipc, coid, Call { length, timeout: None }).await;
        assert!(sent == Ok(42) || way == Ending, "{way:?}: {sent:?}");
    });
    finish(bench)[0]
}

fn finish(bench: Rc<Bench>) -> [u64; 6] {
    bench.settle();
    let Bench { ref world, ipc, channel, .. } = *bench;
    world.spawn(0, "chief", 200, move |me| async move {
        let _gone = me.channel_destroy(ipc, channel).await;
    });
    bench.settle();
    let Ok(bench) = Rc::try_unwrap(bench).map_err(|it| it.is_tried.get()) else {
        unreachable!("all of its threads have ended");
    };
    bench.ends()
}

/// A server answers a client, and waits for the next.
fn answer(way: Way) -> u64 {
    let bench = Rc::new(Bench::new(way));
    let Bench { ipc, channel, coid, .. } = *bench;
    let [own, peers] = way.families();
    let (other_channel, other_coid) = ipc.channel(ChannelFlags::NONE);
    let client = Rc::new(Cell::new(ThreadId::NOBODY));
    let (own_bench, peer) = (bench.clone(), client.clone());
    bench.born(own, false, move |me| async move {
        let at = if way == OtherChannel { other_channel } else { channel };
        let mut receipt = me.msg_receive(ipc, at, Call::default()).await.unwrap();
        let mut message = receipt.id;
        if way == Stale {
            me.msg_reply(ipc, message, 1).await.unwrap();
            receipt = me.msg_receive(ipc, at, Call::default()).await.unwrap();
        }
        if way == OtherChannel {
            message = receipt.id;
        }
        own_bench.tries(&me, peer, |hart, irq| try_answer(&own_bench, hart, irq, message)).await;
        let given = Given { message: receipt.id, status: 42, length: way.length() };
        let got = me.msg_reply_receive(ipc, given, at, Call::default()).await;
        assert!(got.is_err(), "its channel is gone, or the answer has failed");
    });
    bench.settle();
    bench.rival();
    client.set(bench.born(peers, true, move |me| async move {
        let coid = if way == OtherChannel { other_coid } else { coid };
        if way == Stale {
            assert_eq!(me.msg_send(ipc, coid, way.call(states::REPLY)).await, Ok(1));
        }
        let sent = me.msg_send(ipc, coid, way.call(states::REPLY)).await;
        let may_fail = matches!(way, Ending | Detached);
        assert!(sent == Ok(42) || may_fail, "{way:?}: {sent:?}");
    }));
    bench.settle();
    bench.world.spawn(0, "chief", 200, move |me| async move {
        let _gone = me.channel_destroy(ipc, other_channel).await;
    });
    finish(bench)[1]
}

fn try_answer(bench: &Bench, hart: &mut Hart<Fake>, irq: &IrqOff, message: MessageId) -> bool {
    let Bench { ipc, channel, coid, way, .. } = *bench;
    let (table, into) = (&ipc.table, bytes(8));
    let server = Baggage { table, owner: 0, tid: 0, coid: 0, out: bytes(way.length()), into };
    if way == Detached {
        assert!(ipc.detach(coid));
    }
    let went = table.with(irq, ipc.waiters, channel, |channel| {
        let is_connected = |irq: &_, _, coid| ipc.is_connected(irq, coid);
        hart.answer_straight(irq, channel, message, &server, is_connected).is_some()
    });
    went.unwrap()
}

#[test]
fn with_nothing_in_the_way_it_goes() {
    for way in [Nothing, OwnFamily] {
        assert_eq!(send(way), 1, "{way:?}");
        assert_eq!(answer(way), 1, "{way:?}");
    }
}

#[test]
fn what_a_message_finds_in_its_way_stays_as_it_was() {
    for way in [
        OtherFamily,
        NoFamily,
        Left,
        Elsewhere,
        NotParked,
        Timed,
        Ending,
        NewPriority,
        Queued,
        Fixed,
        Equal,
        Urgent,
        Long,
        NoPass,
    ] {
        send(way);
    }
}

#[test]
fn what_an_answer_finds_in_its_way_stays_as_it_was() {
    for way in [
        OtherFamily,
        NoFamily,
        Elsewhere,
        NotParked,
        Timed,
        Ending,
        NewPriority,
        Queued,
        Fixed,
        Equal,
        Urgent,
        Long,
        NoPass,
        Detached,
        Stale,
        OtherChannel,
    ] {
        answer(way);
    }
}

/// A connection that is gone is for the usual way to say.
#[test]
fn a_message_on_what_is_gone_does_not_go() {
    let bench = Rc::new(Bench::new(Nothing));
    let Bench { ipc, channel, coid, .. } = *bench;
    bench.born(None, true, move |me| async move {
        assert!(me.msg_receive(ipc, channel, Call::default()).await.is_err());
    });
    bench.settle();
    let is_tried = bench.is_tried.clone();
    bench.born(None, false, move |me| async move {
        ipc.detach(coid);
        let sent = me.msg_send(ipc, coid, Call::default()).await;
        assert_eq!(sent, Err(Errno::EBADF));
        is_tried.set(true);
    });
    assert_eq!(finish(bench)[..2], [0, 0]);
}
