// SPDX-License-Identifier: Apache-2.0
//! What boot does to a PLIC, and what it refuses.

use crate::fake::{Fake, context, opened, source};
use skimmer_plic::{
    AttachError, Context, ContextError, InterruptController, Offset, Plic, PlicError, Priority,
    Registers, Source, map,
};

#[test]
fn whatever_firmware_left_is_cleared() {
    let fake = Fake::levels(70, 3);
    for number in 1..=70 {
        fake.poke(4 * number, 5);
    }
    for at in [0x2000, 0x2004, 0x2008, 0x2080, 0x2104] {
        fake.poke(at, u32::MAX);
    }
    fake.poke(0x20_1000, 7);
    let mut plic = Plic::new(&fake, 70).unwrap();
    plic.shut(context(0)).unwrap();
    plic.open(context(1)).unwrap();
    plic.shut(context(2)).unwrap();
    assert!((1..=70).all(|number| fake.priority(number) == 0));
    assert!((1..=70).all(|number| fake.enabled_on(number).is_empty()));
    // All that the three bits of a threshold can say.
    assert_eq!([0, 1, 2].map(|number| fake.threshold(number)), [7, 0, 7]);
}

#[test]
fn a_hart_that_firmware_started_opens_its_context_again() {
    let fake = Fake::levels(3, 2);
    let (mut plic, mut harts) = opened(&fake);
    fake.poke(0x20_1000, 7);
    let line = plic.line(source(2)).unwrap();
    let refused = harts[1].attach(line, Priority::LEAST).unwrap_err();
    assert_eq!(refused.why, AttachError::CannotBeHeard);
    harts[1].hart_started();
    let attached = harts[1].attach(refused.line, Priority::LEAST).unwrap();
    harts[1].unmask(&attached);
    fake.raise(2);
    assert_eq!(crate::fake::served(&mut harts[1]), [2]);
}

#[test]
#[should_panic(expected = "a hart starts before its sources are attached")]
fn a_hart_starts_once() {
    let fake = Fake::levels(3, 2);
    let (mut plic, mut harts) = opened(&fake);
    let _attached = harts[1].attach(plic.line(source(2)).unwrap(), Priority::LEAST).unwrap();
    harts[1].hart_started();
}

#[test]
fn each_context_is_had_once() {
    let fake = Fake::levels(1, 4);
    let mut plic = Plic::new(&fake, 1).unwrap();
    plic.open(context(1)).unwrap();
    assert_eq!(plic.open(context(1)).unwrap_err(), ContextError::OutOfOrder);
    assert_eq!(plic.shut(context(0)), Err(ContextError::OutOfOrder));
    assert_eq!(plic.open(context(3)).unwrap().context(), context(3));
    assert_eq!(plic.shut(context(4)), Err(ContextError::TooShort));
    assert_eq!(plic.shut(context(15871)), Err(ContextError::TooShort));
}

#[test]
fn each_line_is_had_once() {
    let fake = Fake::levels(33, 1);
    let mut plic = Plic::new(&fake, 33).unwrap();
    assert_eq!(plic.last(), source(33));
    let line = plic.line(source(33)).unwrap();
    assert_eq!((plic.line(source(33)), plic.line(source(34))), (None, None));
    plic.put_back(line);
    assert!(plic.line(source(33)).is_some());
}

/// A block of so many bytes that nobody may touch.
#[derive(Clone, Debug)]
struct Untouchable(u64);

impl Registers for Untouchable {
    fn bytes(&self) -> u64 {
        self.0
    }

    fn read(&self, at: Offset) -> u32 {
        panic!("{:#x} was read", at.bytes())
    }

    fn write(&self, at: Offset, _: u32) {
        panic!("{:#x} was written", at.bytes())
    }
}

#[test]
fn what_cannot_be_a_plic_is_not_touched() {
    for sources in [0, 1024, 65537, u32::MAX] {
        let refused = Plic::new(Untouchable(1 << 26), sources);
        assert_eq!(refused.unwrap_err(), PlicError::Sources);
    }
    for bytes in [0, 4, 0x20_0000, 0x20_0007] {
        assert_eq!(Plic::new(Untouchable(bytes), 1).unwrap_err(), PlicError::TooShort);
    }
}

#[test]
fn numbers_beyond_the_specification_cannot_be_said() {
    assert_eq!([0, 1024, 65536 + 1, u32::MAX].map(Source::new), [None; 4]);
    assert_eq!([15872, 65536, u32::MAX].map(Context::new), [None; 3]);
    assert_eq!(Priority::new(0), None);
    assert_eq!(Source::new(1023), Some(Source::LAST));
    assert_eq!(Context::new(15871), Some(Context::LAST));
}

#[test]
fn no_two_registers_share_a_place_and_all_are_in_the_map() {
    let mut seen = std::collections::BTreeSet::new();
    for source in Source::LAST.up_to_here() {
        assert!(seen.insert(map::priority(source)));
    }
    for word in Source::LAST.word().up_to_here() {
        assert!(seen.insert(map::pending(word)));
    }
    for context in (0..15872).filter_map(Context::new) {
        assert!(seen.insert(map::threshold(context)) && seen.insert(map::claim(context)));
        for word in Source::LAST.word().up_to_here() {
            assert!(seen.insert(map::enables(context, word)));
        }
    }
    assert_eq!(seen.len(), 1023 + 32 + 15872 * 34);
    assert!(seen.iter().all(|at| at.bytes().is_multiple_of(4) && at.end() <= 1 << 26));
}

#[test]
fn the_biggest_plic_works_at_its_ends() {
    let fake = Fake::levels(1023, 15872);
    let mut plic = Plic::new(&fake, 1023).unwrap();
    let mut hart = plic.open(Context::LAST).unwrap();
    let line = plic.line(Source::LAST).unwrap();
    let attached = hart.attach(line, Priority::LEAST).unwrap();
    hart.unmask(&attached);
    fake.raise(1023);
    assert!(fake.notifies(15871) && plic.is_pending(Source::LAST));
    assert_eq!(crate::fake::served(&mut hart), [1023]);
}

#[test]
fn what_was_claimed_before_us_and_never_completed_comes_back() {
    let fake = Fake::levels(2, 2);
    fake.poke(4, 1);
    fake.poke(0x2000, 0b10);
    fake.raise(1);
    assert_eq!(fake.peek(0x20_0004), 1);
    let (mut plic, mut harts) = opened(&fake);
    let attached = harts[1].attach(plic.line(source(1)).unwrap(), Priority::LEAST).unwrap();
    harts[1].unmask(&attached);
    assert!(fake.notifies(1), "the line is up, and nobody is told");
    assert_eq!(crate::fake::served(&mut harts[1]), [1]);
}
