// SPDX-License-Identifier: Apache-2.0
//! Devices, handlers and threads in any order: no line is lost, no source is
//! on two harts, and the counts add up.
//!
//! A device has work or not. Its thread is posted, does the work (which takes
//! a level down), unmasks, and waits. When nobody has anything left to do,
//! no device may have work: work that is left belongs to a line that is lost.
//! Then every device gets work once more, which must be done too.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use skimmer_plic::{Attached, InterruptController, Plic, Priority, Target};

use crate::fake::{Fake, Kind, Rules, opened, source};

const CONTEXTS: usize = 3;

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Devices get work.
    Work(usize),
    /// A hart takes its interrupt, if there is one, or one that is late. While
    /// it posts, devices get work.
    Handle { hart: usize, most: u32, late: bool, meanwhile: Vec<usize> },
    /// A thread runs, if it was posted. In between, its device gets more work.
    Run { source: usize, more: bool },
    /// A source moves, with its thread.
    Move { source: usize, to: usize, priority: u32 },
}

/// A source, its device and its thread.
struct Line {
    attached: Option<Attached>,
    hart: usize,
    has_work: bool,
    is_posted: bool,
}

struct World<'a> {
    fake: &'a Fake,
    plic: Plic<&'a Fake>,
    harts: Vec<Target<&'a Fake>>,
    lines: Vec<Line>,
    posts: usize,
    attached: usize,
}

impl<'a> World<'a> {
    fn new(fake: &'a Fake) -> Self {
        let (mut plic, mut harts) = opened(fake);
        let lines = (0..fake.sources()).map(|number| {
            let hart = number % CONTEXTS;
            let line = plic.line(source(number + 1)).unwrap();
            let attached = harts[hart].attach(line, Priority::LEAST).unwrap();
            harts[hart].unmask(&attached);
            Line { attached: Some(attached), hart, has_work: false, is_posted: false }
        });
        let lines: Vec<Line> = lines.collect();
        let attached = lines.len();
        Self { fake, plic, harts, lines, posts: 0, attached }
    }

    fn work(&mut self, number: usize) {
        self.lines[number].has_work = true;
        self.fake.raise(number + 1);
    }

    fn handle(&mut self, hart: usize, most: u32, meanwhile: &[usize]) {
        let mut meanwhile = meanwhile.iter();
        let (fake, lines, posts) = (self.fake, &mut self.lines, &mut self.posts);
        self.harts[hart].serve(most, &mut |source| {
            let line = &mut lines[source.number() as usize - 1];
            assert_eq!(line.hart, hart, "one-irq-one-hart");
            line.is_posted = true;
            *posts += 1;
            if let Some(&number) = meanwhile.next() {
                lines[number].has_work = true;
                fake.raise(number + 1);
            }
        });
    }

    fn run(&mut self, number: usize, more: bool) {
        if !self.lines[number].is_posted {
            return;
        }
        self.lines[number].is_posted = false;
        self.lines[number].has_work = false;
        self.fake.lower(number + 1);
        if more {
            self.work(number);
        }
        let line = &self.lines[number];
        assert!(self.harts[line.hart].unmask(line.attached.as_ref().unwrap()), "posted, unmasked");
    }

    fn move_to(&mut self, number: usize, to: usize, priority: u32) {
        let line = &mut self.lines[number];
        let was = self.harts[line.hart].detach(line.attached.take().unwrap()).unwrap();
        // Some of them go by way of the stock.
        let was = if priority == 1 {
            self.plic.put_back(was);
            assert!(self.fake.enabled_on(number + 1).is_empty());
            self.plic.line(source(number + 1)).unwrap()
        } else {
            was
        };
        let attached = self.harts[to].attach(was, Priority::new(priority).unwrap()).unwrap();
        if !line.is_posted {
            self.harts[to].unmask(&attached);
        }
        line.hart = to;
        self.attached += 1;
        line.attached = Some(attached);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Work(number) => self.work(number),
            Step::Handle { hart, most, late, meanwhile } => {
                if late || self.fake.notifies(hart) {
                    self.handle(hart, most, &meanwhile);
                }
            }
            Step::Run { source, more } => self.run(source, more),
            Step::Move { source, to, priority } => self.move_to(source, to, priority),
        }
        for number in 0..self.lines.len() {
            let on = self.fake.enabled_on(number + 1);
            assert_eq!(on, [self.lines[number].hart], "one-irq-one-hart");
        }
    }

    /// Until nobody has anything left to do.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let told: Vec<usize> = (0..CONTEXTS).filter(|&hart| self.fake.notifies(hart)).collect();
            let posted = self.lines.iter().any(|line| line.is_posted);
            if told.is_empty() && !posted {
                return;
            }
            told.into_iter().for_each(|hart| self.handle(hart, 4, &[]));
            (0..self.lines.len()).for_each(|number| self.run(number, false));
        }
        panic!("there is always something to do: a storm");
    }

    fn nobody_has_work(&self) {
        for (number, line) in self.lines.iter().enumerate() {
            assert!(!line.has_work, "line {} is lost: its device has work", number + 1);
        }
    }

    fn judge(&self) {
        let watch = self.fake.watch();
        let mut claims = 0;
        for (context, hart) in self.harts.iter().enumerate() {
            let counts = hart.counts();
            let given = watch.claims.iter().filter(|claim| claim.0 as usize == context).count();
            assert_eq!(counts.claims, given as u64, "claims of context {context}");
            assert_eq!(counts.completions, counts.claims);
            assert_eq!((counts.strays, counts.while_masked), (0, 0));
            assert!(!hart.is_sick());
            claims += given;
        }
        assert_eq!(self.posts, claims);
        // A completion for each claim, and one for each time a source was
        // attached.
        assert_eq!(watch.completions, claims + self.attached);
        assert_eq!((watch.ignored, watch.most_enabled), (0, 1));
    }
}

fn steps(sources: usize) -> impl Strategy<Value = Vec<Step>> {
    let meanwhile = vec(0..sources, 0..3);
    let step = prop_oneof![
        4 => (0..sources).prop_map(Step::Work),
        6 => (0..CONTEXTS, 0u32..4, prop::bool::weighted(0.1), meanwhile).prop_map(
            |(hart, most, late, meanwhile)| Step::Handle { hart, most, late, meanwhile }),
        4 => (0..sources, any::<bool>()).prop_map(|(source, more)| Step::Run { source, more }),
        1 => (0..sources, 0..CONTEXTS, 1u32..=7).prop_map(
            |(source, to, priority)| Step::Move { source, to, priority }),
    ];
    vec(step, 0..120)
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    vec(select(vec![Kind::Level, Kind::Edge, Kind::CountedEdge]), 1..=6)
}

fn play(fake: &Fake, steps: Vec<Step>) {
    let mut world = World::new(fake);
    for step in steps {
        world.step(step);
    }
    world.settle();
    world.nobody_has_work();
    (0..fake.sources()).for_each(|number| world.work(number));
    world.settle();
    world.nobody_has_work();
    world.judge();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_line_is_lost((kinds, steps) in kinds().prop_flat_map(|kinds| {
        let sources = kinds.len();
        (Just(kinds), steps(sources))
    })) {
        play(&Fake::new(Rules::Specification, &kinds, CONTEXTS), steps);
    }

    /// Sources on both sides of a word's end.
    #[test]
    fn no_line_of_many_is_lost(steps in steps(70)) {
        play(&Fake::levels(70, CONTEXTS), steps);
    }

    /// The thread does its duty: the line is down, or it rose since.
    #[test]
    fn no_line_is_lost_on_what_qemu_has(steps in steps(5)) {
        play(&Fake::new(Rules::Qemu, &[Kind::Level; 5], CONTEXTS), steps);
    }
}
