// SPDX-License-Identifier: Apache-2.0
//! The memory of kernel stacks: a part of the kernel's half of its own, in which
//! nothing is ever mapped below a stack.
//!
//! A stack's number times 32 KiB is where it begins. The 16 KiB below it are its
//! guard, and no table ever has an entry for them: what runs off a stack faults
//! (law canaries-everywhere). Bit 14 of an address tells a guard from a stack,
//! and trap.S looks at it in the stack pointer, for the fault's own frame would
//! have to go where it faulted. A frame is smaller than a guard, so none steps
//! over it.
//!
//! A stack that is freed stays mapped and is used for the next one. When too many
//! are kept, [`trim`] gives most back to the heap: it takes their entries away, has
//! every hart fence ([`crate::rounds`]), and only then frees what was behind them
//! and lets their places be mapped again. So no hart ever has an old entry of a
//! place that is used. But it may keep that an entry was invalid (Privileged
//! Architecture, "Supervisor Memory-Management Fence Instruction": it may cache an
//! invalid entry unless it has Svvptc). Three things answer that:
//!
//! - Who maps a stack fences here, and counts it in `MAPPED`.
//! - A hart that adopts a thread, or takes a stack for one, fences if something
//!   was mapped since it last did (`see_new`). The entries were written before
//!   the count, and the fence orders them before every later walk of this hart.
//!   So no hart switches to a stack that it may not see. That is a must: a fault
//!   there would have no stack to be handled on.
//! - Whoever else reads a stack stands on another one, which it sees: it faults,
//!   the table says that there is a page, and the trap fences and goes back
//!   (`shows_now`).

use alloc::alloc::{Layout, alloc, dealloc};
use core::{
    arch::asm,
    num::NonZeroUsize,
    ops::Range,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

use skimmer_core::{
    frames::{FRAME_SIZE, FrameNumber, PhysAddr},
    space::{
        entry::{Entry, Meaning, Protection},
        tables::TableMemory,
    },
    table::OutOfMemory,
};
use skimmer_sync::{footprint, lock::SpinLock};

use crate::{
    addr, boot, cpu,
    irq::masked,
    off_times,
    paging::{self, LinearMemory},
    rounds, shortage,
    stack::STACK_SIZE,
    trap::cause,
};

/// From one stack to the next: a stack, and the guard of the one behind it.
const STEP: usize = 2 * STACK_SIZE;

const GIGAPAGE: usize = 1 << 30;

/// Entries of the root that the region has at the most: 2,097,151 stacks.
const GIGAPAGES: usize = 64;

/// The region. It begins with a guard in the place of a stack.
const REGION: Range<usize> = addr::LINEAR_END..addr::LINEAR_END + GIGAPAGES * GIGAPAGE;

/// A stack's frames are one block: its addresses are in a row in the linear map
/// as well, and firmware can be given a buffer on it.
pub(crate) const LAYOUT: Layout = match Layout::from_size_align(STACK_SIZE, STACK_SIZE) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

const FRAMES: usize = STACK_SIZE / FRAME_SIZE;

// The root's entries for the region end before the one of the image.
const _: () = assert!(REGION.end == addr::LINEAR_BASE + (254 << 30));
const _: () = assert!(REGION.start.is_multiple_of(STEP));

/// So many stacks that nobody uses are kept at the least once there were more:
/// mapping one costs a fence on every hart.
const KEPT: usize = 64;

/// The places of stacks.
struct Stacks {
    /// The number of the first that was never mapped.
    next: usize,
    /// Where the tables of the root's entries end.
    end: usize,
    /// Tables below those.
    tables: usize,
    /// A stack that nobody uses; its first word names the next one.
    free: Option<NonZeroUsize>,
    free_count: usize,
    /// The number of a place whose stack was given back; a note in its first entry
    /// names the next one.
    bare: Option<NonZeroUsize>,
    bare_count: usize,
}

static STACKS: SpinLock<Stacks> = SpinLock::new(Stacks {
    next: 1,
    end: 0,
    tables: 0,
    free: None,
    free_count: 0,
    bare: None,
    bare_count: 0,
});

/// How many stacks were ever mapped.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// A stack without entries. `frames` are nobody's once no hart holds them.
struct Unmapped {
    number: usize,
    frames: FrameNumber,
}

/// How an attempt to map a stack ends.
enum Attempt {
    Mapped(usize),
    NoTable,
    Full,
}

impl Stacks {
    fn pop(&mut self) -> Option<NonNull<u8>> {
        let stack = NonNull::with_exposed_provenance(self.free?);
        // SAFETY: `push` wrote it, and nobody has used the stack since.
        self.free = unsafe { stack.cast::<Option<NonZeroUsize>>().read() };
        self.free_count -= 1;
        Some(stack)
    }

    /// # Safety
    /// A stack from `take` that nobody uses any more.
    unsafe fn push(&mut self, stack: NonNull<u8>) {
        // SAFETY: the caller's promise.
        unsafe { stack.cast::<Option<NonZeroUsize>>().write(self.free) };
        self.free = Some(stack.expose_provenance());
        self.free_count += 1;
    }

    /// Takes the entries of a stack away that nobody uses, if more than `KEPT` are
    /// there. Harts may hold them still.
    fn unmap(&mut self) -> Option<Unmapped> {
        if self.free_count <= KEPT {
            return None;
        }
        let address = self.pop()?.addr().get();
        let (last, place) = place_of(address)?;
        let Meaning::Kernel(frames, _) = LinearMemory::new().read(last, place).meaning() else {
            unreachable!("a stack that is free is mapped")
        };
        for page in 0..FRAMES {
            LinearMemory::new().write(last, place + page, Entry::EMPTY);
        }
        Some(Unmapped { number: (address - REGION.start) / STEP, frames })
    }

    /// Lets a place be mapped again: no hart holds its old entries.
    fn make_bare(&mut self, number: usize) {
        let next = self.bare.map_or(0, NonZeroUsize::get);
        if let Some((last, place)) = place_of(REGION.start + number * STEP) {
            LinearMemory::new().write(last, place, Entry::note(next as u64));
        }
        self.bare = NonZeroUsize::new(number);
        self.bare_count += 1;
    }

    /// Maps a bare place to `frames`, if there is one.
    fn map_bare(&mut self, frames: FrameNumber) -> Option<usize> {
        let address = REGION.start + self.bare?.get() * STEP;
        let (last, place) = place_of(address)?;
        let Meaning::Note(next) = LinearMemory::new().read(last, place).meaning() else {
            unreachable!("a bare place names the next one")
        };
        self.bare = NonZeroUsize::new(next as usize);
        self.bare_count -= 1;
        write_entries(last, place, frames);
        Some(address)
    }

    /// Maps the next stack to `frames`, with `spare` as a table if one is
    /// wanting.
    fn map(&mut self, frames: FrameNumber, spare: &mut Option<FrameNumber>) -> Attempt {
        if let Some(address) = self.map_bare(frames) {
            return Attempt::Mapped(address);
        }
        let address = REGION.start + self.next * STEP;
        if address >= self.end {
            return Attempt::Full;
        }
        let middle = table(boot::root().frame(), index(address, 2));
        let Some(middle) = middle else { return Attempt::Full };
        let place = index(address, 1);
        let is_new = table(middle, place).is_none();
        let Some(last) = table(middle, place).or_else(|| spare.take()) else {
            return Attempt::NoTable;
        };
        self.tables += usize::from(is_new);
        write_entries(last, index(address, 0), frames);
        LinearMemory::new().write(middle, place, Entry::table(last));
        self.next += 1;
        Attempt::Mapped(address)
    }
}

/// The place of an address's entry in its table of that level.
const fn index(address: usize, level: u32) -> usize {
    address >> (12 + 9 * level) & 511
}

/// The table that an entry names.
fn table(of: FrameNumber, place: usize) -> Option<FrameNumber> {
    match LinearMemory::new().read(of, place).meaning() {
        Meaning::Table(table) => Some(table),
        _ => None,
    }
}

/// The table of the last level for an address, and the address's place in it.
fn place_of(address: usize) -> Option<(FrameNumber, usize)> {
    let middle = table(boot::root().frame(), index(address, 2))?;
    Some((table(middle, index(address, 1))?, index(address, 0)))
}

fn write_entries(last: FrameNumber, place: usize, frames: FrameNumber) {
    for page in 0..FRAMES {
        let entry = Entry::kernel(FrameNumber::new(frames.get() + page), Protection::ReadWrite);
        LinearMemory::new().write(last, place + page, entry);
    }
}

/// Makes the tables that the root names, before anybody has a copy of it: for as
/// many stacks as `memory` bytes of memory can hold. Once, at boot.
///
/// # Errors
/// When memory is out.
pub(crate) fn begin(memory: u64) -> Result<(), OutOfMemory> {
    let bytes = usize::try_from(memory).unwrap_or(usize::MAX).saturating_mul(STEP / STACK_SIZE);
    let count = bytes.div_ceil(GIGAPAGE).clamp(1, GIGAPAGES);
    for gigapage in 0..count {
        let place = index(REGION.start + gigapage * GIGAPAGE, 2);
        let table = Entry::table(paging::kernel_table()?);
        LinearMemory::new().write(boot::root().frame(), place, table);
    }
    masked(|irq| off_times::lock(&STACKS, irq).end = REGION.start + count * GIGAPAGE);
    Ok(())
}

/// A stack's memory, aligned to its size, mapped here and wherever a hart looks
/// at `see_new`.
///
/// # Errors
/// When memory is out, or the region is full.
pub(crate) fn take() -> Result<NonNull<u8>, OutOfMemory> {
    see_new();
    // One that is used again takes no memory, and can be refused all the same.
    if shortage::refuses(LAYOUT) {
        return Err(OutOfMemory);
    }
    match masked(|irq| off_times::lock(&STACKS, irq).pop()) {
        Some(stack) => Ok(stack),
        None => map_new(),
    }
}

/// Takes the memory back.
///
/// # Safety
/// From `take`, and nobody uses it any more.
pub(crate) unsafe fn give_back(stack: NonNull<u8>) {
    // SAFETY: the caller's promise.
    masked(|irq| unsafe { off_times::lock(&STACKS, irq).push(stack) });
}

/// Gives stacks that nobody uses back to the heap, if many are kept. For that
/// `ask` has every hart pass ([`crate::rounds::pass`]), and may block.
pub fn trim(ask: impl FnOnce()) {
    let is_due = masked(|irq| off_times::lock(&STACKS, irq).free_count >= 2 * KEPT);
    let mut first = None;
    while let Some(stack) = is_due.then(unmap_one).flatten() {
        first = Some(stack.chain(first));
    }
    if first.is_some() {
        rounds::see_all(ask);
    }
    while let Some(block) = first {
        // SAFETY: `chain` wrote it, and the block is ours.
        let Chained { next, number } = unsafe { block.read() };
        masked(|irq| off_times::lock(&STACKS, irq).make_bare(number));
        // SAFETY: `map_new` had it from `alloc` with this layout. Nobody uses it,
        // and no hart holds an entry for it since the round.
        unsafe { dealloc(block.as_ptr().cast(), LAYOUT) };
        first = next;
    }
}

fn unmap_one() -> Option<Unmapped> {
    masked(|irq| off_times::lock(&STACKS, irq).unmap())
}

/// What stands in an unmapped stack's memory until it is freed.
struct Chained {
    next: Option<NonNull<Self>>,
    number: usize,
}

impl Unmapped {
    /// Puts it before others, through the linear map.
    fn chain(self, next: Option<NonNull<Chained>>) -> NonNull<Chained> {
        let address = NonZeroUsize::new(addr::to_virtual(self.frames.base()));
        let Some(address) = address else { unreachable!("the linear map does not begin at 0") };
        let block = NonNull::<Chained>::with_exposed_provenance(address);
        // SAFETY: the stack was free and has been taken out: its memory is ours.
        unsafe { block.write(Chained { next, number: self.number }) };
        block
    }
}

/// Bytes of the heap that stacks take, whether a thread has them or not, with
/// the tables that show them.
#[must_use]
pub fn footprint() -> usize {
    let (stacks, tables) = masked(|irq| {
        let stacks = off_times::lock(&STACKS, irq);
        (stacks.next - 1 - stacks.bare_count, stacks.tables)
    });
    stacks * footprint::block(LAYOUT) + tables * footprint::block(paging::FRAME)
}

fn map_new() -> Result<NonNull<u8>, OutOfMemory> {
    // SAFETY: the layout's size is not zero.
    let block = NonNull::new(unsafe { alloc(LAYOUT) }).ok_or(OutOfMemory)?;
    let frames = addr::to_physical(block.expose_provenance().get()).frame();
    let mut spare = None;
    let mapped = loop {
        match masked(|irq| off_times::lock(&STACKS, irq).map(frames, &mut spare)) {
            Attempt::Mapped(address) => break Some(address),
            Attempt::Full => break None,
            // Memory is asked for outside of the lock.
            Attempt::NoTable => match paging::kernel_table() {
                Ok(table) => spare = Some(table),
                Err(OutOfMemory) => break None,
            },
        }
    };
    if let Some(table) = spare {
        // Somebody else's table came first.
        paging::give_back_kernel_table(table);
    }
    let Some(stack) = mapped.and_then(NonZeroUsize::new) else {
        // SAFETY: from `alloc` with this layout; it was not mapped.
        unsafe { dealloc(block.as_ptr(), LAYOUT) };
        return Err(OutOfMemory);
    };
    MAPPED.fetch_add(1, Ordering::Release);
    see_new();
    Ok(NonNull::with_exposed_provenance(stack))
}

/// Makes this hart see every stack that was mapped before.
pub(crate) fn see_new() {
    let mapped = MAPPED.load(Ordering::Acquire);
    let seen = cpu::stacks_seen();
    if seen.load(Ordering::Relaxed) != mapped {
        fence();
        // If another thread of this hart was here meanwhile, the older number
        // may win: then there is one fence too many.
        seen.store(mapped, Ordering::Relaxed);
    }
}

pub(crate) fn fence() {
    // With no ASID: kernel pages are global.
    // SAFETY: forgets translations.
    unsafe { asm!("sfence.vma") };
}

/// Whether what a page fault found missing is a page of a stack that is there
/// after all. Then this hart sees it now.
#[cold]
pub(crate) fn shows_now(scause: u64, stval: u64) -> bool {
    let address = usize::try_from(stval).unwrap_or(0);
    let is_there = matches!(scause, cause::LOAD_PAGE_FAULT | cause::STORE_PAGE_FAULT)
        && physical(address).is_some();
    if is_there {
        fence();
    }
    is_there
}

/// Whether `address` is where stacks and guards are.
pub(crate) fn is_in_region(address: usize) -> bool {
    REGION.contains(&address)
}

/// Of an address in a guard: the low end of the stack above it.
pub(crate) fn above_guard(address: usize) -> usize {
    let is_guard = is_in_region(address) && address & STACK_SIZE != 0;
    if is_guard { address.next_multiple_of(STEP) } else { address }
}

/// The physical address behind an address on a stack; none in a guard.
pub(crate) fn physical(address: usize) -> Option<PhysAddr> {
    if !is_in_region(address) {
        return None;
    }
    let (last, place) = place_of(address)?;
    match LinearMemory::new().read(last, place).meaning() {
        Meaning::Kernel(frame, _) => Some(PhysAddr::new(frame.base().get() + address % FRAME_SIZE)),
        _ => None,
    }
}
