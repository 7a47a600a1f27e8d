// SPDX-License-Identifier: Apache-2.0
//! What a kernel thread can do: send, receive, reply, wait, yield. Each call
//! opens the hart's state once, lets policy decide, and follows its switch. A
//! full ring makes the calling thread wait here, with nothing held.

use alloc::boxed::Box;
use core::sync::atomic::AtomicU64;

use skimmer_abi::inspect::{HartInspect, add, bump};
#[cfg(not(feature = "bug-runq-unmasked"))]
use skimmer_arch::cpu::enter as enter_to_send;
#[cfg(feature = "bug-runq-unmasked")]
use skimmer_arch::cpu::enter_unmasked as enter_to_send;
use skimmer_arch::{
    cpu::{Riscv, enter},
    stack::KernelStack,
};
use skimmer_core::{
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    message::{self, AbortNote, InFlight},
    port::{Full, MsgPort, Wait},
    table::OutOfMemory,
    thread::NewThread,
    thread_port::ThreadPort,
};
use skimmer_sync::irq::IrqOff;

pub(crate) type Message = message::Message<Riscv>;
pub(crate) type Payload = message::Payload<Riscv>;
pub(crate) type Received = message::Received<Riscv>;
pub(crate) type Replied = message::Replied<Riscv>;
type Port = ThreadPort<Riscv>;

/// A message that carries data.
pub(crate) fn message(words: message::Words) -> Message {
    Message::new(Payload::Words(words))
}

/// A thread that has no home yet.
///
/// # Errors
/// When memory is out.
pub(crate) fn new_thread(
    name: &'static str,
    priority: Priority,
    entry: impl FnOnce() + Send + 'static,
) -> Result<NewThread<Riscv>, OutOfMemory> {
    Ok(NewThread { name, priority, family: None, context: KernelStack::new(Box::new(entry))? })
}

/// The calling thread.
pub(crate) fn current() -> ThreadId {
    enter(|hart, _| (hart.current(), None))
}

/// Counts a unit of work, for the host's watchdog.
pub(crate) fn count_work() {
    enter(|hart, _| (bump(&hart.inspect().work), None));
}

/// Adds to a counter of this hart that people watch.
pub(crate) fn count(which: fn(&HartInspect) -> &AtomicU64, more: u64) {
    enter(|hart, _| (add(which(hart.inspect()), more), None));
}

/// Lets equals run. Strict priority: the less urgent do not run.
pub(crate) fn yield_now() {
    enter(|hart, irq| ((), hart.yield_now(irq)));
}

/// Stops the calling thread until it is scheduled. Wakes of the past do not
/// count: the caller has agreed with its waker on who comes first.
pub(crate) fn deschedule_self() {
    enter(|hart, irq| ((), Some(hart.deschedule_self(irq).switch(irq))));
}

/// Sleeps until `deadline`, in ticks of guest time.
pub(crate) fn sleep_until(deadline: u64) {
    enter(|hart, irq| {
        let blocked = hart.sleep_until(irq, deadline);
        ((), blocked.map(|blocked| blocked.switch(irq)))
    });
}

/// Wakes a stopped thread, wherever it lives.
pub(crate) fn schedule(id: ThreadId) {
    #[cfg(feature = "bug-wake-foreign")]
    if id.home() != skimmer_arch::cpu::this_hart() {
        return skimmer_arch::cpu::enter_foreign(id.home(), |hart, irq| {
            drop(hart.schedule(irq, id))
        });
    }
    until_sent((), |hart, irq, ()| hart.schedule(irq, id));
}

/// The calling thread's priority.
pub(crate) fn priority() -> Priority {
    enter(|hart, _| (hart.thread(hart.current()).map_or(Priority::IDLE, |me| me.priority()), None))
}

/// Makes a thread end before it runs a program's code again, wherever it lives,
/// and no later than the caller would.
pub(crate) fn condemn(id: ThreadId) {
    let urgency = priority();
    until_sent((), |hart, irq, ()| hart.condemn(irq, id, urgency));
}

/// Changes a thread's priority, wherever it lives.
pub(crate) fn set_priority(id: ThreadId, priority: Priority) {
    until_sent((), |hart, irq, ()| hart.set_priority(irq, id, priority));
}

/// Sends without waiting for the reply.
pub(crate) fn send(to: ThreadId, message: Message) -> InFlight {
    until_sent(message, |hart, irq, message| Port::send(hart, irq, to, message))
}

/// Waits for the reply to a message.
pub(crate) fn wait(mut ticket: InFlight) -> Replied {
    loop {
        let step = enter(|hart, irq| match Port::wait_reply(hart, irq, ticket) {
            Wait::Ready(replied) => (Ok(replied), None),
            Wait::Block(ticket, blocked) => (Err(ticket), Some(blocked.switch(irq))),
        });
        match step {
            Ok(replied) => return replied,
            Err(unanswered) => ticket = unanswered,
        }
    }
}

/// Sends and waits for the reply (`domsg`).
pub(crate) fn call(to: ThreadId, message: Message) -> Replied {
    wait(send(to, message))
}

/// Waits for the next message at the caller's port.
pub(crate) fn receive() -> Received {
    loop {
        let message = enter(|hart, irq| {
            let Ok(message) = Port::wait(hart, irq, (), &mut ());
            match message {
                Wait::Ready(message) => (Some(message), None),
                Wait::Block((), blocked) => (None, Some(blocked.switch(irq))),
            }
        });
        if let Some(message) = message {
            return message;
        }
    }
}

/// Answers a message.
pub(crate) fn reply(message: Received, status: i64) {
    until_sent(message, |hart, irq, message| Port::reply(hart, irq, message, status));
}

/// Asks for a message back.
pub(crate) fn abort(ticket: &InFlight) {
    until_sent(AbortNote::new(), |hart, irq, note| Port::abort(hart, irq, ticket, note));
}

/// Tries until the ring has space. Between tries the thread waits with nothing
/// in hand but what it wants to send.
fn until_sent<T, R>(
    mut value: T,
    mut attempt: impl FnMut(&mut Hart<Riscv>, &IrqOff, T) -> Result<R, Full<T>>,
) -> R {
    loop {
        let step = enter_to_send(|hart, irq| match attempt(hart, irq, value) {
            Ok(sent) => (Ok(sent), None),
            Err(full) => (Err(full), None),
        });
        match step {
            Ok(sent) => return sent,
            Err(full) => {
                wait_for_space(full.target);
                value = full.value;
            }
        }
    }
}

/// Tells somebody something, on whatever hart: again when its ring has space.
pub(crate) fn tell(mut attempt: impl FnMut(&mut Hart<Riscv>, &IrqOff) -> Result<(), Full<()>>) {
    until_sent((), |hart, irq, ()| attempt(hart, irq));
}

/// Waits until the ring to that hart may have space.
pub(crate) fn wait_for_space(target: HartIndex) {
    enter(|hart, irq| {
        let blocked = hart.wait_for_space(irq, target);
        ((), blocked.map(|blocked| blocked.switch(irq)))
    });
}
