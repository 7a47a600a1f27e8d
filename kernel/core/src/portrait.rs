// SPDX-License-Identifier: Apache-2.0
//! All of a hart, and of a channel, that decides what will happen next, in words: for
//! tests, which hold two ways to the same end against each other. What only names a wait
//! or a message, and counts on with each attempt, is left out.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::{
    channel::{Channel, Guest, Which},
    hart::Hart,
    machine::Machine,
    thread::Thread,
    user::UserBytes,
};

impl<M: Machine> Hart<M> {
    /// The hart, and all its threads.
    #[must_use]
    pub fn portrait(&self) -> String {
        let mut words = String::new();
        let told = self.tell_all(&mut words);
        debug_assert!(told.is_ok(), "a string takes all words");
        words
    }

    fn tell_all(&self, words: &mut String) -> fmt::Result {
        let Self { current, slice_end, armed, preempt_wanted, unsettled, .. } = self;
        write!(words, "runs {current}, slice to {slice_end:?}, armed {armed:?}, ")?;
        writeln!(words, "preempt {preempt_wanted}, unsettled {unsettled:?}, {:?}", self.deadlines)?;
        self.shares.tell(words)?;
        for (id, thread) in self.threads() {
            write!(words, "{id} ")?;
            thread.tell(words)?;
        }
        Ok(())
    }
}

impl<M: Machine> Thread<M> {
    fn tell(&self, words: &mut String) -> fmt::Result {
        let Self { name, priority, base, serves, urgent_since, timeout, state, link, .. } = self;
        write!(words, "{name} {priority:?} of {base:?}, serves {serves:?} {urgent_since:?}, ")?;
        write!(words, "{timeout:?} {state:?} {link:?}, left {:?}, ", self.slice_left)?;
        let wait = self.waiting.as_ref();
        let wait = wait.map(|it| (it.wait.channel, it.connection, it.goes_on(it.wait.number)));
        // The turn of who is in no family decides nothing.
        let queued = self.family.map(|_| self.queued);
        writeln!(words, "family {:?} queued {queued:?}, waits {wait:?}", self.family)
    }
}

impl Channel<'_> {
    /// The channel, and all who wait.
    pub fn portrait(&mut self) -> String {
        let mut words = String::new();
        let told = self.tell(&mut words);
        debug_assert!(told.is_ok(), "a string takes all words");
        words
    }

    fn tell(&mut self, words: &mut String) -> fmt::Result {
        let (events, server) = (self.slot.events, self.slot.server);
        writeln!(words, "{:?} {:?}, {events} events, {server:?}", self.id, self.slot.state)?;
        for which in Which::ALL {
            let queue = *self.slot.queues.of(which);
            let mut told = write!(words, "{which:?}:");
            queue.visit(&mut self.owned, |owned, node| {
                let waiter = owned.waiter(node);
                let mut all = Guest { record: None, ..waiter.guest(node) };
                if [waiter.queue, waiter.stood].contains(&Which::Receive) {
                    // Nobody looks at what a server sends.
                    all.out = UserBytes::NONE;
                }
                let (place, got) = ((waiter.queue, waiter.arrival), waiter.received);
                told = told.and_then(|()| write!(words, " [{all:?} {place:?} got {got}]"));
            });
            told.and_then(|()| writeln!(words))?;
        }
        Ok(())
    }
}
