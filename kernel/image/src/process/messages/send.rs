// SPDX-License-Identifier: Apache-2.0
//! MsgSend.

use core::sync::atomic::Ordering;

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_arch::{
    cpu::{Riscv, enter},
    message::{Next, Parkable},
    stack,
    user::Call,
};
use skimmer_core::{
    channel::{
        Channel, Guest, MessageId, Outcome, Receipt, Which,
        connection::{ConnectionId, Target},
        rendezvous::{Obstacle, Sent},
    },
    hart::Hart,
    ids::{Priority, ThreadId},
    process::Tid,
    straight::Baggage,
    waiting::{Timeout, Visitor, Waiting},
};
use skimmer_sync::irq::IrqOff;

use super::{
    Bearer, Section, Step, Turn, bytes, certain, copying::Copying, done, fair, give, give_up, heir,
    judged, note, receive::told, stopped, usual_way, woken,
};
use crate::{
    lwkt,
    process::{Process, channels::waiters},
};

/// A client's call.
struct Sender {
    process: &'static Process,
    id: ConnectionId,
    guest: Guest,
    timeout: Option<Timeout>,
}

impl Sender {
    #[inline(always)]
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
            ..Guest::bare(ThreadId::NOBODY, Priority::IDLE)
        };
        Ok(Self { process, id: ConnectionId::from_register(coid), guest, timeout })
    }

    /// Does something at the channel, if the connection is there, and follows.
    #[inline(never)]
    fn at_channel(
        &mut self,
        work: impl FnOnce(&mut Channel<'_>, &Guest, &mut Bearer<'_>) -> Result<Sent, Obstacle>,
    ) -> Step<Result<i64, Errno>> {
        enter(|hart, irq| {
            if stack::am_condemned() {
                return (Step::Done(Err(Errno::EINTR)), None);
            }
            let (step, turn) = self.section(hart, irq, work);
            (step, turn.into_switch())
        })
    }

    #[inline(always)]
    fn section(
        &mut self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        work: impl FnOnce(&mut Channel<'_>, &Guest, &mut Bearer<'_>) -> Result<Sent, Obstacle>,
    ) -> Section<i64> {
        let Some(target) = self.process.connections.find(irq, self.id) else {
            return (Step::Done(Err(Errno::EBADF)), Turn::Mine);
        };
        let Visitor { thread, priority, record, .. } = hart.visitor(waiters());
        (self.guest.thread, self.guest.priority, self.guest.record) = (thread, priority, record);
        let table = &target.server.channels;
        let gone = || Err(Obstacle::Failed(Errno::EBADF));
        let sent = table.with_or(irq, waiters(), target.channel, gone, |channel| {
            self.is_open(irq, &target, channel)?;
            work(channel, &self.guest, &mut Bearer { hart, irq })
        });
        self.follow(hart, irq, &target, sent)
    }

    /// Looks once more at the connection, and at the server, under the channel's lock.
    #[inline(always)]
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

    #[inline(always)]
    fn follow(
        &self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        target: &Target<Process>,
        sent: Result<Sent, Obstacle>,
    ) -> Section<i64> {
        let channels = &target.server.channels;
        let (wait, queue, server) = match sent {
            Ok(Sent::Received(wait, server, copied)) => {
                bump(&hart.inspect().handed);
                stack::note_afar(hart.is_elsewhere(server.thread));
                let sent = self.guest.out.length;
                let receipt = Receipt { id: MessageId::of(wait), copied, sent };
                (wait, Which::Reply, Some((server, receipt)))
            }
            Ok(Sent::Queued(wait, boost)) => {
                boost.iter().for_each(|boost| certain(hart.boost(irq, boost)));
                (wait, Which::Send, None)
            }
            Err(obstacle) => return (stopped(hart, irq, channels, obstacle), Turn::Mine),
        };
        note(hart, irq, Event::MsgSend, wait);
        let waiting = Waiting::new(channels, wait, Some(self.id));
        let blocked = hart.wait_at_channel(irq, queue, waiting, self.timeout);
        let turn = match server {
            Some((server, receipt)) => Turn::of(blocked.hand_over(irq, &server), || told(&receipt)),
            None => Turn::Another(blocked.switch(irq)),
        };
        (Step::Woken, turn)
    }

    /// Copies a long message to the server, and hands it over.
    fn carry(&mut self, mut copying: Copying) -> Step<Result<i64, Errno>> {
        copying.all(self.guest.out).unwrap_or_else(|| {
            copying.finish(|| {
                self.at_channel(|channel, guest, by| copying.transfer.sent(channel, guest, by))
            })
        })
    }

    /// Goes on from there until the message is answered.
    fn go_on(&mut self, mut step: Step<Result<i64, Errno>>) -> Result<i64, Errno> {
        loop {
            if let Step::Long(copying) = step {
                step = self.carry(copying);
            }
            match step {
                Step::Done(result) => return result,
                Step::Woken => match woken() {
                    Outcome::Answered(status) => return Ok(status),
                    Outcome::Failed(error) => return Err(error),
                    Outcome::Again => {}
                    Outcome::Received(_) => unreachable!("a client receives nothing"),
                },
                Step::Space(hart) => lwkt::wait_for_space(hart),
                Step::Again | Step::Long(_) => {}
            }
            step = self.at_channel(|channel, guest, by| channel.send(guest, by));
        }
    }
}

/// MsgSend.
pub(super) fn send(
    (process, me): (&'static Process, Tid),
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) {
    let sent = Sender::new(process, me, timeout, call.arguments())
        .and_then(|mut sender| sender.go_on(Step::Again));
    call.finish_with(answered(sent));
}

/// MsgSend, from where the thread can be parked.
#[inline]
pub(super) fn begin(
    (process, me): (&'static Process, Tid),
    call: &mut Call<'_>,
    entry: Parkable,
) -> Next {
    let mut sender = match Sender::new(process, me, None, call.arguments()) {
        Ok(sender) => sender,
        Err(error) => return done(entry, call, answered(Err(error))),
    };
    match entry
        .decide(|hart, irq| sender.section(hart, irq, |channel, guest, by| channel.send(guest, by)))
    {
        (Step::Woken, turn) => turn.into_next(entry, call),
        (Step::Done(result), _) => done(entry, call, answered(result)),
        (step, _) => entry.leave(call, |call| call.finish_with(answered(sender.go_on(step)))),
    }
}

/// MsgSend the short way, if that can be.
#[inline(always)]
pub(super) fn straight(process: &'static Process, tid: u64, call: &Call<'_>, entry: Parkable) {
    let passed = entry.decide(|hart, irq| {
        at_open(hart, irq, (process, tid, call), |hart, channel, client| {
            hart.send_straight(irq, channel, client)
        })
    });
    match passed {
        Some((passed, receipt)) => entry.straight(passed, told(&receipt)),
        None => usual_way(),
    }
}

/// The same to another hart.
#[inline(always)]
pub(super) fn afar(process: &'static Process, tid: u64, call: &Call<'_>, entry: Parkable) {
    let passed = entry.decide(|hart, irq| {
        let asking = at_open(hart, irq, (process, tid, call), |hart, channel, client| {
            hart.send_afar(irq, channel, client, give)
        });
        Some(heir(asking?.switch(irq), hart, irq))
    });
    match passed {
        Some(heir) => give_up(entry, heir),
        None => usual_way(),
    }
}

/// Does something at the channel, if the connection is there.
#[inline(always)]
fn at_open<'h, R>(
    hart: &'h mut Hart<Riscv>,
    irq: &IrqOff,
    (process, tid, call): (&'static Process, u64, &Call<'_>),
    work: impl FnOnce(&'h mut Hart<Riscv>, &mut Channel<'_>, &Baggage) -> Option<R>,
) -> Option<R> {
    let [coid, out, sent, into, room, ..] = call.arguments();
    let (out, into) = (fair(out, sent)?, fair(into, room)?);
    let id = ConnectionId::from_register(coid);
    let (target, sight) = process.connections.look(irq, id)?;
    let table = &target.server.channels;
    table.with_or(
        irq,
        waiters(),
        target.channel,
        || None,
        |channel| {
            let is_open = table.owner() == target.pid && sight.is_current();
            let owner = process.number;
            let client = Baggage { table, owner, tid, coid, out, into };
            is_open.then(|| work(hart, channel, &client)).flatten()
        },
    )
}

/// What the client finds.
pub(super) fn answered(sent: Result<i64, Errno>) -> [u64; 3] {
    match sent {
        Ok(status) => [status.cast_unsigned(), 0, 0],
        Err(error) => [error.status().cast_unsigned(), error as u64, 0],
    }
}
