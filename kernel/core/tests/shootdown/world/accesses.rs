// SPDX-License-Identifier: Apache-2.0
//! What the hardware does: walks, TLBs, and satp.

use skimmer_core::{
    frames::FrameNumber,
    space::{
        ActiveHarts,
        asid::Flush,
        entry::{Entry, Meaning, Protection},
        pages::UserPage,
        shootdown::Scope,
    },
};

use super::{Found, Loaded, World, Wrong};

impl World {
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

    /// A hart may fill its TLB from the space that it is in whenever it likes.
    pub(super) fn speculate(&mut self, hart: usize) -> Found {
        let (Some(loaded), Some(page)) = (self.harts[hart].loaded, self.some_page()) else {
            return Ok(());
        };
        if let Some(found) = self.walk(hart, page)? {
            self.harts[hart].tlb.entry((loaded.asid, page)).or_insert(found);
        }
        Ok(())
    }

    /// A thread of the loaded space touches a page.
    pub(super) fn access(&mut self) -> Found {
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

    pub(super) fn change_space(&mut self) -> Found {
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
}
