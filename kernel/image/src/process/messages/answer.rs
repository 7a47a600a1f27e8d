// SPDX-License-Identifier: Apache-2.0
//! MsgReply, MsgReplyReceive and MsgError.

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_arch::{
    cpu::{Riscv, enter},
    message::{Next, Parkable},
    stack,
    user::Call,
};
use skimmer_core::{
    channel::{
        Channel, ChannelId, MessageId, Receipt,
        rendezvous::{Answer, Fault, Obstacle},
        table::ChannelTable,
        transfer::Progress,
    },
    hart::Hart,
    process::Tid,
    straight::Baggage,
    user::UserBytes,
    waiting::Timeout,
};
use skimmer_sync::irq::IrqOff;

use super::{
    Bearer, Step, bytes, certain,
    copying::Copying,
    done, fair, give, give_up, heir, is_connected, judged, note,
    receive::{Both, Receiver, told},
    send::answered,
    stopped, usual_way,
};
use crate::{
    lwkt,
    process::{Process, channels::waiters},
};

/// MsgReply.
pub(super) fn reply(process: &'static Process, call: &Call<'_>) -> Result<(), Errno> {
    let [id, status, from, length, ..] = call.arguments();
    answer(process, id, Answer::Bytes(status.cast_signed(), bytes(from, length)?))
}

/// The same, with all that the program finds.
pub(super) fn reply_and_tell(process: &'static Process, call: &mut Call<'_>) {
    let given = reply(process, call);
    call.finish_with(replied(given));
}

/// MsgReplyReceive.
pub(super) fn reply_receive(
    (process, me): (&'static Process, Tid),
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) {
    let [id, status, from, length, ..] = call.arguments();
    let given = bytes(from, length)
        .and_then(|from| answer(process, id, Answer::Bytes(status.cast_signed(), from)));
    go_on_receiving((process, me), timeout, call, given);
}

fn go_on_receiving(
    who: (&'static Process, Tid),
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
    given: Result<(), Errno>,
) {
    match given {
        Ok(()) => receive_next(who, timeout, call),
        Err(error) => call.finish_with([error.status().cast_unsigned(), 1, 0]),
    }
}

/// The second half of MsgReplyReceive.
pub(super) fn receive_next(
    (process, me): (&'static Process, Tid),
    timeout: Option<Timeout>,
    call: &mut Call<'_>,
) {
    let [_, _, _, _, channel, into, room] = call.arguments();
    let received = bytes(into, room)
        .and_then(judged)
        .and_then(|into| Receiver::new(process, me, timeout, channel, into))
        .and_then(|mut receiver| receiver.go_on(Step::Again));
    call.finish_with(next(received));
}

/// What the server finds.
pub(super) fn next(received: Result<Receipt, Errno>) -> [u64; 3] {
    match received {
        Ok(receipt) => told(&receipt),
        Err(error) => [error.status().cast_unsigned(), 2, 0],
    }
}

/// MsgReplyReceive, from where the thread can be parked.
#[inline]
pub(super) fn begin_both(
    who: (&'static Process, Tid),
    call: &mut Call<'_>,
    entry: Parkable,
) -> Next {
    let [id, status, from, length, channel, into, room] = call.arguments();
    let receiver = bytes(into, room)
        .and_then(judged)
        .and_then(|into| Receiver::new(who.0, who.1, None, channel, into));
    let both = match (MessageId::from_register(id), bytes(from, length), receiver) {
        (Some(id), Ok(from), Ok(mut receiver)) => entry.decide(|hart, irq| {
            receiver.answer_and_wait(hart, irq, id, (status.cast_signed(), from))
        }),
        _ => Both::Neither,
    };
    match both {
        Both::Waits(turn) => turn.into_next(entry, call),
        Both::Failed(error) => done(entry, call, [error.status().cast_unsigned(), 1, 0]),
        Both::Neither => entry.leave(call, |call| reply_receive(who, None, call)),
        Both::Long(copying) => entry.leave(call, |call| {
            let [_, status, from, length, ..] = call.arguments();
            let given = bytes(from, length)
                .and_then(|from| answer_long(copying, &Answer::Bytes(status.cast_signed(), from)));
            go_on_receiving(who, None, call, given);
        }),
    }
}

/// MsgReplyReceive the short way, if that can be.
#[inline(always)]
pub(super) fn straight(process: &'static Process, tid: u64, call: &Call<'_>, entry: Parkable) {
    let passed = entry.decide(|hart, irq| {
        at_own(hart, irq, (process, tid, call), |hart, channel, id, server| {
            hart.answer_straight(irq, channel, id, server, is_connected)
        })
    });
    match passed {
        Some(passed) => entry.straight(passed, answered(Ok(status(call)))),
        None => usual_way(),
    }
}

/// The same to another hart.
#[inline(always)]
pub(super) fn afar(process: &'static Process, tid: u64, call: &Call<'_>, entry: Parkable) {
    let passed = entry.decide(|hart, irq| {
        let asking = at_own(hart, irq, (process, tid, call), |hart, channel, id, server| {
            hart.answer_afar(irq, channel, (id, status(call)), server, give, is_connected)
        });
        Some(heir(asking?.switch(irq), hart, irq))
    });
    match passed {
        Some(heir) => give_up(entry, heir),
        None => usual_way(),
    }
}

/// What the client is to find.
#[inline(always)]
const fn status(call: &Call<'_>) -> i64 {
    call.argument(1).cast_signed()
}

/// Does something at a channel of the server's own.
#[inline(always)]
fn at_own<'h, R>(
    hart: &'h mut Hart<Riscv>,
    irq: &IrqOff,
    (process, tid, call): (&'static Process, u64, &Call<'_>),
    work: impl FnOnce(&'h mut Hart<Riscv>, &mut Channel<'_>, MessageId, &Baggage) -> Option<R>,
) -> Option<R> {
    if cfg!(feature = "bug-inherit-stuck") {
        return None;
    }
    let [id, _, from, length, channel, into, room] = call.arguments();
    let (out, into) = (fair(from, length)?, fair(into, room)?);
    let (id, channel) = (MessageId::from_register(id)?, ChannelId::from_register(channel)?);
    let table = &process.channels;
    let server = Baggage { table, owner: process.number, tid, coid: 0, out, into };
    table.with_or(irq, waiters(), channel, || None, |channel| work(hart, channel, id, &server))
}

/// MsgReply the short way, if that can be.
#[inline(always)]
pub(super) fn reply_straight(process: &'static Process, call: Call<'_>, entry: Parkable) {
    match reply_here(process, &call, &entry) {
        Some(()) => entry.back_at_once(call, replied(Ok(()))),
        None => usual_way(),
    }
}

/// To a client of the channel that the caller received from last.
#[inline(always)]
fn reply_here(process: &'static Process, call: &Call<'_>, entry: &Parkable) -> Option<()> {
    let [id, status, from, length, ..] = call.arguments();
    let (id, out) = (MessageId::from_register(id)?, fair(from, length)?);
    let answer = (status.cast_signed(), out);
    entry.decide(|hart, irq| {
        let channel = hart.served()?;
        process.channels.with_or(
            irq,
            waiters(),
            channel,
            || None,
            |channel| {
                let is_connected = |irq: &_, owner, coid| is_connected(irq, owner, coid);
                hart.reply_straight(irq, channel, id, answer, is_connected)
            },
        )
    })
}

/// MsgReply, from where the thread can be parked.
#[inline]
pub(super) fn begin(process: &'static Process, call: &mut Call<'_>, entry: Parkable) -> Next {
    let [id, status, from, length, ..] = call.arguments();
    let id = MessageId::from_register(id);
    let channel = id.and_then(|id| waiters().channel_of(id));
    let (Some(id), Some(channel), Ok(from)) = (id, channel, bytes(from, length)) else {
        return entry.leave(call, |call| reply_and_tell(process, call));
    };
    let answer = Answer::Bytes(status.cast_signed(), from);
    let table = &process.channels;
    #[cfg(feature = "bug-rcvid-foreign")]
    let table = whosever(id, channel).unwrap_or(table);
    match entry.decide(|hart, irq| section(hart, irq, table, (id, channel), &answer)) {
        Step::Done(result) => done(entry, call, replied(result)),
        Step::Long(copying) => entry.leave(call, |call| {
            call.finish_with(replied(answer_long(copying, &answer)));
        }),
        _ => entry.leave(call, |call| reply_and_tell(process, call)),
    }
}

/// What the server finds.
pub(super) fn replied(given: Result<(), Errno>) -> [u64; 3] {
    [given.err().map_or(0, |error| error.status().cast_unsigned()), 0, 0]
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
    #[cfg(feature = "bug-rcvid-foreign")]
    let table = whosever(id, channel).unwrap_or(table);
    loop {
        let step = enter(|hart, irq| (section(hart, irq, table, (id, channel), &answer), None));
        match step {
            Step::Done(result) => return result,
            Step::Space(hart) => lwkt::wait_for_space(hart),
            Step::Long(copying) => return answer_long(copying, &answer),
            // Its client's connection was gone: there is nobody to answer.
            Step::Again | Step::Woken => {}
        }
    }
}

#[inline]
fn section(
    hart: &mut Hart<Riscv>,
    irq: &IrqOff,
    table: &'static ChannelTable,
    (id, channel): (MessageId, ChannelId),
    answer: &Answer,
) -> Step<Result<(), Errno>> {
    let gone = || Err(Obstacle::Failed(Errno::ESRCH));
    let answered = table.with_or(irq, waiters(), channel, gone, |channel| {
        channel.answer(id, answer, &mut Bearer { hart, irq })
    });
    match answered {
        Ok((client, failed)) => {
            bump(&hart.inspect().answered);
            stack::note_afar(hart.is_elsewhere(client.thread));
            certain(hart.wake(irq, &client));
            hart.note(irq, Event::MsgReply, channel.index(), id.to_register());
            Step::Done(failed.map_or(Ok(()), Err))
        }
        Err(obstacle) => stopped(hart, irq, table, obstacle),
    }
}

/// The named bug: the channels of whoever was sent that message.
#[cfg(feature = "bug-rcvid-foreign")]
fn whosever(id: MessageId, channel: ChannelId) -> Option<&'static ChannelTable> {
    let mut tables = super::rooms::all().map(|room| &room.channels);
    tables.find(|table| {
        let sent = |irq: &_| table.with(irq, waiters(), channel, |channel| channel.sent(id));
        skimmer_arch::irq::masked(sent).is_ok_and(|client| client.is_some())
    })
}

fn answer_long(mut copying: Copying, answer: &Answer) -> Result<(), Errno> {
    let Answer::Bytes(status, from) = *answer else {
        unreachable!("an error has no bytes to copy");
    };
    let error = match copying.carry(from) {
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
                    note(hart, irq, Event::MsgReply, copying.transfer.peer());
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
