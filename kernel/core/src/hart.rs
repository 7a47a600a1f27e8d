// SPDX-License-Identifier: Apache-2.0
//! The state that one hart owns: its threads, its run queue, its ends of the
//! rings. Nobody else touches it (law home-hart-only), and it is reached with
//! interrupts masked only.
//!
//! Policy decides and the machine acts: what changes who should run comes back
//! as a [`Switch`], and a thread that has blocked comes back as [`Blocked`],
//! which borrows the whole hart until the switch is chosen, so that nothing
//! can come between (law nothing-between-block-and-switch).

use alloc::{boxed::Box, vec::Vec};

use skimmer_abi::{
    errno::Errno,
    inspect::{HartInspect, bump},
};
use skimmer_sync::{
    fifo::{Fifo, Node},
    irq::IrqOff,
    mailbox::Doorbell,
};

use crate::{
    ids::{HartIndex, Priority, SlotId, ThreadId},
    list::{Link, Links, List},
    machine::Machine,
    message::{Body, Carried, Note, Received},
    port::{Full, MsgPort, Wait},
    remote::{Lines, Op, RING_SLOTS, hart_at},
    runq::RunQueue,
    table::{OutOfMemory, Table},
    thread::{NewThread, State, Thread, Why},
    thread_port::ThreadPort,
};

/// Queue numbers above the 256 of the run queue.
const DEAD: u16 = 256;
const FIRST_SPACE: u16 = 257;

/// Who gives up the hart, and who gets it. The current thread has changed
/// already: interrupts stay masked until the new stack is live (law
/// switch-window-closed).
#[derive(Debug)]
#[must_use = "the current thread has changed; the machine must follow"]
pub struct Switch<M: Machine> {
    from: M::Saved,
    to: M::Saved,
}

impl<M: Machine> Switch<M> {
    /// Where the old thread's stack pointer is to be kept, and where the new
    /// thread's is. For the machine, which switches at once.
    #[must_use]
    pub fn into_parts(self) -> (M::Saved, M::Saved) {
        (self.from, self.to)
    }
}

/// The current thread is blocked or dead. All that can be done is to switch.
#[derive(Debug)]
#[must_use = "a blocked thread must give up the hart"]
pub struct Blocked<'h, M: Machine>(&'h mut Hart<M>);

impl<M: Machine> Blocked<'_, M> {
    /// Chooses who runs next.
    pub fn switch(self, irq: &IrqOff) -> Switch<M> {
        self.0.next(irq)
    }
}

/// Something that handlers leave to the hart's service thread.
#[derive(Debug)]
pub enum Chore<M: Machine> {
    /// Free the memory of a thread that has exited.
    Bury(Thread<M>),
    /// Give a message back to a sender on another hart, with the status it has.
    Return(Received<M>, i64),
    /// Free the memory of something nobody waits for.
    Discard(Discarded<M>),
}

/// What a service thread does next.
#[derive(Debug)]
pub enum Duty<M: Machine> {
    /// Something that handlers left over.
    Chore(Chore<M>),
    /// A request at its port.
    Answer(Received<M>),
}

/// Memory that is only to be freed.
pub struct Discarded<M: Machine> {
    _message: Option<Carried<M>>,
    _note: Option<Box<Node<Note>>>,
}

impl<M: Machine> core::fmt::Debug for Discarded<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Discarded")
    }
}

/// One hart.
pub struct Hart<M: Machine> {
    index: HartIndex,
    machine: M,
    inspect: &'static HartInspect,
    threads: Table<Thread<M>>,
    runq: RunQueue,
    current: ThreadId,
    service: Option<ThreadId>,
    lines: Lines<M>,
    space_waiters: Vec<List>,
    dead: List,
    /// Requests to threads that are gone.
    orphans: Fifo<Body<M>>,
    /// Requests that their senders asked for back.
    canceled: Fifo<Body<M>>,
    discards: Fifo<Body<M>>,
    notes: Fifo<Note>,
}

impl<M: Machine> core::fmt::Debug for Hart<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Hart {} running {}", self.index, self.current)
    }
}

impl<M: Machine> Links for Table<Thread<M>> {
    fn link(&mut self, slot: u32) -> &mut Link {
        match self.at_mut(slot) {
            Some(thread) => &mut thread.link,
            None => unreachable!("a queue holds threads of this table only"),
        }
    }
}

impl<M: Machine> Hart<M> {
    /// A hart that runs `boot`: the thread that calls this, and which becomes
    /// its idle thread.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new(
        index: HartIndex,
        machine: M,
        inspect: &'static HartInspect,
        lines: Lines<M>,
        boot: NewThread<M>,
    ) -> Result<Self, OutOfMemory> {
        let mut threads = Table::new(ThreadId::MAX_PER_HART);
        let mut idle = Thread::new(NewThread { priority: Priority::IDLE, ..boot });
        idle.state = State::Running;
        let slot = threads.insert(idle).map_err(|(error, _)| error)?;
        let mut space_waiters = Vec::new();
        space_waiters.try_reserve_exact(lines.mailboxes.len()).map_err(|_| OutOfMemory)?;
        space_waiters.extend((FIRST_SPACE..).take(lines.mailboxes.len()).map(List::new));
        Ok(Self {
            index,
            machine,
            inspect,
            threads,
            runq: RunQueue::new()?,
            current: ThreadId::new(index, slot),
            service: None,
            lines,
            space_waiters,
            dead: List::new(DEAD),
            orphans: Fifo::new(),
            canceled: Fifo::new(),
            discards: Fifo::new(),
            notes: Fifo::new(),
        })
    }

    /// Its place among the harts.
    #[must_use]
    pub const fn index(&self) -> HartIndex {
        self.index
    }

    /// The thread that runs.
    #[must_use]
    pub const fn current(&self) -> ThreadId {
        self.current
    }

    /// What the hart shows of itself.
    #[must_use]
    pub const fn inspect(&self) -> &'static HartInspect {
        self.inspect
    }

    /// Every thread of the hart.
    pub fn threads(&self) -> impl Iterator<Item = (ThreadId, &Thread<M>)> {
        self.threads.iter().map(|(slot, thread)| (ThreadId::new(self.index, slot), thread))
    }

    /// A thread of the hart, unless it is gone.
    #[must_use]
    pub fn thread(&self, id: ThreadId) -> Option<&Thread<M>> {
        self.threads.get(self.own(id)?)
    }

    /// Gives a thread its home here. It is stopped until it is scheduled.
    ///
    /// # Errors
    /// Gives the thread back when memory is out.
    pub fn adopt(&mut self, new: NewThread<M>) -> Result<ThreadId, (OutOfMemory, NewThread<M>)> {
        match self.threads.insert(Thread::new(new)) {
            Ok(slot) => Ok(ThreadId::new(self.index, slot)),
            Err((error, thread)) => {
                let Thread { name, priority, context, .. } = thread;
                Err((error, NewThread { name, priority, context }))
            }
        }
    }

    /// Makes `id` the thread that does what handlers leave over. It waits in
    /// [`Hart::next_duty`] only: nothing else wakes it for a chore.
    pub fn set_service(&mut self, id: ThreadId) {
        self.service = Some(id);
    }

    /// Wakes a stopped thread, here or elsewhere. A thread that is not stopped,
    /// or gone, is left as it is.
    ///
    /// # Errors
    /// [`Full`] when it lives on another hart and the ring to it is full.
    pub fn schedule(&mut self, irq: &IrqOff, id: ThreadId) -> Result<(), Full<()>> {
        if self.is_elsewhere(id) {
            return self.ask(irq, id.home(), Op::Schedule(id));
        }
        self.make_ready(irq, id, Why::Stopped);
        Ok(())
    }

    /// Changes a thread's priority, here or elsewhere. One that is ready goes
    /// behind its new equals.
    ///
    /// # Errors
    /// [`Full`] when it lives on another hart and the ring to it is full.
    pub fn set_priority(
        &mut self,
        irq: &IrqOff,
        id: ThreadId,
        priority: Priority,
    ) -> Result<(), Full<()>> {
        if self.is_elsewhere(id) {
            return self.ask(irq, id.home(), Op::SetPriority(id, priority));
        }
        let Some(thread) = self.live_thread(id) else {
            return Ok(());
        };
        thread.priority = priority;
        if thread.state == State::Ready {
            let slot = id.slot().index();
            self.runq.remove(irq, &mut self.threads, slot);
            self.runq.push_back(irq, &mut self.threads, slot, priority);
        }
        Ok(())
    }

    /// Stops the current thread until somebody schedules it.
    pub fn deschedule_self(&mut self, irq: &IrqOff) -> Blocked<'_, M> {
        self.block(irq, Why::Stopped)
    }

    /// Ends the current thread, which has answered all that it took. Requests that wait at its port go back with
    /// ESRCH; the service thread frees its memory.
    pub fn exit(&mut self, irq: &IrqOff) -> Blocked<'_, M> {
        let thread = self.current_thread();
        assert!(
            !thread.port.holds_requests(),
            "reply-once: a thread exits with requests unanswered"
        );
        thread.state = State::Dead;
        let mut requests = core::mem::take(&mut thread.port.requests);
        let mut replies = core::mem::take(&mut thread.port.replies);
        self.orphans.append(&mut requests);
        self.discards.append(&mut replies);
        let slot = self.current.slot().index();
        self.dead.push_back(&mut self.threads, slot);
        self.wake_service(irq);
        Blocked(self)
    }

    /// Lets the equals of the current thread run before it.
    pub fn yield_now(&mut self, irq: &IrqOff) -> Option<Switch<M>> {
        let (slot, priority) = self.running();
        if self.runq.highest(irq)? < priority {
            return None;
        }
        self.current_thread().state = State::Ready;
        self.runq.push_back(irq, &mut self.threads, slot, priority);
        Some(self.next(irq))
    }

    /// Gives the hart to a thread more urgent than the current one, if there is
    /// one. The current one stays first among its equals.
    pub fn preempt(&mut self, irq: &IrqOff) -> Option<Switch<M>> {
        let (slot, priority) = self.running();
        if self.runq.highest(irq)? <= priority {
            return None;
        }
        self.current_thread().state = State::Ready;
        self.runq.push_front(irq, &mut self.threads, slot, priority);
        Some(self.next(irq))
    }

    /// Blocks the current thread until `target`'s ring has space. None if it
    /// has space already.
    pub fn wait_for_space(&mut self, irq: &IrqOff, target: HartIndex) -> Option<Blocked<'_, M>> {
        if !self.lines.outbound.get_mut(target.index())?.as_mut()?.starve() {
            return None;
        }
        bump(&self.inspect.ring_waits);
        let slot = self.current.slot().index();
        self.space_waiters.get_mut(target.index())?.push_back(&mut self.threads, slot);
        Some(self.block(irq, Why::Space(target)))
    }

    /// Takes what other harts have sent, if anything. For a thread that is about
    /// to give up the hart, or has run for a while.
    pub fn poll_mail(&mut self, irq: &IrqOff) {
        if self.has_mail() {
            self.answer_doorbell(irq);
        }
    }

    /// Takes what other harts have sent. The order is the protocol: clear the
    /// doorbell, take the flag, drain. At most a ring's length is taken from
    /// each source, so that a busy source cannot hold the hart.
    pub fn answer_doorbell(&mut self, irq: &IrqOff) {
        self.machine.clear_doorbell();
        let mailboxes = self.lines.mailboxes;
        let Some(mailbox) = mailboxes.get(self.index.index()) else { return };
        mailbox.take_pending();
        mailbox.take_sources(|source| self.drain(irq, source));
        mailbox.take_space(|target| self.wake_space_waiters(irq, target));
    }

    /// Whether something has been sent that was not taken yet. For the idle
    /// thread, before it sleeps.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.lines.mailboxes.get(self.index.index()).is_some_and(|m| m.is_pending())
    }

    /// The next thing to do for the service thread, which calls this; or blocks
    /// it until there is something. Chores are looked for in the same section
    /// that blocks: one that a ring brings in between finds no sleeper to wake.
    pub fn next_duty(&mut self, irq: &IrqOff) -> Wait<'_, M, Duty<M>, ()> {
        self.poll_mail(irq);
        if let Some(chore) = self.next_chore() {
            return Wait::Ready(Duty::Chore(chore));
        }
        match ThreadPort::wait(self, irq, ()) {
            Wait::Ready(request) => Wait::Ready(Duty::Answer(request)),
            Wait::Block((), blocked) => Wait::Block((), blocked),
        }
    }

    fn next_chore(&mut self) -> Option<Chore<M>> {
        if let Some(body) = self.orphans.pop_front() {
            return Some(self.hand_out(body, Errno::ESRCH));
        }
        if let Some(body) = self.canceled.pop_front() {
            return Some(self.hand_out(body, Errno::ECANCELED));
        }
        if let Some(body) = self.discards.pop_front() {
            return Some(Chore::Discard(Discarded { _message: Some(body), _note: None }));
        }
        if let Some(note) = self.notes.pop_front() {
            return Some(Chore::Discard(Discarded { _message: None, _note: Some(note) }));
        }
        let slot = self.dead.pop(&mut self.threads)?;
        self.threads.remove_at(slot).map(Chore::Bury)
    }

    /// Puts a thread that is blocked for that reason into the run queue. Any
    /// other is left as it is (law enqueue-idempotent).
    pub(crate) fn make_ready(&mut self, irq: &IrqOff, id: ThreadId, why: Why) {
        let Some(thread) = self.live_thread(id) else {
            return;
        };
        if thread.state == State::Blocked(why) {
            thread.state = State::Ready;
            let priority = thread.priority;
            self.runq.push_back(irq, &mut self.threads, id.slot().index(), priority);
        }
    }

    pub(crate) fn block(&mut self, _: &IrqOff, why: Why) -> Blocked<'_, M> {
        self.current_thread().state = State::Blocked(why);
        Blocked(self)
    }

    pub(crate) fn current_thread(&mut self) -> &mut Thread<M> {
        match self.threads.get_mut(self.current.slot()) {
            Some(thread) => thread,
            None => unreachable!("the current thread is in its hart's table"),
        }
    }

    /// The slot and priority of the current thread.
    ///
    /// # Panics
    /// When it has blocked: then there is nothing left to it but to switch.
    fn running(&mut self) -> (u32, Priority) {
        let thread = self.current_thread();
        assert!(thread.state == State::Running, "nothing-between-block-and-switch");
        let priority = thread.priority;
        (self.current.slot().index(), priority)
    }

    pub(crate) fn live_thread(&mut self, id: ThreadId) -> Option<&mut Thread<M>> {
        let slot = self.own(id)?;
        self.threads.get_mut(slot).filter(|thread| thread.state != State::Dead)
    }

    /// Puts `op` into the ring to `target`, and rings unless a doorbell is in
    /// flight already.
    pub(crate) fn send_remote(
        &mut self,
        _: &IrqOff,
        target: HartIndex,
        op: Op<M>,
    ) -> Result<(), Full<Op<M>>> {
        let line = self.lines.outbound.get_mut(target.index()).and_then(Option::as_mut);
        let Some(line) = line else { unreachable!("there is a ring to every other hart") };
        line.push(op).map_err(|value| Full { target, value })?;
        self.post(target, |mailbox, from| mailbox.post(from));
        Ok(())
    }

    pub(crate) fn orphan(&mut self, irq: &IrqOff, body: Carried<M>) {
        self.orphans.push_back(body);
        self.wake_service(irq);
    }

    pub(crate) fn cancel(&mut self, irq: &IrqOff, body: Carried<M>) {
        self.canceled.push_back(body);
        self.wake_service(irq);
    }

    pub(crate) fn discard(&mut self, irq: &IrqOff, body: Carried<M>) {
        self.discards.push_back(body);
        self.wake_service(irq);
    }

    pub(crate) fn discard_notes(&mut self, irq: &IrqOff, notes: &mut Fifo<Note>) {
        self.notes.append(notes);
        self.wake_service(irq);
    }

    pub(crate) fn discard_note(&mut self, irq: &IrqOff, note: Box<Node<Note>>) {
        self.notes.push_back(note);
        self.wake_service(irq);
    }

    /// The current thread, which is the service thread, takes a request that it
    /// is to send back.
    fn hand_out(&mut self, body: Carried<M>, why: Errno) -> Chore<M> {
        self.current_thread().port.hold();
        Chore::Return(Received::new(body), why.status())
    }

    fn wake_service(&mut self, irq: &IrqOff) {
        if let Some(service) = self.service {
            self.make_ready(irq, service, Why::Receive);
        }
    }

    fn ask(&mut self, irq: &IrqOff, target: HartIndex, op: Op<M>) -> Result<(), Full<()>> {
        self.send_remote(irq, target, op).map_err(|full| Full { target: full.target, value: () })
    }

    /// Whether the thread belongs to another hart. A name that carries no hart
    /// in use is nobody's, here as anywhere.
    pub(crate) fn is_elsewhere(&self, id: ThreadId) -> bool {
        id.home() != self.index && id.home().index() < self.lines.mailboxes.len()
    }

    fn own(&self, id: ThreadId) -> Option<SlotId> {
        (id.home() == self.index).then_some(id.slot())
    }

    /// Makes the most urgent thread the current one. The old one has been
    /// queued, blocked or ended by the caller.
    fn next(&mut self, irq: &IrqOff) -> Switch<M> {
        assert!(
            self.current_thread().state != State::Running,
            "a running thread is switched away from"
        );
        let from = M::saved(&self.current_thread().context);
        let Some(slot) = self.runq.pop(irq, &mut self.threads) else {
            unreachable!("the idle thread is ready whenever it does not run")
        };
        let Some((slot, thread)) = self.threads.entry_mut(slot) else {
            unreachable!("the run queue holds threads of this table only")
        };
        thread.state = State::Running;
        let to = M::saved(&thread.context);
        self.current = ThreadId::new(self.index, slot);
        bump(&self.inspect.switches);
        Switch { from, to }
    }

    fn post(
        &self,
        target: HartIndex,
        say: impl FnOnce(&skimmer_sync::mailbox::Mailbox, HartIndex) -> Doorbell,
    ) {
        let Some(mailbox) = self.lines.mailboxes.get(target.index()) else {
            return;
        };
        if say(mailbox, self.index) == Doorbell::Ring {
            bump(&self.inspect.doorbells);
            self.machine.ring_doorbell(target);
        }
    }

    fn drain(&mut self, irq: &IrqOff, source: HartIndex) {
        for _ in 0..RING_SLOTS {
            let Some(op) = self.inbound(source).pop() else {
                break;
            };
            bump(&self.inspect.remote_ops);
            self.perform(irq, op);
        }
        if self.inbound(source).has_more() {
            self.post(self.index, |mailbox, _| mailbox.post(source));
        }
        if self.inbound(source).take_starved() {
            self.post(source, |mailbox, from| mailbox.post_space(from));
        }
    }

    fn inbound(&mut self, source: HartIndex) -> &mut crate::remote::Inbound<M> {
        match self.lines.inbound.get_mut(source.index()).and_then(Option::as_mut) {
            Some(line) => line,
            None => unreachable!("only other harts mark themselves in a mailbox"),
        }
    }

    fn perform(&mut self, irq: &IrqOff, op: Op<M>) {
        match op {
            // These cannot be full: the thread is ours, or nobody's.
            Op::Schedule(id) => drop(self.schedule(irq, id)),
            Op::SetPriority(id, priority) => drop(self.set_priority(irq, id, priority)),
            Op::Send(to, body) => self.deliver_request(irq, to, body),
            Op::Reply(body) => self.deliver_reply(irq, body),
            Op::Abort(note) => self.deliver_abort(irq, note),
        }
    }

    fn wake_space_waiters(&mut self, irq: &IrqOff, target: HartIndex) {
        let Some(waiters) = self.space_waiters.get_mut(target.index()) else {
            return;
        };
        let mut woken = *waiters;
        *waiters = List::new(FIRST_SPACE + target.get());
        while let Some(slot) = woken.pop(&mut self.threads) {
            if let Some((slot, _)) = self.threads.entry_mut(slot) {
                self.make_ready(irq, ThreadId::new(self.index, slot), Why::Space(target));
            }
        }
    }

    /// Every hart of the machine, this one included.
    pub fn harts(&self) -> impl Iterator<Item = HartIndex> + use<M> {
        (0..self.lines.mailboxes.len()).map(hart_at)
    }
}
