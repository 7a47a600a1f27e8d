// SPDX-License-Identifier: Apache-2.0
//! A queue pair: what one hart needs to have commands done, shared with nobody.
//!
//! [`QueuePair::harvest`] takes completions out of the ring, which an interrupt
//! asks for; [`QueuePair::take`] gives them to whoever waits for them.

use core::fmt;

use crate::buffer::Buffer;
use crate::entry::{Completed, Submission};
use crate::error::{Error, Misuse};
use crate::platform::Platform;
use crate::prp;
use crate::registers::Capabilities;
use crate::request::Request;
use crate::rings::{CompletionRing, SubmissionRing};
use crate::slots::{Completion, Flight, Slots, Ticket, Verdict};
use crate::status::Cause;

/// The most commands that a queue may have in flight: the index takes 12 bits
/// of an identifier then, and leaves 4 for generations.
pub(crate) const MOST_DEPTH: u32 = 4095;

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Nanoseconds after which a command is aborted, and after as many again
    /// the controller reset.
    pub timeout: u64,
    /// How often a command is given to the drive before it has failed: at least 1.
    pub attempts: u32,
}

/// What a queue pair has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands that were accepted.
    pub submitted: u64,
    /// Commands that have ended.
    pub completed: u64,
    /// Commands that were given to the drive once more.
    pub retried: u64,
    /// Buffers that are kept for ever, because the drive may still write to them.
    pub leaked: u64,
    /// Completions of identifiers that no slot has.
    pub unknown: u64,
    /// Completions of commands that had ended long ago.
    pub stale: u64,
    /// Completions of commands that had just ended.
    pub duplicate: u64,
    /// Completions that name another queue.
    pub wrong_queue: u64,
    /// Completions that say the drive reads beyond the queue.
    pub bad_head: u64,
}

/// A command that was refused before the drive heard of it.
pub struct Refused<B> {
    /// Why.
    pub error: Error,
    /// Its buffer back.
    pub buffer: Option<B>,
}

// Whatever the buffer is.
impl<B> fmt::Debug for Refused<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

/// A submission queue and its completion queue.
///
/// The drive may reach the memory of one that was created until the controller
/// is off; so does [`crate::Controller`] say when it may be dropped.
pub struct QueuePair<P: Platform, B> {
    platform: P,
    id: u16,
    vector: Option<u16>,
    submissions: SubmissionRing<P::Memory>,
    completions: CompletionRing<P::Memory>,
    slots: Slots<P::Memory, B>,
    patience: Patience,
    /// Why nothing is accepted: the controller is off.
    down: Option<Error>,
    tickets: u64,
    counts: Counts,
}

impl<P: Platform, B: Buffer> QueuePair<P, B> {
    /// Memory for queues in which `depth` commands can be in flight; the drive
    /// does not know of them.
    pub(crate) fn new(
        platform: &P,
        capabilities: &Capabilities,
        id: u16,
        depth: u32,
        vector: Option<u16>,
        patience: Patience,
    ) -> Result<Self, Error> {
        let most = capabilities.queue_entries().saturating_sub(1).min(MOST_DEPTH);
        let depth = depth.clamp(1, most);
        // One entry stays empty, or full would look like empty (section 3.3.1.4).
        let entries = depth.saturating_add(1);
        let (tail, head) = capabilities.doorbells(id, platform.size())?;
        Ok(Self {
            platform: platform.clone(),
            id,
            vector,
            submissions: SubmissionRing::new(platform, entries, tail)?,
            completions: CompletionRing::new(platform, entries, head)?,
            slots: Slots::new(depth as u16)?,
            patience,
            down: None,
            tickets: 0,
            counts: Counts::default(),
        })
    }

    /// Its number on the drive: 0 is the admin queue.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// The interrupt vector of its completions, if it has interrupts.
    pub const fn vector(&self) -> Option<u16> {
        self.vector
    }

    /// How many commands fit.
    pub const fn depth(&self) -> u32 {
        self.submissions.entries().saturating_sub(1)
    }

    /// How many commands have not been taken.
    pub fn used(&self) -> usize {
        self.slots.used()
    }

    /// What it has seen.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Device addresses of submission and completion queue, and entries.
    pub(crate) fn layout(&self) -> (u64, u64, u32) {
        (self.submissions.address(), self.completions.address(), self.completions.entries())
    }

    /// Starts a command. It keeps the buffer until [`QueuePair::take`].
    ///
    /// # Errors
    /// [`Error::Full`]: take some, and try again. [`Error::Misuse`] and
    /// [`Error::NoMemory`]; while the controller is off, why it is.
    pub fn submit(&mut self, request: Request, buffer: Option<B>) -> Result<Ticket, Refused<B>> {
        match request.entry(buffer.as_ref().map(Buffer::length)) {
            Ok(entry) => self.start(entry, buffer),
            Err(error) => Err(Refused { error, buffer }),
        }
    }

    /// Starts the command `entry`, with the PRPs of `buffer`.
    pub(crate) fn start(
        &mut self,
        mut entry: Submission,
        buffer: Option<B>,
    ) -> Result<Ticket, Refused<B>> {
        match self.prepare(buffer.as_ref()) {
            Ok(Some((prp1, prp2))) => (entry.prp1, entry.prp2) = (prp1, prp2),
            // Commands that create a queue name its memory themselves.
            Ok(None) => {}
            Err(error) => return Err(Refused { error, buffer }),
        }
        // Point of no return.
        let ticket = Ticket(self.tickets);
        self.tickets = self.tickets.wrapping_add(1);
        let flight = Flight { ticket, entry, buffer, deadline: 0, attempts: 0, aborting: false };
        if let Some(index) = self.slots.occupy(flight) {
            self.counts.submitted = self.counts.submitted.wrapping_add(1);
            self.launch(index);
        }
        Ok(ticket)
    }

    /// Everything that can go wrong.
    fn prepare(&mut self, buffer: Option<&B>) -> Result<Option<(u64, u64)>, Error> {
        if let Some(error) = self.down {
            return Err(error);
        }
        let lists = self.slots.next_free().ok_or(Error::Full)?;
        match buffer {
            Some(buffer) if buffer.length() == 0 => Err(Error::Misuse(Misuse::Length)),
            Some(buffer) => prp::describe(&self.platform, buffer, lists).map(Some),
            None => Ok(None),
        }
    }

    /// Gives a command that waits to the drive.
    fn launch(&mut self, index: u16) {
        let deadline = self.platform.now().saturating_add(self.patience.timeout);
        if let Some((entry, id)) = self.slots.launch(index, deadline) {
            self.submissions.push(&self.platform, &entry.dwords(id));
        }
    }

    /// Whether there is a new completion in the ring.
    pub fn has_news(&self) -> bool {
        self.down.is_none() && self.completions.has_next()
    }

    /// Takes new completions out of the ring, at most one turn of it, and says
    /// how many there were. Each goes to [`QueuePair::take`], or is counted as
    /// one that should not be.
    pub fn harvest(&mut self) -> usize {
        if self.down.is_some() {
            return 0;
        }
        let mut found = 0usize;
        let mut again = false;
        for _ in 0..self.completions.entries() {
            let Some(completed) = self.completions.next(&self.platform) else { break };
            found = found.saturating_add(1);
            again |= self.settle(completed);
        }
        if found > 0 {
            self.completions.release(&self.platform);
        }
        // Only now is there surely room for one more completion each.
        if again {
            self.relaunch();
        }
        found
    }

    /// Ends the command that a completion is of. Says whether it is to be
    /// tried again.
    fn settle(&mut self, completed: Completed) -> bool {
        if completed.queue != self.id {
            self.counts.wrong_queue = self.counts.wrong_queue.wrapping_add(1);
            return false;
        }
        if u32::from(completed.head) >= self.submissions.entries() {
            // Slots say what is free, not this; so the rest may well be true.
            self.counts.bad_head = self.counts.bad_head.wrapping_add(1);
        }
        let stray = match self.slots.judge(completed.id) {
            Verdict::Fits(index) => return self.end(index, completed),
            Verdict::Unknown => &mut self.counts.unknown,
            Verdict::Duplicate => &mut self.counts.duplicate,
            Verdict::Stale => &mut self.counts.stale,
        };
        *stray = stray.wrapping_add(1);
        false
    }

    fn end(&mut self, index: u16, completed: Completed) -> bool {
        let Some(flight) = self.slots.flying(index) else { return false };
        let aborted = flight.aborting
            && completed.failure.is_some_and(|status| status.cause() == Cause::Aborted);
        if aborted && flight.attempts < self.patience.attempts {
            self.slots.ground(index);
            return true;
        }
        let result = match completed.failure {
            None => Ok(completed.result),
            Some(_) if aborted => Err(Error::TimedOut),
            Some(status) => Err(Error::Failed(status)),
        };
        self.finish(index, result);
        false
    }

    fn finish(&mut self, index: u16, result: Result<u32, Error>) {
        self.counts.completed = self.counts.completed.wrapping_add(1);
        self.slots.finish(index, result);
    }

    /// A command that has ended, if there is one: the first to end first.
    pub fn take(&mut self) -> Option<Completion<B>> {
        self.slots.take()
    }

    /// When the first command in flight is overdue, in the clock's nanoseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.slots.flights().map(|(_, _, flight)| flight.deadline).min()
    }

    /// A command that is overdue: its identifier, and whether it was to be
    /// aborted before. It has its time once more from now on.
    pub(crate) fn next_overdue(&mut self, now: u64) -> Option<(u16, bool)> {
        let found = self.slots.flights().find(|(_, _, flight)| flight.deadline <= now);
        let (index, id, _) = found?;
        let deadline = now.saturating_add(self.patience.timeout);
        let flight = self.slots.flying(index)?;
        flight.deadline = deadline;
        Some((id, core::mem::replace(&mut flight.aborting, true)))
    }

    /// Nothing is accepted from now on. What is in flight stays there: the
    /// controller may still have it.
    pub(crate) const fn stop(&mut self, why: Error) {
        self.down = Some(why);
    }

    /// The controller is off: rings begin anew, commands wait, and those that
    /// have had their attempts have failed.
    pub(crate) fn rewind(&mut self) {
        self.submissions.rewind();
        self.completions.rewind();
        let attempts = self.patience.attempts;
        let mut from = 0;
        while let Some(index) = self.slots.unfinished(from) {
            if self.slots.flying(index).is_some_and(|flight| flight.attempts >= attempts) {
                self.finish(index, Err(Error::TimedOut));
            } else {
                self.slots.ground(index);
            }
            from = index.saturating_add(1);
        }
    }

    /// The controller is on and has this queue pair.
    pub(crate) const fn resume(&mut self) {
        self.down = None;
    }

    /// Gives what waits to the drive.
    pub(crate) fn relaunch(&mut self) {
        let mut from = 0;
        while let Some(index) = self.slots.unfinished(from) {
            if self.slots.flying(index).is_none() {
                self.counts.retried = self.counts.retried.wrapping_add(1);
                self.launch(index);
            }
            from = index.saturating_add(1);
        }
    }

    /// Ends every command; the controller is off, cut off or at large.
    pub(crate) fn fail(&mut self, error: Error) {
        self.stop(error);
        let mut from = 0;
        while let Some(index) = self.slots.unfinished(from) {
            if error == Error::AtLarge
                && let Some(buffer) = self.slots.keep(index)
            {
                core::mem::forget(buffer);
                self.counts.leaked = self.counts.leaked.wrapping_add(1);
            }
            self.finish(index, Err(error));
            from = index.saturating_add(1);
        }
    }
}
