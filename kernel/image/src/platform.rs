// SPDX-License-Identifier: Apache-2.0
//! What machine this is: the device tree, read once during boot. Law
//! trust-no-firmware-table: what is missing or strange is said, and boot goes
//! on without it where it can.

use alloc::vec::Vec;
use core::fmt;

use skimmer_abi::record::{Record, SkipReason};
use skimmer_arch::{addr::PhysAddr, boot::BootArgs, console, memory, println};
use skimmer_core::{ids::MAX_HARTS, memory::Extent};
use skimmer_fdt::{Fdt, FdtError, Region, Unusable, total_size};

/// Why there is no device tree to go by.
#[derive(Debug)]
pub(crate) enum NoTree {
    /// Firmware passed no usable address.
    Nowhere,
    /// There is none at the address, or a damaged one.
    Damaged(FdtError),
}

impl fmt::Display for NoTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("no device tree: firmware passed no address"),
            Self::Damaged(error) => write!(f, "no device tree that can be read: {error}"),
        }
    }
}

/// Finds and checks the device tree.
pub(crate) fn open_device_tree(boot: &BootArgs) -> Result<Fdt<'static>, NoTree> {
    let header = boot.device_tree_header().ok_or(NoTree::Nowhere)?;
    let size = total_size(&header).map_err(NoTree::Damaged)?;
    let bytes = boot.device_tree(size).ok_or(NoTree::Nowhere)?;
    Fdt::new(bytes).map_err(NoTree::Damaged)
}

/// The register that ends the machine with a status, if there is one.
pub(crate) fn test_device(tree: &Fdt<'_>) -> Option<PhysAddr> {
    Some(PhysAddr::new(usize::try_from(tree.test_device()?.base()).ok()?))
}

/// Hands all usable memory to the heap, and returns its bytes.
pub(crate) fn take_memory(boot: &BootArgs, tree: &Fdt<'_>) -> u64 {
    for bad in tree.memory().filter_map(Result::err) {
        println!("device tree: a bank of memory is passed over: {bad}");
    }
    let banks = tree.memory().filter_map(|bank| Some(extent(bank.ok()?)));
    let mut unreadable = tree.reservations().filter_map(Result::err);
    if let Some(bad) = unreadable.next() {
        crate::refuse(&format_args!("device tree: a memory reservation cannot be read: {bad}"));
    }
    let listed = tree.reservations().filter_map(|taken| Some(extent(taken.ok()?.region)));
    let own = [memory::extent(boot.device_tree_address(), tree.total_size())];
    let ramdisk = tree.chosen().initrd().ok().map(extent);
    let bytes = memory::adopt(banks, listed.chain(own).chain(ramdisk));
    if bytes == 0 {
        crate::refuse(&"the device tree names no usable memory");
    }
    bytes
}

/// The programs that came with the kernel, as an archive: the initial RAM disk;
/// nothing if there is none.
pub(crate) fn boot_package(boot: &BootArgs, tree: &Fdt<'_>) -> &'static [u8] {
    let Ok(region) = tree.chosen().initrd() else { return &[] };
    let start = usize::try_from(region.base()).map(PhysAddr::new);
    let place = start.ok().zip(usize::try_from(region.size()).ok());
    let bytes = place.and_then(|(start, size)| boot.reserved(start, size));
    if bytes.is_none() {
        println!("the boot package lies where no memory can be: it is not used");
    }
    bytes.unwrap_or(&[])
}

pub(crate) fn extent(region: Region) -> Extent {
    (region.base(), region.size())
}

/// A hart that can run the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsableHart {
    /// Its id in the machine.
    pub(crate) id: u64,
    /// Whether it has a timer register of its own (Sstc extension).
    pub(crate) has_sstc: bool,
    /// What interrupt controllers call it by.
    pub(crate) intc: Option<u32>,
}

/// The harts that can run the kernel, the boot hart first; the rest are
/// reported.
pub(crate) fn usable_harts(boot: &BootArgs, tree: &Fdt<'_>) -> Vec<UsableHart> {
    let has_sstc = |id| tree.harts().any(|hart| hart.id() == Ok(id) && hart.has_extension("sstc"));
    let intc = |id| tree.harts().find(|hart| hart.id() == Ok(id))?.intc_phandle();
    let usable = |id| UsableHart { id, has_sstc: has_sstc(id), intc: intc(id) };
    usable_ids(boot, tree).into_iter().map(usable).collect()
}

fn usable_ids(boot: &BootArgs, tree: &Fdt<'_>) -> Vec<u64> {
    let mut ids = alloc::vec![boot.hartid()];
    for hart in tree.harts() {
        match hart.usable() {
            Ok(id) if ids.contains(&id) => {}
            Ok(_) if ids.len() == MAX_HARTS => {
                println!("only the first {MAX_HARTS} harts are used");
                break;
            }
            Ok(id) => ids.push(id),
            Err(why) => {
                let hartid = hart.id().unwrap_or(u64::MAX);
                console::send(Record::HartSkipped { hartid, reason: reason(why) });
            }
        }
    }
    ids
}

const fn reason(why: Unusable) -> SkipReason {
    match why {
        Unusable::NoId(_) => SkipReason::BadId,
        Unusable::Disabled => SkipReason::Disabled,
        Unusable::NoMmu => SkipReason::NoMmu,
    }
}
