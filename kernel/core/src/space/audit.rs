// SPDX-License-Identifier: Apache-2.0
//! A look at every entry of the kernel's half, as the hardware would find it.

use crate::{
    frames::FrameNumber,
    space::{
        entry::{Entry, Meaning},
        tables::{ENTRIES, KERNEL_ENTRIES, ROOT_LEVEL, TableMemory},
    },
};

/// An entry that should not be in the kernel's half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsound {
    /// Its level: 2 is the root's.
    pub level: u32,
    /// Its place in its table.
    pub place: usize,
    /// It.
    pub entry: Entry,
}

/// Walks the kernel's half of that root; returns how many pages there are, large
/// ones as one. Every page is one that [`Entry::kernel`] makes, which makes none
/// that is writable and executable. In tables of the last level there may be notes.
///
/// # Errors
/// The first entry that is something else.
pub fn kernel_half<T: TableMemory>(memory: &T, root: FrameNumber) -> Result<usize, Unsound> {
    (KERNEL_ENTRIES..ENTRIES).map(|place| entry(memory, root, place, ROOT_LEVEL)).sum()
}

fn entry<T: TableMemory>(
    memory: &T,
    table: FrameNumber,
    place: usize,
    level: u32,
) -> Result<usize, Unsound> {
    let entry = memory.read(table, place);
    match entry.meaning() {
        Meaning::Empty => Ok(0),
        Meaning::Note(_) if level == 0 => Ok(0),
        Meaning::Kernel(frame, _) if frame.get().is_multiple_of(ENTRIES.pow(level)) => Ok(1),
        Meaning::Table(next) if level > 0 => {
            (0..ENTRIES).map(|place| self::entry(memory, next, place, level - 1)).sum()
        }
        _ => Err(Unsound { level, place, entry }),
    }
}
