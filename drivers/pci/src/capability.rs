// SPDX-License-Identifier: Apache-2.0
//! The list of capabilities (PCI 6.7; PCIe 7.5.1.1.11).
//!
//! Role: walks it.
//! Invariant: every capability that comes out lies between 40h and FFh, and
//! none comes out twice, so a list ends after at most 48.

use crate::config::{ConfigSpace, FunctionAddress, Register, read};
use crate::register::{CAPABILITIES, COMMAND, HAS_CAPABILITIES, NOBODY, byte};

/// The first byte behind the header (PCI 6.1).
const FIRST: u8 = 0x40;

/// One capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is (PCI appendix H).
    pub id: u8,
    /// Where it begins: a multiple of 4, 40h to FCh.
    pub offset: u8,
}

/// What can be wrong with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFlaw {
    /// It leads into the header.
    BadOffset(u8),
    /// It comes back to where it was.
    Loop(u8),
    /// The function stopped answering.
    Gone,
    /// A capability that reaches past the 256 bytes that the list is in, or
    /// says what is reserved.
    Malformed(u8),
}

/// The capabilities of a function. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Capabilities<'c, C> {
    config: &'c C,
    function: FunctionAddress,
    /// Where the next one is; 0 at the end.
    next: u8,
    /// A bit for each multiple of 4 that was visited.
    visited: u64,
}

impl<'c, C: ConfigSpace> Capabilities<'c, C> {
    /// The capabilities of a function whose header is of type 0 or 1.
    #[must_use]
    pub fn new(config: &'c C, function: FunctionAddress) -> Self {
        let status = read(config, function, COMMAND);
        let next = match status & HAS_CAPABILITIES {
            0 => 0,
            _ if status == NOBODY => 0,
            _ => byte(read(config, function, CAPABILITIES), 0),
        };
        Capabilities { config, function, next: aligned(next), visited: 0 }
    }

    fn take(&mut self) -> Result<Capability, ListFlaw> {
        let offset = self.next;
        if offset < FIRST {
            return Err(ListFlaw::BadOffset(offset));
        }
        let mark = 1_u64 << (offset >> 2);
        if self.visited & mark != 0 {
            return Err(ListFlaw::Loop(offset));
        }
        self.visited |= mark;
        let head = read(self.config, self.function, Register::holding(offset));
        if head == NOBODY {
            return Err(ListFlaw::Gone);
        }
        self.next = aligned(byte(head, 1));
        Ok(Capability { id: byte(head, 0), offset })
    }
}

/// The two low bits are reserved and masked away (PCI 6.7).
fn aligned(pointer: u8) -> u8 {
    pointer & !3
}

impl<C: ConfigSpace> Iterator for Capabilities<'_, C> {
    type Item = Result<Capability, ListFlaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == 0 {
            return None;
        }
        let capability = self.take();
        if capability.is_err() {
            self.next = 0;
        }
        Some(capability)
    }
}
