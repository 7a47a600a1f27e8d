// SPDX-License-Identifier: Apache-2.0
//! The rooms of processes by number: how policy names a process, which knows no
//! addresses.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};

use skimmer_core::table::OutOfMemory;
use skimmer_sync::{once::Once, segments::Segments, static_ref::StaticRef};

use super::Process;

static ROOMS: Once<Segments<StaticRef<Process>>> = Once::new();

/// How many numbers were given.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// Prepares for rooms.
pub(super) fn begin() -> Result<(), OutOfMemory> {
    match ROOMS.set(Box::new(Segments::new())) {
        Ok(_) => Ok(()),
        Err(_) => unreachable!("called once"),
    }
}

fn rooms() -> &'static Segments<StaticRef<Process>> {
    match ROOMS.get() {
        Some(rooms) => rooms,
        None => unreachable!("they are made before there are programs"),
    }
}

/// A number for a new room. One whose room is not made is lost.
pub(super) fn new_number() -> Result<u64, OutOfMemory> {
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    rooms().ensure(number, |_| StaticRef::none()).map_err(|_| OutOfMemory)?;
    Ok(u64::from(number))
}

/// The room has that number from now on.
pub(super) fn set(room: &'static Process) {
    if let Some(place) = u32::try_from(room.number).ok().and_then(|it| rooms().get(it)) {
        place.set(room);
    }
}

/// The room of that number.
///
/// # Panics
/// If there is none.
#[inline]
pub(super) fn at(number: u64) -> &'static Process {
    match rooms().get(number as u32).and_then(StaticRef::get) {
        Some(room) => room,
        None => unreachable!("who has a number has it from its room"),
    }
}

/// Every room.
#[cfg(feature = "bug-rcvid-foreign")]
pub(super) fn all() -> impl Iterator<Item = &'static Process> {
    let numbers = 0..NUMBERS.load(Ordering::Relaxed);
    numbers.filter_map(|number| rooms().get(number).and_then(StaticRef::get))
}

/// Bytes of the heap that the table takes.
pub(super) fn footprint() -> usize {
    rooms().footprint()
}
