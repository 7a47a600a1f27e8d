// SPDX-License-Identifier: Apache-2.0
//! Each hart's service thread: does what handlers leave over (they take no
//! locks and do not send), gives threads from elsewhere a home, and answers
//! what its hart alone can know.

use skimmer_abi::errno::Errno;
use skimmer_arch::{
    cpu::{self, Riscv, enter},
    memory, rounds,
};
use skimmer_core::{
    channel::ChannelId,
    chores::{Chore, Duty},
    hart::Hart,
    ids::{Priority, ThreadId},
    message::Words,
    port::Wait,
    room::Room,
    shares,
    table::OutOfMemory,
    thread::{NewThread, State, Why},
};

use crate::{lwkt, process, smp};

/// Above every workload: what it frees and answers, others wait for.
pub(crate) const PRIORITY: Priority = Priority::new(250);

/// Ask for the number of threads and of whole stack canaries on the hart.
const CHECK_STACKS: u64 = 1;
/// Ask whether the thread named in the second word is stopped.
const IS_STOPPED: u64 = 2;

/// Ask for the priority of the thread named in the second word.
const PRIORITY_OF: u64 = 3;

/// Ask for the number of threads of the hart, the bytes that it keeps for them,
/// and the bytes that it has in stock.
const COUNT: u64 = 4;

/// Have the hart pass a round.
const PASS: u64 = 5;

/// Ask for the channel that the thread named in the second word serves.
const SERVED_BY: u64 = 6;

/// The thread.
pub(crate) fn run() {
    loop {
        let duty = enter(|hart, irq| match hart.next_duty(irq) {
            Wait::Ready(duty) => (Some(duty), None),
            Wait::Block((), blocked) => (None, Some(blocked.switch(irq))),
        });
        match duty {
            Some(Duty::Chore(chore)) => do_chore(chore),
            Some(Duty::Answer(request)) => answer(request),
            None => {}
        }
    }
}

fn do_chore(chore: Chore<Riscv>) {
    match chore {
        Chore::Return(message, status) => lwkt::reply(message, status),
        // Dropping frees the memory, here in thread context.
        Chore::Bury(thread) => drop(thread),
        Chore::Discard(discarded) => drop(discarded),
        Chore::Settle(unsettled) => process::settle(&unsettled),
    }
}

fn answer(mut request: lwkt::Received) {
    let (answer, status) = match request.answer([0; 8]) {
        lwkt::Payload::Thread(thread) => adopt(thread),
        lwkt::Payload::Forget(space, scope) => {
            space.forget(scope);
            ([0; 8], 0)
        }
        lwkt::Payload::Words(words) if words[0] == CHECK_STACKS => (check_stacks(), 0),
        lwkt::Payload::Words(words) if words[0] == IS_STOPPED => (look_at(words[1]), 0),
        lwkt::Payload::Words(words) if words[0] == PRIORITY_OF => priority(words[1]),
        lwkt::Payload::Words(words) if words[0] == SERVED_BY => (served(words[1]), 0),
        lwkt::Payload::Words(words) if words[0] == COUNT => (count(), 0),
        lwkt::Payload::Words(words) if words[0] == PASS => {
            rounds::pass();
            ([0; 8], 0)
        }
        lwkt::Payload::Words(_) => ([0; 8], Errno::EINVAL.status()),
    };
    request.answer(answer);
    lwkt::reply(request, status);
}

fn adopt(thread: NewThread<Riscv>) -> (Words, i64) {
    // Only this thread gives threads their home here, so the room is still
    // wanted when it comes.
    if let Some(threads) = enter(|hart, _| (hart.wants_room(), None)) {
        match process::enrol(cpu::this_hart(), threads).and_then(|()| Room::of(threads)) {
            Ok(room) => drop(enter(|hart, _| (hart.grow_into(room), None))),
            Err(OutOfMemory) => return ([0; 8], Errno::ENOMEM.status()),
        }
    }
    let family = thread.family.filter(|family| enter(|hart, _| (hart.lacks_share(*family), None)));
    if let Some(family) = family {
        match shares::Room::of(family) {
            Ok(room) => drop(enter(|hart, _| (hart.share_with(family, room), None))),
            Err(OutOfMemory) => return ([0; 8], Errno::ENOMEM.status()),
        }
    }
    match enter(|hart, _| (hart.adopt(thread), None)) {
        Ok(id) => ([id.to_word(), 0, 0, 0, 0, 0, 0, 0], 0),
        Err(_) => ([0; 8], Errno::ENOMEM.status()),
    }
}

fn check_stacks() -> Words {
    let (threads, whole) = enter(|hart, _| {
        let counts = hart.threads().fold((0, 0), |(threads, whole), (_, thread)| {
            (threads + 1, whole + u64::from(thread.context().is_whole()))
        });
        (counts, None)
    });
    [threads, whole, 0, 0, 0, 0, 0, 0]
}

fn look_at(word: u64) -> Words {
    let id = ThreadId::from_word(word);
    let stopped = State::Blocked(Why::Stopped);
    let is_stopped = enter(|hart, _| (hart.thread(id).is_some_and(|t| t.state() == stopped), None));
    [u64::from(is_stopped), 0, 0, 0, 0, 0, 0, 0]
}

fn priority(word: u64) -> (Words, i64) {
    let id = ThreadId::from_word(word);
    let priority = enter(|hart, _| (hart.thread(id).map(|thread| thread.priority()), None));
    match priority {
        Some(priority) => ([u64::from(priority.level()), 0, 0, 0, 0, 0, 0, 0], 0),
        None => ([0; 8], Errno::ESRCH.status()),
    }
}

fn served(word: u64) -> Words {
    let id = ThreadId::from_word(word);
    let channel = enter(|hart, _| (hart.thread(id).and_then(|thread| thread.serves()), None));
    [channel.map_or(0, ChannelId::to_register), 0, 0, 0, 0, 0, 0, 0]
}

fn count() -> Words {
    let count = |hart: &mut Hart<Riscv>| (u64::from(hart.thread_count()), hart.footprint() as u64);
    let (threads, kept) = enter(|hart, _| (count(hart), None));
    [threads, kept, memory::in_stock() as u64, 0, 0, 0, 0, 0]
}

/// What all harts have together: threads, bytes of the heap that are kept for
/// threads, bytes in stock. The message it is asked by is not in a stock.
pub(crate) fn count_all(mut request: lwkt::Message) -> (Words, lwkt::Message) {
    let mut sum = [0; 8];
    for service in smp::services() {
        request.set_words([COUNT, 0, 0, 0, 0, 0, 0, 0]);
        let reply = lwkt::call(*service, request);
        sum.iter_mut().zip(reply.words()).for_each(|(sum, more)| *sum += more);
        request = reply.into_idle();
    }
    (sum, request)
}

/// Has every hart pass a round. Takes the message, and puts it back.
///
/// # Panics
/// If there is none.
pub(crate) fn pass_all(message: &mut Option<lwkt::Message>) {
    for service in smp::services() {
        let Some(mut request) = message.take() else { unreachable!("who asks has a message") };
        request.set_words([PASS, 0, 0, 0, 0, 0, 0, 0]);
        *message = Some(lwkt::call(*service, request).into_idle());
    }
}

/// The priority of a thread.
///
/// # Errors
/// ESRCH: it is gone. ENOMEM.
pub(crate) fn priority_of(id: ThreadId) -> Result<u8, Errno> {
    let words = [PRIORITY_OF, id.to_word(), 0, 0, 0, 0, 0, 0];
    let request = lwkt::Message::try_new(lwkt::Payload::Words(words)).map_err(|_| Errno::ENOMEM)?;
    let reply = lwkt::call(smp::service_of(id.home()), request);
    if reply.status() == 0 { Ok(reply.words()[0] as u8) } else { Err(Errno::ESRCH) }
}

/// The channel that a thread received from last.
///
/// # Errors
/// ENOMEM.
pub(crate) fn served_by(id: ThreadId) -> Result<Option<ChannelId>, Errno> {
    let words = [SERVED_BY, id.to_word(), 0, 0, 0, 0, 0, 0];
    let request = lwkt::Message::try_new(lwkt::Payload::Words(words)).map_err(|_| Errno::ENOMEM)?;
    let reply = lwkt::call(smp::service_of(id.home()), request);
    Ok(ChannelId::from_register(reply.words()[0]))
}

/// Whether a thread of the hart of that service thread is stopped.
pub(crate) fn is_stopped(service: ThreadId, id: ThreadId) -> bool {
    let request = lwkt::message([IS_STOPPED, id.to_word(), 0, 0, 0, 0, 0, 0]);
    lwkt::call(service, request).words()[0] == 1
}

/// Creates a stopped thread on the hart whose service thread is named.
///
/// # Errors
/// ENOMEM, as a status.
pub(crate) fn spawn_on(service: ThreadId, thread: NewThread<Riscv>) -> Result<ThreadId, i64> {
    let request = lwkt::Message::try_new(lwkt::Payload::Thread(thread));
    let request = request.map_err(|_| Errno::ENOMEM.status())?;
    let reply = lwkt::call(service, request);
    match reply.status() {
        0 => Ok(ThreadId::from_word(reply.words()[0])),
        status => Err(status),
    }
}

/// Whole canaries over all harts.
///
/// # Errors
/// How many are not.
pub(crate) fn check_all_stacks() -> Result<u64, u64> {
    let (mut threads, mut whole) = (0, 0);
    for service in smp::services() {
        let reply = lwkt::call(*service, lwkt::message([CHECK_STACKS, 0, 0, 0, 0, 0, 0, 0]));
        threads += reply.words()[0];
        whole += reply.words()[1];
    }
    if threads == whole { Ok(whole) } else { Err(threads - whole) }
}
