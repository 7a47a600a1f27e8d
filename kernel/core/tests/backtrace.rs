// SPDX-License-Identifier: Apache-2.0
//! Walks along chains of frames: good ones, and what a hostile program builds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use skimmer_abi::record::MAX_FAULT_FRAMES;
use skimmer_core::{backtrace::Backtrace, space::pages::USER_END, user::UserAddr};

const STACK: u64 = 0x10_0000;

/// A program's memory: words that can be read.
#[derive(Default)]
struct Memory(BTreeMap<u64, u64>);

impl Memory {
    /// A frame at `fp`, of a function that returns to `back`.
    fn frame(mut self, fp: u64, next: u64, back: u64) -> Self {
        self.0.extend([(fp - 16, next), (fp - 8, back)]);
        self
    }

    /// What a walk finds; it may read nothing but the user half, and not often.
    fn walk(&self, fp: u64) -> Vec<u64> {
        let mut reads = 0;
        let trace = Backtrace::walk(fp, |address: UserAddr| {
            let address = address.get() as u64;
            reads += 1;
            assert!(address + 16 <= USER_END as u64, "{address:#x} is no user's");
            Some([*self.0.get(&address)?, *self.0.get(&(address + 8))?])
        });
        assert!(reads <= MAX_FAULT_FRAMES);
        trace.frames().to_vec()
    }
}

#[test]
fn a_chain_gives_its_return_addresses_from_the_inside() {
    let memory = Memory::default()
        .frame(STACK, STACK + 0x40, 1)
        .frame(STACK + 0x40, STACK + 0x100, 2)
        .frame(STACK + 0x100, 0, 3);
    assert_eq!(memory.walk(STACK), [1, 2, 3]);
}

#[test]
fn the_first_function_has_no_caller() {
    let memory = Memory::default().frame(STACK, STACK + 16, 1).frame(STACK + 16, STACK + 32, 0);
    assert_eq!(memory.walk(STACK), [1]);
}

#[test]
fn a_frame_that_is_its_own_caller_ends_the_walk() {
    let own = Memory::default().frame(STACK, STACK, 1);
    assert_eq!(own.walk(STACK), [1]);
    let two = Memory::default().frame(STACK, STACK + 16, 1).frame(STACK + 16, STACK, 2);
    assert_eq!(two.walk(STACK), [1, 2]);
}

#[test]
fn a_chain_without_end_is_cut() {
    let frames = (0..1000).map(|n| STACK + 16 * n);
    let memory = frames.fold(Memory::default(), |memory, fp| memory.frame(fp, fp + 16, 0x5555));
    assert_eq!(memory.walk(STACK), [0x5555; MAX_FAULT_FRAMES]);
}

#[test]
fn no_frame_lies_outside_of_the_user_half() {
    let end = USER_END as u64;
    let wrong = [0, 8, 16, 0x1_0000, end + 16, 1 << 38, 0xffff_ffc0_8020_0000, !0 - 15, !0];
    for fp in wrong {
        assert_eq!(Memory::default().walk(fp), [0; 0], "{fp:#x}");
        let memory = Memory::default().frame(STACK, fp, 1);
        assert_eq!(memory.walk(STACK), [1], "{fp:#x}");
    }
    let last = Memory::default().frame(end, end + 16, 1);
    assert_eq!(last.walk(end), [1]);
}

#[test]
fn an_odd_frame_is_not_read() {
    for odd in [1, 4, 8, 15] {
        let memory = Memory::default().frame(STACK + odd, STACK + 64, 1);
        assert_eq!(memory.walk(STACK + odd), [0; 0]);
    }
}

#[test]
fn what_cannot_be_read_ends_the_walk() {
    let memory = Memory::default().frame(STACK, STACK + 16, 1);
    assert_eq!(memory.walk(STACK), [1]);
}

/// What a frame pointer can look like.
fn pointer() -> impl Strategy<Value = u64> {
    prop_oneof![(0..1_u64 << 36).prop_map(|n| n << 4), any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_walk_ends(
        start in pointer(),
        links in prop::collection::vec((pointer(), 1..=!0_u64), 32),
    ) {
        let mut links = links.into_iter();
        let trace = Backtrace::walk(start, |_| links.next().map(|(next, back)| [next, back]));
        prop_assert!(trace.frames().len() <= MAX_FAULT_FRAMES);
    }
}
