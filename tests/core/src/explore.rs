// SPDX-License-Identifier: Apache-2.0
//! Every order of a scene on whole harts: each turn is one masked section of a hart's
//! current thread, or one doorbell that lands and is answered. Time stands still. A section
//! that touches nothing but its own hart (a switch from idle, a thread that looks what
//! became of its wait, exits, is buried) is one turn with the next that does.
//!
//! Orders that differ only in turns which have nothing to do with each other come to the
//! same, and one of them is played: of each hart, each ring, and all that is behind locks
//! there is a digest of the turns that it took part in, each with the digests of whatever
//! else took part. Turns that are independent leave the same digests in either order;
//! where all digests are as they were once, everything is.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hasher as _},
};

use skimmer_core::{ids::ThreadId, remote::hart_at, thread::State};

use crate::{ipc::Ipc, seed::Seed, world::World};

/// What comes next.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Turn {
    /// A section of that hart.
    Section(usize),
    /// That hart's doorbell.
    Doorbell(usize),
}

/// What a scene is, once it is set.
pub trait Scene {
    /// Whoever must have come to an end when nothing is left to do.
    fn must_end(&self) -> Vec<ThreadId>;
    /// Whether all is as it must be, then; and what is left is cleared away.
    fn check(self, world: &World);
}

/// What was played.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// Orders, to their ends.
    pub whole: u64,
    /// Orders that came to what had been before.
    pub known: u64,
    /// What there was, in all of them.
    pub states: usize,
}

/// Runs that one world is used for.
const RUNS: u64 = 200;

/// Digests of what turns take part in: harts, rings, and what is behind locks.
struct Digests {
    harts: usize,
    all: Vec<u64>,
}

fn digest(what: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Digests {
    fn new(harts: usize) -> Self {
        Self { harts, all: vec![0; harts + harts * harts + 1] }
    }

    const fn ring(&self, from: usize, to: usize) -> usize {
        self.harts + from * self.harts + to
    }

    fn turn(&mut self, turn: Turn, parts: &[usize]) {
        let before: Vec<u64> = parts.iter().map(|&part| self.all[part]).collect();
        let after = digest((turn, before));
        parts.iter().for_each(|&part| self.all[part] = after);
    }
}

fn mail(world: &World) -> Vec<u32> {
    let harts = 0..world.harts();
    let pairs = harts.clone().flat_map(|from| harts.clone().map(move |to| (from, to)));
    pairs.map(|(from, to)| world.cpu(to).enter(|hart, _| hart.mail_from(hart_at(from)))).collect()
}

fn turns(world: &World) -> Vec<Turn> {
    let harts = 0..world.harts();
    let sections = harts.clone().filter(|&hart| world.cpu(hart).has_work()).map(Turn::Section);
    sections.chain(harts.filter(|&hart| world.is_rung(hart)).map(Turn::Doorbell)).collect()
}

fn play(world: &World, ipc: &Ipc, digests: &mut Digests, turn: Turn) {
    let (uses, before) = (ipc.uses(), mail(world));
    let hart = match turn {
        Turn::Section(hart) => {
            while world.cpu(hart).has_work() && ipc.uses() == uses && mail(world) == before {
                world.step(hart);
            }
            hart
        }
        Turn::Doorbell(hart) => {
            world.land(hart);
            world.interrupt(hart);
            hart
        }
    };
    let mut parts = vec![hart];
    let harts = world.harts();
    let changed = before.iter().zip(mail(world)).enumerate().filter(|(_, (was, is))| *was != is);
    parts.extend(changed.map(|(pair, _)| digests.ring(pair / harts, pair % harts)));
    if ipc.uses() != uses {
        parts.push(digests.all.len() - 1);
    }
    digests.turn(turn, &parts);
}

/// Plays a scene in every order, on that many harts.
///
/// # Panics
/// If somebody is left asleep, or it is not as it must be.
pub fn every_order<S: Scene>(harts: usize, set: impl Fn(&World, &'static Ipc) -> S) -> Played {
    let (mut known, mut path, mut played) = (HashSet::new(), Vec::new(), Played::default());
    loop {
        let world = World::new(harts);
        let ipc = world.ipc();
        for _ in 0..RUNS {
            let scene = set(&world, ipc);
            let is_new = run(&world, ipc, &mut path, &mut known);
            let mut seed = Seed::new(played.whole + played.known);
            *if is_new { &mut played.whole } else { &mut played.known } += 1;
            world.settle(&mut seed);
            for id in scene.must_end() {
                assert_eq!(world.state(id), None::<State>, "{id} sleeps for ever");
            }
            scene.check(&world);
            world.finish(&mut seed);
            if !next(&mut path) {
                return Played { states: known.len(), ..played };
            }
        }
    }
}

/// One order: as the path says, and then on to what is known, or to the end.
fn run(
    world: &World,
    ipc: &Ipc,
    path: &mut Vec<(Vec<Turn>, usize)>,
    known: &mut HashSet<u64>,
) -> bool {
    let mut digests = Digests::new(world.harts());
    for (choices, choice) in &*path {
        assert_eq!(turns(world), *choices, "the same turns, the same scene");
        play(world, ipc, &mut digests, choices[*choice]);
    }
    loop {
        let choices = turns(world);
        let Some(&first) = choices.first() else { return true };
        if !known.insert(digest(&digests.all)) {
            return false;
        }
        path.push((choices, 0));
        play(world, ipc, &mut digests, first);
    }
}

/// The next order. Whether there is one.
fn next(path: &mut Vec<(Vec<Turn>, usize)>) -> bool {
    while let Some((choices, choice)) = path.pop() {
        if choice + 1 < choices.len() {
            path.push((choices, choice + 1));
            return true;
        }
    }
    false
}
