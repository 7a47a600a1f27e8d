// SPDX-License-Identifier: Apache-2.0
//! Making every hart forget: between taking entries back and freeing what was
//! behind them.
//!
//! The order is in the types: [`Stale`] (entries are changed, harts may hold
//! the old ones) becomes a [`Shootdown`] (harts are being told), which becomes
//! [`Forgotten`] when all have answered; only that frees anything.
//!
//! Nothing here waits or sends. [`Shootdown::run`] drives a [`Transport`], whose
//! `wait` blocks the thread (law remote-waits-yield). No lock is held
//! meanwhile. Other calls may change the same space; each has a `Stale` of its
//! own. Two harts that tell each other both get their answers, for a service
//! thread gives them.
//!
//! What a shootdown needs memory for is had before the entries change, so from
//! then on nothing can fail.

use alloc::vec::Vec;

use skimmer_sync::active::ActiveHarts;

use crate::{
    frames::FrameNumber,
    ids::HartIndex,
    remote::hart_at,
    space::{SpaceError, pages::UserPages},
};

const BITS: usize = u64::BITS as usize;

/// What a hart is to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those pages.
    Pages(UserPages),
    /// The whole space, for it dies: its root must not be in satp either.
    Everything,
}

/// What a hart is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The space, by its root. It lives until all have answered.
    pub root: FrameNumber,
    /// What to forget of it.
    pub scope: Scope,
}

/// Pages of a living space.
#[derive(Debug)]
pub struct Pages {
    pub(crate) ticket: u64,
    pub(crate) pages: UserPages,
}

/// A space that dies.
#[derive(Debug)]
pub struct Everything(pub(crate) ());

/// What a shootdown is about: [`Pages`] or [`Everything`].
pub trait What: sealed::Sealed {
    /// What harts are told about it.
    fn scope(&self) -> Scope;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Pages {}
    impl Sealed for super::Everything {}
}

impl What for Pages {
    fn scope(&self) -> Scope {
        Scope::Pages(self.pages)
    }
}

impl What for Everything {
    fn scope(&self) -> Scope {
        Scope::Everything
    }
}

/// Some harts.
#[derive(Debug)]
struct HartSet(Vec<u64>);

impl HartSet {
    fn new(harts: usize) -> Result<Self, SpaceError> {
        let count = harts.div_ceil(BITS);
        let mut words = Vec::new();
        words.try_reserve_exact(count).map_err(|_| SpaceError::OutOfMemory)?;
        words.resize(count, 0);
        Ok(Self(words))
    }

    fn insert(&mut self, hart: HartIndex) {
        self.0[hart.index() / BITS] |= 1 << (hart.index() % BITS);
    }

    /// Whether it was in the set.
    fn remove(&mut self, hart: HartIndex) -> bool {
        let bit = 1 << (hart.index() % BITS);
        let word = &mut self.0[hart.index() / BITS];
        let was_in = *word & bit != 0;
        *word &= !bit;
        was_in
    }

    fn first(&self) -> Option<HartIndex> {
        let place = self.0.iter().position(|word| *word != 0)?;
        Some(hart_at(place * BITS + self.0[place].trailing_zeros() as usize))
    }
}

/// The harts to tell, and those that have not answered: the memory that a
/// shootdown takes.
#[derive(Debug)]
pub struct Sets {
    untold: HartSet,
    waiting: HartSet,
}

impl Sets {
    /// For a machine with that many harts.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn new(harts: usize) -> Result<Self, SpaceError> {
        Ok(Self { untold: HartSet::new(harts)?, waiting: HartSet::new(harts)? })
    }
}

/// Entries were taken back or weakened, and harts may still hold the old ones.
///
/// Dropping it loses no memory for good, but keeps it from the process as long
/// as that lives.
#[derive(Debug)]
#[must_use = "harts hold the old translations until they are told"]
pub struct Stale<W> {
    root: FrameNumber,
    what: W,
    sets: Sets,
}

impl<W: What> Stale<W> {
    pub(crate) const fn new(root: FrameNumber, what: W, sets: Sets) -> Self {
        Self { root, what, sets }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tell that hart; [`Shootdown::told`] if that worked, and if not, wait.
    Tell(HartIndex),
    /// Wait for an answer.
    Wait,
    /// All have answered.
    Finish,
}

/// Harts are being told.
#[derive(Debug)]
#[must_use = "nothing is freed before it is finished"]
pub struct Shootdown<W> {
    request: Request,
    what: W,
    sets: Sets,
}

impl<W: What> Shootdown<W> {
    /// Picks the harts to tell. Call it on the hart that changed the entries:
    /// its look at the set must come after its stores.
    pub fn begin(stale: Stale<W>, active: &ActiveHarts) -> Self {
        let Stale { root, what, mut sets } = stale;
        active.look(|hart| sets.untold.insert(hart));
        Self { request: Request { root, scope: what.scope() }, what, sets }
    }

    /// What every hart is told.
    #[must_use]
    pub const fn request(&self) -> Request {
        self.request
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Step {
        match (self.sets.untold.first(), self.sets.waiting.first()) {
            (Some(hart), _) => Step::Tell(hart),
            (None, Some(_)) => Step::Wait,
            (None, None) => Step::Finish,
        }
    }

    /// The request is on its way to `hart`.
    pub fn told(&mut self, hart: HartIndex) {
        if self.sets.untold.remove(hart) {
            self.sets.waiting.insert(hart);
        }
    }

    /// `hart` has forgotten. One that was not told is not believed.
    pub fn acknowledged(&mut self, hart: HartIndex) {
        self.sets.waiting.remove(hart);
    }

    /// Ends it.
    ///
    /// # Errors
    /// Gives it back while an answer is missing.
    pub fn finish(self) -> Result<Forgotten<W>, Self> {
        if self.next() == Step::Finish {
            Ok(Forgotten { root: self.request.root, what: self.what })
        } else {
            Err(self)
        }
    }

    /// All of it, on `transport`.
    pub fn run(mut self, transport: &mut impl Transport) -> Forgotten<W> {
        loop {
            match self.next() {
                Step::Tell(hart) => match transport.tell(hart, self.request) {
                    Told::Sent => self.told(hart),
                    Told::Later => self.acknowledged(transport.wait()),
                },
                Step::Wait => self.acknowledged(transport.wait()),
                Step::Finish => break,
            }
        }
        Forgotten { root: self.request.root, what: self.what }
    }
}

/// Whether a request is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is, or (the caller's own hart) it was followed already.
    Sent,
    /// Not before an earlier one is answered: memory for messages is out.
    Later,
}

/// How harts are told. The kernel's sends messages to their service threads.
pub trait Transport {
    /// Tells `hart`. The caller's own hart forgets on the spot, and its answer
    /// is there for the next [`Transport::wait`].
    ///
    /// Never [`Told::Later`] while no answer is missing: the one message that
    /// this takes is made before the entries change.
    fn tell(&mut self, hart: HartIndex, request: Request) -> Told;

    /// Blocks until a hart that was told has answered, and says which.
    fn wait(&mut self) -> HartIndex;
}

/// No hart holds the old translations.
#[derive(Debug)]
#[must_use = "the frames are still the process's"]
pub struct Forgotten<W> {
    root: FrameNumber,
    what: W,
}

impl<W> Forgotten<W> {
    /// What was forgotten, of the space with that root.
    ///
    /// # Panics
    /// When it is about another space.
    pub(crate) fn of(self, root: FrameNumber) -> W {
        assert!(self.root == root, "a shootdown of another space proves nothing about this one");
        self.what
    }
}
