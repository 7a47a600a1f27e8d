// SPDX-License-Identifier: Apache-2.0
//! Copies between the kernel and the program that runs (law
//! user-pointers-are-claims): the address is judged first, and a page that is
//! not there, or does not allow it, is the caller's error and not the kernel's.
//!
//! What is named is the memory of the calling thread's own process, whose
//! address space is in force while the thread runs. Copies can be interrupted
//! and preempted at any byte.

use core::arch::global_asm;

use skimmer_abi::errno::Errno;
use skimmer_core::user::UserAddr;

use crate::{
    csr, paging,
    trap::{TrapFrame, cause},
};

global_asm!(include_str!("user_copy.S"));

unsafe extern "C" {
    fn skimmer_copy(to: *mut u8, from: *const u8, bytes: usize) -> usize;
    /// Where a copy that faulted goes on.
    fn skimmer_copy_fault();
}

/// The end of the lower half of Sv39's addresses. Programs have all that they
/// have below it; the kernel has nothing there.
const LOWER_HALF_END: usize = 1 << 38;

/// Copies from the program's memory.
///
/// # Errors
/// EFAULT when not all of it can be read; what is in `into` means nothing then.
pub fn read(into: &mut [u8], from: UserAddr) -> Result<(), Errno> {
    judge(from, into.len())?;
    whole(from, into.len(), |done, left| {
        let source = core::ptr::without_provenance(from.get() + done);
        copy(into[done..].as_mut_ptr(), source, left)
    })
}

/// Copies to the program's memory.
///
/// # Errors
/// EFAULT when not all of it can be written; a part may have been.
pub fn write(to: UserAddr, from: &[u8]) -> Result<(), Errno> {
    judge(to, from.len())?;
    whole(to, from.len(), |done, left| {
        let target = core::ptr::without_provenance_mut(to.get() + done);
        copy(target, from[done..].as_ptr(), left)
    })
}

/// Reads a structure of words.
///
/// # Errors
/// As [`read()`].
pub fn read_words<const N: usize>(from: UserAddr) -> Result<[u64; N], Errno> {
    let mut words = [[0; 8]; N];
    read(words.as_flattened_mut(), from)?;
    Ok(words.map(u64::from_le_bytes))
}

/// Writes a structure of words.
///
/// # Errors
/// As [`write()`].
pub fn write_words<const N: usize>(to: UserAddr, words: [u64; N]) -> Result<(), Errno> {
    write(to, words.map(u64::to_le_bytes).as_flattened())
}

/// Whether all of it lies where programs live. Whether it is there is seen when
/// it is touched.
fn judge(start: UserAddr, bytes: usize) -> Result<(), Errno> {
    match start.get().checked_add(bytes) {
        // Of nothing, the address is not looked at.
        _ if bytes == 0 => Ok(()),
        Some(end) if end <= LOWER_HALF_END => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Copies all of it, `some` at a time: what is done and what is left go in, what
/// is left then comes out. Where a copy stopped a hart may remember a page that
/// is there by now as missing (Privileged Architecture, "Supervisor
/// Memory-Management Fence"), so it tries again as long as it gets on.
fn whole(
    user: UserAddr,
    bytes: usize,
    mut some: impl FnMut(usize, usize) -> usize,
) -> Result<(), Errno> {
    let mut left = some(0, bytes);
    while left > 0 {
        let done = bytes - left;
        paging::look_again(UserAddr::new(user.get() + done));
        let still = some(done, left);
        if still == left {
            return Err(Errno::EFAULT);
        }
        left = still;
    }
    Ok(())
}

/// Returns how many bytes were not copied.
fn copy(to: *mut u8, from: *const u8, bytes: usize) -> usize {
    csr::open_user_memory();
    // SAFETY: one side is a slice of the kernel's, the other lies in the user
    // half, which holds nothing of the kernel's; a fault there ends the copy.
    let left = unsafe { skimmer_copy(to, from, bytes) };
    csr::close_user_memory();
    left
}

/// Where a trap in the kernel goes on, if it is a page fault of the copy.
pub(crate) fn resume(frame: &TrapFrame) -> Option<u64> {
    let (begin, fault) = (skimmer_copy as *const (), skimmer_copy_fault as *const ());
    let is_page_fault = matches!(frame.scause, cause::LOAD_PAGE_FAULT | cause::STORE_PAGE_FAULT);
    let is_in_copy = (begin.addr()..fault.addr()).contains(&(frame.sepc as usize));
    let is_users = (frame.stval as usize) < LOWER_HALF_END;
    (is_page_fault && is_in_copy && is_users).then_some(fault.addr() as u64)
}
