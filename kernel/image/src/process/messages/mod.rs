// SPDX-License-Identifier: Apache-2.0
//! Messages between programs: the calls, around the policy of
//! `core::channel::rendezvous`.
//!
//! Each call is a loop of masked sections. In each the policy looks, copies and
//! decides under the channel's lock; what it says is done outside of the lock and in
//! the same section: somebody is woken, the caller is blocked. What needs a ring that
//! is full, or more copying than one section is for, ends the section.

mod answer;
mod copying;
mod receive;
mod send;
mod settle;

use core::sync::atomic::{AtomicU64, Ordering};

use skimmer_abi::{
    call::{Call as Name, MsgInfo},
    errno::Errno,
    trace::Event,
};
use skimmer_arch::{
    cpu::{Riscv, look},
    irq::masked,
    message::{Next, Owns, Parkable},
    user::Call,
    user_copy,
};
use skimmer_core::{
    channel::{
        MessageId, Outcome, Wait,
        connection::ConnectionId,
        rendezvous::{Carrier, Fault, Obstacle, Wake},
        table::ChannelTable,
    },
    handover::HandOver,
    hart::Hart,
    ids::{HartIndex, ThreadId},
    port::Full,
    process::Tid,
    sched::Switch,
    user::{UserAddr, UserBytes},
    waiting::Timeout,
};
use skimmer_sync::irq::IrqOff;

use self::copying::Copying;
use super::{Process, channels::waiters, rooms};
use crate::{lwkt, smp};

pub(crate) use self::settle::settle;
pub(super) use self::settle::tell_detached;

/// A call of messages that does not begin where its thread can be parked.
pub(super) fn perform(
    name: Name,
    process: &'static Process,
    call: &Call<'_>,
) -> Result<u64, Errno> {
    let [first, second, ..] = call.arguments();
    match name {
        Name::MsgError => answer::error(process, first, second),
        Name::MsgInfo => info(process, first, UserAddr::new(second as usize)),
        _ => Err(Errno::ENOSYS),
    }
}

impl Owns for Process {
    fn send_straight(&'static self, name: u64, call: Call<'_>, entry: Parkable) {
        send::straight(self, name, &call, entry);
    }

    fn answer_straight(&'static self, name: u64, call: Call<'_>, entry: Parkable) {
        answer::straight(self, name, &call, entry);
    }

    fn send_afar(&'static self, name: u64, call: Call<'_>, entry: Parkable) {
        send::afar(self, name, &call, entry);
    }

    fn answer_afar(&'static self, name: u64, call: Call<'_>, entry: Parkable) {
        answer::afar(self, name, &call, entry);
    }

    fn reply_straight(&'static self, call: Call<'_>, entry: Parkable) {
        answer::reply_straight(self, call, entry);
    }

    fn receive_straight(&'static self, name: u64, call: Call<'_>, entry: Parkable) {
        receive::straight(self, name, &call, entry);
    }

    fn message(&'static self, name: u64, call: &mut Call<'_>, entry: Parkable) -> Next {
        let who = (self, Tid::from_word(name));
        match Name::from_number(call.number()) {
            Some(Name::MsgSend) => send::begin(who, call, entry),
            Some(Name::MsgReplyReceive) => answer::begin_both(who, call, entry),
            Some(Name::MsgReceive) => receive::begin(who, call, entry),
            _ => answer::begin(self, call, entry),
        }
    }

    fn message_slow(&'static self, name: u64, timeout: Option<Timeout>, call: &mut Call<'_>) {
        let who = (self, Tid::from_word(name));
        match Name::from_number(call.number()) {
            Some(Name::MsgSend) => send::send(who, timeout, call),
            Some(Name::MsgReplyReceive) => answer::reply_receive(who, timeout, call),
            Some(Name::MsgReceive) => receive::receive_and_tell(who, timeout, call),
            _ => answer::reply_and_tell(self, call),
        }
    }

    fn message_woken(&'static self, name: u64, call: &mut Call<'_>) {
        let who = (self, Tid::from_word(name));
        let results = match (Name::from_number(call.number()), woken()) {
            (_, Outcome::Answered(status)) => send::answered(Ok(status)),
            (_, Outcome::Received(receipt)) => receive::told(&receipt),
            (Some(Name::MsgSend), Outcome::Failed(error)) => send::answered(Err(error)),
            (Some(Name::MsgReceive), Outcome::Failed(error)) => receive::found(Err(error)),
            (_, Outcome::Failed(error)) => answer::next(Err(error)),
            (Some(Name::MsgSend), Outcome::Again) => return send::send(who, None, call),
            (Some(Name::MsgReceive), Outcome::Again) => {
                return receive::receive_and_tell(who, None, call);
            }
            (_, Outcome::Again) => return answer::receive_next(who, None, call),
        };
        call.finish_with(results);
    }
}

/// Who has the hart when a masked section is over.
enum Turn {
    /// The caller.
    Mine,
    /// Another. If it is parked, it is told right here what became of its wait, if it can
    /// be.
    Another(Switch<Riscv>),
    /// A thread that is parked, and is to find that.
    Straight(Switch<Riscv>, [u64; 3]),
}

impl Turn {
    #[inline]
    fn of(handed: HandOver<Riscv>, results: impl FnOnce() -> [u64; 3]) -> Self {
        match handed {
            HandOver::Straight(switch) => Self::Straight(switch, results()),
            HandOver::Queued(switch) => Self::Another(switch),
        }
    }

    /// For who is blocked with what it has on its stack. What a parked thread is to find
    /// is in its record, too.
    fn into_switch(self) -> Option<Switch<Riscv>> {
        match self {
            Self::Mine => None,
            Self::Another(switch) | Self::Straight(switch, _) => Some(switch),
        }
    }

    /// For who can be parked.
    #[inline]
    fn into_next(self, entry: Parkable, call: &mut Call<'_>) -> Next {
        match self {
            Self::Mine => entry.back(call),
            Self::Another(switch) => match entry.decide(found_by_next) {
                Some(results) => entry.over(switch, results),
                None => entry.away(switch),
            },
            Self::Straight(switch, results) => entry.over(switch, results),
        }
    }
}

/// The call goes the usual way. That all that leads here is called cold keeps what the short
/// way needs most in registers.
#[cold]
#[inline(never)]
const fn usual_way() {}

/// To whom the hart goes, and what that finds if it is parked and is to look at nothing else.
type Heir = (Switch<Riscv>, Option<[u64; 3]>);

/// The calling thread is parked the short way. It does not return.
#[inline(always)]
fn give_up(entry: Parkable, (switch, found): Heir) {
    match found {
        Some(results) => entry.over_at_once(switch, results),
        None => entry.away(switch),
    }
}

/// Copies as much as both have to the memory of that process, of which a thread is blocked.
/// Whether it could.
#[inline(always)]
fn give(irq: &IrqOff, from: UserBytes, owner: u64, to: UserBytes) -> bool {
    let is_nothing = from.length.min(to.length) == 0;
    is_nothing || user_copy::give(irq, from, &rooms::at(owner).loaded, to).is_ok()
}

/// Of the thread to which the hart is about to go.
#[inline(always)]
fn heir(switch: Switch<Riscv>, hart: &mut Hart<Riscv>, irq: &IrqOff) -> Heir {
    (switch, found_by_next(hart, irq))
}

/// What a parked thread finds to which the hart is about to go, if that is all that it is to
/// look at.
#[inline(always)]
fn found_by_next(hart: &mut Hart<Riscv>, irq: &IrqOff) -> Option<[u64; 3]> {
    match hart.woken_parked(irq)? {
        Outcome::Answered(status) => Some(send::answered(Ok(status))),
        Outcome::Received(receipt) => Some(receive::told(&receipt)),
        Outcome::Failed(_) | Outcome::Again => None,
    }
}

/// The call is over.
fn done(entry: Parkable, call: &mut Call<'_>, results: [u64; 3]) -> Next {
    call.finish_with(results);
    entry.back(call)
}

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

type Section<R> = (Step<Result<R, Errno>>, Turn);

/// How bytes move and threads are told, from the calling thread.
struct Bearer<'a> {
    hart: &'a mut Hart<Riscv>,
    irq: &'a IrqOff,
}

impl Carrier for Bearer<'_> {
    #[inline]
    fn give(&mut self, from: UserBytes, owner: u64, to: UserBytes) -> Result<(), Fault> {
        user_copy::give(self.irq, from, &rooms::at(owner).loaded, to)
    }

    #[inline]
    fn fetch(&mut self, owner: u64, from: UserBytes, to: UserBytes) -> Result<(), Fault> {
        user_copy::fetch(self.irq, &rooms::at(owner).loaded, from, to)
    }

    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex> {
        self.hart.can_tell(thread)
    }

    #[inline]
    fn is_connected(&mut self, owner: u64, coid: u64) -> bool {
        is_connected(self.irq, owner, coid)
    }
}

/// Whether that connection of that process is there.
#[inline(always)]
fn is_connected(irq: &IrqOff, owner: u64, coid: u64) -> bool {
    rooms::at(owner).connections.is_current(irq, ConnectionId::from_register(coid))
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

/// A range that could be the program's; none if it is to be told that it is not.
#[inline(always)]
fn fair(start: u64, length: u64) -> Option<UserBytes> {
    let range = UserBytes::new(start as usize, length as usize);
    user_copy::judge_range(range).ok().map(|()| range)
}

fn judged(range: UserBytes) -> Result<UserBytes, Errno> {
    user_copy::judge_range(range).map(|()| range)
}

/// Wakes a thread whose wait is over, wherever it lives.
pub(super) fn wake(wake: &Wake) {
    lwkt::tell(|hart, irq| hart.wake(irq, wake));
}

/// What became of the wait of the calling thread, which has been woken.
fn woken() -> Outcome {
    match look(Hart::woken) {
        Some(outcome) => outcome,
        None => unreachable!("whoever ends a wait says why"),
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

/// MsgInfo.
fn info(process: &'static Process, id: u64, to: UserAddr) -> Result<u64, Errno> {
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
