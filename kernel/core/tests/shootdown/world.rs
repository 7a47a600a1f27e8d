// SPDX-License-Identifier: Apache-2.0
//! Harts, spaces and what the seed lets happen next.

mod accesses;
mod shootdowns;

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use skimmer_core::{
    frames::{FRAME_SIZE, FrameNumber},
    ids::HartIndex,
    space::{
        ActiveHarts, AddressSpace, Limits,
        asid::{HartAsids, SpaceOnHart},
        entry::Protection,
        pages::{UserPage, UserPages},
    },
};

use crate::space_memory::{Frames, Memory, Owner, kernel_half};
use shootdowns::{Asked, Pending};

/// What the driver does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
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

pub(crate) struct World {
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

pub(crate) fn hart_index(hart: usize) -> HartIndex {
    HartIndex::new(hart as u16)
}

impl World {
    pub(crate) fn new(seed: u64, wrong: Wrong) -> Self {
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

    pub(crate) fn step(&mut self) -> Found {
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

    fn some_page(&mut self) -> Option<UserPage> {
        if self.pages.is_empty() {
            return None;
        }
        let which = self.random.below(self.pages.len());
        Some(self.pages[which])
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

    /// Everything ends, and no frame is missing. How many accesses the TLBs answered.
    pub(crate) fn end(mut self) -> Result<usize, String> {
        let hits = self.hits;
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
        if charged == taken { Ok(hits) } else { Err(format!("{taken} frames, {charged} charged")) }
    }
}
