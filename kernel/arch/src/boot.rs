// SPDX-License-Identifier: Apache-2.0
//! From firmware to Rust: the boot page tables, the first stack, the start of
//! the other harts. Beside boot.S.

use alloc::boxed::Box;
use core::{
    arch::{asm, global_asm},
    cell::UnsafeCell,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering},
};

use crate::{
    addr, cpu, sbi,
    stack::{Beginning, STACK_SIZE},
    trap,
};

global_asm!(
    include_str!("boot.S"),
    bug_bss_args = const cfg!(feature = "bug-bss-args") as u8,
);

unsafe extern "C" {
    fn _start();
    fn _start_secondary();
    static __image_start: u8;
}

const ENTRIES: usize = 512;
const GIGAPAGES: usize = addr::LINEAR_GIGAPAGES;
/// Leaf entry: dirty, accessed, global, writable, readable, valid.
const LINEAR_LEAF: usize = 0b1110_0111;

/// A page table while boot.S fills it; afterwards only the hardware reads it.
#[repr(C, align(4096))]
struct BootTable([AtomicUsize; ENTRIES]);

const fn linear_root() -> BootTable {
    let mut table = [const { AtomicUsize::new(0) }; ENTRIES];
    let mut gigapage = 0;
    while gigapage < GIGAPAGES {
        // The page number of a gigapage is a multiple of 2^18; it stands at bit 10.
        table[ENTRIES / 2 + gigapage] = AtomicUsize::new(gigapage << 28 | LINEAR_LEAF);
        gigapage += 1;
    }
    BootTable(table)
}

/// Where the named bug puts what firmware passed: into .bss.
#[cfg(feature = "bug-bss-args")]
#[unsafe(no_mangle)]
static SKIMMER_LOST_ARGS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

#[unsafe(no_mangle)]
static SKIMMER_BOOT_ROOT: BootTable = linear_root();

#[unsafe(no_mangle)]
static SKIMMER_BOOT_KERNEL_TABLE: BootTable = BootTable([const { AtomicUsize::new(0) }; ENTRIES]);

/// Bytes of the boot stack: device trees are walked on it, before there is a
/// heap to put anything else on.
const BOOT_STACK_SIZE: usize = 4 * STACK_SIZE;

/// The lowest word of the boot stack, as long as nothing ran off it.
const BOOT_CANARY: u64 = 0xb007_57ac_c0de_ca11;

#[repr(C, align(16384))]
struct BootStack(UnsafeCell<[u64; BOOT_STACK_SIZE / 8]>);

// SAFETY: used as the boot hart's stack only, through boot.S, and its lowest
// word by the boot hart alone.
unsafe impl Sync for BootStack {}

static BOOT_STACK: BootStack = BootStack(UnsafeCell::new([0; BOOT_STACK_SIZE / 8]));

impl BootStack {
    fn set_canary(&self) {
        // SAFETY: the lowest word, far below what runs.
        unsafe { self.0.get().cast::<u64>().write_volatile(BOOT_CANARY) };
    }

    fn is_whole(&self) -> bool {
        // SAFETY: as above.
        let word = unsafe { self.0.get().cast::<u64>().read_volatile() };
        word == BOOT_CANARY
    }
}

/// boot.S reads its stack pointer here.
#[unsafe(no_mangle)]
static SKIMMER_BOOT_STACK_TOP: SyncPointer = SyncPointer(
    // SAFETY: one past the end of the static.
    unsafe { BOOT_STACK.0.get().cast::<u8>().add(BOOT_STACK_SIZE) },
);

#[repr(transparent)]
struct SyncPointer(*mut u8);

// SAFETY: an address that nobody changes.
unsafe impl Sync for SyncPointer {}

/// The physical address of the kernel's root table.
pub(crate) fn root() -> addr::PhysAddr {
    addr::to_physical((&raw const SKIMMER_BOOT_ROOT).addr())
}

static LOAD_ADDRESS: AtomicUsize = AtomicUsize::new(0);

/// The physical address that the image was loaded at.
pub(crate) fn load_address() -> usize {
    LOAD_ADDRESS.load(Ordering::Relaxed)
}

/// What firmware handed over.
#[derive(Clone, Copy, Debug)]
pub struct BootArgs {
    hartid: u64,
    device_tree: addr::PhysAddr,
}

/// Bytes of a device tree's header.
const HEADER_SIZE: usize = 40;

impl BootArgs {
    /// The hart that booted.
    #[must_use]
    pub const fn hartid(&self) -> u64 {
        self.hartid
    }

    /// Where the device tree is.
    #[must_use]
    pub const fn device_tree_address(&self) -> addr::PhysAddr {
        self.device_tree
    }

    /// The first bytes of the device tree, if firmware passed an address that
    /// can be one (not zero, aligned to 8 as the specification asks, mapped).
    #[must_use]
    pub fn device_tree_header(&self) -> Option<[u8; HEADER_SIZE]> {
        self.device_tree(HEADER_SIZE)?.try_into().ok()
    }

    /// The device tree, `size` bytes long as its header says. Firmware's word
    /// is all there is for its address.
    #[must_use]
    pub fn device_tree(&self, size: usize) -> Option<&'static [u8]> {
        let start = self.device_tree.get();
        let is_plausible = start != 0 && start.is_multiple_of(8) && size <= 64 << 20;
        is_plausible.then(|| self.reserved(self.device_tree, size))?
    }

    /// Memory that firmware filled, if it lies where memory is mapped. Whoever
    /// hands memory out keeps off it.
    #[must_use]
    pub fn reserved(&self, start: addr::PhysAddr, size: usize) -> Option<&'static [u8]> {
        let end = start.get().checked_add(size)?;
        if end > GIGAPAGES << 30 {
            return None;
        }
        let bytes = core::ptr::with_exposed_provenance(addr::to_virtual(start));
        // SAFETY: linearly mapped; it is reserved by whoever hands memory out,
        // so nothing writes it while the kernel lives.
        Some(unsafe { core::slice::from_raw_parts(bytes, size) })
    }
}

// Defined by the image; the other end of the wiring.
unsafe extern "Rust" {
    /// Runs on the boot stack, on the boot hart.
    safe fn skimmer_main(boot: BootArgs) -> !;
    /// Runs on the stack of each hart's idle thread.
    safe fn skimmer_idle() -> !;
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_boot_hart(hartid: u64, device_tree: usize) -> ! {
    let kernel_page = SKIMMER_BOOT_KERNEL_TABLE.0[1].load(Ordering::Relaxed) >> 10 << 12;
    LOAD_ADDRESS.store(kernel_page, Ordering::Relaxed);
    cpu::EARLY.set_hartid(hartid);
    cpu::EARLY.install();
    cpu::EARLY.set_trap_stack(trap::early_stack());
    trap::install_fatal();
    BOOT_STACK.set_canary();
    let device_tree = addr::PhysAddr::new(device_tree);
    skimmer_main(BootArgs { hartid, device_tree })
}

/// Leaves the boot stack for the stack of the boot hart's idle thread.
///
/// # Panics
/// When the boot stack was overrun.
pub fn become_idle(stack: Beginning) -> ! {
    assert!(BOOT_STACK.is_whole(), "canaries-everywhere: the boot stack was overrun");
    // SAFETY: the end of a stack that was made to begin on; nothing returns to
    // the old one.
    unsafe {
        asm!(
            "mv sp, {top}",
            "mv s0, zero",
            "call skimmer_idle",
            "unimp",
            top = in(reg) stack.address(),
            options(noreturn)
        )
    }
}

/// Set by the first hart to arrive. Not in .bss, which that hart zeroes.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data")]
static SKIMMER_BOOT_TAKEN: AtomicU32 = AtomicU32::new(0);

/// What a secondary hart finds in its opaque argument, or in the list.
#[derive(Debug)]
#[repr(C)]
struct SecondaryBoot {
    /// boot.S reads this and the next two.
    stack_top: usize,
    hartid: u64,
    next: *const SecondaryBoot,
    local: &'static cpu::HartLocal,
}

/// Every hart that was asked for, for those that come by the front door.
#[unsafe(no_mangle)]
static SKIMMER_SECONDARIES: AtomicPtr<SecondaryBoot> = AtomicPtr::new(core::ptr::null_mut());

/// Where a hart is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// To the entry for secondary harts.
    Secondary,
    /// To the entry of the image, as firmware with a race in it does by
    /// mistake. For tests.
    Front,
}

/// Starts a hart on the stack of its idle thread. The boot hart alone calls it.
///
/// # Errors
/// The SBI error code.
pub fn start_secondary(
    local: &'static cpu::HartLocal,
    stack: Beginning,
    door: Door,
) -> Result<(), i64> {
    let next = SKIMMER_SECONDARIES.load(Ordering::Relaxed).cast_const();
    let hartid = local.hartid();
    let stack_top = stack.address();
    let boot = Box::leak(Box::new(SecondaryBoot { stack_top, hartid, next, local }));
    SKIMMER_SECONDARIES.store(boot, Ordering::Release);
    let entry = match door {
        Door::Secondary => _start_secondary as *const (),
        Door::Front => _start as *const (),
    };
    // The heap is linearly mapped, so the hart can use the pointer once it has
    // turned paging on.
    let argument = core::ptr::from_mut(boot).expose_provenance();
    sbi::start_hart(hartid, addr::to_physical(entry as usize).get(), argument)
}

#[unsafe(no_mangle)]
extern "C" fn skimmer_boot_secondary(_hartid: u64, boot: &'static SecondaryBoot) -> ! {
    boot.local.install();
    trap::install_fatal();
    skimmer_idle()
}
