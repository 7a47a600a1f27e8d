// SPDX-License-Identifier: Apache-2.0
//! Pages that a program may have, by type: whoever holds a [`UserPage`] cannot
//! reach an entry of the kernel's half with it, nor the pages around address 0.

use core::ops::Range;

use crate::{
    frames::{FRAME_SHIFT, FRAME_SIZE},
    space::SpaceError,
    user::UserAddr,
};

/// The lowest address that can be mapped: what is below catches null pointers
/// and fields of null structures.
pub const USER_START: usize = 64 << 10;
/// One past the highest address that can be mapped. The last page of the user
/// half stays empty, so that nothing runs from it into what is no address.
pub const USER_END: usize = (1 << 38) - FRAME_SIZE;

const FIRST: u32 = (USER_START >> FRAME_SHIFT) as u32;
const END: u32 = (USER_END >> FRAME_SHIFT) as u32;

/// A page of the user half that may be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserPage(u32);

impl UserPage {
    /// The page that `address` lies in.
    ///
    /// # Errors
    /// `BadRange`: it is not between [`USER_START`] and [`USER_END`].
    pub const fn of(address: UserAddr) -> Result<Self, SpaceError> {
        let address = address.get();
        if address < USER_START || address >= USER_END {
            return Err(SpaceError::BadRange);
        }
        Ok(Self((address >> FRAME_SHIFT) as u32))
    }

    /// Its first address.
    #[must_use]
    pub const fn base(self) -> UserAddr {
        UserAddr::new((self.0 as usize) << FRAME_SHIFT)
    }

    /// Where its entry is in the table of that level: 2 is the root's.
    pub(crate) const fn index(self, level: u32) -> usize {
        (self.0 >> (9 * level)) as usize & 0x1ff
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The number of the page with which the next entry of that level begins.
    pub(crate) const fn number_after(self, level: u32) -> u32 {
        ((self.0 >> (9 * level)) + 1) << (9 * level)
    }
}

/// A run of such pages, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserPages {
    start: u32,
    end: u32,
}

impl UserPages {
    /// All that may be mapped.
    pub const ALL: Self = Self { start: FIRST, end: END };

    /// The pages that the `size` bytes from `address` touch.
    ///
    /// # Errors
    /// `BadRange`: none, or not all of them may be mapped.
    pub const fn touched(address: UserAddr, size: usize) -> Result<Self, SpaceError> {
        let start = address.get();
        let Some(end) = start.checked_add(size) else {
            return Err(SpaceError::BadRange);
        };
        if size == 0 || start < USER_START || end > USER_END {
            return Err(SpaceError::BadRange);
        }
        let end = end.div_ceil(FRAME_SIZE);
        Ok(Self { start: (start >> FRAME_SHIFT) as u32, end: end as u32 })
    }

    /// The same, of a range that begins where a page does.
    ///
    /// # Errors
    /// `BadRange`, as above or because it does not.
    pub const fn aligned(address: UserAddr, size: usize) -> Result<Self, SpaceError> {
        if !address.get().is_multiple_of(FRAME_SIZE) {
            return Err(SpaceError::BadRange);
        }
        Self::touched(address, size)
    }

    /// The pages `start..end` by number, if there are any.
    pub(crate) const fn between(start: u32, end: u32) -> Option<Self> {
        if FIRST <= start && start < end && end <= END { Some(Self { start, end }) } else { None }
    }

    /// From the first page of `front` to the last one of `rear`.
    pub(crate) const fn spanning(front: Self, rear: Self) -> Option<Self> {
        Self::between(front.start, rear.end)
    }

    /// The number of the first page.
    pub(crate) const fn start(self) -> u32 {
        self.start
    }

    pub(crate) const fn first(self) -> UserPage {
        UserPage(self.start)
    }

    /// One past the number of the last page.
    pub(crate) const fn end(self) -> u32 {
        self.end
    }

    /// How many they are.
    #[must_use]
    pub const fn count(self) -> usize {
        (self.end - self.start) as usize
    }

    /// The first address.
    #[must_use]
    pub const fn base(self) -> UserAddr {
        UserPage(self.start).base()
    }

    /// Their addresses.
    #[must_use]
    pub const fn addresses(self) -> Range<usize> {
        (self.start as usize) << FRAME_SHIFT..(self.end as usize) << FRAME_SHIFT
    }

    /// Those up to `last`, which is one of them.
    pub(crate) const fn up_to(self, last: UserPage) -> Self {
        Self { start: self.start, end: last.0 + 1 }
    }

    /// Whether the page is one of them.
    #[must_use]
    pub const fn contains(self, page: UserPage) -> bool {
        self.start <= page.0 && page.0 < self.end
    }

    /// Those that are in both.
    #[must_use]
    pub fn common(self, other: Self) -> Option<Self> {
        Self::between(self.start.max(other.start), self.end.min(other.end))
    }

    /// Each page.
    pub fn iter(self) -> impl Iterator<Item = UserPage> {
        (self.start..self.end).map(UserPage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_half_has_pages() {
        let of = |address| UserPage::of(UserAddr::new(address));
        for bad in [0, 1, USER_START - 1, USER_END, 1 << 38, 0xffff_ffc0_0000_0000, usize::MAX] {
            assert_eq!(of(bad), Err(SpaceError::BadRange), "{bad:#x}");
        }
        for good in [USER_START, USER_START + 1, USER_END - 1] {
            let page = of(good).unwrap();
            assert_eq!(page.base().get(), good & !(FRAME_SIZE - 1));
            assert!(page.index(2) < 256, "the lower half of the root");
            assert!(UserPages::ALL.contains(page));
        }
    }

    #[test]
    fn runs_are_whole_and_inside() {
        let touched = |address, size| UserPages::touched(UserAddr::new(address), size);
        assert_eq!(touched(0x2_0fff, 2).unwrap().count(), 2);
        assert_eq!(touched(USER_START, USER_END - USER_START), Ok(UserPages::ALL));
        for (address, size) in [
            (USER_START, 0),
            (USER_START - 1, 1),
            (USER_START, USER_END),
            (USER_END - 1, 2),
            (USER_START, usize::MAX),
            (usize::MAX, 1),
        ] {
            assert_eq!(touched(address, size), Err(SpaceError::BadRange), "{address:#x} {size:#x}");
        }
        let unaligned = UserPages::aligned(UserAddr::new(USER_START + 1), FRAME_SIZE);
        assert_eq!(unaligned, Err(SpaceError::BadRange));
    }
}
