// SPDX-License-Identifier: Apache-2.0
//! A host bridge and functions that obey the specification.
//!
//! Registers have masks of what can be written. Bridges forward configuration
//! accesses by their bus numbers, and others by their windows, as they stand;
//! so a function behind one is found only if the numbers are right, and
//! [`Fake::hits`] says which BAR an access really arrives at. What the
//! specification forbids is noted in [`Fake::violations`].

use std::cell::{Cell, RefCell};

use skimmer_pci::{BarSpace, BusRange, ConfigAddress, ConfigSpace, IoWidth, Tree};

/// Status bits that software may clear, and this crate must not.
const STICKY: u32 = 0xf900 << 16;

/// What is to be in a base address register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FakeBar {
    pub(crate) space: BarSpace,
    pub(crate) prefetchable: bool,
    /// The size is this power of two.
    pub(crate) log2: u32,
}

pub(crate) fn memory32(log2: u32) -> FakeBar {
    FakeBar { space: BarSpace::Memory32, prefetchable: false, log2 }
}

pub(crate) fn memory64(log2: u32) -> FakeBar {
    FakeBar { space: BarSpace::Memory64, prefetchable: false, log2 }
}

pub(crate) fn prefetchable64(log2: u32) -> FakeBar {
    FakeBar { space: BarSpace::Memory64, prefetchable: true, log2 }
}

pub(crate) fn ports(log2: u32) -> FakeBar {
    FakeBar { space: BarSpace::Io, prefetchable: false, log2 }
}

/// What windows a bridge is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FakeBridge {
    pub(crate) io: Option<IoWidth>,
    /// A prefetchable window, and whether it has 64 bits.
    pub(crate) prefetch: Option<bool>,
}

pub(crate) const FULL_BRIDGE: FakeBridge =
    FakeBridge { io: Some(IoWidth::Bits32), prefetch: Some(true) };

/// One function.
pub(crate) struct FakeFunction {
    pub(crate) parent: Option<usize>,
    pub(crate) device: u8,
    pub(crate) function: u8,
    pub(crate) bridge: Option<FakeBridge>,
    /// By index of the register.
    pub(crate) bars: Vec<(u8, FakeBar)>,
    pub(crate) registers: [u32; 64],
    pub(crate) masks: [u32; 64],
}

/// The host bridge.
pub(crate) struct Fake {
    pub(crate) range: BusRange,
    pub(crate) functions: Vec<FakeFunction>,
    pub(crate) violations: RefCell<Vec<String>>,
    pub(crate) accesses: Cell<u64>,
}

impl Fake {
    pub(crate) fn new(first: u8, last: u8) -> Self {
        Fake {
            range: BusRange::new(first, last).unwrap(),
            functions: Vec::new(),
            violations: RefCell::default(),
            accesses: Cell::new(0),
        }
    }

    /// Adds a function; its device number is told by the index.
    pub(crate) fn add(
        &mut self,
        parent: Option<usize>,
        (device, function): (u8, u8),
        bridge: Option<FakeBridge>,
        bars: &[FakeBar],
    ) -> usize {
        let index = self.functions.len();
        let mut new = FakeFunction {
            parent,
            device,
            function,
            bridge,
            bars: Vec::new(),
            registers: [0; 64],
            masks: [0; 64],
        };
        new.registers[0] = (index as u32) << 16 | 0x1234;
        new.registers[1] = STICKY;
        new.masks[1] = 0x0547;
        new.registers[2] = if bridge.is_some() { 0x0604_0000 } else { 0x0108_0201 };
        new.masks[3] = 0x0000_ffff;
        new.masks[15] = 0x0000_00ff;
        match bridge {
            Some(bridge) => new.shape_bridge(bridge),
            None => new.masks[12] = 0xffff_f801,
        }
        let limit = if bridge.is_some() { 2 } else { 6 };
        for bar in bars {
            new.shape_bar(*bar, limit);
        }
        self.functions.push(new);
        index
    }

    pub(crate) fn endpoint(
        &mut self,
        parent: Option<usize>,
        device: u8,
        bars: &[FakeBar],
    ) -> usize {
        self.add(parent, (device, 0), None, bars)
    }

    pub(crate) fn bridge(&mut self, parent: Option<usize>, device: u8) -> usize {
        self.add(parent, (device, 0), Some(FULL_BRIDGE), &[])
    }

    /// Puts capabilities one behind the other from `at` on, and links them.
    pub(crate) fn capabilities(&mut self, index: usize, at: u8, list: &[&[u32]]) {
        let function = &mut self.functions[index];
        function.registers[1] |= 1 << 20;
        function.registers[13] = u32::from(at);
        let mut at = usize::from(at / 4);
        for (number, body) in list.iter().enumerate() {
            function.registers[at..at + body.len()].copy_from_slice(body);
            let next = if number + 1 < list.len() { (at + body.len()) * 4 } else { 0 };
            function.registers[at] |= (next as u32) << 8;
            at += body.len();
        }
    }

    pub(crate) fn scan(&mut self) -> Tree {
        let range = self.range;
        Tree::scan(self, range).unwrap()
    }

    fn violation(&self, what: String) {
        self.violations.borrow_mut().push(what);
    }

    pub(crate) fn children(&self, parent: Option<usize>) -> impl Iterator<Item = usize> {
        (0..self.functions.len()).filter(move |index| self.functions[*index].parent == parent)
    }

    /// Whom a configuration access arrives at: type 1 until the bus is reached,
    /// type 0 there (bridge 3.1.2).
    fn target(&self, address: ConfigAddress) -> Option<usize> {
        let wanted = address.function;
        if !self.range.contains(wanted.bus()) {
            return None;
        }
        let (mut bus, mut parent) = (self.range.first(), None);
        while bus != wanted.bus() {
            let mut takers = self.children(parent).filter(|index| {
                let [_, secondary, subordinate, _] =
                    self.functions[*index].registers[6].to_le_bytes();
                let is_bridge = self.functions[*index].bridge.is_some();
                is_bridge && (secondary..=subordinate).contains(&wanted.bus())
            });
            let taker = takers.next()?;
            if takers.next().is_some() {
                self.violation(format!("{wanted}: two bridges forward it"));
                return None;
            }
            bus = self.functions[taker].registers[6].to_le_bytes()[1];
            parent = Some(taker);
        }
        self.children(parent).find(|index| {
            let function = &self.functions[*index];
            (function.device, function.function) == (wanted.device(), wanted.function())
        })
    }

    /// The BARs that an access arrives at, as function and index.
    pub(crate) fn hits(&self, io: bool, address: u64) -> Vec<(usize, u8)> {
        let mut hits = Vec::new();
        let mut buses = vec![None];
        while let Some(parent) = buses.pop() {
            for index in self.children(parent) {
                let function = &self.functions[index];
                hits.extend(function.answers(io, address).map(|bar| (index, bar)));
                if function.forwards(io, address) {
                    buses.push(Some(index));
                }
            }
        }
        hits
    }

    /// Whether memory accesses of a function get through to the host bridge.
    pub(crate) fn reaches_memory(&self, index: usize) -> bool {
        let mut next = Some(index);
        while let Some(index) = next {
            if self.functions[index].registers[1] & 4 == 0 {
                return false;
            }
            next = self.functions[index].parent;
        }
        true
    }
}

impl FakeFunction {
    fn shape_bridge(&mut self, bridge: FakeBridge) {
        self.registers[3] |= 0x0001_0000;
        self.masks[6] = u32::MAX;
        self.registers[7] = STICKY;
        self.masks[8] = 0xfff0_fff0;
        if let Some(width) = bridge.io {
            self.masks[7] = 0xf0f0;
            if width == IoWidth::Bits32 {
                self.registers[7] |= 0x0101;
                self.masks[12] = u32::MAX;
            }
        }
        if let Some(wide) = bridge.prefetch {
            self.masks[9] = 0xfff0_fff0;
            if wide {
                self.registers[9] |= 0x0001_0001;
                self.masks[10] = u32::MAX;
                self.masks[11] = u32::MAX;
            }
        }
        self.masks[14] = 0xffff_f801;
    }

    /// Puts a BAR into the next registers, if there are enough.
    fn shape_bar(&mut self, bar: FakeBar, limit: u8) {
        let wide = bar.space == BarSpace::Memory64;
        let after =
            |(index, bar): &(u8, FakeBar)| index + 1 + u8::from(bar.space == BarSpace::Memory64);
        let index = self.bars.last().map_or(0, after);
        if index + u8::from(wide) >= limit {
            return;
        }
        let mask = !((1_u64 << bar.log2) - 1);
        let at = usize::from(4 + index);
        self.masks[at] = mask as u32;
        self.registers[at] = match bar.space {
            BarSpace::Io => 1,
            BarSpace::Memory32 => 0,
            BarSpace::Memory64 => 4,
        } | u32::from(bar.prefetchable) << 3;
        if wide {
            self.masks[at + 1] = (mask >> 32) as u32;
        }
        self.bars.push((index, bar));
    }

    fn decodes(&self, io: bool) -> bool {
        self.registers[1] & if io { 1 } else { 2 } != 0
    }

    /// Which of its own BARs answer.
    fn answers(&self, io: bool, address: u64) -> impl Iterator<Item = u8> {
        let mine = self.bars.iter().filter(move |(index, bar)| {
            let at = usize::from(4 + index);
            let high = match bar.space {
                BarSpace::Memory64 => u64::from(self.registers[at + 1]) << 32,
                _ => 0,
            };
            let base = high | u64::from(self.registers[at] & self.masks[at]);
            let is_io = bar.space == BarSpace::Io;
            is_io == io && self.decodes(io) && address >> bar.log2 == base >> bar.log2
        });
        mine.map(|(index, _)| *index)
    }

    /// Whether it is a bridge that lets the access through (bridge chapter 4).
    pub(crate) fn forwards(&self, io: bool, address: u64) -> bool {
        let Some(bridge) = self.bridge else { return false };
        if !self.decodes(io) {
            return false;
        }
        let r = &self.registers;
        if io {
            let base = u64::from(r[7] & 0xf0) << 8 | u64::from(r[12] & 0xffff) << 16;
            let limit = u64::from(r[7] & 0xf000) | u64::from(r[12] >> 16) << 16 | 0xfff;
            return bridge.io.is_some() && (base..=limit).contains(&address);
        }
        let window = |register: u32, base: u32, limit: u32| {
            let base = u64::from(register & 0xfff0) << 16 | u64::from(base) << 32;
            let limit = u64::from(register & 0xfff0_0000) | u64::from(limit) << 32 | 0xf_ffff;
            (base..=limit).contains(&address)
        };
        window(r[8], 0, 0) || (bridge.prefetch.is_some() && window(r[9], r[10], r[11]))
    }

    fn write(&mut self, at: usize, value: u32) -> Result<(), &'static str> {
        let decodes = self.registers[1] & 3 != 0;
        let (old, mask) = (self.registers[at], self.masks[at]);
        self.registers[at] = old & !mask | value & mask;
        let shares = at == 1 || (at == 7 && self.bridge.is_some());
        let windows = self.bridge.is_some() && (7..=12).contains(&at);
        match () {
            () if shares && value & STICKY != 0 => Err("status was cleared"),
            () if decodes && ((4..6).contains(&at) || windows) => Err("moved while it decodes"),
            () if decodes && self.bridge.is_none() && (4..10).contains(&at) => {
                Err("moved while it decodes")
            }
            () => Ok(()),
        }
    }
}

impl ConfigSpace for Fake {
    fn read32(&self, address: ConfigAddress) -> u32 {
        self.accesses.set(self.accesses.get() + 1);
        let target = self.target(address);
        let at = usize::from(address.register.offset() / 4);
        target.map_or(u32::MAX, |index| *self.functions[index].registers.get(at).unwrap_or(&0))
    }

    fn write32(&mut self, address: ConfigAddress, value: u32) {
        self.accesses.set(self.accesses.get() + 1);
        let at = usize::from(address.register.offset() / 4);
        let Some(index) = self.target(address) else { return };
        if let Err(what) = self.functions[index].write(at, value) {
            self.violation(format!("{} {at:#x}: {what}", address.function));
        }
    }
}
