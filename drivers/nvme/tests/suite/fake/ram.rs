// SPDX-License-Identifier: Apache-2.0
//! Memory that CPU and drive share, with two views of it: on a machine with
//! weak memory what the CPU writes reaches the drive at the next fence, and
//! what the drive wrote reaches the CPU at the next fence of the other kind,
//! apart from what one looks for: phase tags.

use std::collections::BTreeMap;

use skimmer_nvme::PAGE_SIZE;

/// What the drive sees in place of what it has used up. No command is this.
pub(crate) const USED_UP: u8 = 0xff;

/// A page, as each side sees it.
struct Frame {
    cpu: Vec<u8>,
    drive: Vec<u8>,
}

/// All pages that are allocated, by address.
#[derive(Default)]
pub(crate) struct Ram {
    frames: BTreeMap<u64, Frame>,
    /// What the CPU wrote since its last fence.
    pending: Vec<(u64, Vec<u8>)>,
    /// What the drive wrote since the CPU's last fence for reads.
    incoming: Vec<(u64, Vec<u8>)>,
    /// Whether writes wait for the fence.
    pub(crate) weak: bool,
    /// Nothing of the drive's comes through, either way.
    pub(crate) is_cut_off: bool,
    /// How many more pages there are, if there is a limit.
    pub(crate) left: Option<usize>,
    next: u64,
    /// What the drive did that it must not, or was made to do.
    pub(crate) violations: Vec<String>,
}

impl Ram {
    /// Contiguous zeroed pages, with a hole behind them.
    pub(crate) fn allocate(&mut self, pages: usize) -> Option<u64> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(pages)?;
        }
        let first = self.next.max(0x8000_0000);
        for page in 0..pages {
            let zero = vec![0; PAGE_SIZE];
            let frame = Frame { cpu: zero.clone(), drive: zero };
            self.frames.insert(first + (page * PAGE_SIZE) as u64, frame);
        }
        self.next = first + ((pages + 1) * PAGE_SIZE) as u64;
        Some(first)
    }

    pub(crate) fn free(&mut self, first: u64, pages: usize) {
        for page in 0..pages {
            self.frames.remove(&(first + (page * PAGE_SIZE) as u64)).expect("freed once");
        }
        let end = first + (pages * PAGE_SIZE) as u64;
        self.pending.retain(|(at, _)| *at < first || *at >= end);
        self.incoming.retain(|(at, _)| *at < first || *at >= end);
        if let Some(left) = &mut self.left {
            *left += pages;
        }
    }

    /// How many pages are allocated.
    pub(crate) fn live(&self) -> usize {
        self.frames.len()
    }

    /// What the CPU wrote before is the drive's to see from here on.
    pub(crate) fn fence(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.pending) {
            each_page(at, bytes.len(), |page, offset, range| {
                let frame = self.frames.get_mut(&page).expect("a CPU's page");
                frame.drive[offset..offset + range.len()].copy_from_slice(&bytes[range]);
            });
        }
    }

    /// What the drive wrote before is the CPU's to see from here on.
    pub(crate) fn fence_reads(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.incoming) {
            each_page(at, bytes.len(), |page, offset, range| {
                if let Some(frame) = self.frames.get_mut(&page) {
                    frame.cpu[offset..offset + range.len()].copy_from_slice(&bytes[range]);
                }
            });
        }
    }

    /// The dword with the phase tag of a completion, as new as it can be.
    pub(crate) fn cpu_looks(&self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        each_page(at, 4, |page, offset, range| {
            let frame = self.frames.get(&page).expect("the CPU reads its own memory");
            bytes[range].copy_from_slice(&frame.drive[offset..offset + 4]);
        });
        u32::from_le_bytes(bytes)
    }

    pub(crate) fn cpu_read(&self, at: u64, into: &mut [u8]) {
        each_page(at, into.len(), |page, offset, range| {
            let frame = self.frames.get(&page).expect("the CPU reads its own memory");
            into[range.clone()].copy_from_slice(&frame.cpu[offset..offset + range.len()]);
        });
    }

    pub(crate) fn cpu_write(&mut self, at: u64, from: &[u8]) {
        each_page(at, from.len(), |page, offset, range| {
            let frame = self.frames.get_mut(&page).expect("the CPU writes its own memory");
            frame.cpu[offset..offset + range.len()].copy_from_slice(&from[range]);
        });
        self.pending.push((at, from.to_vec()));
        if !self.weak {
            self.fence();
        }
    }

    /// What the drive has read: only what is written anew counts from here on.
    pub(crate) fn use_up(&mut self, at: u64, length: usize) {
        each_page(at, length, |page, offset, range| {
            if let Some(frame) = self.frames.get_mut(&page) {
                frame.drive[offset..offset + range.len()].fill(USED_UP);
            }
        });
    }

    pub(crate) fn drive_read(&mut self, at: u64, into: &mut [u8]) {
        if self.is_cut_off {
            return into.fill(USED_UP);
        }
        each_page(at, into.len(), |page, offset, range| match self.frames.get(&page) {
            Some(frame) => {
                into[range.clone()].copy_from_slice(&frame.drive[offset..offset + range.len()]);
            }
            None => self.violations.push(format!("the drive reads {page:#x}")),
        });
    }

    pub(crate) fn drive_write(&mut self, at: u64, from: &[u8]) {
        if self.is_cut_off {
            return;
        }
        each_page(at, from.len(), |page, offset, range| match self.frames.get_mut(&page) {
            Some(frame) => {
                frame.drive[offset..offset + range.len()].copy_from_slice(&from[range]);
            }
            None => self.violations.push(format!("the drive writes {page:#x}")),
        });
        self.incoming.push((at, from.to_vec()));
        if !self.weak {
            self.fence_reads();
        }
    }
}

/// Cuts a range at page boundaries: page address, offset in it, range of the
/// buffer.
fn each_page(at: u64, length: usize, mut f: impl FnMut(u64, usize, std::ops::Range<usize>)) {
    let mut done = 0;
    while done < length {
        let here = at + done as u64;
        let offset = (here % PAGE_SIZE as u64) as usize;
        let step = (PAGE_SIZE - offset).min(length - done);
        f(here - offset as u64, offset, done..done + step);
        done += step;
    }
}
