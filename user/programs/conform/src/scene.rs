// SPDX-License-Identifier: Apache-2.0
//! Where a case is played: who takes part, on which harts, and what was observed.
//!
//! A thread's state is not guessed by waiting: a *probe* of the least priority runs
//! on a hart only when everybody else there is blocked. So when [`Scene::settle`] is
//! back, whoever was about to block has.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::message::{self, Received, states};
use skimmer_rt::thread::{Builder, JoinHandle};
use skimmer_rt::{Result, thread};

/// Priority of a case's own thread, and of who takes part unless it is said.
pub(crate) const LEVEL: u8 = 50;

/// Priority of probes: above who looks after the case, below all others.
const LEAST: u8 = 2;

/// The most of what was seen that is told, in bytes.
const MOST: usize = 120;

/// A millisecond in nanoseconds.
pub(crate) const MILLI: u64 = 1_000_000;

/// What a client's call came back with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) result: Result<i64>,
    /// All of the room for the answer, which was filled with [`FILL`] before.
    pub(crate) room: Vec<u8>,
}

/// What buffers hold before somebody writes there.
pub(crate) const FILL: u8 = 0xa5;

/// Where a case is played.
#[derive(Debug)]
pub(crate) struct Scene {
    is_apart: bool,
    count: u64,
    failed: Option<String>,
}

impl Scene {
    pub(crate) fn new(is_apart: bool) -> Self {
        // Whoever comes above or below it is placed around this.
        let level = thread::set_priority(LEVEL);
        let mut scene = Self { is_apart, count: 0, failed: None };
        if let Err(errno) = level {
            scene.fail(&format!("no priority: {errno}"));
        }
        scene
    }

    /// The first thing that was not as it must be, and how many were looked at.
    pub(crate) fn outcome(self) -> (Option<String>, u64) {
        (self.failed, self.count)
    }

    pub(crate) fn fail(&mut self, what: &str) {
        if self.failed.is_none() {
            self.failed = Some(what[..what.floor_char_boundary(MOST)].into());
        }
    }

    /// Observes: what was seen must be that.
    pub(crate) fn eq<T: Debug + PartialEq>(&mut self, what: &str, seen: T, due: T) {
        self.count += 1;
        if seen != due {
            self.fail(&format!("{what}: {seen:?}, {due:?} is due"));
        }
    }

    /// Observes: that must hold.
    pub(crate) fn holds(&mut self, what: &str, holds: bool) {
        self.count += 1;
        if !holds {
            self.fail(what);
        }
    }

    /// The hart of the others.
    pub(crate) const fn there(&self) -> u64 {
        self.is_apart as u64
    }

    /// Comes back when everybody on the harts of this scene has nothing to do.
    pub(crate) fn settle(&self) -> Result<()> {
        let probe = |hart| Builder::new().hart(hart).priority(LEAST).spawn(|| ())?.join();
        probe(0)?;
        if self.is_apart {
            // What there was to do there may have given us something to do.
            probe(1)?;
            probe(0)?;
        }
        Ok(())
    }

    /// A channel of ours.
    pub(crate) fn channel(&self) -> Result<u64> {
        self.channel_with(ChannelFlags::NONE)
    }

    pub(crate) fn channel_with(&self, flags: ChannelFlags) -> Result<u64> {
        Ok(Channel::create(flags)?.into_id().number())
    }

    /// A channel of ours, and a connection of ours to it.
    pub(crate) fn loop_back(&self) -> Result<(u64, u64)> {
        let chid = self.channel()?;
        Ok((chid, attach(chid)?))
    }

    /// A thread of that priority on the others' hart, which has come as far as it
    /// does by itself.
    pub(crate) fn thread<T: Send + 'static>(
        &self,
        level: u8,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        let made = Builder::new().hart(self.there()).priority(level).spawn(body)?;
        self.settle()?;
        Ok(made)
    }

    /// A client that sends that message, and has room for so much of an answer.
    pub(crate) fn client(
        &self,
        level: u8,
        coid: u64,
        message: &[u8],
        room: usize,
    ) -> Result<JoinHandle<Sent>> {
        let message: Box<[u8]> = message.into();
        self.thread(level, move || send(coid, &message, room))
    }

    /// A server that receives once, with room for so much.
    pub(crate) fn receiver(
        &self,
        level: u8,
        chid: u64,
        room: usize,
    ) -> Result<JoinHandle<(Result<Received>, Vec<u8>)>> {
        self.thread(level, move || receive(chid, room))
    }

    /// Receives a message that must be there, and looks at its bytes. Its number.
    pub(crate) fn takes(&mut self, what: &str, chid: u64, due: &[u8]) -> Result<u64> {
        let (received, room) = receive(chid, 256);
        let received = received?;
        self.eq(what, &room[..received.copied.min(room.len())], due);
        Ok(received.id.number())
    }

    /// Receives a message if there is one now.
    pub(crate) fn may_take(&self, chid: u64) -> Result<Option<u64>> {
        message::timeout(states::RECEIVE, 0)?;
        match message::receive(chid, &mut []) {
            Ok(received) => Ok(Some(received.id.number())),
            Err(skimmer_rt::Errno::ETIMEDOUT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Nothing is queued there.
    pub(crate) fn is_bare(&mut self, what: &str, chid: u64) -> Result<()> {
        // With room: what is not read cannot be missing.
        let mut room = [0; 256];
        message::timeout(states::RECEIVE, 0)?;
        let none = message::receive(chid, &mut room);
        self.eq(what, none.map(|_| ()), Err(skimmer_rt::Errno::ETIMEDOUT));
        Ok(())
    }

    /// Lets time pass until that holds, or ought to have long ago: for what somebody
    /// who runs does, and [`Self::settle`] would never be back.
    pub(crate) fn until(&self, holds: impl Fn() -> bool) -> Result<()> {
        const LOOKS: u32 = 1000;
        (0..LOOKS).take_while(|_| !holds()).try_for_each(|_| self.sleep(2 * MILLI))
    }

    /// Lets so much time pass, and everybody else run.
    pub(crate) fn sleep(&self, nanoseconds: u64) -> Result<()> {
        let nobody = Channel::create(ChannelFlags::NONE)?;
        message::timeout(states::RECEIVE, nanoseconds)?;
        match message::receive(nobody.id().number(), &mut []) {
            Err(skimmer_rt::Errno::ETIMEDOUT) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// A connection of this process to a channel of its own, for good.
pub(crate) fn attach(chid: u64) -> Result<u64> {
    attach_to(0, chid)
}

/// A connection to a channel of that process, for good.
pub(crate) fn attach_to(pid: u64, chid: u64) -> Result<u64> {
    Ok(Connection::attach_at(pid, chid, 0, 0)?.into_id().number())
}

/// Receives, with room for so much. All of the room, which was filled with [`FILL`]
/// before.
pub(crate) fn receive(chid: u64, room: usize) -> (Result<Received>, Vec<u8>) {
    let mut room = vec![FILL; room];
    (message::receive(chid, &mut room), room)
}

/// The number that a coid has among a process's connections; above it lies its
/// generation.
pub(crate) const fn index(coid: u64) -> u64 {
    coid & 0xffff_ffff
}

/// Sends, with room for so much.
pub(crate) fn send(coid: u64, message: &[u8], room: usize) -> Sent {
    let mut room = vec![FILL; room];
    Sent { result: message::send(coid, message, &mut room), room }
}
