// SPDX-License-Identifier: Apache-2.0
//! One drive's part of `nvme-read`: which blocks come next, what is in flight,
//! and whether what came is right. Belongs to the drive's interrupt service
//! thread, with all queue pairs.

use alloc::vec::Vec;

use skimmer_abi::{
    disk::{self, Stamp},
    random::Order,
};
use skimmer_arch::time;
use skimmer_core::table::OutOfMemory;
use skimmer_nvme::{Completion, Dma, Error, Extent, PAGE_SIZE, Place, Refused, Request};

use super::{super::failed, Disk, Tally, ist::Work, mix, seen::Seen};
use crate::{
    lwkt,
    nvme::{Drive, Frames, Parts, Transfer},
};

/// Bytes of a read.
const UNIT: usize = PAGE_SIZE;

/// Reads in flight. What comes with one interrupt is found together, so more of
/// them would make fewer interrupts and not more reads.
const DEPTH: usize = 8;

/// Words of a unit.
const WORDS: usize = UNIT / size_of::<u64>();

/// A drive that is read from.
pub(super) struct Reader {
    disk: Disk,
    /// Decides the order of the reads.
    seed: u64,
    /// Blocks of a unit.
    blocks: u32,
    /// Units that the disk has.
    units: u64,
    /// Units that were read right.
    seen: Seen,
    /// Reads that are asked for at the least.
    share: u64,
    begun: u64,
    /// Reads that have not ended.
    flying: usize,
    spare: Vec<Frames>,
    words: Vec<u64>,
    tally: Tally,
}

impl Reader {
    /// Of a disk whose units lie in one namespace each.
    pub(super) fn new(mut disk: Disk, seed: u64, share: u64) -> Result<Self, OutOfMemory> {
        let Parts { controller, queues, .. } = disk.drive.parts();
        let blocks = UNIT as u32 / disk.span.block_size();
        let units = disk.span.blocks() / u64::from(blocks);
        let machine = *controller.machine();
        let depth = DEPTH.max(queues.len());
        let spare: Vec<Frames> = (0..depth).map_while(|_| machine.allocate(1)).collect();
        if spare.len() < depth {
            return Err(OutOfMemory);
        }
        let mut words = Vec::new();
        words.try_reserve_exact(WORDS).map_err(|_| OutOfMemory)?;
        words.resize(WORDS, 0);
        let seen = Seen::new(units)?;
        let tally = Tally { drives: 1, ..Tally::new()? };
        let (begun, flying) = (0, 0);
        Ok(Self { disk, seed, blocks, units, seen, share, begun, flying, spare, words, tally })
    }

    /// Begins the next read, by the next queue pair: whether the drive takes it.
    fn begin_next(&mut self, frames: Frames) -> bool {
        let (pass, place) = (self.begun / self.units, self.begun % self.units);
        let unit =
            Order::new(self.units, mix(self.seed ^ mix(self.disk.seed ^ mix(pass)))).at(place);
        let first = unit * u64::from(self.blocks);
        let memory = match Extent::new(frames, 0, UNIT) {
            Ok(memory) => memory,
            Err(_) => unreachable!("a unit is a page"),
        };
        let transfer = Transfer { memory, first, submitted: time::now() };
        let Some(Place { namespace, first }) = self.disk.span.locate(first) else { return false };
        let request = Request::Read { namespace, first, blocks: self.blocks };
        let queues = &mut self.disk.drive.parts().queues;
        let number = (self.begun % queues.len() as u64) as usize;
        match queues[number].submit(request, Some(transfer)) {
            Ok(_) => true,
            Err(Refused { .. }) => false,
        }
    }

    fn end(&mut self, done: Completion<Transfer>, now: u64) {
        let Completion { buffer: Some(transfer), result, .. } = done else {
            self.tally.errors += failed("a read gives its buffer back", false);
            return;
        };
        self.tally.latency.add(now.saturating_sub(transfer.submitted));
        let frames = transfer.memory.into_memory();
        let wrong = match result {
            Ok(_) => {
                frames.read_words(0, &mut self.words);
                self.count_wrong(transfer.first)
            }
            Err(_) => failed("a drive has no errors", false),
        };
        self.tally.errors += wrong;
        if wrong == 0 {
            self.tally.reads += 1;
            self.tally.distinct += self.seen.add(transfer.first / u64::from(self.blocks));
            self.tally.blocks += u64::from(self.blocks);
            lwkt::count_work();
            lwkt::count(|hart| &hart.reads, 1);
        }
        self.spare.push(frames);
    }

    /// Blocks of a unit that are not what was written there.
    fn count_wrong(&self, first: u64) -> u64 {
        let blocks = self.words.chunks_exact(WORDS / self.blocks as usize);
        let wrong = blocks.zip(first..).filter(|(block, number)| {
            let stamp = Stamp { seed: self.disk.seed, number: *number, generation: disk::AS_MADE };
            disk::check_words(block, stamp).is_err()
        });
        let wrong = wrong.count() as u64;
        wrong * failed("a block is what was written there", wrong == 0)
    }
}

impl Work for Reader {
    fn source(&self) -> u32 {
        self.disk.source
    }

    fn drive(&mut self) -> (&mut Drive, &mut Tally) {
        (&mut self.disk.drive, &mut self.tally)
    }

    /// Until its share is begun, and while it is to go on.
    fn begin(&mut self, goes_on: bool) {
        while self.tally.errors == 0 && (goes_on || self.begun < self.share) {
            let Some(frames) = self.spare.pop() else { return };
            if self.begin_next(frames) {
                self.begun += 1;
                self.flying += 1;
            } else {
                self.tally.errors += failed("a drive takes a read", false);
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.flying > 0
    }

    fn reads(&self) -> u64 {
        self.tally.reads
    }

    fn verify(&mut self) {
        let now = time::now();
        for number in 0..self.disk.drive.parts().queues.len() {
            while let Some(done) = self.disk.drive.parts().queues[number].take() {
                self.flying -= 1;
                self.end(done, now);
            }
        }
    }

    fn is_lost(&mut self, _: Error) {
        self.tally.errors += failed("a drive recovers", false);
    }

    fn finish(self) -> Tally {
        let mut tally = self.tally;
        tally.close(self.disk.drive);
        tally
    }
}
