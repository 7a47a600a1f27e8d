// SPDX-License-Identifier: Apache-2.0
//! What the driver needs of the machine: registers, memory that the drive can
//! reach, and time. Implementers own every volatile access and every fence
//! instruction; the driver says where they have to be.

/// Bytes of a page: the memory page size that the driver selects (CC.MPS = 0).
pub const PAGE_SIZE: usize = 4096;

/// The registers of a controller (section 3.1.3): the memory behind BAR 0.
///
/// Accesses are volatile, little-endian, and stay in program order among
/// themselves. Offsets are multiples of the width, and lie below `size`.
pub trait Registers {
    /// How many bytes are mapped.
    fn size(&self) -> usize;
    /// Reads 32 bits.
    fn read32(&self, offset: usize) -> u32;
    /// Writes 32 bits.
    fn write32(&self, offset: usize, value: u32);
    /// Reads 64 bits; where the bus has no such access, the low half first.
    fn read64(&self, offset: usize) -> u64;
    /// Writes 64 bits; where the bus has no such access, the low half first.
    fn write64(&self, offset: usize, value: u64);
}

/// A stretch of memory that CPU and drive both reach, contiguous for the
/// drive, and freed when it is dropped. The drive may change it at any time,
/// so accesses are volatile. Offsets stay within `size`.
pub trait Memory {
    /// Where the drive finds it: a multiple of [`PAGE_SIZE`].
    fn address(&self) -> u64;
    /// Its bytes: a multiple of [`PAGE_SIZE`].
    fn size(&self) -> usize;
    /// Reads 32 little-endian bits in one access; `offset` is a multiple of 4.
    fn load32(&self, offset: usize) -> u32;
    /// Writes 32 little-endian bits in one access; `offset` is a multiple of 4.
    fn store32(&mut self, offset: usize, value: u32);
    /// Copies bytes out.
    fn read(&self, offset: usize, into: &mut [u8]);
    /// Copies bytes in.
    fn write(&mut self, offset: usize, from: &[u8]);
}

/// Where such memory comes from, and in which order the drive sees it.
pub trait Dma {
    /// What is handed out.
    type Memory: Memory;
    /// Zeroed memory of `pages` pages, or `None` if there is not as much.
    fn allocate(&self, pages: usize) -> Option<Self::Memory>;
    /// Every access to DMA memory before this is visible to the drive before
    /// any register write after it. On RISC-V `fence rw,o`, and what the
    /// machine needs if its DMA is not coherent.
    fn fence_before_doorbell(&self);
    /// No read of DMA memory after this is older than one before it. On
    /// RISC-V `fence r,r`.
    fn fence_after_phase(&self);
}

/// The drive's way to memory (PCI: Bus Master Enable).
pub trait Gate {
    /// Lets the drive reach memory, once it is known to be off. Whether it may
    /// now.
    fn open(&self) -> bool;
    /// Takes memory away from the drive. Whether it surely reaches none any more;
    /// one that is gone does not.
    fn close(&self) -> bool;
}

/// Time and patience.
pub trait Clock {
    /// Nanoseconds since some start; never goes back.
    fn now(&self) -> u64;
    /// Lets others run until `until` (in the terms of `now`) at the latest;
    /// an interrupt of the drive may end it sooner.
    fn pause(&self, until: u64);
}

/// All of it, as a handle that can be copied: each queue pair keeps one.
pub trait Platform: Registers + Dma + Gate + Clock + Clone {}

impl<T: Registers + Dma + Gate + Clock + Clone> Platform for T {}
