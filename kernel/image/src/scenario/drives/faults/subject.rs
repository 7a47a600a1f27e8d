// SPDX-License-Identifier: Apache-2.0
//! A drive that goes through its course: what is in flight, and what came of it.
//! Belongs to the drive's interrupt service thread, with all queue pairs.

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::Ordering;

use skimmer_abi::{
    disk::{self, Stamp},
    random::{Random, mix},
    record::DriveOperation,
};
use skimmer_arch::time;
use skimmer_core::table::OutOfMemory;
use skimmer_nvme::{
    Completion, Dma, Error, Extent, Misuse, PAGE_SIZE, Place, Refused, Request, Status, Ticket,
};
use skimmer_sync::once::Once;

use super::{
    super::{super::failed, Disk, Tally, ist::Work, worker::WRITTEN},
    Shared,
    course::{Course, Phase, Task},
    findings::Findings,
};
use crate::{
    lwkt,
    nvme::{Drive, Machine, Parts, Transfer},
};

/// Commands in flight.
const DEPTH: usize = 8;

/// Of those, commands that a drive is given after it was pulled.
const AFTER_THE_PULL: usize = 4;

const WORD: usize = size_of::<u64>();

/// A command in flight.
struct Flight {
    queue: usize,
    ticket: Ticket,
    task: Task,
}

/// A drive on its course.
pub(super) struct Subject {
    disk: Disk,
    machine: Machine,
    course: Course,
    is_pulled: bool,
    /// When it was pulled.
    pulled_at: u64,
    shared: &'static Shared,
    is_finished: bool,
    random: Random,
    flights: Vec<Flight>,
    begun: usize,
    /// Of the region: the blocks that were written.
    is_written: Vec<bool>,
    block: Vec<u64>,
    findings: Findings,
    place: &'static Once<Findings>,
    tally: Tally,
}

impl Subject {
    pub(super) fn new(
        mut disk: Disk,
        seed: u64,
        is_pulled: bool,
        shared: &'static Shared,
        place: &'static Once<Findings>,
    ) -> Result<Self, OutOfMemory> {
        let Parts { controller, .. } = disk.drive.parts();
        let machine = *controller.machine();
        let seed = mix(seed ^ mix(disk.seed));
        let course = Course::new(disk.span, seed);
        let region = course.region();
        let is_written = alloc::vec![false; (region.end - region.start) as usize];
        let block = alloc::vec![0; disk.span.block_size() as usize / WORD];
        let findings = Findings::new(disk.number);
        let tally = Tally { drives: 1, ..Tally::new()? };
        Ok(Self {
            disk,
            machine,
            course,
            is_pulled,
            pulled_at: 0,
            shared,
            is_finished: false,
            random: Random::of(seed, 1),
            flights: Vec::new(),
            begun: 0,
            is_written,
            block,
            findings,
            place,
            tally,
        })
    }

    /// Nothing is in flight, and the phase has nothing more.
    fn advance(&mut self) {
        let next = match self.course.phase() {
            Phase::Read => Phase::Write,
            Phase::Write => Phase::Flush,
            Phase::Flush => Phase::ReadBack,
            Phase::ReadBack if self.is_pulled => Phase::Pull,
            Phase::ReadBack if self.findings.told.failed_reads == 0 => Phase::ReadOn,
            Phase::ReadBack | Phase::ReadOn | Phase::Pull | Phase::Done => Phase::Done,
        };
        if self.course.phase() == Phase::Pull {
            self.try_what_is_gone();
        }
        self.course.go_to(next);
        match next {
            Phase::Pull => self.pull(),
            Phase::ReadOn | Phase::Done => self.is_through(),
            _ => {}
        }
    }

    /// It has gone through its course.
    fn is_through(&mut self) {
        if !core::mem::replace(&mut self.is_finished, true) {
            self.shared.finished.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes the drive's power away, between commands.
    fn pull(&mut self) {
        for at in 0..DEPTH {
            if at == DEPTH - AFTER_THE_PULL {
                self.shared.is_in_trouble.store(true, Ordering::Relaxed);
                self.pulled_at = time::now();
                let is_off = self.machine.power_off();
                self.tally.errors += failed("the slot of a drive can be turned off", is_off);
            }
            let task = self.course.any_read();
            // It does not know that the drive is gone.
            let is_taken = self.submit(task).is_ok();
            self.tally.errors += failed("a drive takes a command", is_taken);
        }
    }

    /// A drive that is known to be gone takes nothing.
    fn try_what_is_gone(&mut self) {
        let task = self.course.any_read();
        let refused = self.submit(task).err();
        self.tally.errors +=
            failed("a drive that is gone refuses commands", refused == Some(Error::Gone));
        self.findings.told.refused += u64::from(refused == Some(Error::Gone));
    }

    /// Gives a command to the next queue pair.
    fn submit(&mut self, task: Task) -> Result<(), Error> {
        let place = self.disk.span.locate(task.first);
        let Place { namespace, first } = place.ok_or(Error::Misuse(Misuse::OutOfRange))?;
        let blocks = task.blocks as u32;
        let (request, transfer) = match task.operation {
            DriveOperation::Flush => (Request::Flush { namespace }, None),
            DriveOperation::Read => {
                (Request::Read { namespace, first, blocks }, Some(self.transfer(&task)?))
            }
            DriveOperation::Write => {
                let request = Request::Write { namespace, first, blocks, through: false };
                let mut transfer = self.transfer(&task)?;
                self.fill(&mut transfer, &task);
                (request, Some(transfer))
            }
        };
        let queues = &mut self.disk.drive.parts().queues;
        let queue = self.begun % queues.len();
        match queues[queue].submit(request, transfer) {
            Ok(ticket) => {
                self.begun += 1;
                self.flights.push(Flight { queue, ticket, task });
                Ok(())
            }
            Err(Refused { error, .. }) => Err(error),
        }
    }

    /// Memory for a command, from anywhere in a page.
    fn transfer(&mut self, task: &Task) -> Result<Transfer, Error> {
        let length = task.blocks as usize * self.disk.span.block_size() as usize;
        let offset = self.random.below((PAGE_SIZE / WORD) as u64) as usize * WORD;
        let frames = self.machine.allocate((offset + length).div_ceil(PAGE_SIZE));
        let memory = frames.and_then(|frames| Extent::new(frames, offset, length).ok());
        let memory = memory.ok_or(Error::NoMemory)?;
        Ok(Transfer { memory, first: task.first, submitted: time::now() })
    }

    fn stamp(&self, number: u64, generation: u64) -> Stamp {
        Stamp { seed: self.disk.seed, number, generation }
    }

    fn fill(&mut self, transfer: &mut Transfer, task: &Task) {
        let size = self.disk.span.block_size() as usize;
        let offset = transfer.memory.offset();
        for (number, at) in (task.first..task.first + task.blocks).zip((offset..).step_by(size)) {
            let stamp = self.stamp(number, WRITTEN);
            disk::fill_words(&mut self.block, stamp);
            transfer.memory.memory_mut().write_words(at, &self.block);
        }
    }

    /// Where a block is in the region, if it is there.
    fn in_region(&self, number: u64) -> Option<usize> {
        let region = self.course.region();
        region.contains(&number).then(|| (number - region.start) as usize)
    }

    fn end(&mut self, task: &Task, done: Completion<Transfer>, now: u64) {
        let is_pull = self.course.phase() == Phase::Pull;
        if is_pull {
            self.findings.told.nanos = time::nanos(now.saturating_sub(self.pulled_at));
        }
        match done.result {
            Ok(_) => self.succeed(task, done.buffer, now),
            Err(Error::Failed(status)) => self.fail(task, status),
            Err(Error::Gone) if is_pull => self.findings.told.gone += 1,
            Err(_) => {
                self.tally.errors += failed("a drive fails in no other way", false);
                self.stop();
            }
        }
    }

    fn succeed(&mut self, task: &Task, buffer: Option<Transfer>, now: u64) {
        match (task.operation, buffer) {
            (DriveOperation::Read, Some(transfer)) => self.verify_read(task, &transfer, now),
            (DriveOperation::Write, Some(_)) => {
                for number in task.first..task.first + task.blocks {
                    if let Some(at) = self.in_region(number) {
                        self.is_written[at] = true;
                    }
                }
                self.tally.written += task.blocks;
                self.findings.told.writes += 1;
            }
            (DriveOperation::Flush, None) => self.findings.told.flushes += 1,
            _ => self.tally.errors += failed("a command gives its buffer back", false),
        }
    }

    /// A block that was not written, because its write failed, is as it was.
    fn verify_read(&mut self, task: &Task, transfer: &Transfer, now: u64) {
        self.tally.latency.add(now.saturating_sub(transfer.submitted));
        let size = self.disk.span.block_size() as usize;
        let offset = transfer.memory.offset();
        let mut wrong = 0;
        for (number, at) in (task.first..task.first + task.blocks).zip((offset..).step_by(size)) {
            transfer.memory.memory().read_words(at, &mut self.block);
            let is_written = self.in_region(number).is_some_and(|at| self.is_written[at]);
            let generation = if is_written { WRITTEN } else { disk::AS_MADE };
            let stamp = self.stamp(number, generation);
            wrong += u64::from(disk::check_words(&self.block, stamp).is_err());
        }
        self.tally.errors += wrong * failed("a block is what was written there", wrong == 0);
        if wrong > 0 {
            return;
        }
        let told = &mut self.findings.told;
        told.reads += 1;
        told.blocks += if self.course.phase() == Phase::Read { task.blocks } else { 0 };
        told.beside += u64::from(self.shared.is_in_trouble.load(Ordering::Relaxed));
        self.tally.reads += 1;
        self.tally.blocks += task.blocks;
        lwkt::count_work();
    }

    fn fail(&mut self, task: &Task, status: Status) {
        self.shared.is_in_trouble.store(true, Ordering::Relaxed);
        self.findings.fail(task, status);
        if self.course.phase() == Phase::ReadOn {
            self.course.go_to(Phase::Done);
        }
        self.course.try_again(task);
    }

    fn stop(&mut self) {
        self.course.stop();
        self.is_through();
    }
}

impl Work for Subject {
    fn source(&self) -> u32 {
        self.disk.source
    }

    fn drive(&mut self) -> (&mut Drive, &mut Tally) {
        (&mut self.disk.drive, &mut self.tally)
    }

    fn begin(&mut self, goes_on: bool) {
        while self.flights.len() < DEPTH {
            let Some(task) = self.course.next(goes_on) else {
                if self.is_busy() || self.course.phase() == Phase::Done {
                    return;
                }
                self.advance();
                continue;
            };
            if self.submit(task).is_err() {
                self.tally.errors += failed("a drive takes a command", false);
                return self.stop();
            }
        }
    }

    fn is_busy(&self) -> bool {
        !self.flights.is_empty()
    }

    fn reads(&self) -> u64 {
        self.tally.reads
    }

    fn verify(&mut self) {
        let now = time::now();
        for queue in 0..self.disk.drive.parts().queues.len() {
            while let Some(done) = self.disk.drive.parts().queues[queue].take() {
                let is_it = |it: &Flight| (it.queue, it.ticket) == (queue, done.ticket);
                match self.flights.iter().position(is_it) {
                    Some(at) => {
                        let Flight { task, .. } = self.flights.swap_remove(at);
                        self.end(&task, done, now);
                    }
                    None => self.tally.errors += failed("a command was begun", false),
                }
            }
        }
    }

    fn is_lost(&mut self, error: Error) {
        if self.course.phase() != Phase::Pull || error != Error::Gone {
            self.tally.errors += failed("a drive recovers", false);
            self.stop();
        }
    }

    fn finish(mut self) -> Tally {
        self.is_through();
        self.findings.tidy();
        self.findings.note_written(self.course.region().start, &self.is_written);
        self.tally.close(self.disk.drive);
        // These did not complete.
        self.tally.polled = self.tally.polled.saturating_sub(self.findings.told.gone);
        let _ = self.place.set(Box::new(self.findings));
        self.tally
    }
}
