// SPDX-License-Identifier: Apache-2.0
//! Client and server at a channel, through whole harts: the policy under the channel's
//! lock, the wake through ring, mailbox, doorbell and `wfi`. Nobody sleeps for ever,
//! each wait ends once, what is copied is seen, and memory is touched by one side at a
//! time.
//!
//! Two harts are as many as loom can follow here: of three, two can spin at once (for
//! the lock, in `wfi`), and loom lets them take turns for ever beside the third, which
//! would end it. So what takes more parties is done without the harts, on a thread that
//! is blocked already (below); and in every order of whole sections, without loom: of the
//! policy by `tests/core/tests/rendezvous/orders.rs`, of two clients, a server and whoever
//! ends what they do, on harts of their own, by `tests/core/tests/whole_harts.rs`.

use std::sync::Arc;

use loom::{
    cell::Cell,
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
};
use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        Channel, ChannelFlags, ChannelId, Guest, MessageId, Outcome, Wait, Waiters, Which,
        connection::{Connections, Directory, Target},
        rendezvous::{AT_ONCE, Answer, Carrier, Fault, Got, Obstacle, Sent, Wake},
        table::ChannelTable,
        transfer::Progress,
    },
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    machine::Sections,
    port::Full,
    sched::Switch,
    user::UserBytes,
    waiting::Waiting,
};
use skimmer_sync::irq::IrqOff;

use crate::{
    cpu::{Blocks, Cpu, Manners, Model},
    explore::{ASLEEP, Depth, Kept, RACE, fails, harts, holds},
};

const EACH: usize = 3;

/// The memory of one thread: loom watches who touches it.
struct Memory(Cell<u64>);

// SAFETY: whose wait it is has the memory; loom fails the model otherwise.
unsafe impl Sync for Memory {}

/// When somebody whose wait has ended is woken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Right,
    /// A wrong way: the answer is copied after the wait has ended.
    CopiesLate,
    /// A wrong way: whoever ends a wait tells nobody.
    TellsNobody,
}

struct World {
    table: &'static ChannelTable,
    waiters: &'static Waiters,
    id: ChannelId,
    memories: [Memory; EACH],
    manner: Manner,
}

/// Sections of a hart on which no thread is blocked.
#[derive(Clone, Copy)]
pub(crate) struct Here(pub(crate) u16);

impl Sections for Here {
    fn masked<R>(&self, work: impl FnOnce(&IrqOff) -> R) -> R {
        // SAFETY: one loom thread plays the hart.
        let irq = unsafe { IrqOff::assume(HartIndex::new(self.0)) };
        work(&irq)
    }
}

const BYTES: UserBytes = UserBytes::new(0, 8);

fn world(cpus: &[&Cpu], manner: Manner) -> Arc<World> {
    let Ok(table) = ChannelTable::new(3, 2) else { panic!("no memory") };
    let Ok(waiters) = Waiters::new(3) else { panic!("no memory") };
    let (table, waiters): (&ChannelTable, &'static Waiters) =
        (Box::leak(Box::new(table)), Box::leak(Box::new(waiters)));
    for cpu in cpus {
        assert!(waiters.enrol(cpu.thread()).is_ok());
    }
    let Ok(id) = table.create(&Here(0), ChannelFlags::FIXED_PRIORITY) else { panic!("no channel") };
    let memories = core::array::from_fn(|_| Memory(Cell::new(0)));
    Arc::new(World { table, waiters, id, memories, manner })
}

struct Bearer<'a> {
    hart: &'a mut Hart<Model>,
    me: usize,
    world: &'a World,
}

impl Bearer<'_> {
    fn copy(&self, from: usize, to: usize) {
        self.world.memories[to].0.set(self.world.memories[from].0.get());
    }
}

impl Carrier for Bearer<'_> {
    fn give(&mut self, _: UserBytes, owner: u64, _: UserBytes) -> Result<(), Fault> {
        // What is given to a client is an answer.
        if self.world.manner != Manner::CopiesLate || owner != 0 {
            self.copy(self.me, owner as usize);
        }
        Ok(())
    }

    fn fetch(&mut self, owner: u64, _: UserBytes, _: UserBytes) -> Result<(), Fault> {
        self.copy(owner as usize, self.me);
        Ok(())
    }

    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex> {
        self.hart.can_tell(thread)
    }

    fn is_connected(&mut self, _: u64, _: u64) -> bool {
        true
    }
}

/// What a section came to: the caller's wait is over, it is to be tried again once
/// there is space, or this.
enum Step<R> {
    Woken,
    Space(HartIndex),
    Done(R),
}

fn certain(told: Result<(), Full<()>>) {
    assert!(told.is_ok(), "the ring had space");
}

fn stopped<R>(obstacle: Obstacle) -> Step<Result<R, Errno>> {
    match obstacle {
        Obstacle::Full(hart) => Step::Space(hart),
        Obstacle::Failed(error) => Step::Done(Err(error)),
        other => panic!("{other:?}"),
    }
}

impl World {
    fn guest(&self, me: usize, thread: ThreadId) -> Guest {
        let record = self.waiters.of(thread);
        let guest = Guest { record, ..Guest::bare(thread, Priority::new(1)) };
        Guest { owner: me as u64, out: BYTES, into: BYTES, ..guest }
    }

    fn with<R>(
        &self,
        me: usize,
        hart: &mut Hart<Model>,
        irq: &IrqOff,
        work: impl FnOnce(&mut Channel<'_>, &mut Bearer<'_>) -> R,
    ) -> Result<R, Errno> {
        self.table.with(irq, self.waiters, self.id, |channel| {
            work(channel, &mut Bearer { hart, me, world: self })
        })
    }

    fn block(
        &self,
        hart: &mut Hart<Model>,
        irq: &IrqOff,
        queue: Which,
        wait: Wait,
    ) -> Switch<Model> {
        let waiting = Waiting::new(self.table, wait, None);
        hart.wait_at_channel(irq, queue, waiting, None).switch(irq)
    }

    fn tell(&self, hart: &mut Hart<Model>, irq: &IrqOff, wake: &Wake) {
        if self.manner != Manner::TellsNobody {
            certain(hart.wake(irq, wake));
        }
    }

    /// Runs a section until it comes to something.
    fn call<R>(
        &self,
        cpu: &mut Cpu,
        section: impl Fn(&mut Hart<Model>, &IrqOff) -> (Step<R>, Option<Switch<Model>>),
    ) -> Option<R> {
        loop {
            match cpu.enter(&section) {
                Step::Woken => return None,
                Step::Done(result) => return Some(result),
                Step::Space(hart) => cpu.wait_for_space(hart),
            }
        }
    }

    fn outcome(&self, cpu: &Cpu) -> Outcome {
        match self.waiters.outcome(cpu.thread()) {
            Some(outcome) => outcome,
            None => panic!("whoever ends a wait says why"),
        }
    }

    fn send(&self, cpu: &mut Cpu, me: usize, value: u64) -> Result<i64, Errno> {
        self.memories[me].0.set(value);
        let guest = self.guest(me, cpu.thread());
        let failed = self.call(cpu, |hart, irq| {
            let sent = self.with(me, hart, irq, |channel, by| channel.send(&guest, by));
            let (queue, wait) = match sent.unwrap_or(Err(Obstacle::Failed(Errno::EBADF))) {
                Ok(Sent::Received(wait, server, _)) => {
                    self.tell(hart, irq, &server);
                    (Which::Reply, wait)
                }
                Ok(Sent::Queued(wait, boost)) => {
                    assert!(boost.is_none(), "the channel has its own priority");
                    (Which::Send, wait)
                }
                Err(obstacle) => return (stopped(obstacle), None),
            };
            (Step::Woken, Some(self.block(hart, irq, queue, wait)))
        });
        if let Some(failed) = failed {
            return failed;
        }
        match self.outcome(cpu) {
            Outcome::Answered(status) => {
                let value = self.memories[me].0.get();
                assert_eq!(value, status.cast_unsigned(), "answered before it was copied");
                Ok(status)
            }
            Outcome::Failed(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    fn receive(&self, cpu: &mut Cpu, me: usize) -> Result<(MessageId, u64), Errno> {
        let guest = self.guest(me, cpu.thread());
        let done = self.call(cpu, |hart, irq| {
            let base = Priority::new(1);
            let got = self.with(me, hart, irq, |channel, by| channel.receive(&guest, base, by));
            match got.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                Ok(Got::Message(receipt, _)) => (Step::Done(Ok(receipt.id)), None),
                Ok(Got::Waiting(wait, _)) => {
                    (Step::Woken, Some(self.block(hart, irq, Which::Receive, wait)))
                }
                Err(obstacle) => (stopped(obstacle), None),
            }
        });
        let id = match done {
            Some(done) => done?,
            None => match self.outcome(cpu) {
                Outcome::Received(receipt) => receipt.id,
                Outcome::Failed(error) => return Err(error),
                other => panic!("{other:?}"),
            },
        };
        Ok((id, self.memories[me].0.get()))
    }

    fn answer(&self, cpu: &mut Cpu, me: usize, id: MessageId, value: u64) -> Result<(), Errno> {
        self.memories[me].0.set(value);
        let answer = Answer::Bytes(value.cast_signed(), BYTES);
        let done = self.call(cpu, |hart, irq| {
            let answered = self.with(me, hart, irq, |channel, by| {
                let client = channel.sent(id).map(|(client, _)| client);
                (channel.answer(id, &answer, by), client)
            });
            let Ok((answered, client)) = answered else {
                return (Step::Done(Err(Errno::ESRCH)), None);
            };
            match answered {
                Ok((wake, _)) => {
                    self.tell(hart, irq, &wake);
                    if self.manner == Manner::CopiesLate
                        && let Some(client) = client
                    {
                        Bearer { hart, me, world: self }.copy(me, client.owner as usize);
                    }
                    (Step::Done(Ok(())), None)
                }
                Err(obstacle) => (stopped(obstacle), None),
            }
        });
        done.unwrap_or_else(|| panic!("nobody blocks by answering"))
    }

    /// Destroys the channel, and wakes whoever waits. How many.
    fn destroy(&self, cpu: &mut Cpu, hart: u16) -> u64 {
        let mut woken = Vec::new();
        let done = self.table.destroy(&Here(hart), self.waiters, self.id, |one| woken.push(one));
        assert!(done.is_ok(), "there is one destroy");
        for one in &woken {
            let wake = Wake::from(*one);
            self.call(cpu, |hart, irq| {
                if self.manner == Manner::TellsNobody {
                    return (Step::Done(()), None);
                }
                match hart.wake(irq, &wake) {
                    Ok(()) => (Step::Done(()), None),
                    Err(full) => (Step::Space(full.target), None),
                }
            });
        }
        woken.len() as u64
    }
}

/// A client calls, a server receives and answers, so many times.
fn calls(turns: u64, manner: Manner) {
    let [mut client, mut server] = Cpu::some(Manners::RIGHT);
    let world = world(&[&client, &server], manner);
    harts([
        Box::new(|| {
            for turn in 1..=turns {
                assert_eq!(world.send(&mut client, 0, turn), Ok(turn.cast_signed() + 10));
            }
        }),
        Box::new(|| {
            for turn in 1..=turns {
                let Ok((id, value)) = world.receive(&mut server, 1) else { panic!("no message") };
                assert_eq!(value, turn, "received before it was copied");
                assert_eq!(world.answer(&mut server, 1, id, turn + 10), Ok(()));
                assert_eq!(world.answer(&mut server, 1, id, 99), Err(Errno::ESRCH), "once");
            }
        }),
    ]);
}

/// A server receives the client's message, and destroys the channel before, after or
/// instead of the answer.
fn destroyed(manner: Manner, answers: bool) {
    let [mut client, mut server] = Cpu::some(Manners::RIGHT);
    let world = world(&[&client, &server], manner);
    let mut sent = Ok(0);
    harts([
        Box::new(|| sent = world.send(&mut client, 0, 1)),
        Box::new(|| {
            let received = world.receive(&mut server, 1);
            let Ok((id, 1)) = received else { panic!("{received:?}") };
            if answers {
                assert_eq!(world.answer(&mut server, 1, id, 11), Ok(()));
            }
            assert_eq!(world.destroy(&mut server, 1), u64::from(!answers));
            assert_eq!(world.answer(&mut server, 1, id, 11), Err(Errno::ESRCH));
        }),
    ]);
    assert_eq!(sent, if answers { Ok(11) } else { Err(Errno::ESRCH) });
}

/// The channel goes while somebody comes.
fn destroyed_as_it_comes(is_client: bool) {
    let [mut comer, mut chief] = Cpu::some(Manners::RIGHT);
    let world = world(&[&comer, &chief], Manner::Right);
    let (mut told, mut woken) = (None, 0);
    harts([
        Box::new(|| {
            told = if is_client {
                world.send(&mut comer, 0, 1).err()
            } else {
                world.receive(&mut comer, 0).err()
            };
        }),
        Box::new(|| woken = world.destroy(&mut chief, 1)),
    ]);
    let late = if is_client { Errno::EBADF } else { Errno::ESRCH };
    assert_eq!(told, Some(if woken == 1 { Errno::ESRCH } else { late }));
}

/// The other side of a race for a client that waits for its answer.
#[derive(Clone, Copy, Debug)]
enum Rival {
    /// Another thread answers.
    Answer,
    /// Its wait is ended.
    End,
    /// The channel goes.
    Destroy,
}

/// What is copied: in one section, or in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Short,
    Long,
    /// A wrong way: the last part does not look whether the client is there.
    LongAndBlind,
}

/// Memories, without harts.
struct Bare<'a> {
    memories: &'a [Memory; EACH],
    me: usize,
}

impl Carrier for Bare<'_> {
    fn give(&mut self, _: UserBytes, owner: u64, _: UserBytes) -> Result<(), Fault> {
        self.memories[owner as usize].0.set(self.memories[self.me].0.get());
        Ok(())
    }

    fn fetch(&mut self, owner: u64, _: UserBytes, _: UserBytes) -> Result<(), Fault> {
        self.memories[self.me].0.set(self.memories[owner as usize].0.get());
        Ok(())
    }

    fn can_wake(&mut self, _: ThreadId) -> Result<(), HartIndex> {
        Ok(())
    }

    fn is_connected(&mut self, _: u64, _: u64) -> bool {
        true
    }
}

/// Hart 0 answers while hart 1 does the other thing. One of them ends the wait, and has
/// the client's memory from then on, as the client would.
fn race(rival: Rival, length: Length) {
    let Ok(table) = ChannelTable::<9>::new(2, 2) else { panic!("no memory") };
    let Ok(waiters) = Waiters::new(1) else { panic!("no memory") };
    let kept = Kept::new(table);
    let (table, waiters): (_, &'static Waiters) = (&*kept, Box::leak(Box::new(waiters)));
    let client = ThreadId::from_word(1 << 32);
    assert!(waiters.enrol(client).is_ok());
    let Ok(id) = table.create(&Here(0), ChannelFlags::NONE) else { panic!("no channel") };
    let size = if length == Length::Short { 8 } else { 2 * AT_ONCE };
    let bytes = UserBytes::new(0, size);
    let memories: [Memory; EACH] = core::array::from_fn(|_| Memory(Cell::new(0)));
    let record = waiters.of(client);
    let guest = Guest { record, owner: 2, into: bytes, ..Guest::bare(client, Priority::new(1)) };
    let put =
        |irq: &IrqOff| table.with(irq, waiters, id, |channel| channel.put(Which::Reply, &guest));
    let Ok(Ok(wait)) = Here(0).masked(put) else { panic!("no wait") };
    let message = MessageId::of(wait);
    // The client, from the end of its wait on.
    let go_on = || memories[2].0.set(99);
    let answer = |me: usize| {
        let here = Here(me as u16);
        let answer = Answer::Bytes(me as i64, bytes);
        let with = |work: &mut dyn FnMut(&mut Channel<'_>, &mut Bare<'_>)| {
            let mut by = Bare { memories: &memories, me };
            here.masked(|irq| table.with(irq, waiters, id, |channel| work(channel, &mut by)))
                .is_ok()
        };
        let mut told = None;
        with(&mut |channel, by| told = Some(channel.answer(message, &answer, by)));
        let mut transfer = match told {
            Some(Ok(_)) => {
                go_on();
                return true;
            }
            Some(Err(Obstacle::Long(transfer))) => transfer,
            Some(Err(Obstacle::Failed(Errno::ESRCH))) | None => return false,
            other => panic!("{other:?}"),
        };
        for _ in 0..2 {
            let mut progress = Progress::Gone;
            with(&mut |channel, by| progress = transfer.go_on(channel, bytes, by));
            if let Progress::Gone = progress {
                if length == Length::LongAndBlind {
                    memories[2].0.set(0);
                }
                return false;
            }
        }
        let mut told = None;
        with(&mut |channel, by| told = Some(transfer.answered(channel, me as i64, by).is_ok()));
        if told == Some(true) {
            go_on();
        }
        told == Some(true)
    };
    let (mut first, mut second) = (false, false);
    harts([
        Box::new(|| first = answer(0)),
        Box::new(|| {
            second = match rival {
                Rival::Answer => return second = answer(1),
                Rival::End => {
                    Here(1).masked(|irq| {
                        table
                            .with_waits(irq, waiters, id, |it| it.end(wait, Errno::EINTR).is_some())
                    }) == Some(true)
                }
                Rival::Destroy => {
                    let mut woken = 0;
                    assert!(table.destroy(&Here(1), waiters, id, |_| woken += 1).is_ok());
                    woken == 1
                }
            };
            if second {
                go_on();
            }
        }),
    ]);
    assert!(first != second, "a wait ends once: {first} {second}");
    let expected = match rival {
        _ if first => Outcome::Answered(0),
        Rival::Answer => Outcome::Answered(1),
        Rival::End => Outcome::Failed(Errno::EINTR),
        Rival::Destroy => Outcome::Failed(Errno::ESRCH),
    };
    assert_eq!(waiters.outcome(client), Some(expected));
}

/// In which order who gives a connection up does that.
#[derive(Clone, Copy)]
enum Detach {
    /// It is gone, then whoever is blocked on it is told.
    Right,
    /// A wrong order.
    TellsFirst,
}

/// Whether who sends looks again once it has the lock.
#[derive(Clone, Copy)]
enum Look {
    Twice,
    /// A wrong way: it blocks on what it found before the ring was emptied.
    Early,
}

/// A client sends on a connection which hart 1 gives up. It blocks in the section in
/// which it looked, and hears what it was told behind that section.
fn detached(detach: Detach, look: Look) {
    let Ok(table) = ChannelTable::<9>::new(2, 2) else { panic!("no memory") };
    let Ok(waiters) = Waiters::new(1) else { panic!("no memory") };
    let kept = Kept::new((table, Connections::<()>::new()));
    let (table, connections) = &*kept;
    let waiters: &'static Waiters = Box::leak(Box::new(waiters));
    let client = ThreadId::from_word(1 << 32);
    assert!(waiters.enrol(client).is_ok());
    let Ok(channel) = table.create(&Here(0), ChannelFlags::NONE) else { panic!("no channel") };
    let mut directory = Directory::new();
    assert!(directory.grow(connections, 0).is_ok());
    let target = Target { server: &(), pid: 1, channel, scoid: 1 };
    let Some(id) = directory.attach(&Here(0), connections, 0, &target) else { panic!("no room") };
    // The ring to the client's hart.
    let told = AtomicBool::new(false);
    let (mut blocked, mut ended) = (None, false);
    harts([
        Box::new(|| {
            let found = |irq: &IrqOff| connections.find(irq, id);
            let early = Here(0).masked(found);
            let has_heard = told.load(Acquire);
            blocked = Here(0).masked(|irq| {
                let target = if let Look::Early = look { early } else { found(irq) }?;
                let put = table.with(irq, waiters, target.channel, |it| {
                    let is_there = match look {
                        Look::Twice => connections.is_current(irq, id),
                        Look::Early => true,
                    };
                    let record = waiters.of(client);
                    let guest = Guest { record, ..Guest::bare(client, Priority::new(1)) };
                    is_there.then(|| it.put(Which::Send, &guest).ok()).flatten()
                });
                put.ok().flatten()
            });
            // Interrupts are open: each word from the ring is heard once.
            let mut hears = |is_told: bool| {
                if let Some(wait) = blocked.filter(|_| is_told && !has_heard) {
                    let end = |it: &mut Channel<'_>| it.end(wait, Errno::EBADF).is_some();
                    ended |= Here(0).masked(|irq| table.with_waits(irq, waiters, channel, end))
                        == Some(true);
                }
            };
            hears(told.load(Acquire));
            if blocked.is_some() && !has_heard {
                while !told.load(Acquire) {
                    loom::thread::yield_now();
                }
                hears(true);
            }
        }),
        Box::new(|| {
            if let Detach::TellsFirst = detach {
                told.store(true, Release);
            }
            assert!(directory.detach(&Here(1), connections, id).is_some());
            told.store(true, Release);
        }),
    ]);
    assert!(blocked.is_none() || ended, "blocked for ever on a connection that is gone");
    assert!(Here(0).masked(|irq| connections.find(irq, id)).is_none());
}

#[test]
fn rendezvous_calls() {
    holds("rendezvous: calls", Depth::Preemptions(3), || calls(2, Manner::Right));
    assert!(Blocks::take().channel > 0);
}

#[test]
fn rendezvous_destroyed() {
    let few = Depth::Preemptions(3);
    holds("rendezvous: destroyed, then", few, || destroyed(Manner::Right, true));
    holds("rendezvous: destroyed, instead", few, || destroyed(Manner::Right, false));
    holds("rendezvous: destroyed as a client comes", few, || destroyed_as_it_comes(true));
    holds("rendezvous: destroyed as a server comes", few, || destroyed_as_it_comes(false));
}

#[test]
fn rendezvous_in_wrong_ways() {
    let few = Depth::Preemptions(2);
    fails("rendezvous: copied after the end", RACE, few, || calls(1, Manner::CopiesLate));
    let silent = || destroyed(Manner::TellsNobody, false);
    fails("rendezvous: nobody is told", ASLEEP, few, silent);
}

#[test]
fn rendezvous_one_ends_the_wait() {
    for rival in [Rival::Answer, Rival::End, Rival::Destroy] {
        for length in [Length::Short, Length::Long] {
            let depth = if length == Length::Short { Depth::Whole } else { Depth::Preemptions(3) };
            holds(&format!("rendezvous: {length:?} answer, or {rival:?}"), depth, move || {
                race(rival, length);
            });
        }
    }
    let blind = || race(Rival::End, Length::LongAndBlind);
    fails("rendezvous: a blind part", RACE, Depth::Preemptions(3), blind);
}

#[test]
fn rendezvous_detached() {
    let right = || detached(Detach::Right, Look::Twice);
    holds("rendezvous: detached as a client comes", Depth::Whole, right);
    let words = "blocked for ever";
    let early = || detached(Detach::TellsFirst, Look::Twice);
    fails("rendezvous: told before the connection is gone", words, Depth::Whole, early);
    let late = || detached(Detach::Right, Look::Early);
    fails("rendezvous: blocked on an early look", words, Depth::Whole, late);
}
