// SPDX-License-Identifier: Apache-2.0
//! A channel as a message port: the table of operations over its three queues.
//!
//! The port is synchronous in this: a thread has one record, so it has one message on its
//! way at a time, until it has claimed the reply, and waits for nothing else meanwhile. The
//! message is bytes in its memory, which stay where they are. Whoever receives or answers
//! copies, while the sender has nothing but a ticket.
//!
//! A thread with a ticket runs while its record is a channel's. So no thread of a program
//! has one: calls of messages take it that who runs waits nowhere (`super::straight`).
//!
//! What is decided is the policy's ([`super::rendezvous`]); here is what follows for the
//! calling thread. How bytes are reached is a [`Courier`]'s affair.
//!
//! Each operation is one masked section, so the port copies no more than one section is
//! for: of a message, a room and an answer, what is beyond [`AT_ONCE_ACROSS`] bytes is cut
//! off. Calls that copy part by part are programs'.

use core::marker::PhantomData;

use skimmer_abi::{errno::Errno, inspect::bump, trace::Event};
use skimmer_sync::irq::IrqOff;

use crate::{
    channel::{
        Channel, ChannelId, Guest, MessageId, Outcome, Receipt, Wait as Stand, Waiters, Which,
        connection::ConnectionId,
        rendezvous::{AT_ONCE_ACROSS, Answer, Carrier, Got, Message, Obstacle, Sent, Wake},
        table::ChannelTable,
    },
    hart::Hart,
    ids::ThreadId,
    machine::Machine,
    port::{Full, MsgPort, Refused, Wait},
    sched::Blocked,
    user::UserBytes,
    waiting::{Visitor, Waiting},
};

/// What a thread brings: whose memory, and which bytes of it.
#[derive(Clone, Copy, Debug)]
pub struct Parcel {
    /// Its process ([`Guest::owner`]).
    pub owner: u64,
    /// What its process calls it.
    pub tid: u64,
    /// The connection that it sends on; 0 of who receives.
    pub coid: u64,
    /// What it sends, or answers.
    pub out: UserBytes,
    /// Its place for the answer, or for a message.
    pub into: UserBytes,
}

/// How the memory of those is reached who use channels as ports.
pub trait Courier<M: Machine>: 'static {
    /// Holds the memory of a message, or of a room, as long as others may be at it.
    type Letter;
    /// What the policy copies with, for the calling thread.
    type Carrier<'a>: Carrier;

    /// What such a letter is.
    fn parcel(letter: &Self::Letter) -> Parcel;

    /// For one masked section of the current thread.
    fn carrier<'a>(hart: &'a mut Hart<M>, irq: &'a IrqOff) -> Self::Carrier<'a>;
}

/// Where a channel is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Whose channel.
    pub table: &'static ChannelTable,
    /// The records of all threads.
    pub waiters: &'static Waiters,
    /// Which.
    pub id: ChannelId,
}

/// The sender's ticket. Every ticket is waited for: until then its thread can come to no
/// other channel, and must not exit.
#[derive(Debug)]
#[must_use = "the reply is claimed with this ticket"]
pub struct Ticket<L> {
    at: Place,
    letter: L,
    state: Away,
    // Stays with the thread that sent: the wait is its own.
    _here: PhantomData<*const ()>,
}

/// Where a message is.
#[derive(Clone, Copy, Debug)]
enum Away {
    /// At the channel, or answered.
    Sent(Stand),
    /// It has come back at once, with that status.
    Back(i64),
}

/// Where a message is received.
#[derive(Debug)]
pub struct Room<L> {
    /// Its memory, until there is a message in it. Without, no bytes are received.
    letter: Option<L>,
    /// The wait that has begun.
    stands: Option<Stand>,
}

impl<L: Default> Default for Room<L> {
    fn default() -> Self {
        Self::new(L::default())
    }
}

impl<L> Room<L> {
    /// A room of that memory.
    #[must_use]
    pub const fn new(letter: L) -> Self {
        Self { letter: Some(letter), stands: None }
    }
}

/// A message that was received. Any thread of the channel's process may answer it.
#[derive(Debug)]
#[must_use = "its sender waits for the answer"]
pub struct Received<L> {
    at: Place,
    /// Its name, and how many bytes of it there are.
    pub receipt: Receipt,
    /// Where it was received, and whence the answer comes.
    pub letter: Option<L>,
}

/// A message that came back.
#[derive(Debug)]
pub struct Replied<L> {
    /// What the server said of it; or a negative [`Errno`].
    pub status: i64,
    /// The sender's memory.
    pub letter: L,
}

/// The operations of channels.
#[derive(Debug)]
pub struct ChannelPort<M, C>(PhantomData<(M, C)>);

impl<M: Machine, C: Courier<M>> MsgPort<M> for ChannelPort<M, C> {
    type Address = Place;
    type Own = Place;
    type Room = Room<C::Letter>;
    type Refused = Refused;
    type Idle = C::Letter;
    type InFlight = Ticket<C::Letter>;
    type Received = Received<C::Letter>;
    type Replied = Replied<C::Letter>;
    type Told = Result<(), Errno>;
    type Note = ();

    fn send(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        to: Place,
        letter: C::Letter,
    ) -> Result<Ticket<C::Letter>, Full<C::Letter>> {
        let client = to.guest(hart, Some(C::parcel(&letter)));
        let may_go_on = hart.may_come().map_err(Obstacle::Failed);
        let sent = to.at(irq, |channel| {
            may_go_on?;
            let by = &mut C::carrier(hart, irq);
            if !by.is_connected(client.owner, client.coid) {
                return Err(Obstacle::Failed(Errno::EBADF));
            }
            channel.send(&client, by)
        });
        let state = match sent {
            Ok(sent) => Away::Sent(hart.follow_send(irq, sent)),
            Err(obstacle) => match hart.stopped(irq, obstacle) {
                Refused::Full(target) => return Err(Full { target, value: letter }),
                Refused::Failed(error) => Away::Back(error.status()),
            },
        };
        Ok(Ticket { at: to, letter, state, _here: PhantomData })
    }

    fn get(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        port: Place,
        room: &mut Self::Room,
    ) -> Result<Option<Received<C::Letter>>, Refused> {
        match look::<M, C>(hart, irq, port, room, Wants::WhatIsThere)? {
            Found::Message(message) => Ok(Some(message)),
            Found::Nothing | Found::Waits(_) => Ok(None),
        }
    }

    fn wait<'h>(
        hart: &'h mut Hart<M>,
        irq: &IrqOff,
        port: Place,
        room: &mut Self::Room,
    ) -> Result<Wait<'h, M, Received<C::Letter>, ()>, Refused> {
        match look::<M, C>(hart, irq, port, room, Wants::Waits)? {
            Found::Message(message) => Ok(Wait::Ready(message)),
            Found::Waits(wait) => {
                Ok(Wait::Block((), port.block(hart, irq, Which::Receive, wait, 0)))
            }
            Found::Nothing => unreachable!("who waits stands in a queue"),
        }
    }

    fn reply(
        hart: &mut Hart<M>,
        irq: &IrqOff,
        message: Received<C::Letter>,
        status: i64,
    ) -> Result<Result<(), Errno>, Full<Received<C::Letter>>> {
        let (at, id) = (message.at, message.receipt.id);
        let bytes = message.letter.as_ref().map_or(UserBytes::NONE, |it| cut(C::parcel(it).out));
        let answer = Answer::Bytes(status, bytes);
        let answered =
            at.at(irq, |channel| channel.answer(id, &answer, &mut C::carrier(hart, irq)));
        match answered {
            Ok((client, failed)) => {
                bump(&hart.inspect().answered);
                hart.tell(irq, &client);
                hart.note(irq, Event::MsgReply, at.id.index(), id.to_register());
                Ok(failed.map_or(Ok(()), Err))
            }
            Err(obstacle) => match hart.stopped(irq, obstacle) {
                Refused::Full(target) => Err(Full { target, value: message }),
                Refused::Failed(error) => Ok(Err(error)),
            },
        }
    }

    fn wait_reply<'h>(
        hart: &'h mut Hart<M>,
        irq: &IrqOff,
        ticket: Ticket<C::Letter>,
    ) -> Wait<'h, M, Replied<C::Letter>, Ticket<C::Letter>> {
        let Ticket { at, letter, state, .. } = ticket;
        let wait = match state {
            Away::Back(status) => return Wait::Ready(Replied { status, letter }),
            Away::Sent(wait) => wait,
        };
        let Parcel { owner, coid, .. } = C::parcel(&letter);
        // Who is told such things while it is not blocked does not hear of them.
        let error = match hart.may_go_on() {
            Ok(()) if C::carrier(hart, irq).is_connected(owner, coid) => None,
            Ok(()) => Some(Errno::EBADF),
            Err(error) => Some(error),
        };
        match at.stands(irq, wait, error) {
            Some(queue) => {
                let ticket = Ticket { at, letter, state, _here: PhantomData };
                Wait::Block(ticket, at.block(hart, irq, queue, wait, coid))
            }
            None => {
                hart.current_thread().is_message_away = false;
                Wait::Ready(Replied { status: status_of(at.outcome(wait.thread)), letter })
            }
        }
    }

    fn abort(
        _: &mut Hart<M>,
        irq: &IrqOff,
        ticket: &Ticket<C::Letter>,
        (): (),
    ) -> Result<(), Full<()>> {
        if let Away::Sent(wait) = ticket.state {
            ticket.at.waits(irq, |channel| channel.ask_back(wait));
        }
        Ok(())
    }

    fn is_aborted(_: &mut Hart<M>, irq: &IrqOff, message: &Received<C::Letter>) -> bool {
        let id = message.receipt.id;
        message.at.waits(irq, |channel| channel.is_asked_back(id)).unwrap_or(false)
    }
}

/// What of it is carried.
fn cut(bytes: UserBytes) -> UserBytes {
    UserBytes { length: bytes.length.min(AT_ONCE_ACROSS), ..bytes }
}

/// What a sender finds.
const fn status_of(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Answered(status) => status,
        Outcome::Failed(error) => error.status(),
        // Who is to send once more has to decide that itself.
        Outcome::Again | Outcome::Received(_) => Errno::EAGAIN.status(),
    }
}

impl Place {
    fn at<R>(
        &self,
        irq: &IrqOff,
        work: impl FnOnce(&mut Channel<'_>) -> Result<R, Obstacle>,
    ) -> Result<R, Obstacle> {
        let gone = || Err(Obstacle::Failed(Errno::ESRCH));
        self.table.with_or(irq, self.waiters, self.id, gone, work)
    }

    /// The same also at a channel that is closing.
    fn waits<R>(&self, irq: &IrqOff, work: impl FnOnce(&mut Channel<'_>) -> R) -> Option<R> {
        self.table.with_waits(irq, self.waiters, self.id, work)
    }

    /// Where a wait stands, if it goes on. With an error, it does not from now on.
    fn stands(&self, irq: &IrqOff, wait: Stand, error: Option<Errno>) -> Option<Which> {
        let look = |channel: &mut Channel<'_>| {
            // The caller's own: nobody is to be woken.
            let _ended = error.and_then(|error| channel.end(wait, error));
            channel.queue_of(wait)
        };
        self.waits(irq, look).flatten()
    }

    fn outcome(&self, me: ThreadId) -> Outcome {
        match self.waiters.outcome(me) {
            Some(outcome) => outcome,
            None => unreachable!("whoever ends a wait says why"),
        }
    }

    /// The calling thread, and what it brings.
    fn guest<M: Machine>(&self, hart: &mut Hart<M>, parcel: Option<Parcel>) -> Guest {
        let Visitor { thread, priority, record, .. } = hart.visitor(self.waiters);
        let guest = Guest { record, ..Guest::bare(thread, priority) };
        let Some(Parcel { owner, tid, coid, out, into }) = parcel else { return guest };
        Guest { owner, tid, coid, out: cut(out), into, ..guest }
    }

    fn block<'h, M: Machine>(
        &self,
        hart: &'h mut Hart<M>,
        irq: &IrqOff,
        queue: Which,
        wait: Stand,
        coid: u64,
    ) -> Blocked<'h, M> {
        let connection = (coid != 0).then(|| ConnectionId::from_register(coid));
        hart.wait_at_channel(irq, queue, Waiting::new(self.table, wait, connection), None)
    }
}

/// What a receiver does if there is nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    WhatIsThere,
    Waits,
}

/// What a receiver finds.
enum Found<L> {
    Message(Received<L>),
    Nothing,
    Waits(Stand),
}

/// Looks what became of the wait that has begun; if none has, for a message.
fn look<M: Machine, C: Courier<M>>(
    hart: &mut Hart<M>,
    irq: &IrqOff,
    at: Place,
    room: &mut Room<C::Letter>,
    wants: Wants,
) -> Result<Found<C::Letter>, Refused> {
    if let Some(wait) = room.stands {
        let error = hart.may_go_on().err();
        if at.stands(irq, wait, error).is_some() {
            return Ok(Found::Waits(wait));
        }
        room.stands = None;
        match at.outcome(wait.thread) {
            Outcome::Received(receipt) => return Ok(Found::Message(room.take(at, receipt))),
            Outcome::Failed(error) => return Err(Refused::Failed(error)),
            Outcome::Again | Outcome::Answered(_) => {}
        }
    }
    hart.may_come().map_err(Refused::Failed)?;
    let parcel = room.letter.as_ref().map(C::parcel);
    let server = at.guest(hart, parcel.map(|it| Parcel { into: cut(it.into), ..it }));
    let base = hart.current_thread().base;
    let got = at.at(irq, |channel| {
        if wants == Wants::WhatIsThere && channel.is_empty(Which::Send) {
            return Ok(None);
        }
        channel.receive(&server, base, &mut C::carrier(hart, irq)).map(Some)
    });
    match got {
        Ok(None) => Ok(Found::Nothing),
        Ok(Some(Got::Message(receipt, message))) => {
            hart.follow_receive(irq, at.id, &receipt, message);
            Ok(Found::Message(room.take(at, receipt)))
        }
        Ok(Some(Got::Waiting(wait, urgency))) => {
            room.stands = Some(wait);
            hart.serve(irq, Some(at.id), urgency);
            Ok(Found::Waits(wait))
        }
        Err(obstacle) => Err(hart.stopped(irq, obstacle)),
    }
}

impl<L> Room<L> {
    const fn take(&mut self, at: Place, receipt: Receipt) -> Received<L> {
        Received { at, receipt, letter: self.letter.take() }
    }
}

/// What follows for the calling thread.
impl<M: Machine> Hart<M> {
    /// Who is to end waits for nobody any more.
    fn may_go_on(&mut self) -> Result<(), Errno> {
        if self.current_thread().is_condemned { Err(Errno::EINTR) } else { Ok(()) }
    }

    /// What becomes of a wait is kept for one.
    fn may_come(&mut self) -> Result<(), Errno> {
        self.may_go_on()?;
        if self.current_thread().is_message_away { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// Wakes somebody, as was promised that it can.
    fn tell(&mut self, irq: &IrqOff, wake: &Wake) {
        if self.wake(irq, wake).is_err() {
            unreachable!("the ring had space, and only this hart fills it");
        }
    }

    fn follow_send(&mut self, irq: &IrqOff, sent: Sent) -> Stand {
        let wait = match sent {
            Sent::Received(wait, server, _) => {
                bump(&self.inspect().handed);
                self.tell(irq, &server);
                wait
            }
            Sent::Queued(wait, boost) => {
                if boost.is_some_and(|boost| self.boost(irq, &boost).is_err()) {
                    unreachable!("the ring had space, and only this hart fills it");
                }
                wait
            }
        };
        self.current_thread().is_message_away = true;
        let message = MessageId::of(wait).to_register();
        self.note(irq, Event::MsgSend, wait.channel.index(), message);
        wait
    }

    fn follow_receive(&mut self, irq: &IrqOff, id: ChannelId, receipt: &Receipt, it: Message) {
        bump(&self.inspect().handed);
        self.serve(irq, Some(id), it.urgency);
        if it.timed.is_some_and(|wait| self.tell_received(irq, wait).is_err()) {
            unreachable!("the ring had space, and only this hart fills it");
        }
        self.note(irq, Event::MsgReceive, id.index(), receipt.id.to_register());
    }

    /// What stands in the way.
    fn stopped(&mut self, irq: &IrqOff, obstacle: Obstacle) -> Refused {
        match obstacle {
            Obstacle::Full(target) => Refused::Full(target),
            Obstacle::Refused(other) => {
                self.tell(irq, &other);
                // Whoever is next is looked at in a section of its own.
                Refused::Full(self.index())
            }
            Obstacle::Failed(error) => Refused::Failed(error),
            Obstacle::Long(_) => unreachable!("what is so short is copied at once"),
        }
    }
}

impl Channel<'_> {
    /// A client wants its message back: if nobody has it yet, the client's wait is over.
    fn ask_back(&mut self, wait: Stand) {
        let Some(node) = self.find(wait) else { return };
        let waiter = self.owned.waiter(node);
        if waiter.queue == Which::Send {
            let _own = self.end(wait, Errno::ECANCELED);
        } else {
            waiter.asked_back = waiter.number;
        }
    }

    /// Whether the client of that message wants it back.
    fn is_asked_back(&mut self, message: MessageId) -> bool {
        self.client(message).is_some_and(|(_, client)| client.asked_back == client.number)
    }
}
