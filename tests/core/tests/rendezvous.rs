// SPDX-License-Identifier: Apache-2.0
//! How client and server meet at a channel, against a specification in lists
//! (`rendezvous/spec.rs`): random scripts of sends, receives, answers, errors, ends of
//! waits, new priorities, connections and channels that go, memory that goes, rings
//! that are full; and long copies, whose parts come between all that. After each step
//! all that was said, every byte, every order and every priority is compared.
//! Harts that really meet: the models.

#[path = "rendezvous/cases.rs"]
mod cases;
#[path = "rendezvous/kernel.rs"]
mod kernel;
#[path = "rendezvous/memory.rs"]
mod memory;
#[path = "rendezvous/orders.rs"]
mod orders;
#[path = "rendezvous/spec.rs"]
mod spec;
#[path = "rendezvous/world.rs"]
mod world;

use proptest::{prelude::*, strategy::ValueTree};

use crate::world::{Op, World, ops};

fn run(ops: Vec<Op>) -> [usize; world::SEEN] {
    let mut world = World::new();
    for op in ops {
        world.step(op);
        world.check();
    }
    world.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]
    #[test]
    fn it_is_what_the_specification_says(ops in ops()) {
        run(ops);
    }
}

/// The scripts reach what they are to show.
#[test]
fn the_scripts_are_worth_something() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = [0; world::SEEN];
    for _ in 0..400 {
        let ops = ops().new_tree(&mut runner).unwrap().current();
        for (sum, one) in seen.iter_mut().zip(run(ops)) {
            *sum += one;
        }
    }
    eprintln!("seen: {seen:?}");
    let few: Vec<_> = (0..world::SEEN).filter(|&kind| seen[kind] < 20).collect();
    assert!(few.is_empty(), "hardly ever: {few:?} of {seen:?}");
}
