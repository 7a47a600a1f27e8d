// SPDX-License-Identifier: Apache-2.0
//! The long run over damaged Identify data:
//! `cargo run --release -p skimmer-nvme --example damage -- --count 10000000`.
//!
//! Begins with structures as a drive has them, changes some bytes, cuts some
//! off, and holds what the readers make of it against what they promise.
//! `--minutes` bounds a run by time instead, `--report FILE` adds to a report. A panic or a broken promise ends
//! it with a failure.

#[path = "../tests/suite/identified.rs"]
mod identified;

use std::fmt;

use skimmer_damage::{Campaign, Dice, Subject, Turns};
use skimmer_nvme::identify::{IDENTIFY_BYTES, namespace_list};

/// Offsets that mean something to one of the readers.
const TELLING: &[usize] =
    &[0, 1, 7, 8, 15, 24, 25, 26, 77, 128, 129, 130, 132, 134, 512, 513, 516, 519, 525];

/// A structure that is right for every reader at once.
fn sound() -> Vec<u8> {
    let mut data = vec![0; IDENTIFY_BYTES];
    data[..8].copy_from_slice(&0x0001_0000_0000u64.to_le_bytes());
    data[77] = 5;
    data[130] = 9;
    data[512..514].copy_from_slice(&[0x66, 0x44]);
    data[516..520].copy_from_slice(&256u32.to_le_bytes());
    data
}

fn damage(data: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(6) {
        let at = match dice.below(3) {
            0 => dice.below(IDENTIFY_BYTES),
            1 => dice.below(600),
            _ => dice.pick(TELLING),
        };
        let any = dice.below(256) as u8;
        data[at] = dice.pick(&[0, 1, 0x7f, 0x80, 0xff, any]);
    }
    if dice.below(20) == 0 {
        data.truncate(dice.below(IDENTIFY_BYTES));
    }
}

/// Whether controller and namespace were accepted.
fn examine(data: &[u8]) -> (bool, bool) {
    let mut found = vec![];
    let _ = namespace_list(data, 0, u32::MAX - 1, 100, &mut found);
    assert!(found.len() <= 100 && found.windows(2).all(|pair| pair[0] < pair[1]));
    identified::examine(data)
}

/// What came of a run.
#[derive(Default)]
struct Tally {
    structures: u64,
    controllers: u64,
    namespaces: u64,
}

impl skimmer_damage::Tally for Tally {
    fn join(&mut self, other: Self) {
        self.structures += other.structures;
        self.controllers += other.controllers;
        self.namespaces += other.namespaces;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} damaged structures without a panic or a broken promise: \
             {} still a controller, {} a namespace of it too",
            self.structures, self.controllers, self.namespaces
        )
    }
}

fn run(turns: Turns, seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let mut tally = Tally::default();
    let sound = sound();
    let mut data = Subject::default();
    for () in turns {
        data.become_copy_of(&sound);
        damage(&mut data, &mut dice);
        let (controller, namespace) = examine(&data);
        tally.structures += 1;
        tally.controllers += u64::from(controller);
        tally.namespaces += u64::from(namespace);
    }
    tally
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Campaign::of_command_line(env!("CARGO_PKG_NAME"))?.run("Identify", run).map(drop)
}
