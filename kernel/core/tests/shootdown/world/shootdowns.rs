// SPDX-License-Identifier: Apache-2.0
//! Threads that wait for shootdowns, and the harts that answer.

use std::rc::Rc;

use skimmer_core::{
    ids::HartIndex,
    space::{
        ActiveHarts, Closed,
        asid::Answer,
        entry::Protection,
        shootdown::{Everything, Pages, Request, Scope, Shootdown, Stale, Step},
    },
};

use super::{Found, Process, World, Wrong, hart_index};
use crate::space_memory::{Memory, Owner};

enum Work {
    /// The entries are changed; nobody has looked at the set yet.
    Changed(Stale<Pages>),
    Some(Shootdown<Pages>),
    All(Shootdown<Everything>, Closed<Memory>),
}

/// A shootdown that a thread on `here` waits for.
pub(super) struct Pending {
    pub(super) owner: Owner,
    here: usize,
    pub(super) scope: Scope,
    active: Rc<ActiveHarts>,
    work: Work,
}

/// A request that is on its way to a hart.
pub(super) struct Asked {
    number: usize,
    owner: Owner,
    request: Request,
    active: Rc<ActiveHarts>,
}

impl World {
    pub(super) fn unmap_or_protect(&mut self) -> Found {
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
    pub(super) fn close(&mut self) -> Found {
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
    pub(super) fn go_on(&mut self) -> Found {
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
    pub(super) fn serve(&mut self) -> Found {
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
