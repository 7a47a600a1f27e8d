// SPDX-License-Identifier: Apache-2.0
//! What things take of the heap: each block as large as the heap cuts it. With
//! this, whoever keeps memory for what comes next says how much, to the byte.

use core::alloc::Layout;

use crate::{magazine::Class, slab};

/// Bytes of the block that the kernel's allocator gives for `layout`.
#[must_use]
pub fn block(layout: Layout) -> usize {
    match layout.size() {
        0 => 0,
        _ => slab::bytes_of(Class::of(layout).map_or(layout, Class::layout)),
    }
}

/// Bytes that a box with a `T` takes.
#[must_use]
pub fn one<T>() -> usize {
    block(Layout::new::<T>())
}

/// Bytes that memory for `count` of them takes, as a vector has it.
#[must_use]
pub fn array<T>(count: usize) -> usize {
    Layout::array::<T>(count).map_or(0, block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted_as_they_are_cut() {
        assert_eq!((array::<u64>(0), one::<()>(), one::<u8>(), one::<[u64; 3]>()), (0, 0, 16, 32));
        assert_eq!(
            (array::<u8>(2049), array::<u8>(4097), array::<u8>(16_385)),
            (4096, 8192, 32_768)
        );
        // Which the stock does not align, so that the heap cuts it.
        assert_eq!(block(Layout::from_size_align(40, 64).unwrap()), 64);
    }
}
