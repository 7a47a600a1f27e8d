// SPDX-License-Identifier: Apache-2.0
//! How much programs may take, all in one place.
//!
//! Two things are counted for families: a process with all that come from it.
//! These are frames and processes. The first process may have all that there is
//! for programs, which leaves [`reserve`] frames to the kernel; each other, with
//! its family, a [`SHARE`]th of what its parent may have. So what one child takes, whatever
//! becomes of it, leaves its siblings something. A family ends with its first:
//! there is no way out of it.
//!
//! Time is shared by families too: each child of the first process with all that
//! come from it. The first process's own threads are nobody's family, and each has
//! a slice as threads of the kernel have (`core::shares`).
//!
//! The kernel's own memory that is there because of a program counts as frames
//! of its family: a thread's stack, a process's tables, channels.

use skimmer_core::{channel::table::growth, frames::FRAME_SIZE};

/// A child's family may have one part in so many of what its parent's may.
pub(super) const SHARE: usize = 4;

/// Processes at a time, those that nobody has waited for included, if there are
/// so many frames for programs: none could do with less than some dozens.
pub(super) const fn processes(frames: usize) -> usize {
    let most = frames / 64;
    if most < 64 { 64 } else { most }
}

/// Threads of one process, those that nobody has joined included.
pub(super) const THREADS: u32 = 512;

/// Times that a process's table of channels grows without being paid for: 480
/// channels.
const FREE_GROWTHS: usize = 4;

/// Times that it may grow after that: 8,160 channels in all.
pub(super) const GROWTHS: u32 = 4;

/// Channels that come with a process.
pub(super) const FIRST_CHANNELS: u32 = growth(0).0 + growth(1).0 + growth(2).0 + growth(3).0;

/// More channels by the growth of that number, counted from 0, and their frames.
pub(super) const fn more_channels(number: u32) -> (u32, usize) {
    let (channels, bytes) = growth(FREE_GROWTHS + number as usize);
    (channels, bytes.div_ceil(FRAME_SIZE))
}

/// Frames of so many growths.
pub(super) fn frames_of_growths(count: u32) -> usize {
    (0..count).map(|number| more_channels(number).1).sum()
}

/// Frames of one process, its tables included: 64 MiB.
pub(super) const FRAMES: usize = 16 << 10;

/// Regions of one process: what it maps in one piece, stacks, segments.
pub(super) const REGIONS: usize = 2048;

/// Bytes that a program's segments may take.
pub(super) const SEGMENTS: usize = 32 << 20;

/// Bytes of a program's name.
pub(super) const NAME: u64 = 255;

/// Bytes of arguments, and of environment; of what is written in one go.
pub(super) const TEXT: u64 = 64 << 10;

/// What a process costs the kernel, in frames: its place in lists, its regions,
/// its table of threads, its first channels.
pub(super) const FRAMES_OF_PROCESS: usize = 16;

/// What a thread costs the kernel, in frames: its stack and its record.
pub(super) const FRAMES_OF_THREAD: usize = 5;

/// Frames that programs never get, of so many.
pub(super) const fn reserve(frames: usize) -> usize {
    let eighth = frames / 8;
    if eighth < 2048 { 2048 } else { eighth }
}
