// SPDX-License-Identifier: Apache-2.0
//! A drive that obeys the specification, and misbehaves when it is told to.
//! [`Fake`] is the machine with the drive in it, as the driver sees both.

mod commands;
mod device;
mod ram;
mod trouble;

use std::cell::RefCell;
use std::rc::Rc;

pub(crate) use device::{Device, Setup};
use skimmer_nvme::{Clock, Controller, Dma, Gate, Memory, Options, PAGE_SIZE, Registers};
pub(crate) use trouble::Trouble;

/// A machine with a drive.
#[derive(Clone)]
pub(crate) struct Fake(Rc<RefCell<Device>>);

impl Fake {
    pub(crate) fn new(setup: Setup) -> Self {
        Self(Rc::new(RefCell::new(Device::new(setup))))
    }

    /// Looks at the drive, or changes it.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Device) -> T) -> T {
        f(&mut self.0.borrow_mut())
    }

    /// Starts the controller: what led the drive astray comes before what came of it.
    pub(crate) fn start(&self, options: Options, queues: u16) -> Controller<Self> {
        let controller = Controller::start(self.clone(), options, queues);
        self.assert_clean();
        controller.expect("it starts")
    }

    /// Panics if the drive was led astray.
    pub(crate) fn assert_clean(&self) {
        self.with(|device| assert_eq!(device.ram.violations.first(), None));
    }
}

impl Registers for Fake {
    fn size(&self) -> usize {
        self.with(|device| device.setup.register_bytes)
    }
    fn read32(&self, offset: usize) -> u32 {
        self.with(|device| device.read(offset) as u32)
    }
    fn write32(&self, offset: usize, value: u32) {
        self.with(|device| device.write(offset, u64::from(value)));
    }
    fn read64(&self, offset: usize) -> u64 {
        self.with(|device| device.read(offset))
    }
    fn write64(&self, offset: usize, value: u64) {
        self.with(|device| device.write(offset, value));
    }
}

impl Dma for Fake {
    type Memory = FakeMemory;
    fn allocate(&self, pages: usize) -> Option<FakeMemory> {
        let address = self.with(|device| device.ram.allocate(pages))?;
        Some(FakeMemory { fake: self.clone(), address, pages })
    }
    fn fence_before_doorbell(&self) {
        self.with(|device| device.ram.fence());
    }
    fn fence_after_phase(&self) {
        self.with(|device| device.ram.fence_reads());
    }
}

impl Gate for Fake {
    fn open(&self) -> bool {
        self.with(|device| device.open_gate())
    }
    fn close(&self) -> bool {
        self.with(|device| device.close_gate())
    }
}

impl Clock for Fake {
    fn now(&self) -> u64 {
        self.with(|device| device.now)
    }
    fn pause(&self, until: u64) {
        self.with(|device| device.pause(until));
    }
}

/// Pages of the machine's, freed when dropped.
pub(crate) struct FakeMemory {
    fake: Fake,
    address: u64,
    pages: usize,
}

impl Memory for FakeMemory {
    fn address(&self) -> u64 {
        self.address
    }
    fn size(&self) -> usize {
        self.pages * PAGE_SIZE
    }
    fn load32(&self, offset: usize) -> u32 {
        // Of the driver's loads of dwords, those at this place are looks at a
        // phase tag.
        if offset % 16 == 12 {
            return self.fake.with(|device| device.ram.cpu_looks(self.address + offset as u64));
        }
        self.fake.with(|device| device.is_taken(self.address + offset as u64));
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }
    fn store32(&mut self, offset: usize, value: u32) {
        self.write(offset, &value.to_le_bytes());
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        assert!(offset + into.len() <= self.size());
        self.fake.with(|device| device.ram.cpu_read(self.address + offset as u64, into));
    }
    fn write(&mut self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= self.size());
        self.fake.with(|device| device.ram.cpu_write(self.address + offset as u64, from));
    }
}

impl Drop for FakeMemory {
    fn drop(&mut self) {
        self.fake.with(|device| device.ram.free(self.address, self.pages));
    }
}
