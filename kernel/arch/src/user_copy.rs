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
use skimmer_core::{
    channel::rendezvous::{AT_ONCE, Fault},
    frames::FRAME_SIZE,
    space::entry::Access,
    user::{UserAddr, UserBytes},
};
use skimmer_sync::irq::IrqOff;

use crate::{
    csr,
    paging::{self, UserSpace},
    stack,
    trap::{TrapFrame, cause},
};

// What copies user memory copies the kernel's, too.
global_asm!(
    include_str!("copy.S"),
    include_str!("user_copy.S"),
    include_str!("memcpy.S")
);

unsafe extern "C" {
    fn skimmer_copy(to: *mut u8, from: *const u8, bytes: usize) -> usize;
    /// Where a copy that faulted goes on.
    fn skimmer_copy_fault();
}

/// The most bytes that the routine copies before it counts them.
const PIECE: usize = 256;

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

/// Copies from the memory of the program that runs to that of another, whose thread
/// is blocked and stays so meanwhile. At most [`AT_ONCE`] bytes; as many as both have.
///
/// # Errors
/// Whose memory was bad; a part may have been copied.
pub fn give(irq: &IrqOff, from: UserBytes, other: &UserSpace, to: UserBytes) -> Result<(), Fault> {
    let bytes = judge_both(from, to)?;
    if bytes == 0 {
        return Ok(());
    }
    in_pages(irq, other, to.start, bytes, Access::Write, |page, done, part| {
        let source = core::ptr::without_provenance::<u8>(from.start.get() + done);
        whole(at(from.start, done), part, |more, left| {
            copy(page.wrapping_add(more), source.wrapping_add(more), left)
        })
    })
}

/// Copies to the memory of the program that runs from that of another, likewise.
///
/// # Errors
/// As [`give`].
pub fn fetch(irq: &IrqOff, other: &UserSpace, from: UserBytes, to: UserBytes) -> Result<(), Fault> {
    let bytes = judge_both(to, from)?;
    if bytes == 0 {
        return Ok(());
    }
    in_pages(irq, other, from.start, bytes, Access::Read, |page, done, part| {
        let target = core::ptr::without_provenance_mut::<u8>(to.start.get() + done);
        whole(at(to.start, done), part, |more, left| {
            copy(target.wrapping_add(more), page.cast_const().wrapping_add(more), left)
        })
    })
}

/// Copies that are so short do not walk tables: they go by way of the kernel's stack
/// and the other's own translations.
const SHORT: usize = 64;

fn at(start: UserAddr, done: usize) -> UserAddr {
    UserAddr::new(start.get() + done)
}

/// How many bytes both have, if both lie where programs live.
fn judge_both(own: UserBytes, peer: UserBytes) -> Result<usize, Fault> {
    let bytes = own.length.min(peer.length);
    assert!(bytes <= AT_ONCE, "a masked section is short");
    judge(own.start, bytes).map_err(|_| Fault::Own)?;
    judge(peer.start, bytes).map_err(|_| Fault::Peer)?;
    Ok(bytes)
}

/// Does something in the other's space, and comes back.
fn in_other<R>(irq: &IrqOff, other: &UserSpace, f: impl FnOnce() -> R) -> R {
    other.load(irq);
    let result = f();
    stack::enter_own_space(irq);
    result
}

/// Does something with each page of the other's that has some of those bytes.
fn in_pages(
    irq: &IrqOff,
    other: &UserSpace,
    start: UserAddr,
    bytes: usize,
    access: Access,
    mut f: impl FnMut(*mut u8, usize, usize) -> Result<(), Errno>,
) -> Result<(), Fault> {
    let mut done = 0;
    while done < bytes {
        let here = at(start, done);
        let part = (FRAME_SIZE - here.get() % FRAME_SIZE).min(bytes - done);
        let page = other.resolve(irq, here, access).ok_or(Fault::Peer)?;
        f(page, done, part).map_err(|_| Fault::Own)?;
        done += part;
    }
    Ok(())
}

/// Whether a range that a program names could be its: all of it lies where programs
/// live. Of nothing the address is not looked at.
///
/// # Errors
/// EFAULT.
pub fn judge_range(range: UserBytes) -> Result<(), Errno> {
    judge(range.start, range.length)
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
        // What is copied in one piece may end in the next page.
        paging::look_again(at(user, done));
        paging::look_again(at(user, (done + PIECE).min(bytes) - 1));
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
    // SAFETY: one side is a slice of the kernel's, or part of a frame of another
    // program's, which nobody gives back meanwhile (`UserSpace::resolve`); the other
    // lies in the user half, which holds nothing of the kernel's; a fault there ends
    // the copy.
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
