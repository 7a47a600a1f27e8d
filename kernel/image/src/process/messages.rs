// SPDX-License-Identifier: Apache-2.0
//! Messages between programs: the calls, around the policy of
//! `core::channel::rendezvous`.
//!
//! Each call is a loop of masked sections. In each the policy looks, copies and
//! decides under the channel's lock; what it says is done outside of the lock and in
//! the same section: somebody is woken, the caller is blocked. What needs a ring that
//! is full, or more copying than one section is for, ends the section.

use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::{call::MsgInfo, errno::Errno, inspect::bump, trace::Event};
use skimmer_arch::{
    cpu::{Riscv, enter},
    irq::masked,
    stack,
    user::Call,
    user_copy,
};
use skimmer_core::{
    channel::{
        Channel, ChannelId, Guest, MessageId, Outcome, Receipt, Wait, Which,
        connection::{ConnectionId, Target},
        rendezvous::{
            Answer, Boost, Carrier, Fault, Got, Message, Obstacle, Progress, Sent, Transfer, Wake,
        },
        table::ChannelTable,
    },
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    port::Full,
    process::Tid,
    sched::Switch,
    user::{UserAddr, UserBytes},
    waiting::{Timeout, Unsettled, Waiting},
};
use skimmer_sync::irq::IrqOff;

use super::{Process, channels::waiters, rooms};
use crate::{lwkt, smp};

/// What one masked section has come to.
enum Step<R> {
    /// The call's result.
    Done(R),
    /// The caller was blocked, and is awake.
    Woken,
    /// Once more.
    Again,
    /// Once more, when that ring has space.
    Space(HartIndex),
    /// A long copy comes first.
    Long(Copying),
}

/// A long copy, and where its peer waits.
struct Copying {
    table: &'static ChannelTable,
    transfer: Transfer,
}

type Section<R> = (Step<Result<R, Errno>>, Option<Switch<Riscv>>);

/// How bytes move and threads are told, from the calling thread.
struct Bearer<'a> {
    hart: &'a mut Hart<Riscv>,
    irq: &'a IrqOff,
}

impl Carrier for Bearer<'_> {
    fn give(&mut self, from: UserBytes, peer: &Guest, to: UserBytes) -> Result<(), Fault> {
        user_copy::give(self.irq, from, &rooms::at(peer.owner).loaded, to)
    }

    fn fetch(&mut self, peer: &Guest, from: UserBytes, to: UserBytes) -> Result<(), Fault> {
        user_copy::fetch(self.irq, &rooms::at(peer.owner).loaded, from, to)
    }

    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex> {
        self.hart.can_tell(thread)
    }

    fn is_connected(&mut self, client: &Guest) -> bool {
        let id = ConnectionId::from_register(client.coid);
        rooms::at(client.owner).connections.is_current(self.irq, id)
    }
}

/// What was promised to have space.
fn certain(told: Result<(), Full<()>>) {
    if told.is_err() {
        unreachable!("the ring had space, and only this hart fills it");
    }
}

fn bytes(start: u64, length: u64) -> Result<UserBytes, Errno> {
    if length > isize::MAX as u64 {
        return Err(Errno::EOVERFLOW);
    }
    Ok(UserBytes::new(start as usize, length as usize))
}

fn judged(range: UserBytes) -> Result<UserBytes, Errno> {
    user_copy::judge_range(range).map(|()| range)
}

/// Wakes a thread whose wait is over, wherever it lives.
pub(super) fn wake(wake: &Wake) {
    lwkt::tell(|hart, irq| hart.wake(irq, wake));
}

/// What became of the caller's wait.
fn outcome() -> Outcome {
    match waiters().outcome(lwkt::current()) {
        Some(outcome) => outcome,
        None => unreachable!("whoever ends a wait says why"),
    }
}

/// A client's call.
struct Sender {
    process: &'static Process,
    id: ConnectionId,
    guest: Guest,
    timeout: Option<Timeout>,
}

impl Sender {
    fn new(
        process: &'static Process,
        me: Tid,
        timeout: Option<Timeout>,
        [coid, out, sent, into, room, ..]: [u64; 7],
    ) -> Result<Self, Errno> {
        let guest = Guest {
            owner: process.number,
            tid: me.to_word(),
            coid,
            out: judged(bytes(out, sent)?)?,
            into: judged(bytes(into, room)?)?,
            timeouts: timeout.map_or(0, |it| it.states),
            ..Guest::bare(lwkt::current(), Priority::IDLE)
        };
        Ok(Self { process, id: ConnectionId::from_register(coid), guest, timeout })
    }

    /// Does something at the channel, if the connection is there, and follows.
    fn at_channel(
        &mut self,
        work: impl FnOnce(&mut Channel<'_>, &Guest, &mut Bearer<'_>) -> Result<Sent, Obstacle>,
    ) -> Step<Result<i64, Errno>> {
        enter(|hart, irq| {
            if stack::am_condemned() {
                return (Step::Done(Err(Errno::EINTR)), None);
            }
            let Some(target) = self.process.connections.find(irq, self.id) else {
                return (Step::Done(Err(Errno::EBADF)), None);
            };
            self.guest.priority = hart.own_priorities().0;
            let table = &target.server.channels;
            let sent = table.with(irq, waiters(), target.channel, |channel| {
                self.is_open(irq, &target, channel)?;
                work(channel, &self.guest, &mut Bearer { hart, irq })
            });
            self.follow(hart, irq, &target, sent.unwrap_or(Err(Obstacle::Failed(Errno::EBADF))))
        })
    }

    /// Looks once more at the connection, and at the server, under the channel's lock.
    fn is_open(
        &self,
        irq: &IrqOff,
        target: &Target<Process>,
        channel: &mut Channel<'_>,
    ) -> Result<(), Obstacle> {
        let Target { server, pid, .. } = *target;
        if server.channels.owner() != pid || !self.process.connections.is_current(irq, self.id) {
            return Err(Obstacle::Failed(Errno::EBADF));
        }
        let is_ending = server.is_ending.load(Ordering::Relaxed);
        if is_ending && channel.is_empty(Which::Receive) {
            return Err(Obstacle::Failed(Errno::ENXIO));
        }
        Ok(())
    }

    fn follow(
        &self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        target: &Target<Process>,
        sent: Result<Sent, Obstacle>,
    ) -> Section<i64> {
        let (wait, queue) = match sent {
            Ok(Sent::Received(wait, server)) => {
                bump(&hart.inspect().handed);
                certain(hart.wake(irq, &server));
                (wait, Which::Reply)
            }
            Ok(Sent::Queued(wait, boost)) => {
                boost.iter().for_each(|boost| certain(hart.boost(irq, boost)));
                (wait, Which::Send)
            }
            Err(obstacle) => {
                return (stopped(hart, irq, &target.server.channels, obstacle), None);
            }
        };
        note(hart, irq, Event::MsgSend, wait);
        let waiting = Waiting::new(&target.server.channels, wait, Some(self.id), self.timeout);
        (Step::Woken, Some(hart.wait_at_channel(irq, queue, waiting).switch(irq)))
    }

    /// Copies a long message to the server, and hands it over.
    fn carry(&mut self, mut copying: Copying) -> Step<Result<i64, Errno>> {
        let error = match copying.carry() {
            Progress::Done => return self.hand_over(&copying),
            Progress::Gone => return Step::Again,
            Progress::Failed(Fault::Peer) => {
                copying.fail(Errno::EFAULT);
                return Step::Again;
            }
            Progress::Failed(Fault::Own) => Errno::EFAULT,
            Progress::More => Errno::EINTR,
        };
        copying.give_up();
        Step::Done(Err(error))
    }

    fn hand_over(&mut self, copying: &Copying) -> Step<Result<i64, Errno>> {
        loop {
            let step =
                self.at_channel(|channel, guest, by| copying.transfer.sent(channel, guest, by));
            match step {
                Step::Space(hart) => lwkt::wait_for_space(hart),
                // The server is gone meanwhile: to the next.
                Step::Done(Err(Errno::ESRCH)) => return Step::Again,
                Step::Done(Err(error)) => {
                    copying.give_up();
                    return Step::Done(Err(error));
                }
                step => return step,
            }
        }
    }
}

/// MsgSend.
pub(super) fn send(
    process: &'static Process,
    me: Tid,
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) -> Result<u64, Errno> {
    let status = send_for_status(process, me, timeout, call.arguments());
    let error = status.err().map_or(0, |error| error as u64);
    call.add_results(error, 0);
    status.map(i64::cast_unsigned)
}

fn send_for_status(
    process: &'static Process,
    me: Tid,
    timeout: Option<Timeout>,
    arguments: [u64; 7],
) -> Result<i64, Errno> {
    let mut sender = Sender::new(process, me, timeout, arguments)?;
    loop {
        let step = match sender.at_channel(|channel, guest, by| channel.send(guest, by)) {
            Step::Long(copying) => sender.carry(copying),
            step => step,
        };
        match step {
            Step::Done(result) => return result,
            Step::Woken => match outcome() {
                Outcome::Answered(status) => return Ok(status),
                Outcome::Failed(error) => return Err(error),
                Outcome::Again => {}
                Outcome::Received(_) => unreachable!("a client receives nothing"),
            },
            Step::Space(hart) => lwkt::wait_for_space(hart),
            Step::Again | Step::Long(_) => {}
        }
    }
}

/// What stands in the way of a call.
fn stopped<R>(
    hart: &mut Hart<Riscv>,
    irq: &IrqOff,
    table: &'static ChannelTable,
    obstacle: Obstacle,
) -> Step<Result<R, Errno>> {
    match obstacle {
        Obstacle::Full(target) => Step::Space(target),
        Obstacle::Refused(other) => {
            certain(hart.wake(irq, &other));
            Step::Again
        }
        Obstacle::Long(transfer) => Step::Long(Copying { table, transfer }),
        Obstacle::Failed(error) => Step::Done(Err(error)),
    }
}

fn note(hart: &Hart<Riscv>, irq: &IrqOff, event: Event, wait: Wait) {
    hart.note(irq, event, wait.channel.index(), MessageId::of(wait).to_register());
}

impl Copying {
    /// Does something at the channel, which may be gone.
    fn at_channel<R>(
        &self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        work: impl FnOnce(&mut Channel<'_>, &mut Bearer<'_>) -> R,
    ) -> Option<R> {
        let channel = self.transfer.peer().channel;
        let work = |channel: &mut Channel<'_>| work(channel, &mut Bearer { hart, irq });
        self.table.with(irq, waiters(), channel, work).ok()
    }

    /// Copies part by part, each in a masked section of its own. More is left only of
    /// a thread that is to end.
    fn carry(&mut self) -> Progress {
        loop {
            let progress = enter(|hart, irq| {
                let Self { table, transfer } = self;
                let channel = transfer.peer().channel;
                let part =
                    |channel: &mut Channel<'_>| transfer.go_on(channel, &mut Bearer { hart, irq });
                let part = table.with(irq, waiters(), channel, part);
                (part.unwrap_or(Progress::Gone), None)
            });
            match progress {
                Progress::More if !stack::am_condemned() => {}
                progress => return progress,
            }
        }
    }

    /// The peer goes back to where it stood.
    fn give_up(&self) {
        self.end(|transfer, channel, by| transfer.give_up(channel, by));
    }

    /// The peer's call fails.
    fn fail(&self, error: Errno) {
        self.end(|transfer, channel, by| transfer.fail(channel, error, by));
    }

    fn end(
        &self,
        how: impl Fn(&Transfer, &mut Channel<'_>, &mut Bearer<'_>) -> Result<Option<Wake>, HartIndex>,
    ) {
        loop {
            let full = enter(|hart, irq| {
                let ended =
                    self.at_channel(hart, irq, |channel, by| how(&self.transfer, channel, by));
                match ended.unwrap_or(Ok(None)) {
                    Ok(woken) => {
                        woken.iter().for_each(|woken| certain(hart.wake(irq, woken)));
                        (None, None)
                    }
                    Err(target) => (Some(target), None),
                }
            });
            match full {
                Some(target) => lwkt::wait_for_space(target),
                None => return,
            }
        }
    }
}

/// A server's call.
struct Receiver {
    process: &'static Process,
    channel: ChannelId,
    guest: Guest,
    timeout: Option<Timeout>,
}

impl Receiver {
    fn at_channel(
        &mut self,
        work: impl FnOnce(&mut Channel<'_>, &Guest, Priority, &mut Bearer<'_>) -> Result<Got, Obstacle>,
    ) -> Step<Result<Receipt, Errno>> {
        enter(|hart, irq| {
            if stack::am_condemned() {
                return (Step::Done(Err(Errno::EINTR)), None);
            }
            let (priority, base) = hart.own_priorities();
            self.guest.priority = priority;
            let got = self.process.channels.with(irq, waiters(), self.channel, |channel| {
                work(channel, &self.guest, base, &mut Bearer { hart, irq })
            });
            self.follow(hart, irq, got.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))))
        })
    }

    fn follow(
        &self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        got: Result<Got, Obstacle>,
    ) -> Section<Receipt> {
        match got {
            Ok(Got::Message(receipt, Message { priority, timed })) => {
                bump(&hart.inspect().handed);
                hart.serve(irq, Some(self.channel));
                match priority {
                    Some(priority) => hart.inherit(irq, priority),
                    None => hart.restore_priority(irq),
                }
                timed.iter().for_each(|wait| certain(hart.tell_received(irq, *wait)));
                let id = receipt.id.to_register();
                hart.note(irq, Event::MsgReceive, self.channel.index(), id);
                (Step::Done(Ok(receipt)), None)
            }
            Ok(Got::Waiting(wait)) => {
                hart.serve(irq, Some(self.channel));
                hart.restore_priority(irq);
                let waiting = Waiting::new(&self.process.channels, wait, None, self.timeout);
                (Step::Woken, Some(hart.wait_at_channel(irq, Which::Receive, waiting).switch(irq)))
            }
            Err(obstacle) => (stopped(hart, irq, &self.process.channels, obstacle), None),
        }
    }

    fn carry(&mut self, mut copying: Copying) -> Step<Result<Receipt, Errno>> {
        let error = match copying.carry() {
            Progress::Done => return self.take_over(&copying),
            Progress::Gone => return Step::Again,
            Progress::Failed(Fault::Peer) => {
                copying.fail(Errno::EFAULT);
                return Step::Again;
            }
            Progress::Failed(Fault::Own) => Errno::EFAULT,
            Progress::More => Errno::EINTR,
        };
        copying.give_up();
        Step::Done(Err(error))
    }

    fn take_over(&mut self, copying: &Copying) -> Step<Result<Receipt, Errno>> {
        loop {
            let step = self
                .at_channel(|channel, guest, _, by| copying.transfer.received(channel, guest, by));
            match step {
                Step::Space(hart) => lwkt::wait_for_space(hart),
                // The client is gone meanwhile: to the next.
                Step::Done(Err(Errno::ESRCH)) => return Step::Again,
                Step::Done(Err(error)) => {
                    copying.give_up();
                    return Step::Done(Err(error));
                }
                step => return step,
            }
        }
    }

    fn run(&mut self) -> Result<Receipt, Errno> {
        loop {
            let step = self.at_channel(|channel, guest, base, by| channel.receive(guest, base, by));
            let step = match step {
                Step::Long(copying) => self.carry(copying),
                step => step,
            };
            match step {
                Step::Done(result) => return result,
                Step::Woken => match outcome() {
                    Outcome::Received(receipt) => {
                        self.note(&receipt);
                        return Ok(receipt);
                    }
                    Outcome::Failed(error) => return Err(error),
                    Outcome::Again => {}
                    Outcome::Answered(_) => unreachable!("a server is answered nothing"),
                },
                Step::Space(hart) => lwkt::wait_for_space(hart),
                Step::Again | Step::Long(_) => {}
            }
        }
    }

    fn note(&self, receipt: &Receipt) {
        let (channel, id) = (self.channel.index(), receipt.id.to_register());
        enter(|hart, irq| (hart.note(irq, Event::MsgReceive, channel, id), None));
    }
}

/// MsgReceive.
pub(super) fn receive(
    process: &'static Process,
    me: Tid,
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) -> Result<u64, Errno> {
    let [channel, into, room, to, ..] = call.arguments();
    if channel == u64::MAX {
        enter(|hart, irq| (hart.serve(irq, None), None));
        call.add_results(0, 0);
        return Ok(0);
    }
    let receipt = receive_at(process, me, timeout, channel, judged(bytes(into, room)?)?)?;
    if to != 0 {
        // It has been received: what is wrong with the place is the caller's loss.
        info(process, receipt.id.to_register(), UserAddr::new(to as usize))?;
    }
    Ok(told(call, &receipt))
}

fn told(call: &mut Call<'_>, receipt: &Receipt) -> u64 {
    call.add_results(receipt.copied as u64, receipt.sent as u64);
    receipt.id.to_register()
}

fn receive_at(
    process: &'static Process,
    me: Tid,
    timeout: Option<Timeout>,
    channel: u64,
    into: UserBytes,
) -> Result<Receipt, Errno> {
    let channel = ChannelId::from_register(channel).ok_or(Errno::ESRCH)?;
    let guest = Guest {
        owner: process.number,
        tid: me.to_word(),
        into,
        timeouts: timeout.map_or(0, |it| it.states),
        ..Guest::bare(lwkt::current(), Priority::IDLE)
    };
    Receiver { process, channel, guest, timeout }.run()
}

/// MsgReply.
pub(super) fn reply(process: &'static Process, call: &Call<'_>) -> Result<u64, Errno> {
    let [id, status, from, length, ..] = call.arguments();
    answer(process, id, Answer::Bytes(status.cast_signed(), bytes(from, length)?)).map(|()| 0)
}

/// MsgReplyReceive.
pub(super) fn reply_receive(
    process: &'static Process,
    me: Tid,
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) -> Result<u64, Errno> {
    let [id, status, from, length, channel, into, room] = call.arguments();
    let given = bytes(from, length)
        .and_then(|from| answer(process, id, Answer::Bytes(status.cast_signed(), from)));
    if let Err(error) = given {
        call.add_results(1, 0);
        return Err(error);
    }
    let received = bytes(into, room)
        .and_then(judged)
        .and_then(|into| receive_at(process, me, timeout, channel, into));
    match received {
        Ok(receipt) => Ok(told(call, &receipt)),
        Err(error) => {
            call.add_results(2, 0);
            Err(error)
        }
    }
}

/// MsgError.
pub(super) fn error(process: &'static Process, id: u64, number: u64) -> Result<u64, Errno> {
    let how = match i64::try_from(number) {
        Ok(0) => Answer::Bytes(0, UserBytes::NONE),
        Ok(number) => match Errno::from_status(-number) {
            Some(Errno::ERESTART) => Answer::Restart,
            Some(error) => Answer::Error(error),
            None => return Err(Errno::EINVAL),
        },
        Err(_) => return Err(Errno::EINVAL),
    };
    answer(process, id, how).map(|()| 0)
}

fn answer(process: &'static Process, id: u64, answer: Answer) -> Result<(), Errno> {
    let id = MessageId::from_register(id).ok_or(Errno::ESRCH)?;
    let channel = waiters().channel_of(id).ok_or(Errno::ESRCH)?;
    let table = &process.channels;
    loop {
        let step = enter(|hart, irq| {
            let answered = table.with(irq, waiters(), channel, |channel| {
                channel.answer(id, &answer, &mut Bearer { hart, irq })
            });
            let step = match answered.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                Ok((client, failed)) => {
                    bump(&hart.inspect().answered);
                    certain(hart.wake(irq, &client));
                    hart.note(irq, Event::MsgReply, channel.index(), id.to_register());
                    Step::Done(failed.map_or(Ok(()), Err))
                }
                Err(obstacle) => stopped(hart, irq, table, obstacle),
            };
            (step, None)
        });
        match step {
            Step::Done(result) => return result,
            Step::Space(hart) => lwkt::wait_for_space(hart),
            Step::Long(copying) => return answer_long(copying, &answer),
            // Its client's connection was gone: there is nobody to answer.
            Step::Again | Step::Woken => {}
        }
    }
}

fn answer_long(mut copying: Copying, answer: &Answer) -> Result<(), Errno> {
    let Answer::Bytes(status, _) = *answer else {
        unreachable!("an error has no bytes to copy");
    };
    let error = match copying.carry() {
        Progress::Done => return answer_at_last(&copying, status),
        Progress::Gone => return Err(Errno::ESRCH),
        Progress::Failed(Fault::Peer) => Errno::EFAULT,
        Progress::Failed(Fault::Own) => Errno::ESRVRFAULT,
        Progress::More => {
            copying.give_up();
            return Err(Errno::EINTR);
        }
    };
    copying.fail(error);
    Err(error)
}

fn answer_at_last(copying: &Copying, status: i64) -> Result<(), Errno> {
    loop {
        let step = enter(|hart, irq| {
            let answered = copying.at_channel(hart, irq, |channel, by| {
                copying.transfer.answered(channel, status, by)
            });
            let step = match answered.unwrap_or(Err(Obstacle::Failed(Errno::ESRCH))) {
                Ok(client) => {
                    bump(&hart.inspect().answered);
                    certain(hart.wake(irq, &client));
                    note(hart, irq, Event::MsgReply, client.wait);
                    Step::Done(Ok(()))
                }
                Err(obstacle) => stopped(hart, irq, copying.table, obstacle),
            };
            (step, None)
        });
        match step {
            Step::Done(result) => return result,
            Step::Space(hart) => lwkt::wait_for_space(hart),
            Step::Again | Step::Woken | Step::Long(_) => {}
        }
    }
}

/// MsgInfo.
pub(super) fn info(process: &'static Process, id: u64, to: UserAddr) -> Result<u64, Errno> {
    let id = MessageId::from_register(id).ok_or(Errno::ESRCH)?;
    let channel = waiters().channel_of(id).ok_or(Errno::ESRCH)?;
    let info = masked(|irq| {
        let sent = process.channels.with(irq, waiters(), channel, |channel| channel.sent(id));
        let (client, received) = sent.ok().flatten().ok_or(Errno::ESRCH)?;
        let owner = rooms::at(client.owner);
        let connection = ConnectionId::from_register(client.coid);
        let target = owner.connections.find(irq, connection).ok_or(Errno::ESRCH)?;
        Ok(MsgInfo {
            pid: owner.pid(),
            tid: client.tid,
            chid: channel.to_register(),
            scoid: target.scoid,
            coid: client.coid,
            priority: u64::from(client.priority.level()),
            msglen: received as u64,
            srcmsglen: client.out.length as u64,
            dstmsglen: client.into.length as u64,
            ..MsgInfo::default()
        })
    })?;
    user_copy::write_words(to, info.to_words()).map(|()| 0)
}

/// Messages of programs since boot: that servers were given, and that were answered.
pub(crate) fn totals() -> (u64, u64) {
    let counts = smp::inspect().iter();
    counts.fold((0, 0), |(handed, answered), hart| {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (handed + read(&hart.handed), answered + read(&hart.answered))
    })
}

/// Tells every thread of a process that a connection is gone.
pub(super) fn tell_detached(process: &Process, id: ConnectionId) {
    let mut from = Some(0);
    while let Some(place) = from {
        let (next, thread) = process.threads(|threads| threads.living(place));
        if let Some(thread) = thread {
            lwkt::tell(|hart, irq| hart.tell_detached(irq, thread, id));
        }
        from = next;
    }
}

/// Does to a wait what a handler left to do: ends it, or moves it.
pub(crate) fn settle(unsettled: &Unsettled) {
    let Unsettled { waiting: Waiting { table, wait, .. }, ending, priority } = *unsettled;
    let moved = masked(|irq| {
        table.with_waits(irq, waiters(), wait.channel, |channel| {
            let queue = channel.queue_of(wait)?;
            if let Some(error) = ending.filter(|_| unsettled.ends_in(queue)) {
                return channel.end(wait, error).map(Settled::Ended);
            }
            channel.set_priority(wait, priority);
            channel.boost_for(queue, priority).map(Settled::Boost)
        })
    });
    match moved.flatten() {
        Some(Settled::Ended(woken)) => {
            wake(&Wake { wait, priority: None, error: Some(woken.error) });
        }
        Some(Settled::Boost(boost)) => lwkt::tell(|hart, irq| hart.boost(irq, &boost)),
        None => {}
    }
}

enum Settled {
    Ended(skimmer_core::channel::Woken),
    Boost(Boost),
}
