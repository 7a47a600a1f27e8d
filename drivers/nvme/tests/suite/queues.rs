// SPDX-License-Identifier: Apache-2.0
//! Commands of I/O: data, order, phases.

use skimmer_nvme::{
    Buffer, Clock as _, Controller, Dma as _, Error, Memory as _, Misuse, Namespace, Options,
    PAGE_SIZE, QueuePair, Request,
};

use crate::fake::{Fake, FakeMemory, Setup};

/// A buffer of pages that lie anywhere.
pub(crate) struct Part {
    pages: Vec<FakeMemory>,
    offset: usize,
    length: usize,
}

impl Part {
    pub(crate) fn new(fake: &Fake, offset: usize, length: usize) -> Self {
        let count = (offset + length).div_ceil(PAGE_SIZE);
        let mut pages: Vec<_> =
            (0..count).map(|_| fake.allocate(1).expect("there is memory")).collect();
        // So that no two are neighbours in ascending order.
        pages.reverse();
        Self { pages, offset, length }
    }

    fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        (self.offset..self.offset + self.length).map(|at| (at / PAGE_SIZE, at % PAGE_SIZE))
    }

    /// In pieces of pages, as bytes of the buffer.
    fn pieces(&self) -> Vec<(usize, usize, std::ops::Range<usize>)> {
        let mut pieces: Vec<(usize, usize, std::ops::Range<usize>)> = vec![];
        for (at, (page, offset)) in self.each().enumerate() {
            match pieces.last_mut() {
                Some((last, _, range)) if *last == page => range.end = at + 1,
                _ => pieces.push((page, offset, at..at + 1)),
            }
        }
        pieces
    }

    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        for (page, offset, range) in self.pieces() {
            self.pages[page].write(offset, &bytes[range]);
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        for (page, offset, range) in self.pieces() {
            self.pages[page].read(offset, &mut bytes[range]);
        }
        bytes
    }
}

impl Buffer for Part {
    fn length(&self) -> usize {
        self.length
    }
    fn address_of(&self, at: usize) -> Option<u64> {
        let at = self.offset + at;
        Some(self.pages.get(at / PAGE_SIZE)?.address() + (at % PAGE_SIZE) as u64)
    }
}

/// A drive, its controller and one queue pair.
pub(crate) struct Bench {
    pub(crate) fake: Fake,
    pub(crate) controller: Controller<Fake>,
    pub(crate) queues: Vec<QueuePair<Fake, Part>>,
}

impl Bench {
    pub(crate) fn new(setup: Setup, depth: u32) -> Self {
        let fake = Fake::new(setup);
        let options = Options { depth, ..Options::default() };
        let mut controller = fake.start(options, 2);
        let mut pair = || controller.queue_pair(Some(0)).expect("there are two");
        let queues = vec![pair(), pair()];
        Self { fake, controller, queues }
    }

    pub(crate) fn namespace(&self, index: usize) -> Namespace {
        self.controller.namespaces()[index]
    }

    pub(crate) fn read(&self, first: u64, blocks: u32) -> (Request, Option<Part>) {
        let namespace = self.namespace(0);
        let part = Part::new(&self.fake, 0, (blocks * namespace.block_size) as usize);
        (Request::Read { namespace, first, blocks }, Some(part))
    }

    /// Waits for the next command of queue 0.
    pub(crate) fn next(&mut self) -> (Result<u32, Error>, Option<Part>) {
        for _ in 0..1000 {
            self.queues[0].harvest();
            if let Some(completion) = self.queues[0].take() {
                return (completion.result, completion.buffer);
            }
            self.fake.pause(self.fake.now() + 1_000_000);
        }
        panic!("nothing comes");
    }

    /// Submits to queue 0, and waits.
    pub(crate) fn run(&mut self, (request, part): (Request, Option<Part>)) -> Result<u32, Error> {
        self.queues[0].submit(request, part).expect("there is room");
        self.next().0
    }

    pub(crate) fn end(mut self) {
        self.controller.shutdown(&mut self.queues).expect("it stops");
        let Self { fake, controller, queues } = self;
        drop((controller, queues));
        fake.assert_clean();
        fake.with(|device| assert_eq!(device.ram.live(), 0));
    }
}

/// Bytes that say where they belong.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(seed | 1).wrapping_add(seed) >> 3) as u8).collect()
}

#[test]
fn what_was_written_is_read_in_every_size() {
    let mut bench = Bench::new(Setup { mdts: 11, ..Setup::default() }, 8);
    for (index, blocks) in [(0, 1), (0, 8), (0, 9), (0, 17), (0, 4096), (1, 1), (1, 2), (1, 3)] {
        for offset in [0, 4, 2048, 4092] {
            let namespace = bench.namespace(index);
            let length = (blocks * namespace.block_size) as usize;
            let data = pattern(u64::from(blocks) + offset as u64, length);
            let mut part = Part::new(&bench.fake, offset, length);
            part.fill(&data);
            let write = Request::Write { namespace, first: 0, blocks, through: offset == 4 };
            assert_eq!(bench.run((write, Some(part))), Ok(0));
            let read = Request::Read { namespace, first: 0, blocks };
            let part = Part::new(&bench.fake, offset, length);
            bench.queues[0].submit(read, Some(part)).expect("there is room");
            let (result, part) = bench.next();
            assert_eq!(result, Ok(0));
            assert!(part.expect("a read has one").bytes() == data, "{blocks} at {offset}");
        }
    }
    let flush = Request::Flush { namespace: bench.namespace(0) };
    assert_eq!(bench.run((flush, None)), Ok(0));
    assert_eq!(bench.fake.with(|device| device.opcodes[&0]), 1);
    bench.end();
}

#[test]
fn a_list_of_three_pages() {
    let namespaces = vec![(1, 12, 2048)];
    let mut bench = Bench::new(Setup { mdts: 0, namespaces, ..Setup::default() }, 2);
    for blocks in [513, 514, 1024, 1025, 1536] {
        let namespace = bench.namespace(0);
        let length = (blocks * 4096) as usize;
        let data = pattern(blocks.into(), length);
        let mut part = Part::new(&bench.fake, 0, length);
        part.fill(&data);
        let write = Request::Write { namespace, first: 7, blocks, through: false };
        assert_eq!(bench.run((write, Some(part))), Ok(0));
        let disk = bench.fake.with(|device| device.disks[&1].data[7 * 4096..][..length].to_vec());
        assert!(disk == data, "{blocks}");
    }
    bench.end();
}

#[test]
fn phase_tags_right_across_wraps() {
    for (depth, batch) in [(1, 1), (1, 0), (2, 0), (3, 2), (7, 3), (64, 16)] {
        let mut bench = Bench::new(Setup { batch, ..Setup::default() }, depth);
        let mut ended = 0;
        for first in 0..500 {
            while bench.queues[0].used() == depth as usize {
                assert_eq!(bench.next().0, Ok(0));
                ended += 1;
            }
            let (request, part) = bench.read(first, 1);
            bench.queues[0].submit(request, part).expect("there is room");
        }
        while bench.queues[0].used() > 0 {
            assert_eq!(bench.next().0, Ok(0));
            ended += 1;
        }
        assert_eq!(ended, 500);
        assert_eq!(bench.queues[0].harvest(), 0);
        let counts = bench.queues[0].counts();
        assert_eq!((counts.completed, counts.stale, counts.duplicate), (500, 0, 0));
        bench.end();
    }
}

#[test]
fn the_entry_is_visible_before_the_doorbell() {
    for weak in [false, true] {
        let fake = Fake::new(Setup::default());
        fake.with(|device| device.ram.weak = weak);
        let mut controller = fake.start(Options::default(), 1);
        let mut queues = vec![controller.queue_pair(None).expect("there is one")];
        let namespace = controller.namespaces()[0];
        for first in 0..100 {
            let mut part = Part::new(&fake, 4, 512);
            part.fill(&pattern(first, 512));
            let write = Request::Write { namespace, first, blocks: 1, through: false };
            queues[0].submit(write, Some(part)).expect("there is room");
            queues[0].harvest();
            assert_eq!(queues[0].take().expect("it is done at once").result, Ok(0));
            let at = first as usize * 512;
            let disk = fake.with(|device| device.disks[&1].data[at..at + 512].to_vec());
            assert!(disk == pattern(first, 512), "weak: {weak}");
        }
        controller.shutdown(&mut queues).expect("it stops");
        fake.assert_clean();
    }
}

#[test]
fn nothing_of_a_completion_is_older_than_its_phase() {
    let fake = Fake::new(Setup::default());
    fake.with(|device| device.ram.weak = true);
    let mut controller = fake.start(Options::default(), 1);
    let mut queues = vec![controller.queue_pair(None).expect("there is one")];
    let namespace = controller.namespaces()[0];
    for first in 0..100 {
        let data = pattern(first, 512);
        let at = first as usize * 512;
        fake.with(|device| {
            device.disks.get_mut(&1).expect("it is there").data[at..at + 512].copy_from_slice(&data)
        });
        let read = Request::Read { namespace, first, blocks: 1 };
        queues[0].submit(read, Some(Part::new(&fake, 0, 512))).expect("there is room");
        queues[0].harvest();
        let completion = queues[0].take().expect("it is done at once");
        assert!(completion.buffer.expect("a read has one").bytes() == data);
    }
    assert_eq!(queues[0].counts().wrong_queue, 0);
    controller.shutdown(&mut queues).expect("it stops");
    fake.assert_clean();
}

#[test]
fn a_full_queue_gives_the_buffer_back() {
    let mut bench = Bench::new(Setup { batch: 1, ..Setup::default() }, 3);
    for first in 0..3 {
        let (request, part) = bench.read(first, 1);
        bench.queues[0].submit(request, part).expect("there is room");
    }
    let (request, part) = bench.read(9, 1);
    let refused = bench.queues[0].submit(request, part).expect_err("it is full");
    assert_eq!(refused.error, Error::Full);
    assert_eq!(bench.next().0, Ok(0));
    bench.queues[0].submit(request, refused.buffer).expect("there is room again");
    bench.end();
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut bench = Bench::new(Setup::default(), 3);
    let namespace = bench.namespace(0);
    let cases = [
        (4096, 1, 512, 0, Misuse::OutOfRange),
        (u64::MAX, 1, 512, 0, Misuse::OutOfRange),
        (4095, 2, 1024, 0, Misuse::OutOfRange),
        (0, 0, 0, 0, Misuse::Length),
        (0, 257, 257 * 512, 0, Misuse::Length),
        (0, 2, 512, 0, Misuse::Buffer),
        (0, 1, 512, 2, Misuse::Alignment),
    ];
    for (first, blocks, length, offset, misuse) in cases {
        let part = Part::new(&bench.fake, offset, length);
        let request = Request::Read { namespace, first, blocks };
        let refused = bench.queues[0].submit(request, Some(part)).expect_err("it cannot be");
        assert_eq!(refused.error, Error::Misuse(misuse));
        assert!(refused.buffer.is_some());
    }
    let flush = Request::Flush { namespace };
    let part = Part::new(&bench.fake, 0, 512);
    assert!(bench.queues[0].submit(flush, Some(part)).is_err());
    let read = Request::Read { namespace, first: 0, blocks: 1 };
    assert!(bench.queues[0].submit(read, None).is_err());
    assert_eq!(bench.queues[0].counts().submitted, 0);
    bench.end();
}

#[test]
fn each_queue_pair_for_itself_at_any_stride() {
    for dstrd in [0, 1, 3] {
        let mut bench = Bench::new(Setup { dstrd, batch: 4, ..Setup::default() }, 8);
        for round in 0..40 {
            for queue in 0..2 {
                let (request, part) = bench.read(round, 1);
                bench.queues[queue].submit(request, part).expect("there is room");
            }
            for _ in 0..1000 {
                bench.fake.pause(bench.fake.now() + 1);
                for queue in &mut bench.queues {
                    queue.harvest();
                    while let Some(completion) = queue.take() {
                        assert_eq!(completion.result, Ok(0));
                    }
                }
                if bench.queues.iter().all(|queue| queue.used() == 0) {
                    break;
                }
            }
            assert!(bench.queues.iter().all(|queue| queue.used() == 0));
        }
        bench.end();
    }
}
