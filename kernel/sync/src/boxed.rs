// SPDX-License-Identifier: Apache-2.0
//! Boxes whose making can fail: `Box::new` ends the kernel when memory is out.

use alloc::{
    alloc::{Layout, alloc},
    boxed::Box,
};
use core::ptr::NonNull;

/// A box with that value.
///
/// # Errors
/// Gives the value back when memory is out.
pub fn try_box<T>(value: T) -> Result<Box<T>, T> {
    let layout = Layout::new::<T>();
    let place = if layout.size() == 0 {
        NonNull::dangling()
    } else {
        // SAFETY: the size is not zero.
        match NonNull::new(unsafe { alloc(layout) }) {
            Some(place) => place.cast::<T>(),
            None => return Err(value),
        }
    };
    // SAFETY: fresh memory for a `T`, or none is needed.
    unsafe { place.write(value) };
    // SAFETY: from the allocator that boxes use, with the layout of `T`, and a
    // value is in it.
    Ok(unsafe { Box::from_raw(place.as_ptr()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_boxed_comes_out_again() {
        assert_eq!(try_box([7_u64; 9]).map(|it| *it), Ok([7; 9]));
        assert_eq!(try_box(()).map(|it| *it), Ok(()));
    }
}
