// SPDX-License-Identifier: Apache-2.0
//! Threads as `async` blocks. Each operation is one irq-off section; after it
//! interrupts are open: other harts run, doorbells land, and the thread may
//! lose its hart. One that blocks goes on where it stopped when it is switched
//! to again, as a kernel thread does.

use std::{pin::Pin, rc::Rc, task::Poll};

use skimmer_abi::trace::Reason;
use skimmer_core::{
    chores::{Chore, Duty},
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    message::{Payload, Received},
    port::{Full, MsgPort, Refused, Wait},
    sched::Switch,
    thread_port::ThreadPort,
};
use skimmer_sync::irq::IrqOff;

use crate::{cpu::Cpu, fake::Fake, ipc::Ipc};

type Port = ThreadPort<Fake>;

/// How a thread reaches its hart.
#[derive(Clone, Debug)]
pub struct Me(Rc<Cpu>);

/// Interrupts are open for a moment.
pub async fn breathe() {
    let mut breathed = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut breathed, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Me {
    pub(crate) const fn new(cpu: Rc<Cpu>) -> Self {
        Self(cpu)
    }

    /// The thread's name.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.0.enter(|hart, _| hart.current())
    }

    /// The channels of its world.
    #[must_use]
    pub fn ipc(&self) -> Option<&'static Ipc> {
        self.0.ipc()
    }

    /// It is to end.
    pub async fn condemn(&self) {
        let told =
            self.section(|hart, irq| hart.condemn(irq, hart.current(), Priority::IDLE)).await;
        assert!(told.is_ok(), "it is at home");
    }

    /// One irq-off section.
    pub async fn section<R>(&self, work: impl FnOnce(&mut Hart<Fake>, &IrqOff) -> R) -> R {
        let result = self.0.enter(work);
        breathe().await;
        result
    }

    /// One irq-off section that may block.
    pub(crate) async fn attempt<R>(
        &self,
        work: impl FnOnce(&mut Hart<Fake>, &IrqOff) -> Result<R, Switch<Fake>>,
    ) -> Option<R> {
        let result = self.0.enter(work).map_err(|switch| self.0.choose(switch, Reason::Blocked));
        breathe().await;
        result.ok()
    }

    /// Sends, waiting for space as often as it takes.
    pub async fn send<P: MsgPort<Fake>>(
        &self,
        to: P::Address,
        mut message: P::Idle,
    ) -> P::InFlight {
        loop {
            match self.try_send::<P>(to, message).await {
                Ok(ticket) => return ticket,
                Err(full) => message = self.after_space(full).await,
            }
        }
    }

    /// Sends, or says that the ring is full.
    ///
    /// # Errors
    /// [`Full`] with the message.
    pub async fn try_send<P: MsgPort<Fake>>(
        &self,
        to: P::Address,
        message: P::Idle,
    ) -> Result<P::InFlight, Full<P::Idle>> {
        self.section(|hart, irq| P::send(hart, irq, to, message)).await
    }

    /// Waits until the ring may have space, and returns what did not fit.
    pub async fn after_space<T>(&self, full: Full<T>) -> T {
        self.wait_for_space(full.target).await;
        full.value
    }

    /// Waits until the ring to `target` may have space.
    pub async fn wait_for_space(&self, target: HartIndex) {
        self.attempt(|hart, irq| match hart.wait_for_space(irq, target) {
            None => Ok(()),
            Some(blocked) => Err(blocked.switch(irq)),
        })
        .await;
    }

    /// Takes the next message if there is one.
    pub async fn get<P: MsgPort<Fake, Room: Default>>(&self, port: P::Own) -> Option<P::Received> {
        let mut room = P::Room::default();
        loop {
            match self.section(|hart, irq| P::get(hart, irq, port, &mut room)).await {
                Ok(message) => return message,
                Err(refused) => self.after_refusal(refused.into()).await,
            }
        }
    }

    /// Takes the next message.
    pub async fn wait<P: MsgPort<Fake, Room: Default>>(&self, port: P::Own) -> P::Received {
        let mut room = P::Room::default();
        loop {
            let taken = self.attempt(|hart, irq| match P::wait(hart, irq, port, &mut room) {
                Ok(Wait::Ready(message)) => Ok(Ok(message)),
                Ok(Wait::Block((), blocked)) => Err(blocked.switch(irq)),
                Err(refused) => Ok(Err(refused.into())),
            });
            match taken.await {
                Some(Ok(message)) => return message,
                Some(Err(refused)) => self.after_refusal(refused).await,
                None => {}
            }
        }
    }

    async fn after_refusal(&self, refused: Refused) {
        match refused {
            Refused::Full(target) => self.wait_for_space(target).await,
            Refused::Failed(error) => panic!("nothing is received: {error:?}"),
        }
    }

    /// Replies, waiting for space as often as it takes.
    pub async fn reply<P: MsgPort<Fake>>(&self, mut message: P::Received, status: i64) -> P::Told {
        loop {
            match self.section(|hart, irq| P::reply(hart, irq, message, status)).await {
                Ok(told) => return told,
                Err(full) => message = self.after_space(full).await,
            }
        }
    }

    /// Claims a reply.
    pub async fn wait_reply<P: MsgPort<Fake>>(&self, ticket: P::InFlight) -> P::Replied {
        let mut ticket = Some(ticket);
        loop {
            let claimed = self.attempt(|hart, irq| {
                let Some(key) = ticket.take() else { unreachable!("put back when it blocks") };
                match P::wait_reply(hart, irq, key) {
                    Wait::Ready(reply) => Ok(reply),
                    Wait::Block(key, blocked) => {
                        ticket = Some(key);
                        Err(blocked.switch(irq))
                    }
                }
            });
            if let Some(reply) = claimed.await {
                return reply;
            }
        }
    }

    /// A synchronous round trip.
    pub async fn domsg<P: MsgPort<Fake>>(&self, to: P::Address, message: P::Idle) -> P::Replied {
        let ticket = self.send::<P>(to, message).await;
        self.wait_reply::<P>(ticket).await
    }

    /// Asks for a message back, waiting for space as often as it takes.
    pub async fn abort<P: MsgPort<Fake>>(&self, ticket: &P::InFlight, mut note: P::Note) {
        while let Err(full) = self.section(|hart, irq| P::abort(hart, irq, ticket, note)).await {
            note = self.after_space(full).await;
        }
    }

    /// Whether the sender of a message asked for it back.
    pub async fn is_aborted<P: MsgPort<Fake>>(&self, message: &P::Received) -> bool {
        self.section(|hart, irq| P::is_aborted(hart, irq, message)).await
    }

    /// Wakes a stopped thread anywhere.
    pub async fn schedule(&self, id: ThreadId) {
        while let Err(full) = self.section(|hart, irq| hart.schedule(irq, id)).await {
            self.after_space(full).await;
        }
    }

    /// Changes the priority of a thread anywhere.
    pub async fn set_priority(&self, id: ThreadId, priority: Priority) {
        while let Err(full) = self.section(|hart, irq| hart.set_priority(irq, id, priority)).await {
            self.after_space(full).await;
        }
    }

    /// Lets its equals run.
    pub async fn yield_now(&self) {
        if let Some(switch) = self.0.enter(|hart, irq| hart.yield_now(irq)) {
            self.0.choose(switch, Reason::Yielded);
        }
        breathe().await;
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.now()
    }

    /// Stops until that time.
    pub async fn sleep_until(&self, deadline: u64) {
        let id = self.id();
        self.0.will_sleep(id, deadline);
        self.attempt(|hart, irq| match hart.sleep_until(irq, deadline) {
            None => Ok(()),
            Some(blocked) => Err(blocked.switch(irq)),
        })
        .await;
        self.0.has_slept(id);
    }

    /// Keeps the hart from other threads until [`Me::leave_critical`].
    pub fn enter_critical(&self) {
        self.0.enter_critical();
    }

    /// The end of a critical section: who had to wait for it comes now.
    pub async fn leave_critical(&self) {
        if let Some(switch) = self.0.leave_critical() {
            self.0.choose(switch, Reason::Preempted);
        }
        breathe().await;
    }

    /// Stops until somebody schedules it.
    pub async fn stop(&self) {
        self.attempt(|hart, irq| Err::<(), _>(hart.deschedule_self(irq).switch(irq))).await;
    }
}

/// What a hart's service thread does, for ever.
pub(crate) fn serve(me: Me) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        loop {
            let duty = me.attempt(|hart, irq| match hart.next_duty(irq) {
                Wait::Ready(duty) => Ok(duty),
                Wait::Block((), blocked) => Err(blocked.switch(irq)),
            });
            match duty.await {
                None => {}
                Some(Duty::Answer(request)) => adopt(&me, request).await,
                Some(Duty::Chore(Chore::Return(message, status))) => {
                    me.reply::<Port>(message, status).await;
                }
                Some(Duty::Chore(Chore::Bury(thread))) => drop(thread),
                Some(Duty::Chore(Chore::Discard(memory))) => drop(memory),
                Some(Duty::Chore(Chore::Settle(unsettled))) => {
                    let ipc = me.0.ipc().expect("nobody waits at a channel");
                    me.settle(ipc, &unsettled).await;
                }
            }
        }
    })
}

/// Gives a thread that came by message its home, and answers with its name.
async fn adopt(me: &Me, mut request: Received<Fake>) {
    if let Payload::Thread(new) = request.answer([0; 8]) {
        let id = me.section(|hart, _| hart.adopt(new).expect("memory")).await;
        me.schedule(id).await;
        request.answer([id.to_word(), 0, 0, 0, 0, 0, 0, 0]);
    }
    me.reply::<Port>(request, 0).await;
}
