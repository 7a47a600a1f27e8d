// SPDX-License-Identifier: Apache-2.0
//! Shootdown and ASIDs on imaginary harts with imaginary TLBs, which fill
//! whenever they like and forget only what they are told to. In every order
//! that the seeds choose, no access reaches a frame through a translation that
//! is over, no frame that is free or another space's, and no walk a table that
//! was freed. And each wrong order is found out.

use skimmer_core::{
    frames::FRAME_SIZE,
    space::{
        ActiveHarts, AddressSpace, Limits, SpaceError,
        entry::Protection,
        shootdown::{Shootdown, Step},
    },
    user::UserAddr,
};

#[path = "../space_memory/mod.rs"]
mod space_memory;
mod world;

use space_memory::{Frames, Memory, kernel_half};
use world::{World, Wrong, hart_index};

/// Runs one schedule. How many accesses the TLBs answered, or what was found.
fn schedule(seed: u64, wrong: Wrong) -> Result<usize, String> {
    let mut world = World::new(seed, wrong);
    for _ in 0..600 {
        world.step()?;
    }
    world.end()
}

const SEEDS: u64 = 600;

#[test]
fn no_access_goes_astray() {
    let mut hits = 0;
    for seed in 1..=SEEDS {
        match schedule(seed, Wrong::Nothing) {
            Ok(more) => hits += more,
            Err(what) => panic!("seed {seed}: {what}"),
        }
    }
    assert!(hits > 10_000, "only {hits} accesses were answered by a TLB: nothing was tried");
}

/// Of the same schedules, how many find it out, and how first.
fn is_found_out(wrong: Wrong, words: &str) {
    let found: Vec<String> = (1..=SEEDS).filter_map(|seed| schedule(seed, wrong).err()).collect();
    let as_meant = found.iter().filter(|what| what.contains(words)).count();
    println!("{wrong:?}: {} of {SEEDS} schedules find it, {as_meant} as {words:?}", found.len());
    assert!(as_meant > 0, "{wrong:?} is not found out: {found:?}");
}

#[test]
fn frames_that_are_freed_before_all_have_answered() {
    is_found_out(Wrong::FreesEarly, "reaches a frame");
}

#[test]
fn a_generation_without_a_flush() {
    is_found_out(Wrong::KeepsGeneration, "reaches a frame");
}

#[test]
fn a_generation_that_is_flushed_too_early() {
    is_found_out(Wrong::FlushesFirst, "reaches a frame");
}

#[test]
fn a_hart_that_is_left_out() {
    is_found_out(Wrong::LeavesOut, "reaches a frame");
}

#[test]
fn a_hart_that_is_not_in_the_set() {
    is_found_out(Wrong::EntersLate, "reaches a frame");
}

#[test]
fn a_dying_space_that_stays_loaded() {
    is_found_out(Wrong::StaysLoaded, "walks a table that was freed");
}

/// What the protocol relies on in its pieces, step by step.
#[test]
fn frames_wait_for_every_answer() {
    let frames = Frames::new(16);
    let active = ActiveHarts::new(3).unwrap();
    let memory = Memory::new(&frames, 1, || false);
    let limits = Limits { frames: 10, regions: 4 };
    let mut space = AddressSpace::new(memory, &kernel_half(), limits, 3).unwrap();
    let pages = space.map_anonymous(2 * FRAME_SIZE, Protection::ReadWrite).unwrap();
    for hart in [0, 2] {
        active.enter(hart_index(hart));
    }
    let taken = frames.borrow().taken();
    let mut shootdown = Shootdown::begin(space.unmap(pages).unwrap(), &active);
    assert_eq!(space.lookup(pages.base()), None);
    assert_eq!(space.unmap(pages).map(|_| ()), Err(SpaceError::NotMapped), "it waits");
    for hart in [0, 2] {
        assert_eq!(shootdown.next(), Step::Tell(hart_index(hart)));
        shootdown.told(hart_index(hart));
    }
    // Answers that nobody asked for, and one that comes twice.
    for hart in [1, 2, 2] {
        shootdown.acknowledged(hart_index(hart));
    }
    assert_eq!(shootdown.next(), Step::Wait);
    let mut shootdown = shootdown.finish().expect_err("hart 0 has not answered");
    shootdown.acknowledged(hart_index(0));
    assert_eq!(shootdown.next(), Step::Finish);
    assert_eq!(frames.borrow().taken(), taken);
    space.release(shootdown.finish().unwrap());
    assert_eq!(frames.borrow().taken(), taken - 2);
    let top = UserAddr::new(pages.addresses().end);
    assert!(space.region_at(pages.base()).is_none() && space.region_at(top).is_none());
}
