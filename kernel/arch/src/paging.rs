// SPDX-License-Identifier: Apache-2.0
//! Address spaces as harts load them: satp, ASIDs, flushes, and the memory
//! behind the tables. What is mapped where is policy (`core::space`).
//!
//! A hart changes its space only for a thread that runs a program. Threads of
//! the kernel run in whatever space is loaded: the kernel's half is the same in
//! all of them.

use alloc::{
    alloc::{Layout, dealloc},
    boxed::Box,
    vec::Vec,
};
use core::{
    arch::asm,
    ptr::NonNull,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

#[cfg(feature = "bug-frame-dirty")]
use alloc::alloc::alloc as alloc_for_programs;
use alloc::alloc::alloc_zeroed;
#[cfg(not(feature = "bug-frame-dirty"))]
use alloc::alloc::alloc_zeroed as alloc_for_programs;

use skimmer_core::{
    budget::Line,
    frames::{FRAME_SIZE, FrameNumber},
    space::{
        ActiveHarts,
        asid::{Activation, Answer, Flush, HartAsids, SpaceOnHart},
        audit,
        entry::{Access, Entry, Protection},
        pages::UserPages,
        shootdown::Scope,
        tables::{ENTRIES, KERNEL_ENTRIES, TableMemory},
    },
    table::OutOfMemory,
    user::UserAddr,
};
use skimmer_sync::{
    cell::HartCell,
    footprint,
    irq::{HartIndex, IrqOff},
    once::Once,
    tally::{FENCES, SATP_WRITES},
};

use crate::{addr, boot, cpu, irq::masked, stack_memory};

/// `satp.MODE`: Sv39.
const SV39: u64 = 8 << 60;
/// Where the ASID stands in satp.
const ASID_SHIFT: u32 = 44;
const MOST_ASID_BITS: u32 = 16;
/// The bits of satp that name the root.
const ROOT: u64 = (1 << ASID_SHIFT) - 1;
/// Bits of an address that name the byte of a frame, and the entry of a table.
const FRAME_BITS: usize = FRAME_SIZE.ilog2() as usize;
const TABLE_BITS: usize = ENTRIES.ilog2() as usize;

/// One frame.
pub(crate) const FRAME: Layout = match Layout::from_size_align(FRAME_SIZE, FRAME_SIZE) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

/// The machine's memory, through the linear map, as much of it as budgets allow.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinearMemory(Line);

impl LinearMemory {
    /// All of it.
    #[must_use]
    pub const fn new() -> Self {
        Self(Line::none())
    }

    /// What those budgets allow.
    #[must_use]
    pub const fn within(line: Line) -> Self {
        Self(line)
    }
}

/// Frames that address spaces have.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Frames that address spaces have taken and not given back, over all of them.
#[must_use]
pub fn frames_taken() -> usize {
    TAKEN.load(Ordering::Relaxed)
}

fn bytes_of(frame: FrameNumber) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(addr::to_virtual(frame.base()))
}

fn entry_at<'f>(table: FrameNumber, index: usize) -> &'f AtomicU64 {
    assert!(index < FRAME_SIZE / size_of::<u64>(), "a table has 512 entries");
    // SAFETY: inside of the frame.
    let entry = unsafe { bytes_of(table).cast::<u64>().add(index) };
    // SAFETY: policy names frames that it has taken for tables and not given
    // back; all access to their entries is by atomics, the hardware's included.
    unsafe { AtomicU64::from_ptr(entry) }
}

impl TableMemory for LinearMemory {
    fn read(&self, table: FrameNumber, index: usize) -> Entry {
        Entry::from_bits(entry_at(table, index).load(Ordering::Acquire))
    }

    fn write(&mut self, table: FrameNumber, index: usize, entry: Entry) {
        entry_at(table, index).store(entry.bits(), Ordering::Release);
    }

    fn take_zeroed(&mut self) -> Option<FrameNumber> {
        if !self.0.take(1) {
            return None;
        }
        // SAFETY: the layout's size is not zero.
        let Some(block) = NonNull::new(unsafe { alloc_for_programs(FRAME) }) else {
            self.0.give(1);
            return None;
        };
        TAKEN.fetch_add(1, Ordering::Relaxed);
        Some(addr::to_physical(block.expose_provenance().get()).frame())
    }

    fn give_back(&mut self, frame: FrameNumber) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
        self.0.give(1);
        // SAFETY: from `take_zeroed`, and policy gives each back once.
        unsafe { dealloc(bytes_of(frame), FRAME) };
    }

    fn copy_in(&mut self, frame: FrameNumber, offset: usize, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= FRAME_SIZE), "it fits into the frame");
        // SAFETY: inside of the frame.
        let place = unsafe { bytes_of(frame).add(offset) };
        // SAFETY: a frame that policy has taken and not shown to anybody yet.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    }
}

/// What harts know of one space. It can be used again for another, once all of
/// them have forgotten it.
#[derive(Debug)]
pub struct UserSpace {
    /// The number of the root's frame.
    root: AtomicUsize,
    active: ActiveHarts,
    on_hart: Box<[OnHart]>,
}

/// What one hart knows of a space.
#[derive(Debug)]
struct OnHart {
    slot: HartCell<SpaceOnHart>,
    /// Of `slot`, for where it is not opened: the generation of the number, and satp with
    /// it. Written by the slot's hart only, with interrupts masked.
    generation: AtomicU64,
    satp: AtomicU64,
}

impl OnHart {
    fn new(hart: HartIndex) -> Self {
        let slot = HartCell::new(hart, SpaceOnHart::new());
        Self { slot, generation: AtomicU64::new(0), satp: AtomicU64::new(0) }
    }
}

/// What a hart shows itself of its [`Paging`].
#[derive(Debug)]
pub(crate) struct Shown {
    /// Of its numbers; that of no slot until there are any.
    generation: AtomicU64,
    /// What is in satp, once it was set by what is here; or 0.
    satp: AtomicU64,
}

impl Shown {
    pub(crate) const fn new() -> Self {
        Self { generation: AtomicU64::new(u64::MAX), satp: AtomicU64::new(0) }
    }
}

impl UserSpace {
    /// For a space that no hart has loaded yet.
    ///
    /// # Errors
    /// When memory is out.
    pub fn new() -> Result<Self, OutOfMemory> {
        let harts = cpu::harts().len();
        let mut on_hart = Vec::new();
        on_hart.try_reserve_exact(harts).map_err(|_| OutOfMemory)?;
        on_hart.extend(cpu::harts().iter().map(|local| OnHart::new(local.index())));
        let active = ActiveHarts::new(harts).ok_or(OutOfMemory)?;
        Ok(Self { root: AtomicUsize::new(0), active, on_hart: on_hart.into_boxed_slice() })
    }

    /// Bytes of the heap that it takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        footprint::array::<OnHart>(self.on_hart.len()) + self.active.footprint()
    }

    /// Makes it that of the space with that root.
    ///
    /// # Panics
    /// When a hart still holds something of the one before.
    pub fn set_root(&self, root: FrameNumber) {
        self.active.look(|hart| panic!("hart {hart} holds the space that was here before"));
        // Harts learn of it through whatever gives them its first thread.
        self.root.store(root.get(), Ordering::Relaxed);
    }

    fn root(&self) -> FrameNumber {
        FrameNumber::new(self.root.load(Ordering::Relaxed))
    }

    /// The harts that may hold translations of it.
    #[must_use]
    pub const fn active(&self) -> &ActiveHarts {
        &self.active
    }

    #[inline]
    fn here(&self, irq: &IrqOff) -> &OnHart {
        &self.on_hart[irq.hart().index()]
    }

    /// What this hart knows of it, if it has a number for it that is good: then it is one
    /// of those that may hold translations, and nothing is to be flushed as it loads the
    /// space. Nothing of that changes while interrupts are masked but by this hart.
    #[inline]
    fn known(&self, irq: &IrqOff, shown: &Shown) -> Option<&OnHart> {
        let here = self.here(irq);
        let is_good =
            here.generation.load(Ordering::Relaxed) == shown.generation.load(Ordering::Relaxed);
        is_good.then_some(here)
    }

    /// Makes this hart forget, as the shootdown of this space asks.
    pub fn forget(&self, scope: Scope) {
        masked(|irq| {
            while let Some(again) = self.answer(irq, scope) {
                again.load(irq);
            }
        });
    }

    /// Does what is to be done; or says which space to change to first.
    fn answer(&self, irq: &IrqOff, scope: Scope) -> Option<&'static Self> {
        let here = self.here(irq);
        let loaded = cpu::local().shown.satp.load(Ordering::Relaxed);
        let is_loaded = loaded & ROOT == self.root().get() as u64;
        let answer = cpu::with_paging(irq, |paging| {
            here.slot.with(irq, |slot| {
                let answer = paging.asids.answer(slot, &self.active, scope, is_loaded);
                here.generation.store(slot.generation(), Ordering::Relaxed);
                answer
            })
        });
        match answer {
            Answer::Acknowledge => None,
            Answer::Flush(asid, pages) => {
                flush_pages(asid, pages);
                None
            }
            Answer::ChangeAway => Some(kernel_space()),
        }
    }

    /// Where the byte at that address is for who may do that there, of a space whose
    /// threads cannot all end meanwhile: one of them is blocked in the caller's hands.
    ///
    /// The hart counts as one that may hold translations of the space, as if its own
    /// walk had found the page: so the frame is not given back before this masked
    /// section is over.
    #[inline(always)]
    #[must_use]
    pub(crate) fn resolve(&self, irq: &IrqOff, at: UserAddr, access: Access) -> Option<*mut u8> {
        if self.known(irq, &cpu::local().shown).is_none() {
            self.look_into(irq);
        }
        let table = |table: FrameNumber, level: usize| {
            let place = at.get() >> (FRAME_BITS + TABLE_BITS * level) & (ENTRIES - 1);
            LinearMemory::new().read(table, place)
        };
        let second = Some(table(self.root(), 2)).filter(|entry| entry.leads_on())?;
        let first = Some(table(second.frame(), 1)).filter(|entry| entry.leads_on())?;
        let page = Some(table(first.frame(), 0)).filter(|entry| entry.lets_program(access))?;
        // SAFETY: inside of the frame.
        Some(unsafe { bytes_of(page.frame()).add(at.get() % FRAME_SIZE) })
    }

    #[cold]
    fn look_into(&self, irq: &IrqOff) {
        cpu::with_paging(irq, |paging| {
            self.here(irq).slot.with(irq, |slot| paging.asids.look_into(slot, &self.active));
        });
    }

    /// Changes this hart to the space, unless it is in it.
    #[inline]
    pub(crate) fn load(&self, irq: &IrqOff) {
        let shown = &cpu::local().shown;
        let Some(here) = self.known(irq, shown) else { return self.load_anew(irq) };
        let satp = here.satp.load(Ordering::Relaxed);
        if shown.satp.load(Ordering::Relaxed) != satp {
            shown.satp.store(satp, Ordering::Relaxed);
            SATP_WRITES.count();
            write_satp(satp);
        }
    }

    /// What the caller is to write to satp in this masked section, in place of
    /// [`load`](Self::load); it counts as written. None if more is to be done.
    #[inline]
    pub(crate) fn load_later(&self, irq: &IrqOff) -> Option<u64> {
        let shown = &cpu::local().shown;
        let satp = self.known(irq, shown)?.satp.load(Ordering::Relaxed);
        shown.satp.store(satp, Ordering::Relaxed);
        SATP_WRITES.count();
        Some(satp)
    }

    #[cold]
    fn load_anew(&self, irq: &IrqOff) {
        let here = self.here(irq);
        let shown = &cpu::local().shown;
        let (change, generation) = cpu::with_paging(irq, |paging| {
            let change = here.slot.with(irq, |slot| paging.asids.activate(slot, &self.active));
            (change, paging.asids.generation())
        });
        let satp = SV39 | u64::from(change.asid) << ASID_SHIFT | self.root().get() as u64;
        shown.generation.store(generation, Ordering::Relaxed);
        here.generation.store(generation, Ordering::Relaxed);
        here.satp.store(satp, Ordering::Relaxed);
        shown.satp.store(satp, Ordering::Relaxed);
        SATP_WRITES.count();
        write_satp(satp);
        flush(change);
    }
}

/// What a hart knows of address spaces.
#[derive(Debug)]
pub(crate) struct Paging {
    asids: HartAsids,
}

impl Paging {
    pub(crate) const fn new(hart: HartIndex) -> Self {
        Self { asids: HartAsids::new(hart, 0) }
    }

    /// Learns how many bits of an ASID this hart keeps.
    pub(crate) fn begin(&mut self, hart: HartIndex) {
        self.asids = HartAsids::new(hart, asid_bits());
    }
}

static KERNEL: Once<UserSpace> = Once::new();

/// The kernel's own space: its half, and nothing in the other.
fn kernel_space() -> &'static UserSpace {
    match KERNEL.get() {
        Some(space) => space,
        None => unreachable!("it is made before there are others"),
    }
}

/// Prepares for other spaces. Once, after the harts are published.
///
/// # Errors
/// When memory is out.
pub fn begin() -> Result<(), OutOfMemory> {
    let space = UserSpace::new()?;
    space.set_root(boot::root().frame());
    match KERNEL.set(Box::new(space)) {
        Ok(_) => Ok(()),
        Err(_) => unreachable!("called once"),
    }
}

/// A zeroed table for the kernel's half. Not one of the frames of spaces.
///
/// # Errors
/// When memory is out.
pub(crate) fn kernel_table() -> Result<FrameNumber, OutOfMemory> {
    // SAFETY: the layout's size is not zero.
    let block = NonNull::new(unsafe { alloc_zeroed(FRAME) }).ok_or(OutOfMemory)?;
    Ok(addr::to_physical(block.expose_provenance().get()).frame())
}

/// Takes one back that no entry has ever named.
pub(crate) fn give_back_kernel_table(table: FrameNumber) {
    // SAFETY: from `kernel_table`, and nobody has seen it.
    unsafe { dealloc(bytes_of(table), FRAME) };
}

/// Gives the kernel's half its final form, before other harts load it or
/// processes copy it: `memory` bytes is what the heap has.
///
/// # Errors
/// When memory is out.
///
/// # Panics
/// When a page is not as it should be.
pub fn complete(memory: u64) -> Result<(), OutOfMemory> {
    protect_linear_image()?;
    stack_memory::begin(memory)?;
    // SAFETY: forgets translations, those of global pages too.
    unsafe { asm!("sfence.vma") };
    assert!(is_kernel_half_sound(), "a kernel page is writable and executable");
    Ok(())
}

/// Takes the right to write text and constants away in the linear map, too. The
/// gigapages in question become pages of 2 MiB, where the image's kinds of
/// memory begin and end (kernel.ld).
fn protect_linear_image() -> Result<(), OutOfMemory> {
    const GIGAPAGE: usize = 1 << 18;
    let constant = addr::constant_image();
    let (start, end) = (constant.start.frame().get(), constant.end.frame().get());
    // The image's first address is where it was loaded, at such a boundary.
    assert!((start | end).is_multiple_of(ENTRIES), "text and constants fill pages of 2 MiB");
    for gigapage in start / GIGAPAGE..end.div_ceil(GIGAPAGE) {
        let table = kernel_table()?;
        for place in 0..ENTRIES {
            let frame = gigapage * GIGAPAGE + place * ENTRIES;
            let is_constant = (start..end).contains(&frame);
            let protection = if is_constant { Protection::ReadOnly } else { Protection::ReadWrite };
            let entry = Entry::kernel(FrameNumber::new(frame), protection);
            LinearMemory::new().write(table, place, entry);
        }
        let entry = Entry::table(table);
        LinearMemory::new().write(boot::root().frame(), KERNEL_ENTRIES + gigapage, entry);
    }
    Ok(())
}

/// Whether every page of the kernel's half is the kernel's, and none is both
/// writable and executable.
#[must_use]
pub fn is_kernel_half_sound() -> bool {
    audit::kernel_half(&LinearMemory::new(), boot::root().frame()).is_ok()
}

/// The kernel's half of every root.
#[must_use]
pub fn kernel_half() -> [Entry; KERNEL_ENTRIES] {
    let root = boot::root().frame();
    core::array::from_fn(|place| {
        Entry::from_bits(entry_at(root, KERNEL_ENTRIES + place).load(Ordering::Relaxed))
    })
}

#[inline]
fn write_satp(satp: u64) {
    // SAFETY: the kernel's half is the same in every root.
    unsafe { asm!("csrw satp, {}", in(reg) satp) };
}

fn flush(change: Activation) {
    match change.flush {
        Flush::None => {}
        Flush::Walks => {
            FENCES.count();
            // SAFETY: forgets translations, and instructions fetched before.
            unsafe { asm!("sfence.vma zero, {}", "fence.i", in(reg) u64::from(change.asid)) };
        }
        Flush::All => {
            FENCES.count();
            // SAFETY: as above.
            unsafe { asm!("sfence.vma", "fence.i") };
        }
    }
}

/// Pages that are flushed one by one; more are flushed with all of their space.
const FEW: usize = 32;

fn flush_pages(asid: u16, pages: UserPages) {
    let asid = u64::from(asid);
    if pages.count() > FEW {
        FENCES.count();
        // SAFETY: forgets translations.
        unsafe { asm!("sfence.vma zero, {}", in(reg) asid) };
        return;
    }
    for page in pages.iter() {
        FENCES.count();
        // SAFETY: forgets translations.
        unsafe { asm!("sfence.vma {}, {}", in(reg) page.base().get(), in(reg) asid) };
    }
}

/// What is in satp is not known: whatever comes next is written.
pub(crate) fn forget_loaded() {
    cpu::local().shown.satp.store(0, Ordering::Relaxed);
}

/// Makes this hart walk the tables anew for an address of the program that runs.
pub fn look_again(address: UserAddr) {
    // SAFETY: forgets translations.
    unsafe { asm!("sfence.vma {}, zero", in(reg) address.get()) };
}

/// How many bits of an ASID satp keeps (Privileged Architecture, "satp").
fn asid_bits() -> u32 {
    let ones = ((1_u64 << MOST_ASID_BITS) - 1) << ASID_SHIFT;
    let (before, kept): (u64, u64);
    // SAFETY: the same root under another number, and back; what was cached
    // under it is forgotten.
    unsafe {
        asm!(
            "csrrs {before}, satp, {ones}",
            "csrr {kept}, satp",
            "csrw satp, {before}",
            "sfence.vma",
            before = out(reg) before,
            kept = out(reg) kept,
            ones = in(reg) ones,
        )
    };
    ((kept ^ before) & ones).count_ones()
}
