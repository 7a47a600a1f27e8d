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
global_asm!(include_str!("copy.S"), include_str!("user_copy.S"), include_str!("memcpy.S"));

unsafe extern "C" {
    fn skimmer_copy(to: *mut u8, from: *const u8, bytes: usize) -> usize;
    /// Where a copy that faulted goes on.
    fn skimmer_copy_fault();
    /// Returns whether it has faulted.
    fn skimmer_pass(to: usize, from: usize, bytes: usize, satp: u64) -> usize;
    fn skimmer_pass_fault();
}

/// The most bytes that the routine copies before it counts them.
const PIECE: usize = 512;

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
/// Up to [`SHORT`] the other's space is loaded for a moment, and no table is walked.
///
/// # Errors
/// Whose memory was bad; a part may have been copied.
pub fn give(irq: &IrqOff, from: UserBytes, other: &UserSpace, to: UserBytes) -> Result<(), Fault> {
    let bytes = judge_both(from, to)?;
    if bytes == 0 {
        return Ok(());
    }
    if bytes <= SHORT {
        pass(irq, from, other, to)?;
        stack::enter_own_space(irq);
        return Ok(());
    }
    if !is_in_one_page(to.start, bytes) {
        return by_pages(from.start, to.start, bytes, |from, to| give(irq, from, other, to));
    }
    let page = other.resolve(irq, to.start, Access::Write).ok_or(Fault::Peer)?;
    let source = core::ptr::without_provenance::<u8>(from.start.get());
    whole(from.start, bytes, |done, left| {
        copy(page.wrapping_add(done), source.wrapping_add(done), left)
    })
    .map_err(|_| Fault::Own)
}

/// Copies to the memory of the program that runs from that of another, likewise.
///
/// # Errors
/// As [`give`].
pub fn fetch(irq: &IrqOff, other: &UserSpace, from: UserBytes, to: UserBytes) -> Result<(), Fault> {
    let bytes = judge_both(to, from)?;
    if bytes <= SHORT {
        return fetch_short(irq, other, from.start, to.start, bytes);
    }
    if !is_in_one_page(from.start, bytes) {
        return by_pages(to.start, from.start, bytes, |to, from| fetch(irq, other, from, to));
    }
    let page = other.resolve(irq, from.start, Access::Read).ok_or(Fault::Peer)?;
    let target = core::ptr::without_provenance_mut::<u8>(to.start.get());
    whole(to.start, bytes, |done, left| {
        copy(target.wrapping_add(done), page.cast_const().wrapping_add(done), left)
    })
    .map_err(|_| Fault::Own)
}

fn fetch_short(
    irq: &IrqOff,
    other: &UserSpace,
    from: UserAddr,
    to: UserAddr,
    bytes: usize,
) -> Result<(), Fault> {
    if bytes == 0 {
        return Ok(());
    }
    let mut buffer = [0; SHORT];
    let buffer = &mut buffer[..bytes];
    other.load(irq);
    let fetched = read(buffer, from);
    stack::enter_own_space(irq);
    fetched.map_err(|_| Fault::Peer)?;
    write(to, buffer).map_err(|_| Fault::Own)
}

/// The most bytes that [`pass`] copies.
pub const SHORT: usize = 64;

/// What [`pass`] copies in registers goes in these.
const WORD: usize = size_of::<u64>();

/// Copies likewise as [`give`], at most [`SHORT`] bytes, and leaves the other's space
/// loaded: the hart is about to go on with a thread of it.
///
/// What was copied may be in any register that a call need not keep, and no more of the
/// caller's than that: who goes to U-mode from here gives the other thread its own, or 0.
///
/// # Errors
/// Whose memory was bad; a part may have been copied. The caller's space is loaded.
#[inline(always)]
pub fn pass(irq: &IrqOff, from: UserBytes, other: &UserSpace, to: UserBytes) -> Result<(), Fault> {
    let bytes = from.length.min(to.length);
    if bytes == 0 {
        other.load(irq);
        return Ok(());
    }
    let are_words = (from.start.get() | to.start.get() | bytes).is_multiple_of(WORD);
    let are_users = end(from.start, bytes).max(end(to.start, bytes)) <= LOWER_HALF_END;
    if are_words
        && are_users
        && bytes <= SHORT
        && let Some(satp) = other.load_later(irq)
    {
        // SAFETY: both lie in the user half, which holds nothing of the kernel's; the
        // kernel's half is the same in every root; a fault ends the routine.
        let has_faulted = unsafe { skimmer_pass(to.start.get(), from.start.get(), bytes, satp) };
        if has_faulted == 0 {
            return Ok(());
        }
        // Be it before satp was written or after.
        stack::enter_own_space_anew(irq);
    }
    pass_by_buffer(irq, (from.start, to.start), other, bytes)
}

/// One past the last of those bytes; of what wraps, past all.
#[inline]
const fn end(start: UserAddr, bytes: usize) -> usize {
    start.get().saturating_add(bytes)
}

/// The same in whatever bytes, or after a fault: by way of the kernel's stack.
#[cold]
#[inline(never)]
fn pass_by_buffer(
    irq: &IrqOff,
    (from, to): (UserAddr, UserAddr),
    other: &UserSpace,
    bytes: usize,
) -> Result<(), Fault> {
    assert!(bytes <= SHORT, "it is for short copies");
    let mut buffer = [0; SHORT];
    let buffer = &mut buffer[..bytes];
    read(buffer, from).map_err(|_| Fault::Own)?;
    other.load(irq);
    let written = write(to, buffer);
    if written.is_err() {
        stack::enter_own_space(irq);
    }
    written.map_err(|_| Fault::Peer)
}

fn at(start: UserAddr, done: usize) -> UserAddr {
    UserAddr::new(start.get() + done)
}

/// How many bytes both have, if both lie where programs live. Of nothing the addresses
/// are not looked at.
#[inline]
fn judge_both(own: UserBytes, peer: UserBytes) -> Result<usize, Fault> {
    let bytes = own.length.min(peer.length);
    assert!(bytes <= AT_ONCE, "a masked section is short");
    let last = LOWER_HALF_END - bytes;
    if bytes == 0 || own.start.get().max(peer.start.get()) <= last {
        return Ok(bytes);
    }
    Err(if own.start.get() > last { Fault::Own } else { Fault::Peer })
}

/// Whether all of them are in one page. Of nothing, all is.
#[inline]
fn is_in_one_page(start: UserAddr, bytes: usize) -> bool {
    bytes <= FRAME_SIZE - start.get() % FRAME_SIZE
}

/// Copies piece by piece, each in one page of the other's.
#[cold]
fn by_pages(
    own: UserAddr,
    peer: UserAddr,
    bytes: usize,
    mut copy: impl FnMut(UserBytes, UserBytes) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut done = 0;
    while done < bytes {
        let here = at(peer, done).get();
        let part = (FRAME_SIZE - here % FRAME_SIZE).min(bytes - done);
        copy(UserBytes::new(at(own, done).get(), part), UserBytes::new(here, part))?;
        done += part;
    }
    Ok(())
}

/// Whether a range that a program names could be its: all of it lies where programs
/// live. Of nothing the address is not looked at.
///
/// # Errors
/// EFAULT.
#[inline(always)]
pub fn judge_range(range: UserBytes) -> Result<(), Errno> {
    judge(range.start, range.length)
}

/// Whether all of it lies where programs live. Whether it is there is seen when
/// it is touched.
#[inline(always)]
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
#[inline]
fn whole(
    user: UserAddr,
    bytes: usize,
    mut some: impl FnMut(usize, usize) -> usize,
) -> Result<(), Errno> {
    let left = some(0, bytes);
    if left == 0 { Ok(()) } else { rest(user, bytes, left, some) }
}

#[cold]
#[inline(never)]
fn rest(
    user: UserAddr,
    bytes: usize,
    mut left: usize,
    mut some: impl FnMut(usize, usize) -> usize,
) -> Result<(), Errno> {
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

/// Where a trap in the kernel goes on, if it is a page fault of a routine that copies.
pub(crate) fn resume(frame: &TrapFrame) -> Option<u64> {
    let routines = [
        (skimmer_copy as *const (), skimmer_copy_fault as *const ()),
        (skimmer_pass as *const (), skimmer_pass_fault as *const ()),
    ];
    let is_page_fault = matches!(frame.scause, cause::LOAD_PAGE_FAULT | cause::STORE_PAGE_FAULT);
    let is_users = (frame.stval as usize) < LOWER_HALF_END;
    if !is_page_fault || !is_users {
        return None;
    }
    let sepc = frame.sepc as usize;
    let routine = routines.iter().find(|(begin, end)| (begin.addr()..end.addr()).contains(&sepc));
    routine.map(|(_, fault)| fault.addr() as u64)
}
