// SPDX-License-Identifier: Apache-2.0
//! Messages between threads of imaginary harts: what the kernel's calls do around
//! the policy of `core::channel::rendezvous`. Messages have lengths and no bytes.

mod client;
mod ends;
mod long;
mod server;
mod straight;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use skimmer_abi::errno::Errno;
use skimmer_core::{
    channel::{
        Channel, ChannelFlags, ChannelId, Guest, MessageId, Outcome, Waiters,
        connection::{ConnectionId, Connections, Directory, Target},
        rendezvous::{Answer, Carrier, Fault, Obstacle},
        table::ChannelTable,
        transfer::Transfer,
    },
    handover::HandOver,
    hart::Hart,
    ids::{HartIndex, Priority, ThreadId},
    port::Full,
    sched::Switch,
    user::UserBytes,
    waiting::Timeout,
};
use skimmer_sync::irq::IrqOff;

use crate::{fake::Fake, script::Me, sections::Here};

/// One process that sends to itself: its channels and its connections. They live for
/// ever.
#[derive(Debug)]
pub struct Ipc {
    /// Its channels.
    pub table: ChannelTable,
    /// The records of all threads.
    pub waiters: &'static Waiters,
    connections: Connections<()>,
    directory: RefCell<Directory>,
    /// What threads that were woken straight are to find.
    handed: RefCell<HashMap<ThreadId, Outcome>>,
    /// What went the short way: messages, answers with a wait, answers, waits; messages
    /// and answers with a wait to other harts.
    pub straight: [Cell<u64>; 6],
    /// Sections that looked at anything here.
    uses: Cell<u64>,
    /// A wrong way: what handlers leave to do at channels is not done.
    pub settles_nothing: Cell<bool>,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    /// Bytes that are sent and taken.
    pub length: usize,
    /// When it fails.
    pub timeout: Option<Timeout>,
}

impl Call {
    const fn bytes(&self) -> UserBytes {
        UserBytes::new(0, self.length)
    }
}

/// An answer to a message.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// Which.
    pub message: MessageId,
    /// What its client finds.
    pub status: i64,
    /// Bytes that come with it.
    pub length: usize,
}

impl Given {
    const fn bytes(&self) -> UserBytes {
        UserBytes::new(0, self.length)
    }

    const fn answer(&self) -> Answer {
        Answer::Bytes(self.status, self.bytes())
    }
}

enum Step<R> {
    Done(Result<R, Errno>),
    Again,
    Space(HartIndex),
    Long(Transfer),
}

/// What was promised to have space.
fn certain(told: Result<(), Full<()>>) {
    assert!(told.is_ok(), "the ring had space");
}

/// The calling thread.
pub struct Bearer<'a> {
    hart: &'a mut Hart<Fake>,
    irq: &'a IrqOff,
    ipc: &'static Ipc,
}

impl std::fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a thread of {:?}", self.hart)
    }
}

impl Carrier for Bearer<'_> {
    fn give(&mut self, _: UserBytes, _: u64, _: UserBytes) -> Result<(), Fault> {
        Ok(())
    }

    fn fetch(&mut self, _: u64, _: UserBytes, _: UserBytes) -> Result<(), Fault> {
        Ok(())
    }

    fn can_wake(&mut self, thread: ThreadId) -> Result<(), HartIndex> {
        self.hart.can_tell(thread)
    }

    fn is_connected(&mut self, _: u64, coid: u64) -> bool {
        self.ipc.is_connected(self.irq, coid)
    }
}

fn stopped<R>(hart: &mut Hart<Fake>, irq: &IrqOff, obstacle: Obstacle) -> Step<R> {
    match obstacle {
        Obstacle::Full(target) => Step::Space(target),
        Obstacle::Refused(other) => {
            certain(hart.wake(irq, &other));
            Step::Again
        }
        Obstacle::Long(transfer) => Step::Long(transfer),
        Obstacle::Failed(error) => Step::Done(Err(error)),
    }
}

fn is_condemned(hart: &Hart<Fake>) -> bool {
    hart.current_context().is_condemned()
}

impl Ipc {
    /// Nothing yet.
    ///
    /// # Panics
    /// When memory is out.
    #[must_use]
    pub fn new(harts: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            table: ChannelTable::new(harts, 100).expect("memory"),
            waiters: Box::leak(Box::new(Waiters::new(harts).expect("memory"))),
            connections: Connections::new(),
            directory: RefCell::default(),
            handed: RefCell::default(),
            straight: Default::default(),
            uses: Cell::default(),
            settles_nothing: Cell::default(),
        }))
    }

    /// Whether that connection is there.
    #[must_use]
    pub fn is_connected(&self, irq: &IrqOff, coid: u64) -> bool {
        self.connections.is_current(irq, ConnectionId::from_register(coid))
    }

    /// How many sections have looked at anything here.
    #[must_use]
    pub const fn uses(&self) -> u64 {
        self.uses.get()
    }

    /// A section looks at something here.
    pub fn count_use(&self) {
        self.uses.set(self.uses.get() + 1);
    }

    /// The connections.
    #[must_use]
    pub const fn connections(&self) -> &Connections<()> {
        &self.connections
    }

    /// The thread that the hart goes over to was told nothing, and finds that.
    fn hand(&self, thread: ThreadId, outcome: Outcome) {
        let earlier = self.handed.borrow_mut().insert(thread, outcome);
        assert!(earlier.is_none(), "{thread} was handed {earlier:?} and did not look");
    }

    fn count_straight(&self, way: usize) {
        self.straight[way].set(self.straight[way].get() + 1);
    }

    /// Whom a wake has given the hart finds that, which is in its record, too.
    fn follow(&self, handed: HandOver<Fake>, thread: ThreadId, outcome: Outcome) -> Switch<Fake> {
        match handed {
            HandOver::Straight(switch) => {
                assert_eq!(self.waiters.outcome(thread), Some(outcome), "the record says so");
                self.hand(thread, outcome);
                switch
            }
            HandOver::Queued(switch) => switch,
        }
    }

    /// A channel, and a connection to it.
    ///
    /// # Panics
    /// When memory is out.
    pub fn channel(&self, flags: ChannelFlags) -> (ChannelId, ConnectionId) {
        let channel = self.table.create(&Here::at(0), flags).expect("memory");
        (channel, self.attach(channel))
    }

    /// Another connection.
    ///
    /// # Panics
    /// When memory is out.
    pub fn attach(&self, channel: ChannelId) -> ConnectionId {
        let directory = &mut *self.directory.borrow_mut();
        let index = directory.choose(0).expect("few");
        directory.grow(&self.connections, index).expect("memory");
        let target = Target { server: &(), pid: 1, channel, scoid: 1 };
        directory.attach(&Here::at(0), &self.connections, index, &target).expect("few")
    }

    /// Nobody sends on that any more. Whoever is blocked on it is to be told.
    pub fn detach(&self, id: ConnectionId) -> bool {
        self.count_use();
        self.directory.borrow_mut().detach(&Here::at(0), &self.connections, id).is_some()
    }

    /// Something at a channel, by the current thread of a hart.
    ///
    /// # Errors
    /// `ESRCH` if there is no such channel.
    pub fn with<R>(
        &'static self,
        hart: &mut Hart<Fake>,
        irq: &IrqOff,
        channel: ChannelId,
        work: impl FnOnce(&mut Channel<'_>, &mut Bearer<'_>) -> R,
    ) -> Result<R, Errno> {
        self.count_use();
        let mut bearer = Bearer { hart, irq, ipc: self };
        self.table.with(irq, self.waiters, channel, |channel| work(channel, &mut bearer))
    }
}

impl Me {
    fn caller(&self, ipc: &Ipc, call: &Call, coid: u64) -> Guest {
        ipc.waiters.enrol(self.id()).expect("memory");
        let bytes = call.bytes();
        let timeouts = call.timeout.map_or(0, |it| it.states);
        let guest = Guest::bare(self.id(), Priority::IDLE);
        let record = ipc.waiters.of(self.id());
        Guest { record, out: bytes, into: bytes, coid, timeouts, ..guest }
    }

    /// What became of the wait.
    fn outcome(&self, ipc: &'static Ipc) -> Outcome {
        if let Some(outcome) = ipc.handed.borrow_mut().remove(&self.id()) {
            return outcome;
        }
        ipc.waiters.outcome(self.id()).expect("whoever ends a wait says why")
    }
}
