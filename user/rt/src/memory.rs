// SPDX-License-Identifier: Apache-2.0
//! Memory in whole pages, straight from the kernel.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use skimmer_abi::call::Call;

use crate::{Errno, Result, raw};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Memory of one's own, zeroed at first, readable and writable. It goes back to
/// the kernel when this is dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it owns its memory, as a vector does.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` only reads.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `length` bytes of zeroed memory.
    ///
    /// # Errors
    /// EINVAL (no length), EAGAIN (a limit of the process), ENOMEM.
    pub fn new(length: usize) -> Result<Self> {
        Ok(Self { start: map_raw(length, true)?, length })
    }
}

impl Mapping {
    /// Gives the memory back, and says how that went. (Dropping it does not: of
    /// what the kernel could not take back the address space stays taken.)
    ///
    /// # Errors
    /// Gives it back with what is wrong: ENOMEM.
    pub fn unmap(self) -> core::result::Result<(), (Errno, Self)> {
        let mapping = core::mem::ManuallyDrop::new(self);
        let (start, length) = (mapping.start, mapping.length);
        // SAFETY: it is ours, and who has it now gives it away.
        let answer = unsafe { unmap_raw(start.as_ptr(), length) };
        answer.map_err(|errno| (errno, Self { start, length }))
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the kernel gave so many bytes, which are ours until the drop.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Mapping {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has a reference.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody can reach it any more. That the kernel refuses what it
        // gave itself is not to be expected, and would leave it mapped.
        let _ = unsafe { unmap_raw(self.start.as_ptr(), self.length) };
    }
}

/// Fresh memory from the kernel.
pub(crate) fn map_raw(length: usize, is_writable: bool) -> Result<NonNull<u8>> {
    let arguments = [length as u64, u64::from(is_writable)];
    // SAFETY: what is mapped was nobody's.
    let start = unsafe { raw::answer(Call::MemoryMap, arguments) }?;
    let start = usize::try_from(start).map_err(|_| Errno::ENOMEM)?;
    NonNull::new(core::ptr::with_exposed_provenance_mut(start)).ok_or(Errno::ENOMEM)
}

/// Gives memory back.
///
/// # Safety
/// It came from [`map_raw`], and nobody uses it any more.
pub(crate) unsafe fn unmap_raw(start: *mut u8, length: usize) -> Result<()> {
    let arguments = [start.expose_provenance() as u64, length as u64];
    // SAFETY: our caller says that nobody uses it.
    unsafe { raw::answer(Call::MemoryUnmap, arguments) }.map(|_| ())
}
