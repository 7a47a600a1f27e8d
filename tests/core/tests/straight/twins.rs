// SPDX-License-Identifier: Apache-2.0
//! Two worlds in step.

use std::{
    cell::{Cell, RefCell},
    fmt::Write,
    rc::Rc,
    sync::atomic::Ordering,
};

use skimmer_abi::{errno::Errno, message::states};
use skimmer_core::{
    channel::{ChannelFlags, ChannelId, connection::ConnectionId},
    ids::{Priority, SlotId, ThreadId},
    shares::Family,
    thread::State,
    waiting::{Timeout, Until},
};
use skimmer_core_tests::{
    fake::{Parking, SLICE},
    ipc::{Call, Given, Ipc},
    script::Me,
    seed::Seed,
    world::World,
};

/// How often what is to be shown was there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ways {
    /// Messages that went the short way.
    pub(crate) sent: u64,
    /// Answers that did, of a server that waits.
    pub(crate) answered: u64,
    /// Answers alone.
    pub(crate) replied: u64,
    /// Waits alone.
    pub(crate) waited: u64,
    /// Messages to other harts, and answers with a wait.
    pub(crate) afar: [u64; 2],
    /// Of all, while equals waited.
    pub(crate) in_a_turn: u64,
}

impl Ways {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.replied += other.replied;
        self.waited += other.waited;
        self.afar = [0, 1].map(|way| self.afar[way] + other.afar[way]);
        self.in_a_turn += other.in_a_turn;
    }

    fn sum(&self) -> u64 {
        self.sent + self.answered + self.replied + self.waited + self.afar.iter().sum::<u64>()
    }
}

/// What a world is made of, before anything runs.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    harts: usize,
    levels: Vec<u8>,
    families: usize,
    theft: u64,
    /// Whether connections, channels and threads may go.
    is_rough: bool,
}

impl Plan {
    fn of(number: u64) -> Self {
        let mut seed = Seed::new(number);
        let harts = *seed.pick(&[1, 1, 1, 2, 3]);
        let levels = [vec![10], vec![10, 10, 20], vec![10, 20, 30, 40]];
        let levels = seed.pick(&levels).clone();
        let families = seed.below(4);
        let theft = if seed.one_in(5) { SLICE / 3 } else { 0 };
        Self { seed: seed.bits(), harts, levels, families, theft, is_rough: seed.one_in(2) }
    }
}

/// What all threads of one world know of each other.
struct Town {
    ipc: &'static Ipc,
    channels: Vec<(ChannelId, ConnectionId)>,
    threads: RefCell<Vec<ThreadId>>,
    told: RefCell<Vec<String>>,
    plan: Plan,
}

/// One of the two.
struct Twin {
    world: World,
    town: Rc<Town>,
}

/// Both.
pub(crate) struct Twins {
    plain: Twin,
    parked: Twin,
    seed: Seed,
    harts: usize,
    fails: u64,
    ways: Ways,
    log: Vec<String>,
}

fn call(seed: &mut Seed, states: u64) -> Call {
    let length = *seed.pick(&[0, 8, 8, 100, 4096, 4097, 9000]);
    let until = Until::After(seed.bits() % (3 * SLICE));
    let timeout = seed.one_in(10).then_some(Timeout { states, until });
    Call { length, timeout }
}

impl Town {
    fn tell(&self, name: &str, what: impl std::fmt::Debug) {
        self.told.borrow_mut().push(format!("{name}: {what:?}"));
    }

    /// A client's round; false if it is to end.
    async fn client(&self, me: &Me, name: &str, seed: &mut Seed) -> bool {
        let (_, coid) = *seed.pick(&self.channels);
        let call = call(seed, states::SEND | states::REPLY);
        let sent = me.msg_send(self.ipc, coid, call).await;
        self.tell(name, sent);
        sent != Err(Errno::EINTR)
    }

    /// A server for so many messages.
    async fn serve(&self, me: &Me, name: &str, seed: &mut Seed, rounds: usize) {
        let at = seed.below(self.channels.len());
        let (channel, _) = self.channels[at];
        let mut next = None;
        for _ in 0..rounds {
            let wants = call(seed, states::RECEIVE);
            let got = match next.take() {
                Some(receipt) => Ok(receipt),
                None => me.msg_receive(self.ipc, channel, wants).await,
            };
            self.tell(name, got.map(|it| (it.copied, it.sent)));
            let receipt = match got {
                Ok(receipt) => receipt,
                Err(Errno::ETIMEDOUT) => continue,
                Err(_) => return,
            };
            match seed.below(8) {
                0 => me.yield_now().await,
                // A channel further on only: else all wait for each other.
                1 if at + 1 < self.channels.len() => {
                    let (_, coid) = self.channels[at + 1];
                    let sent = me.msg_send(self.ipc, coid, call(seed, states::REPLY)).await;
                    self.tell(name, sent);
                }
                2 if self.plan.is_rough => self.meddle(me, seed).await,
                _ => {}
            }
            let status = (seed.bits() % 1000).cast_signed();
            if seed.one_in(4) {
                let answered = me.msg_reply(self.ipc, receipt.id, status).await;
                self.tell(name, answered);
                continue;
            }
            let given = Given { message: receipt.id, status, length: *seed.pick(&[0, 8, 5000]) };
            let wants = call(seed, states::RECEIVE);
            match me.msg_reply_receive(self.ipc, given, channel, wants).await {
                Ok(receipt) => next = Some(receipt),
                Err(error) => {
                    self.tell(name, error);
                    if error.0 == Errno::EINTR {
                        return;
                    }
                }
            }
        }
        if let Some(receipt) = next {
            let answered = me.msg_reply(self.ipc, receipt.id, 7).await;
            self.tell(name, answered);
        }
    }

    /// Something that the short way is not for.
    async fn meddle(&self, me: &Me, seed: &mut Seed) {
        let id = { *seed.pick(&self.threads.borrow()) };
        match seed.below(12) {
            0..8 => {
                let level = Priority::new(*seed.pick(&self.plan.levels));
                me.set_priority(id, level).await;
            }
            8 | 9 => {
                let (_, coid) = *seed.pick(&self.channels);
                if seed.one_in(4) {
                    let threads = self.threads.borrow().clone();
                    me.connect_detach(self.ipc, coid, &threads).await;
                }
            }
            10 => {
                me.tell(|hart, irq| hart.condemn(irq, id, Priority::new(15))).await;
            }
            _ => {
                let (channel, _) = *seed.pick(&self.channels);
                if seed.one_in(4) {
                    let _gone = me.channel_destroy(self.ipc, channel).await;
                }
            }
        }
    }

    async fn live(self: Rc<Self>, me: Me, name: &'static str, mut seed: Seed) {
        let rounds = 4 + seed.below(20);
        if name == "server" {
            return self.serve(&me, name, &mut seed, 3 * rounds).await;
        }
        for _ in 0..rounds {
            match seed.below(10) {
                0 => me.yield_now().await,
                1 => me.sleep_until(me.now() + seed.bits() % SLICE).await,
                2 if self.plan.is_rough => self.meddle(&me, &mut seed).await,
                3 => {
                    for _ in 0..seed.below(30) {
                        me.section(|_, _| ()).await;
                    }
                }
                _ => {
                    if !self.client(&me, name, &mut seed).await {
                        return;
                    }
                }
            }
        }
    }
}

impl Twin {
    fn new(plan: &Plan, parking: Parking, fails: u64) -> Self {
        let mut seed = Seed::new(plan.seed);
        let world = World::new(plan.harts);
        world.ledger.park(parking);
        world.ledger.fail_passes(fails);
        world.clock.theft.set(plan.theft);
        let ipc = world.ipc();
        let channels = (0..=seed.below(3)).map(|_| {
            let fixed = seed.one_in(8);
            ipc.channel(if fixed { ChannelFlags::FIXED_PRIORITY } else { ChannelFlags::NONE })
        });
        let channels = channels.collect();
        let (threads, told) = (RefCell::default(), RefCell::default());
        let town = Rc::new(Town { ipc, channels, threads, told, plan: plan.clone() });
        let twin = Self { world, town };
        for number in 0..4 + seed.below(6) {
            let name = if number % 2 == 0 { "server" } else { "client" };
            twin.born(name, &mut seed);
        }
        twin
    }

    fn born(&self, name: &'static str, seed: &mut Seed) {
        let Plan { harts, ref levels, families, .. } = self.town.plan;
        let (hart, level) = (seed.below(harts), *seed.pick(levels));
        let family = families.checked_sub(1).map(|last| seed.below(last + 1) as u64);
        let (town, own) = (self.town.clone(), Seed::new(seed.bits()));
        let mut new = self.world.prepare(hart, name, level, move |me| town.live(me, name, own));
        new.family = family.map(|number| Family::of(SlotId::from_word(1 << 24 | number)));
        let id = self.world.cpu(hart).enter(|hart, irq| {
            let id = hart.adopt(new).expect("memory");
            hart.schedule(irq, id).expect("it is at home");
            id
        });
        self.town.threads.borrow_mut().push(id);
    }

    /// Ends all waits, for ever.
    fn close(&self) {
        let town = self.town.clone();
        self.world.spawn(0, "chief", 200, move |me| async move {
            for &(channel, _) in &town.channels {
                let _gone = me.channel_destroy(town.ipc, channel).await;
            }
        });
    }

    fn is_there(&self, id: ThreadId) -> bool {
        self.world.state(id).is_some()
    }

    fn straight(&self) -> [u64; 6] {
        self.town.ipc.straight.each_ref().map(Cell::get)
    }

    fn is_in_turn(&self, hart: usize) -> bool {
        self.world.cpu(hart).enter(|hart, _| {
            let priority = hart.thread(hart.current()).map(|it| it.priority());
            hart.threads().any(|(_, it)| {
                it.state() == State::Ready && Some(it.priority()) == priority && it.name() != "idle"
            })
        })
    }

    /// All of it.
    fn portrait(&self) -> String {
        let mut words = String::new();
        for hart in 0..self.world.harts() {
            let timer = self.world.clock.timer(hart);
            self.world.cpu(hart).enter(|hart, irq| {
                let inspect = hart.inspect();
                let counts = [&inspect.handed, &inspect.answered, &inspect.switches];
                let counts = counts.map(|it| it.load(Ordering::Relaxed));
                let _ = writeln!(words, "{} {counts:?} {timer:?}", hart.portrait());
                if hart.index().index() == 0 {
                    for &(channel, _) in &self.town.channels {
                        let told = self.town.ipc.with(hart, irq, channel, |it, _| it.portrait());
                        let _ = writeln!(words, "{told:?}");
                    }
                }
            });
        }
        let _ = writeln!(words, "{} {}", self.world.clock.now(), self.town.told.borrow().len());
        words
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Step(usize),
    Land(usize),
    Interrupt(usize),
    Advance(u64),
    Expire(usize),
}

impl Next {
    fn of(seed: &mut Seed, harts: usize) -> Self {
        let hart = seed.below(harts);
        match seed.below(24) {
            0..2 => Self::Land(hart),
            2..4 => Self::Interrupt(hart),
            4 => Self::Advance(seed.bits() % SLICE),
            5..7 => Self::Advance(seed.bits() % 4),
            7 | 8 => Self::Expire(hart),
            _ => Self::Step(hart),
        }
    }

    fn happens(self, world: &World) {
        match self {
            Self::Step(hart) => world.step(hart),
            Self::Land(hart) => world.land(hart),
            Self::Interrupt(hart) => world.interrupt(hart),
            Self::Advance(ticks) => world.clock.advance(ticks),
            // A timer that is set may be due at once, where time is stolen.
            Self::Expire(hart) if world.clock.is_due(hart) => {
                world.cpu(hart).trap(|hart, irq| hart.timer_fired(irq));
            }
            Self::Expire(_) => {}
        }
    }
}

impl Twins {
    pub(crate) fn new(number: u64) -> Self {
        let plan = Plan::of(number);
        let mut seed = Seed::new(number ^ 0xa5a5);
        let fails = *seed.pick(&[0, 0, 3]);
        let plain = Twin::new(&plan, Parking::Never, 0);
        let parked = Twin::new(&plan, *seed.pick(&[Parking::Always, Parking::Even]), fails);
        let (ways, log) = (Ways::default(), vec![format!("{number}: {plan:?}")]);
        Self { plain, parked, seed, harts: plan.harts, fails, ways, log }
    }

    fn step(&mut self) {
        let next = Next::of(&mut self.seed, self.harts);
        let before = self.parked.straight();
        let in_turn = matches!(next, Next::Step(hart) if self.parked.is_in_turn(hart));
        next.happens(&self.plain.world);
        next.happens(&self.parked.world);
        let after = self.parked.straight();
        let [sent, answered, replied, waited, asked, told]: [u64; 6] =
            std::array::from_fn(|way| after[way] - before[way]);
        let ways = Ways { sent, answered, replied, waited, afar: [asked, told], in_a_turn: 0 };
        let in_a_turn = if in_turn { ways.sum() } else { 0 };
        self.ways.add(Ways { in_a_turn, ..ways });
        let running = self.running();
        self.log.push(format!("{next:?} {ways:?} runs {running:?}"));
        self.compare();
    }

    fn running(&self) -> Vec<ThreadId> {
        let harts = 0..self.harts;
        harts.map(|it| self.parked.world.cpu(it).enter(|hart, _| hart.current())).collect()
    }

    fn compare(&self) {
        let [plain, parked] = [&self.plain, &self.parked].map(Twin::portrait);
        if plain == parked {
            return;
        }
        let differ = plain.lines().zip(parked.lines()).filter(|(one, other)| one != other);
        let differ: Vec<String> =
            differ.map(|(a, b)| format!("  usual {a}\n  short {b}")).collect();
        let last = self.log.len().saturating_sub(12).max(1);
        let (first, log) = (&self.log[0], &self.log[last..]);
        panic!("{first}\n{log:#?}\n{}\n(fails {})", differ.join("\n"), self.fails);
    }

    fn is_busy(&self) -> bool {
        (0..self.harts).any(|hart| self.plain.world.cpu(hart).is_busy())
    }

    /// Until nothing more happens.
    fn settle(&mut self) {
        for _ in 0..20_000 {
            if !self.is_busy() {
                return;
            }
            self.step();
        }
        panic!("still busy: {:?}", self.log.first());
    }

    /// All of it.
    pub(crate) fn run(mut self) -> Ways {
        for _ in 0..400 {
            self.step();
        }
        self.settle();
        self.plain.close();
        self.parked.close();
        self.settle();
        while let Some(next) = self.plain.world.clock.next() {
            for twin in [&self.plain, &self.parked] {
                twin.world.clock.advance(next.saturating_sub(twin.world.clock.now()));
            }
            self.settle();
        }
        let left =
            self.plain.town.threads.borrow().iter().find(|it| self.plain.is_there(**it)).copied();
        assert_eq!(left, None, "left over: {:?}", self.log.first());
        assert_eq!(*self.plain.town.told.borrow(), *self.parked.town.told.borrow());
        assert_eq!(self.plain.straight(), [0; 6], "nobody is parked");
        self.ways
    }
}
