// SPDX-License-Identifier: Apache-2.0
//! MsgReceive.

use skimmer_abi::{call::MsgInfo, errno::Errno, inspect::bump, trace::Event};
use skimmer_arch::{
    cpu::{Riscv, enter},
    stack,
    user::Call,
};
#[cfg(feature = "bug-inherit-stuck")]
use skimmer_core::channel::rendezvous::Urgency;
use skimmer_core::{
    channel::{
        Channel, ChannelId, Guest, Outcome, Receipt, Which,
        rendezvous::{Got, Message, Obstacle},
    },
    hart::Hart,
    ids::{Priority, ThreadId},
    process::Tid,
    user::{UserAddr, UserBytes},
    waiting::{Timeout, Waiting},
};
use skimmer_sync::irq::IrqOff;

use super::{
    Bearer, Section, Step, bytes, certain, copying::Copying, info, judged, outcome, stopped,
};
use crate::{
    lwkt,
    process::{Process, calls, channels::waiters},
};

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
            self.guest.thread = hart.current();
            self.guest.record = waiters().of(self.guest.thread);
            self.guest.priority = priority;
            let (table, gone) = (&self.process.channels, || Err(Obstacle::Failed(Errno::ESRCH)));
            let got = table.with_or(irq, waiters(), self.channel, gone, |channel| {
                work(channel, &self.guest, base, &mut Bearer { hart, irq })
            });
            self.follow(hart, irq, got)
        })
    }

    fn follow(
        &self,
        hart: &mut Hart<Riscv>,
        irq: &IrqOff,
        got: Result<Got, Obstacle>,
    ) -> Section<Receipt> {
        match got {
            Ok(Got::Message(receipt, Message { urgency, timed })) => {
                bump(&hart.inspect().handed);
                hart.serve(irq, Some(self.channel), urgency);
                timed.iter().for_each(|wait| certain(hart.tell_received(irq, *wait)));
                let id = receipt.id.to_register();
                hart.note(irq, Event::MsgReceive, self.channel.index(), id);
                (Step::Done(Ok(receipt)), None)
            }
            Ok(Got::Waiting(wait, urgency)) => {
                #[cfg(feature = "bug-inherit-stuck")]
                let urgency = urgency.map(|it| Urgency { priority: self.guest.priority, ..it });
                hart.serve(irq, Some(self.channel), urgency);
                let waiting = Waiting::new(&self.process.channels, wait, None, self.timeout);
                (Step::Woken, Some(hart.wait_at_channel(irq, Which::Receive, waiting).switch(irq)))
            }
            Err(obstacle) => (stopped(hart, irq, &self.process.channels, obstacle), None),
        }
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

    fn run(&mut self) -> Result<Receipt, Errno> {
        loop {
            let step = self.at_channel(|channel, guest, base, by| channel.receive(guest, base, by));
            let step = match step {
                Step::Long(copying) => self.carry(copying),
                step => step,
            };
            match step {
                Step::Done(result) => return result,
                Step::Woken => match outcome(self.guest.thread) {
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
        enter(|hart, irq| (hart.serve(irq, None, None), None));
        call.add_results(0, 0);
        return Ok(0);
    }
    let (into, place) = (judged(bytes(into, room)?)?, UserAddr::new(to as usize));
    if to != 0 {
        // Before there is a message that nobody would know of.
        calls::judge_words::<{ MsgInfo::WORDS }>(place)?;
    }
    let receipt = receive_at(process, me, timeout, channel, into)?;
    if to != 0 {
        info(process, receipt.id.to_register(), place)?;
    }
    Ok(told(call, &receipt))
}

pub(super) fn told(call: &mut Call<'_>, receipt: &Receipt) -> u64 {
    call.add_results(receipt.copied as u64, receipt.sent as u64);
    receipt.id.to_register()
}

pub(super) fn receive_at(
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
        ..Guest::bare(ThreadId::NOBODY, Priority::IDLE)
    };
    Receiver { process, channel, guest, timeout }.run()
}
