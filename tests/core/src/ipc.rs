// SPDX-License-Identifier: Apache-2.0
//! Messages between threads of imaginary harts: what the kernel's calls do around
//! the policy of `core::channel::rendezvous`. Messages have lengths and no bytes.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_core::{
    channel::{
        Channel, ChannelFlags, ChannelId, Guest, MessageId, Outcome, Receipt, Wait, Waiters, Which,
        Woken,
        connection::{ConnectionId, Connections, Directory, Target},
        rendezvous::{
            AT_ONCE, Answer, Boost, Carrier, Fault, Got, Message, Obstacle, Progress, Sent,
            Transfer, Urgency, Wake,
        },
        table::ChannelTable,
    },
    handover::HandOver,
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    port::Full,
    sched::{Blocked, Switch},
    straight::Baggage,
    user::UserBytes,
    waiting::{Timeout, Unsettled, Visitor, Waiting},
};
use skimmer_sync::irq::IrqOff;

use crate::{fake::Fake, script::Me, sections::Here};

/// One process that sends to itself: its channels and its connections. They live for
/// ever.
#[derive(Debug)]
pub struct Ipc {
    /// Its channels.
    pub table: ChannelTable,
    /// The records of all threads.
    pub waiters: &'static Waiters,
    connections: Connections<()>,
    directory: RefCell<Directory>,
    /// What threads that were woken straight are to find.
    handed: RefCell<HashMap<ThreadId, Outcome>>,
    /// Messages and answers that went the short way.
    pub straight: [Cell<u64>; 2],
    /// Sections that looked at anything here.
    uses: Cell<u64>,
    /// A wrong way: what handlers leave to do at channels is not done.
    pub settles_nothing: Cell<bool>,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    /// Bytes that are sent and taken.
    pub length: usize,
    /// When it fails.
    pub timeout: Option<Timeout>,
}

impl Call {
    const fn bytes(&self) -> UserBytes {
        UserBytes::new(0, self.length)
    }
}

/// An answer to a message.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Which.
    pub message: MessageId,
    /// What its client finds.
    pub status: i64,
    /// Bytes that come with it.
    pub length: usize,
}

impl Given {
    const fn bytes(&self) -> UserBytes {
        UserBytes::new(0, self.length)
    }

    const fn answer(&self) -> Answer {
        Answer::Bytes(self.status, self.bytes())
    }
}

/// What has become of an answer and a receive in one, if the server does not wait.
enum Both {
    Neither,
    Failed(Errno),
}

enum Step<R> {
    Done(Result<R, Errno>),
    Again,
    Space(HartIndex),
    Long(Transfer),
}

/// What was promised to have space.
fn certain(told: Result<(), Full<()>>) {
    assert!(told.is_ok(), "the ring had space");
}

/// The calling thread.
pub struct Bearer<'a> {
    hart: &'a mut Hart<Fake>,
    irq: &'a IrqOff,
    ipc: &'static Ipc,
}

impl std::fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a thread of {:?}", self.hart)
    }
}

impl Carrier for Bearer<'_> {
    fn give(&mut self, _: UserBytes, _: u64, _: UserBytes) -> Result<(), Fault> {
        Ok(())
    }

    fn fetch(&mut self, _: u64, _: UserBytes, _: UserBytes) -> Result<(), Fault> {
        Ok(())
    }

    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex> {
        self.hart.can_tell(thread)
    }

    fn is_connected(&mut self, _: u64, coid: u64) -> bool {
        self.ipc.is_connected(self.irq, coid)
    }
}

fn stopped<R>(hart: &mut Hart<Fake>, irq: &IrqOff, obstacle: Obstacle) -> Step<R> {
    match obstacle {
        Obstacle::Full(target) => Step::Space(target),
        Obstacle::Refused(other) => {
            certain(hart.wake(irq, &other));
            Step::Again
        }
        Obstacle::Long(transfer) => Step::Long(transfer),
        Obstacle::Failed(error) => Step::Done(Err(error)),
    }
}

/// What follows from a message that was received.
fn take((hart, irq): (&mut Hart<Fake>, &IrqOff), id: ChannelId, receipt: &Receipt, it: Message) {
    bump(&hart.inspect().handed);
    hart.serve(irq, Some(id), it.urgency);
    it.timed.iter().for_each(|wait| certain(hart.tell_received(irq, *wait)));
    hart.note(irq, Event::MsgReceive, id.index(), receipt.id.to_register());
}

/// The current thread is blocked until there is a message.
fn wait_for_message<'h>(
    ipc: &'static Ipc,
    (hart, irq): (&'h mut Hart<Fake>, &IrqOff),
    wait: Wait,
    urgency: Option<Urgency>,
    call: &Call,
) -> Blocked<'h, Fake> {
    hart.serve(irq, Some(wait.channel), urgency);
    let waiting = Waiting::new(&ipc.table, wait, None);
    hart.wait_at_channel(irq, Which::Receive, waiting, call.timeout)
}

/// MsgSend the short way, if that can be.
fn send_straight(
    ipc: &'static Ipc,
    (hart, irq): (&mut Hart<Fake>, &IrqOff),
    id: ConnectionId,
    call: &Call,
) -> Option<Switch<Fake>> {
    if call.timeout.is_some() {
        return None;
    }
    let (table, bytes) = (&ipc.table, call.bytes());
    let (target, sight) = ipc.connections.look(irq, id)?;
    let coid = id.to_register();
    let client = Baggage { table, owner: 0, tid: 0, coid, out: bytes, into: bytes };
    let straight = table.with(irq, ipc.waiters, target.channel, |channel| {
        sight.is_current().then(|| hart.send_straight(irq, channel, &client)).flatten()
    });
    let (passed, receipt) = straight.ok().flatten()?;
    ipc.count_straight(0);
    ipc.hand(hart.current(), Outcome::Received(receipt));
    Some(passed.into_switch())
}

/// MsgReplyReceive the short way, if that can be.
fn answer_straight(
    ipc: &'static Ipc,
    (hart, irq): (&mut Hart<Fake>, &IrqOff),
    given: &Given,
    id: ChannelId,
    call: &Call,
) -> Option<Switch<Fake>> {
    let (table, out, into) = (&ipc.table, given.bytes(), call.bytes());
    let server = Baggage { table, owner: 0, tid: 0, coid: 0, out, into };
    let passed = table.with(irq, ipc.waiters, id, |channel| {
        let is_connected = |irq: &_, _, coid| ipc.is_connected(irq, coid);
        hart.answer_straight(irq, channel, given.message, &server, is_connected)
    });
    let passed = passed.ok().flatten()?;
    ipc.count_straight(1);
    ipc.hand(hart.current(), Outcome::Answered(given.status));
    Some(passed.into_switch())
}

fn is_condemned(hart: &Hart<Fake>) -> bool {
    hart.current_context().is_condemned()
}

impl Ipc {
    /// Nothing yet.
    ///
    /// # Panics
    /// When memory is out.
    #[must_use]
    pub fn new(harts: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            table: ChannelTable::new(harts, 100).expect("memory"),
            waiters: Box::leak(Box::new(Waiters::new(harts).expect("memory"))),
            connections: Connections::new(),
            directory: RefCell::default(),
            handed: RefCell::default(),
            straight: Default::default(),
            uses: Cell::default(),
            settles_nothing: Cell::default(),
        }))
    }

    /// Whether that connection is there.
    #[must_use]
    pub fn is_connected(&self, irq: &IrqOff, coid: u64) -> bool {
        self.connections.is_current(irq, ConnectionId::from_register(coid))
    }

    /// How many sections have looked at anything here.
    #[must_use]
    pub const fn uses(&self) -> u64 {
        self.uses.get()
    }

    /// A section looks at something here.
    pub fn count_use(&self) {
        self.uses.set(self.uses.get() + 1);
    }

    /// The connections.
    #[must_use]
    pub const fn connections(&self) -> &Connections<()> {
        &self.connections
    }

    /// The thread that the hart goes over to was told nothing, and finds that.
    fn hand(&self, thread: ThreadId, outcome: Outcome) {
        let earlier = self.handed.borrow_mut().insert(thread, outcome);
        assert!(earlier.is_none(), "{thread} was handed {earlier:?} and did not look");
    }

    fn count_straight(&self, way: usize) {
        self.straight[way].set(self.straight[way].get() + 1);
    }

    /// Whom a wake has given the hart finds that, which is in its record, too.
    fn follow(&self, handed: HandOver<Fake>, thread: ThreadId, outcome: Outcome) -> Switch<Fake> {
        match handed {
            HandOver::Straight(switch) => {
                assert_eq!(self.waiters.outcome(thread), Some(outcome), "the record says so");
                self.hand(thread, outcome);
                switch
            }
            HandOver::Queued(switch) => switch,
        }
    }

    /// A channel, and a connection to it.
    ///
    /// # Panics
    /// When memory is out.
    pub fn channel(&self, flags: ChannelFlags) -> (ChannelId, ConnectionId) {
        let channel = self.table.create(&Here::at(0), flags).expect("memory");
        (channel, self.attach(channel))
    }

    /// Another connection.
    ///
    /// # Panics
    /// When memory is out.
    pub fn attach(&self, channel: ChannelId) -> ConnectionId {
        let directory = &mut *self.directory.borrow_mut();
        let index = directory.choose(0).expect("few");
        directory.grow(&self.connections, index).expect("memory");
        let target = Target { server: &(), pid: 1, channel, scoid: 1 };
        directory.attach(&Here::at(0), &self.connections, index, &target).expect("few")
    }

    /// Nobody sends on that any more. Whoever is blocked on it is to be told.
    pub fn detach(&self, id: ConnectionId) -> bool {
        self.count_use();
        self.directory.borrow_mut().detach(&Here::at(0), &self.connections, id).is_some()
    }

    /// Something at a channel, by the current thread of a hart.
    ///
    /// # Errors
    /// `ESRCH` if there is no such channel.
    pub fn with<R>(
        &'static self,
        hart: &mut Hart<Fake>,
        irq: &IrqOff,
        channel: ChannelId,
        work: impl FnOnce(&mut Channel<'_>, &mut Bearer<'_>) -> R,
    ) -> Result<R, Errno> {
        self.count_use();
        let mut bearer = Bearer { hart, irq, ipc: self };
        self.table.with(irq, self.waiters, channel, |channel| work(channel, &mut bearer))
    }
}

impl Me {
    fn caller(&self, ipc: &Ipc, call: &Call, coid: u64) -> Guest {
        ipc.waiters.enrol(self.id()).expect("memory");
        let bytes = call.bytes();
        let timeouts = call.timeout.map_or(0, |it| it.states);
        let guest = Guest::bare(self.id(), Priority::IDLE);
        let record = ipc.waiters.of(self.id());
        Guest { record, out: bytes, into: bytes, coid, timeouts, ..guest }
    }

    /// One section of a client.
    async fn client(
        &self,
        ipc: &'static Ipc,
        (id, begins): (ConnectionId, bool),
        call: &Call,
        work: impl FnOnce(&mut Channel<'_>, &Guest, &mut Bearer<'_>) -> Result<Sent, Obstacle>,
    ) -> Option<Step<i64>> {
        let guest = self.caller(ipc, call, id.to_register());
        self.attempt(|hart, irq| {
            ipc.count_use();
            if is_condemned(hart) {
                return Ok(Step::Done(Err(Errno::EINTR)));
            }
            if begins && let Some(switch) = send_straight(ipc, (hart, irq), id, call) {
                return Err(switch);
            }
            let Some(target) = ipc.connections.find(irq, id) else {
                return Ok(Step::Done(Err(Errno::EBADF)));
            };
            let guest = Guest { priority: hart.visitor(ipc.waiters).priority, ..guest };
            let sent = ipc.with(hart, irq, target.channel, |channel, by| {
                if !ipc.connections.is_current(irq, id) {
                    return Err(Obstacle::Failed(Errno::EBADF));
                }
                work(channel, &guest, by)
            });
            let (wait, queue, server) = match sent.unwrap_or(Err(Obstacle::Failed(Errno::EBADF))) {
                Ok(Sent::Received(wait, server, copied)) => {
                    bump(&hart.inspect().handed);
                    let receipt = Receipt { id: MessageId::of(wait), copied, sent: call.length };
                    (wait, Which::Reply, Some((server, receipt)))
                }
                Ok(Sent::Queued(wait, boost)) => {
                    boost.iter().for_each(|boost| certain(hart.boost(irq, boost)));
                    (wait, Which::Send, None)
                }
                Err(obstacle) => return Ok(stopped(hart, irq, obstacle)),
            };
            let message = MessageId::of(wait).to_register();
            hart.note(irq, Event::MsgSend, wait.channel.index(), message);
            let waiting = Waiting::new(&ipc.table, wait, Some(id));
            let blocked = hart.wait_at_channel(irq, queue, waiting, call.timeout);
            Err(match server {
                Some((server, receipt)) => {
                    let handed = blocked.hand_over(irq, &server);
                    ipc.follow(handed, server.thread, Outcome::Received(receipt))
                }
                None => blocked.switch(irq),
            })
        })
        .await
    }

    /// What became of the wait.
    fn outcome(&self, ipc: &'static Ipc) -> Outcome {
        if let Some(outcome) = ipc.handed.borrow_mut().remove(&self.id()) {
            return outcome;
        }
        ipc.waiters.outcome(self.id()).expect("whoever ends a wait says why")
    }

    /// Sends, and waits for the answer.
    ///
    /// # Errors
    /// As the kernel's call.
    ///
    /// # Panics
    /// If it is given what a client is not.
    pub async fn msg_send(
        &self,
        ipc: &'static Ipc,
        id: ConnectionId,
        call: Call,
    ) -> Result<i64, Errno> {
        let mut begins = true;
        loop {
            let who = (id, std::mem::take(&mut begins));
            let step = self.client(ipc, who, &call, |channel, guest, by| channel.send(guest, by));
            let step = match step.await {
                Some(Step::Long(transfer)) => {
                    let sent = async |transfer: &Transfer| {
                        self.client(ipc, (id, false), &call, |channel, guest, by| {
                            transfer.sent(channel, guest, by)
                        })
                        .await
                    };
                    self.long(ipc, &call, transfer, sent).await
                }
                step => step,
            };
            match step {
                None => match self.outcome(ipc) {
                    Outcome::Answered(status) => return Ok(status),
                    Outcome::Failed(error) => return Err(error),
                    Outcome::Again => {}
                    Outcome::Received(_) => panic!("a client receives nothing"),
                },
                Some(Step::Done(result)) => return result,
                Some(Step::Space(hart)) => self.wait_for_space(hart).await,
                Some(Step::Again | Step::Long(_)) => {}
            }
        }
    }

    /// Copies all of a long message, and has the call go on as after a short one.
    async fn long<R>(
        &self,
        ipc: &'static Ipc,
        call: &Call,
        mut transfer: Transfer,
        attempt: impl AsyncFn(&Transfer) -> Option<Step<R>>,
    ) -> Option<Step<R>> {
        match self.carry(ipc, call, &mut transfer).await {
            Progress::Done => {}
            Progress::Gone => return Some(Step::Again),
            Progress::More | Progress::Failed(_) => {
                self.give_up(ipc, &transfer).await;
                return Some(Step::Done(Err(Errno::EINTR)));
            }
        }
        loop {
            match attempt(&transfer).await {
                Some(Step::Space(hart)) => self.wait_for_space(hart).await,
                Some(Step::Done(Err(Errno::ESRCH))) => return Some(Step::Again),
                Some(Step::Done(Err(error))) => {
                    self.give_up(ipc, &transfer).await;
                    return Some(Step::Done(Err(error)));
                }
                step => return step,
            }
        }
    }

    /// Part by part; more is left only of who is to end.
    async fn carry(&self, ipc: &'static Ipc, call: &Call, transfer: &mut Transfer) -> Progress {
        let own = call.bytes();
        loop {
            let (progress, is_over) = self
                .section(|hart, irq| {
                    let channel = transfer.peer().channel;
                    let part = ipc
                        .with(hart, irq, channel, |channel, by| transfer.go_on(channel, own, by));
                    (part.unwrap_or(Progress::Gone), is_condemned(hart))
                })
                .await;
            if !matches!(progress, Progress::More) || is_over {
                return progress;
            }
        }
    }

    /// The peer goes back, and whoever waits is to look for it.
    async fn give_up(&self, ipc: &'static Ipc, transfer: &Transfer) {
        let channel = transfer.peer().channel;
        self.section(|hart, irq| {
            let _gone = ipc.with(hart, irq, channel, |channel, _| transfer.give_up(channel));
        })
        .await;
        loop {
            let roused = self
                .section(|hart, irq| {
                    let roused = ipc.with(hart, irq, channel, |channel, by| channel.rouse(by));
                    let woken = roused.unwrap_or(Ok(None))?;
                    woken.iter().for_each(|woken| certain(hart.wake(irq, woken)));
                    Ok(woken.is_some())
                })
                .await;
            match roused {
                Ok(true) => {}
                Ok(false) => return,
                Err(target) => self.wait_for_space(target).await,
            }
        }
    }

    /// One section of a server.
    async fn server(
        &self,
        ipc: &'static Ipc,
        id: ChannelId,
        call: &Call,
        work: impl FnOnce(&mut Channel<'_>, &Guest, Priority, &mut Bearer<'_>) -> Result<Got, Obstacle>,
    ) -> Option<Step<Receipt>> {
        let guest = self.caller(ipc, call, 0);
        self.attempt(|hart, irq| {
            if is_condemned(hart) {
                return Ok(Step::Done(Err(Errno::EINTR)));
            }
            let Visitor { priority, base, .. } = hart.visitor(ipc.waiters);
            let guest = Guest { priority, ..guest };
            let got = ipc.with(hart, irq, id, |channel, by| work(channel, &guest, base, by));
            match got.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                Ok(Got::Message(receipt, message)) => {
                    take((hart, irq), id, &receipt, message);
                    Ok(Step::Done(Ok(receipt)))
                }
                Ok(Got::Waiting(wait, urgency)) => {
                    Err(wait_for_message(ipc, (hart, irq), wait, urgency, call).switch(irq))
                }
                Err(obstacle) => Ok(stopped(hart, irq, obstacle)),
            }
        })
        .await
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// As the kernel's call.
    ///
    /// # Panics
    /// If it is given what a server is not.
    pub async fn msg_receive(
        &self,
        ipc: &'static Ipc,
        id: ChannelId,
        call: Call,
    ) -> Result<Receipt, Errno> {
        loop {
            let step = self.server(ipc, id, &call, |channel, guest, base, by| {
                channel.receive(guest, base, by)
            });
            let step = match step.await {
                Some(Step::Long(transfer)) => {
                    let received = async |transfer: &Transfer| {
                        self.server(ipc, id, &call, |channel, guest, _, by| {
                            transfer.received(channel, guest, by)
                        })
                        .await
                    };
                    self.long(ipc, &call, transfer, received).await
                }
                step => step,
            };
            match step {
                None => match self.outcome(ipc) {
                    Outcome::Received(receipt) => return Ok(receipt),
                    Outcome::Failed(error) => return Err(error),
                    Outcome::Again => {}
                    Outcome::Answered(_) => panic!("a server is answered nothing"),
                },
                Some(Step::Done(result)) => return result,
                Some(Step::Space(hart)) => self.wait_for_space(hart).await,
                Some(Step::Again | Step::Long(_)) => {}
            }
        }
    }

    /// Answers with that status and no bytes.
    ///
    /// # Errors
    /// `ESRCH` if nobody waits for that.
    pub async fn msg_reply(
        &self,
        ipc: &'static Ipc,
        message: MessageId,
        status: i64,
    ) -> Result<(), Errno> {
        self.answer(ipc, &Given { message, status, length: 0 }).await
    }

    async fn answer(&self, ipc: &'static Ipc, given: &Given) -> Result<(), Errno> {
        let (message, answer) = (given.message, given.answer());
        let id = ipc.waiters.channel_of(message).ok_or(Errno::ESRCH)?;
        loop {
            let step = self
                .section(|hart, irq| {
                    let answered =
                        ipc.with(hart, irq, id, |channel, by| channel.answer(message, &answer, by));
                    match answered.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                        Ok((client, failed)) => {
                            bump(&hart.inspect().answered);
                            certain(hart.wake(irq, &client));
                            hart.note(irq, Event::MsgReply, id.index(), message.to_register());
                            Step::Done(failed.map_or(Ok(()), Err))
                        }
                        Err(obstacle) => stopped(hart, irq, obstacle),
                    }
                })
                .await;
            match step {
                Step::Done(result) => return result,
                Step::Space(hart) => self.wait_for_space(hart).await,
                Step::Long(transfer) => return self.answer_long(ipc, given, transfer).await,
                Step::Again => {}
            }
        }
    }

    /// The same for more than is copied at once.
    async fn answer_long(
        &self,
        ipc: &'static Ipc,
        given: &Given,
        mut transfer: Transfer,
    ) -> Result<(), Errno> {
        let (own, channel) =
            (Call { length: given.length, timeout: None }, transfer.peer().channel);
        match self.carry(ipc, &own, &mut transfer).await {
            Progress::Done => {}
            Progress::Gone => return Err(Errno::ESRCH),
            Progress::More | Progress::Failed(_) => {
                self.give_up(ipc, &transfer).await;
                return Err(Errno::EINTR);
            }
        }
        loop {
            let step = self
                .section(|hart, irq| {
                    let answered = ipc.with(hart, irq, channel, |channel, by| {
                        transfer.answered(channel, given.status, by)
                    });
                    match answered.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                        Ok(client) => {
                            bump(&hart.inspect().answered);
                            certain(hart.wake(irq, &client));
                            Step::Done(Ok(()))
                        }
                        Err(obstacle) => stopped(hart, irq, obstacle),
                    }
                })
                .await;
            match step {
                Step::Done(result) => return result,
                Step::Space(hart) => self.wait_for_space(hart).await,
                Step::Again | Step::Long(_) => {}
            }
        }
    }

    /// Answers, and waits for a message.
    ///
    /// # Errors
    /// As the kernel's call: 1 of the answer, 2 of the receive.
    ///
    /// # Panics
    /// If it is given what a server is not.
    pub async fn msg_reply_receive(
        &self,
        ipc: &'static Ipc,
        given: Given,
        id: ChannelId,
        call: Call,
    ) -> Result<Receipt, (Errno, u8)> {
        if call.timeout.is_none() && given.length <= AT_ONCE {
            match self.answer_and_wait(ipc, &given, id, &call).await {
                Some(Both::Neither) => {}
                Some(Both::Failed(error)) => return Err((error, 1)),
                None => match self.outcome(ipc) {
                    Outcome::Received(receipt) => return Ok(receipt),
                    Outcome::Failed(error) => return Err((error, 2)),
                    Outcome::Again => {
                        return self.msg_receive(ipc, id, call).await.map_err(|error| (error, 2));
                    }
                    Outcome::Answered(_) => panic!("a server is answered nothing"),
                },
            }
        }
        self.answer(ipc, &given).await.map_err(|error| (error, 1))?;
        self.msg_receive(ipc, id, call).await.map_err(|error| (error, 2))
    }

    /// Answers a message of the same channel and waits there for the next, if no client is
    /// queued: the short way, or at least in one section.
    async fn answer_and_wait(
        &self,
        ipc: &'static Ipc,
        given: &Given,
        id: ChannelId,
        call: &Call,
    ) -> Option<Both> {
        let guest = self.caller(ipc, call, 0);
        self.attempt(|hart, irq| {
            ipc.count_use();
            if let Some(switch) = answer_straight(ipc, (hart, irq), given, id, call) {
                return Err(switch);
            }
            let Visitor { priority, base, .. } = hart.visitor(ipc.waiters);
            let guest = Guest { priority, ..guest };
            let both = ipc.with(hart, irq, id, |channel, by| {
                if !channel.is_empty(Which::Send) {
                    return Ok(None);
                }
                let (client, failed) = channel.answer(given.message, &given.answer(), by)?;
                assert!(failed.is_none(), "messages have no bytes here");
                Ok(Some((client, channel.receive(&guest, base, by)?)))
            });
            let (client, got) = match both.unwrap_or(Ok(None)) {
                Ok(Some(both)) => both,
                Ok(None) => return Ok(Both::Neither),
                Err(obstacle) => {
                    let _ = stopped::<()>(hart, irq, obstacle);
                    return Ok(Both::Neither);
                }
            };
            bump(&hart.inspect().answered);
            hart.note(irq, Event::MsgReply, id.index(), given.message.to_register());
            let Got::Waiting(wait, urgency) = got else {
                certain(hart.wake(irq, &client));
                return Ok(Both::Failed(Errno::EINTR));
            };
            let blocked = wait_for_message(ipc, (hart, irq), wait, urgency, call);
            let handed = blocked.hand_over(irq, &client);
            Err(ipc.follow(handed, client.thread, Outcome::Answered(given.status)))
        })
        .await
    }

    /// Tells until there is space for it.
    pub async fn tell(&self, tell: impl Fn(&mut Hart<Fake>, &IrqOff) -> Result<(), Full<()>>) {
        while let Err(full) = self.section(&tell).await {
            self.after_space(full).await;
        }
    }

    /// Ends a channel.
    ///
    /// # Errors
    /// `EINVAL` if there is none.
    pub async fn channel_destroy(&self, ipc: &'static Ipc, id: ChannelId) -> Result<(), Errno> {
        let (mut woken, here) = (Vec::new(), Here::at(self.id().home().get()));
        ipc.table.destroy(&here, ipc.waiters, id, |one| woken.push(one))?;
        for one in woken {
            let wake = Wake::from(one);
            self.tell(|hart, irq| hart.wake(irq, &wake)).await;
        }
        Ok(())
    }

    /// Gives a connection up, and tells those threads.
    pub async fn connect_detach(&self, ipc: &'static Ipc, id: ConnectionId, threads: &[ThreadId]) {
        if self.section(|_, _| ipc.detach(id)).await {
            for &thread in threads {
                self.tell(|hart, irq| hart.tell_detached(irq, thread, id)).await;
            }
        }
    }

    /// Does to a wait what a handler left to do.
    pub(crate) async fn settle(&self, ipc: &'static Ipc, unsettled: &Unsettled) {
        let Unsettled { waiting: Waiting { table, wait, .. }, ending, priority, .. } = *unsettled;
        ipc.count_use();
        if ipc.settles_nothing.get() {
            return;
        }
        let settled = self
            .section(|_, irq| {
                table.with_waits(irq, ipc.waiters, wait.channel, |channel| {
                    let queue = channel.queue_of(wait)?;
                    if let Some(error) = ending.filter(|_| unsettled.ends_in(queue)) {
                        return channel.end(wait, error).map(Settled::Ended);
                    }
                    channel.set_priority(wait, priority);
                    channel.boost_for(queue, priority).map(Settled::Boost)
                })
            })
            .await;
        match settled.flatten() {
            Some(Settled::Ended(woken)) => {
                let wake = Wake::from(woken);
                self.tell(|hart, irq| hart.wake(irq, &wake)).await;
            }
            Some(Settled::Boost(boost)) => self.tell(|hart, irq| hart.boost(irq, &boost)).await,
            None => {}
        }
    }
}

enum Settled {
    Ended(Woken),
    Boost(Boost),
}
