// SPDX-License-Identifier: Apache-2.0
//! Random commands in random order against a model, with and without trouble;
//! and whatever bytes Identify may return.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use skimmer_nvme::identify::namespace_list;
use skimmer_nvme::{Clock as _, ControllerInfo, Error, Namespace, Request, Ticket};

use crate::fake::{Setup, Trouble};
use crate::queues::{Bench, Part};

/// Blocks of the model's disk.
const BLOCKS: u64 = 256;

/// What to do: to write, the first block, how many, where in its page the
/// buffer begins (in dwords).
type Step = (bool, u64, u32, usize);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec((any::<bool>(), 0..BLOCKS, 1..80u32, 0..1024usize), 1..80)
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Lost),
        Just(Trouble::Held),
        Just(Trouble::Twice),
        Just(Trouble::BadHead),
        Just(Trouble::WrongQueue),
        Just(Trouble::Fatal),
        any::<u16>().prop_map(|bits| Trouble::WrongId(bits | 0x8000)),
    ]
}

/// The model: what every block holds, and what commands in flight are about.
struct Model {
    bench: Bench,
    disk: Vec<u8>,
    flying: BTreeMap<Ticket, (Step, Vec<u8>)>,
    size: usize,
    ended: usize,
}

impl Model {
    fn new(setup: Setup, depth: u32, shift: u8) -> Self {
        let setup = Setup { namespaces: vec![(1, shift, BLOCKS)], ..setup };
        let (bench, size) = (Bench::new(setup, depth), 1 << shift);
        let disk = vec![0; BLOCKS as usize * size];
        Self { bench, disk, flying: BTreeMap::new(), size, ended: 0 }
    }

    /// The bytes of the disk that a step is about.
    fn range(&self, (_, first, blocks, _): Step) -> std::ops::Range<usize> {
        let first = first as usize * self.size;
        first..first + blocks as usize * self.size
    }

    /// Order among commands in flight is the drive's: none may overlap a write.
    fn conflicts(&self, step: Step) -> bool {
        let mine = self.range(step);
        self.flying.values().any(|(other, _)| {
            let other_range = self.range(*other);
            (step.0 || other.0) && mine.start < other_range.end && other_range.start < mine.end
        })
    }

    fn start(&mut self, step: Step, seed: u8) {
        let (write, first, blocks, dwords) = step;
        let namespace = self.bench.namespace(0);
        let range = self.range(step);
        let mut part = Part::new(&self.bench.fake, dwords * 4, range.len());
        let (request, data) = if write {
            let data: Vec<u8> = range.clone().map(|at| (at / 5) as u8 ^ seed).collect();
            part.fill(&data);
            self.disk[range].copy_from_slice(&data);
            (Request::Write { namespace, first, blocks, through: false }, data)
        } else {
            (Request::Read { namespace, first, blocks }, self.disk[range].to_vec())
        };
        let ticket = self.bench.queues[0].submit(request, Some(part)).expect("there is room");
        self.flying.insert(ticket, (step, data));
    }

    /// Lets some time go by, and checks what has ended.
    fn turn(&mut self) {
        self.bench.fake.pause(self.bench.fake.now() + 10_000_000_000);
        self.bench.queues[0].harvest();
        self.bench.controller.attend(&mut self.bench.queues).expect("it comes back");
        while let Some(completion) = self.bench.queues[0].take() {
            let (step, data) = self.flying.remove(&completion.ticket).expect("it was flying");
            assert_eq!(completion.result, Ok(0), "{step:?}");
            let part = completion.buffer.expect("it had one");
            assert!(part.bytes() == data, "wrong bytes: {step:?}");
            self.ended += 1;
        }
    }

    /// Waits until `done`.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if done(self) {
                return;
            }
            self.turn();
        }
        panic!("nothing goes on");
    }

    fn run(mut self, steps: &[Step]) {
        let most = self.bench.namespace(0).most_blocks;
        for (seed, step) in steps.iter().enumerate() {
            let (write, first, blocks, dwords) = *step;
            let blocks = blocks.min((BLOCKS - first) as u32).min(most);
            let step = (write, first, blocks, dwords);
            let depth = self.bench.queues[0].depth() as usize;
            self.until(|model| !model.conflicts(step) && model.flying.len() < depth);
            self.start(step, seed as u8);
        }
        self.until(|model| model.flying.is_empty());
        assert_eq!(self.ended, steps.len());
        let disk = self.bench.fake.with(|device| device.disks[&1].data.clone());
        assert!(disk == self.disk, "the disk differs");
        self.bench.end();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_command_ends_once_and_with_the_right_bytes(
        steps in steps(), depth in 1..=64u32, batch in 0..9usize, mdts in 1..5u8,
        wide in any::<bool>(), weak in any::<bool>(), random in 1..u64::MAX,
    ) {
        let model = Model::new(Setup { batch, mdts, ..Setup::default() }, depth, if wide { 12 } else { 9 });
        model.bench.fake.with(|device| {
            device.ram.weak = weak;
            device.random = random;
        });
        model.run(&steps);
    }

    #[test]
    fn trouble_costs_time_and_nothing_else(
        steps in steps(), depth in 1..=64u32, batch in 0..9usize, aborts in any::<bool>(),
        troubles in proptest::collection::btree_map(0..80u64, trouble(), 0..2),
    ) {
        let model = Model::new(Setup { batch, aborts, ..Setup::default() }, depth, 9);
        model.bench.fake.with(|device| device.troubles = troubles);
        model.run(&steps);
    }

    #[test]
    fn what_identify_says_can_be_calculated_with(
        mut data in vec(any::<u8>(), 0..4200), patch in vec((0..640usize, any::<u8>()), 0..8),
        plausible in any::<bool>(),
    ) {
        if plausible && data.len() > 600 {
            data[512..514].copy_from_slice(&[0x66, 0x44]);
            data[6..8].fill(0);
            data[8..16].fill(0);
            data[25..27].copy_from_slice(&[0, 0]);
            data[128..132].copy_from_slice(&[0, 0, 9, 0]);
        }
        for (at, byte) in patch {
            if let Some(place) = data.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(info) = ControllerInfo::parse(&data) {
            prop_assert!(info.most_bytes >= 4096);
            if let Ok(Some(namespace)) = Namespace::parse(7, &data, &info) {
                prop_assert!(matches!(namespace.block_size, 512 | 4096));
                prop_assert!(namespace.blocks.checked_mul(namespace.block_size.into()).is_some());
                prop_assert!((1..=65536).contains(&namespace.most_blocks));
                let bytes = u64::from(namespace.most_blocks) * u64::from(namespace.block_size);
                prop_assert!(bytes <= info.most_bytes);
            }
        }
        let mut found = vec![];
        let more = namespace_list(&data, 0, u32::MAX - 1, 100, &mut found);
        prop_assert!(found.len() <= 100 && found.is_sorted());
        prop_assert!(more.is_ok() || more == Err(Error::Garbage(skimmer_nvme::Field::NamespaceList)));
    }

    #[test]
    fn garbage_of_a_whole_drive_does_no_harm(
        patches in vec((0..3u32, 0..600usize, vec(any::<u8>(), 1..64)), 1..6),
    ) {
        let fake = crate::fake::Fake::new(Setup { patches, ..Setup::default() });
        let started =
            skimmer_nvme::Controller::start(fake.clone(), skimmer_nvme::Options::default(), 1);
        if started.is_err() {
            fake.with(|device| assert_eq!(device.ram.live(), 0));
        }
        fake.assert_clean();
    }
}
