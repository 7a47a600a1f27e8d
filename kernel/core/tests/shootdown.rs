// SPDX-License-Identifier: Apache-2.0
//! Shootdown and ASIDs on imaginary harts with imaginary TLBs, which fill
//! whenever they like and forget only what they are told to. In every order
//! that the seeds choose, no access reaches a frame through a translation that
//! is over, no frame that is free or another space's, and no walk a table that
//! was freed. And each wrong order is found out.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use skimmer_core::{
    frames::{FRAME_SIZE, FrameNumber},
    ids::HartIndex,
    space::{
        ActiveHarts, AddressSpace, Closed, Limits, SpaceError,
        asid::{Answer, Flush, HartAsids, SpaceOnHart},
        entry::{Entry, Meaning, Protection},
        pages::{UserPage, UserPages},
        shootdown::{Everything, Pages, Request, Scope, Shootdown, Stale, Step},
    },
    user::UserAddr,
};

mod space_memory;
use space_memory::{Frames, Memory, Owner, kernel_half};

/// What the driver does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A hart counts as having forgotten as soon as it is told.
    FreesEarly,
    /// A new generation begins without a flush.
    KeepsGeneration,
    /// One hart of the set is not told.
    LeavesOut,
    /// A new generation's flush comes before satp is written.
    FlushesFirst,
    /// The space is loaded before the hart is in its set, and is not flushed.
    EntersLate,
    /// A dying space stays in satp.
    StaysLoaded,
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

/// A space, and what of it lies outside the lock. Its number is its frames'
/// owner.
struct Process {
    owner: Owner,
    space: AddressSpace<Memory>,
    active: Rc<ActiveHarts>,
    mapped: Vec<UserPages>,
}

enum Work {
    /// The entries are changed; nobody has looked at the set yet.
    Changed(Stale<Pages>),
    Some(Shootdown<Pages>),
    All(Shootdown<Everything>, Closed<Memory>),
}

/// A shootdown that a thread on `here` waits for.
struct Pending {
    owner: Owner,
    here: usize,
    scope: Scope,
    active: Rc<ActiveHarts>,
    work: Work,
}

/// What satp says.
#[derive(Clone, Copy)]
struct Loaded {
    owner: Owner,
    root: FrameNumber,
    asid: u16,
}

struct Hart {
    asids: HartAsids,
    loaded: Option<Loaded>,
    tlb: HashMap<(u16, UserPage), (FrameNumber, Protection)>,
    slots: HashMap<Owner, SpaceOnHart>,
    asked: VecDeque<Asked>,
}

/// A request that is on its way to a hart.
struct Asked {
    number: usize,
    owner: Owner,
    request: Request,
    active: Rc<ActiveHarts>,
}

struct World {
    random: Random,
    wrong: Wrong,
    frames: Rc<RefCell<Frames>>,
    harts: Vec<Hart>,
    processes: Vec<Process>,
    pending: HashMap<usize, Pending>,
    numbers: usize,
    owners: Owner,
    /// Pages that are interesting to look at.
    pages: Vec<UserPage>,
    hits: usize,
}

type Found = Result<(), String>;

fn hart_index(hart: usize) -> HartIndex {
    HartIndex::new(hart as u16)
}

impl World {
    fn new(seed: u64, wrong: Wrong) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let harts = 2 + random.below(3);
        let bits = random.below(4) as u32;
        let harts = (0..harts)
            .map(|hart| Hart {
                asids: HartAsids::new(hart_index(hart), bits),
                loaded: None,
                tlb: HashMap::new(),
                slots: HashMap::new(),
                asked: VecDeque::new(),
            })
            .collect();
        let mut world = Self {
            random,
            wrong,
            frames: Frames::new(48),
            harts,
            processes: Vec::new(),
            pending: HashMap::new(),
            numbers: 0,
            owners: 0,
            pages: Vec::new(),
            hits: 0,
        };
        for _ in 0..3 {
            world.spawn();
        }
        world
    }

    fn spawn(&mut self) {
        let owner = self.owners + 1;
        let memory = Memory::new(&self.frames, owner, || false);
        let limits = Limits { frames: 12, regions: 12 };
        let Ok(space) = AddressSpace::new(memory, &kernel_half(), limits, self.harts.len()) else {
            return;
        };
        self.owners = owner;
        let active = Rc::new(ActiveHarts::new(self.harts.len()).unwrap());
        self.processes.push(Process { owner, space, active, mapped: Vec::new() });
    }

    fn process(&self, owner: Owner) -> Option<usize> {
        self.processes.iter().position(|process| process.owner == owner)
    }

    /// Where a thread runs: a hart, and the process that it has loaded.
    fn running(&mut self) -> Option<(usize, usize)> {
        let hart = self.random.below(self.harts.len());
        let owner = self.harts[hart].loaded?.owner;
        Some((hart, self.process(owner)?))
    }

    fn step(&mut self) -> Found {
        match self.random.below(20) {
            0..6 => self.access(),
            6..9 => {
                let hart = self.random.below(self.harts.len());
                self.speculate(hart)
            }
            9..12 => self.change_space(),
            12..14 => self.serve(),
            14..16 => {
                self.map();
                Ok(())
            }
            16 => self.unmap_or_protect(),
            17..19 => self.go_on(),
            _ if self.random.below(4) == 0 => self.close(),
            _ => Ok(()),
        }
    }

    /// The hardware's walk: through memory, from satp.
    fn walk(
        &self,
        hart: usize,
        page: UserPage,
    ) -> Result<Option<(FrameNumber, Protection)>, String> {
        let Some(loaded) = self.harts[hart].loaded else { return Ok(None) };
        let frames = self.frames.borrow();
        let mut table = loaded.root;
        let address = page.base().get();
        for shift in [30, 21, 12] {
            if frames.owner(table) != loaded.owner {
                return Err(format!("hart {hart} walks a table that was freed"));
            }
            let entry = Entry::from_bits(frames.word(table, address >> shift & 0x1ff));
            match entry.meaning() {
                Meaning::Table(next) => table = next,
                Meaning::User(frame, protection) => return Ok(Some((frame, protection))),
                _ if !entry.is_valid() => return Ok(None),
                other => return Err(format!("hart {hart} finds {other:?}")),
            }
        }
        Err(format!("hart {hart} finds a table below the last level"))
    }

    fn some_page(&mut self) -> Option<UserPage> {
        if self.pages.is_empty() {
            return None;
        }
        let which = self.random.below(self.pages.len());
        Some(self.pages[which])
    }

    /// A hart may fill its TLB from the space that it is in whenever it likes.
    fn speculate(&mut self, hart: usize) -> Found {
        let (Some(loaded), Some(page)) = (self.harts[hart].loaded, self.some_page()) else {
            return Ok(());
        };
        if let Some(found) = self.walk(hart, page)? {
            self.harts[hart].tlb.entry((loaded.asid, page)).or_insert(found);
        }
        Ok(())
    }

    /// A thread of the loaded space touches a page.
    fn access(&mut self) -> Found {
        let Some((hart, process)) = self.running() else { return Ok(()) };
        let (Some(loaded), Some(page)) = (self.harts[hart].loaded, self.some_page()) else {
            return Ok(());
        };
        let walked = self.walk(hart, page)?;
        let held = self.harts[hart].tlb.get(&(loaded.asid, page)).copied();
        let Some((frame, protection)) = held.or(walked) else { return Ok(()) };
        self.hits += usize::from(held.is_some());
        self.harts[hart].tlb.insert((loaded.asid, page), (frame, protection));
        let owner = self.frames.borrow().owner(frame);
        if owner != loaded.owner {
            return Err(format!("hart {hart} reaches a frame of {owner}, as {}", loaded.owner));
        }
        // While a shootdown of the page is under way, the old one may be used.
        let is_changing = self.pending.values().any(|pending| {
            let covers = match pending.scope {
                Scope::Pages(pages) => pages.contains(page),
                Scope::Everything => true,
            };
            pending.owner == loaded.owner && covers
        });
        let now = self.processes[process].space.lookup(page.base());
        if !is_changing && now != Some((frame, protection)) {
            return Err(format!("hart {hart} uses a translation that is over"));
        }
        Ok(())
    }

    fn flush_all(&mut self, hart: usize) {
        self.harts[hart].tlb.clear();
    }

    fn change_space(&mut self) -> Found {
        let hart = self.random.below(self.harts.len());
        if self.random.below(6) == 0 || self.processes.is_empty() {
            self.harts[hart].loaded = None;
            return Ok(());
        }
        let process = self.random.below(self.processes.len());
        let (owner, root) = (self.processes[process].owner, self.processes[process].space.root());
        let is_late = self.wrong == Wrong::EntersLate;
        let nowhere = ActiveHarts::new(self.harts.len()).unwrap();
        let active = if is_late { &nowhere } else { &*self.processes[process].active };
        let it = &mut self.harts[hart];
        let slot = it.slots.entry(owner).or_default();
        let activation = it.asids.activate(slot, active);
        let is_new = activation.flush == Flush::All;
        if is_new && self.wrong == Wrong::FlushesFirst {
            self.flush_all(hart);
        }
        self.speculate(hart)?;
        self.harts[hart].loaded = Some(Loaded { owner, root, asid: activation.asid });
        self.speculate(hart)?;
        let keeps = matches!(self.wrong, Wrong::KeepsGeneration | Wrong::FlushesFirst);
        if is_new && !keeps {
            self.flush_all(hart);
        }
        Ok(())
    }

    fn map(&mut self) {
        let Some((_, process)) = self.running() else { return };
        let size = (1 + self.random.below(2)) * FRAME_SIZE;
        let protection = Protection::ALL[self.random.below(4)];
        let process = &mut self.processes[process];
        // A refusal changes nothing; `space.rs` sees to that.
        let Ok(pages) = process.space.map_anonymous(size, protection) else { return };
        process.mapped.push(pages);
        for page in pages.iter() {
            if !self.pages.contains(&page) {
                self.pages.push(page);
            }
        }
    }

    fn unmap_or_protect(&mut self) -> Found {
        let Some((here, process)) = self.running() else { return Ok(()) };
        let mapped = self.processes[process].mapped.len();
        if mapped == 0 {
            return Ok(());
        }
        let which = self.random.below(mapped);
        let protects = self.random.below(3) == 0;
        let protection = Protection::ALL[self.random.below(4)];
        let it = &mut self.processes[process];
        let pages = it.mapped[which];
        let stale = if protects {
            it.space.protect(pages, protection)
        } else {
            it.mapped.swap_remove(which);
            it.space.unmap(pages)
        };
        let (owner, active) = (it.owner, Rc::clone(&it.active));
        let stale = stale.map_err(|why| format!("{why:?}"))?;
        let scope = Scope::Pages(pages);
        self.start(Pending { owner, here, scope, active, work: Work::Changed(stale) });
        Ok(())
    }

    /// All threads of a process have ended: it is destroyed, from any hart.
    fn close(&mut self) -> Found {
        if self.processes.is_empty() {
            return Ok(());
        }
        let process = self.random.below(self.processes.len());
        let owner = self.processes[process].owner;
        // A thread that waits for a shootdown has not ended.
        if self.pending.values().any(|pending| pending.owner == owner) {
            return Ok(());
        }
        let here = self.random.below(self.harts.len());
        let Process { space, active, .. } = self.processes.swap_remove(process);
        let (closed, stale): (_, Stale<Everything>) = space.close();
        let shootdown = Shootdown::begin(stale, &active);
        let (scope, work) = (Scope::Everything, Work::All(shootdown, closed));
        self.start(Pending { owner, here, scope, active, work });
        Ok(())
    }

    fn start(&mut self, pending: Pending) {
        self.numbers += 1;
        self.pending.insert(self.numbers, pending);
    }

    /// One step of a thread that waits for a shootdown.
    fn go_on(&mut self) -> Found {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut numbers: Vec<usize> = self.pending.keys().copied().collect();
        numbers.sort_unstable();
        let number = numbers[self.random.below(numbers.len())];
        let mut pending = self.pending.remove(&number).expect("under way");
        let next = match pending.work {
            Work::Changed(stale) => {
                pending.work = Work::Some(Shootdown::begin(stale, &pending.active));
                Step::Wait
            }
            Work::Some(ref shootdown) => shootdown.next(),
            Work::All(ref shootdown, _) => shootdown.next(),
        };
        self.pending.insert(number, pending);
        match next {
            Step::Tell(hart) => self.tell(number, hart),
            Step::Wait => Ok(()),
            Step::Finish => {
                self.finish(number);
                Ok(())
            }
        }
    }

    fn tell(&mut self, number: usize, hart: HartIndex) -> Found {
        let wrong = self.wrong;
        let pending = self.pending.get_mut(&number).expect("under way");
        let (owner, request) = (pending.owner, pending.request());
        let asked = Asked { number, owner, request, active: Rc::clone(&pending.active) };
        let is_here = hart.index() == pending.here;
        pending.told(hart);
        if wrong == Wrong::LeavesOut && !is_here {
            pending.acknowledged(hart);
            return Ok(());
        }
        if wrong == Wrong::FreesEarly && !is_here {
            pending.acknowledged(hart);
        }
        if is_here {
            return self.answer(hart.index(), &asked);
        }
        self.harts[hart.index()].asked.push_back(asked);
        Ok(())
    }

    /// A hart's service thread takes the next request.
    fn serve(&mut self) -> Found {
        let hart = self.random.below(self.harts.len());
        match self.harts[hart].asked.pop_front() {
            Some(asked) => self.answer(hart, &asked),
            None => Ok(()),
        }
    }

    fn answer(&mut self, hart: usize, asked: &Asked) -> Found {
        loop {
            let it = &mut self.harts[hart];
            let stays = self.wrong == Wrong::StaysLoaded;
            let is_loaded = it.loaded.is_some_and(|loaded| loaded.owner == asked.owner);
            let is_loaded = is_loaded && !(stays && asked.request.scope == Scope::Everything);
            let slot = it.slots.entry(asked.owner).or_default();
            match it.asids.answer(slot, &asked.active, asked.request.scope, is_loaded) {
                Answer::Acknowledge => break,
                Answer::Flush(asid, pages) => {
                    let is_meant = |of: u16, page| of == asid && pages.contains(page);
                    it.tlb.retain(|(of, page), _| !is_meant(*of, *page));
                    break;
                }
                Answer::ChangeAway => {
                    self.speculate(hart)?;
                    self.harts[hart].loaded = None;
                }
            }
        }
        if let Some(pending) = self.pending.get_mut(&asked.number) {
            pending.acknowledged(hart_index(hart));
        }
        Ok(())
    }

    fn finish(&mut self, number: usize) {
        let Pending { owner, work, .. } = self.pending.remove(&number).expect("under way");
        match work {
            Work::Changed(_) => unreachable!("nobody was told"),
            Work::Some(shootdown) => {
                let forgotten = shootdown.finish().expect("all have answered");
                let process = self.process(owner).expect("its thread waits");
                self.processes[process].space.release(forgotten);
            }
            Work::All(shootdown, closed) => {
                closed.destroy(shootdown.finish().expect("all have answered"));
                for hart in &mut self.harts {
                    hart.slots.remove(&owner);
                }
                self.spawn();
            }
        }
    }

    /// Everything ends, and no frame is missing.
    fn end(mut self) -> Found {
        let drain = |world: &mut Self| {
            for _ in 0..10_000 {
                world.serve()?;
                world.go_on()?;
                if world.pending.is_empty() {
                    return Ok(());
                }
            }
            Err("a shootdown has no end".to_owned())
        };
        drain(&mut self)?;
        let spawned = self.owners;
        while let Some(process) = self.processes.iter().position(|p| p.owner <= spawned) {
            self.processes.swap(0, process);
            self.close()?;
            drain(&mut self)?;
        }
        let charged: usize = self.processes.iter().map(|p| p.space.charged()).sum();
        let taken = self.frames.borrow().taken();
        if charged == taken { Ok(()) } else { Err(format!("{taken} frames, {charged} charged")) }
    }
}

impl Pending {
    fn request(&self) -> Request {
        match &self.work {
            Work::Changed(_) => unreachable!("nobody is told yet"),
            Work::Some(shootdown) => shootdown.request(),
            Work::All(shootdown, _) => shootdown.request(),
        }
    }

    fn told(&mut self, hart: HartIndex) {
        match &mut self.work {
            Work::Changed(_) => unreachable!("nobody is told yet"),
            Work::Some(shootdown) => shootdown.told(hart),
            Work::All(shootdown, _) => shootdown.told(hart),
        }
    }

    fn acknowledged(&mut self, hart: HartIndex) {
        match &mut self.work {
            Work::Changed(_) => unreachable!("nobody was told"),
            Work::Some(shootdown) => shootdown.acknowledged(hart),
            Work::All(shootdown, _) => shootdown.acknowledged(hart),
        }
    }
}

/// Runs one schedule. How many accesses the TLBs answered, or what was found.
fn schedule(seed: u64, wrong: Wrong) -> Result<usize, String> {
    let mut world = World::new(seed, wrong);
    for _ in 0..600 {
        world.step()?;
    }
    let hits = world.hits;
    world.end()?;
    Ok(hits)
}

const SEEDS: u64 = 600;

#[test]
fn no_access_goes_astray() {
    let mut hits = 0;
    for seed in 1..=SEEDS {
        match schedule(seed, Wrong::Nothing) {
            Ok(more) => hits += more,
            Err(what) => panic!("seed {seed}: {what}"),
        }
    }
    assert!(hits > 10_000, "only {hits} accesses were answered by a TLB: nothing was tried");
}

/// Of the same schedules, how many find it out, and how first.
fn is_found_out(wrong: Wrong, words: &str) {
    let found: Vec<String> = (1..=SEEDS).filter_map(|seed| schedule(seed, wrong).err()).collect();
    let as_meant = found.iter().filter(|what| what.contains(words)).count();
    println!("{wrong:?}: {} of {SEEDS} schedules find it, {as_meant} as {words:?}", found.len());
    assert!(as_meant > 0, "{wrong:?} is not found out: {found:?}");
}

#[test]
fn frames_that_are_freed_before_all_have_answered() {
    is_found_out(Wrong::FreesEarly, "reaches a frame");
}

#[test]
fn a_generation_without_a_flush() {
    is_found_out(Wrong::KeepsGeneration, "reaches a frame");
}

#[test]
fn a_generation_that_is_flushed_too_early() {
    is_found_out(Wrong::FlushesFirst, "reaches a frame");
}

#[test]
fn a_hart_that_is_left_out() {
    is_found_out(Wrong::LeavesOut, "reaches a frame");
}

#[test]
fn a_hart_that_is_not_in_the_set() {
    is_found_out(Wrong::EntersLate, "reaches a frame");
}

#[test]
fn a_dying_space_that_stays_loaded() {
    is_found_out(Wrong::StaysLoaded, "walks a table that was freed");
}

/// What the protocol relies on in its pieces, step by step.
#[test]
fn frames_wait_for_every_answer() {
    let frames = Frames::new(16);
    let active = ActiveHarts::new(3).unwrap();
    let memory = Memory::new(&frames, 1, || false);
    let limits = Limits { frames: 10, regions: 4 };
    let mut space = AddressSpace::new(memory, &kernel_half(), limits, 3).unwrap();
    let pages = space.map_anonymous(2 * FRAME_SIZE, Protection::ReadWrite).unwrap();
    for hart in [0, 2] {
        active.enter(hart_index(hart));
    }
    let taken = frames.borrow().taken();
    let mut shootdown = Shootdown::begin(space.unmap(pages).unwrap(), &active);
    assert_eq!(space.lookup(pages.base()), None);
    assert_eq!(space.unmap(pages).map(|_| ()), Err(SpaceError::NotMapped), "it waits");
    for hart in [0, 2] {
        assert_eq!(shootdown.next(), Step::Tell(hart_index(hart)));
        shootdown.told(hart_index(hart));
    }
    // Answers that nobody asked for, and one that comes twice.
    for hart in [1, 2, 2] {
        shootdown.acknowledged(hart_index(hart));
    }
    assert_eq!(shootdown.next(), Step::Wait);
    let mut shootdown = shootdown.finish().expect_err("hart 0 has not answered");
    shootdown.acknowledged(hart_index(0));
    assert_eq!(shootdown.next(), Step::Finish);
    assert_eq!(frames.borrow().taken(), taken);
    space.release(shootdown.finish().unwrap());
    assert_eq!(frames.borrow().taken(), taken - 2);
    let top = UserAddr::new(pages.addresses().end);
    assert!(space.region_at(pages.base()).is_none() && space.region_at(top).is_none());
}
