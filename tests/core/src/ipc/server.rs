// SPDX-License-Identifier: Apache-2.0
//! A server: waits for messages and answers them.

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_core::{
    channel::{
        Channel, ChannelId, Guest, MessageId, Outcome, Receipt, Wait, Which,
        rendezvous::{Got, Message, Obstacle, Urgency},
        transfer::Transfer,
    },
    hart::Hart,
    ids::Priority,
    sched::Blocked,
    waiting::{Visitor, Waiting},
};
use skimmer_sync::irq::IrqOff;

use super::{
    Bearer, Call, Given, Ipc, Step, certain, is_condemned, stopped,
    straight::{receive_straight, reply_straight},
};
use crate::{fake::Fake, script::Me};

/// What follows from a message that was received.
fn take((hart, irq): (&mut Hart<Fake>, &IrqOff), id: ChannelId, receipt: &Receipt, it: Message) {
    bump(&hart.inspect().handed);
    hart.serve(irq, Some(id), it.urgency);
    it.timed.iter().for_each(|wait| certain(hart.tell_received(irq, *wait)));
    hart.note(irq, Event::MsgReceive, id.index(), receipt.id.to_register());
}

/// The current thread is blocked until there is a message.
pub(super) fn wait_for_message<'h>(
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

impl Me {
    /// One section of a server.
    async fn server(
        &self,
        ipc: &'static Ipc,
        (id, begins): (ChannelId, bool),
        call: &Call,
        work: impl FnOnce(&mut Channel<'_>, &Guest, Priority, &mut Bearer<'_>) -> Result<Got, Obstacle>,
    ) -> Option<Step<Receipt>> {
        let guest = self.caller(ipc, call, 0);
        self.attempt(|hart, irq| {
            if is_condemned(hart) {
                return Ok(Step::Done(Err(Errno::EINTR)));
            }
            if begins && let Some(switch) = receive_straight(ipc, (hart, irq), id, call) {
                return Err(switch);
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
        let mut begins = true;
        loop {
            let at = (id, std::mem::take(&mut begins));
            let step = self.server(ipc, at, &call, |channel, guest, base, by| {
                channel.receive(guest, base, by)
            });
            let step = match step.await {
                Some(Step::Long(transfer)) => {
                    let received = async |transfer: &Transfer| {
                        self.server(ipc, (id, false), &call, |channel, guest, _, by| {
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

    pub(super) async fn answer(&self, ipc: &'static Ipc, given: &Given) -> Result<(), Errno> {
        let (message, answer) = (given.message, given.answer());
        let id = ipc.waiters.channel_of(message).ok_or(Errno::ESRCH)?;
        let mut begins = true;
        loop {
            let step = self
                .section(|hart, irq| {
                    ipc.count_use();
                    if std::mem::take(&mut begins)
                        && reply_straight(ipc, (hart, irq), given).is_some()
                    {
                        return Step::Done(Ok(()));
                    }
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
}
