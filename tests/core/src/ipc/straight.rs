// SPDX-License-Identifier: Apache-2.0
//! An answer and a receive in one, and the short ways of all calls.

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_core::{
    channel::{
        ChannelId, Guest, Outcome, Receipt, Which,
        connection::ConnectionId,
        rendezvous::{AT_ONCE, Got},
    },
    hart::Hart,
    machine::Machine,
    sched::Switch,
    straight::Baggage,
    user::UserBytes,
    waiting::Visitor,
};
use skimmer_sync::irq::IrqOff;

use super::{Call, Given, Ipc, certain, server::wait_for_message, stopped};
use crate::{fake::Fake, script::Me};

/// What has become of an answer and a receive in one, if the server does not wait.
enum Both {
    Neither,
    Failed(Errno),
}

/// MsgSend the short way, if that can be.
pub(super) fn send_straight(
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

/// MsgReply the short way, if that can be.
pub(super) fn reply_straight(
    ipc: &'static Ipc,
    (hart, irq): (&mut Hart<Fake>, &IrqOff),
    given: &Given,
) -> Option<()> {
    let (id, answer) = (hart.served()?, (given.status, given.bytes()));
    let replied = ipc.table.with(irq, ipc.waiters, id, |channel| {
        let is_connected = |irq: &_, _, coid| ipc.is_connected(irq, coid);
        hart.reply_straight(irq, channel, given.message, answer, is_connected)
    });
    replied.ok().flatten()?;
    ipc.count_straight(2);
    Some(())
}

/// MsgReceive the short way, if that can be: where threads can be parked.
pub(super) fn receive_straight(
    ipc: &'static Ipc,
    (hart, irq): (&mut Hart<Fake>, &IrqOff),
    id: ChannelId,
    call: &Call,
) -> Option<Switch<Fake>> {
    if call.timeout.is_some() || !Fake::is_parked(hart.current_context()) {
        return None;
    }
    let (table, into) = (&ipc.table, call.bytes());
    let server = Baggage { table, owner: 0, tid: 0, coid: 0, out: UserBytes::NONE, into };
    let waits = table.with(irq, ipc.waiters, id, |channel| {
        let blocked = hart.receive_straight(irq, channel, &server)?;
        Some(blocked.switch(irq))
    });
    let switch = waits.ok().flatten()?;
    ipc.count_straight(3);
    Some(switch)
}

/// MsgSend the short way to another hart, if that can be: where threads can be parked.
pub(super) fn send_afar(
    ipc: &'static Ipc,
    (hart, irq): (&mut Hart<Fake>, &IrqOff),
    id: ConnectionId,
    call: &Call,
) -> Option<Switch<Fake>> {
    if call.timeout.is_some() || !Fake::is_parked(hart.current_context()) {
        return None;
    }
    let (table, bytes) = (&ipc.table, call.bytes());
    let (target, sight) = ipc.connections.look(irq, id)?;
    let coid = id.to_register();
    let client = Baggage { table, owner: 0, tid: 0, coid, out: bytes, into: bytes };
    let asking = table.with(irq, ipc.waiters, target.channel, |channel| {
        let is_open = sight.is_current();
        is_open.then(|| hart.send_afar(irq, channel, &client, |_, _, _, _| true)).flatten()
    });
    let switch = asking.ok().flatten()?.switch(irq);
    ipc.count_straight(4);
    Some(switch)
}

/// MsgReplyReceive the short way to another hart, if that can be: likewise.
fn answer_afar(
    ipc: &'static Ipc,
    (hart, irq): (&mut Hart<Fake>, &IrqOff),
    given: &Given,
    id: ChannelId,
    call: &Call,
) -> Option<Switch<Fake>> {
    if !Fake::is_parked(hart.current_context()) {
        return None;
    }
    let (table, out, into) = (&ipc.table, given.bytes(), call.bytes());
    let server = Baggage { table, owner: 0, tid: 0, coid: 0, out, into };
    let asking = table.with(irq, ipc.waiters, id, |channel| {
        let answer = (given.message, given.status);
        let is_connected = |irq: &_, _, coid| ipc.is_connected(irq, coid);
        hart.answer_afar(irq, channel, answer, &server, |_, _, _, _| true, is_connected)
    });
    let switch = asking.ok().flatten()?.switch(irq);
    ipc.count_straight(5);
    Some(switch)
}

impl Me {
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
            if let Some(switch) = answer_afar(ipc, (hart, irq), given, id, call) {
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
}
