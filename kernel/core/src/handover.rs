// SPDX-License-Identifier: Apache-2.0
//! A hart that goes straight from one thread to the other: who blocks at a channel gives
//! it to whom it has just woken, if that is who would run next anyway.
//!
//! That is so where the woken thread is more urgent than all that are ready, no time
//! slice is running, and the one that blocks has no timeout. Then the run queue would be
//! entered and left again, and nothing else in it would have changed; so it is not touched.

use skimmer_abi::{
    inspect::bump,
    trace::{Event, Reason},
};
use skimmer_sync::irq::IrqOff;

use crate::{
    channel::{
        ChannelId, MessageId, Outcome,
        rendezvous::{Moment, Urgency, Wake},
    },
    hart::Hart,
    ids::{Priority, ThreadId},
    machine::Machine,
    sched::{Blocked, Switch},
    shares::Family,
    thread::{State, Thread, Why},
    waiting::Waiting,
};

/// How a thread was woken by another that has blocked.
#[derive(Debug)]
#[must_use = "the hart is to be given up"]
pub enum HandOver<M: Machine> {
    /// The hart goes to the woken thread, which is parked: nobody has told it yet what
    /// became of its wait.
    Straight(Switch<M>),
    /// To whom it is due. The woken thread finds in its record what became of its wait.
    Queued(Switch<M>),
}

impl<M: Machine> Blocked<'_, M> {
    /// Wakes a thread, for which the ring has space, and gives up the hart.
    #[inline]
    pub fn hand_over(self, irq: &IrqOff, wake: &Wake) -> HandOver<M> {
        let hart = self.into_hart();
        if let Some(switch) = hart.go_straight(irq, wake) {
            return HandOver::Straight(switch);
        }
        if hart.wake(irq, wake).is_err() {
            unreachable!("the ring had space, and only this hart fills it");
        }
        HandOver::Queued(hart.next(irq, Reason::Blocked))
    }
}

impl<M: Machine> Hart<M> {
    #[inline]
    fn go_straight(&mut self, irq: &IrqOff, wake: &Wake) -> Option<Switch<M>> {
        let (slot, highest) = (self.own(wake.thread)?, self.runq.highest(irq));
        if self.slice_end.is_some() || wake.error.is_some() {
            return None;
        }
        let turn = self.shares.turn();
        let me = self.current_thread();
        if me.timeout.is_some() {
            // The timer is to be set for it, as at a switch.
            return None;
        }
        let from = M::saved(&me.context);
        let thread = self.threads.get_mut(slot)?;
        let (priority, since) = thread.urgency_after(wake.urgency);
        if !thread.is_parked_in(wake.number) || highest >= Some(priority) {
            return None;
        }
        let is_other = thread.priority != priority;
        (thread.priority, thread.urgent_since) = (priority, since);
        thread.run(turn);
        let (to, family) = (M::saved(&thread.context), thread.family);
        if is_other {
            self.note(irq, Event::Boost, u32::from(priority.level()), wake.thread.to_word());
        }
        self.note(irq, Event::Switch, Reason::Handed as u32, wake.thread.to_word());
        self.arrive(wake.thread, family);
        Some(Switch::new(from, to))
    }

    /// That thread, which has just been woken, is the current one: with what is left of a
    /// time slice, if one is running.
    #[inline(always)]
    pub(crate) fn arrive(&mut self, thread: ThreadId, family: Option<Family>) {
        self.shares.pass_by(family, thread);
        self.current = thread;
        self.preempt_wanted = false;
        if self.slice_end.is_some() {
            self.take_over_turn();
        }
        bump(&self.inspect.switches);
    }
}

impl<M: Machine> Hart<M> {
    /// What became of the wait at a channel of the current thread, which has been woken.
    /// That it has received is noted.
    #[inline]
    pub fn woken(&mut self, irq: &IrqOff) -> Option<Outcome> {
        let me = self.current_thread();
        let (serves, outcome) = (me.serves, me.record?.outcome()?);
        if let Outcome::Received(receipt) = outcome {
            self.note_received(irq, serves, receipt.id);
        }
        Some(outcome)
    }

    #[inline]
    fn note_received(&self, irq: &IrqOff, channel: Option<ChannelId>, id: MessageId) {
        let channel = channel.map_or(0, ChannelId::index);
        self.note(irq, Event::MsgReceive, channel, id.to_register());
    }

    /// The same of a thread to which the hart is about to go, if that is all that it is
    /// to look at: it is parked, its call has not failed, and it is not to end.
    #[inline]
    pub fn woken_parked(&mut self, irq: &IrqOff) -> Option<Outcome> {
        let me = self.current_thread();
        if me.is_condemned || !M::is_parked(&me.context) {
            return None;
        }
        let (serves, outcome) = (me.serves, me.record?.outcome()?);
        match outcome {
            Outcome::Answered(_) => {}
            Outcome::Received(receipt) => self.note_received(irq, serves, receipt.id),
            Outcome::Failed(_) | Outcome::Again => return None,
        }
        Some(outcome)
    }
}

impl<M: Machine> Thread<M> {
    /// How urgent it is once it has heard that, and since when. What was decided later
    /// may have come through another ring before.
    pub(crate) fn urgency_after(&self, news: Option<Urgency>) -> (Priority, Moment) {
        match news.filter(|news| news.since.is_after(self.urgent_since)) {
            Some(Urgency { priority, since }) => (priority, since),
            None => (self.priority, self.urgent_since),
        }
    }

    /// Its wait is over and it runs, as if it had been taken from the queue in that turn.
    #[inline(always)]
    pub(crate) fn run(&mut self, turn: u64) {
        self.waiting = None;
        self.state = State::Running;
        self.queued = turn;
    }

    /// It is blocked in that wait, and rests.
    #[inline(always)]
    pub(crate) fn block_at_channel(&mut self, waiting: Waiting) {
        self.rests_in = waiting.wait.number;
        self.waiting = Some(waiting);
        self.state = State::Blocked(Why::Channel);
    }

    /// Something is to be done to it before its wait is over, or because of that.
    #[inline]
    pub(crate) const fn disturb(&mut self) {
        self.rests_in = 0;
    }

    /// Whether it is parked in that wait, and nothing else is to be done to it: it has
    /// no timeout, and is not to end.
    #[inline(always)]
    pub(crate) fn is_parked_in(&self, number: u64) -> bool {
        let is_it = self.rests_in == number && M::is_parked(&self.context);
        debug_assert!(!is_it || self.rests(number), "who rests is blocked, and nothing is due");
        is_it
    }

    fn rests(&self, number: u64) -> bool {
        let is_going_on = self.waiting.as_ref().is_some_and(|it| it.goes_on(number));
        self.state == State::Blocked(Why::Channel)
            && is_going_on
            && self.timeout.is_none()
            && self.link.queue().is_none()
            && !self.is_condemned
    }
}
