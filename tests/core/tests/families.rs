// SPDX-License-Identifier: Apache-2.0
//! A hart is shared among families: how much one gets does not depend on how
//! many threads it has there, nor on what they do about it.

use skimmer_core::{ids::SlotId, shares::Family};
use skimmer_core_tests::{
    bench::{Act, Bench},
    fake::SLICE,
    seed::Seed,
};

/// Everybody's priority.
const LEVEL: u8 = 10;

/// A hart, and who is whose.
struct Town {
    bench: Bench,
    /// The family of each thread of the bench; the idle thread has none.
    families: Vec<Option<u32>>,
    /// Ticks that each family had.
    had: Vec<u64>,
}

const fn family(number: u32) -> Family {
    Family::of(SlotId::from_word(1 << 24 | number as u64))
}

impl Town {
    /// Families of so many threads, all of which spin.
    fn of(sizes: &[u32]) -> Self {
        let bench = Bench::new();
        let mut town = Self { bench, families: vec![None], had: vec![0; sizes.len()] };
        for (number, &size) in (0..).zip(sizes) {
            for _ in 0..size {
                town.born(number);
            }
        }
        town.bench.act(Act::Preempt);
        town
    }

    /// One more of that family.
    fn born(&mut self, number: u32) -> usize {
        let thread = self.bench.adopt_into(Some(family(number)), LEVEL);
        self.bench.schedule(thread);
        self.families.push(Some(number));
        thread
    }

    /// The family that runs.
    fn running(&self) -> Option<u32> {
        self.families[self.bench.current()]
    }

    /// One tick, of which it is written down whose it was.
    fn tick(&mut self) {
        if let Some(number) = self.running() {
            self.had[number as usize] += 1;
        }
        self.bench.pass(1);
    }

    fn run(&mut self, ticks: u64) {
        self.had.fill(0);
        (0..ticks).for_each(|_| self.tick());
    }

    /// What a family had, in percent.
    fn percent(&self, number: usize) -> u64 {
        self.had[number] * 100 / self.had.iter().sum::<u64>()
    }
}

#[test]
fn a_crowd_gets_no_more_than_one() {
    for crowd in [1, 2, 7, 50] {
        let mut town = Town::of(&[1, crowd]);
        town.run(40 * SLICE);
        town.run(100 * SLICE);
        assert!((45..=55).contains(&town.percent(0)), "{crowd}: {} %", town.percent(0));
    }
}

#[test]
fn each_family_has_its_share() {
    let mut town = Town::of(&[1, 7, 40, 20]);
    town.run(100 * SLICE);
    town.run(400 * SLICE);
    for number in 0..4 {
        assert!((21..=29).contains(&town.percent(number)), "{number}: {:?}", town.had);
    }
}

#[test]
fn in_a_family_all_have_the_same() {
    let mut town = Town::of(&[1, 5]);
    town.run(20 * SLICE);
    let mut had = [0_u64; 7];
    for _ in 0..100 * SLICE {
        had[town.bench.current()] += 1;
        town.tick();
    }
    let (least, most) = (had[2..].iter().min(), had[2..].iter().max());
    assert!(most < least.map(|least| least * 2).as_ref(), "{had:?}");
}

/// What was a crowd gets whole slices again.
#[test]
fn a_crowd_that_has_gone_does_not_count() {
    let mut town = Town::of(&[1, 30]);
    town.run(100 * SLICE);
    while town.families.iter().filter(|&&it| it == Some(1)).count() > 1 {
        if town.running() == Some(1) {
            let gone = town.bench.current();
            town.families[gone] = None;
            town.bench.act(Act::Stop);
        }
        town.tick();
    }
    town.run(40 * SLICE);
    town.run(40 * SLICE);
    assert!((45..=55).contains(&town.percent(0)), "{:?}", town.had);
}

/// Each thread has one turn, or less, and leaves a child.
#[test]
fn who_is_always_new_gets_no_more() {
    let mut town = Town::of(&[1, 20]);
    town.had.fill(0);
    for _ in 0..100 * SLICE {
        town.tick();
        if town.running() == Some(1) {
            town.born(1);
            town.bench.act(Act::Exit);
            town.bench.bury();
        }
    }
    assert!(town.percent(0) >= 40, "{:?}", town.had);
}

/// One of them runs all the time, so that their rounds are short. The others
/// sleep, wake all at once, use their turns but for the last tick, and sleep
/// again.
#[test]
fn a_crowd_that_comes_in_a_body_gets_little_more() {
    let mut town = Town::of(&[1, 1]);
    let mut asleep: Vec<usize> =
        (0..40).map(|_| town.bench.adopt_into(Some(family(1)), LEVEL)).collect();
    town.families.resize(asleep.len() + town.families.len(), Some(1));
    let (last, mut since) = (asleep[0] - 1, 0);
    town.had.fill(0);
    for _ in 0..400 * SLICE {
        let now = town.bench.world.clock.now();
        let is_at_end = town.bench.timer().is_some_and(|end| end <= now + 1);
        if is_at_end && town.bench.current() > last {
            asleep.push(town.bench.current());
            town.bench.act(Act::Stop);
        }
        since += 1;
        if asleep.len() == 40 && since > 6 * SLICE {
            since = 0;
            asleep.drain(..).for_each(|thread| town.bench.schedule(thread));
            town.bench.act(Act::Preempt);
        }
        town.tick();
    }
    assert!(town.percent(0) >= 40, "{:?}", town.had);
}

/// Whatever a family does, by any seed: the innocent one has its share.
#[test]
fn no_seed_takes_more_than_its_share() {
    for number in 0..60 {
        let (mut town, mut seed) = (Town::of(&[1, 12]), Seed::new(number));
        town.had.fill(0);
        let mut asleep = Vec::new();
        for _ in 0..200 * SLICE {
            town.tick();
            if town.running() != Some(1) {
                continue;
            }
            match seed.below(64) {
                0 => town.bench.act(Act::Yield),
                1 if asleep.len() < 11 => {
                    asleep.push(town.bench.current());
                    town.bench.act(Act::Stop);
                }
                2 => asleep.drain(..).for_each(|thread| town.bench.schedule(thread)),
                3 if asleep.len() > 4 => {
                    let woken = asleep.swap_remove(seed.below(asleep.len()));
                    town.bench.schedule(woken);
                }
                _ => {}
            }
            town.bench.act(Act::Preempt);
        }
        assert!(town.percent(0) >= 40, "seed {number}: {:?}", town.had);
    }
}

/// Two that wait for each other all the time, as parent and child do: they have
/// their share together, and do not wait for everybody else at each step.
#[test]
fn who_hands_over_in_the_family_loses_no_turn() {
    let mut town = Town::of(&[2, 12]);
    let (one, other) = (1, 2);
    let (mut steps, mut waits_for) = (0, other);
    town.had.fill(0);
    for _ in 0..200 * SLICE {
        let me = town.bench.current();
        if me == waits_for {
            // The other one has stopped.
            let next = if me == one { other } else { one };
            town.bench.schedule(next);
            town.bench.act(Act::Stop);
            waits_for = next;
            steps += 1;
        } else if town.running() == Some(0) {
            town.bench.act(Act::Stop);
        }
        town.tick();
    }
    assert!((40..=60).contains(&town.percent(0)), "{:?}", town.had);
    assert!(steps > 50 * SLICE, "{steps} steps");
}

/// As it waits for someone urgent to do something for it.
#[test]
fn who_waits_for_someone_urgent_loses_no_turn() {
    let mut town = Town::of(&[1, 12]);
    let (thread, urgent) = (1, town.bench.adopt(20));
    town.families.push(None);
    town.had.fill(0);
    for _ in 0..200 * SLICE {
        if town.bench.current() == thread {
            town.bench.schedule(urgent);
            town.bench.act(Act::Stop);
            assert_eq!(town.bench.current(), urgent);
            town.bench.schedule(thread);
            town.bench.act(Act::Stop);
        }
        town.tick();
    }
    assert!((40..=60).contains(&town.percent(0)), "{:?}", town.had);
}

/// What is left of a turn is left once.
#[test]
fn what_is_left_is_used_once() {
    let town = Town::of(&[2, 1]);
    assert_eq!(town.running(), Some(0));
    town.bench.pass(SLICE / 4);
    for _ in 0..2 {
        town.bench.act(Act::Stop);
    }
    assert_eq!(town.running(), Some(1));
    (1..=2).for_each(|thread| town.bench.schedule(thread));
    town.bench.act(Act::Preempt);
    town.bench.pass(SLICE);
    let left = SLICE - SLICE / 4;
    let until = |ticks| Some(town.bench.world.clock.now() + ticks);
    assert_eq!((town.bench.current(), town.bench.timer()), (1, until(left)));
    town.bench.pass(left);
    assert_eq!((town.bench.current(), town.bench.timer()), (2, until(SLICE)), "a turn of its own");
}

/// The number of a family that is gone is another's, which begins anew.
#[test]
fn the_next_family_of_a_number_begins_anew() {
    let mut town = Town::of(&[1, 30]);
    town.run(40 * SLICE);
    while let Some(own) = town.families.iter().position(|&it| it == Some(1)) {
        town.families[own] = None;
        while town.bench.current() != own {
            town.bench.pass(1);
        }
        town.bench.act(Act::Stop);
    }
    let next = Family::of(SlotId::from_word(2 << 24 | 1));
    let thread = town.bench.adopt_into(Some(next), LEVEL);
    town.bench.schedule(thread);
    town.bench.act(Act::Preempt);
    while town.bench.current() != thread {
        town.bench.pass(1);
    }
    let end = town.bench.world.clock.now() + SLICE;
    assert_eq!(town.bench.timer(), Some(end), "a whole slice");
}
