// SPDX-License-Identifier: Apache-2.0
//! Address spaces against a map of pages, with memory out at every allocation:
//! every frame and every block of the heap that a call asks for is refused
//! once, and then nothing may have changed.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    ptr,
    rc::Rc,
};

use proptest::prelude::*;
use skimmer_core::{
    frames::{FRAME_SIZE, FrameNumber},
    ids::HartIndex,
    space::{
        ActiveHarts, AddressSpace, GUARD_PAGES, Limits, SpaceError,
        entry::{Access, Protection},
        pages::{USER_END, USER_START, UserPages},
        regions::Region,
        shootdown::{Forgotten, Pages, Request, Shootdown, Stale, Told, Transport, What},
        tables::KERNEL_ENTRIES,
    },
    user::UserAddr,
};

mod space_memory;
use space_memory::{Frames, Memory, kernel_half};

thread_local! {
    /// Allocations that still succeed, if they are counted.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Whether this allocation fails. The one that does ends the count.
fn is_out() -> bool {
    match LEFT.get() {
        None => false,
        // A panic has to say what happened.
        Some(_) if std::thread::panicking() => false,
        Some(0) => {
            LEFT.set(None);
            true
        }
        Some(left) => {
            LEFT.set(Some(left - 1));
            false
        }
    }
}

/// The system's allocator, which can be out of memory.
struct Scarce;

// SAFETY: every call goes to the system's allocator unchanged or fails; the
// count is a `const` thread-local without a destructor, which never allocates.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_out() {
            return ptr::null_mut();
        }
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller; all our blocks are the system's.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

const HARTS: usize = 3;
const OWNER: u32 = 1;

/// Answers at once, and one hart at a time.
struct Prompt(Option<HartIndex>);

impl Transport for Prompt {
    fn tell(&mut self, hart: HartIndex, _: Request) -> Told {
        if self.0.is_some() {
            return Told::Later;
        }
        self.0 = Some(hart);
        Told::Sent
    }

    fn wait(&mut self) -> HartIndex {
        self.0.take().expect("somebody was told")
    }
}

fn forget<W: What>(stale: Stale<W>, active: &ActiveHarts) -> Forgotten<W> {
    Shootdown::begin(stale, active).run(&mut Prompt(None))
}

/// One page as the model knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Every byte of it is that, of a segment's first page the last one.
    Mapped(Protection, u8),
    Guard,
    Leaving,
}

struct World {
    space: AddressSpace<Memory>,
    frames: Rc<std::cell::RefCell<Frames>>,
    active: ActiveHarts,
    slots: BTreeMap<usize, Slot>,
    /// Pages that were ever mapped: their tables stay.
    ever: BTreeSet<usize>,
    leaving: Vec<(Forgotten<Pages>, Vec<usize>)>,
    tag: u8,
}

/// What a failed call must leave as it was.
#[derive(PartialEq)]
struct Picture {
    frames: Vec<Option<(u32, [u64; 512])>>,
    regions: Vec<Region>,
    charged: usize,
}

fn numbers(pages: UserPages) -> std::ops::Range<usize> {
    let addresses = pages.addresses();
    addresses.start / FRAME_SIZE..addresses.end / FRAME_SIZE
}

fn address(page: usize) -> UserAddr {
    UserAddr::new(page * FRAME_SIZE)
}

impl World {
    fn new(frames: usize, limits: Limits) -> Self {
        let frames = Frames::new(frames);
        let active = ActiveHarts::new(HARTS).unwrap();
        for hart in 0..HARTS as u16 {
            active.enter(HartIndex::new(hart));
        }
        let memory = Memory::new(&frames, OWNER, is_out);
        let space = AddressSpace::new(memory, &kernel_half(), limits, HARTS).unwrap();
        Self {
            space,
            frames,
            active,
            slots: BTreeMap::new(),
            ever: BTreeSet::new(),
            leaving: Vec::new(),
            tag: 0,
        }
    }

    fn picture(&self) -> Picture {
        Picture {
            frames: self.frames.borrow().picture(),
            regions: self.space.regions().copied().collect(),
            charged: self.space.charged(),
        }
    }

    /// The call, after it was tried with each of its allocations refused.
    fn call<R: std::fmt::Debug>(
        &mut self,
        mut call: impl FnMut(&mut AddressSpace<Memory>) -> Result<R, SpaceError>,
    ) -> Result<R, SpaceError> {
        let before = self.picture();
        for allocations in 0.. {
            LEFT.set(Some(allocations));
            let result = call(&mut self.space);
            let was_refused = LEFT.take().is_none();
            if result.is_err() {
                assert!(self.picture() == before, "{result:?} and something has changed");
            }
            if !was_refused {
                return result;
            }
            let why = result.expect_err("an allocation was refused");
            assert_eq!(why, SpaceError::OutOfMemory);
        }
        unreachable!("more allocations than numbers")
    }

    fn map(&mut self, pages: UserPages, protection: Protection, tag: u8) {
        for page in numbers(pages) {
            let old = self.slots.insert(page, Slot::Mapped(protection, tag));
            assert_eq!(old, None, "mapped where something was");
            self.ever.insert(page);
        }
    }

    fn check_gap(&self, pages: UserPages) {
        let numbers = numbers(pages);
        for page in [numbers.start - 1, numbers.end] {
            assert_eq!(self.slots.get(&page), None, "no gap beside what was placed");
        }
    }

    fn anonymous(&mut self, size: usize, protection: Protection) {
        if let Ok(pages) = self.call(|space| space.map_anonymous(size, protection)) {
            self.check_gap(pages);
            assert_eq!(pages.count(), size.div_ceil(FRAME_SIZE));
            self.map(pages, protection, 0);
        }
    }

    fn stack(&mut self, size: usize) {
        if let Ok(stack) = self.call(|space| space.map_stack(size)) {
            self.check_gap(stack.all);
            assert_eq!(stack.usable.count(), size.div_ceil(FRAME_SIZE));
            for page in numbers(stack.all).take(GUARD_PAGES) {
                assert_eq!(self.slots.insert(page, Slot::Guard), None);
            }
            self.map(stack.usable, Protection::ReadWrite, 0);
        }
    }

    /// A segment full of one byte, which begins somewhere in its first page.
    fn segment(&mut self, start: usize, size: usize, protection: Protection) {
        self.tag = self.tag.wrapping_add(1).max(1);
        let bytes = vec![self.tag; size];
        let at = UserAddr::new(start);
        let free = UserPages::touched(at, size)
            .map(|pages| numbers(pages).all(|page| !self.slots.contains_key(&page)));
        let result = self.call(|space| space.map_segment(at, &bytes, size, protection));
        match (result, free) {
            (Ok(pages), Ok(true)) => {
                self.map(pages, protection, self.tag);
                self.check_bytes(start, size);
            }
            (Err(SpaceError::BadRange), Err(_)) | (Err(SpaceError::Taken), Ok(false)) => {}
            (Err(SpaceError::FrameLimit | SpaceError::RegionLimit), Ok(true)) => {}
            (Err(SpaceError::OutOfMemory), Ok(true)) => {}
            (result, free) => panic!("{result:?}, and free {free:?}"),
        }
    }

    fn check_bytes(&self, start: usize, size: usize) {
        let pages = UserPages::touched(UserAddr::new(start), size).unwrap().addresses();
        for at in pages {
            let (frame, _) = self.space.lookup(UserAddr::new(at)).unwrap();
            let byte = self.frames.borrow().byte(frame, at % FRAME_SIZE);
            let inside = (start..start + size).contains(&at);
            assert_eq!(byte, if inside { self.tag } else { 0 }, "at {at:#x}");
        }
    }

    fn unmap(&mut self, pages: UserPages) {
        let there: Vec<usize> = numbers(pages)
            .filter(|page| self.slots.get(page).is_some_and(|slot| *slot != Slot::Leaving))
            .collect();
        match self.call(|space| space.unmap(pages)) {
            Ok(stale) => {
                assert_ne!(there, []);
                for page in &there {
                    self.slots.insert(*page, Slot::Leaving);
                }
                let forgotten = forget(stale, &self.active);
                self.leaving.push((forgotten, there));
            }
            Err(SpaceError::NotMapped) => assert_eq!(there, []),
            Err(why) => assert_eq!(why, SpaceError::RegionLimit),
        }
    }

    fn protect(&mut self, pages: UserPages, protection: Protection) {
        let is_mapped = |page| matches!(self.slots.get(&page), Some(Slot::Mapped(..)));
        let all = numbers(pages).all(is_mapped);
        match self.call(|space| space.protect(pages, protection)) {
            Ok(stale) => {
                assert!(all);
                for page in numbers(pages) {
                    if let Some(Slot::Mapped(old, _)) = self.slots.get_mut(&page) {
                        *old = protection;
                    }
                }
                // Nothing to release, in whatever order.
                let forgotten = forget(stale, &self.active);
                self.leaving.push((forgotten, Vec::new()));
            }
            Err(SpaceError::NotMapped) => assert!(!all),
            Err(why) => assert_eq!(why, SpaceError::RegionLimit),
        }
    }

    fn release(&mut self, which: usize) {
        if self.leaving.is_empty() {
            return;
        }
        let (forgotten, pages) = self.leaving.swap_remove(which % self.leaving.len());
        self.space.release(forgotten);
        for page in pages {
            assert_eq!(self.slots.remove(&page), Some(Slot::Leaving));
        }
    }

    /// Frames by number: mapped, waiting, and what stays for tables.
    fn expected_charge(&self) -> usize {
        let tables = |level: u32| {
            let behind: BTreeSet<usize> = self.ever.iter().map(|p| p >> (9 * level)).collect();
            behind.len()
        };
        let waiting = self.leaving.iter().flat_map(|(_, pages)| pages);
        let waiting = waiting.filter(|page| !self.was_guard(**page)).count();
        let mapped = self.slots.values().filter(|s| matches!(s, Slot::Mapped(..))).count();
        1 + tables(1) + tables(2) + mapped + waiting
    }

    /// Of a page that leaves: whether it never had a frame.
    fn was_guard(&self, page: usize) -> bool {
        let region = self.space.region_at(address(page)).expect("it waits in a region");
        assert_eq!(region.protection(), None);
        !region.backed().is_some_and(|backed| numbers(backed).contains(&page))
    }

    fn check(&self) {
        let mut seen = BTreeSet::<FrameNumber>::new();
        for (page, slot) in &self.slots {
            let got = self.space.lookup(address(*page));
            let region = self.space.region_at(address(*page)).expect("a region has it");
            match slot {
                Slot::Mapped(protection, tag) => {
                    let (frame, is) = got.expect("mapped");
                    assert_eq!(is, *protection);
                    assert_eq!(region.protection(), Some(is));
                    assert!(!(is.permits(Access::Write) && is.permits(Access::Execute)));
                    assert!(seen.insert(frame), "one frame at two pages");
                    let byte = self.frames.borrow().byte(frame, FRAME_SIZE / 2);
                    assert!(byte == *tag || byte == 0);
                }
                Slot::Guard | Slot::Leaving => assert_eq!(got, None),
            }
        }
        self.check_regions();
        assert_eq!(self.space.charged(), self.expected_charge());
        let frames = self.frames.borrow();
        assert_eq!(frames.taken(), self.space.charged());
        for (index, entry) in kernel_half().iter().enumerate() {
            let word = frames.word(self.space.root(), KERNEL_ENTRIES + index);
            assert_eq!(word, entry.bits(), "the kernel's half");
        }
    }

    fn check_regions(&self) {
        let mut covered = Vec::new();
        for region in self.space.regions() {
            covered.extend(numbers(region.pages()));
        }
        // Sorted, none twice, and just what the model has.
        assert!(covered.iter().eq(self.slots.keys()));
    }

    /// The end: no frame is missing, whatever still waited to be released.
    fn destroy(self) {
        let (closed, stale) = self.space.close();
        closed.destroy(forget(stale, &self.active));
        assert_eq!(self.frames.borrow().taken(), 0);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Anonymous(usize, Protection),
    Stack(usize),
    Segment(usize, usize, Protection),
    /// From near the region of that number, so many pages.
    Unmap(usize, usize, usize),
    Protect(usize, usize, usize, Protection),
    Release(usize),
}

fn protection() -> impl Strategy<Value = Protection> {
    prop::sample::select(Protection::ALL.to_vec())
}

/// At the start, at the ends of tables of both levels, at the end.
fn near() -> impl Strategy<Value = usize> {
    let places = vec![USER_START, 2 << 20, 1 << 30, (3 << 30) + (2 << 20), USER_END];
    (prop::sample::select(places), 0..6 * FRAME_SIZE).prop_map(|(at, back)| at - back % at)
}

fn step() -> impl Strategy<Value = Step> {
    let size = || 1..4 * FRAME_SIZE;
    prop_oneof![
        3 => (size(), protection()).prop_map(|(size, p)| Step::Anonymous(size, p)),
        2 => size().prop_map(Step::Stack),
        4 => (near(), size(), protection()).prop_map(|(at, size, p)| Step::Segment(at, size, p)),
        4 => (0..20_usize, 0..24_usize, 1..24_usize).prop_map(|(r, o, n)| Step::Unmap(r, o, n)),
        3 => (0..20_usize, 0..20_usize, 1..4_usize, protection())
            .prop_map(|(r, o, n, p)| Step::Protect(r, o, n, p)),
        4 => (0..8_usize).prop_map(Step::Release),
    ]
}

/// `count` pages from `offset` pages into that region, or from in front of it.
fn pick(world: &World, region: usize, offset: usize, count: usize) -> Option<UserPages> {
    let regions: Vec<Region> = world.space.regions().copied().collect();
    let region = regions.get(region % regions.len().max(1))?;
    let start = (numbers(region.pages()).start + offset).saturating_sub(2);
    UserPages::aligned(address(start), count * FRAME_SIZE).ok()
}

fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Anonymous(size, protection) => world.anonymous(size, protection),
        Step::Stack(size) => world.stack(size),
        Step::Segment(at, size, protection) => world.segment(at, size, protection),
        Step::Unmap(region, offset, count) => {
            if let Some(pages) = pick(world, region, offset, count) {
                world.unmap(pages);
            }
        }
        Step::Protect(region, offset, count, protection) => {
            if let Some(pages) = pick(world, region, offset, count) {
                world.protect(pages, protection);
            }
        }
        Step::Release(which) => world.release(which),
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_space_is_a_map_of_pages(
        steps in prop::collection::vec(step(), 1..40),
        frames in 20..60_usize,
        regions in 3..20_usize,
    ) {
        let mut world = World::new(60, Limits { frames, regions });
        for step in &steps {
            take(&mut world, step);
        }
        world.destroy();
    }
}

const MANY: Limits = Limits { frames: 1000, regions: 1000 };

#[test]
fn a_new_space_asks_for_all_memory_first() {
    let frames = Frames::new(4);
    for allocations in 0.. {
        LEFT.set(Some(allocations));
        let memory = Memory::new(&frames, OWNER, is_out);
        let made = AddressSpace::new(memory, &kernel_half(), MANY, HARTS);
        if LEFT.take().is_some() {
            assert_eq!(made.unwrap().charged(), 1);
            assert!(allocations >= 3, "a root and two sets");
            return;
        }
        assert_eq!(made.unwrap_err(), SpaceError::OutOfMemory);
        assert_eq!(frames.borrow().taken(), 0);
    }
}

#[test]
fn limits_are_answers_and_change_nothing() {
    let mut world = World::new(40, Limits { frames: 20, regions: 2 });
    // The root, two tables and 17 pages are all; a page more is too much.
    let too_many = world.call(|space| space.map_anonymous(18 * FRAME_SIZE, Protection::ReadOnly));
    assert_eq!(too_many, Err(SpaceError::FrameLimit));
    world.anonymous(17 * FRAME_SIZE, Protection::ReadWrite);
    assert_eq!(world.space.charged(), 20);
    let more = world.call(|space| space.map_anonymous(1, Protection::ReadOnly));
    assert_eq!(more, Err(SpaceError::FrameLimit));
    let room = USER_END - (64 << 30);
    for size in [room + 1, (1 << 44) - (64 << 30) - FRAME_SIZE, 1 << 44, usize::MAX] {
        let huge = world.call(|space| space.map_anonymous(size, Protection::ReadOnly));
        assert_eq!(huge, Err(SpaceError::NoRoom), "{size:#x}");
        let stack = world.call(|space| space.map_stack(size));
        assert_eq!(stack, Err(SpaceError::NoRoom), "{size:#x}");
    }
    let none = world.call(|space| space.map_anonymous(0, Protection::ReadOnly));
    assert_eq!(none, Err(SpaceError::BadRange));
    // A hole in the middle would make three regions.
    let region = *world.space.regions().next().unwrap();
    let middle = UserPages::aligned(address(numbers(region.pages()).start + 5), FRAME_SIZE);
    let hole = world.call(|space| space.unmap(middle.unwrap()));
    assert_eq!(hole.map(|_| ()), Err(SpaceError::RegionLimit));
    // What waits for a shootdown is still the process's.
    world.unmap(region.pages());
    assert_eq!(world.space.charged(), 20);
    world.release(0);
    assert_eq!(world.space.charged(), 3);
    assert_eq!(SpaceError::FrameLimit.errno(), skimmer_abi::errno::Errno::EAGAIN);
    world.destroy();
}

#[test]
fn memory_that_is_out_is_had_again() {
    let mut world = World::new(12, MANY);
    let refused = world.call(|space| space.map_anonymous(10 * FRAME_SIZE, Protection::ReadWrite));
    assert_eq!(refused, Err(SpaceError::OutOfMemory));
    world.anonymous(9 * FRAME_SIZE, Protection::ReadWrite);
    assert_eq!(world.frames.borrow().taken(), 12);
    world.check();
    world.destroy();
}

#[test]
fn what_waits_is_not_placed_upon() {
    let mut world = World::new(60, MANY);
    world.segment(USER_START, FRAME_SIZE, Protection::ReadExecute);
    let pages = UserPages::aligned(UserAddr::new(USER_START), FRAME_SIZE).unwrap();
    world.unmap(pages);
    let taken = world
        .call(|space| space.map_segment(UserAddr::new(USER_START), &[], 1, Protection::ReadOnly));
    assert_eq!(taken, Err(SpaceError::Taken));
    world.release(0);
    world.segment(USER_START, FRAME_SIZE, Protection::ReadOnly);
    world.check();
    world.destroy();
}

#[test]
fn pieces_join_again() {
    let mut world = World::new(60, MANY);
    world.anonymous(9 * FRAME_SIZE, Protection::ReadWrite);
    let all = world.space.regions().next().unwrap().pages();
    let one = UserPages::aligned(address(numbers(all).start + 4), FRAME_SIZE).unwrap();
    world.protect(one, Protection::ReadOnly);
    assert_eq!(world.space.regions().count(), 3);
    world.protect(one, Protection::ReadWrite);
    assert_eq!(world.space.regions().count(), 1);
    world.check();
    world.destroy();
}

#[test]
#[should_panic(expected = "another space proves nothing")]
fn a_proof_about_another_space() {
    let frames = Frames::new(40);
    let space = |owner| {
        let memory = Memory::new(&frames, owner, is_out);
        AddressSpace::new(memory, &kernel_half(), MANY, HARTS).unwrap()
    };
    let (mut one, mut other) = (space(1), space(2));
    let pages = one.map_anonymous(1, Protection::ReadOnly).unwrap();
    let stale = one.unmap(pages).unwrap();
    other.release(forget(stale, &ActiveHarts::new(HARTS).unwrap()));
}
