// SPDX-License-Identifier: Apache-2.0
//! A client: sends and waits.

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_core::{
    channel::{
        Channel, Guest, MessageId, Outcome, Receipt, Which,
        connection::ConnectionId,
        rendezvous::{Obstacle, Sent},
        transfer::Transfer,
    },
    waiting::Waiting,
};

use super::{
    Bearer, Call, Ipc, Step, certain, is_condemned, stopped,
    straight::{send_afar, send_straight},
};
use crate::script::Me;

impl Me {
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
            if begins && let Some(switch) = send_afar(ipc, (hart, irq), id, call) {
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
}
