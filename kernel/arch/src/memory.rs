// SPDX-License-Identifier: Apache-2.0
//! The heap of the kernel, and how it gets the machine's memory at boot.

use core::ops::Range;

use skimmer_core::{
    frames::{FRAME_SIZE, FrameNumber, PhysAddr},
    memory::{Extent, usable},
};

use crate::{
    addr::{self, LINEAR_BASE},
    heap::KernelHeap,
    println,
};

#[global_allocator]
static HEAP: KernelHeap = KernelHeap::new();

/// Frames that the linear map shows: 254 GiB.
const MAPPED: usize = (254 << 30) / FRAME_SIZE;

/// Hands all of `ram` to the heap that is neither in `reserved` nor part of the
/// kernel image, and returns the bytes. What the lists say is what firmware
/// says: memory that it does not mention is never touched, and there is no
/// better witness.
pub fn adopt<R, S>(ram: R, reserved: S) -> u64
where
    R: Iterator<Item = Extent> + Clone,
    S: Iterator<Item = Extent> + Clone,
{
    let image = addr::image();
    let image = extent(image.start, image.end.get() - image.start.get());
    let mut bytes = 0;
    for frames in usable(ram, reserved.chain([image])) {
        bytes += add(frames);
    }
    bytes
}

/// The `size` bytes from `start`.
#[must_use]
pub const fn extent(start: PhysAddr, size: usize) -> Extent {
    (start.get() as u64, size as u64)
}

fn add(frames: Range<FrameNumber>) -> u64 {
    let end = FrameNumber::new(frames.end.get().min(MAPPED));
    if frames.start >= end {
        return 0;
    }
    // SAFETY: RAM that nobody has reserved, linearly mapped at LINEAR_BASE,
    // and handed over once: `usable` never yields a frame twice, and boot
    // calls `adopt` once.
    match unsafe { HEAP.add_bank(frames.start..end, LINEAR_BASE) } {
        Ok(usable) => (usable * FRAME_SIZE) as u64,
        Err(error) => {
            println!("memory: a bank is not used: {error:?}");
            0
        }
    }
}
