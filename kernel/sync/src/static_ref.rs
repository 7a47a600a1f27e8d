// SPDX-License-Identifier: Apache-2.0
//! A place for the address of something that lives for ever, which others read
//! while it changes.

use core::ptr;

use crate::{order::Site, shim::AtomicPtr};

/// An address, or none.
///
/// ```
/// use skimmer_sync::static_ref::StaticRef;
/// static ROOM: u64 = 7;
/// let place = StaticRef::none();
/// assert_eq!(place.get(), None);
/// place.set(&ROOM);
/// assert_eq!(place.get(), Some(&7));
/// ```
///
/// ```compile_fail,E0597
/// # use skimmer_sync::static_ref::StaticRef;
/// let place = StaticRef::none();
/// {
///     let room = 7;
///     // Not of something that goes away.
///     place.set(&room);
/// }
/// ```
#[derive(Debug)]
pub struct StaticRef<T: 'static>(AtomicPtr<T>);

// SAFETY: it hands out shared references to any hart, and owns nothing.
unsafe impl<T: Sync> Sync for StaticRef<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Send for StaticRef<T> {}

impl<T: Sync> StaticRef<T> {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Keeps the address. Who reads it sees what it points to as it is now.
    pub fn set(&self, to: &'static T) {
        self.0.store(ptr::from_ref(to).cast_mut(), Site::RefSet.ordering());
    }

    /// What is there.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&'static T> {
        let address = self.0.load(Site::RefGet.ordering());
        // SAFETY: null, or from a shared reference that is good for ever; nobody makes
        // an exclusive one of it.
        unsafe { address.as_ref() }
    }
}
