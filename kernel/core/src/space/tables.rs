// SPDX-License-Identifier: Apache-2.0
//! Three-level tables, walked and changed over a [`TableMemory`].
//!
//! A hart may hold whatever it was ever shown, so a frame must not be freed
//! merely because its entry was taken back. Two rules follow from that.
//!
//! - *Nothing is shown before all of it is there.* A range is mapped with parked
//!   entries and parked tables, which no hardware follows. Only when every frame
//!   of it has been had do they become valid, which cannot fail. Until then all
//!   of it can be undone, and the frames freed at once.
//! - *What was shown stays until it is forgotten.* To unmap parks the entries;
//!   their frames are given back by `release`, after the shootdown. A table that
//!   was shown stays until the space dies: harts may hold pointers to it, too.
//!
//! The kernel's half of the root is written once, by `new`.

use crate::{
    frames::FrameNumber,
    space::{
        SpaceError,
        entry::{Entry, Meaning, Protection},
        pages::{UserPage, UserPages},
    },
};

/// Entries in a table.
pub const ENTRIES: usize = 512;
/// Entries of the root that belong to the kernel: the upper half.
pub const KERNEL_ENTRIES: usize = ENTRIES / 2;
pub(crate) const ROOT_LEVEL: u32 = 2;

/// Physical memory, as far as address spaces need it.
pub trait TableMemory {
    /// The entry at `index` (below 512) of a table.
    fn read(&self, table: FrameNumber, index: usize) -> Entry;

    /// Changes that entry, in one store that is a release: who finds the entry
    /// finds whatever this hart wrote before, zeros and data included.
    fn write(&mut self, table: FrameNumber, index: usize, entry: Entry);

    /// A frame full of zeros, unless memory is out.
    fn take_zeroed(&mut self) -> Option<FrameNumber>;

    /// Takes a frame back. Nothing refers to it any more, on any hart.
    fn give_back(&mut self, frame: FrameNumber);

    /// Copies into a frame, from `offset`. It fits.
    fn copy_in(&mut self, frame: FrameNumber, offset: usize, bytes: &[u8]);
}

/// The frames that one space may take: memory, and a limit.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    pub(crate) memory: T,
    charged: usize,
    limit: usize,
}

impl<T: TableMemory> Pool<T> {
    pub(crate) const fn new(memory: T, limit: usize) -> Self {
        Self { memory, charged: 0, limit }
    }

    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }

    fn take(&mut self) -> Result<FrameNumber, SpaceError> {
        if self.charged >= self.limit {
            return Err(SpaceError::FrameLimit);
        }
        let frame = self.memory.take_zeroed().ok_or(SpaceError::OutOfMemory)?;
        self.charged += 1;
        Ok(frame)
    }

    fn give_back(&mut self, frame: FrameNumber) {
        self.memory.give_back(frame);
        self.charged -= 1;
    }
}

/// The tables of one space.
#[derive(Debug)]
pub(crate) struct Tables {
    root: FrameNumber,
}

impl Tables {
    pub(crate) fn new<T: TableMemory>(
        pool: &mut Pool<T>,
        kernel: &[Entry; KERNEL_ENTRIES],
    ) -> Result<Self, SpaceError> {
        let root = pool.take()?;
        #[cfg(feature = "bug-frame-dirty")]
        (0..ENTRIES).for_each(|index| pool.memory.write(root, index, Entry::EMPTY));
        for (index, entry) in kernel.iter().enumerate() {
            pool.memory.write(root, KERNEL_ENTRIES + index, *entry);
        }
        Ok(Self { root })
    }

    pub(crate) const fn root(&self) -> FrameNumber {
        self.root
    }

    /// Maps fresh frames at `pages`, which are not mapped. `fill` sees each of
    /// them before any program does.
    ///
    /// All of it, or on an error nothing: no frame is missing then.
    pub(crate) fn map<T: TableMemory>(
        &self,
        pool: &mut Pool<T>,
        pages: UserPages,
        protection: Protection,
        mut fill: impl FnMut(&mut T, UserPage, FrameNumber),
    ) -> Result<(), SpaceError> {
        if pages.count() > pool.limit - pool.charged {
            return Err(SpaceError::FrameLimit);
        }
        for page in pages.iter() {
            match self.stage(pool, page, protection) {
                Ok(frame) => fill(&mut pool.memory, page, frame),
                Err(why) => {
                    self.abandon(pool, pages.up_to(page));
                    return Err(why);
                }
            }
        }
        // Point of no return.
        for page in pages.iter() {
            self.show(&mut pool.memory, page);
        }
        Ok(())
    }

    /// Makes the entries of `pages` invisible, as far as they are mapped. Their
    /// frames stay.
    pub(crate) fn park<T: TableMemory>(&self, memory: &mut T, pages: UserPages) {
        self.each_leaf(memory, pages, |memory, table, index, entry| {
            if let Meaning::User(..) = entry.meaning() {
                memory.write(table, index, entry.parked());
            }
        });
    }

    /// Gives back the frames that [`Tables::park`] left in `pages`.
    pub(crate) fn release<T: TableMemory>(&self, pool: &mut Pool<T>, pages: UserPages) {
        let mut freed = 0;
        self.each_leaf(&mut pool.memory, pages, |memory, table, index, entry| {
            if let Meaning::ParkedUser(frame, _) = entry.meaning() {
                memory.write(table, index, Entry::EMPTY);
                memory.give_back(frame);
                freed += 1;
            }
        });
        pool.charged -= freed;
    }

    /// Changes what may be done with `pages`, as far as they are mapped.
    pub(crate) fn protect<T: TableMemory>(
        &self,
        memory: &mut T,
        pages: UserPages,
        protection: Protection,
    ) {
        self.each_leaf(memory, pages, |memory, table, index, entry| {
            if let Meaning::User(frame, _) = entry.meaning() {
                memory.write(table, index, Entry::user(frame, protection));
            }
        });
    }

    /// What the hardware finds at `page`.
    pub(crate) fn lookup<T: TableMemory>(
        &self,
        memory: &T,
        page: UserPage,
    ) -> Option<(FrameNumber, Protection)> {
        let mut table = self.root;
        for level in [2, 1] {
            match memory.read(table, page.index(level)).meaning() {
                Meaning::Table(next) => table = next,
                _ => return None,
            }
        }
        match memory.read(table, page.index(0)).meaning() {
            Meaning::User(frame, protection) => Some((frame, protection)),
            _ => None,
        }
    }

    /// Gives back every frame: pages, parked ones too, and tables, each once.
    pub(crate) fn destroy<T: TableMemory>(self, pool: &mut Pool<T>) {
        for upper in 0..KERNEL_ENTRIES {
            let Some(middle) = next_table(&pool.memory, self.root, upper) else { continue };
            for index in 0..ENTRIES {
                let Some(leaves) = next_table(&pool.memory, middle, index) else { continue };
                for index in 0..ENTRIES {
                    let entry = pool.memory.read(leaves, index).meaning();
                    if let Meaning::User(frame, _) | Meaning::ParkedUser(frame, _) = entry {
                        pool.give_back(frame);
                    }
                }
                pool.give_back(leaves);
            }
            pool.give_back(middle);
        }
        pool.give_back(self.root);
    }

    /// A fresh frame in a parked entry for `page`, with the tables on the way.
    fn stage<T: TableMemory>(
        &self,
        pool: &mut Pool<T>,
        page: UserPage,
        protection: Protection,
    ) -> Result<FrameNumber, SpaceError> {
        let mut table = self.root;
        for level in [2, 1] {
            let index = page.index(level);
            table = match next_table(&pool.memory, table, index) {
                Some(next) => next,
                None => {
                    let fresh = pool.take()?;
                    #[cfg(feature = "bug-frame-dirty")]
                    (0..ENTRIES).for_each(|index| pool.memory.write(fresh, index, Entry::EMPTY));
                    pool.memory.write(table, index, Entry::table(fresh).parked());
                    fresh
                }
            };
        }
        let index = page.index(0);
        let is_free = pool.memory.read(table, index) == Entry::EMPTY;
        assert!(is_free, "regions know what is mapped");
        let frame = pool.take()?;
        pool.memory.write(table, index, Entry::user(frame, protection).parked());
        Ok(frame)
    }

    /// Makes what was staged for `page` valid.
    fn show<T: TableMemory>(&self, memory: &mut T, page: UserPage) {
        let mut table = self.root;
        for level in [2, 1] {
            let index = page.index(level);
            table = match memory.read(table, index).meaning() {
                Meaning::ParkedTable(next) => {
                    memory.write(table, index, Entry::table(next));
                    next
                }
                Meaning::Table(next) => next,
                other => unreachable!("staged, and yet {other:?}"),
            };
        }
        let index = page.index(0);
        match memory.read(table, index).meaning() {
            Meaning::ParkedUser(frame, protection) => {
                memory.write(table, index, Entry::user(frame, protection));
            }
            other => unreachable!("staged, and yet {other:?}"),
        }
    }

    /// Undoes what was staged for `pages`: frames first, then whichever tables
    /// were made for it. No hart was ever shown any of it.
    fn abandon<T: TableMemory>(&self, pool: &mut Pool<T>, pages: UserPages) {
        self.release(pool, pages);
        for level in 1..=ROOT_LEVEL {
            for first in firsts(pages, level) {
                let Some(parent) = self.table_at(&pool.memory, first, level) else { continue };
                let index = first.index(level);
                if let Meaning::ParkedTable(table) = pool.memory.read(parent, index).meaning() {
                    pool.memory.write(parent, index, Entry::EMPTY);
                    pool.give_back(table);
                }
            }
        }
    }

    /// The table of that level that has the entry for `page`, seen or not.
    fn table_at<T: TableMemory>(
        &self,
        memory: &T,
        page: UserPage,
        level: u32,
    ) -> Option<FrameNumber> {
        let mut table = self.root;
        for above in (level + 1..=ROOT_LEVEL).rev() {
            table = next_table(memory, table, page.index(above))?;
        }
        Some(table)
    }

    /// Every entry for `pages` in tables that exist.
    fn each_leaf<T: TableMemory>(
        &self,
        memory: &mut T,
        pages: UserPages,
        mut each: impl FnMut(&mut T, FrameNumber, usize, Entry),
    ) {
        for first in firsts(pages, 1) {
            let Some(table) = self.table_at(memory, first, 0) else { continue };
            let end = first.number_after(1).min(pages.end());
            let Some(covered) = UserPages::between(first.number(), end) else { continue };
            for page in covered.iter() {
                let index = page.index(0);
                let entry = memory.read(table, index);
                each(memory, table, index, entry);
            }
        }
    }
}

/// The first page of `pages` behind each entry of that level.
fn firsts(pages: UserPages, level: u32) -> impl Iterator<Item = UserPage> {
    let mut rest = Some(pages);
    core::iter::from_fn(move || {
        let pages = rest?;
        let first = pages.first();
        rest = UserPages::between(first.number_after(level), pages.end());
        Some(first)
    })
}

/// The table behind that entry, seen or not.
fn next_table<T: TableMemory>(memory: &T, table: FrameNumber, index: usize) -> Option<FrameNumber> {
    match memory.read(table, index).meaning() {
        Meaning::Table(next) | Meaning::ParkedTable(next) => Some(next),
        _ => None,
    }
}
