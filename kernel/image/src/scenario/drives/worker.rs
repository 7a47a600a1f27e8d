// SPDX-License-Identifier: Apache-2.0
//! A worker of `nvme-verify`: a thread with a queue pair of its own hart, which
//! nobody else touches. The drive's interrupt service thread tells it by messages
//! when to look for completions, and asks for the queue pair if the controller
//! must be attended to.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use skimmer_abi::{
    disk::{self, Stamp},
    random::Random,
};
use skimmer_arch::{irq::masked, time};
use skimmer_nvme::{Completion, Dma, Extent, PAGE_SIZE, Place, Refused, Request, Span};
use skimmer_sync::{lock::SpinLock, once::Once};

use super::{super::failed, Tally, plan::Plan};
use crate::{
    lwkt,
    nvme::{Frames, Machine, Queue, Transfer},
};

/// What a message to a worker asks: the first word. The second is a phase, and of
/// [`LOOK`] whether an interrupt came.
pub(super) const BEGIN: u64 = 1;
pub(super) const LOOK: u64 = 2;
pub(super) const HAND_OVER: u64 = 3;
pub(super) const TAKE_BACK: u64 = 4;
pub(super) const END: u64 = 5;

/// What is done with a disk, one after the other; all workers are done with one
/// before the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// All that was asked for is read as it was made.
    Read,
    /// A region is written.
    Write,
    /// The first worker has everything brought to the medium.
    Flush,
    /// The region is read again.
    ReadBack,
}

impl Phase {
    pub(super) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Flush, Self::ReadBack];

    const fn generation(self) -> u64 {
        match self {
            Self::Read => disk::AS_MADE,
            Self::Write | Self::Flush | Self::ReadBack => WRITTEN,
        }
    }
}

/// The generation of what is written.
pub(super) const WRITTEN: u64 = disk::AS_MADE + 1;

/// The most commands that a worker has in flight; how many it may have changes
/// from look to look.
const DEPTH: u64 = 64;

/// Where a worker's queue pair is while the controller is attended to. Taken by
/// threads, when something is wrong.
pub(super) type Slot = SpinLock<Option<Queue>>;

/// What is to be done with one disk.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) machine: Machine,
    pub(super) span: &'static Span,
    /// What the disk's blocks state.
    pub(super) disk_seed: u64,
    pub(super) seed: u64,
    /// What is read.
    pub(super) read: Range<u64>,
    /// What is written.
    pub(super) write: Range<u64>,
    pub(super) workers: u64,
}

pub(super) struct Worker {
    job: Job,
    number: u64,
    /// Here, but for when it is handed over.
    queue: Option<Queue>,
    slot: &'static Slot,
    random: Random,
    phase: Phase,
    plan: Plan,
    /// Namespaces that are to be flushed: a flush is of one (NVM Express Base 2.0,
    /// section 7.1).
    unflushed: Range<usize>,
    flying: usize,
    block: Vec<u64>,
    tally: Tally,
}

impl Worker {
    pub(super) fn new(job: Job, number: u64, queue: Queue, slot: &'static Slot) -> Self {
        let words = job.span.block_size() as usize / size_of::<u64>();
        let block = alloc::vec![0; words];
        let random = Random::of(job.seed ^ job.disk_seed, number);
        let plan = Plan::new(0..0, 0, (0, 1), 1);
        let tally = super::required(Tally::new());
        let (phase, unflushed, flying) = (Phase::Read, 0..0, 0);
        let queue = Some(queue);
        Self { job, number, queue, slot, random, phase, plan, unflushed, flying, block, tally }
    }

    /// The thread. Leaves what came of it in `place`.
    pub(super) fn run(mut self, place: &Once<Tally>) {
        loop {
            let request = lwkt::receive();
            let [kind, argument, ..] = request.payload().words();
            match kind {
                BEGIN => {
                    self.begin(Phase::ALL[argument as usize]);
                    self.answer(request);
                    self.go_on();
                }
                LOOK => self.look(request, argument != 0),
                HAND_OVER => {
                    masked(|irq| *self.slot.lock(irq) = self.queue.take());
                    self.answer(request);
                }
                TAKE_BACK => {
                    self.queue = masked(|irq| self.slot.lock(irq).take());
                    self.answer(request);
                }
                _ => {
                    // The service thread shuts the drive down with all of them.
                    masked(|irq| *self.slot.lock(irq) = self.queue.take());
                    let _ = place.set(Box::new(self.tally));
                    return lwkt::reply(request, 0);
                }
            }
        }
    }

    /// Says whether the phase is done, and how many errors there were: of a phase
    /// that is done, all of them.
    fn answer(&self, mut request: lwkt::Received) {
        request.answer([u64::from(self.is_done()), self.tally.errors, 0, 0, 0, 0, 0, 0]);
        lwkt::reply(request, 0);
    }

    /// Whether nothing is in flight, and nothing to be begun.
    fn is_done(&self) -> bool {
        self.flying == 0 && self.plan.is_done() && self.unflushed.is_empty()
    }

    fn begin(&mut self, phase: Phase) {
        let window = match phase {
            Phase::Read => self.job.read.clone(),
            Phase::Write | Phase::ReadBack => self.job.write.clone(),
            Phase::Flush => 0..0,
        };
        let part = (self.number, self.job.workers);
        let seed = self.job.seed ^ self.job.disk_seed ^ phase as u64;
        self.plan = Plan::new(window, seed, part, u64::MAX);
        let flushes = phase == Phase::Flush && self.number == 0;
        self.unflushed = 0..if flushes { self.job.span.count() } else { 0 };
        self.phase = phase;
    }

    /// Takes what has ended. The service thread, whose device is masked meanwhile,
    /// has its answer before the bytes are looked at, unless it is the last.
    fn look(&mut self, request: lwkt::Received, by_interrupt: bool) {
        let Some(queue) = self.queue.as_mut() else { return self.answer(request) };
        let found = queue.harvest() as u64;
        self.tally.by_interrupt += if by_interrupt { found } else { 0 };
        let mut ended = Vec::new();
        while let Some(done) = queue.take() {
            ended.push(done);
        }
        self.flying -= ended.len();
        let now = time::now();
        if self.is_done() {
            ended.drain(..).for_each(|done| self.end(done, now));
        }
        self.answer(request);
        ended.into_iter().for_each(|done| self.end(done, now));
        self.go_on();
    }

    /// Begins commands, as many as are to be in flight this time.
    fn go_on(&mut self) {
        let most = self.queue.as_ref().map_or(0, |queue| u64::from(queue.depth()));
        let depth = 1 + self.random.below(DEPTH.min(most)) as usize;
        while self.flying < depth && self.tally.errors == 0 {
            let begun = if let Some(number) = self.unflushed.next() {
                self.flush(number)
            } else {
                let Some(piece) = self.plan.next(&mut self.random, self.job.span) else { return };
                self.transfer(&piece)
            };
            if !begun {
                self.tally.errors += failed("a drive takes a command", false);
            }
        }
        if self.tally.errors > 0 {
            // Nothing more is begun; what is in flight ends.
            self.plan = Plan::new(0..0, 0, (0, 1), 1);
            self.unflushed = 0..0;
        }
    }

    fn flush(&mut self, number: usize) -> bool {
        let span = self.job.span;
        let Some(place) = span.start(number).and_then(|first| span.locate(first)) else {
            return false;
        };
        self.submit(Request::Flush { namespace: place.namespace }, None)
    }

    /// Reads or writes a piece, from or to anywhere in a page.
    fn transfer(&mut self, piece: &Range<u64>) -> bool {
        let blocks = piece.end - piece.start;
        let length = (blocks * u64::from(self.job.span.block_size())) as usize;
        let offset = self.random.below((PAGE_SIZE / WORD) as u64) as usize * WORD;
        let frames = self.job.machine.allocate((offset + length).div_ceil(PAGE_SIZE));
        let Some(mut frames) = frames else { return false };
        let Some(Place { namespace, first }) = self.job.span.locate(piece.start) else {
            return false;
        };
        let blocks = blocks as u32;
        let request = if self.phase == Phase::Write {
            self.fill(&mut frames, offset, piece);
            Request::Write { namespace, first, blocks, through: false }
        } else {
            Request::Read { namespace, first, blocks }
        };
        let Ok(memory) = Extent::new(frames, offset, length) else { return false };
        let transfer = Transfer { memory, first: piece.start, submitted: time::now() };
        self.submit(request, Some(transfer))
    }

    fn submit(&mut self, request: Request, transfer: Option<Transfer>) -> bool {
        let Some(queue) = self.queue.as_mut() else { return false };
        match queue.submit(request, transfer) {
            Ok(_) => {
                self.flying += 1;
                true
            }
            Err(Refused { .. }) => false,
        }
    }

    fn stamp(&self, number: u64) -> Stamp {
        Stamp { seed: self.job.disk_seed, number, generation: self.phase.generation() }
    }

    fn fill(&mut self, frames: &mut Frames, offset: usize, piece: &Range<u64>) {
        let size = self.job.span.block_size() as usize;
        for (number, at) in piece.clone().zip((offset..).step_by(size)) {
            let stamp = self.stamp(number);
            disk::fill_words(&mut self.block, stamp);
            frames.write_words(at, &self.block);
        }
    }

    /// What a command moved is right.
    fn end(&mut self, done: Completion<Transfer>, now: u64) {
        self.tally.errors += failed("a drive has no errors", done.result.is_ok());
        let Some(transfer) = done.buffer else { return };
        let size = self.job.span.block_size() as usize;
        let blocks = (skimmer_nvme::Buffer::length(&transfer) / size) as u64;
        if self.phase == Phase::Write {
            self.tally.written += blocks;
            return;
        }
        self.tally.latency.add(now.saturating_sub(transfer.submitted));
        let mut wrong = u64::from(done.result.is_err());
        for (number, at) in (transfer.first..).zip(0..blocks as usize) {
            let at = transfer.memory.offset() + at * size;
            transfer.memory.memory().read_words(at, &mut self.block);
            wrong += u64::from(disk::check_words(&self.block, self.stamp(number)).is_err());
        }
        self.tally.errors += wrong * failed("a block is what was written there", wrong == 0);
        if wrong == 0 {
            self.tally.reads += 1;
            self.tally.blocks += blocks;
            lwkt::count_work();
        }
    }
}

const WORD: usize = size_of::<u64>();
