// SPDX-License-Identifier: Apache-2.0
//! Addresses that a program names. Law user-pointers-are-claims.

/// A claim about the memory of the process that made it.
///
/// Holding one proves nothing: not that the address is mapped, not that it lies
/// in the user half, not that it is still what it was a moment ago. It is a
/// number, which only `arch::user_copy` judges and follows. It cannot be
/// followed:
///
/// ```compile_fail,E0614
/// # use skimmer_core::user::UserAddr;
/// fn peek(claim: UserAddr) -> u8 {
///     *claim
/// }
/// ```
///
/// nor passed where the kernel expects a pointer of its own:
///
/// ```compile_fail,E0308
/// # use skimmer_core::user::UserAddr;
/// fn read(pointer: *const u8) {}
/// fn peek(claim: UserAddr) {
///     read(claim);
/// }
/// ```
///
/// ```
/// # use skimmer_core::user::UserAddr;
/// fn say(claim: UserAddr) -> usize {
///     claim.get()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserAddr(usize);

impl UserAddr {
    /// The claim that a program made.
    #[must_use]
    pub const fn new(address: usize) -> Self {
        Self(address)
    }

    /// As a plain number, for reports.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// Memory that a program names: claims, both of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserBytes {
    /// Where it begins.
    pub start: UserAddr,
    /// Bytes.
    pub length: usize,
}

impl UserBytes {
    /// Nothing, nowhere.
    pub const NONE: Self = Self::new(0, 0);

    /// So many bytes there.
    #[must_use]
    pub const fn new(start: usize, length: usize) -> Self {
        Self { start: UserAddr::new(start), length }
    }

    /// The part of it from `done` on, at most `most` bytes.
    #[must_use]
    pub const fn part(self, done: usize, most: usize) -> Self {
        let left = self.length.saturating_sub(done);
        let length = if left < most { left } else { most };
        Self { start: UserAddr::new(self.start.get().wrapping_add(done)), length }
    }
}
