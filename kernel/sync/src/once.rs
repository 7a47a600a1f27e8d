// SPDX-License-Identifier: Apache-2.0
//! A value that is set once, during boot, and read for ever after.

use alloc::boxed::Box;
use core::{ptr, sync::atomic::Ordering};

use crate::{order::Site, shim::AtomicPtr};

/// A set-once cell for statics.
#[derive(Debug)]
pub struct Once<T: Sync + 'static>(AtomicPtr<T>);

impl<T: Sync + 'static> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Sync + 'static> Once<T> {
    /// A cell that holds nothing yet.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// A cell that holds nothing yet.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Sets the value, which then lives for ever.
    ///
    /// # Errors
    /// Gives `value` back when one is set already.
    pub fn set(&self, value: Box<T>) -> Result<&'static T, Box<T>> {
        let raw = Box::into_raw(value);
        // Whoever loses looks at its own value only.
        let set = self.0.compare_exchange(
            ptr::null_mut(),
            raw,
            Site::OnceSet.ordering(),
            Ordering::Relaxed,
        );
        match set {
            // SAFETY: `raw` is from `Box::into_raw`, and nobody frees it now.
            Ok(_) => Ok(unsafe { &*raw }),
            // SAFETY: `raw` was not published, so it is still ours alone.
            Err(_) => Err(unsafe { Box::from_raw(raw) }),
        }
    }

    /// The value, once it is set.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: null or a leaked box that is shared and never freed; the
        // acquiring load pairs with the exchange in `set`.
        unsafe { self.0.load(Site::OnceGet.ordering()).as_ref() }
    }
}
