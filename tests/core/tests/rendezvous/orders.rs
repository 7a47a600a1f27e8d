// SPDX-License-Identifier: Apache-2.0
//! Two clients, two threads of a server, one that ends a client and one that ends the
//! channel: every order of their sections. What happens in one section is under the
//! channel's lock, so these are all orders there are; that the lock is one, and that
//! wakes arrive, the models show.

use std::collections::BTreeSet;

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        Channel, ChannelFlags, Guest, MessageId, Outcome, Wait, Which,
        rendezvous::{Answer, Got, Obstacle, Sent, Wake},
        transfer::{Progress, Transfer},
    },
    ids::Priority,
    user::UserBytes,
};

use crate::{
    kernel::{Bearer, Kernel, Place, name, number},
    memory::Memories,
};

const BYTES: i64 = 4_500;
const LONG: UserBytes = UserBytes::new(0, BYTES as usize);
const SHORT: UserBytes = UserBytes::new(0, 64);

/// Who takes part: threads by number, the server's first.
#[derive(Clone, Copy, Debug)]
struct Cast {
    servers: usize,
    clients: usize,
    /// Bytes of messages and answers.
    bytes: UserBytes,
    /// The first client is ended at some time.
    ends_one: bool,
    /// The first server's memory goes at some time.
    loses_memory: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Call,
    /// Part of a long copy, its end, or giving up in one of two ways.
    Part,
    Finish,
    Fail(Errno),
    Back,
    /// Whoever waits beside a client is to look, one in each section.
    Rouse,
    /// Blocked until its wait ends.
    Blocked,
    Answer(MessageId),
    Over,
}

struct Actor {
    next: Next,
    transfer: Option<Transfer>,
    answers: Option<MessageId>,
    /// What a client was told.
    told: Option<Result<i64, Errno>>,
    /// Its memory from then on.
    seen: Option<Memories>,
}

struct Run {
    cast: Cast,
    kernel: Kernel,
    at: Place,
    actors: Vec<Actor>,
    is_destroyed: bool,
    has_ended: bool,
    has_lost: bool,
    waits: Vec<Option<Wait>>,
    ended: BTreeSet<(u64, u64)>,
    answered: BTreeSet<u64>,
}

impl Run {
    fn new(cast: Cast) -> Self {
        let kernel = Kernel::new();
        let at = kernel.create(0, ChannelFlags::NONE);
        let count = cast.servers + cast.clients;
        let actor =
            |_| Actor { next: Next::Call, transfer: None, answers: None, told: None, seen: None };
        Self {
            cast,
            kernel,
            at,
            actors: (0..count).map(actor).collect(),
            is_destroyed: false,
            has_ended: !cast.ends_one,
            has_lost: !cast.loses_memory,
            waits: vec![None; count],
            ended: BTreeSet::new(),
            answered: BTreeSet::new(),
        }
    }

    fn is_server(&self, actor: usize) -> bool {
        actor < self.cast.servers
    }

    /// Whoever can do something now. The end of the channel is one more, and so are the
    /// others that happen once; the channel goes last, when nobody else can go on.
    fn able(&self) -> Vec<usize> {
        let count = self.actors.len();
        let is_able = |actor: &usize| match self.actors[*actor].next {
            Next::Blocked => self.waits[*actor].is_none(),
            Next::Over => false,
            _ => true,
        };
        let mut able: Vec<_> = (0..count).filter(is_able).collect();
        let first = self.cast.servers;
        if !self.has_ended && self.waits[first].is_some() {
            able.push(count);
        }
        if !self.has_lost {
            able.push(count + 1);
        }
        if !self.is_destroyed {
            able.push(count + 2);
        }
        able
    }

    fn guest(&self, actor: usize) -> Guest {
        let guest = Guest::bare(name(actor), Priority::new(5));
        let (record, bytes) = (self.kernel.waiters.of(name(actor)), self.cast.bytes);
        Guest { record, owner: actor as u64, coid: 1, out: bytes, into: bytes, ..guest }
    }

    fn woken(&mut self, wake: Wake) {
        let wait = Wait { channel: self.at.1, thread: wake.thread, number: wake.number };
        self.over(wait);
    }

    fn over(&mut self, wait: Wait) {
        assert!(self.ended.insert((wait.thread.to_word(), wait.number)), "a wait ended twice");
        let waits = &mut self.waits[number(wait.thread)];
        assert_eq!(waits.take(), Some(wait));
    }

    fn step(&mut self, actor: usize) {
        let count = self.actors.len();
        if actor == count {
            let wait = self.waits[self.cast.servers].expect("it waits");
            let woken = self.kernel.at(self.at, |channel| channel.end(wait, Errno::EINTR));
            self.over(woken.flatten().expect("it waits").wait);
            self.has_ended = true;
        } else if actor == count + 1 {
            self.kernel.machine.memories.turn(0, 0);
            self.has_lost = true;
        } else if actor == count + 2 {
            self.is_destroyed = true;
            for woken in self.kernel.destroy(self.at).unwrap() {
                self.over(woken.wait);
            }
        } else {
            let next = self.act(actor);
            self.actors[actor].next = next;
        }
        self.check();
    }

    fn act(&mut self, actor: usize) -> Next {
        match self.actors[actor].next {
            Next::Call if self.is_server(actor) => {
                let (guest, base) = (self.guest(actor), Priority::new(5));
                let got = |channel: &mut Channel<'_>, by: &mut Bearer<'_>| {
                    channel.receive(&guest, base, by)
                };
                let got = self.kernel.with(actor, self.at, got);
                self.received(actor, got.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))))
            }
            Next::Call => {
                let guest = self.guest(actor);
                let sent = self.kernel.with(actor, self.at, |channel, by| channel.send(&guest, by));
                self.sent(actor, sent.unwrap_or(Err(Obstacle::Failed(Errno::EBADF))))
            }
            Next::Part => self.part(actor),
            Next::Finish => self.finish(actor),
            Next::Fail(error) => self.fail(actor, error),
            Next::Back => self.back(actor),
            Next::Rouse => self.rouse(actor),
            Next::Blocked => self.wake(actor),
            Next::Answer(id) => {
                let answer = Answer::Bytes(id.to_register() as i64, self.cast.bytes);
                let answered =
                    self.kernel.with(actor, self.at, |channel, by| channel.answer(id, &answer, by));
                match answered.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                    Ok((wake, error)) => {
                        self.woken(wake);
                        if error.is_none() {
                            self.answered.insert(id.to_register());
                        }
                        Next::Call
                    }
                    Err(Obstacle::Failed(Errno::ESRCH)) => Next::Call,
                    Err(Obstacle::Long(transfer)) => {
                        (self.actors[actor].transfer, self.actors[actor].answers) =
                            (Some(transfer), Some(id));
                        Next::Part
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            Next::Over => unreachable!("it is over"),
        }
    }

    fn sent(&mut self, actor: usize, sent: Result<Sent, Obstacle>) -> Next {
        match sent {
            Ok(Sent::Received(wait, wake, _)) => {
                self.woken(wake);
                self.waits[actor] = Some(wait);
                Next::Blocked
            }
            Ok(Sent::Queued(wait, _)) => {
                self.waits[actor] = Some(wait);
                Next::Blocked
            }
            Err(Obstacle::Refused(wake)) => {
                self.woken(wake);
                Next::Call
            }
            Err(Obstacle::Long(transfer)) => {
                self.actors[actor].transfer = Some(transfer);
                Next::Part
            }
            Err(Obstacle::Failed(error)) => self.told(actor, Err(error)),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn received(&mut self, actor: usize, got: Result<Got, Obstacle>) -> Next {
        match got {
            Ok(Got::Message(receipt, _)) => Next::Answer(receipt.id),
            Ok(Got::Waiting(wait, _)) => {
                self.waits[actor] = Some(wait);
                Next::Blocked
            }
            Err(Obstacle::Refused(wake)) => {
                self.woken(wake);
                Next::Call
            }
            Err(Obstacle::Long(transfer)) => {
                self.actors[actor].transfer = Some(transfer);
                Next::Part
            }
            Err(Obstacle::Failed(_)) => Next::Over,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn told(&mut self, actor: usize, told: Result<i64, Errno>) -> Next {
        self.actors[actor].told = Some(told);
        self.actors[actor].seen = Some(self.kernel.machine.memories.clone());
        Next::Over
    }

    fn wake(&mut self, actor: usize) -> Next {
        match self.kernel.outcome(actor).expect("whoever ends a wait says why") {
            Outcome::Again => Next::Call,
            Outcome::Received(receipt) => Next::Answer(receipt.id),
            Outcome::Failed(_) if self.is_server(actor) => Next::Over,
            Outcome::Failed(error) => self.told(actor, Err(error)),
            Outcome::Answered(status) => self.told(actor, Ok(status)),
        }
    }

    fn part(&mut self, actor: usize) -> Next {
        let mut transfer = self.actors[actor].transfer.take().expect("it copies");
        let own = self.cast.bytes;
        let part = self.kernel.with(actor, self.at, |channel, by| transfer.go_on(channel, own, by));
        let answers = self.actors[actor].answers;
        let next = match part.unwrap_or(Progress::Gone) {
            Progress::More => Next::Part,
            Progress::Done => Next::Finish,
            Progress::Gone => {
                self.actors[actor].answers = None;
                return Next::Call;
            }
            Progress::Failed(fault) if answers.is_some() => Next::Fail(crate::spec::blame(fault)),
            Progress::Failed(skimmer_core::channel::rendezvous::Fault::Own) => Next::Back,
            Progress::Failed(_) => Next::Fail(Errno::EFAULT),
        };
        self.actors[actor].transfer = Some(transfer);
        next
    }

    fn finish(&mut self, actor: usize) -> Next {
        let transfer = self.actors[actor].transfer.take().expect("it copies");
        let (guest, at) = (self.guest(actor), self.at);
        if let Some(id) = self.actors[actor].answers.take() {
            let status = id.to_register() as i64;
            let told =
                self.kernel.with(actor, at, |channel, by| transfer.answered(channel, status, by));
            if let Ok(Ok(wake)) = told {
                self.woken(wake);
                self.answered.insert(id.to_register());
            }
            return Next::Call;
        }
        // The peer is gone meanwhile, or the channel: to the next.
        if self.is_server(actor) {
            let got =
                self.kernel.with(actor, at, |channel, by| transfer.received(channel, &guest, by));
            return match got {
                Ok(Err(Obstacle::Failed(Errno::ESRCH))) | Err(_) => Next::Call,
                Ok(got) => self.received(actor, got),
            };
        }
        match self.kernel.with(actor, at, |channel, by| transfer.sent(channel, &guest, by)) {
            Ok(Err(Obstacle::Failed(Errno::ESRCH))) | Err(_) => Next::Call,
            Ok(sent) => self.sent(actor, sent),
        }
    }

    fn fail(&mut self, actor: usize, error: Errno) -> Next {
        let transfer = self.actors[actor].transfer.take().expect("it copies");
        let failed =
            self.kernel.with(actor, self.at, |channel, by| transfer.fail(channel, error, by));
        if let Ok(Ok(Some(wake))) = failed {
            self.woken(wake);
        }
        self.actors[actor].answers = None;
        Next::Call
    }

    fn back(&mut self, actor: usize) -> Next {
        let transfer = self.actors[actor].transfer.take().expect("it copies");
        let _gone = self.kernel.with(actor, self.at, |channel, _| transfer.give_up(channel));
        Next::Rouse
    }

    fn rouse(&mut self, actor: usize) -> Next {
        let roused = self.kernel.with(actor, self.at, |channel, by| channel.rouse(by));
        if let Ok(Ok(Some(wake))) = roused {
            self.woken(wake);
            return Next::Rouse;
        }
        if self.is_server(actor) { Next::Over } else { self.told(actor, Err(Errno::EFAULT)) }
    }

    fn check(&self) {
        for (actor, wait) in self.waits.iter().enumerate() {
            let stands = wait.and_then(|wait| self.kernel.queue_of(self.at, wait));
            assert_eq!(stands.is_some(), wait.is_some(), "{actor}");
        }
        let is_rousing = self.actors.iter().any(|it| it.next == Next::Rouse);
        if !self.is_destroyed && !is_rousing {
            let first = |which| self.kernel.first(self.at, which);
            assert!(first(Which::Send).is_none() || first(Which::Receive).is_none(), "both wait");
        }
    }

    /// Nobody can go on any more.
    fn finish_all(&self) {
        for (actor, it) in self.actors.iter().enumerate() {
            assert_eq!(it.next, Next::Over, "{actor} sleeps for ever");
            if self.is_server(actor) {
                continue;
            }
            match it.told.expect("it was told") {
                Ok(status) => assert!(self.answered.contains(&status.cast_unsigned()), "{status}"),
                Err(Errno::EINTR) => assert!(self.cast.ends_one && actor == self.cast.servers),
                Err(Errno::ESRVRFAULT) => assert!(self.cast.loses_memory),
                Err(error) => assert!(matches!(error, Errno::EBADF | Errno::ESRCH), "{error:?}"),
            }
            let seen = it.seen.as_ref().expect("it was told");
            assert!(self.kernel.machine.memories.is_same(seen, actor), "written after the end");
        }
    }
}

/// Every order; how many there are.
fn every_order(cast: Cast) -> u64 {
    let (mut path, mut count): (Vec<(usize, usize)>, _) = (Vec::new(), 0);
    loop {
        let mut run = Run::new(cast);
        let mut depth = 0;
        loop {
            let able = run.able();
            if able.is_empty() {
                break;
            }
            if depth == path.len() {
                path.push((0, able.len()));
            }
            assert_eq!(path[depth].1, able.len(), "the same choices, the same run");
            run.step(able[path[depth].0]);
            depth += 1;
        }
        run.finish_all();
        count += 1;
        while let Some((choice, of)) = path.pop() {
            if choice + 1 < of {
                path.push((choice + 1, of));
                break;
            }
        }
        if path.is_empty() {
            return count;
        }
    }
}

#[test]
fn whatever_the_order_nobody_sleeps_for_ever() {
    let cast = Cast { servers: 1, clients: 2, bytes: SHORT, ends_one: false, loses_memory: false };
    let casts = [
        cast,
        Cast { clients: 1, ends_one: true, ..cast },
        Cast { clients: 1, servers: 2, ..cast },
        Cast { clients: 1, bytes: LONG, ends_one: true, ..cast },
        Cast { clients: 1, bytes: LONG, loses_memory: true, ..cast },
        Cast { clients: 1, servers: 2, bytes: LONG, ..cast },
        Cast { clients: 1, servers: 2, bytes: LONG, loses_memory: true, ..cast },
        Cast { ends_one: true, bytes: LONG, ..cast },
    ];
    for cast in casts {
        let orders = every_order(cast);
        eprintln!("{orders} orders of {cast:?}");
        assert!(orders > 50, "{orders}");
    }
}
