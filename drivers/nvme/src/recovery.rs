// SPDX-License-Identifier: Apache-2.0
//! When it goes wrong: abort, reset, once more; and the end.
//!
//! Whoever owns the controller calls [`Controller::attend`] now and then, with
//! all queue pairs in hand: a reset takes the queues of every hart away.

use crate::buffer::Buffer;
use crate::controller::{Controller, Identity, describe};
use crate::error::Error;
use crate::platform::Platform;
use crate::queue::QueuePair;
use crate::reset::{self, disable};

/// What [`Controller::attend`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attended {
    /// Completions that were there, and nobody had harvested.
    pub found: usize,
    /// Commands that the drive was asked to abort.
    pub aborts: usize,
    /// Whether the controller was reset.
    pub reset: bool,
}

impl<P: Platform> Controller<P> {
    /// Looks whether the controller is well and whether a command is overdue.
    /// What is overdue is aborted; if that does not help, or the controller is
    /// not well, it is reset, and what was in flight is given to it again.
    ///
    /// `queues` are all queue pairs of this controller.
    ///
    /// # Errors
    /// The controller is off or cut off from memory, and every command has ended
    /// with this error; after [`Error::AtLarge`] without its buffer, which is kept
    /// for ever. One that could not be turned off stays given up.
    pub fn attend<B: Buffer>(&mut self, queues: &mut [QueuePair<P, B>]) -> Result<Attended, Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        let mut attended = Attended::default();
        if self.health().is_err() {
            return self.recover(queues).map(|()| Attended { reset: true, ..attended });
        }
        for at in 0..queues.len() {
            let Some(queue) = queues.get_mut(at) else { break };
            // Whose interrupt was lost is not late.
            attended.found = attended.found.saturating_add(queue.harvest());
            match self.hurry(queue) {
                Ok(aborts) => attended.aborts = attended.aborts.saturating_add(aborts),
                Err(_) => {
                    attended.reset = true;
                    return self.recover(queues).map(|()| attended);
                }
            }
        }
        Ok(attended)
    }

    /// Has what is overdue in a queue aborted: how many commands.
    ///
    /// # Errors
    /// A reset is due.
    fn hurry<B: Buffer>(&mut self, queue: &mut QueuePair<P, B>) -> Result<usize, Error> {
        let mut aborts = 0usize;
        let now = self.platform.now();
        while let Some((id, again)) = queue.next_overdue(now) {
            if again {
                return Err(Error::TimedOut);
            }
            self.abort(queue.id(), id)?;
            aborts = aborts.saturating_add(1);
        }
        if aborts > 0 {
            queue.harvest();
        }
        Ok(aborts)
    }

    /// Resets the controller and brings it, the queue pairs and the commands in
    /// flight back. `queues` are all queue pairs of this controller.
    ///
    /// # Errors
    /// As [`Controller::attend`].
    pub fn recover<B: Buffer>(&mut self, queues: &mut [QueuePair<P, B>]) -> Result<(), Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        let mut outcome = Err(Error::NotReady);
        for _ in 0..self.options.patience.attempts.max(1) {
            if let Err(error) = self.turn_off(queues) {
                return self.left(queues, error);
            }
            self.resets = self.resets.wrapping_add(1);
            outcome = self.bring_back(queues);
            match outcome {
                Ok(()) => return Ok(()),
                Err(Error::Fatal | Error::NotReady | Error::TimedOut) => {}
                Err(_) => break,
            }
        }
        let off = self.turn_off(queues);
        match (off, outcome) {
            (Err(error), _) => self.left(queues, error),
            (Ok(()), Ok(())) => Ok(()),
            (Ok(()), Err(error)) => {
                self.abandon(queues, error);
                Err(error)
            }
        }
    }

    /// It cannot be turned off, or is not there: it is cut off from memory, and
    /// every command ends.
    fn left<B: Buffer>(
        &mut self,
        queues: &mut [QueuePair<P, B>],
        error: Error,
    ) -> Result<(), Error> {
        let error = if self.platform.close() { error } else { Error::AtLarge };
        self.abandon(queues, error);
        self.lost = Some(error);
        Err(error)
    }

    /// Turns the controller off, so that it reaches no memory.
    fn turn_off<B: Buffer>(&mut self, queues: &mut [QueuePair<P, B>]) -> Result<(), Error> {
        let off = disable(&self.platform, &self.capabilities);
        let why = off.err().unwrap_or(Error::Stopped);
        self.admin.stop(why);
        for queue in queues.iter_mut() {
            queue.stop(why);
        }
        off
    }

    /// From off to where we were.
    fn bring_back<B: Buffer>(&mut self, queues: &mut [QueuePair<P, B>]) -> Result<(), Error> {
        self.admin.fail(Error::Stopped);
        while self.admin.take().is_some() {}
        self.admin.rewind();
        for queue in queues.iter_mut() {
            queue.rewind();
        }
        let identity = self.bring_up()?;
        self.compare(&identity)?;
        for queue in queues.iter_mut() {
            self.create_queue(describe(queue))?;
            queue.resume();
        }
        for queue in queues.iter_mut() {
            queue.relaunch();
        }
        Ok(())
    }

    /// Commands that are given again must mean the same.
    fn compare(&self, identity: &Identity) -> Result<(), Error> {
        let same = identity.info == self.info
            && identity.namespaces == self.namespaces
            && identity.granted >= self.made;
        same.then_some(()).ok_or(Error::Changed)
    }

    /// Gives the drive up: every command ends with `error`, and its buffer comes
    /// back unless the drive is at large.
    fn abandon<B: Buffer>(&mut self, queues: &mut [QueuePair<P, B>], error: Error) {
        self.admin.fail(error);
        while self.admin.take().is_some() {}
        for queue in queues {
            queue.fail(error);
        }
    }

    /// Has the drive write what it caches, and turns the controller off; what
    /// is still in flight ends with [`Error::Stopped`]. All may be dropped then.
    ///
    /// # Errors
    /// [`Error::AtLarge`]: the memory of its queues must stay. After
    /// [`Error::Gone`], and [`Error::NotReady`] of one that does not stop or does
    /// not say that it wrote everything, all may be dropped.
    pub fn shutdown<B: Buffer>(&mut self, queues: &mut [QueuePair<P, B>]) -> Result<(), Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        let notified = reset::shutdown(&self.platform, &self.capabilities);
        match self.turn_off(queues) {
            Ok(()) => self.abandon(queues, Error::Stopped),
            Err(error) => return self.left(queues, error),
        }
        // Should it come on by itself, it reaches nothing; it is off either way.
        let _ = self.platform.close();
        notified
    }
}
