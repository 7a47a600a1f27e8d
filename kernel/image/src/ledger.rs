// SPDX-License-Identifier: Apache-2.0
//! The kernel's heap, to the byte. Read when nothing runs but the reader: what
//! is in use, less what harts have in stock and what is kept by name for
//! threads and processes to come. Programs that have gone leave the rest as it
//! was; anything else is a leak.

use skimmer_arch::{memory, stack_memory, time};
use skimmer_core::frames::FRAME_SIZE;

use crate::{lwkt, process, service};

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Threads of all harts.
    pub(crate) threads: u64,
    /// Bytes in use that nobody keeps for others.
    pub(crate) live: usize,
    /// Bytes that are kept: stacks, tables of threads.
    pub(crate) kept: usize,
    /// Bytes of rooms of processes: as many as there ever were at a time.
    pub(crate) rooms: usize,
}

impl Ledger {
    pub(crate) fn read() -> Self {
        // One message for all of it: it is in use whenever somebody counts.
        let request = lwkt::message([0; 8]);
        let ([threads, tables, stocks, ..], request) = service::count_all(request);
        let in_use = memory::statistics().bytes_in_use - stocks as usize;
        drop(request);
        let kept = tables as usize + stack_memory::footprint() + process::kept();
        let rooms = process::kept_in_rooms();
        Self { threads, live: in_use - kept - rooms, kept, rooms }
    }

    /// Whether little more is kept than before.
    pub(crate) fn keeps_little(&self, before: &Self) -> bool {
        let most = LITTLE + memory::statistics().frames / PLACES * FRAME_SIZE;
        self.kept <= before.kept + most
    }

    /// Reads again and again until there are as many threads as before: who ends
    /// is freed later, by its hart's service thread.
    pub(crate) fn settled(before: &Self) -> Self {
        let tick = time::ticks_per_second() / 1000;
        let mut now = Self::read();
        for _ in 0..PATIENCE {
            if now.threads == before.threads {
                break;
            }
            lwkt::sleep_until(time::now() + tick);
            now = Self::read();
        }
        now
    }
}

/// Bytes by which what is kept may have grown, whatever programs did: stacks that
/// are not worth giving back, and places of threads.
const LITTLE: usize = 4 << 20;

/// With more memory there were more threads and processes at a time. Their places
/// may have one part in so many of it.
const PLACES: usize = 64;

/// Milliseconds that threads are given to go.
const PATIENCE: u32 = 1000;
