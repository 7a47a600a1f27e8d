// SPDX-License-Identifier: Apache-2.0
//! MsgReceive.

use skimmer_abi::{call::MsgInfo, errno::Errno, inspect::bump, trace::Event};
use skimmer_arch::{
    cpu::{Riscv, enter},
    message::{Next, Parkable},
    stack,
    user::Call,
};
use skimmer_core::{
    channel::{
        Channel, ChannelId, Guest, MessageId, Outcome, Receipt, Wait, Which,
        rendezvous::{Answer, Got, Message, Obstacle, Urgency},
    },
    hart::Hart,
    ids::{Priority, ThreadId},
    process::Tid,
    sched::Blocked,
    straight::Baggage,
    user::{UserAddr, UserBytes},
    waiting::{Timeout, Visitor, Waiting},
};
use skimmer_sync::irq::IrqOff;

use super::{
    Bearer, Heir, Section, Step, Turn, bytes, certain, copying::Copying, done, fair, give_up, heir,
    info, judged, send::answered, stopped, usual_way, woken,
};
use crate::{
    lwkt,
    process::{Process, calls, channels::waiters},
};

/// What has become of an answer and a receive in one.
pub(super) enum Both {
    /// Nothing was done.
    Neither,
    /// An answer is to be copied part by part.
    Long(Copying),
    /// The client is answered, and the server waits.
    Waits(Turn),
    /// The answer has failed, for both.
    Failed(Errno),
}

/// A server's call.
pub(super) struct Receiver {
    process: &'static Process,
    channel: ChannelId,
    guest: Guest,
    timeout: Option<Timeout>,
}

impl Receiver {
    #[inline(never)]
    fn at_channel(
        &mut self,
        work: impl FnOnce(&mut Channel<'_>, &Guest, Priority, &mut Bearer<'_>) -> Result<Got, Obstacle>,
    ) -> Step<Result<Receipt, Errno>> {
        enter(|hart, irq| {
            if stack::am_condemned() {
                return (Step::Done(Err(Errno::EINTR)), None);
            }
            let (step, turn) = self.section(hart, irq, work);
            (step, turn.into_switch())
        })
    }

    /// Does something at the channel, and follows.
    #[inline(always)]
    fn section(
        &mut self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        work: impl FnOnce(&mut Channel<'_>, &Guest, Priority, &mut Bearer<'_>) -> Result<Got, Obstacle>,
    ) -> Section<Receipt> {
        let base = self.look_at_self(hart);
        let channels = &self.process.channels;
        let gone = || Err(Obstacle::Failed(Errno::ESRCH));
        let got = channels.with_or(irq, waiters(), self.channel, gone, |channel| {
            work(channel, &self.guest, base, &mut Bearer { hart, irq })
        });
        match got {
            Ok(Got::Message(receipt, message)) => {
                self.take(hart, irq, &receipt, message);
                (Step::Done(Ok(receipt)), Turn::Mine)
            }
            Ok(Got::Waiting(wait, urgency)) => {
                let blocked = self.wait(hart, irq, wait, urgency);
                (Step::Woken, Turn::Another(blocked.switch(irq)))
            }
            Err(obstacle) => (stopped(hart, irq, channels, obstacle), Turn::Mine),
        }
    }

    /// Notes who calls, and how urgent it is; what it is on its own account.
    #[inline(always)]
    fn look_at_self(&mut self, hart: &mut Hart<Riscv>) -> Priority {
        let Visitor { thread, priority, base, record } = hart.visitor(waiters());
        (self.guest.thread, self.guest.priority, self.guest.record) = (thread, priority, record);
        base
    }

    #[inline(always)]
    fn wait<'h>(
        &self,
        hart: &'h mut Hart<Riscv>,
        irq: &IrqOff,
        wait: Wait,
        urgency: Option<Urgency>,
    ) -> Blocked<'h, Riscv> {
        #[cfg(feature = "bug-inherit-stuck")]
        let urgency = urgency.map(|it| Urgency { priority: self.guest.priority, ..it });
        hart.serve(irq, Some(self.channel), urgency);
        let waiting = Waiting::new(&self.process.channels, wait, None);
        hart.wait_at_channel(irq, Which::Receive, waiting, self.timeout)
    }

    /// Answers a message of the same channel, and waits there for the next, if no client
    /// is queued.
    #[inline(always)]
    pub(super) fn answer_and_wait(
        &mut self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        id: MessageId,
        (status, from): (i64, UserBytes),
    ) -> Both {
        let base = self.look_at_self(hart);
        let channels = &self.process.channels;
        let both = channels.with_or(
            irq,
            waiters(),
            self.channel,
            || Ok(None),
            |channel| {
                let by = &mut Bearer { hart, irq };
                if !channel.is_empty(Which::Send) {
                    return Ok(None);
                }
                let (client, failed) = channel.answer(id, &Answer::Bytes(status, from), by)?;
                let got = failed.is_none().then(|| match channel.receive(&self.guest, base, by) {
                    Ok(Got::Waiting(wait, urgency)) => (wait, urgency),
                    _ => unreachable!("nobody is queued, and who runs waits nowhere"),
                });
                Ok(Some((client, failed, got)))
            },
        );
        let (client, failed, got) = match both {
            Ok(Some(both)) => both,
            Ok(None) => return Both::Neither,
            Err(obstacle) => {
                return match stopped::<Result<(), Errno>>(hart, irq, channels, obstacle) {
                    Step::Long(copying) => Both::Long(copying),
                    _ => Both::Neither,
                };
            }
        };
        bump(&hart.inspect().answered);
        stack::note_afar(hart.is_elsewhere(client.thread));
        hart.note(irq, Event::MsgReply, self.channel.index(), id.to_register());
        match (failed, got) {
            (None, Some((wait, urgency))) => {
                let blocked = self.wait(hart, irq, wait, urgency);
                Both::Waits(Turn::of(blocked.hand_over(irq, &client), || answered(Ok(status))))
            }
            (failed, _) => {
                certain(hart.wake(irq, &client));
                Both::Failed(failed.unwrap_or(Errno::EINTR))
            }
        }
    }

    fn take(&self, hart: &mut Hart<Riscv>, irq: &IrqOff, receipt: &Receipt, message: Message) {
        bump(&hart.inspect().handed);
        hart.serve(irq, Some(self.channel), message.urgency);
        message.timed.iter().for_each(|wait| certain(hart.tell_received(irq, *wait)));
        hart.note(irq, Event::MsgReceive, self.channel.index(), receipt.id.to_register());
    }

    #[inline(always)]
    pub(super) fn new(
        process: &'static Process,
        me: Tid,
        timeout: Option<Timeout>,
        channel: u64,
        into: UserBytes,
    ) -> Result<Self, Errno> {
        let channel = ChannelId::from_register(channel).ok_or(Errno::ESRCH)?;
        let guest = Guest {
            owner: process.number,
            tid: me.to_word(),
            into,
            timeouts: timeout.map_or(0, |it| it.states),
            ..Guest::bare(ThreadId::NOBODY, Priority::IDLE)
        };
        Ok(Self { process, channel, guest, timeout })
    }

    fn carry(&mut self, mut copying: Copying) -> Step<Result<Receipt, Errno>> {
        copying.all(self.guest.into).unwrap_or_else(|| {
            copying.finish(|| {
                self.at_channel(|channel, guest, _, by| {
                    copying.transfer.received(channel, guest, by)
                })
            })
        })
    }

    /// Goes on from there until there is a message.
    pub(super) fn go_on(
        &mut self,
        mut step: Step<Result<Receipt, Errno>>,
    ) -> Result<Receipt, Errno> {
        loop {
            if let Step::Long(copying) = step {
                step = self.carry(copying);
            }
            match step {
                Step::Done(result) => return result,
                Step::Woken => match woken() {
                    Outcome::Received(receipt) => return Ok(receipt),
                    Outcome::Failed(error) => return Err(error),
                    Outcome::Again => {}
                    Outcome::Answered(_) => unreachable!("a server is answered nothing"),
                },
                Step::Space(hart) => lwkt::wait_for_space(hart),
                Step::Again | Step::Long(_) => {}
            }
            step = self.at_channel(|channel, guest, base, by| channel.receive(guest, base, by));
        }
    }
}

/// MsgReceive.
pub(super) fn receive(
    (process, me): (&'static Process, Tid),
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) -> Result<[u64; 3], Errno> {
    let [channel, into, room, to, ..] = call.arguments();
    if channel == u64::MAX {
        enter(|hart, irq| (hart.serve(irq, None, None), None));
        return Ok([0; 3]);
    }
    let (into, place) = (judged(bytes(into, room)?)?, UserAddr::new(to as usize));
    if to != 0 {
        // Before there is a message that nobody would know of.
        calls::judge_words::<{ MsgInfo::WORDS }>(place)?;
    }
    let mut receiver = Receiver::new(process, me, timeout, channel, into)?;
    let receipt = receiver.go_on(Step::Again)?;
    if to != 0 {
        info(process, receipt.id.to_register(), place)?;
    }
    Ok(told(&receipt))
}

/// The same, with all that the program finds.
pub(super) fn receive_and_tell(
    who: (&'static Process, Tid),
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) {
    let received = receive(who, timeout, call);
    call.finish_with(found(received));
}

/// MsgReceive the short way, if that can be.
#[inline(always)]
pub(super) fn straight(process: &'static Process, tid: u64, call: &Call<'_>, entry: Parkable) {
    match wait(process, tid, call, &entry) {
        Some(heir) => give_up(entry, heir),
        None => usual_way(),
    }
}

#[inline(always)]
fn wait(process: &'static Process, tid: u64, call: &Call<'_>, entry: &Parkable) -> Option<Heir> {
    let [channel, into, room, to, ..] = call.arguments();
    if cfg!(feature = "bug-inherit-stuck") || to != 0 {
        return None;
    }
    let (channel, into) = (ChannelId::from_register(channel)?, fair(into, room)?);
    let (table, owner) = (&process.channels, process.number);
    let server = Baggage { table, owner, tid, coid: 0, out: UserBytes::NONE, into };
    entry.decide(|hart, irq| {
        let blocked = table.with_or(
            irq,
            waiters(),
            channel,
            || None,
            |channel| hart.receive_straight(irq, channel, &server),
        )?;
        Some(heir(blocked.switch(irq), hart, irq))
    })
}

/// MsgReceive, from where the thread can be parked.
#[inline]
pub(super) fn begin(
    (process, me): (&'static Process, Tid),
    call: &mut Call<'_>,
    entry: Parkable,
) -> Next {
    let [channel, into, room, to, ..] = call.arguments();
    let into = bytes(into, room).and_then(judged);
    let receiver = into.and_then(|into| Receiver::new(process, me, None, channel, into));
    let Some(mut receiver) = receiver.ok().filter(|_| to == 0) else {
        return entry.leave(call, |call| receive_and_tell((process, me), None, call));
    };
    match entry.decide(|hart, irq| {
        receiver.section(hart, irq, |channel, guest, base, by| channel.receive(guest, base, by))
    }) {
        (Step::Woken, turn) => turn.into_next(entry, call),
        (Step::Done(result), _) => done(entry, call, found(result.map(|it| told(&it)))),
        (step, _) => entry.leave(call, |call| {
            call.finish_with(found(receiver.go_on(step).map(|receipt| told(&receipt))));
        }),
    }
}

/// What the server finds, also of a failure.
pub(super) fn found(received: Result<[u64; 3], Errno>) -> [u64; 3] {
    received.unwrap_or_else(|error| [error.status().cast_unsigned(), 0, 0])
}

/// What the server finds.
pub(super) const fn told(receipt: &Receipt) -> [u64; 3] {
    [receipt.id.to_register(), receipt.copied as u64, receipt.sent as u64]
}
