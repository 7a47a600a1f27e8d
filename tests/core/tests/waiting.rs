// SPDX-License-Identifier: Apache-2.0
//! Threads that are blocked at channels, as their home harts see them: they time out in
//! the right states, are ended, told that a connection is gone, and get another
//! priority, from their own hart or through the rings; and a wake that comes too late
//! does nothing.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use skimmer_abi::{errno::Errno, message::states};
use skimmer_core::{
    channel::{
        ChannelFlags, ChannelId, MessageId, Wait, Which,
        connection::ConnectionId,
        rendezvous::{Boost, Moment, Obstacle, Urgency, Wake},
    },
    ids::{Priority, ThreadId},
    thread::{State, Why},
    waiting::{Timeout, Until},
};
use skimmer_core_tests::{
    ipc::{Call, Ipc},
    script::Me,
    seed::Seed,
    world::World,
};

const NONE: ChannelFlags = ChannelFlags::NONE;
const BLOCKED: Option<State> = Some(State::Blocked(Why::Channel));
/// Ticks, beside which what a test takes by itself is nothing.
const T: u64 = 3_000_000;
/// More than one section copies.
const LONG: usize = 10_000;

type Told<T> = Rc<RefCell<Vec<T>>>;

/// A world with a channel and a connection to it.
struct Bench {
    world: World,
    seed: Seed,
    ipc: &'static Ipc,
    channel: ChannelId,
    coid: ConnectionId,
    /// What calls have returned.
    told: Told<(&'static str, Result<i64, Errno>)>,
}

fn within(states: u64, ticks: u64) -> Call {
    Call { timeout: Some(Timeout { states, until: Until::After(ticks) }), ..Call::default() }
}

impl Bench {
    fn new(harts: usize, seed: u64) -> Self {
        let world = World::new(harts);
        let ipc = world.ipc();
        let (channel, coid) = ipc.channel(NONE);
        let (seed, told) = (Seed::new(seed), Told::default());
        Self { world, seed, ipc, channel, coid, told }
    }

    fn settle(&mut self) {
        self.world.settle(&mut self.seed);
    }

    /// A thread that sends once.
    fn client(&mut self, hart: usize, name: &'static str, level: u8, call: Call) -> ThreadId {
        let (ipc, coid, told) = (self.ipc, self.coid, self.told.clone());
        let id = self.world.spawn(hart, name, level, move |me| async move {
            let result = me.msg_send(ipc, coid, call).await;
            told.borrow_mut().push((name, result));
        });
        self.settle();
        id
    }

    /// A thread that receives once, and answers when it is scheduled.
    fn server(&mut self, hart: usize, level: u8, call: Call) -> ThreadId {
        let (ipc, channel, told) = (self.ipc, self.channel, self.told.clone());
        let id = self.world.spawn(hart, "server", level, move |me| async move {
            let result = me.msg_receive(ipc, channel, call).await;
            told.borrow_mut().push(("server", result.map(|it| it.sent as i64)));
            if let Ok(receipt) = result {
                me.stop().await;
                let answered = me.msg_reply(ipc, receipt.id, 42).await;
                told.borrow_mut().push(("answer", answered.map(|()| 0)));
            }
        });
        self.settle();
        id
    }

    fn wake(&mut self, id: ThreadId) {
        self.world.wake(id);
        self.settle();
    }

    /// Lets time pass on every hart.
    fn pass(&mut self, ticks: u64) {
        self.world.clock.advance(ticks);
        (0..self.world.harts()).for_each(|hart| self.world.expire(hart));
        self.settle();
    }

    fn take(&self) -> Vec<(&'static str, Result<i64, Errno>)> {
        self.told.take()
    }

    fn priority(&self, id: ThreadId) -> Option<u8> {
        let cpu = self.world.cpu(id.home().index());
        cpu.enter(|hart, _| hart.thread(id).map(|it| it.priority().level()))
    }

    /// Somebody on that hart does that.
    fn does(&mut self, hart: usize, what: impl AsyncFnOnce(Me) + 'static) {
        self.world.spawn(hart, "chief", 200, move |me| async move { what(me).await });
        self.settle();
    }

    fn first(&self, which: Which) -> Option<(Wait, Priority)> {
        let (ipc, channel) = (self.ipc, self.channel);
        self.world
            .cpu(0)
            .enter(|hart, irq| ipc.with(hart, irq, channel, |channel, _| channel.first(which)))
            .unwrap()
    }

    fn finish(mut self) {
        self.world.finish(&mut self.seed);
    }
}

/// That urgent, by what is decided behind all that a test has done; of two, the more
/// urgent later.
fn later(priority: Priority) -> Urgency {
    Urgency { priority, since: Moment::new((1 << 20) + u64::from(priority.level())) }
}

/// What wakes that wait.
fn told(wait: Wait, priority: Option<Priority>) -> Wake {
    let urgency = priority.map(later);
    Wake { thread: wait.thread, number: wait.number, urgency, error: None }
}

const TIMED_OUT: Result<i64, Errno> = Err(Errno::ETIMEDOUT);

/// The client on hart 0, the server on the same or the next.
fn each_placement(test: impl Fn(&mut Bench, usize)) {
    for (harts, server) in [(1, 0), (2, 1)] {
        for seed in 0..10 {
            let mut bench = Bench::new(harts, seed);
            test(&mut bench, server);
            bench.finish();
        }
    }
}

#[test]
fn a_timeout_ends_a_send_that_nobody_receives() {
    each_placement(|bench, _| {
        let client = bench.client(0, "client", 10, within(states::SEND, T));
        bench.pass(T / 2);
        assert_eq!((bench.world.state(client), bench.take()), (BLOCKED, vec![]));
        bench.pass(T / 2);
        assert_eq!(bench.take(), [("client", TIMED_OUT)]);
        assert_eq!(bench.first(Which::Send), None);
    });
}

#[test]
fn a_timeout_for_the_send_is_over_with_it() {
    each_placement(|bench, at| {
        let client = bench.client(0, "client", 10, within(states::SEND, T));
        let server = bench.server(at, 10, Call::default());
        bench.pass(10 * T);
        assert_eq!(bench.world.state(client), BLOCKED, "it is received");
        bench.wake(server);
        assert_eq!(bench.take(), [("server", Ok(0)), ("answer", Ok(0)), ("client", Ok(42))]);
    });
}

#[test]
fn a_timeout_for_the_reply_begins_with_the_receive() {
    each_placement(|bench, at| {
        let client = bench.client(0, "client", 10, within(states::REPLY, T));
        bench.pass(10 * T);
        assert_eq!(bench.world.state(client), BLOCKED, "not while it is queued");
        let server = bench.server(at, 10, Call::default());
        bench.pass(T / 2);
        assert_eq!((bench.world.state(client), bench.take().len()), (BLOCKED, 1));
        bench.pass(T / 2);
        assert_eq!(bench.take(), [("client", TIMED_OUT)]);
        bench.wake(server);
        assert_eq!(bench.take(), [("answer", Err(Errno::ESRCH))]);
    });
}

#[test]
fn who_finds_a_server_waiting_has_its_reply_timed_at_once() {
    each_placement(|bench, at| {
        let server = bench.server(at, 10, Call::default());
        bench.client(0, "client", 10, within(states::REPLY, T));
        bench.pass(T);
        assert_eq!(bench.take(), [("server", Ok(0)), ("client", TIMED_OUT)]);
        bench.wake(server);
        // Nor is it timed for what it does not say.
        let server = bench.server(at, 10, Call::default());
        bench.client(0, "client", 10, within(states::SEND | states::RECEIVE, T));
        bench.pass(10 * T);
        assert_eq!(bench.take(), [("answer", Err(Errno::ESRCH)), ("server", Ok(0))]);
        bench.wake(server);
        assert_eq!(bench.take().len(), 2);
    });
}

#[test]
fn one_clock_counts_over_both_states() {
    each_placement(|bench, at| {
        let call = within(states::SEND | states::REPLY, T);
        bench.client(0, "client", 10, call);
        bench.pass(T / 3);
        let server = bench.server(at, 10, Call::default());
        bench.pass(T / 3);
        assert_eq!(bench.take(), [("server", Ok(0))]);
        bench.pass(T / 3 + 1);
        assert_eq!(bench.take(), [("client", TIMED_OUT)]);
        bench.wake(server);
    });
}

#[test]
fn a_server_waits_as_long_as_it_says_and_a_moment_may_be_past() {
    each_placement(|bench, at| {
        bench.server(at, 10, within(states::RECEIVE, T));
        bench.pass(T);
        assert_eq!(bench.take(), [("server", TIMED_OUT)]);
        let until = Until::At(0);
        let past =
            Call { timeout: Some(Timeout { states: states::ALL, until }), ..Call::default() };
        bench.client(0, "client", 10, past);
        bench.server(at, 10, past);
        bench.pass(0);
        let mut told = bench.take();
        told.sort_unstable_by_key(|it| it.0);
        // Either both were too late, or they met first.
        assert!(told.contains(&("client", TIMED_OUT)), "{told:?}");
        for state in [Which::Send, Which::Receive] {
            assert_eq!(bench.first(state), None);
        }
        bench.does(0, async |_| ());
    });
}

#[test]
fn who_is_to_end_leaves_in_every_state() {
    each_placement(|bench, at| {
        let from = at;
        let condemn = |bench: &mut Bench, id| {
            bench.does(from, async move |me| {
                me.tell(|hart, irq| hart.condemn(irq, id, Priority::new(3))).await;
            });
        };
        let client = bench.client(0, "client", 10, Call::default());
        condemn(bench, client);
        assert_eq!(bench.take(), [("client", Err(Errno::EINTR))]);
        let server = bench.server(0, 10, Call::default());
        condemn(bench, server);
        assert_eq!(bench.take(), [("server", Err(Errno::EINTR))]);
        let client = bench.client(0, "client", 10, Call::default());
        let server = bench.server(at, 10, Call::default());
        condemn(bench, client);
        assert_eq!(bench.take(), [("server", Ok(0)), ("client", Err(Errno::EINTR))]);
        bench.wake(server);
        assert_eq!(bench.take(), [("answer", Err(Errno::ESRCH))]);
    });
}

#[test]
fn a_detach_ends_the_calls_on_that_connection_only() {
    each_placement(|bench, at| {
        let first = bench.client(0, "first", 10, Call::default());
        let second = bench.client(0, "second", 9, Call::default());
        let gone = bench.coid;
        bench.coid = bench.ipc.attach(bench.channel);
        let other = bench.client(0, "other", 8, Call::default());
        let server = bench.server(at, 10, Call::default());
        let (ipc, all) = (bench.ipc, [first, second, other, server]);
        bench.does(at, async move |me| me.connect_detach(ipc, gone, &all).await);
        let mut told = bench.take();
        told.sort_unstable_by_key(|it| it.0);
        let bad = Err(Errno::EBADF);
        assert_eq!(told, [("first", bad), ("second", bad), ("server", Ok(0))]);
        assert_eq!(bench.world.state(other), BLOCKED);
        bench.wake(server);
        assert_eq!(bench.take(), [("answer", Err(Errno::ESRCH))]);
        let server = bench.server(at, 10, Call::default());
        bench.wake(server);
        assert_eq!(bench.take().len(), 3);
    });
}

#[test]
fn a_new_priority_moves_a_client_in_its_queue_and_makes_the_server_urgent() {
    each_placement(|bench, at| {
        // The server has received once, and is busy.
        bench.client(0, "first", 6, Call::default());
        let server = bench.server(at, 5, Call::default());
        assert_eq!(bench.priority(server), Some(6), "as urgent as its client");
        let low = bench.client(0, "low", 3, Call::default());
        let high = bench.client(0, "high", 4, Call::default());
        assert_eq!(bench.first(Which::Send).unwrap().0.thread, high);
        bench.does(at, async move |me| me.set_priority(low, Priority::new(50)).await);
        let (wait, level) = bench.first(Which::Send).unwrap();
        assert_eq!((wait.thread, level), (low, Priority::new(50)));
        assert_eq!(bench.priority(server), Some(50), "it is waited for");
        // Of one that was received, nobody is told (section 12, 7).
        bench.wake(server);
        let server = bench.server(at, 5, Call::default());
        assert_eq!(bench.priority(server), Some(50), "it has received `low`");
        bench.does(at, async move |me| me.set_priority(low, Priority::new(60)).await);
        assert_eq!((bench.priority(low), bench.priority(server)), (Some(60), Some(50)));
        bench.wake(server);
        let server = bench.server(at, 5, Call::default());
        assert_eq!(bench.priority(server), Some(4), "down too");
        bench.wake(server);
    });
}

#[test]
fn who_waits_for_nobody_runs_on_its_own_account() {
    each_placement(|bench, at| {
        let (ipc, channel) = (bench.ipc, bench.channel);
        bench.client(0, "client", 20, Call::default());
        let server = bench.world.spawn(at, "server", 5, move |me| async move {
            let receipt = me.msg_receive(ipc, channel, Call::default()).await.unwrap();
            me.msg_reply(ipc, receipt.id, 1).await.unwrap();
            me.stop().await;
            me.msg_receive(ipc, channel, Call::default()).await.unwrap_err();
        });
        bench.settle();
        assert_eq!(bench.priority(server), Some(20), "not at the reply");
        bench.wake(server);
        assert_eq!((bench.priority(server), bench.world.state(server)), (Some(5), BLOCKED));
        bench.does(at, async move |me| me.channel_destroy(ipc, channel).await.unwrap());
    });
}

#[test]
fn a_wake_that_comes_too_late_does_nothing() {
    each_placement(|bench, at| {
        let client = bench.client(0, "client", 10, within(states::REPLY, T));
        let (wait, _) = bench.first(Which::Send).unwrap();
        let others = [
            Wait { number: wait.number - 1, ..wait },
            Wait { number: wait.number + 1, ..wait },
            Wait { thread: ThreadId::from_word(client.to_word() + (1 << 32)), ..wait },
        ];
        for wait in others {
            let wake = told(wait, Some(Priority::new(99)));
            bench.does(at, async move |me| {
                me.tell(|hart, irq| hart.wake(irq, &wake)).await;
                me.tell(|hart, irq| hart.tell_received(irq, wait)).await;
            });
            bench.pass(2 * T);
            assert_eq!((bench.world.state(client), bench.priority(client)), (BLOCKED, Some(10)));
        }
        // Its own wait may be told of twice: the second finds nobody.
        let server = bench.server(at, 10, Call::default());
        bench.wake(server);
        assert_eq!(bench.take().len(), 3);
        let wake = told(wait, None);
        bench.does(at, async move |me| me.tell(|hart, irq| hart.wake(irq, &wake)).await);
    });
}

#[test]
fn a_boost_finds_who_serves_that_channel_only() {
    each_placement(|bench, at| {
        let (ipc, other) = (bench.ipc, bench.ipc.channel(NONE).0);
        bench.client(0, "first", 6, Call::default());
        let server = bench.server(at, 5, Call::default());
        for (channel, level, expected) in
            [(other, 90, 6), (bench.channel, 3, 6), (bench.channel, 70, 70)]
        {
            let boost = Boost { server, channel, urgency: later(Priority::new(level)) };
            bench.does(0, async move |me| me.tell(|hart, irq| hart.boost(irq, &boost)).await);
            assert_eq!(bench.priority(server), Some(expected));
        }
        bench.wake(server);
        assert!(ipc.table.counts(&skimmer_core_tests::sections::Here::at(0)).live() == 2);
    });
}

/// The timer comes while the server copies; then the server gives up.
#[test]
fn a_timeout_that_comes_in_a_long_copy_is_not_lost() {
    let mut bench = Bench::new(1, 0);
    let call = Call { length: LONG, ..within(states::SEND, T) };
    let client = bench.client(0, "client", 10, call);
    let (ipc, channel) = (bench.ipc, bench.channel);
    let world = &bench.world;
    // A server that has begun.
    let me = world.cpu(0).enter(|hart, _| hart.current());
    ipc.waiters.enrol(me).unwrap();
    let bytes = skimmer_core::user::UserBytes::new(0, LONG);
    let guest = skimmer_core::channel::Guest {
        record: ipc.waiters.of(me),
        into: bytes,
        ..skimmer_core::channel::Guest::bare(me, Priority::new(5))
    };
    let begun = world.cpu(0).enter(|hart, irq| {
        ipc.with(hart, irq, channel, |channel, by| channel.receive(&guest, Priority::new(5), by))
    });
    let Obstacle::Long(transfer) = begun.unwrap().unwrap_err() else { panic!("it is long") };
    bench.pass(T);
    bench.world.cpu(0).enter(|hart, irq| {
        ipc.with(hart, irq, channel, |channel, _| transfer.give_up(channel)).unwrap();
        let roused = ipc.with(hart, irq, channel, |channel, by| channel.rouse(by));
        assert_eq!(roused.unwrap(), Ok(None));
    });
    bench.pass(T);
    assert_eq!(bench.world.state(client), None, "it sleeps beyond its timeout");
}

/// Both come before the service thread looks: the connection stays gone.
#[test]
fn a_timeout_that_does_not_count_does_not_undo_a_detach() {
    let mut bench = Bench::new(2, 0);
    let client = bench.client(0, "client", 10, within(states::SEND, T));
    let coid = bench.coid;
    // Hart 0 is deaf: it learns of the receive later.
    let (ipc, channel) = (bench.ipc, bench.channel);
    bench.world.spawn(1, "server", 10, move |me| async move {
        let receipt = me.msg_receive(ipc, channel, Call::default()).await.unwrap();
        me.stop().await;
        me.msg_reply(ipc, receipt.id, 1).await.unwrap_err();
    });
    bench.world.settle_some(&mut bench.seed, &[1]);
    assert!(ipc.detach(coid));
    bench.world.clock.advance(T);
    bench.world.cpu(0).enter(|hart, irq| {
        hart.tell_detached(irq, client, coid).unwrap();
        hart.timer_fired(irq);
    });
    bench.settle();
    assert_eq!(bench.take(), [("client", Err(Errno::EBADF))]);
}

/// Two harts tell the server's: one that it has a message, the other that a client is
/// queued since. Whichever it hears first, it is as urgent as that client.
fn a_boost_and_a_wake_come(low: usize, high: usize) {
    let mut bench = Bench::new(3, 0);
    let server = bench.server(0, 5, Call::default());
    // Hart 0 is deaf until both have told it.
    for (hart, level) in [(low, 4), (high, 9)] {
        let (ipc, coid) = (bench.ipc, bench.coid);
        bench.world.spawn(hart, "client", level, move |me| async move {
            let _told = me.msg_send(ipc, coid, Call::default()).await;
        });
        bench.world.settle_some(&mut bench.seed, &[hart]);
    }
    assert_eq!(bench.world.state(server), BLOCKED);
    assert_eq!(bench.first(Which::Send).map(|it| it.1.level()), Some(9));
    bench.settle();
    assert_eq!(bench.priority(server), Some(9), "as urgent as who is queued");
}

#[test]
fn a_boost_that_comes_behind_the_wake_is_not_lost() {
    a_boost_and_a_wake_come(1, 2);
}

#[test]
fn a_boost_that_comes_before_the_wake_is_not_lost() {
    a_boost_and_a_wake_come(2, 1);
}

/// A boost is heard of when its client was served already, and the server waits again.
#[test]
fn a_boost_that_comes_too_late_makes_nobody_urgent() {
    each_placement(|bench, at| {
        let (ipc, channel) = (bench.ipc, bench.channel);
        bench.client(0, "client", 20, Call::default());
        let server = bench.world.spawn(at, "server", 5, move |me| async move {
            let receipt = me.msg_receive(ipc, channel, Call::default()).await.unwrap();
            me.msg_reply(ipc, receipt.id, 1).await.unwrap();
            let timed = within(states::RECEIVE, T);
            assert_eq!(me.msg_receive(ipc, channel, timed).await, Err(Errno::ETIMEDOUT));
            me.stop().await;
        });
        bench.settle();
        assert_eq!((bench.priority(server), bench.world.state(server)), (Some(5), BLOCKED));
        // It was decided before anything else here.
        let since = Moment::default();
        let priority = Priority::new(20);
        let urgency = Urgency { priority, since };
        let late = Boost { server, channel, urgency };
        bench.does(0, async move |me| me.tell(|hart, irq| hart.boost(irq, &late)).await);
        bench.pass(T);
        assert_eq!(bench.priority(server), Some(5), "nobody waits for it");
        bench.wake(server);
    });
}

/// Everything at once, in orders that seeds choose: nobody is left asleep, and nobody
/// is told what was not so.
struct Storm {
    world: World,
    seed: Seed,
    ipc: &'static Ipc,
    channel: ChannelId,
    /// Of the last client but one, which is given up; and of the others.
    coids: [ConnectionId; 2],
    clients: Vec<ThreadId>,
    /// Clients that go on.
    left: Rc<Cell<usize>>,
    received: Told<MessageId>,
}

const CLIENTS: usize = 6;
const CALLS: usize = 8;
const DETACHED: usize = 4;
const CONDEMNED: usize = 5;

impl Storm {
    fn new(number: u64) -> Self {
        let mut seed = Seed::new(number);
        let world = World::new(1 + seed.below(3));
        let ipc = world.ipc();
        let flags = if seed.one_in(4) { ChannelFlags::FIXED_PRIORITY } else { NONE };
        let (channel, coid) = ipc.channel(flags);
        let coids = [ipc.attach(channel), coid];
        let (clients, left, received) = (Vec::new(), Rc::new(Cell::new(CLIENTS)), Told::default());
        Self { world, seed, ipc, channel, coids, clients, left, received }
    }

    fn hart(&mut self) -> usize {
        self.seed.below(self.world.harts())
    }

    fn level(&mut self) -> u8 {
        5 + self.seed.below(5) as u8
    }

    fn client(&mut self, client: usize) {
        let (ipc, left) = (self.ipc, self.left.clone());
        let length = if self.seed.one_in(3) { LONG } else { 10 };
        let states = [states::SEND, states::REPLY, states::SEND | states::REPLY];
        let (states, ticks) = (*self.seed.pick(&states), self.seed.bits() % 3_000);
        let until = Until::After(ticks);
        let timeout = self.seed.one_in(2).then_some(Timeout { states, until });
        let id = self.coids[usize::from(client != DETACHED)];
        let body = move |me: Me| async move {
            for _ in 0..CALLS {
                match me.msg_send(ipc, id, Call { length, timeout }).await {
                    Ok(status) => assert_eq!(status, length as i64, "another's answer"),
                    Err(Errno::ETIMEDOUT) => assert!(timeout.is_some()),
                    Err(Errno::EBADF) => assert_eq!(client, DETACHED),
                    Err(error) => {
                        assert_eq!((error, client), (Errno::EINTR, CONDEMNED));
                        break;
                    }
                }
                me.yield_now().await;
            }
            left.set(left.get() - 1);
        };
        let (hart, level) = (self.hart(), self.level());
        self.clients.push(self.world.spawn(hart, "client", level, body));
    }

    fn server(&mut self, is_timed: bool) {
        let (ipc, channel, received) = (self.ipc, self.channel, self.received.clone());
        let timeout = Timeout { states: states::RECEIVE, until: Until::After(700) };
        let call = Call { length: LONG, timeout: is_timed.then_some(timeout) };
        let body = move |me: Me| async move {
            loop {
                match me.msg_receive(ipc, channel, call).await {
                    Ok(receipt) => {
                        assert!(!received.borrow().contains(&receipt.id), "received twice");
                        received.borrow_mut().push(receipt.id);
                        me.yield_now().await;
                        // It may have left.
                        let answered = me.msg_reply(ipc, receipt.id, receipt.sent as i64).await;
                        assert!(matches!(answered, Ok(()) | Err(Errno::ESRCH)), "{answered:?}");
                        let again = me.msg_reply(ipc, receipt.id, 0).await;
                        assert_eq!(again, Err(Errno::ESRCH), "answered twice");
                    }
                    Err(Errno::ETIMEDOUT) => assert!(is_timed),
                    Err(error) => return assert_eq!(error, Errno::ESRCH),
                }
            }
        };
        let (hart, level) = (self.hart(), self.level());
        self.world.spawn(hart, "server", level, body);
    }

    fn run(mut self) {
        (0..CLIENTS).for_each(|client| self.client(client));
        [true, false].into_iter().for_each(|is_timed| self.server(is_timed));
        let (ipc, channel, gone) = (self.ipc, self.channel, self.coids[0]);
        let (all, left) = (self.clients.clone(), self.left.clone());
        let mut choice = self.seed.clone();
        let hart = self.hart();
        self.world.spawn(hart, "chief", 7, move |me| async move {
            for _ in 0..20 {
                let (id, level) = (*choice.pick(&all), 3 + choice.below(9) as u8);
                me.set_priority(id, Priority::new(level)).await;
                me.yield_now().await;
            }
            me.connect_detach(ipc, gone, &all).await;
            let last = Priority::new(4);
            me.tell(|hart, irq| hart.condemn(irq, all[CONDEMNED], last)).await;
        });
        let hart = self.hart();
        self.world.spawn(hart, "closer", 1, move |me| async move {
            while left.get() > 0 {
                me.sleep_until(me.now() + 1_000).await;
            }
            me.channel_destroy(ipc, channel).await.unwrap();
        });
        self.world.finish(&mut self.seed);
    }
}

#[test]
fn nobody_is_left_asleep_whatever_happens() {
    for number in 0..300 {
        Storm::new(number).run();
    }
}
