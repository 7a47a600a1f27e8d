// SPDX-License-Identifier: Apache-2.0
//! What `drivers/nvme` is given of this machine: registers, DMA memory, time.

use skimmer_arch::{
    dma::{self, DmaMemory},
    mmio::Mmio,
    time,
};
use skimmer_nvme::{Clock, Dma, Gate, Memory, PAGE_SIZE, Registers};

use crate::{lwkt, pci::Reins};

const _: () = assert!(PAGE_SIZE == skimmer_core::frames::FRAME_SIZE);

/// One controller's way to the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    registers: Mmio,
    reins: Reins,
}

impl Machine {
    pub(super) const fn new(registers: Mmio, reins: Reins) -> Self {
        Self { registers, reins }
    }

    /// Turns the slot off that the drive is in. Whether it is in one that obeyed.
    pub(crate) fn power_off(&self) -> bool {
        self.reins.power_off()
    }
}

impl Registers for Machine {
    fn size(&self) -> usize {
        self.registers.size()
    }

    fn read32(&self, offset: usize) -> u32 {
        self.registers.read(offset)
    }

    fn write32(&self, offset: usize, value: u32) {
        self.registers.write(offset, value);
    }

    // Both halves may be accessed by themselves (section 3.1.3), which every bus
    // can.
    fn read64(&self, offset: usize) -> u64 {
        let low = u64::from(self.registers.read(offset));
        u64::from(self.registers.read(offset + 4)) << 32 | low
    }

    fn write64(&self, offset: usize, value: u64) {
        self.registers.write(offset, value as u32);
        self.registers.write(offset + 4, (value >> 32) as u32);
    }
}

/// Frames of the heap that the drive reaches.
#[derive(Debug)]
pub(crate) struct Frames(DmaMemory);

impl Frames {
    /// Copies whole words out.
    pub(crate) fn read_words(&self, offset: usize, into: &mut [u64]) {
        self.0.read_words(offset, into);
    }

    /// Copies whole words in.
    pub(crate) fn write_words(&mut self, offset: usize, from: &[u64]) {
        self.0.write_words(offset, from);
    }
}

impl Memory for Frames {
    fn address(&self) -> u64 {
        self.0.address()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn load32(&self, offset: usize) -> u32 {
        self.0.load32(offset)
    }

    fn store32(&mut self, offset: usize, value: u32) {
        self.0.store32(offset, value);
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        self.0.read(offset, into);
    }

    fn write(&mut self, offset: usize, from: &[u8]) {
        self.0.write(offset, from);
    }
}

impl Dma for Machine {
    type Memory = Frames;

    fn allocate(&self, pages: usize) -> Option<Frames> {
        DmaMemory::allocate(pages).map(Frames)
    }

    fn fence_before_doorbell(&self) {
        dma::fence_before_doorbell();
    }

    fn fence_after_phase(&self) {
        dma::fence_after_phase();
    }
}

impl Gate for Machine {
    fn open(&self) -> bool {
        self.reins.give_memory()
    }

    fn close(&self) -> bool {
        self.reins.cut_off()
    }
}

impl Clock for Machine {
    fn now(&self) -> u64 {
        time::nanos(time::now())
    }

    /// Law remote-waits-yield: others have the hart meanwhile.
    fn pause(&self, until: u64) {
        let left = until.saturating_sub(self.now());
        lwkt::sleep_until(time::now().saturating_add(time::ticks(left)));
    }
}
