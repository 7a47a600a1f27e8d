// SPDX-License-Identifier: Apache-2.0
//! The drive's registers: off, on, and how long that takes; and its doorbells.

use std::collections::BTreeMap;

use super::commands::{Command, Completions, Disk, Submissions};
use super::ram::Ram;
use super::trouble::Trouble;

/// How a drive is made.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// CAP.MQES: entries less one.
    pub(crate) mqes: u64,
    /// CAP.TO, in 500 ms.
    pub(crate) to: u64,
    /// CAP.DSTRD.
    pub(crate) dstrd: u64,
    /// Other bits of CAP.
    pub(crate) cap: u64,
    /// Bytes of BAR 0.
    pub(crate) register_bytes: usize,
    /// Nanoseconds that RDY takes to follow EN; `None` is never.
    pub(crate) rises: Option<u64>,
    /// The same on the way down.
    pub(crate) falls: Option<u64>,
    /// CFS instead of RDY.
    pub(crate) fatal: bool,
    /// Identify Controller: MDTS.
    pub(crate) mdts: u8,
    /// Queue pairs there can be.
    pub(crate) queues: u16,
    /// What Set Features says of Number of Queues, if it is not that.
    pub(crate) grant: Option<u32>,
    /// Namespaces: number, block size as a power of two, blocks.
    pub(crate) namespaces: Vec<(u32, u8, u64)>,
    /// Bytes that are put over what Identify returns: CNS, offset, bytes.
    pub(crate) patches: Vec<(u32, usize, Vec<u8>)>,
    /// Whether Abort works.
    pub(crate) aborts: bool,
    /// The admin command of this opcode is never completed.
    pub(crate) silent: Option<u32>,
    /// The admin command of this opcode fails with this status field.
    pub(crate) failing: Option<(u32, u16)>,
    /// There is no list of namespaces, as in revision 1.0.
    pub(crate) old: bool,
    /// It reaches memory whatever is asked of it.
    pub(crate) loose: bool,
    /// Commands done at a pause; 0 is each at its doorbell, in order.
    pub(crate) batch: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mqes: 1023,
            to: 4,
            dstrd: 0,
            cap: 1 << 37,
            register_bytes: 0x4000,
            rises: Some(3_000_000),
            falls: Some(2_000_000),
            fatal: false,
            mdts: 5,
            queues: 4,
            grant: None,
            namespaces: vec![(1, 9, 4096), (3, 12, 1024)],
            patches: vec![],
            aborts: true,
            silent: None,
            failing: None,
            old: false,
            loose: false,
            batch: 0,
        }
    }
}

pub(crate) struct Device {
    pub(crate) setup: Setup,
    pub(crate) ram: Ram,
    pub(crate) now: u64,
    /// Registers read as all ones.
    pub(crate) gone: bool,
    pub(crate) cc: u32,
    pub(crate) csts: u32,
    pub(crate) aqa: u32,
    pub(crate) asq: u64,
    pub(crate) acq: u64,
    pub(crate) submissions: BTreeMap<u16, Submissions>,
    pub(crate) completions: BTreeMap<u16, Completions>,
    pub(crate) disks: BTreeMap<u32, Disk>,
    /// Commands that were fetched and not begun.
    pub(crate) fetched: Vec<Command>,
    /// Commands that never end by themselves.
    pub(crate) held: Vec<Command>,
    /// What happens to which command of I/O, counted from 0.
    pub(crate) troubles: BTreeMap<u64, Trouble>,
    /// Commands that have ended and wait for room in their completion queue.
    pub(crate) stalled: Vec<(Command, (u16, u32))>,
    /// Whether there were completions that should not be: only then may a
    /// completion queue be full.
    pub(crate) strays: bool,
    /// Commands of I/O that were done.
    pub(crate) done: u64,
    /// Commands that were done, by opcode, with the admin's at 256 and above.
    pub(crate) opcodes: BTreeMap<u16, u64>,
    /// Identifiers that were completed last, of queue 1.
    pub(crate) last_ids: Vec<u16>,
    /// For the order of commands.
    pub(crate) random: u64,
    /// When RDY becomes what.
    change: Option<(u64, bool)>,
}

impl Device {
    pub(crate) fn new(setup: Setup) -> Self {
        let disk = |&(id, shift, blocks): &(u32, u8, u64)| (id, Disk::new(shift, blocks));
        let mut ram = Ram::default();
        ram.is_cut_off = true;
        Self {
            disks: setup.namespaces.iter().map(disk).collect(),
            setup,
            ram,
            now: 0,
            gone: false,
            cc: 0,
            csts: 0,
            aqa: 0,
            asq: 0,
            acq: 0,
            submissions: BTreeMap::new(),
            completions: BTreeMap::new(),
            fetched: vec![],
            held: vec![],
            stalled: vec![],
            strays: false,
            troubles: BTreeMap::new(),
            done: 0,
            opcodes: BTreeMap::new(),
            last_ids: vec![],
            random: 1,
            change: None,
        }
    }

    pub(crate) fn read(&mut self, offset: usize) -> u64 {
        if self.gone {
            return u64::MAX;
        }
        let setup = &self.setup;
        match offset {
            0x00 => setup.mqes | (setup.to << 24) | (setup.dstrd << 32) | setup.cap,
            0x14 => self.cc.into(),
            0x1c => self.csts.into(),
            _ => 0,
        }
    }

    pub(crate) fn write(&mut self, offset: usize, value: u64) {
        if self.gone {
            return;
        }
        match offset {
            0x14 => self.configure(value as u32),
            0x24 => self.aqa = value as u32,
            0x28 => self.asq = value,
            0x30 => self.acq = value,
            0x0c | 0x10 => {}
            0x1000.. => self.doorbell(offset - 0x1000, value as u32),
            _ => self.ram.violations.push(format!("write to register {offset:#x}")),
        }
    }

    /// The way to memory is given to one that is off only.
    pub(crate) fn open_gate(&mut self) -> bool {
        if self.cc & 1 != 0 || self.csts & 1 != 0 {
            self.ram.violations.push("memory is given to a drive that is on".into());
        }
        self.ram.is_cut_off = false;
        !self.gone
    }

    pub(crate) fn close_gate(&mut self) -> bool {
        self.ram.is_cut_off |= !self.setup.loose;
        self.ram.is_cut_off || self.gone
    }

    fn configure(&mut self, cc: u32) {
        let (was, is) = (self.cc & 1 != 0, cc & 1 != 0);
        let ready = self.csts & 1 != 0;
        if was != is && ready != was && self.csts & 2 == 0 && self.setup.rises.is_some() {
            self.ram.violations.push("EN changed before RDY followed".into());
        }
        self.cc = cc;
        if was != is {
            let delay = if is { self.setup.rises } else { self.setup.falls };
            self.change = delay.map(|delay| (self.now + delay, is));
            if is && self.setup.fatal {
                (self.change, self.csts) = (None, self.csts | 2);
            }
        }
        if was && !is {
            self.submissions.clear();
            self.completions.clear();
            self.fetched.clear();
            self.held.clear();
            self.stalled.clear();
        }
        if cc >> 14 & 3 != 0 {
            self.csts = (self.csts & !0xc) | 8;
        }
    }

    /// Time goes by, to the next change at the most.
    pub(crate) fn pause(&mut self, until: u64) {
        if !self.fetched.is_empty() && self.setup.batch > 0 {
            self.now += 1_000;
            return self.work(self.setup.batch);
        }
        self.now = self.now.max(until);
        if let Some((at, ready)) = self.change
            && at <= self.now
        {
            self.change = None;
            self.csts = u32::from(ready);
            if ready {
                let (last, first) = (u32::from(self.aqa as u16 & 0xfff), self.aqa >> 16);
                let queue = Submissions::new(&mut self.ram, self.asq, last + 1, 0);
                self.submissions.insert(0, queue);
                self.completions.insert(0, Completions::new(self.acq, first + 1));
            }
        }
    }

    fn doorbell(&mut self, offset: usize, value: u32) {
        let stride = 4 << self.setup.dstrd;
        let (index, odd) = (offset / stride, offset % stride);
        let id = (index / 2) as u16;
        let known = match index % 2 {
            0 => self.submissions.get(&id).map(|queue| queue.entries),
            _ => self.completions.get(&id).map(|queue| queue.entries),
        };
        if self.csts & 2 != 0 {
            return;
        }
        if odd != 0 || known.is_none_or(|entries| value >= entries) || self.csts != 1 {
            let what = format!("doorbell {offset:#x} says {value}, of {known:?}");
            return self.ram.violations.push(what);
        }
        if index % 2 == 0 {
            self.fetch(id, value);
        } else {
            self.free(id, value);
        }
    }
}
