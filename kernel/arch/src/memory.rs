// SPDX-License-Identifier: Apache-2.0
//! The kernel's allocator, a stock of blocks on each hart before the shared
//! heap, and how the heap gets the machine's memory at boot.

use core::{
    alloc::{GlobalAlloc, Layout},
    ops::Range,
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, Ordering},
};

use alloc::{boxed::Box, vec::Vec};
use skimmer_core::{
    frames::{FRAME_SIZE, FrameNumber, PhysAddr},
    memory::{self, Extent, NotRegisters, usable},
};
use skimmer_sync::{magazine::Class, once::Once};

use crate::{
    addr::{self, LINEAR_BASE},
    cpu,
    heap::{HeapStatistics, KernelHeap},
    println, shortage,
};

static HEAP: KernelHeap = KernelHeap::new();

#[global_allocator]
static ALLOCATOR: Stocked = Stocked;

/// The heap with a stock on each hart in front of it.
struct Stocked;

// SAFETY: blocks come from the heap, by the class's layout or the one asked
// for, and go back under the same, since the class depends on the layout only.
unsafe impl GlobalAlloc for Stocked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if shortage::refuses(layout) {
            return ptr::null_mut();
        }
        let Some(class) = Class::of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { HEAP.alloc(layout) };
        };
        let block = cpu::with_stock(|stock| {
            stock.pop(class).or_else(|| {
                HEAP.allocate_batch(class.layout(), class.batch(), |block| {
                    // SAFETY: fresh from the heap, with the class's layout.
                    unsafe { stock.push(class, block) };
                });
                stock.pop(class)
            })
        });
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (Some(class), Some(pointer)) = (Class::of(layout), NonNull::new(block)) else {
            // SAFETY: the caller's promise.
            return unsafe { HEAP.dealloc(block, layout) };
        };
        // SAFETY: `alloc` took it with the class's layout.
        if cpu::with_stock(|stock| unsafe { stock.push(class, pointer) }) {
            give_batch(class);
        }
    }
}

/// Blocks that go back to the heap in one masked section: a frame that joins
/// its neighbours takes some 500 instructions.
const AT_A_TIME: usize = 4;

/// Gives a batch of this hart's stock back to the heap.
#[cold]
fn give_batch(class: Class) {
    for _ in 0..class.batch().div_ceil(AT_A_TIME) {
        cpu::with_stock(|stock| {
            let blocks = core::iter::from_fn(|| stock.pop(class)).take(AT_A_TIME);
            // SAFETY: what is in the stock is the heap's, and unused.
            unsafe { HEAP.free_batch(class.layout(), blocks) };
        });
    }
}

static IS_ADOPTED: AtomicBool = AtomicBool::new(false);

/// All that was said to be RAM, reserved or not: no device is there.
static RAM: Once<Vec<Extent>> = Once::new();

/// What the kernel's heap has in use and free, the stocks of the harts in use.
#[must_use]
pub fn statistics() -> HeapStatistics {
    HEAP.statistics()
}

/// Bytes that this hart has in stock, which count as in use.
#[must_use]
pub fn in_stock() -> usize {
    cpu::with_stock(|stock| stock.bytes())
}

/// Frames that the linear map shows.
const MAPPED: usize = (addr::LINEAR_GIGAPAGES << 30) / FRAME_SIZE;

/// Hands all of `ram` to the heap that is neither in `reserved` nor part of the
/// kernel image, and returns the bytes. What the lists say is what firmware
/// says: memory that it does not mention is never touched, and there is no
/// better witness.
///
/// # Panics
/// When it was called before.
pub fn adopt<R, S>(ram: R, reserved: S) -> u64
where
    R: Iterator<Item = Extent> + Clone,
    S: Iterator<Item = Extent> + Clone,
{
    assert!(!IS_ADOPTED.swap(true, Ordering::Relaxed), "memory is handed over once");
    let image = addr::image();
    let image = extent(image.start, image.end.get() - image.start.get());
    let mut bytes = 0;
    for frames in usable(ram.clone(), reserved.chain([image])) {
        bytes += add(frames);
    }
    // An empty heap has no room for the list, and the kernel does not go on.
    if bytes > 0 && RAM.set(Box::new(ram.chain([image]).collect())).is_err() {
        unreachable!("memory is handed over once");
    }
    bytes
}

/// Whether the range can be the registers of a device: it is linearly mapped,
/// and no RAM that the kernel was told of is in it.
///
/// # Errors
/// Says what is in the way. Everything is, before memory was handed over.
pub(crate) fn registers(claim: Extent) -> Result<(), NotRegisters> {
    let ram = RAM.get().ok_or(NotRegisters::Ram)?;
    memory::registers(claim, (addr::LINEAR_GIGAPAGES as u64) << 30, ram.iter().copied())
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
    // and handed over once: `usable` never yields a frame twice, and
    // `adopt` works once.
    match unsafe { HEAP.add_bank(frames.start..end, LINEAR_BASE) } {
        Ok(usable) => (usable * FRAME_SIZE) as u64,
        Err(error) => {
            println!("memory: a bank is not used: {error:?}");
            0
        }
    }
}
