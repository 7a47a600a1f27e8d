// SPDX-License-Identifier: Apache-2.0
//! A PLIC that lies: it gives sources that do not exist, that are not enabled,
//! the same one twice, nothing when it has announced something, and always the
//! same. Nothing panics, nothing runs for ever, no claim is left over, and
//! everything is counted.

use std::cell::{Cell, RefCell};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use skimmer_plic::{
    Attached, Context, Counts, End, InterruptController, Offset, Plic, Priority, Registers,
    SICK_AFTER, Source, Target, map,
};

/// Memory for registers, and a claim register that reads from a list, over and
/// over.
#[derive(Debug)]
struct Liar {
    words: RefCell<Vec<u32>>,
    answers: Vec<u32>,
    asked: Cell<usize>,
    completed: RefCell<Vec<u32>>,
}

impl Liar {
    fn new(answers: Vec<u32>) -> Self {
        Self {
            words: RefCell::new(vec![0; 0x20_1000 / 4]),
            answers,
            asked: Cell::new(0),
            completed: RefCell::new(Vec::new()),
        }
    }

    /// Its context 0, with sources 1 to 40 of 50 attached and unmasked.
    fn opened(&self) -> (Target<&Self>, Vec<Attached>) {
        let mut plic = Plic::new(self, 50).unwrap();
        let mut hart = plic.open(Context::FIRST).unwrap();
        let sources = Source::new(40).unwrap().up_to_here();
        let attach = |source| hart.attach(plic.line(source).unwrap(), Priority::LEAST).unwrap();
        let all: Vec<Attached> = sources.map(attach).collect();
        all.iter().for_each(|attached| assert!(hart.unmask(attached)));
        self.completed.borrow_mut().clear();
        (hart, all)
    }
}

impl Registers for Liar {
    fn bytes(&self) -> u64 {
        0x20_1000
    }

    fn read(&self, at: Offset) -> u32 {
        if at != map::claim(Context::FIRST) {
            return self.words.borrow()[at.bytes() as usize / 4];
        }
        let asked = self.asked.get();
        self.asked.set(asked + 1);
        self.answers[asked % self.answers.len()]
    }

    fn write(&self, at: Offset, value: u32) {
        assert!(!(0x2008..0x20_0000).contains(&at.bytes()), "enable bits of sources beyond 63");
        if at == map::claim(Context::FIRST) {
            self.completed.borrow_mut().push(value);
        } else {
            self.words.borrow_mut()[at.bytes() as usize / 4] = value;
        }
    }
}

fn answer() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 1u32..=40,
        2 => Just(0),
        2 => 41u32..=50,
        2 => 51u32..=1023,
        1 => select(vec![1024, 1025, 0xffff, 0x1_0001, 0x8000_0000, u32::MAX]),
        1 => any::<u32>(),
    ]
}

fn answers_of(counts: Counts) -> u64 {
    counts.claims + counts.ends + counts.spurious + counts.strays
}

proptest! {
    #[test]
    fn whatever_it_says_is_survived_and_counted(
        answers in vec(answer(), 1..60),
        limits in vec((0u32..20, any::<bool>()), 1..40),
    ) {
        let liar = Liar::new(answers);
        let (mut hart, all) = liar.opened();
        let mut posted = 0;
        for (most, unmask) in limits {
            let served = hart.serve(most, &mut |source| {
                assert!(source.number() <= 40, "posted for a stranger");
                posted += 1;
            });
            prop_assert!(served.posted <= most);
            if unmask {
                all.iter().for_each(|attached| { hart.unmask(attached); });
            }
        }
        let counts = hart.counts();
        prop_assert_eq!((counts.claims, counts.completions), (posted, posted));
        prop_assert_eq!(answers_of(counts), liar.asked.get() as u64);
        prop_assert!(liar.completed.borrow().iter().all(|number| (1..=1023).contains(number)));
        // Strangers are enabled nowhere, and what is attached still is.
        let enables = [0x2000, 0x2004].map(|at| liar.words.borrow()[at / 4]);
        prop_assert_eq!(enables, [!1, 0x1ff]);
    }

    #[test]
    fn claims_in_hand_are_not_given_twice(answers in vec(answer(), 1..200)) {
        let asked = answers.len();
        let liar = Liar::new(answers);
        let (mut hart, _all) = liar.opened();
        let mut claims = Vec::new();
        for _ in 0..asked {
            claims.extend(hart.claim());
        }
        let mut sources: Vec<Source> = claims.iter().map(|claim| claim.source()).collect();
        sources.sort_unstable();
        sources.dedup();
        // Before an assertion, so that none is dropped.
        let count = claims.len();
        let early = liar.completed.borrow().clone();
        claims.into_iter().for_each(|claim| hart.complete(claim));
        prop_assert_eq!(sources.len(), count, "one source, two claims");
        let counts = hart.counts();
        prop_assert_eq!((counts.claims, counts.completions), (count as u64, count as u64));
        // What is not this hart's was completed at once.
        prop_assert!(early.iter().all(|number| *number > 40));
    }
}

#[test]
fn stuck_it_is_sick_after_a_while() {
    // Nothing, a stranger, no number at all, and one that is masked by now.
    for answer in [0, 45, 1022, u32::MAX, 7] {
        let liar = Liar::new(vec![answer]);
        let (mut hart, _all) = liar.opened();
        let mut traps = 0;
        while hart.serve(8, &mut |_| {}).end != End::Sick {
            traps += 1;
            assert!(traps <= SICK_AFTER, "{answer}: never sick");
        }
        assert!(hart.is_sick() && liar.asked.get() >= SICK_AFTER as usize, "{answer}");
        assert_eq!(answers_of(hart.counts()), liar.asked.get() as u64, "{answer}");
    }
}

#[test]
fn an_honest_answer_now_and_then_is_health() {
    let liar = Liar::new(vec![45, 0, 0, 7]);
    let (mut hart, all) = liar.opened();
    for _ in 0..10 * SICK_AFTER {
        assert_ne!(hart.serve(8, &mut |_| {}).end, End::Sick);
        all.iter().for_each(|attached| {
            hart.unmask(attached);
        });
    }
    assert_eq!(hart.counts().while_masked, 0);
}

#[test]
fn a_stranger_is_completed_before_it_is_disabled() {
    use crate::fake::{Fake, context, opened, source};
    let fake = Fake::levels(2, 2);
    let (mut plic, mut harts) = opened(&fake);
    let attached = harts[1].attach(plic.line(source(2)).unwrap(), Priority::LEAST).unwrap();
    harts[1].unmask(&attached);
    // Somebody else enables it on context 0 as well.
    fake.poke(map::enables(context(0), source(2).word()).bytes(), source(2).bit());
    fake.raise(2);
    assert_eq!(crate::fake::served(&mut harts[0]), []);
    assert_eq!((harts[0].counts().strays, fake.watch().ignored), (1, 0));
    assert_eq!(fake.enabled_on(2), [1]);
    assert_eq!(crate::fake::served(&mut harts[1]), [2], "it went to whomever it belongs to");
}
