// SPDX-License-Identifier: Apache-2.0
//! A program at the addresses where it will run.

use core::ops::Range;

use super::{Program, Segment, Segments};

/// A program whose place is settled: [`Program::placed_at`]. It lies within
/// [`LOWEST`](super::LOWEST)`..`[`HIGHEST`](super::HIGHEST).
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    program: Program<'a>,
    bias: usize,
}

impl<'a> Placed<'a> {
    pub(super) const fn new(program: Program<'a>, bias: usize) -> Self {
        Self { program, bias }
    }

    /// What was added to the addresses in the file.
    #[must_use]
    pub const fn bias(&self) -> usize {
        self.bias
    }

    /// Where the program starts to run.
    #[must_use]
    pub const fn entry(&self) -> usize {
        self.program.entry().saturating_add(self.bias)
    }

    /// The segments at their addresses, in the file's order.
    #[must_use]
    pub const fn segments(&self) -> PlacedSegments<'a> {
        PlacedSegments { segments: self.program.segments(), bias: self.bias }
    }

    /// From the first page to the end of the last, holes included.
    #[must_use]
    pub const fn extent(&self) -> Range<usize> {
        let Range { start, end } = self.program.extent();
        start.saturating_add(self.bias)..end.saturating_add(self.bias)
    }
}

/// The segments of a program where they will be: [`Placed::segments`].
#[derive(Clone, Debug)]
pub struct PlacedSegments<'a> {
    segments: Segments<'a>,
    bias: usize,
}

impl<'a> Iterator for PlacedSegments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        self.segments.next().map(|segment| segment.moved(self.bias))
    }
}

impl core::iter::FusedIterator for PlacedSegments<'_> {}
