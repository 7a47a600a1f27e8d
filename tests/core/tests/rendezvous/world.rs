// SPDX-License-Identifier: Apache-2.0
//! Kernel and specification, step by step side by side.

use proptest::prelude::*;
use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        Channel, ChannelFlags, Guest, MessageId, Outcome, Wait, Which,
        rendezvous::{Answer, Boost, Fault, Got, Obstacle, Sent, Wake},
        transfer::{Progress, Transfer},
    },
    ids::{HartIndex, Priority},
    user::UserBytes,
};

use crate::{
    kernel::{Bearer, HARTS, Kernel, Place, TABLES, THREADS, name, number},
    memory::{PAGE, SIZE},
    spec::{Copy, Kind, Spec, Told, blame},
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A channel goes, and another comes in its place.
    Destroy(usize),
    Send {
        thread: usize,
        channel: usize,
        out: UserBytes,
        into: UserBytes,
        is_timed: bool,
    },
    Receive {
        thread: usize,
        channel: usize,
        into: UserBytes,
    },
    /// The message that was received that many messages ago.
    Answer {
        thread: usize,
        message: usize,
        how: How,
        from: UserBytes,
    },
    /// A thread goes on with its long copy.
    Go(usize),
    /// It gives up.
    Abandon(usize),
    /// A wait ends for that reason: the thread's last wait, or the one before.
    End(usize, Errno),
    EndOld(usize),
    Priority(usize, u8),
    /// The connection that the thread sends on.
    Detach(usize),
    Turn(usize, usize),
    Write(usize, usize, u8),
    /// To that hart: whether it is full.
    Ring(usize, bool),
    Info(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Bytes(i64),
    Error(Errno),
    Restart,
}

fn bytes() -> impl Strategy<Value = UserBytes> {
    let length = prop_oneof![
        1 => Just(0usize),
        4 => 1usize..600,
        1 => Just(4096usize),
        1 => Just(4097usize),
        1 => Just(8192usize),
        5 => 4000usize..12_500,
    ];
    (0usize..SIZE - 12_500, length).prop_map(|(start, length)| UserBytes::new(start, length))
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        5 => any::<i64>().prop_map(How::Bytes),
        1 => Just(How::Error(Errno::EPERM)),
        1 => Just(How::Restart),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (thread, channel) =
        (0..THREADS, prop_oneof![30 => Just(0usize), 10 => 0..PLACES, 1 => Just(PLACES)]);
    let errors = [Errno::EINTR, Errno::ETIMEDOUT, Errno::EBADF];
    let op = prop_oneof![
        1 => (0usize..=PLACES).prop_map(Op::Destroy),
        50 => (thread.clone(), channel.clone(), bytes(), bytes(), any::<bool>()).prop_map(
            |(thread, channel, out, into, is_timed)| Op::Send { thread, channel, out, into, is_timed }
        ),
        50 => (thread.clone(), channel, bytes())
            .prop_map(|(thread, channel, into)| Op::Receive { thread, channel, into }),
        50 => (thread.clone(), prop_oneof![4 => Just(0usize), 3 => 0usize..8], how(), bytes())
            .prop_map(|(thread, message, how, from)| Op::Answer { thread, message, how, from }),
        80 => thread.clone().prop_map(Op::Go),
        40 => thread.clone().prop_map(Op::Abandon),
        8 => (thread.clone(), prop::sample::select(errors.to_vec()))
            .prop_map(|(thread, error)| Op::End(thread, error)),
        3 => thread.clone().prop_map(Op::EndOld),
        12 => (thread.clone(), 1u8..9).prop_map(|(thread, level)| Op::Priority(thread, level)),
        2 => thread.clone().prop_map(Op::Detach),
        15 => (thread.clone(), 0..SIZE / PAGE).prop_map(|(thread, page)| Op::Turn(thread, page)),
        4 => (thread, 0..SIZE - PAGE, any::<u8>())
            .prop_map(|(thread, start, value)| Op::Write(thread, start, value)),
        6 => (0..HARTS, prop::bool::weighted(0.3)).prop_map(|(hart, full)| Op::Ring(hart, full)),
        3 => (0usize..8).prop_map(Op::Info),
    ];
    prop::collection::vec(op, 0..400)
}

/// The channels that there always are: whose, and what they were made for.
const KINDS: [(usize, ChannelFlags); PLACES] =
    [(0, ChannelFlags::NONE), (1, ChannelFlags::NONE), (0, ChannelFlags::FIXED_PRIORITY)];
const PLACES: usize = 3;

/// What is counted.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Seen {
    HandedOver,
    Received,
    Answered,
    Full,
    FaultOwn,
    FaultPeer,
    LongSend,
    LongReceive,
    LongAnswer,
    LongGone,
    GivenUp,
    PeerFailed,
    LookAgain,
    Stale,
    Boosted,
    NoConnection,
    EndedInCopy,
    Destroyed,
}
pub(crate) const SEEN: usize = Seen::Destroyed as usize + 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Parts,
    Finish,
    /// The peer's call fails.
    Fail(Errno),
    /// The peer is given back.
    Back,
    /// Who waits beside a client is to look, one after the other.
    Rouse,
}

/// A call in the middle of a long copy.
struct Call {
    transfer: Transfer,
    copy: Copy,
    phase: Phase,
    place: Place,
    guest: Guest,
}

pub(crate) struct World {
    kernel: Kernel,
    spec: Spec,
    places: [Place; PLACES],
    /// One that has gone.
    old: Option<Place>,
    messages: Vec<(usize, MessageId)>,
    calls: [Option<Call>; THREADS],
    coids: [u64; THREADS],
    seen: [usize; SEEN],
}

fn in_way(obstacle: Obstacle) -> (Told, Option<Transfer>) {
    match obstacle {
        Obstacle::Full(hart) => (Told::Full(hart), None),
        Obstacle::Refused(wake) => (Told::Refused(wake), None),
        Obstacle::Long(transfer) => (Told::Long(transfer.peer()), Some(transfer)),
        Obstacle::Failed(error) => (Told::Failed(error), None),
    }
}

fn sent(sent: Result<Sent, Obstacle>) -> (Told, Option<Transfer>) {
    match sent {
        Ok(Sent::Received(wait, wake, _)) => (Told::HandedOver(wait, wake), None),
        Ok(Sent::Queued(wait, boost)) => (Told::Queued(wait, boost), None),
        Err(obstacle) => in_way(obstacle),
    }
}

fn got(got: Result<Got, Obstacle>) -> (Told, Option<Transfer>) {
    match got {
        Ok(Got::Message(receipt, message)) => (Told::Message(receipt, message), None),
        Ok(Got::Waiting(wait, urgency)) => (Told::Waiting(wait, urgency), None),
        Err(obstacle) => in_way(obstacle),
    }
}

fn told_woken(woken: Result<Option<Wake>, HartIndex>) -> Told {
    woken.map_or_else(Told::Full, Told::Woken)
}

impl World {
    pub(crate) fn new() -> Self {
        let (kernel, mut spec) = (Kernel::new(), Spec::new());
        let places = KINDS.map(|(table, flags)| kernel.create(table, flags));
        places.iter().zip(KINDS).for_each(|(place, (_, flags))| spec.create(*place, flags));
        Self {
            kernel,
            spec,
            places,
            old: None,
            messages: Vec::new(),
            calls: Default::default(),
            coids: std::array::from_fn(|thread| thread as u64 + 1),
            seen: [0; SEEN],
        }
    }

    const fn saw(&mut self, what: Seen) {
        self.seen[what as usize] += 1;
    }

    fn place(&self, which: usize) -> Option<Place> {
        self.places.get(which).copied().or(self.old)
    }

    fn is_free(&self, thread: usize) -> bool {
        self.spec.threads[thread].wait.is_none() && self.calls[thread].is_none()
    }

    pub(crate) fn step(&mut self, op: Op) {
        match op {
            Op::Destroy(which) => self.destroy(which),
            Op::Send { thread, channel, out, into, is_timed } => {
                self.send(thread, channel, out, into, is_timed);
            }
            Op::Receive { thread, channel, into } => self.receive(thread, channel, into),
            Op::Answer { thread, message, how, from } => self.answer(thread, message, how, from),
            Op::Go(thread) => self.go(thread),
            Op::Abandon(thread) => {
                if let Some(call) = &mut self.calls[thread]
                    && call.phase == Phase::Parts
                {
                    call.phase = Phase::Back;
                }
            }
            Op::End(thread, error) => self.end(thread, error),
            Op::EndOld(thread) => self.end_old(thread),
            Op::Priority(thread, level) => self.priority(thread, Priority::new(level)),
            Op::Detach(thread) => self.detach(thread),
            Op::Turn(thread, page) => {
                self.kernel.machine.memories.turn(thread, page);
                self.spec.machine.memories.turn(thread, page);
            }
            Op::Write(thread, start, value) => {
                self.kernel.machine.memories.write(thread, start, value);
                self.spec.machine.memories.write(thread, start, value);
            }
            Op::Ring(hart, is_full) => {
                self.kernel.machine.full[hart] = is_full;
                self.spec.machine.full = self.kernel.machine.full;
            }
            Op::Info(back) => self.info(back),
        }
    }

    fn destroy(&mut self, which: usize) {
        let Some(place) = self.place(which) else { return };
        let woken = self.kernel.destroy(place);
        let Some(expected) = self.spec.destroy(place) else {
            return assert_eq!(woken, Err(Errno::EINVAL));
        };
        let woken: Vec<_> = woken.unwrap().into_iter().map(|one| (one.wait, one.queue)).collect();
        assert_eq!(woken, expected, "everybody, in order");
        if woken.len() > 1 {
            self.saw(Seen::Destroyed);
        }
        let (table, flags) = KINDS[which];
        self.places[which] = self.kernel.create(table, flags);
        self.spec.create(self.places[which], flags);
        self.old = Some(place);
    }

    fn guest(&self, thread: usize, out: UserBytes, into: UserBytes) -> Guest {
        let (owner, tid, coid) = (thread as u64, thread as u64, self.coids[thread]);
        let priority = self.spec.threads[thread].priority;
        let record = self.kernel.waiters.of(name(thread));
        let guest = Guest::bare(name(thread), priority);
        Guest { record, owner, tid, coid, out, into, ..guest }
    }

    fn send(
        &mut self,
        thread: usize,
        back: usize,
        out: UserBytes,
        into: UserBytes,
        is_timed: bool,
    ) {
        let Some(place) = self.place(back).filter(|_| self.is_free(thread)) else { return };
        let guest = self.guest(thread, out, into);
        let guest = Guest { timeouts: u64::from(is_timed) << 6, ..guest };
        let real = self.kernel.with(thread, place, |channel, by| channel.send(&guest, by));
        let (told, transfer) = real.map_or((Told::NoChannel, None), sent);
        let expected = self.spec.send(thread, place, guest, &told);
        assert_eq!(told.timeless(), expected);
        if let Some(transfer) = transfer {
            self.saw(Seen::LongSend);
            let other = self.spec.threads[number(transfer.peer().thread)].guest.into;
            self.begin(thread, place, guest, transfer, (Kind::Send, guest.out, other, true));
        }
        self.follow(place, told);
    }

    fn receive(&mut self, thread: usize, back: usize, into: UserBytes) {
        let place = self.place(back).filter(|place| place.0 == thread % TABLES);
        let Some(place) = place.filter(|_| self.is_free(thread)) else { return };
        let guest = Guest { coid: 0, ..self.guest(thread, UserBytes::NONE, into) };
        let base = self.spec.threads[thread].base;
        let real = self.kernel.with(thread, place, |channel, by| channel.receive(&guest, base, by));
        let (told, transfer) = real.map_or((Told::NoChannel, None), got);
        let expected = self.spec.receive(thread, place, guest);
        assert_eq!(told.timeless(), expected);
        if let Some(transfer) = transfer {
            self.saw(Seen::LongReceive);
            let other = self.spec.threads[number(transfer.peer().thread)].guest.out;
            self.begin(thread, place, guest, transfer, (Kind::Receive, guest.into, other, false));
        }
        self.follow(place, told);
    }

    fn answer(&mut self, thread: usize, back: usize, how: How, from: UserBytes) {
        let message = self.messages.iter().rev().nth(back).copied();
        let Some((_, id)) = message.filter(|_| self.is_free(thread)) else { return };
        let table = thread % TABLES;
        let (answer, outcome, bytes) = match how {
            How::Bytes(status) => {
                (Answer::Bytes(status, from), Outcome::Answered(status), Some(from))
            }
            How::Error(error) => (Answer::Error(error), Outcome::Failed(error), None),
            How::Restart => (Answer::Restart, Outcome::Again, None),
        };
        let channel = self.kernel.waiters.channel_of(id).expect("there was one");
        let place = (table, channel);
        let real = self.kernel.with(thread, place, |channel, by| channel.answer(id, &answer, by));
        let (told, transfer) = match real {
            Ok(Ok((wake, error))) => (Told::Answered(wake, error), None),
            Ok(Err(obstacle)) => in_way(obstacle),
            Err(error) => (Told::Failed(error), None),
        };
        let expected = self.spec.answer(thread, table, id, bytes, outcome);
        assert_eq!(told.timeless(), expected);
        if told == Told::Failed(Errno::ESRCH) {
            self.saw(Seen::Stale);
        }
        if let (Some(transfer), How::Bytes(status)) = (transfer, how) {
            self.saw(Seen::LongAnswer);
            let other = self.spec.threads[number(transfer.peer().thread)].guest.into;
            let guest = self.guest(thread, from, UserBytes::NONE);
            self.begin(thread, place, guest, transfer, (Kind::Answer(status), from, other, true));
        }
        self.follow(place, told);
    }

    fn begin(
        &mut self,
        thread: usize,
        place: Place,
        guest: Guest,
        transfer: Transfer,
        (kind, own, other, is_given): (Kind, UserBytes, UserBytes, bool),
    ) {
        let wait = transfer.peer();
        let length = own.length.min(other.length);
        let peer = number(wait.thread);
        let copy = Copy { kind, peer, wait, own, other, is_given, length, done: 0 };
        self.calls[thread] = Some(Call { transfer, copy, phase: Phase::Parts, place, guest });
    }

    /// What the kernel does with what the policy says.
    fn follow(&mut self, place: Place, told: Told) {
        match told {
            Told::HandedOver(wait, _) => {
                self.saw(Seen::HandedOver);
                self.messages.push((place.0, MessageId::of(wait)));
            }
            Told::Queued(_, Some(boost)) => self.boost(place, boost),
            Told::Message(receipt, _) => {
                self.saw(Seen::Received);
                self.messages.push((place.0, receipt.id));
            }
            Told::Answered(_, None) => self.saw(Seen::Answered),
            Told::Answered(_, Some(error)) => {
                self.saw(if error == Errno::EFAULT { Seen::FaultPeer } else { Seen::FaultOwn });
            }
            Told::Full(_) => self.saw(Seen::Full),
            Told::Refused(Wake { error: Some(Errno::EBADF), .. }) => self.saw(Seen::NoConnection),
            Told::Refused(_) => self.saw(Seen::FaultPeer),
            Told::Failed(Errno::EFAULT) => self.saw(Seen::FaultOwn),
            _ => {}
        }
    }

    /// As the server's home hart does it.
    fn boost(&mut self, place: Place, boost: Boost) {
        self.saw(Seen::Boosted);
        let server = number(boost.server);
        let it = &mut self.spec.threads[server];
        if it.serves == Some(place) && it.priority < boost.urgency.priority {
            it.priority = boost.urgency.priority;
            self.requeue(server);
        }
    }

    /// As the service thread settles it.
    fn requeue(&mut self, thread: usize) {
        let it = &self.spec.threads[thread];
        let (Some(wait), Some(place)) = (it.wait, it.place) else { return };
        let priority = it.priority;
        let real = self.kernel.at(place, |channel| {
            let queue = channel.queue_of(wait).expect("it waits");
            assert!(channel.set_priority(wait, priority));
            (queue, channel.boost_for(queue, priority))
        });
        let (queue, boost) = real.expect("the channel is there");
        assert_eq!(queue, self.spec.threads[thread].stands());
        self.spec.set_priority(thread, priority);
        if queue == Which::Send {
            self.spec.judge_boost(place, priority, boost);
        } else {
            assert_eq!(boost, None, "who is not queued makes nobody urgent");
        }
        boost.into_iter().for_each(|boost| self.boost(place, boost));
    }

    fn priority(&mut self, thread: usize, priority: Priority) {
        let it = &mut self.spec.threads[thread];
        (it.base, it.priority) = (priority, priority);
        if let Some(place) = it.serves {
            self.kernel.at(place, |channel| channel.forget_boost(name(thread), priority));
        }
        self.requeue(thread);
    }

    fn end(&mut self, thread: usize, error: Errno) {
        let it = &self.spec.threads[thread];
        let (Some(wait), Some(place), queue) = (it.wait, it.place, it.queue) else { return };
        let woken = self.kernel.at(place, |channel| channel.end(wait, error)).flatten();
        assert_eq!(woken.map(|one| (one.wait, one.queue, one.error)), Some((wait, queue, error)));
        assert_eq!(self.spec.end(thread, Outcome::Failed(error)), wait);
        if queue == Which::Copying {
            self.saw(Seen::EndedInCopy);
        }
    }

    /// Whoever comes second finds that the wait is over.
    fn end_old(&mut self, thread: usize) {
        let it = &self.spec.threads[thread];
        let Some((place, last)) = it.last else { return };
        let number = last.number - u64::from(it.wait.is_some());
        let old = Wait { number, ..last };
        let ended = |channel: &mut Channel<'_>| channel.end(old, Errno::EINTR).is_some();
        assert!(!self.kernel.at(place, ended).unwrap_or(false), "a wait ended twice");
        let moved = |channel: &mut Channel<'_>| channel.set_priority(old, Priority::MAX);
        assert!(!self.kernel.at(place, moved).unwrap_or(false), "a wait that is over moved");
    }

    fn detach(&mut self, thread: usize) {
        let gone = &mut self.kernel.machine.gone;
        gone.insert(self.coids[thread]);
        self.spec.machine.gone.clone_from(gone);
        self.coids[thread] += THREADS as u64;
    }

    fn info(&mut self, back: usize) {
        let Some(&(table, id)) = self.messages.iter().rev().nth(back) else { return };
        let place = (table, self.kernel.waiters.channel_of(id).expect("there was one"));
        let real = self.kernel.at(place, |channel| channel.sent(id)).flatten();
        let real = real.map(|(guest, received)| (number(guest.thread), guest.out, received));
        let expected = self.spec.client(table, id).map(|client| {
            let it = &self.spec.threads[client];
            (client, it.guest.out, it.received)
        });
        assert_eq!(real, expected);
    }

    fn go(&mut self, thread: usize) {
        let Some(mut call) = self.calls[thread].take() else { return };
        call.guest.priority = self.spec.threads[thread].priority;
        let next = match call.phase {
            Phase::Parts => self.part(thread, &mut call),
            Phase::Finish => self.finish_copy(thread, &call),
            Phase::Fail(error) => self.fail_copy(thread, &call, error),
            Phase::Back => self.give_back(thread, &call),
            Phase::Rouse => self.rouse(thread, &call),
        };
        if let Some(phase) = next {
            call.phase = phase;
            self.calls[thread] = Some(call);
        }
    }

    fn part(&mut self, thread: usize, call: &mut Call) -> Option<Phase> {
        let Call { transfer, copy, place, .. } = call;
        let real =
            self.kernel.with(thread, *place, |channel, by| transfer.go_on(channel, copy.own, by));
        let told = match real.unwrap_or(Progress::Gone) {
            Progress::More => Told::More,
            Progress::Done => Told::Copied,
            Progress::Gone => Told::Gone,
            Progress::Failed(fault) => Told::Bad(fault),
        };
        assert_eq!(told.timeless(), self.spec.go_on(thread, copy));
        match told {
            Told::More => Some(Phase::Parts),
            Told::Copied => Some(Phase::Finish),
            Told::Bad(fault) => Some(match (copy.kind, fault) {
                (Kind::Answer(_), fault) => Phase::Fail(blame(fault)),
                (_, Fault::Peer) => Phase::Fail(Errno::EFAULT),
                (_, Fault::Own) => Phase::Back,
            }),
            _ => {
                self.saw(Seen::LongGone);
                None
            }
        }
    }

    fn finish_copy(&mut self, thread: usize, call: &Call) -> Option<Phase> {
        let Call { transfer, copy, place, guest, .. } = call;
        let finish = |channel: &mut Channel<'_>, by: &mut Bearer<'_>| match copy.kind {
            Kind::Send => sent(transfer.sent(channel, guest, by)).0,
            Kind::Receive => got(transfer.received(channel, guest, by)).0,
            Kind::Answer(status) => match transfer.answered(channel, status, by) {
                Ok(wake) => Told::Answered(wake, None),
                Err(obstacle) => in_way(obstacle).0,
            },
        };
        let told = self.kernel.with(thread, *place, finish).unwrap_or(Told::Failed(Errno::ESRCH));
        assert_eq!(told.timeless(), self.spec.finish(thread, copy, *guest));
        self.follow(*place, told);
        matches!(told, Told::Full(_)).then_some(Phase::Finish)
    }

    fn fail_copy(&mut self, thread: usize, call: &Call, error: Errno) -> Option<Phase> {
        let Call { transfer, copy, place, .. } = call;
        let fail = |channel: &mut Channel<'_>, by: &mut Bearer<'_>| {
            told_woken(transfer.fail(channel, error, by))
        };
        let told = self.kernel.with(thread, *place, fail).unwrap_or(Told::Woken(None));
        assert_eq!(told.timeless(), self.spec.fail_copy(thread, copy, error));
        let is_full = matches!(told, Told::Full(_));
        self.saw(if is_full { Seen::Full } else { Seen::PeerFailed });
        is_full.then_some(Phase::Fail(error))
    }

    fn give_back(&mut self, thread: usize, call: &Call) -> Option<Phase> {
        let Call { transfer, copy, place, .. } = call;
        let _gone = self.kernel.with(thread, *place, |channel, _| transfer.give_up(channel));
        self.spec.give_back(copy);
        self.saw(Seen::GivenUp);
        Some(Phase::Rouse)
    }

    fn rouse(&mut self, thread: usize, call: &Call) -> Option<Phase> {
        let rouse = |channel: &mut Channel<'_>, by: &mut Bearer<'_>| told_woken(channel.rouse(by));
        let told = self.kernel.with(thread, call.place, rouse).unwrap_or(Told::Woken(None));
        assert_eq!(told.timeless(), self.spec.rouse(thread, call.place));
        match told {
            Told::Woken(None) => return None,
            Told::Full(_) => self.saw(Seen::Full),
            _ => self.saw(Seen::LookAgain),
        }
        Some(Phase::Rouse)
    }

    pub(crate) fn check(&self) {
        for chan in self.spec.channels.values() {
            for which in Which::ALL {
                let head = self.spec.head(chan.place, which);
                let head =
                    head.map(|it| (self.spec.wait(it), self.spec.threads[it].guest.priority));
                assert_eq!(self.kernel.first(chan.place, which), head, "{which:?}");
            }
            let is_empty = |which| self.kernel.first(chan.place, which).is_none();
            // Who has given its peer back is about to look.
            let is_rousing = |call: &Call| call.phase == Phase::Rouse && call.place == chan.place;
            let is_excused = self.calls.iter().flatten().any(is_rousing);
            let is_either = is_empty(Which::Send) || is_empty(Which::Receive);
            assert!(is_either || is_excused, "both wait");
        }
        for (thread, it) in self.spec.threads.iter().enumerate() {
            if let Some((place, last)) = it.last {
                let stands = it.wait.map(|_| it.stands());
                assert_eq!(self.kernel.queue_of(place, last), stands, "{thread}");
            }
            if it.outcome.is_some() && it.wait.is_none() {
                assert_eq!(self.kernel.outcome(thread), it.outcome, "{thread}");
            }
        }
        let (kernel, spec) = (&self.kernel.machine.memories, &self.spec.machine.memories);
        assert!(kernel == spec, "a memory has other bytes");
    }

    /// Every channel goes, and then every call.
    pub(crate) fn finish(mut self) -> [usize; SEEN] {
        for which in 0..PLACES {
            self.destroy(which);
            self.check();
        }
        for thread in 0..THREADS {
            while self.calls[thread].is_some() {
                self.go(thread);
                self.check();
            }
            assert!(self.is_free(thread), "it sleeps for ever");
        }
        self.seen
    }
}
