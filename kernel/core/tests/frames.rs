// SPDX-License-Identifier: Apache-2.0
//! The buddy allocator against a set of free frames, and the subtraction of
//! reservations against a look at every frame.

use std::{collections::BTreeSet, ops::Range};

use proptest::prelude::*;
use skimmer_core::{
    frames::{Bank, FrameError, FrameMeta, FrameNumber, MAX_ORDER, PhysAddr},
    memory::{Extent, NotRegisters, registers, usable},
};

/// What an allocator must do, in the plainest form.
struct Model {
    range: Range<usize>,
    reserved: BTreeSet<usize>,
    free: BTreeSet<usize>,
    live: Vec<(usize, u8)>,
}

impl Model {
    fn new(range: Range<usize>) -> Self {
        Self { reserved: range.clone().collect(), range, free: BTreeSet::new(), live: Vec::new() }
    }

    fn block(first: usize, order: u8) -> Range<usize> {
        first..first + (1 << order)
    }

    /// Whether an aligned block of that order is free.
    fn has(&self, order: u8) -> bool {
        let mut firsts = self.free.iter().filter(|f| **f % (1 << order) == 0);
        firsts.any(|first| Self::block(*first, order).all(|f| self.free.contains(&f)))
    }

    fn largest(&self) -> Option<u8> {
        (0..=MAX_ORDER).rev().find(|order| self.has(*order))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(u8),
    /// Frees that one of the live blocks.
    Free(usize),
    /// Frees the frame at that place, with that order, whatever it is.
    FreeAny(usize, u8),
    /// Releases, places counted from the bank's start.
    Release(usize, usize),
}

const LONGEST: usize = 300;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop_oneof![0..4_u8, 0..10_u8, Just(u8::MAX)].prop_map(Step::Allocate),
        6 => any::<usize>().prop_map(Step::Free),
        2 => (0..LONGEST + 8, 0..4_u8).prop_map(|(at, order)| Step::FreeAny(at, order)),
        2 => (0..LONGEST, 0..LONGEST / 2).prop_map(|(at, len)| Step::Release(at, len)),
    ]
}

fn range(frames: Range<usize>) -> Range<FrameNumber> {
    FrameNumber::new(frames.start)..FrameNumber::new(frames.end)
}

fn allocate(bank: &mut Bank<'_>, model: &mut Model, order: u8) -> Result<(), TestCaseError> {
    let can = order <= MAX_ORDER && model.has(order);
    let got = bank.allocate(order).map(FrameNumber::get);
    prop_assert_eq!(got.is_some(), can);
    if let Some(first) = got {
        prop_assert_eq!(first % (1 << order), 0, "natural alignment");
        for frame in Model::block(first, order) {
            prop_assert!(model.free.remove(&frame), "{} was not free", frame);
        }
        model.live.push((first, order));
    }
    Ok(())
}

fn free(bank: &mut Bank<'_>, model: &mut Model, place: usize) -> Result<(), TestCaseError> {
    let (first, order) = model.live.swap_remove(place);
    prop_assert_eq!(bank.free(FrameNumber::new(first), order), Ok(()));
    model.free.extend(Model::block(first, order));
    Ok(())
}

fn free_any(
    bank: &mut Bank<'_>,
    model: &mut Model,
    frame: usize,
    order: u8,
) -> Result<(), TestCaseError> {
    let place = model.live.iter().position(|(first, _)| *first == frame);
    let refusal = match place {
        _ if !model.range.contains(&frame) => FrameError::Foreign,
        None => FrameError::NotAllocated,
        Some(place) if model.live[place].1 == order => return free(bank, model, place),
        Some(_) => FrameError::WrongOrder,
    };
    let before = format!("{bank:?}");
    prop_assert_eq!(bank.free(FrameNumber::new(frame), order), Err(refusal));
    prop_assert_eq!(format!("{bank:?}"), before, "a refusal changes nothing");
    Ok(())
}

fn release(
    bank: &mut Bank<'_>,
    model: &mut Model,
    frames: Range<usize>,
) -> Result<(), TestCaseError> {
    let before = format!("{bank:?}");
    let result = bank.release(range(frames.clone()));
    let expected = if frames.is_empty() {
        Ok(())
    } else if frames.end > model.range.end {
        Err(FrameError::Foreign)
    } else if frames.clone().all(|frame| model.reserved.contains(&frame)) {
        model.reserved.retain(|frame| !frames.contains(frame));
        model.free.extend(frames);
        Ok(())
    } else {
        Err(FrameError::NotReserved)
    };
    prop_assert_eq!(result, expected);
    if expected.is_err() {
        prop_assert_eq!(format!("{bank:?}"), before, "a refusal changes nothing");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn bank_does_what_the_model_does(
        first in prop_oneof![0..2_000_usize, Just(0x80200), Just((1 << 52) - LONGEST)],
        len in 1..LONGEST,
        at_once in any::<bool>(),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut meta = vec![FrameMeta::RESERVED; Bank::meta_len(len)];
        let mut bank = Bank::new(FrameNumber::new(first), &mut meta).unwrap();
        let mut model = Model::new(first..first + len);
        if at_once {
            release(&mut bank, &mut model, first..first + len)?;
        }
        for step in steps {
            match step {
                Step::Allocate(order) => allocate(&mut bank, &mut model, order)?,
                Step::Free(_) if model.live.is_empty() => {}
                Step::Free(n) => {
                    let place = n % model.live.len();
                    free(&mut bank, &mut model, place)?;
                }
                Step::FreeAny(at, order) => {
                    let frame = (first + at).saturating_sub(4);
                    free_any(&mut bank, &mut model, frame, order)?;
                }
                Step::Release(at, len) => {
                    release(&mut bank, &mut model, first + at..first + at + len)?;
                }
            }
            prop_assert_eq!(bank.free_frames(), model.free.len());
            prop_assert_eq!(bank.largest_free_order(), model.largest());
        }
        while !model.live.is_empty() {
            free(&mut bank, &mut model, 0)?;
        }
        // Everything is back together: the largest aligned blocks come out,
        // down to the last frame.
        while let Some(order) = model.largest() {
            prop_assert_eq!(bank.largest_free_order(), Some(order));
            allocate(&mut bank, &mut model, order)?;
        }
        prop_assert_eq!(bank.free_frames(), 0);
        prop_assert_eq!(bank.allocate(0), None);
    }
}

#[test]
fn largest_order_is_not_exceeded() {
    let block = 1 << MAX_ORDER;
    let mut meta = vec![FrameMeta::RESERVED; 2 * block];
    let mut bank = Bank::new(FrameNumber::new(0), &mut meta).unwrap();
    bank.release(range(0..2 * block)).unwrap();
    assert_eq!(bank.largest_free_order(), Some(MAX_ORDER));
    assert_eq!(bank.allocate(MAX_ORDER + 1), None);
    let (a, b) = (bank.allocate(MAX_ORDER), bank.allocate(MAX_ORDER));
    assert_eq!(bank.allocate(0), None);
    for frame in [a, b] {
        bank.free(frame.unwrap(), MAX_ORDER).unwrap();
    }
    assert_eq!(bank.free_frames(), 2 * block);
    assert_eq!(bank.largest_free_order(), Some(MAX_ORDER));
}

#[test]
fn frames_past_the_last_number_are_refused() {
    let mut meta = [FrameMeta::RESERVED; 2];
    let bank = Bank::new(FrameNumber::new(usize::MAX), &mut meta);
    assert_eq!(bank.err(), Some(FrameError::TooMany));
}

#[test]
fn addresses_and_frames_convert() {
    assert_eq!(PhysAddr::new(0x8020_0fff).frame(), FrameNumber::new(0x80200));
    assert_eq!(FrameNumber::new(0x80200).base(), PhysAddr::new(0x8020_0000));
}

/// The claims of the test lie in frames 0..WINDOW and in the last WINDOW.
const WINDOW: u64 = 24;
const TOP: u64 = 1 << 52;

fn extent() -> impl Strategy<Value = Extent> {
    let bytes = WINDOW << 12;
    let offset = prop_oneof![0..bytes, (0..WINDOW).prop_map(|frame| frame << 12)];
    let start = (offset.clone(), any::<bool>())
        .prop_map(move |(at, high)| if high { at.wrapping_sub(bytes) } else { at });
    let len = prop_oneof![6 => offset, 1 => Just(0), 1 => any::<u64>(), 1 => Just(u64::MAX)];
    (start, len)
}

fn frame_is_usable(frame: u64, ram: &[Extent], reserved: &[Extent]) -> bool {
    let bytes = u128::from(frame) << 12..u128::from(frame + 1) << 12;
    let span = |&(start, len): &Extent| u128::from(start)..u128::from(start) + u128::from(len);
    let whole = 1_u128 << 64;
    let is_ram = ram
        .iter()
        .map(span)
        .any(|claim| claim.end <= whole && claim.start <= bytes.start && bytes.end <= claim.end);
    let is_reserved = reserved.iter().map(span).any(|claim| {
        // Seen from the next turn around too, for a claim that wraps.
        [0, whole].iter().any(|turn| {
            !claim.is_empty() && claim.start < bytes.end + turn && bytes.start + turn < claim.end
        })
    });
    is_ram && !is_reserved
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn usable_is_ram_less_reservations(
        ram in prop::collection::vec(extent(), 0..5),
        reserved in prop::collection::vec(extent(), 0..6),
    ) {
        let ranges: Vec<_> = usable(ram.iter().copied(), reserved.iter().copied())
            .map(|r| r.start.get() as u64..r.end.get() as u64)
            .collect();
        prop_assert!(ranges.iter().all(|r| !r.is_empty() && r.end <= TOP));
        // The bounds of all claims are in the windows or random; a look at
        // both sides of each bound that came out covers the random ones.
        let bounds = ranges.iter().flat_map(|r| [r.start, r.end]);
        let near = bounds.flat_map(|b| [b.saturating_sub(1), b]).filter(|f| *f < TOP);
        for frame in (0..2 * WINDOW).chain(TOP - WINDOW..TOP).chain(near) {
            let times = ranges.iter().filter(|r| r.contains(&frame)).count();
            let expected = usize::from(frame_is_usable(frame, &ram, &reserved));
            prop_assert_eq!(times, expected, "frame {:#x}", frame);
        }
    }
}

#[test]
fn a_usual_machine() {
    let ram = [(0x8000_0000, 0x1000_0000)];
    let reserved = [(0x8000_0000, 0x8_0000), (0x8020_0000, 0x12_3456), (0x8fff_f800, 16)];
    let ranges: Vec<_> = usable(ram, reserved).collect();
    let expected = [range(0x80080..0x80200), range(0x80324..0x8ffff)];
    assert_eq!(ranges, expected);
}

#[test]
fn registers_are_mapped_and_nowhere_in_ram() {
    let ram = [(0x8000_0000, 0x1000_0000), (0x2_0000_0800, 0x1000)];
    let judge = |start, size| registers((start, size), 4 << 32, ram);
    assert_eq!(judge(0xc00_0000, 0x60_0000), Ok(()));
    assert_eq!(judge(0x7fff_f000, 0x1000), Ok(()), "up to RAM");
    assert_eq!(judge(0x9000_0000, 4), Ok(()), "from its end");
    assert_eq!(judge(0xc00_0000, 0), Err(NotRegisters::Empty));
    for (start, size) in [(0xc00_0002, 8), ((4 << 32) - 8, 16), (u64::MAX - 7, 16)] {
        assert_eq!(judge(start, size), Err(NotRegisters::OutOfReach), "{start:#x}");
    }
    let in_ram = [
        (0x7fff_f000, 0x1004),
        (0x8000_0000, 4),
        (0x8fff_fffc, 8),
        (0x7000_0000, 0x4000_0000),
        // Of a bank that begins and ends within frames, these frames too.
        (0x2_0000_0000, 4),
        (0x2_0000_1ff8, 4),
    ];
    for (start, size) in in_ram {
        assert_eq!(judge(start, size), Err(NotRegisters::Ram), "{start:#x}");
    }
    assert_eq!(judge(0x2_0000_2000, 4), Ok(()));
    let wrapping = registers((0, 4), 4 << 32, [(u64::MAX - 0xfff, 0x2000)]);
    assert_eq!(wrapping, Err(NotRegisters::Ram), "a bank that wraps is believed here");
}
