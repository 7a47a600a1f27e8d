// SPDX-License-Identifier: Apache-2.0
//! What an address space holds, by ranges of pages.
//!
//! Regions are sorted and do not overlap. What needs memory asks for it first
//! (`make_room`); what changes anything cannot fail.
//!
//! A region that was unmapped stays, marked with the ticket of the call that
//! unmapped it, until the shootdown is over: nothing else is placed there.

use alloc::vec::Vec;

use crate::space::{
    SpaceError,
    entry::Protection,
    pages::{UserPage, UserPages},
};

/// Where placing begins: 64 GiB. What is below is for programs' segments.
const PLACED: u32 = 1 << 24;
/// Pages that are left free on both sides of what is placed.
const GAP: u32 = 1;

/// What a region is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A part of the program's file.
    Segment,
    /// A thread's stack.
    Stack,
    /// Memory that the program asked for.
    Anonymous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Mapped(Protection),
    /// Unmapped under that ticket; harts may still hold it.
    Leaving(u64),
}

/// A range of pages that hold the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pages: UserPages,
    // Pages at the start that are never mapped.
    guard: u32,
    holds: Holds,
    state: State,
}

impl Region {
    pub(crate) const fn new(
        pages: UserPages,
        guard: u32,
        holds: Holds,
        protection: Protection,
    ) -> Self {
        Self { pages, guard, holds, state: State::Mapped(protection) }
    }

    /// All its pages, the guard included.
    #[must_use]
    pub const fn pages(&self) -> UserPages {
        self.pages
    }

    /// The pages that have frames, unless all are guard.
    #[must_use]
    pub const fn backed(&self) -> Option<UserPages> {
        UserPages::between(self.pages.start() + self.guard, self.pages.end())
    }

    /// What it is for.
    #[must_use]
    pub const fn holds(&self) -> Holds {
        self.holds
    }

    /// What may be done with it, unless it was unmapped.
    #[must_use]
    pub const fn protection(&self) -> Option<Protection> {
        match self.state {
            State::Mapped(protection) => Some(protection),
            State::Leaving(_) => None,
        }
    }

    /// Whether it goes on where `before` ends, and nothing tells them apart.
    fn continues(&self, before: &Self) -> bool {
        before.pages.end() == self.pages.start()
            && self.guard == 0
            && before.holds == self.holds
            && before.state == self.state
    }

    /// The parts in front of page number `at` and from there on.
    fn split(self, at: u32) -> Option<(Self, Self)> {
        let front = UserPages::between(self.pages.start(), at)?;
        let rear = UserPages::between(at, self.pages.end())?;
        let in_front = self.guard.min(at - self.pages.start());
        let front = Self { pages: front, guard: in_front, ..self };
        let rear = Self { pages: rear, guard: self.guard - in_front, ..self };
        Some((front, rear))
    }
}

/// The regions of one space.
#[derive(Debug)]
pub(crate) struct Regions {
    sorted: Vec<Region>,
    limit: usize,
}

impl Regions {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { sorted: Vec::new(), limit }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Region> {
        self.sorted.iter()
    }

    /// Makes sure that `more` regions can be added.
    pub(crate) fn make_room(&mut self, more: usize) -> Result<(), SpaceError> {
        if self.sorted.len() + more > self.limit {
            return Err(SpaceError::RegionLimit);
        }
        self.sorted.try_reserve(more).map_err(|_| SpaceError::OutOfMemory)
    }

    /// The region that `page` lies in.
    pub(crate) fn at(&self, page: UserPage) -> Option<&Region> {
        let region = self.sorted.get(self.first_ending_after(page.number()))?;
        region.pages.contains(page).then_some(region)
    }

    /// Whether nothing is in `pages`.
    pub(crate) fn is_free(&self, pages: UserPages) -> bool {
        self.within(pages).next().is_none()
    }

    /// The regions that have a page in `pages`.
    pub(crate) fn within(&self, pages: UserPages) -> impl Iterator<Item = &Region> {
        let from = self.first_ending_after(pages.start());
        self.sorted[from..].iter().take_while(move |region| region.pages.start() < pages.end())
    }

    /// Whether every page of `pages` is mapped.
    pub(crate) fn is_mapped(&self, pages: UserPages) -> bool {
        let mut at = pages.start();
        for region in self.within(pages) {
            let Some(backed) = region.backed() else { return false };
            if region.protection().is_none() || backed.start() > at {
                return false;
            }
            at = backed.end();
        }
        at >= pages.end()
    }

    /// The lowest free range of `count` pages that touches no other.
    pub(crate) fn find_free(&self, count: usize) -> Result<UserPages, SpaceError> {
        if count > UserPages::ALL.count() {
            return Err(SpaceError::NoRoom);
        }
        // No sum overflows: all of them are far below 2^32.
        let count = count as u32;
        let mut from = PLACED;
        for region in &self.sorted[self.first_ending_after(PLACED)..] {
            if from + count + GAP <= region.pages.start() {
                break;
            }
            from = region.pages.end() + GAP;
        }
        UserPages::between(from, from + count).ok_or(SpaceError::NoRoom)
    }

    /// How many regions a cut at both ends of `pages` adds.
    pub(crate) fn cuts(&self, pages: UserPages) -> usize {
        let is_cut = |at| {
            let region = self.sorted.get(self.first_ending_after(at));
            region.is_some_and(|region| region.split(at).is_some())
        };
        [pages.start(), pages.end()].into_iter().filter(|at| is_cut(*at)).count()
    }

    /// Adds a region where nothing is. There is room for one.
    pub(crate) fn insert(&mut self, region: Region) {
        let place = self.first_ending_after(region.pages.start());
        self.sorted.insert(place, region);
    }

    /// Marks what is mapped in `pages` as unmapped under `ticket`, and hands out
    /// what had frames. There is room for the cuts.
    pub(crate) fn leave(&mut self, pages: UserPages, ticket: u64, mut each: impl FnMut(UserPages)) {
        for region in self.cut_out(pages) {
            if region.protection().is_some() {
                region.state = State::Leaving(ticket);
                region.backed().map(&mut each);
            }
        }
    }

    /// Changes the protection of `pages`, which are all mapped. There is room
    /// for the cuts.
    pub(crate) fn protect(&mut self, pages: UserPages, protection: Protection) {
        for region in self.cut_out(pages) {
            region.state = State::Mapped(protection);
        }
        self.sorted.dedup_by(|region, before| {
            let continues = region.continues(before);
            if continues && let Some(pages) = UserPages::spanning(before.pages, region.pages) {
                before.pages = pages;
            }
            continues
        });
    }

    /// Forgets what was unmapped under `ticket`, and hands out what had frames.
    pub(crate) fn forget(&mut self, ticket: u64, mut each: impl FnMut(UserPages)) {
        self.sorted.retain(|region| {
            let leaves = region.state == State::Leaving(ticket);
            if leaves {
                region.backed().map(&mut each);
            }
            !leaves
        });
    }

    /// The regions in `pages`, cut at its ends.
    fn cut_out(&mut self, pages: UserPages) -> &mut [Region] {
        for at in [pages.start(), pages.end()] {
            let place = self.first_ending_after(at);
            let Some((front, rear)) = self.sorted.get(place).and_then(|r| r.split(at)) else {
                continue;
            };
            self.sorted[place] = rear;
            self.sorted.insert(place, front);
        }
        let count = self.within(pages).count();
        let from = self.first_ending_after(pages.start());
        &mut self.sorted[from..from + count]
    }

    fn first_ending_after(&self, page: u32) -> usize {
        self.sorted.partition_point(|region| region.pages.end() <= page)
    }
}
