// SPDX-License-Identifier: Apache-2.0
//! Where memory lies: all physical memory linearly in the upper half, behind
//! it the kernel stacks, and the kernel image once more in the top 2 GiB, where
//! it is linked.

pub use skimmer_core::frames::PhysAddr;

use crate::stack_memory;

/// Virtual address of physical address 0: the first of the upper half of Sv39.
pub const LINEAR_BASE: usize = 0xffff_ffc0_0000_0000;

/// Entries of the root that the linear map takes, a GiB each.
pub(crate) const LINEAR_GIGAPAGES: usize = 190;

/// End of the linear map. Kernel stacks come next (`stack_memory`).
pub(crate) const LINEAR_END: usize = LINEAR_BASE + (LINEAR_GIGAPAGES << 30);

unsafe extern "C" {
    static __image_start: u8;
    static __data_start: u8;
    static __image_end: u8;
    static __text_start: u8;
    static __text_end: u8;
}

/// The physical addresses that the kernel image takes.
#[must_use]
pub fn image() -> core::ops::Range<PhysAddr> {
    let (start, end) = image_virtual();
    to_physical(start)..to_physical(end)
}

/// The physical addresses of the image's text and constants.
pub(crate) fn constant_image() -> core::ops::Range<PhysAddr> {
    image().start..to_physical((&raw const __data_start).addr())
}

fn image_virtual() -> (usize, usize) {
    ((&raw const __image_start).addr(), (&raw const __image_end).addr())
}

/// The addresses of the kernel's own instructions.
pub(crate) fn text() -> core::ops::Range<usize> {
    (&raw const __text_start).addr()..(&raw const __text_end).addr()
}

/// Where the linear map shows physical memory at `address`.
#[must_use]
pub const fn to_virtual(address: PhysAddr) -> usize {
    LINEAR_BASE + address.get()
}

/// The physical address behind an address of the linear map, of a kernel stack
/// or of the image.
#[must_use]
pub fn to_physical(address: usize) -> PhysAddr {
    if (LINEAR_BASE..LINEAR_END).contains(&address) {
        PhysAddr::new(address - LINEAR_BASE)
    } else if let Some(address) = stack_memory::physical(address) {
        address
    } else {
        let (start, _) = image_virtual();
        PhysAddr::new(address.wrapping_sub(start).wrapping_add(crate::boot::load_address()))
    }
}
