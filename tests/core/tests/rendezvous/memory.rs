// SPDX-License-Identifier: Apache-2.0
//! What threads can reach: bytes with holes, a memory for each.

use std::{collections::BTreeSet, sync::LazyLock};

use skimmer_core::{channel::rendezvous::Fault, user::UserBytes};

use crate::kernel::THREADS;

/// Bytes of each memory.
pub(crate) const SIZE: usize = 20 << 10;
/// What can be missing of a memory.
pub(crate) const PAGE: usize = 1 << 10;

/// All memories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memories {
    bytes: Vec<Vec<u8>>,
    holes: BTreeSet<(usize, usize)>,
}

impl Memories {
    /// One for each thread, all different.
    pub(crate) fn new() -> Self {
        static FIRST: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
            let byte = |thread: usize, at: usize| (thread * 31 + at * 7 + at / 251) as u8;
            let bytes = |thread| (0..SIZE).map(|at| byte(thread, at)).collect();
            (0..THREADS).map(bytes).collect()
        });
        Self { bytes: FIRST.clone(), holes: BTreeSet::new() }
    }

    /// Whether the memory of that thread is the same.
    pub(crate) fn is_same(&self, other: &Self, thread: usize) -> bool {
        self.bytes[thread] == other.bytes[thread]
    }

    /// The thread writes there.
    pub(crate) fn write(&mut self, thread: usize, start: usize, value: u8) {
        self.bytes[thread][start..start + PAGE / 2].fill(value);
    }

    /// A page goes, or comes back as it was.
    pub(crate) fn turn(&mut self, thread: usize, page: usize) {
        if !self.holes.remove(&(thread, page)) {
            self.holes.insert((thread, page));
        }
    }

    fn is_hole(&self, thread: usize, at: usize) -> bool {
        self.holes.contains(&(thread, at / PAGE))
    }

    /// Copies byte by byte, as far as it goes. `own` is who calls.
    pub(crate) fn copy(
        &mut self,
        own: usize,
        (from, out): (usize, UserBytes),
        (to, into): (usize, UserBytes),
    ) -> Result<(), Fault> {
        let length = out.length.min(into.length);
        if !self.holes.iter().any(|&(thread, _)| thread == from || thread == to) {
            let part = self.bytes[from][out.start.get()..][..length].to_vec();
            self.bytes[to][into.start.get()..][..length].copy_from_slice(&part);
            return Ok(());
        }
        let whose = |thread| if thread == own { Fault::Own } else { Fault::Peer };
        for at in 0..length {
            let (source, target) = (out.start.get() + at, into.start.get() + at);
            for (thread, place) in [(from, source), (to, target)] {
                if self.is_hole(thread, place) {
                    return Err(whose(thread));
                }
            }
            self.bytes[to][target] = self.bytes[from][source];
        }
        Ok(())
    }
}
