// SPDX-License-Identifier: Apache-2.0
//! What clients and servers are to see, written down with lists: sorted by priority,
//! then arrival. It shares nothing with the kernel but names and numbers.

use std::collections::BTreeMap;

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        ChannelFlags, Guest, MessageId, Outcome, Receipt, Wait, Which,
        rendezvous::{Boost, Fault, Message, Moment, Urgency, Wake, at_once},
    },
    ids::{HartIndex, Priority},
    user::UserBytes,
};

use crate::kernel::{Machine, Place, THREADS, name, number};

/// What a call was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    NoChannel,
    Full(HartIndex),
    Refused(Wake),
    Long(Wait),
    Failed(Errno),
    HandedOver(Wait, Wake),
    Queued(Wait, Option<Boost>),
    Message(Receipt, Message),
    Waiting(Wait, Option<Urgency>),
    Answered(Wake, Option<Errno>),
    /// Of a long copy.
    More,
    Copied,
    Gone,
    Bad(Fault),
    /// Somebody whose wait is over because of that.
    Woken(Option<Wake>),
}

#[derive(Clone, Debug)]
pub(crate) struct Thread {
    /// The wait that goes on, and where.
    pub(crate) wait: Option<Wait>,
    pub(crate) place: Option<Place>,
    pub(crate) queue: Which,
    /// Of who is copied from or to: where it stood.
    pub(crate) from: Which,
    pub(crate) guest: Guest,
    pub(crate) received: usize,
    pub(crate) arrival: u64,
    pub(crate) waits: u64,
    pub(crate) last: Option<(Place, Wait)>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) priority: Priority,
    pub(crate) base: Priority,
    pub(crate) serves: Option<Place>,
}

impl Thread {
    /// What a thread that is copied from or to is in.
    pub(crate) fn stands(&self) -> Which {
        if self.queue == Which::Copying { self.from } else { self.queue }
    }
}

/// To wake the thread whose wait is over.
fn woken(wait: Wait, priority: Option<Priority>, error: Option<Errno>) -> Wake {
    let urgency = urgency(priority);
    Wake { thread: wait.thread, number: wait.number, urgency, error }
}

/// When it was decided lists do not say: that is for `waiting.rs`, where it matters.
fn urgency(priority: Option<Priority>) -> Option<Urgency> {
    priority.map(|priority| Urgency { priority, since: Moment::default() })
}

impl Told {
    /// The same without the moments of decisions.
    pub(crate) fn timeless(self) -> Self {
        let bare = |it: Option<Urgency>| urgency(it.map(|it| it.priority));
        let wake = |it: Wake| Wake { urgency: bare(it.urgency), ..it };
        match self {
            Self::Refused(it) => Self::Refused(wake(it)),
            Self::HandedOver(wait, it) => Self::HandedOver(wait, wake(it)),
            Self::Message(receipt, Message { urgency, timed }) => {
                Self::Message(receipt, Message { urgency: bare(urgency), timed })
            }
            Self::Waiting(wait, urgency) => Self::Waiting(wait, bare(urgency)),
            Self::Answered(it, error) => Self::Answered(wake(it), error),
            Self::Woken(it) => Self::Woken(it.map(wake)),
            other => other,
        }
    }
}

type Key = (usize, u64);

const fn key((table, id): Place) -> Key {
    (table, id.to_register())
}

#[derive(Clone, Debug)]
pub(crate) struct Chan {
    pub(crate) place: Place,
    pub(crate) is_fixed: bool,
    pub(crate) queues: [Vec<usize>; 4],
    /// Who has asked for a message last, or was given one, or was told to ask again.
    server: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) threads: Vec<Thread>,
    pub(crate) channels: BTreeMap<Key, Chan>,
    pub(crate) machine: Machine,
    arrivals: u64,
}

impl Spec {
    pub(crate) fn new() -> Self {
        let thread = |number| {
            let base = Priority::new(5);
            Thread {
                wait: None,
                place: None,
                queue: Which::Send,
                from: Which::Send,
                guest: Guest::bare(name(number), base),
                received: 0,
                arrival: 0,
                waits: 0,
                last: None,
                outcome: None,
                priority: base,
                base,
                serves: None,
            }
        };
        let threads = (0..THREADS).map(thread).collect();
        let (channels, machine) = (BTreeMap::new(), Machine::new());
        Self { threads, channels, machine, arrivals: 0 }
    }

    pub(crate) fn create(&mut self, place: Place, flags: ChannelFlags) {
        let is_fixed = flags.has(ChannelFlags::FIXED_PRIORITY);
        let queues = Default::default();
        let chan = Chan { place, is_fixed, queues, server: None };
        assert!(self.channels.insert(key(place), chan).is_none(), "a name was given twice");
    }

    pub(crate) fn chan(&self, place: Place) -> Option<&Chan> {
        self.channels.get(&key(place))
    }

    fn chan_mut(&mut self, place: Place) -> &mut Chan {
        self.channels.get_mut(&key(place)).expect("it is there")
    }

    pub(crate) fn head(&self, place: Place, which: Which) -> Option<usize> {
        self.chan(place)?.queues[which as usize].first().copied()
    }

    /// Who stands in a queue by priority, and at which.
    fn level(&self, thread: usize, which: Which) -> u8 {
        match which {
            Which::Send | Which::Receive => self.threads[thread].guest.priority.level(),
            Which::Reply | Which::Copying => 0,
        }
    }

    fn enter(&mut self, thread: usize, which: Which, is_before: impl Fn(&Thread, &Thread) -> bool) {
        let place = self.threads[thread].place.expect("it waits");
        let level = self.level(thread, which);
        let queue = &self.chan(place).expect("it is there").queues[which as usize];
        let at = queue.iter().position(|&other| {
            let theirs = self.level(other, which);
            theirs < level
                || theirs == level && is_before(&self.threads[thread], &self.threads[other])
        });
        let at = at.unwrap_or(queue.len());
        self.threads[thread].queue = which;
        self.chan_mut(place).queues[which as usize].insert(at, thread);
    }

    fn leave(&mut self, thread: usize) {
        let (place, which) =
            (self.threads[thread].place.expect("waits"), self.threads[thread].queue);
        let queue = &mut self.chan_mut(place).queues[which as usize];
        let at = queue.iter().position(|other| *other == thread).expect("it stands there");
        queue.remove(at);
    }

    fn put(&mut self, thread: usize, place: Place, which: Which, guest: Guest) -> Wait {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let it = &mut self.threads[thread];
        assert!(it.wait.is_none(), "a thread waits at one place");
        it.waits += 1;
        let wait = Wait { channel: place.1, thread: name(thread), number: it.waits };
        (it.wait, it.place, it.guest, it.received) = (Some(wait), Some(place), guest, 0);
        (it.last, it.arrival) = (Some((place, wait)), arrival);
        self.enter(thread, which, |_, _| false);
        wait
    }

    pub(crate) fn wait(&self, thread: usize) -> Wait {
        self.threads[thread].wait.expect("it waits")
    }

    /// A wait ends; each does once.
    pub(crate) fn end(&mut self, thread: usize, outcome: Outcome) -> Wait {
        self.leave(thread);
        let it = &mut self.threads[thread];
        (it.place, it.outcome) = (None, Some(outcome));
        it.wait.take().expect("it waits")
    }

    fn fail(&mut self, thread: usize, error: Errno) -> Wake {
        let wait = self.end(thread, Outcome::Failed(error));
        woken(wait, None, Some(error))
    }

    fn engage(&mut self, thread: usize) -> Told {
        self.leave(thread);
        self.threads[thread].from = self.threads[thread].queue;
        self.enter(thread, Which::Copying, |_, _| false);
        Told::Long(self.wait(thread))
    }

    fn is_connected(&self, client: usize) -> bool {
        !self.machine.gone.contains(&self.threads[client].guest.coid)
    }

    /// The server that a queued client makes urgent.
    fn server(&self, place: Place) -> Option<usize> {
        let chan = self.chan(place).expect("it is there");
        chan.server.filter(|_| !chan.is_fixed)
    }

    /// Judges what the kernel does about a client of that priority which is queued: it
    /// may say more than once what the server is already.
    pub(crate) fn judge_boost(&self, place: Place, priority: Priority, boost: Option<Boost>) {
        let server = self.server(place);
        if let Some(boost) = boost {
            assert_eq!((boost.channel, boost.urgency.priority), (place.1, priority));
            assert_eq!(Some(number(boost.server)), server);
        } else if let Some(server) = server {
            let server = &self.threads[server];
            let serves = server.serves == Some(place);
            assert!(!serves || server.priority >= priority, "{server:?} is needed at {priority:?}");
        }
    }

    pub(crate) fn send(&mut self, client: usize, place: Place, guest: Guest, real: &Told) -> Told {
        if self.chan(place).is_none() {
            return Told::NoChannel;
        }
        // Who is queued already is not overtaken.
        let is_first = self.head(place, Which::Send).is_none();
        if let Some(server) = self.head(place, Which::Receive).filter(|_| is_first) {
            return self.meet(client, server, place, guest);
        }
        let server = self.server(place);
        let full = server.and_then(|server| self.machine.can_wake(client, server).err());
        if let Told::Full(hart) = *real {
            assert_eq!(full, Some(hart), "nobody is there");
            return Told::Full(hart);
        }
        let boost = if let Told::Queued(_, boost) = *real { boost } else { None };
        assert!(boost.is_none() || full.is_none(), "it cannot be told");
        self.judge_boost(place, guest.priority, boost);
        Told::Queued(self.put(client, place, Which::Send, guest), boost)
    }

    fn meet(&mut self, client: usize, server: usize, place: Place, guest: Guest) -> Told {
        if let Err(hart) = self.machine.can_wake(client, server) {
            return Told::Full(hart);
        }
        let into = self.threads[server].guest.into;
        let copied = guest.out.length.min(into.length);
        if copied > at_once(guest.out, into) {
            return self.engage(server);
        }
        match self.machine.memories.copy(client, (client, guest.out), (server, into)) {
            Ok(()) => self.hand_over(client, server, place, guest, copied),
            Err(Fault::Own) => Told::Failed(Errno::EFAULT),
            Err(Fault::Peer) => Told::Refused(self.fail(server, Errno::EFAULT)),
        }
    }

    fn hand_over(
        &mut self,
        client: usize,
        server: usize,
        place: Place,
        guest: Guest,
        copied: usize,
    ) -> Told {
        let wait = self.put(client, place, Which::Reply, guest);
        self.threads[client].received = copied;
        let receipt = Receipt { id: MessageId::of(wait), copied, sent: guest.out.length };
        let priority = self.inherit(place, server, guest.priority);
        let over = self.end(server, Outcome::Received(receipt));
        self.threads[server].priority = priority.unwrap_or(self.threads[server].priority);
        Told::HandedOver(wait, woken(over, priority, None))
    }

    /// The server runs at the client's priority, up or down; or at that of who is queued,
    /// if that is more urgent.
    fn inherit(&mut self, place: Place, server: usize, priority: Priority) -> Option<Priority> {
        if self.chan(place)?.is_fixed {
            return None;
        }
        self.chan_mut(place).server = Some(server);
        let queued = self.head(place, Which::Send).map(|head| self.threads[head].guest.priority);
        Some(queued.map_or(priority, |queued| queued.max(priority)))
    }

    pub(crate) fn receive(&mut self, server: usize, place: Place, guest: Guest) -> Told {
        if self.chan(place).is_none() {
            return Told::NoChannel;
        }
        let Some(client) = self.head(place, Which::Send) else {
            self.chan_mut(place).server = Some(server);
            let base = self.threads[server].base;
            (self.threads[server].serves, self.threads[server].priority) = (Some(place), base);
            let guest = Guest { priority: base, ..guest };
            let wait = self.put(server, place, Which::Receive, guest);
            let is_fixed = self.chan(place).is_some_and(|it| it.is_fixed);
            return Told::Waiting(wait, urgency(Some(base).filter(|_| !is_fixed)));
        };
        if let Err(hart) = self.machine.can_wake(server, client) {
            return Told::Full(hart);
        }
        if !self.is_connected(client) {
            return Told::Refused(self.fail(client, Errno::EBADF));
        }
        let out = self.threads[client].guest.out;
        let copied = out.length.min(guest.into.length);
        if copied > at_once(out, guest.into) {
            return self.engage(client);
        }
        match self.machine.memories.copy(server, (client, out), (server, guest.into)) {
            Ok(()) => self.accept(server, client, copied),
            Err(Fault::Own) => Told::Failed(Errno::EFAULT),
            Err(Fault::Peer) => Told::Refused(self.fail(client, Errno::EFAULT)),
        }
    }

    fn accept(&mut self, server: usize, client: usize, copied: usize) -> Told {
        let place = self.threads[client].place.expect("it waits");
        self.leave(client);
        self.enter(client, Which::Reply, |_, _| false);
        self.threads[client].received = copied;
        let (wait, guest) = (self.wait(client), self.threads[client].guest);
        let priority = self.inherit(place, server, guest.priority);
        let it = &mut self.threads[server];
        (it.serves, it.priority) = (Some(place), priority.unwrap_or(it.base));
        let receipt = Receipt { id: MessageId::of(wait), copied, sent: guest.out.length };
        let timed = (guest.timeouts != 0).then_some(wait);
        Told::Message(receipt, Message { urgency: urgency(priority), timed })
    }

    /// Who waits for the answer to that message, which was sent to that process.
    pub(crate) fn client(&self, table: usize, message: MessageId) -> Option<usize> {
        (0..THREADS).find(|&thread| {
            let it = &self.threads[thread];
            it.wait.is_some_and(|wait| MessageId::of(wait) == message)
                && it.queue == Which::Reply
                && it.place.is_some_and(|place| place.0 == table)
        })
    }

    pub(crate) fn answer(
        &mut self,
        server: usize,
        table: usize,
        message: MessageId,
        bytes: Option<UserBytes>,
        outcome: Outcome,
    ) -> Told {
        let Some(client) = self.client(table, message) else { return Told::Failed(Errno::ESRCH) };
        if let Err(hart) = self.machine.can_wake(server, client) {
            return Told::Full(hart);
        }
        if !self.is_connected(client) {
            return Told::Refused(self.fail(client, Errno::EBADF));
        }
        let into = self.threads[client].guest.into;
        if let Some(from) = bytes {
            if from.length.min(into.length) > at_once(from, into) {
                return self.engage(client);
            }
            if let Err(fault) = self.machine.memories.copy(server, (server, from), (client, into)) {
                let error = blame(fault);
                return Told::Answered(self.fail(client, error), Some(error));
            }
        }
        self.answered(client, outcome)
    }

    fn answered(&mut self, client: usize, outcome: Outcome) -> Told {
        let wait = self.end(client, outcome);
        Told::Answered(woken(wait, None, None), None)
    }

    /// Whether a long copy's peer is still in its hands.
    fn is_engaged(&self, peer: usize, wait: Wait) -> bool {
        let it = &self.threads[peer];
        it.wait == Some(wait) && it.queue == Which::Copying
    }

    /// One part.
    pub(crate) fn go_on(&mut self, me: usize, call: &mut Copy) -> Told {
        if !self.is_engaged(call.peer, call.wait) {
            return Told::Gone;
        }
        // To the end of a page of the other's, or of a part of one.
        let place = call.other.start.get() + call.done;
        let most = at_once(call.own, call.other);
        let part = (most - place % most).min(call.length - call.done);
        let cut = |bytes: UserBytes| UserBytes::new(bytes.start.get() + call.done, part);
        let (own, other) = ((me, cut(call.own)), (call.peer, cut(call.other)));
        let (from, to) = if call.is_given { (own, other) } else { (other, own) };
        if let Err(fault) = self.machine.memories.copy(me, from, to) {
            return Told::Bad(fault);
        }
        call.done += part;
        if call.done == call.length { Told::Copied } else { Told::More }
    }

    /// All is copied.
    pub(crate) fn finish(&mut self, me: usize, call: &Copy, guest: Guest) -> Told {
        let Copy { peer, wait, length, .. } = *call;
        if !self.is_engaged(peer, wait) {
            return Told::Failed(Errno::ESRCH);
        }
        if let Err(hart) = self.machine.can_wake(me, peer) {
            return Told::Full(hart);
        }
        match call.kind {
            Kind::Send => {
                let place = self.threads[peer].place.expect("it waits");
                self.hand_over(me, peer, place, guest, length)
            }
            Kind::Receive => self.accept(me, peer, length),
            Kind::Answer(status) => self.answered(peer, Outcome::Answered(status)),
        }
    }

    /// The peer is told that the copy has failed.
    pub(crate) fn fail_copy(&mut self, me: usize, call: &Copy, error: Errno) -> Told {
        if !self.is_engaged(call.peer, call.wait) {
            return Told::Woken(None);
        }
        match self.machine.can_wake(me, call.peer) {
            Ok(()) => Told::Woken(Some(self.fail(call.peer, error))),
            Err(hart) => Told::Full(hart),
        }
    }

    /// The peer stands where it would if nobody had taken it in hand.
    pub(crate) fn give_back(&mut self, call: &Copy) {
        if self.is_engaged(call.peer, call.wait) {
            self.leave(call.peer);
            let from = self.threads[call.peer].from;
            self.enter(call.peer, from, |it, other| it.arrival < other.arrival);
        }
    }

    /// A receiver that waits beside a client is to ask again, as urgent as that.
    pub(crate) fn rouse(&mut self, me: usize, place: Place) -> Told {
        let (client, server) = (self.head(place, Which::Send), self.head(place, Which::Receive));
        let (Some(client), Some(server)) = (client, server) else { return Told::Woken(None) };
        if let Err(hart) = self.machine.can_wake(me, server) {
            return Told::Full(hart);
        }
        let needed = self.threads[client].guest.priority;
        let priority = self.inherit(place, server, needed);
        let wait = self.end(server, Outcome::Again);
        self.threads[server].priority = priority.unwrap_or(self.threads[server].priority);
        Told::Woken(Some(woken(wait, priority, None)))
    }

    /// A new priority of who waits: behind its new equals.
    pub(crate) fn set_priority(&mut self, thread: usize, priority: Priority) {
        let it = &mut self.threads[thread];
        let has_changed = it.guest.priority != priority;
        it.guest.priority = priority;
        if !has_changed {
            return;
        }
        self.arrivals += 1;
        it.arrival = self.arrivals;
        if matches!(it.queue, Which::Send | Which::Receive) {
            let queue = it.queue;
            self.leave(thread);
            self.enter(thread, queue, |_, _| false);
        }
    }

    /// Everybody, in the order in which the end of the channel wakes them.
    pub(crate) fn destroy(&mut self, place: Place) -> Option<Vec<(Wait, Which)>> {
        let chan = self.chan(place)?.clone();
        let all = Which::ALL.into_iter().zip(chan.queues);
        let woken = all.flat_map(|(which, queue)| queue.into_iter().map(move |it| (it, which)));
        let ended =
            woken.map(|(it, which)| (self.end(it, Outcome::Failed(Errno::ESRCH)), which)).collect();
        self.channels.remove(&key(place));
        Some(ended)
    }
}

/// A long copy, as the caller knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    pub(crate) kind: Kind,
    pub(crate) peer: usize,
    pub(crate) wait: Wait,
    pub(crate) own: UserBytes,
    pub(crate) other: UserBytes,
    pub(crate) is_given: bool,
    pub(crate) length: usize,
    pub(crate) done: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Send,
    Receive,
    Answer(i64),
}

pub(crate) const fn blame(fault: Fault) -> Errno {
    match fault {
        Fault::Own => Errno::ESRVRFAULT,
        Fault::Peer => Errno::EFAULT,
    }
}
