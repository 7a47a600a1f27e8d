// SPDX-License-Identifier: Apache-2.0
//! The set of harts that may hold translations of a space: one hart takes an
//! entry back and frees the frame if there is nobody to tell; another activates
//! the space meanwhile, walks, and reads the frame. loom watches the frame.
//!
//! A table walk is a relaxed load behind the entry into the set. That the
//! machine's walks are behind it is for `sfence.vma` to see to.

use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use skimmer_sync::{active::ActiveHarts, irq::HartIndex};

use crate::explore::{Depth, RACE, fails, harts, holds};

const WALKER: HartIndex = HartIndex::new(1);

/// When the walking hart enters the set.
#[derive(Clone, Copy)]
enum Enter {
    BeforeWalk,
    AfterWalk,
}

struct Space {
    active: ActiveHarts,
    entry: AtomicU32,
    frame: UnsafeCell<u32>,
}

// SAFETY: the frame is the only part that is not Sync, and loom watches it:
// two harts there at once end the model.
unsafe impl Sync for Space {}

impl Space {
    fn new() -> Self {
        let active = ActiveHarts::new(2).expect("memory");
        Self { active, entry: AtomicU32::new(1), frame: UnsafeCell::new(7) }
    }

    /// A walk, and a read of the frame if it is mapped.
    fn access(&self) {
        if self.entry.load(Relaxed) == 1 {
            self.frame.with(|_| ());
        }
    }

    fn unmap(&self) {
        self.entry.store(0, Relaxed);
        let mut told = false;
        self.active.look(|hart| told |= hart == WALKER);
        if !told {
            // Freed, and somebody else's.
            self.frame.with_mut(|_| ());
        }
    }
}

fn walks(when: Enter, leaves: bool) {
    let space = Space::new();
    harts([
        Box::new(|| {
            if matches!(when, Enter::BeforeWalk) {
                space.active.enter(WALKER);
            }
            space.access();
            if matches!(when, Enter::AfterWalk) {
                space.active.enter(WALKER);
            }
            if leaves {
                space.active.leave(WALKER);
            }
        }),
        Box::new(|| space.unmap()),
    ]);
}

/// The walker stays in the set: it finds the entry gone, or it is seen.
pub(crate) fn enters() {
    walks(Enter::BeforeWalk, false);
}

/// It leaves, and its accesses are over for whoever does not see it.
pub(crate) fn leaves() {
    walks(Enter::BeforeWalk, true);
}

#[test]
fn active_enters() {
    holds("active: enters while another unmaps", Depth::Whole, enters);
}

#[test]
fn active_leaves() {
    holds("active: enters and leaves while another unmaps", Depth::Whole, leaves);
}

#[test]
fn active_enters_late() {
    fails("active: enters after it has walked", RACE, Depth::Whole, || {
        walks(Enter::AfterWalk, false);
    });
}
