// SPDX-License-Identifier: Apache-2.0
//! A thread (LWKT) as its home hart sees it. Law home-hart-only: it lives in
//! that hart's table, and nobody else has a way to it.

use core::fmt;

use crate::{
    channel::{ChannelId, Record, rendezvous::Moment},
    ids::{HartIndex, Priority},
    interrupt::Attachment,
    list::Link,
    machine::Machine,
    shares::Family,
    thread_port::PortState,
    waiting::{Timeout, Waiting},
};

/// A thread that has no home yet: everything that takes memory is done.
pub struct NewThread<M: Machine> {
    /// For people.
    pub name: &'static str,
    /// How urgent.
    pub priority: Priority,
    /// With whom it shares its time; the kernel's own with nobody.
    pub family: Option<Family>,
    /// Its stack, set up to begin.
    pub context: M::Context,
}

impl<M: Machine> fmt::Debug for NewThread<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewThread {}", self.name)
    }
}

/// What a blocked thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A `schedule` that names it.
    Stopped,
    /// A message at its port.
    Receive,
    /// The reply with that sequence number.
    Reply(u64),
    /// Space in the ring to that hart.
    Space(HartIndex),
    /// A moment.
    Sleep,
    /// An interrupt of its source.
    Interrupt,
    /// A client, a server or an answer, at a channel.
    Channel,
}

/// Whether a thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It stands in the run queue.
    Ready,
    /// It is its hart's current thread.
    Running,
    /// It waits.
    Blocked(Why),
    /// It has exited and waits to be buried.
    Dead,
}

/// A thread.
pub struct Thread<M: Machine> {
    pub(crate) name: &'static str,
    /// As urgent as it is now.
    pub(crate) priority: Priority,
    /// As urgent as it is on its own account, without who waits for it.
    pub(crate) base: Priority,
    /// The channel that it received from last.
    pub(crate) serves: Option<ChannelId>,
    /// When it was decided there how urgent it is.
    pub(crate) urgent_since: Moment,
    /// Its record at channels, once it has looked for that.
    pub(crate) record: Option<&'static Record>,
    /// What it waits for, while it is blocked at a channel.
    pub(crate) waiting: Option<Waiting>,
    /// The number of that wait while nothing is to be done to the thread but to end the
    /// wait ([`Thread::is_parked_in`]); or 0, which no wait has; or the number of a wait
    /// before, which nobody names any more.
    pub(crate) rests_in: u64,
    /// When that is to end, if it is.
    pub(crate) timeout: Option<Timeout>,
    pub(crate) state: State,
    pub(crate) link: Link,
    pub(crate) port: PortState<M>,
    pub(crate) next_sequence: u64,
    /// What was left of its time slice when someone more urgent took the hart.
    pub(crate) slice_left: Option<u64>,
    pub(crate) family: Option<Family>,
    /// The turn in which it came into the queue, as its hart counts turns of
    /// families.
    pub(crate) queued: u64,
    /// The source that it serves.
    pub(crate) interrupt: Option<Attachment>,
    /// It has sent to a channel as a port, and not claimed the reply.
    pub(crate) is_message_away: bool,
    /// It is to end.
    pub(crate) is_condemned: bool,
    pub(crate) context: M::Context,
}

impl<M: Machine> Thread<M> {
    pub(crate) fn new(new: NewThread<M>) -> Self {
        Self {
            name: new.name,
            priority: new.priority,
            base: new.priority,
            serves: None,
            urgent_since: Moment::default(),
            record: None,
            waiting: None,
            rests_in: 0,
            timeout: None,
            state: State::Blocked(Why::Stopped),
            link: Link::new(),
            port: PortState::new(),
            next_sequence: 1,
            slice_left: None,
            family: new.family,
            queued: 0,
            interrupt: None,
            is_message_away: false,
            is_condemned: false,
            context: new.context,
        }
    }

    /// The thread without what it got from its home.
    pub(crate) fn into_new(self) -> NewThread<M> {
        let Self { name, priority, family, context, .. } = self;
        NewThread { name, priority, family, context }
    }

    /// For people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How urgent.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// How urgent on its own account.
    #[must_use]
    pub const fn base(&self) -> Priority {
        self.base
    }

    /// The channel that it received from last, if it has not left that.
    #[must_use]
    pub const fn serves(&self) -> Option<ChannelId> {
        self.serves
    }

    /// Whether it runs.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Its stack and saved registers.
    #[must_use]
    pub const fn context(&self) -> &M::Context {
        &self.context
    }
}

impl<M: Machine> fmt::Debug for Thread<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {:?})", self.name, self.priority, self.state)
    }
}
