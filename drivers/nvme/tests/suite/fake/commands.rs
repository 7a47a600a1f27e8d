// SPDX-License-Identifier: Apache-2.0
//! Commands: fetched out of DMA memory at the doorbell, done in order or not,
//! and completed with the right phase.

use super::device::Device;
use super::ram::{Ram, USED_UP};
use super::trouble::Trouble;

/// A submission queue as the drive has it.
pub(crate) struct Submissions {
    base: u64,
    pub(crate) entries: u32,
    head: u32,
    completions: u16,
    /// Identifiers that are in flight.
    ids: Vec<u16>,
}

/// A completion queue as the drive has it.
pub(crate) struct Completions {
    base: u64,
    pub(crate) entries: u32,
    head: u32,
    tail: u32,
    phase: bool,
    /// Entries that the host has not released.
    used: u32,
}

/// A namespace's contents.
pub(crate) struct Disk {
    shift: u8,
    pub(crate) data: Vec<u8>,
}

/// A command that was fetched.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    queue: u16,
    dwords: [u32; 16],
}

impl Submissions {
    /// An empty one: nothing that lies there is a command.
    pub(crate) fn new(ram: &mut Ram, base: u64, entries: u32, completions: u16) -> Self {
        ram.use_up(base, entries as usize * 64);
        Self { base, entries, head: 0, completions, ids: vec![] }
    }
}

impl Completions {
    pub(crate) fn new(base: u64, entries: u32) -> Self {
        Self { base, entries, head: 0, tail: 0, phase: true, used: 0 }
    }
}

impl Disk {
    pub(crate) fn new(shift: u8, blocks: u64) -> Self {
        Self { shift, data: vec![0; (blocks << shift) as usize] }
    }
}

impl Command {
    fn id(&self) -> u16 {
        (self.dwords[0] >> 16) as u16
    }
    fn prp(&self, at: usize) -> u64 {
        u64::from(self.dwords[at]) | (u64::from(self.dwords[at + 1]) << 32)
    }
}

/// Generic status "Invalid Field in Command".
const INVALID_FIELD: u16 = 2;
/// Command-specific status "Invalid Queue Identifier".
const INVALID_QUEUE: u16 = 0x101;

/// How a command ends: status field and dword 0; `None` is not at all.
type End = Option<(u16, u32)>;

impl Device {
    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below as u64) as usize
    }

    /// The host wrote a tail: every new entry is read now.
    pub(crate) fn fetch(&mut self, id: u16, tail: u32) {
        let mut count = 0;
        while let Some(queue) = self.submissions.get_mut(&id).filter(|queue| queue.head != tail) {
            let at = queue.base + u64::from(queue.head) * 64;
            let mut bytes = [0; 64];
            self.ram.drive_read(at, &mut bytes);
            self.ram.use_up(at, bytes.len());
            let entry = queue.head;
            queue.head = (entry + 1) % queue.entries;
            if bytes == [USED_UP; 64] {
                self.ram.violations.push(format!("queue {id}: the doorbell before entry {entry}"));
                continue;
            }
            let mut dwords = [0; 16];
            for (dword, bytes) in dwords.iter_mut().zip(bytes.chunks_exact(4)) {
                *dword = u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
            }
            let command = Command { queue: id, dwords };
            if queue.ids.contains(&command.id()) || command.id() == u16::MAX {
                let what = format!("identifier {:#x} is in use", command.id());
                self.ram.violations.push(what);
            }
            queue.ids.push(command.id());
            self.fetched.push(command);
            count += 1;
        }
        if self.setup.batch == 0 {
            self.work(count);
        }
    }

    /// The host wrote a head: so many entries are free again.
    pub(crate) fn free(&mut self, id: u16, head: u32) {
        let queue = self.completions.get_mut(&id).expect("it was looked up");
        let freed = (head + queue.entries - queue.head) % queue.entries;
        if freed > queue.used {
            self.ram
                .violations
                .push(format!("queue {id}: {freed} completions taken of {}", queue.used));
        }
        queue.used = queue.used.saturating_sub(freed);
        queue.head = head;
        for (command, end) in std::mem::take(&mut self.stalled) {
            self.end(&command, Some(end));
        }
    }

    /// The host reads there. If it reads a completion, the drive has posted it.
    pub(crate) fn is_taken(&mut self, address: u64) {
        for (id, ring) in &self.completions {
            let entry = address.wrapping_sub(ring.base) / 16;
            let is_posted = || (entry as u32 + ring.entries - ring.head) % ring.entries < ring.used;
            if entry < ring.entries.into() && !is_posted() {
                let what = format!("queue {id}: entry {entry} is taken before it is posted");
                self.ram.violations.push(what);
            }
        }
    }

    fn is_full(&self, id: u16) -> bool {
        let ring = self.submissions.get(&id).and_then(|q| self.completions.get(&q.completions));
        ring.is_some_and(|ring| ring.used + 1 >= ring.entries)
    }

    /// Does so many commands; any before any, except the admin's.
    pub(crate) fn work(&mut self, count: usize) {
        for _ in 0..count {
            if self.fetched.is_empty() || self.gone || self.csts != 1 {
                return;
            }
            let admin = self.fetched.iter().position(|command| command.queue == 0);
            let shuffled = self.setup.batch > 0;
            let any = if shuffled { self.random(self.fetched.len()) } else { 0 };
            let command = self.fetched.remove(admin.unwrap_or(any));
            let opcode = (command.dwords[0] & 0xff) as u16;
            let admin = if command.queue == 0 { 0x100 } else { 0 };
            *self.opcodes.entry(opcode | admin).or_default() += 1;
            if command.queue == 0 {
                let end = self.administer(&command);
                self.end(&command, end);
            } else {
                self.serve(command);
            }
        }
    }

    fn end(&mut self, command: &Command, end: End) {
        if let Some((status, result)) = end {
            if self.is_full(command.queue) {
                if !self.strays {
                    self.ram.violations.push("a completion queue is full".into());
                }
                return self.stalled.push((command.clone(), (status, result)));
            }
            self.post(command.queue, command.queue, command.id(), status, result, None);
            let queue = self.submissions.get_mut(&command.queue);
            let ids = &mut queue.expect("it has commands").ids;
            ids.retain(|id| *id != command.id());
        }
    }

    /// Writes a completion into the queue of `from`, in the name of `queue`.
    fn post(
        &mut self,
        from: u16,
        queue: u16,
        id: u16,
        status: u16,
        result: u32,
        head: Option<u16>,
    ) {
        let Some(submissions) = self.submissions.get(&from) else { return };
        let head = head.unwrap_or(submissions.head as u16);
        let ring = self.completions.get_mut(&submissions.completions).expect("it is there");
        if ring.used + 1 >= ring.entries {
            return;
        }
        let at = ring.base + u64::from(ring.tail) * 16;
        let three = u32::from(id) | (u32::from(ring.phase) << 16) | (u32::from(status) << 17);
        ring.used += 1;
        ring.tail = (ring.tail + 1) % ring.entries;
        ring.phase ^= ring.tail == 0;
        let two = u32::from(head) | (u32::from(queue) << 16);
        let bytes: Vec<u8> =
            [result, 0, two, three].iter().flat_map(|dword| dword.to_le_bytes()).collect();
        self.ram.drive_write(at, &bytes);
    }

    /// A command of I/O, with what was planned for it.
    fn serve(&mut self, command: Command) {
        let trouble = self.troubles.remove(&self.done);
        self.done += 1;
        let id = command.id();
        match trouble {
            Some(Trouble::Gone) => self.gone = true,
            Some(Trouble::Fatal) => self.csts |= 2,
            Some(Trouble::Held) => self.held.push(command),
            Some(Trouble::Fails(status)) => self.end(&command, Some((status, 0))),
            _ => {
                let end = self.transfer(&command);
                self.end_with(trouble, command, end);
            }
        }
        self.last_ids.push(id);
    }

    fn end_with(&mut self, trouble: Option<Trouble>, command: Command, end: End) {
        let (queue, id) = (command.queue, command.id());
        self.strays |= trouble.is_some();
        match trouble {
            Some(Trouble::Lost) => {}
            Some(Trouble::WrongId(bits)) => self.post(queue, queue, id ^ bits, 0, 0, None),
            Some(Trouble::WrongQueue) => self.post(queue, queue ^ 7, id, 0, 0, None),
            Some(Trouble::WrongPhase) => {
                let ring = self.completions.get_mut(&queue).expect("it is there");
                ring.phase ^= true;
                self.post(queue, queue, id, 0, 0, None);
                self.completions.get_mut(&queue).expect("it is there").phase ^= true;
            }
            Some(Trouble::BadHead) => {
                self.post(queue, queue, id, 0, 0, Some(u16::MAX));
                let ids = &mut self.submissions.get_mut(&queue).expect("it is there").ids;
                ids.retain(|other| *other != id);
            }
            Some(Trouble::Twice) => {
                self.end(&command, end);
                self.post(queue, queue, id, 0, 0, None);
            }
            Some(Trouble::Stale(before)) => {
                let old = self.last_ids[self.last_ids.len() - before];
                self.post(queue, queue, old, 0, 0, None);
                self.end(&command, end);
            }
            _ => self.end(&command, end),
        }
    }

    /// Read, Write or Flush.
    fn transfer(&mut self, command: &Command) -> End {
        let opcode = command.dwords[0] & 0xff;
        let namespace = command.dwords[1];
        let Some(disk) = self.disks.get(&namespace) else { return Some((0x0b, 0)) };
        if opcode == 0 {
            return Some((0, 0));
        }
        let first = command.prp(10) << disk.shift;
        let length = (u64::from(command.dwords[12] & 0xffff) + 1) << disk.shift;
        let size = disk.data.len() as u64;
        if self.setup.mdts != 0 && length > 4096 << self.setup.mdts {
            return Some((INVALID_FIELD, 0));
        }
        if first + length > size {
            return Some((0x80, 0));
        }
        let Some(pieces) = self.pieces(command, length as usize) else {
            return Some((INVALID_FIELD, 0));
        };
        let mut at = first as usize;
        let disk = self.disks.get_mut(&namespace).expect("it was looked up");
        for (address, length) in pieces {
            let data = &mut disk.data[at..at + length];
            match opcode {
                1 => self.ram.drive_read(address, data),
                2 => self.ram.drive_write(address, data),
                _ => return Some((1, 0)),
            }
            at += length;
        }
        Some((0, 0))
    }

    /// What the PRPs of a command name, for so many bytes.
    fn pieces(&mut self, command: &Command, length: usize) -> Option<Vec<(u64, usize)>> {
        let (first, second) = (command.prp(6), command.prp(8));
        if !first.is_multiple_of(4) {
            return None;
        }
        let here = (4096 - (first % 4096) as usize).min(length);
        let mut pieces = vec![(first, here)];
        let mut left = length - here;
        if left > 4096 {
            let (mut list, mut index) = (second, 0);
            while left > 0 {
                let entry = self.entry(list + index * 8);
                if index == 511 && left > 4096 {
                    (list, index) = (entry, 0);
                    continue;
                }
                if !entry.is_multiple_of(4096) {
                    return None;
                }
                pieces.push((entry, left.min(4096)));
                left -= left.min(4096);
                index += 1;
            }
        } else if left > 0 {
            if !second.is_multiple_of(4096) {
                return None;
            }
            pieces.push((second, left));
        }
        Some(pieces)
    }

    fn entry(&mut self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.ram.drive_read(at, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn administer(&mut self, command: &Command) -> End {
        let ten = command.dwords[10];
        let eleven = command.dwords[11];
        let (id, last) = (ten as u16, ten >> 16);
        let opcode = command.dwords[0] & 0xff;
        if self.setup.silent == Some(opcode) {
            return None;
        }
        if let Some((_, status)) = self.setup.failing.filter(|(failing, _)| *failing == opcode) {
            return Some((status, 0));
        }
        let good = id != 0 && id <= self.setup.queues && u64::from(last) <= self.setup.mqes;
        match opcode {
            0x05 if good && eleven & 1 == 1 && !self.completions.contains_key(&id) => {
                self.completions.insert(id, Completions::new(command.prp(6), last + 1));
            }
            0x01 if good && self.completions.contains_key(&((eleven >> 16) as u16)) => {
                let queue = Submissions::new(
                    &mut self.ram,
                    command.prp(6),
                    last + 1,
                    (eleven >> 16) as u16,
                );
                self.submissions.insert(id, queue);
            }
            0x05 | 0x01 => return Some((INVALID_QUEUE, 0)),
            0x04 => drop(self.completions.remove(&id)),
            0x06 => return self.identify(command),
            0x08 => return self.abort(id, last as u16),
            0x09 => {
                let last = u32::from(self.setup.queues) - 1;
                return Some((0, self.setup.grant.unwrap_or(last | (last << 16))));
            }
            _ => return Some((1, 0)),
        }
        Some((0, 0))
    }

    fn abort(&mut self, queue: u16, id: u16) -> End {
        let is_it = |command: &Command| command.queue == queue && command.id() == id;
        match self.held.iter().position(is_it).filter(|_| self.setup.aborts) {
            Some(at) => {
                let command = self.held.remove(at);
                self.end(&command, Some((0x07, 0)));
                Some((0, 0))
            }
            None => Some((0, 1)),
        }
    }

    fn identify(&mut self, command: &Command) -> End {
        let (cns, id) = (command.dwords[10], command.dwords[1]);
        let mut data = vec![0; 4096];
        match cns {
            0 => {
                if let Some(disk) = self.disks.get(&id) {
                    let blocks = (disk.data.len() >> disk.shift) as u64;
                    data[..8].copy_from_slice(&blocks.to_le_bytes());
                    data[8..16].copy_from_slice(&blocks.to_le_bytes());
                    data[25..27].copy_from_slice(&[2, 1]);
                    data[128 + 4 + 2] = disk.shift;
                }
            }
            1 => {
                data[4..24].copy_from_slice(b"SERIAL              ");
                data[77] = self.setup.mdts;
                data[512..514].copy_from_slice(&[0x66, 0x44]);
                data[516..520].copy_from_slice(&256u32.to_le_bytes());
                data[525] = 1;
            }
            2 if !self.setup.old => {
                let above = self.disks.keys().filter(|key| **key > id).take(1024);
                for (entry, key) in data.chunks_exact_mut(4).zip(above) {
                    entry.copy_from_slice(&key.to_le_bytes());
                }
            }
            _ => return Some((INVALID_FIELD, 0)),
        }
        for (_, at, bytes) in self.setup.patches.iter().filter(|(patched, ..)| *patched == cns) {
            data[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let Some(pieces) = self.pieces(command, data.len()) else {
            return Some((INVALID_FIELD, 0));
        };
        let mut at = 0;
        for (address, length) in pieces {
            self.ram.drive_write(address, &data[at..at + length]);
            at += length;
        }
        Some((0, 0))
    }
}
