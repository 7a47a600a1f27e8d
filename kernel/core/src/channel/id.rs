// SPDX-License-Identifier: Apache-2.0
//! Names of channels, and the flags they are made with.

use core::num::NonZeroU32;

use skimmer_abi::errno::Errno;

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

/// What a channel was made for: QNX's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelFlags(u32);

impl ChannelFlags {
    /// Receivers keep their own priority.
    pub const FIXED_PRIORITY: Self = Self(1);
    /// A client that is to leave is announced by a pulse, and waits for the answer.
    pub const UNBLOCK: Self = Self(2);
    /// A pulse for every thread of the process that ends.
    pub const THREAD_DEATH: Self = Self(4);
    /// A pulse for every client process that has detached.
    pub const DISCONNECT: Self = Self(8);
    /// Receivers learn how much the sender has sent.
    pub const SENDER_LEN: Self = Self(0x20);
    /// A pulse for every connection of the process whose channel is gone.
    pub const COID_DISCONNECT: Self = Self(0x40);
    /// Receivers learn how much the sender takes.
    pub const REPLY_LEN: Self = Self(0x80);
    /// Pulses come from a pool of the channel's own.
    pub const PULSE_POOL: Self = Self(0x100);
    /// For the process itself only.
    pub const PRIVATE: Self = Self(0x1000);
    /// Receivers run where the sender may.
    pub const INHERIT_RUNMASK: Self = Self(0x4000);
    /// The answer to an unblock pulse has a deadline.
    pub const UNBLOCK_TIMER: Self = Self(0x8000);

    const KNOWN: u32 = 0xd1ef;

    /// The flags in a register.
    ///
    /// # Errors
    /// `EINVAL` for a bit that means nothing.
    #[inline]
    pub const fn from_register(register: u64) -> Result<Self, Errno> {
        if register & !(Self::KNOWN as u64) != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Self(register as u32))
    }

    /// As a number.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other` is among them.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
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

    #[test]
    fn unknown_flags_are_refused() {
        let known: [(u32, ChannelFlags); 11] = [
            (0x1, ChannelFlags::FIXED_PRIORITY),
            (0x2, ChannelFlags::UNBLOCK),
            (0x4, ChannelFlags::THREAD_DEATH),
            (0x8, ChannelFlags::DISCONNECT),
            (0x20, ChannelFlags::SENDER_LEN),
            (0x40, ChannelFlags::COID_DISCONNECT),
            (0x80, ChannelFlags::REPLY_LEN),
            (0x100, ChannelFlags::PULSE_POOL),
            (0x1000, ChannelFlags::PRIVATE),
            (0x4000, ChannelFlags::INHERIT_RUNMASK),
            (0x8000, ChannelFlags::UNBLOCK_TIMER),
        ];
        for bit in 0..64 {
            let expected = known.iter().find(|(number, _)| u64::from(*number) == 1 << bit);
            let expected = expected.map(|(_, flag)| *flag).ok_or(Errno::EINVAL);
            assert_eq!(ChannelFlags::from_register(1 << bit), expected);
        }
        assert_eq!(ChannelFlags::from_register(0), Ok(ChannelFlags::default()));
    }
}
