// SPDX-License-Identifier: Apache-2.0
//! Who runs: waking, blocking, yielding, preemption, time. Strict priority;
//! first in first out among equals, who share the hart by time slices.
//!
//! Policy decides and the machine acts: what changes who should run comes back
//! as a [`Switch`], and a thread that has blocked comes back as [`Blocked`],
//! which borrows the whole hart until the switch is chosen, so that nothing
//! can come between (law nothing-between-block-and-switch).

use skimmer_abi::{
    errno::Errno,
    inspect::bump,
    trace::{Event, Reason},
};
use skimmer_sync::irq::IrqOff;

use crate::{
    hart::Hart,
    ids::{Priority, ThreadId},
    machine::Machine,
    port::Full,
    remote::Op,
    shares::Family,
    thread::{State, Why},
};

/// How often a slice is made twice as long, at the most: from the shortest turn
/// of one in a crowd to ten seconds. Round-robin emulation of 64 busy harts
/// takes six away.
const MOST_DRAWN_OUT: u32 = 18;

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
    pub(crate) const fn new(from: M::Saved, to: M::Saved) -> Self {
        Self { from, to }
    }

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

impl<'h, M: Machine> Blocked<'h, M> {
    pub(crate) const fn into_hart(self) -> &'h mut Hart<M> {
        self.0
    }

    /// Chooses who runs next.
    #[inline]
    pub fn switch(self, irq: &IrqOff) -> Switch<M> {
        let is_dead = self.0.current_thread().state == State::Dead;
        self.0.next(irq, if is_dead { Reason::Exited } else { Reason::Blocked })
    }
}

impl<M: Machine> Hart<M> {
    /// Wakes a stopped thread, here or elsewhere. A thread that is not stopped,
    /// or gone, is left as it is.
    ///
    /// # Errors
    /// [`Full`] when it lives on another hart and the ring to it is full.
    pub fn schedule(&mut self, irq: &IrqOff, id: ThreadId) -> Result<(), Full<()>> {
        if self.is_elsewhere(id) {
            self.ask(irq, id.home(), Op::Schedule(id))?;
            self.note(irq, Event::WakeRemote, 0, id.to_word());
            return Ok(());
        }
        if self.make_ready(irq, id, Why::Stopped) {
            self.note(irq, Event::WakeLocal, 0, id.to_word());
        }
        Ok(())
    }

    /// Makes a thread end before it runs a program's code again, here or
    /// elsewhere. If it is stopped, or waits for an interrupt, it is woken, to look
    /// at why. It ends at
    /// `urgency` at least, so that whoever waits for its end does not wait for
    /// all that is more urgent than it was.
    ///
    /// # Errors
    /// [`Full`] when it lives on another hart and the ring to it is full.
    pub fn condemn(
        &mut self,
        irq: &IrqOff,
        id: ThreadId,
        urgency: Priority,
    ) -> Result<(), Full<()>> {
        if self.is_elsewhere(id) {
            return self.ask(irq, id.home(), Op::Condemn(id, urgency));
        }
        if let Some(thread) = self.live_thread(id) {
            thread.is_condemned = true;
            M::condemn(&thread.context);
            if thread.priority < urgency {
                self.set_priority(irq, id, urgency)?;
            }
            self.end_interrupt_wait(irq, id);
            self.disturb(irq, id, Errno::EINTR);
            return self.schedule(irq, id);
        }
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
        thread.base = priority;
        self.change_priority(irq, id, priority);
        Ok(())
    }

    /// Makes a thread of this hart as urgent as that, whatever it is on its own
    /// account.
    pub(crate) fn change_priority(&mut self, irq: &IrqOff, id: ThreadId, priority: Priority) {
        let turn = self.shares.turn();
        let Some(thread) = self.live_thread(id) else { return };
        thread.priority = priority;
        if thread.state == State::Blocked(Why::Channel) {
            return self.requeue_at_channel(irq, id);
        }
        if thread.state == State::Ready {
            thread.queued = turn;
            let slot = id.slot().index();
            self.runq.remove(irq, &mut self.threads, slot);
            self.runq.push_back(irq, &mut self.threads, slot, priority);
        }
        self.preempt_wanted = true;
    }

    /// Stops the current thread until somebody schedules it.
    pub fn deschedule_self(&mut self, irq: &IrqOff) -> Blocked<'_, M> {
        self.block(irq, Why::Stopped)
    }

    /// Stops the current thread until `deadline`, in ticks. None if that is past.
    pub fn sleep_until(&mut self, irq: &IrqOff, deadline: u64) -> Option<Blocked<'_, M>> {
        if deadline <= self.machine.now() {
            return None;
        }
        self.deadlines.set(self.current, deadline);
        Some(self.block(irq, Why::Sleep))
    }

    /// Ends the current thread, which has answered all that it took. Requests
    /// that wait at its port go back with ESRCH; the service thread frees its
    /// memory.
    pub fn exit(&mut self, irq: &IrqOff) -> Blocked<'_, M> {
        let thread = self.current_thread();
        assert!(
            !thread.port.holds_requests(),
            "reply-once: a thread exits with requests unanswered"
        );
        assert!(!thread.is_message_away, "a thread exits with its message at a channel");
        assert!(thread.interrupt.is_none(), "a thread exits with its interrupt attached");
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
        self.requeue(irq, slot, priority);
        Some(self.next(irq, Reason::Yielded))
    }

    /// Gives the hart to a thread more urgent than the current one, if there is
    /// one. The current one stays first among its equals, with what is left of
    /// its time slice; it goes behind them if nothing is.
    #[inline]
    pub fn preempt(&mut self, irq: &IrqOff) -> Option<Switch<M>> {
        if self.preempt_wanted { self.look_who_is_ready(irq) } else { None }
    }

    fn look_who_is_ready(&mut self, irq: &IrqOff) -> Option<Switch<M>> {
        self.preempt_wanted = false;
        let (slot, priority) = self.running();
        if self.runq.highest(irq)? <= priority {
            self.set_slice(irq);
            return None;
        }
        let left = self.slice_end.map(|end| end.saturating_sub(self.machine.now()));
        let thread = self.current_thread();
        thread.state = State::Ready;
        thread.slice_left = left.filter(|&left| left > 0);
        if left == Some(0) {
            self.requeue(irq, slot, priority);
        } else {
            self.runq.push_front(irq, &mut self.threads, slot, priority);
        }
        bump(&self.inspect.preemptions);
        Some(self.next(irq, Reason::Preempted))
    }

    /// Whether [`Hart::preempt`] has something to look at.
    #[inline]
    #[must_use]
    pub const fn wants_preemption(&self) -> bool {
        self.preempt_wanted
    }

    /// Whether the current thread has had its time and an equal waits.
    #[inline]
    #[must_use]
    pub fn is_slice_over(&self) -> bool {
        self.slice_end.is_some_and(|end| end <= self.machine.now())
    }

    /// The timer fired: wakes whoever is due. A thread whose time slice is over
    /// goes behind its equals.
    pub fn timer_fired(&mut self, irq: &IrqOff) {
        bump(&self.inspect.timers);
        self.note(irq, Event::Timer, 0, 0);
        let now = self.machine.now();
        while let Some(slot) = self.deadlines.pop(now) {
            let Some((slot, _)) = self.threads.entry_mut(slot) else { continue };
            let id = ThreadId::new(self.index, slot);
            if self.make_ready(irq, id, Why::Sleep) || self.make_ready(irq, id, Why::Interrupt) {
                self.note(irq, Event::WakeLocal, 0, id.to_word());
            } else {
                self.disturb(irq, id, Errno::ETIMEDOUT);
            }
        }
        // A slice that is over needs no more timer: it is acted on when this
        // trap returns, or at the end of a critical section.
        let slice = self.slice_end.filter(|&end| end > now);
        self.armed = self.first_deadline(slice);
        self.machine.set_timer(self.armed);
        if let Some(end) = slice {
            self.look_after_slice(end - now);
        }
    }

    /// Gives the hart to an equal of the current thread whose time slice is
    /// over. A slice begins anew with each switch, unless the thread was
    /// preempted in the middle of one.
    #[inline]
    pub fn rotate(&mut self, irq: &IrqOff) -> Option<Switch<M>> {
        if self.is_slice_over() { self.give_way(irq) } else { None }
    }

    fn give_way(&mut self, irq: &IrqOff) -> Option<Switch<M>> {
        let (slot, priority) = self.running();
        if self.runq.highest(irq)? != priority {
            return None;
        }
        self.requeue(irq, slot, priority);
        bump(&self.inspect.preemptions);
        Some(self.next(irq, Reason::Preempted))
    }

    /// Puts a thread that is blocked for that reason into the run queue. Any
    /// other is left as it is (law enqueue-idempotent).
    /// Returns whether it was that.
    pub(crate) fn make_ready(&mut self, irq: &IrqOff, id: ThreadId, why: Why) -> bool {
        let Some(thread) = self.live_thread(id) else { return false };
        if thread.state != State::Blocked(why) {
            return false;
        }
        thread.state = State::Ready;
        let (priority, family) = (thread.priority, thread.family);
        self.queue_ready(irq, id, family, priority);
        true
    }

    /// Puts a thread that has just become ready into the run queue.
    #[inline]
    pub(crate) fn queue_ready(
        &mut self,
        irq: &IrqOff,
        id: ThreadId,
        family: Option<Family>,
        priority: Priority,
    ) {
        self.preempt_wanted = true;
        match family {
            Some(family) => self.queue_woken(irq, id, family, priority),
            None => self.runq.push_back(irq, &mut self.threads, id.slot().index(), priority),
        }
    }

    /// Starts the current thread's time slice if an equal waits for the hart,
    /// and stops it if none does: no ticks where nothing needs them.
    fn set_slice(&mut self, irq: &IrqOff) {
        let thread = self.current_thread();
        let (priority, family, queued) = (thread.priority, thread.family, thread.queued);
        self.set_slice_of(irq, priority, family, queued);
    }

    /// The same for a current thread of which that is known.
    #[inline]
    pub(crate) fn set_slice_of(
        &mut self,
        irq: &IrqOff,
        priority: Priority,
        family: Option<Family>,
        queued: u64,
    ) {
        if self.runq.highest(irq) != Some(priority) {
            self.slice_end = None;
        } else if self.slice_end.is_none() {
            let turn = self.turn_length(family, queued);
            self.slice_end = Some(self.machine.now().saturating_add(turn));
        }
        self.arm();
    }

    /// Makes the timer fire in time for whatever comes first. One that is set
    /// too early stays: it costs one trap, which sets it right, where setting
    /// it anew at every switch would cost every message.
    #[inline]
    pub(crate) fn arm(&mut self) {
        let next = self.first_deadline(self.slice_end);
        let is_late = next.is_some_and(|next| self.armed.is_none_or(|armed| next < armed));
        if is_late {
            self.arm_anew(next);
        }
    }

    fn arm_anew(&mut self, next: Option<u64>) {
        let left = self.slice_end.map_or(0, |end| end.saturating_sub(self.machine.now()));
        self.armed = next;
        self.machine.set_timer(next);
        self.look_after_slice(left);
    }

    /// The timer was set while so much of the slice of the current thread was
    /// left; none if nothing was. If it is over now, the hart was away
    /// meanwhile. A hypervisor may do that once; emulation in which harts take
    /// turns does it each time, because a hart that sets its timer gives up its
    /// turn until then (docs/races.md). So the thread gets twice as long as the
    /// hart was away, until it has some of it.
    fn look_after_slice(&mut self, left: u64) {
        if left > 0 && self.is_slice_over() {
            self.draw_out_slice(left);
        }
    }

    #[cold]
    fn draw_out_slice(&mut self, mut length: u64) {
        for _ in 0..MOST_DRAWN_OUT {
            let now = self.machine.now();
            let Some(late) = self.slice_end.and_then(|end| now.checked_sub(end)) else { return };
            length = length.saturating_add(late).saturating_mul(2);
            self.slice_end = Some(now.saturating_add(length));
            self.armed = self.first_deadline(self.slice_end);
            self.machine.set_timer(self.armed);
        }
    }

    fn first_deadline(&self, slice: Option<u64>) -> Option<u64> {
        match (slice, self.deadlines.first()) {
            (Some(slice), Some(first)) => Some(slice.min(first)),
            (slice, first) => slice.or(first),
        }
    }

    /// Puts the current thread behind its equals.
    fn requeue(&mut self, irq: &IrqOff, slot: u32, priority: Priority) {
        let turn = self.shares.turn();
        let thread = self.current_thread();
        thread.state = State::Ready;
        thread.queued = turn;
        self.runq.push_back(irq, &mut self.threads, slot, priority);
    }

    #[inline]
    pub(crate) fn block(&mut self, _: &IrqOff, why: Why) -> Blocked<'_, M> {
        self.current_thread().state = State::Blocked(why);
        Blocked(self)
    }

    /// The current thread has been blocked by the caller.
    #[inline]
    pub(crate) const fn blocked(&mut self, _: &IrqOff) -> Blocked<'_, M> {
        Blocked(self)
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

    /// Makes the most urgent thread the current one. The old one has been
    /// queued, blocked or ended by the caller.
    pub(crate) fn next(&mut self, irq: &IrqOff, reason: Reason) -> Switch<M> {
        let old = self.current_thread();
        assert!(!matches!(old.state, State::Running), "a running thread is switched away from");
        let from = M::saved(&old.context);
        let family = old.family.filter(|_| !matches!(old.state, State::Ready));
        if let (Some(end), Some(family)) = (self.slice_end, family) {
            self.leave_turn(irq, family, end);
        }
        let Some(slot) = self.runq.pop(irq, &mut self.threads) else {
            unreachable!("the idle thread is ready whenever it does not run")
        };
        let Some((slot, thread)) = self.threads.entry_mut(slot) else {
            unreachable!("the run queue holds threads of this table only")
        };
        thread.state = State::Running;
        let left = thread.slice_left.take();
        let to = M::saved(&thread.context);
        let (priority, family, queued) = (thread.priority, thread.family, thread.queued);
        let new = ThreadId::new(self.index, slot);
        self.note(irq, Event::Switch, reason as u32, new.to_word());
        self.current = new;
        self.preempt_wanted = false;
        self.slice_end = left.map(|left| self.machine.now().saturating_add(left));
        self.set_slice_of(irq, priority, family, queued);
        bump(&self.inspect.switches);
        Switch { from, to }
    }
}
