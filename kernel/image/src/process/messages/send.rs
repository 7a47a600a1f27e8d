// SPDX-License-Identifier: Apache-2.0
//! MsgSend.

use core::sync::atomic::Ordering;

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_arch::{
    cpu::{Riscv, enter},
    stack,
    user::Call,
};
use skimmer_core::{
    channel::{
        Channel, Guest, Outcome, Which,
        connection::{ConnectionId, Target},
        rendezvous::{Obstacle, Sent},
    },
    hart::Hart,
    ids::{Priority, ThreadId},
    process::Tid,
    waiting::{Timeout, Waiting},
};
use skimmer_sync::irq::IrqOff;

use super::{
    Bearer, Section, Step, bytes, certain, copying::Copying, judged, note, outcome, stopped,
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
            self.guest.thread = hart.current();
            self.guest.record = waiters().of(self.guest.thread);
            self.guest.priority = hart.own_priorities().0;
            let table = &target.server.channels;
            let gone = || Err(Obstacle::Failed(Errno::EBADF));
            let sent = table.with_or(irq, waiters(), target.channel, gone, |channel| {
                self.is_open(irq, &target, channel)?;
                work(channel, &self.guest, &mut Bearer { hart, irq })
            });
            self.follow(hart, irq, &target, sent)
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
        copying.all(self.guest.out).unwrap_or_else(|| {
            copying.finish(|| {
                self.at_channel(|channel, guest, by| copying.transfer.sent(channel, guest, by))
            })
        })
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
            Step::Woken => match outcome(sender.guest.thread) {
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
