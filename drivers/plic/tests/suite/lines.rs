// SPDX-License-Identifier: Apache-2.0
//! One line at a time: the order of a handler, masks, moves, and what is an
//! error or a bug of the caller.

use crate::fake::{Fake, Kind, Rules, opened, served, source};
use skimmer_plic::{Attached, Counts, End, InterruptController, Plic, Priority, Served, Target};

fn attach(plic: &mut Plic<&Fake>, hart: &mut Target<&Fake>, number: usize, level: u32) -> Attached {
    let line = plic.line(source(number)).unwrap();
    hart.attach(line, Priority::new(level).unwrap()).unwrap()
}

#[test]
fn a_source_begins_masked_and_waits() {
    let fake = Fake::levels(3, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 3, 2);
    fake.raise(3);
    assert!(!fake.notifies(0));
    assert_eq!(served(&mut harts[0]), []);
    assert!(harts[0].unmask(&attached) && !harts[0].unmask(&attached));
    assert!(fake.notifies(0));
    assert_eq!(served(&mut harts[0]), [3]);
}

#[test]
fn it_is_masked_before_it_is_posted_and_completed_after() {
    let fake = Fake::levels(1, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 2);
    harts[0].unmask(&attached);
    fake.raise(1);
    let before = fake.watch().completions;
    harts[0].serve(1, &mut |_| {
        assert_eq!(fake.priority(1), 0, "posted, and not masked");
        assert_eq!(fake.watch().completions, before, "completed, and not posted");
    });
    assert_eq!(fake.watch().completions, before + 1);
    assert_eq!(fake.enabled_on(1), [0], "never masked by the enable bit");
    assert!(plic.is_pending(source(1)), "the line is up: the next request waits");
    assert!(!fake.notifies(0));
}

#[test]
fn who_unmasks_before_the_completion_loses_nothing() {
    let fake = Fake::levels(1, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 2);
    harts[0].unmask(&attached);
    fake.raise(1);
    let claim = harts[0].claim().unwrap();
    assert!(harts[0].unmask(&attached));
    harts[0].complete(claim);
    assert_eq!(served(&mut harts[0]), [1]);
}

#[test]
fn an_edge_while_the_thread_works_is_not_lost() {
    let fake = Fake::new(Rules::Specification, &[Kind::Edge], 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 1);
    harts[0].unmask(&attached);
    fake.raise(1);
    assert_eq!(served(&mut harts[0]), [1]);
    fake.raise(1);
    assert_eq!(served(&mut harts[0]), []);
    harts[0].unmask(&attached);
    assert_eq!(served(&mut harts[0]), [1]);
}

#[test]
fn masked_by_hand_it_waits() {
    let fake = Fake::levels(1, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 1);
    assert!(!harts[0].mask(&attached), "it begins masked");
    harts[0].unmask(&attached);
    assert!(harts[0].mask(&attached) && !harts[0].mask(&attached));
    fake.raise(1);
    assert!(!fake.notifies(0));
    harts[0].unmask(&attached);
    assert_eq!(served(&mut harts[0]), [1]);
}

#[test]
fn the_urgent_first_and_no_more_than_asked_for() {
    let fake = Fake::levels(5, 1);
    let (mut plic, mut harts) = opened(&fake);
    for (number, level) in [(1, 1), (2, 7), (3, 7), (4, 1), (5, 2)] {
        let attached = attach(&mut plic, &mut harts[0], number, level);
        harts[0].unmask(&attached);
        fake.raise(number);
    }
    let mut posted = Vec::new();
    let mut serve = |most| harts[0].serve(most, &mut |source| posted.push(source.number()));
    assert_eq!(serve(2), Served { posted: 2, end: End::More });
    assert_eq!(serve(3), Served { posted: 3, end: End::More });
    assert_eq!(serve(3), Served { posted: 0, end: End::Done });
    assert_eq!(serve(0), Served { posted: 0, end: End::More });
    assert_eq!(posted, [2, 3, 5, 1, 4]);
}

#[test]
fn a_move_takes_the_waiting_request_along() {
    let fake = Fake::levels(2, 2);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 2, 3);
    harts[0].unmask(&attached);
    fake.raise(2);
    let line = harts[0].detach(attached).unwrap();
    assert_eq!((fake.enabled_on(2), fake.priority(2)), (vec![], 0));
    fake.lower(2);
    let attached = harts[1].attach(line, Priority::LEAST).unwrap();
    assert_eq!(fake.enabled_on(2), [1]);
    assert!(!fake.notifies(0) && !fake.notifies(1));
    harts[1].unmask(&attached);
    assert_eq!((served(&mut harts[0]), served(&mut harts[1])), (vec![], vec![2]));
}

#[test]
fn what_is_claimed_is_not_detached() {
    let fake = Fake::levels(1, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 1);
    harts[0].unmask(&attached);
    fake.raise(1);
    let claim = harts[0].claim().unwrap();
    let attached = harts[0].detach(attached).unwrap_err();
    assert_eq!(fake.enabled_on(1), [0]);
    harts[0].complete(claim);
    let line = harts[0].detach(attached).unwrap();
    assert_eq!((line.source(), fake.watch().ignored), (source(1), 0));
}

#[test]
fn neighbours_in_the_word_keep_their_bits() {
    let fake = Fake::levels(70, 1);
    let (mut plic, mut harts) = opened(&fake);
    let mut all: Vec<Attached> =
        [31, 32, 33, 63, 64].map(|number| attach(&mut plic, &mut harts[0], number, 1)).into();
    assert!([31, 32, 33, 63, 64].iter().all(|&number| fake.enabled_on(number) == [0]));
    let _line = harts[0].detach(all.remove(2)).unwrap();
    assert!([31, 32, 63, 64].iter().all(|&number| fake.enabled_on(number) == [0]));
    assert_eq!(fake.enabled_on(33), Vec::<usize>::new());
}

#[test]
fn spurious_and_ends_are_told_apart() {
    let fake = Fake::levels(1, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 1);
    harts[0].unmask(&attached);
    assert_eq!(served(&mut harts[0]), []);
    fake.raise(1);
    assert_eq!(served(&mut harts[0]), [1]);
    assert_eq!((served(&mut harts[0]), served(&mut harts[0])), (vec![], vec![]));
    let counts = Counts { claims: 1, completions: 1, ends: 1, spurious: 3, ..Counts::default() };
    assert_eq!(harts[0].counts(), counts);
}

#[test]
#[should_panic(expected = "the claim of source 1 was dropped")]
fn a_claim_must_not_be_dropped() {
    let fake = Fake::levels(1, 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 1);
    harts[0].unmask(&attached);
    fake.raise(1);
    drop(harts[0].claim());
}

#[test]
#[should_panic(expected = "one-irq-one-hart: source 1 belongs to context 0, not to 1")]
fn a_claim_is_completed_where_it_was_made() {
    let fake = Fake::levels(1, 2);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 1);
    harts[0].unmask(&attached);
    fake.raise(1);
    let claim = harts[0].claim().unwrap();
    harts[1].complete(claim);
}

#[test]
#[should_panic(expected = "one-irq-one-hart: source 1 belongs to context 0, not to 1")]
fn another_harts_source_is_not_unmasked() {
    let fake = Fake::levels(1, 2);
    let (mut plic, mut harts) = opened(&fake);
    let attached = attach(&mut plic, &mut harts[0], 1, 1);
    harts[1].unmask(&attached);
}
