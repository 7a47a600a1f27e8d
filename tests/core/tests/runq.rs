// SPDX-License-Identifier: Apache-2.0
//! The run queue against a sorted map of queues.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use skimmer_core::{
    ids::Priority,
    list::{Link, Links, List},
    runq::RunQueue,
};
use skimmer_core_tests::world::World;

const SLOTS: usize = 12;

struct Slots([Link; SLOTS]);

impl Links for Slots {
    fn link(&mut self, slot: u32) -> &mut Link {
        &mut self.0[slot as usize]
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    PushBack(u32, u8),
    PushFront(u32, u8),
    Remove(u32),
    Pop,
    /// The slot stands in a queue that is not the run queue's, as the waiters
    /// for ring space do.
    Elsewhere(u32),
    Back(u32),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let slot = 0..SLOTS as u32;
    // Few levels, so that equals meet; the ends of the bitmap's words too.
    let level = prop::sample::select(vec![0, 1, 63, 64, 127, 128, 191, 192, 255]);
    let op = prop_oneof![
        4 => (slot.clone(), level.clone()).prop_map(|(slot, level)| Op::PushBack(slot, level)),
        2 => (slot.clone(), level).prop_map(|(slot, level)| Op::PushFront(slot, level)),
        2 => slot.clone().prop_map(Op::Remove),
        3 => Just(Op::Pop),
        1 => slot.clone().prop_map(Op::Elsewhere),
        1 => slot.prop_map(Op::Back),
    ];
    prop::collection::vec(op, 0..200)
}

#[derive(Default)]
struct Model {
    levels: BTreeMap<u8, VecDeque<u32>>,
    elsewhere: Vec<u32>,
}

impl Model {
    fn stands(&self, slot: u32) -> bool {
        self.elsewhere.contains(&slot) || self.levels.values().any(|queue| queue.contains(&slot))
    }

    fn remove(&mut self, slot: u32) {
        self.levels.values_mut().for_each(|queue| queue.retain(|&other| other != slot));
        self.levels.retain(|_, queue| !queue.is_empty());
    }

    fn pop(&mut self) -> Option<u32> {
        let slot = self.levels.last_entry()?.get_mut().pop_front();
        self.levels.retain(|_, queue| !queue.is_empty());
        slot
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]
    #[test]
    fn does_what_a_sorted_map_does(ops in ops()) {
        World::bare(1).cpu(0).enter(|_, irq| {
            let (mut queue, mut slots) = (RunQueue::new().expect("memory"), Slots([Link::new(); SLOTS]));
            let (mut other, mut model) = (List::new(256), Model::default());
            for op in ops {
                match op {
                    Op::PushBack(slot, level) => {
                        queue.push_back(irq, &mut slots, slot, Priority::new(level));
                        if !model.stands(slot) {
                            model.levels.entry(level).or_default().push_back(slot);
                        }
                    }
                    Op::PushFront(slot, level) => {
                        queue.push_front(irq, &mut slots, slot, Priority::new(level));
                        if !model.stands(slot) {
                            model.levels.entry(level).or_default().push_front(slot);
                        }
                    }
                    Op::Remove(slot) => {
                        queue.remove(irq, &mut slots, slot);
                        model.remove(slot);
                    }
                    Op::Pop => prop_assert_eq!(queue.pop(irq, &mut slots), model.pop()),
                    Op::Elsewhere(slot) => {
                        other.push_back(&mut slots, slot);
                        if !model.stands(slot) {
                            model.elsewhere.push(slot);
                        }
                    }
                    Op::Back(slot) => {
                        other.remove(&mut slots, slot);
                        model.elsewhere.retain(|&s| s != slot);
                    }
                }
                let highest = model.levels.keys().next_back().copied();
                prop_assert_eq!(queue.highest(irq).map(Priority::level), highest);
            }
            while let Some(slot) = model.pop() {
                prop_assert_eq!(queue.pop(irq, &mut slots), Some(slot));
            }
            prop_assert_eq!(queue.pop(irq, &mut slots), None);
            Ok(())
        })?;
    }
}

/// What the property test found first, when a push that changed nothing still
/// marked its level.
#[test]
fn a_push_that_does_nothing_marks_nothing() {
    World::bare(1).cpu(0).enter(|_, irq| {
        let (mut queue, mut slots) =
            (RunQueue::new().expect("memory"), Slots([Link::new(); SLOTS]));
        queue.push_back(irq, &mut slots, 3, Priority::new(5));
        queue.push_back(irq, &mut slots, 3, Priority::new(9));
        queue.push_front(irq, &mut slots, 3, Priority::new(200));
        assert_eq!(queue.highest(irq), Some(Priority::new(5)));
        assert_eq!(queue.pop(irq, &mut slots), Some(3));
        assert_eq!(queue.pop(irq, &mut slots), None);
    });
}
