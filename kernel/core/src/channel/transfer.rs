// SPDX-License-Identifier: Apache-2.0
//! Long copies: what is more than one lock is for goes part by part.
//!
//! The peer is moved to the queue [`Which::Copying`], where nobody else chooses it, and
//! the lock is taken anew for each part: under it the peer is looked for, and copied from
//! or to only if it is there still. Whoever ends a wait (destroy, detach, kill, timeout)
//! takes the peer out of that queue as out of any other and waits for nobody; the copy
//! finds it gone. So no byte is read or written after a wait has ended, as under one lock,
//! and whoever asks for the lock waits for one part at the most.
//!
//! A [`Transfer`] says how far the copy has come, and names the peer by its wait; the
//! bytes are the caller's to copy. What a message or an answer that is all there does to
//! both sides is the policy's ([`super::rendezvous`]), whether it was long or not.

use skimmer_abi::errno::Errno;
use skimmer_sync::irq::HartIndex;

use crate::{
    channel::{
        outcome::Outcome,
        rendezvous::{Carrier, Fault, Got, Obstacle, Peer, Sent, Wake, at_once},
        slot::Channel,
        waiter::{Guest, Wait, Which},
    },
    user::UserBytes,
};

/// A long copy that is under way: the caller runs, the peer is in the queue
/// [`Which::Copying`].
#[derive(Debug)]
#[must_use = "the peer is to be given back"]
pub struct Transfer {
    peer: Wait,
    /// Where the peer stood, which says what is copied where.
    from: Which,
    done: usize,
    #[cfg(feature = "bug-unlock-early")]
    seen: Option<Far>,
}

/// The other side of a long copy: the same as long as the peer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Far {
    /// Whose memory it is.
    pub owner: u64,
    bytes: UserBytes,
}

/// One part of a long copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Out of the peer's memory, into the caller's.
    Fetch(UserBytes, UserBytes),
    /// Out of the caller's memory, into the peer's.
    Give(UserBytes, UserBytes),
}

fn carry(by: &mut impl Carrier, owner: u64, part: Part) -> Result<(), Fault> {
    match part {
        Part::Fetch(from, to) => by.fetch(owner, from, to),
        Part::Give(from, to) => by.give(from, owner, to),
    }
}

/// How far a long copy has come.
#[derive(Debug)]
pub enum Progress {
    /// There is more.
    More,
    /// All is copied.
    Done,
    /// The peer's wait has ended: somebody else has woken it.
    Gone,
    /// A memory was bad.
    Failed(Fault),
}

impl Channel<'_> {
    /// The peer is to be copied from or to, and waits for that.
    #[cold]
    pub(super) fn begin(&mut self, peer: &Peer) -> Obstacle {
        self.step(peer.record, peer.queue, Which::Copying);
        Obstacle::Long(Transfer {
            peer: self.wait_of(peer),
            from: peer.queue,
            done: 0,
            #[cfg(feature = "bug-unlock-early")]
            seen: None,
        })
    }
}

impl Transfer {
    /// The wait of the thread whose memory it is.
    #[must_use]
    pub const fn peer(&self) -> Wait {
        self.peer
    }

    /// The peer's memory, if it is there still.
    pub fn far(&self, channel: &mut Channel<'_>) -> Option<Far> {
        let node = channel.find(self.peer)?;
        let peer = channel.owned.waiter(node);
        let bytes = if self.from == Which::Send { peer.out } else { peer.into };
        Some(Far { owner: peer.owner, bytes })
    }

    /// Copies one part: of the caller's bytes, or into them.
    pub fn go_on(
        &mut self,
        channel: &mut Channel<'_>,
        own: UserBytes,
        by: &mut impl Carrier,
    ) -> Progress {
        match self.far(channel) {
            Some(far) => self.copy(&far, own, |part| carry(by, far.owner, part)),
            None => Progress::Gone,
        }
    }

    /// The same, for who has looked at the other side already.
    #[inline]
    pub fn go_on_with(
        &mut self,
        channel: &mut Channel<'_>,
        far: &Far,
        own: UserBytes,
        copy: impl FnOnce(Part) -> Result<(), Fault>,
    ) -> Progress {
        if channel.find(self.peer).is_none() {
            return Progress::Gone;
        }
        self.copy(far, own, copy)
    }

    /// The named bug: looks for the peer, which may be gone as it is copied to or from.
    #[cfg(feature = "bug-unlock-early")]
    pub fn look_early(&mut self, channel: &mut Channel<'_>) {
        self.seen = self.far(channel);
    }

    /// The named bug: copies one part, where nobody holds the lock.
    #[cfg(feature = "bug-unlock-early")]
    pub fn go_on_unlocked(&mut self, own: UserBytes, by: &mut impl Carrier) -> Progress {
        match self.seen.take() {
            Some(far) => self.copy(&far, own, |part| carry(by, far.owner, part)),
            None => Progress::Gone,
        }
    }

    /// A part ends where a page of the peer's does, so that it lies in one.
    #[inline]
    fn copy(
        &mut self,
        far: &Far,
        own: UserBytes,
        copy: impl FnOnce(Part) -> Result<(), Fault>,
    ) -> Progress {
        let length = own.length.min(far.bytes.length);
        let place = far.bytes.start.get().wrapping_add(self.done);
        let most = at_once(own, far.bytes);
        let bytes = (most - place % most).min(length - self.done);
        let theirs = UserBytes::new(place, bytes);
        let own = UserBytes::new(own.start.get().wrapping_add(self.done), bytes);
        let part = match self.from {
            Which::Send => Part::Fetch(theirs, own),
            _ => Part::Give(own, theirs),
        };
        if let Err(fault) = copy(part) {
            return Progress::Failed(fault);
        }
        self.done += bytes;
        if self.done == length { Progress::Done } else { Progress::More }
    }

    /// Of a send: all is copied, and the client goes on as after a short message.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub fn sent(
        &self,
        channel: &mut Channel<'_>,
        client: &Guest,
        by: &mut impl Carrier,
    ) -> Result<Sent, Obstacle> {
        let server = self.look(channel, by)?;
        channel.hand_over(client, &server, self.done).map_err(Obstacle::Failed)
    }

    /// Of a receive: likewise the server.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub fn received(
        &self,
        channel: &mut Channel<'_>,
        server: &Guest,
        by: &mut impl Carrier,
    ) -> Result<Got, Obstacle> {
        let client = self.look(channel, by)?;
        Ok(channel.accept(server, &client, self.done))
    }

    /// Of an answer: likewise the server.
    ///
    /// # Errors
    /// As [`Channel::answer`].
    pub fn answered(
        &self,
        channel: &mut Channel<'_>,
        status: i64,
        by: &mut impl Carrier,
    ) -> Result<Wake, Obstacle> {
        let client = self.look(channel, by)?;
        Ok(channel.wake(&client, Outcome::Answered(status)))
    }

    fn look(&self, channel: &mut Channel<'_>, by: &mut impl Carrier) -> Result<Peer, Obstacle> {
        let peer = channel.waiting(self.peer);
        let peer = peer.ok_or(Obstacle::Failed(Errno::ESRCH))?;
        by.can_wake(self.peer.thread).map_err(Obstacle::Full)?;
        Ok(peer)
    }

    /// The peer's memory is bad, or the answer to it: it is told.
    ///
    /// # Errors
    /// The hart whose ring is full.
    pub fn fail(
        &self,
        channel: &mut Channel<'_>,
        error: Errno,
        by: &mut impl Carrier,
    ) -> Result<Option<Wake>, HartIndex> {
        let Some(peer) = channel.waiting(self.peer) else {
            return Ok(None);
        };
        by.can_wake(self.peer.thread)?;
        Ok(Some(channel.fail(&peer, error)))
    }

    /// The caller gives up: the peer goes back to where it stood. Then
    /// [`Channel::rouse`] is for the caller to call.
    pub fn give_up(&self, channel: &mut Channel<'_>) {
        channel.shift_back(self.peer, self.from);
    }
}
