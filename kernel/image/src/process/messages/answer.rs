// SPDX-License-Identifier: Apache-2.0
//! MsgReply, MsgReplyReceive and MsgError.

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_arch::{cpu::enter, user::Call};
use skimmer_core::{
    channel::{
        MessageId,
        rendezvous::{Answer, Fault, Obstacle, Progress},
    },
    process::Tid,
    user::UserBytes,
    waiting::Timeout,
};

use super::{
    Bearer, Step, bytes, certain,
    copying::Copying,
    judged, note,
    receive::{receive_at, told},
    stopped,
};
use crate::{
    lwkt,
    process::{Process, channels::waiters},
};

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
    #[cfg(feature = "bug-rcvid-foreign")]
    let table = whosever(id, channel).unwrap_or(table);
    loop {
        let step = enter(|hart, irq| {
            let gone = || Err(Obstacle::Failed(Errno::ESRCH));
            let answered = table.with_or(irq, waiters(), channel, gone, |channel| {
                channel.answer(id, &answer, &mut Bearer { hart, irq })
            });
            let step = match answered {
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

/// The named bug: the channels of whoever was sent that message.
#[cfg(feature = "bug-rcvid-foreign")]
fn whosever(
    id: MessageId,
    channel: skimmer_core::channel::ChannelId,
) -> Option<&'static skimmer_core::channel::table::ChannelTable> {
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
