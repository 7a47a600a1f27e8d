// SPDX-License-Identifier: Apache-2.0
//! Names of channels.

use core::num::NonZeroU32;

use crate::{channel::waiter::Wait, ids::ThreadId};

/// The last generation: a name fits a positive `i64`.
pub const LAST_GENERATION: u32 = i32::MAX as u32;

/// Names one channel of one process, for ever: the slot's number, and above it
/// a generation that is never 0. So 0 and negative numbers name nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelId {
    generation: NonZeroU32,
    index: u32,
}

impl ChannelId {
    pub(crate) const fn new(index: u32, generation: NonZeroU32) -> Self {
        Self { generation, index }
    }

    /// The name in a register, if it could be one.
    #[must_use]
    pub const fn from_register(register: u64) -> Option<Self> {
        let generation = (register >> u32::BITS) as u32;
        match NonZeroU32::new(generation) {
            Some(generation) if generation.get() <= LAST_GENERATION => {
                Some(Self { generation, index: register as u32 })
            }
            _ => None,
        }
    }

    /// As it travels in a register: positive as an `i64`.
    #[must_use]
    pub const fn to_register(self) -> u64 {
        (self.generation.get() as u64) << u32::BITS | self.index as u64
    }

    /// The slot.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which of the slot's occupants.
    #[must_use]
    pub const fn generation(self) -> NonZeroU32 {
        self.generation
    }
}

/// Names one message that was received, for the server's process: where its client
/// waits, and which of the waits there. 0 and negative numbers name nothing. A
/// client's waits are told apart up to 2^33 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(u64);

impl MessageId {
    const PLACE_BITS: u32 = 30;
    const NUMBERS: u64 = (1 << (63 - Self::PLACE_BITS)) - 1;

    /// Harts whose threads can be told apart.
    pub const MOST_HARTS: usize = 1 << (Self::PLACE_BITS - ThreadId::PLACE_SLOT_BITS);

    pub(crate) const fn new(place: u32, number: u64) -> Self {
        Self((number & Self::NUMBERS) << Self::PLACE_BITS | place as u64)
    }

    /// The message that is sent, or was, by that wait.
    #[must_use]
    pub const fn of(wait: Wait) -> Self {
        Self::new(wait.thread.place(), wait.number)
    }

    /// Whether messages of that number would have no name.
    pub(crate) const fn is_nameless(number: u64) -> bool {
        number & Self::NUMBERS == 0
    }

    /// The name in a register, if it could be one.
    #[inline]
    #[must_use]
    pub const fn from_register(register: u64) -> Option<Self> {
        let number = register >> Self::PLACE_BITS;
        if number == 0 || number > Self::NUMBERS { None } else { Some(Self(register)) }
    }

    /// As it travels in a register: positive as an `i64`.
    #[inline]
    #[must_use]
    pub const fn to_register(self) -> u64 {
        self.0
    }

    pub(crate) const fn place(self) -> u32 {
        (self.0 & ((1 << Self::PLACE_BITS) - 1)) as u32
    }

    /// Whether it is of the wait of that number.
    pub(crate) const fn is_of(self, number: u64) -> bool {
        self.0 >> Self::PLACE_BITS == number & Self::NUMBERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for (index, generation) in [(0, 1), (7, 3), (u32::MAX, LAST_GENERATION)] {
            let id = ChannelId::new(index, NonZeroU32::new(generation).unwrap());
            let register = id.to_register();
            assert!(i64::try_from(register).unwrap() > 0);
            assert_eq!(ChannelId::from_register(register), Some(id));
            assert_eq!((id.index(), id.generation().get()), (index, generation));
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_none() {
        for register in [0, 1, u64::from(u32::MAX), 1 << 63, u64::MAX, (-1_i64).cast_unsigned()] {
            assert_eq!(ChannelId::from_register(register), None, "{register:#x}");
        }
    }
}
