// SPDX-License-Identifier: Apache-2.0
//! The drive's registers: off, on, and how long that takes.

use super::ram::Ram;

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
    /// When RDY becomes what.
    change: Option<(u64, bool)>,
}

impl Device {
    pub(crate) fn new(setup: Setup) -> Self {
        let (cc, csts, aqa, asq, acq) = Default::default();
        let ram = Ram::default();
        Self { setup, ram, now: 0, gone: false, cc, csts, aqa, asq, acq, change: None }
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
            _ => self.ram.violations.push(format!("write to register {offset:#x}")),
        }
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
        if cc >> 14 & 3 != 0 {
            self.csts = (self.csts & !0xc) | 8;
        }
    }

    /// Time goes by, to the next change at the most.
    pub(crate) fn pause(&mut self, until: u64) {
        self.now = self.now.max(until);
        if let Some((at, ready)) = self.change
            && at <= self.now
        {
            self.change = None;
            self.csts = u32::from(ready);
        }
    }
}
