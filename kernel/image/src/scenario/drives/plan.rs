// SPDX-License-Identifier: Apache-2.0
//! Which blocks one of several workers has to do with, piece by piece: a window
//! of the disk cut into chunks, these in an order drawn at random and dealt out
//! to the workers in turn, each chunk in pieces of sizes drawn at random, none of
//! which goes from one namespace into the next. All workers together have each
//! block of the window once.

use core::ops::Range;

use skimmer_abi::random::{Order, Random};
use skimmer_nvme::Span;

/// Blocks of a chunk, and so the most of a piece.
const CHUNK: u64 = 256;

/// One worker's part of a window.
#[derive(Debug)]
pub(super) struct Plan {
    window: Range<u64>,
    order: Order,
    /// The next chunk, as a place in the order.
    place: u64,
    workers: u64,
    /// What is left of the chunk before.
    rest: Range<u64>,
    /// The most blocks of a piece.
    most: u64,
}

impl Plan {
    /// Of worker `number` of `workers`.
    pub(super) fn new(
        window: Range<u64>,
        seed: u64,
        (number, workers): (u64, u64),
        most: u64,
    ) -> Self {
        let chunks = (window.end - window.start).div_ceil(CHUNK);
        let order = Order::new(chunks, seed);
        Self { window, order, place: number, workers, rest: 0..0, most: most.min(CHUNK) }
    }

    /// Whether there is nothing left.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty() && self.place >= self.chunks()
    }

    /// The next piece, of a disk of that row.
    pub(super) fn next(&mut self, random: &mut Random, span: &Span) -> Option<Range<u64>> {
        if self.rest.is_empty() {
            if self.is_done() {
                return None;
            }
            let start = self.window.start + self.order.at(self.place) * CHUNK;
            self.rest = start..(start + CHUNK).min(self.window.end);
            self.place += self.workers;
        }
        // Small ones are as likely as large ones.
        let left = (self.rest.end - self.rest.start).min(self.most);
        let left = span.together(self.rest.start, left);
        let ceiling = 1 << random.below(u64::from(CHUNK.ilog2()) + 1);
        let blocks = 1 + random.below(left.min(ceiling));
        let piece = self.rest.start..self.rest.start + blocks;
        self.rest.start = piece.end;
        Some(piece)
    }

    fn chunks(&self) -> u64 {
        (self.window.end - self.window.start).div_ceil(CHUNK)
    }
}
