// SPDX-License-Identifier: Apache-2.0
//! Address spaces of programs: what is mapped where, in tables of their own.
//!
//! [`AddressSpace`] is what one lock per process guards: regions, tables, and
//! the frames charged to the process. Beside it, outside the lock, is the set of
//! harts that may hold its translations ([`ActiveHarts`]), and on each hart a
//! [`asid::SpaceOnHart`].
//!
//! Every call that fails has changed nothing. No page is writable and
//! executable, no page of the upper half is touched, every frame is zeroed
//! before a program sees it.
//!
//! Freeing takes three steps, of which only the first and last hold the lock:
//!
//! ```
//! # use skimmer_core::space::{*, pages::UserPages, shootdown::*, tables::TableMemory};
//! # use skimmer_sync::active::ActiveHarts;
//! # fn example<T: TableMemory>(space: &mut AddressSpace<T>, pages: UserPages,
//! #     active: &ActiveHarts, harts: &mut impl Transport) -> Result<(), SpaceError> {
//! let stale = space.unmap(pages)?;
//! let forgotten = Shootdown::begin(stale, active).run(harts);
//! space.release(forgotten);
//! # Ok(())
//! # }
//! ```
//!
//! Without the second nothing is freed:
//!
//! ```compile_fail,E0308
//! # use skimmer_core::space::{*, pages::UserPages, shootdown::*, tables::TableMemory};
//! # fn example<T: TableMemory>(space: &mut AddressSpace<T>, pages: UserPages)
//! #     -> Result<(), SpaceError> {
//! let stale = space.unmap(pages)?;
//! space.release(stale);
//! # Ok(())
//! # }
//! ```
//!
//! and what some pages' shootdown proves does not free a whole space:
//!
//! ```compile_fail,E0308
//! # use skimmer_core::space::{*, shootdown::*, tables::TableMemory};
//! # fn example<T: TableMemory>(space: AddressSpace<T>, some: Forgotten<Pages>) {
//! let (closed, _) = space.close();
//! closed.destroy(some);
//! # }
//! ```
//!
//! ```
//! # use skimmer_core::space::{*, shootdown::*, tables::TableMemory};
//! # use skimmer_sync::active::ActiveHarts;
//! # fn example<T: TableMemory>(space: AddressSpace<T>, active: &ActiveHarts,
//! #     harts: &mut impl Transport) {
//! let (closed, stale) = space.close();
//! closed.destroy(Shootdown::begin(stale, active).run(harts));
//! # }
//! ```

pub mod asid;
pub mod audit;
pub mod entry;
pub mod pages;
pub mod regions;
pub mod shootdown;
pub mod tables;

pub use skimmer_sync::active::ActiveHarts;

use skimmer_abi::errno::Errno;

use crate::{
    frames::{FRAME_SIZE, FrameNumber},
    user::UserAddr,
};
use entry::{Entry, Protection};
use pages::{UserPage, UserPages};
use regions::{Holds, Region, Regions};
use shootdown::{Everything, Forgotten, Pages, Sets, Stale};
use tables::{KERNEL_ENTRIES, Pool, TableMemory, Tables};

/// Pages below a stack that are never mapped.
pub const GUARD_PAGES: usize = 16;

/// Why a space refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceError {
    /// The machine's memory is out.
    OutOfMemory,
    /// The process has all frames that it may have.
    FrameLimit,
    /// The process has all regions that it may have.
    RegionLimit,
    /// No free range of addresses is long enough.
    NoRoom,
    /// Not a range of the user half that can be mapped.
    BadRange,
    /// Something is there already.
    Taken,
    /// Nothing is there, or not everywhere.
    NotMapped,
}

impl SpaceError {
    /// As programs are told.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            Self::OutOfMemory | Self::NoRoom => Errno::ENOMEM,
            Self::FrameLimit | Self::RegionLimit => Errno::EAGAIN,
            Self::BadRange | Self::Taken | Self::NotMapped => Errno::EINVAL,
        }
    }
}

/// How much one process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Frames: its pages, its tables, and what waits for a shootdown.
    pub frames: usize,
    /// Regions. They bound how long a search for free addresses takes.
    pub regions: usize,
}

/// A stack's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// With the guard below: what to unmap.
    pub all: UserPages,
    /// What can be used.
    pub usable: UserPages,
}

/// One process's address space.
#[derive(Debug)]
pub struct AddressSpace<T: TableMemory> {
    pool: Pool<T>,
    tables: Tables,
    regions: Regions,
    harts: usize,
    tickets: u64,
    // For the last shootdown: dying takes no memory.
    last: Sets,
}

impl<T: TableMemory> AddressSpace<T> {
    /// An empty space on a machine with that many harts. `kernel` is the upper
    /// half of the kernel's root, which never changes.
    ///
    /// # Errors
    /// `OutOfMemory`, `FrameLimit`.
    pub fn new(
        memory: T,
        kernel: &[Entry; KERNEL_ENTRIES],
        limits: Limits,
        harts: usize,
    ) -> Result<Self, SpaceError> {
        let last = Sets::new(harts)?;
        let mut pool = Pool::new(memory, limits.frames);
        let tables = Tables::new(&mut pool, kernel)?;
        let regions = Regions::new(limits.regions);
        Ok(Self { pool, tables, regions, harts, tickets: 0, last })
    }

    /// The frame of the root, for satp.
    #[must_use]
    pub const fn root(&self) -> FrameNumber {
        self.tables.root()
    }

    /// Frames that the process has: pages, tables, and what waits to be
    /// released.
    #[must_use]
    pub const fn charged(&self) -> usize {
        self.pool.charged()
    }

    /// What is mapped, or waits to be released, in order.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter()
    }

    /// The region that `address` lies in: for reports of a fault.
    #[must_use]
    pub fn region_at(&self, address: UserAddr) -> Option<&Region> {
        self.regions.at(UserPage::of(address).ok()?)
    }

    /// What a hart's walk finds at `address`. Good as long as the lock is held:
    /// afterwards the frame may be anybody's.
    #[must_use]
    pub fn lookup(&self, address: UserAddr) -> Option<(FrameNumber, Protection)> {
        self.tables.lookup(&self.pool.memory, UserPage::of(address).ok()?)
    }

    /// Maps `size` bytes of zeros somewhere.
    ///
    /// # Errors
    /// `BadRange` (no bytes), `NoRoom`, `FrameLimit`, `RegionLimit`,
    /// `OutOfMemory`.
    pub fn map_anonymous(
        &mut self,
        size: usize,
        protection: Protection,
    ) -> Result<UserPages, SpaceError> {
        let pages = self.regions.find_free(whole_pages(size)?)?;
        self.map(Region::new(pages, 0, Holds::Anonymous, protection), |_, _, _| ())?;
        Ok(pages)
    }

    /// Maps `size` bytes of zeros somewhere, with pages below that are never
    /// mapped.
    ///
    /// # Errors
    /// As [`AddressSpace::map_anonymous`].
    pub fn map_stack(&mut self, size: usize) -> Result<Stack, SpaceError> {
        let all = self.regions.find_free(whole_pages(size)? + GUARD_PAGES)?;
        let region = Region::new(all, GUARD_PAGES as u32, Holds::Stack, Protection::ReadWrite);
        let usable = region.backed().ok_or(SpaceError::BadRange)?;
        self.map(region, |_, _, _| ())?;
        Ok(Stack { all, usable })
    }

    /// Maps `bytes` at `at`, and zeros up to `size` bytes and around, in pages
    /// where nothing is.
    ///
    /// # Errors
    /// `BadRange` (also: more bytes than `size`), `Taken`, `FrameLimit`,
    /// `RegionLimit`, `OutOfMemory`.
    pub fn map_segment(
        &mut self,
        at: UserAddr,
        bytes: &[u8],
        size: usize,
        protection: Protection,
    ) -> Result<UserPages, SpaceError> {
        let pages = UserPages::touched(at, size)?;
        if bytes.len() > size {
            return Err(SpaceError::BadRange);
        }
        if !self.regions.is_free(pages) {
            return Err(SpaceError::Taken);
        }
        let data = at.get()..at.get() + bytes.len();
        let region = Region::new(pages, 0, Holds::Segment, protection);
        self.map(region, |memory, page, frame| {
            let base = page.base().get();
            let start = data.start.max(base);
            let end = data.end.min(base + FRAME_SIZE);
            if start < end {
                let part = &bytes[start - data.start..end - data.start];
                memory.copy_in(frame, start - base, part);
            }
        })?;
        Ok(pages)
    }

    /// Unmaps whatever is in `pages`. The frames are freed by
    /// [`AddressSpace::release`], once every hart has forgotten them.
    ///
    /// # Errors
    /// `NotMapped`: nothing is. `RegionLimit`, `OutOfMemory`: it is part of a
    /// region that would have to be split.
    pub fn unmap(&mut self, pages: UserPages) -> Result<Stale<Pages>, SpaceError> {
        let sets = Sets::new(self.harts)?;
        self.unmap_with(pages, sets)
    }

    /// The same with memory that was had before. Whole regions are unmapped
    /// without any more.
    ///
    /// # Errors
    /// As [`AddressSpace::unmap`].
    pub fn unmap_with(&mut self, pages: UserPages, sets: Sets) -> Result<Stale<Pages>, SpaceError> {
        if !self.regions.within(pages).any(|region| region.protection().is_some()) {
            return Err(SpaceError::NotMapped);
        }
        self.regions.make_room(self.regions.cuts(pages))?;
        // Point of no return.
        self.tickets += 1;
        let (tables, memory) = (&self.tables, &mut self.pool.memory);
        self.regions.leave(pages, self.tickets, |backed| tables.park(memory, backed));
        Ok(self.stale(pages, sets))
    }

    /// Changes what may be done with `pages`. True for all harts once they have
    /// forgotten what it was; there is nothing to release then.
    ///
    /// # Errors
    /// `NotMapped`: one of them is not. `RegionLimit`, `OutOfMemory`.
    pub fn protect(
        &mut self,
        pages: UserPages,
        protection: Protection,
    ) -> Result<Stale<Pages>, SpaceError> {
        if !self.regions.is_mapped(pages) {
            return Err(SpaceError::NotMapped);
        }
        let sets = self.prepare(pages)?;
        // Point of no return.
        self.tickets += 1;
        self.regions.protect(pages, protection);
        self.tables.protect(&mut self.pool.memory, pages, protection);
        Ok(self.stale(pages, sets))
    }

    /// Frees what an [`AddressSpace::unmap`] took out of use.
    ///
    /// # Panics
    /// When the proof is about another space.
    pub fn release(&mut self, forgotten: Forgotten<Pages>) {
        let Pages { ticket, .. } = forgotten.of(self.root());
        let (tables, pool) = (&self.tables, &mut self.pool);
        self.regions.forget(ticket, |backed| tables.release(pool, backed));
    }

    /// Ends it. No thread of the process is left, so no hart will load the root
    /// again; those that hold anything of it are to be told.
    pub fn close(self) -> (Closed<T>, Stale<Everything>) {
        let Self { pool, tables, last, .. } = self;
        let stale = Stale::new(tables.root(), Everything(()), last);
        (Closed { pool, tables }, stale)
    }

    fn map(
        &mut self,
        region: Region,
        fill: impl FnMut(&mut T, UserPage, FrameNumber),
    ) -> Result<(), SpaceError> {
        let (Some(backed), Some(protection)) = (region.backed(), region.protection()) else {
            return Err(SpaceError::BadRange);
        };
        self.regions.make_room(1)?;
        self.tables.map(&mut self.pool, backed, protection, fill)?;
        // Point of no return.
        self.regions.insert(region);
        Ok(())
    }

    /// Memory for a call that changes `pages`.
    fn prepare(&mut self, pages: UserPages) -> Result<Sets, SpaceError> {
        self.regions.make_room(self.regions.cuts(pages))?;
        Sets::new(self.harts)
    }

    fn stale(&self, pages: UserPages, sets: Sets) -> Stale<Pages> {
        Stale::new(self.root(), Pages { ticket: self.tickets, pages }, sets)
    }
}

/// A space that is over, until no hart holds anything of it.
#[derive(Debug)]
#[must_use = "its frames are freed by destroying it"]
pub struct Closed<T: TableMemory> {
    pool: Pool<T>,
    tables: Tables,
}

impl<T: TableMemory> Closed<T> {
    /// Gives every frame back, tables too, in constant stack. Takes no lock:
    /// nobody else knows the space.
    ///
    /// # Panics
    /// When the proof is about another space, or a frame is missing.
    pub fn destroy(mut self, forgotten: Forgotten<Everything>) {
        let Everything(()) = forgotten.of(self.tables.root());
        self.tables.destroy(&mut self.pool);
        assert!(self.pool.charged() == 0, "every frame is given back once");
    }
}

fn whole_pages(size: usize) -> Result<usize, SpaceError> {
    if size == 0 { Err(SpaceError::BadRange) } else { Ok(size.div_ceil(FRAME_SIZE)) }
}
