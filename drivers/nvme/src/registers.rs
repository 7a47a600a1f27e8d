// SPDX-License-Identifier: Apache-2.0
//! The registers by name (section 3.1.3), and the fields that the driver uses.

use crate::error::{Error, Field, Unsupported};
use crate::platform::Registers;

/// Controller Capabilities (section 3.1.3.1).
pub(crate) const CAP: usize = 0x00;
/// Interrupt Mask Set (section 3.1.3.3).
pub(crate) const INTMS: usize = 0x0c;
/// Interrupt Mask Clear (section 3.1.3.4).
pub(crate) const INTMC: usize = 0x10;
/// Controller Configuration (section 3.1.3.5).
pub(crate) const CC: usize = 0x14;
/// Controller Status (section 3.1.3.6).
pub(crate) const CSTS: usize = 0x1c;
/// Admin Queue Attributes (section 3.1.3.8).
pub(crate) const AQA: usize = 0x24;
/// Admin Submission Queue Base Address (section 3.1.3.9).
pub(crate) const ASQ: usize = 0x28;
/// Admin Completion Queue Base Address (section 3.1.3.10).
pub(crate) const ACQ: usize = 0x30;
/// The first doorbell (PCIe Transport Specification 1.0, section 3.1.2).
const DOORBELLS: usize = 0x1000;

/// CC.EN.
pub(crate) const CC_ENABLE: u32 = 1;
/// CC.SHN: where the shutdown notification lies, two bits.
pub(crate) const CC_SHUTDOWN: u32 = 14;
/// CC.IOSQES = 2^6 and CC.IOCQES = 2^4 bytes; CC.MPS = 0 (4 KiB); CC.CSS = 0
/// (NVM command set); CC.AMS = 0 (round robin).
pub(crate) const CC_SETTINGS: u32 = (6 << 16) | (4 << 20);

/// CSTS.RDY.
pub(crate) const CSTS_READY: u32 = 1;
/// CSTS.CFS.
pub(crate) const CSTS_FATAL: u32 = 1 << 1;
/// CSTS.SHST: two bits, 2 is complete.
pub(crate) const CSTS_SHUTDOWN: u32 = 3 << 2;
/// CSTS.SHST of a shutdown that is complete.
pub(crate) const CSTS_SHUTDOWN_DONE: u32 = 2 << 2;

/// Nanoseconds of the unit that CAP.TO counts in: 500 ms.
const TIMEOUT_UNIT: u64 = 500_000_000;

/// CAP, judged: what the controller can do (section 3.1.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    entries: u32,
    timeout: u64,
    stride: usize,
}

impl Capabilities {
    /// Reads and judges CAP.
    ///
    /// # Errors
    /// [`Error::Gone`] if nothing answers; [`Error::Garbage`] and
    /// [`Error::Unsupported`] for what the driver cannot work with.
    pub fn read(registers: &impl Registers) -> Result<Self, Error> {
        if registers.size() < DOORBELLS {
            return Err(Error::Garbage(Field::Doorbells));
        }
        let cap = registers.read64(CAP);
        if cap == u64::MAX {
            return Err(Error::Gone);
        }
        let bits = |low: u32, mask: u64| (cap >> low) & mask;
        let most = bits(0, 0xffff) as u32;
        if most == 0 {
            return Err(Error::Garbage(Field::QueueEntries));
        }
        if bits(37, 1) == 0 {
            return Err(Error::Unsupported(Unsupported::CommandSet));
        }
        if bits(48, 0xf) != 0 {
            return Err(Error::Unsupported(Unsupported::PageSize));
        }
        let timeout = bits(24, 0xff).saturating_add(1).saturating_mul(TIMEOUT_UNIT);
        let stride = 4usize << (bits(32, 0xf) as u32);
        Ok(Self { entries: most.saturating_add(1), timeout, stride })
    }

    /// Entries that a queue of I/O may have (CAP.MQES): at least 2.
    #[must_use]
    pub const fn queue_entries(&self) -> u32 {
        self.entries
    }

    /// Nanoseconds that CSTS.RDY may take to follow CC.EN (CAP.TO). One unit
    /// is added, because a controller that says 0 still takes some time.
    #[must_use]
    pub const fn timeout(&self) -> u64 {
        self.timeout
    }

    /// Where the doorbells of queue pair `id` lie: submission tail and
    /// completion head (CAP.DSTRD; PCIe Transport Specification 1.0, section
    /// 3.1.2).
    ///
    /// # Errors
    /// [`Field::Doorbells`] if not within the `size` bytes that are mapped.
    pub fn doorbells(&self, id: u16, size: usize) -> Result<(usize, usize), Error> {
        let at = |index: usize| {
            let offset = index.checked_mul(self.stride)?.checked_add(DOORBELLS)?;
            (offset.checked_add(4)? <= size).then_some(offset)
        };
        let first = usize::from(id).saturating_mul(2);
        let pair = at(first).zip(at(first.saturating_add(1)));
        pair.ok_or(Error::Garbage(Field::Doorbells))
    }
}

/// CSTS.
///
/// # Errors
/// [`Error::Gone`] if nothing answers.
pub(crate) fn status(registers: &impl Registers) -> Result<u32, Error> {
    match registers.read32(CSTS) {
        u32::MAX => Err(Error::Gone),
        status => Ok(status),
    }
}
