// SPDX-License-Identifier: Apache-2.0
//! What a channel can be asked to be.

use crate::errno::Errno;

/// What a channel is made for: QNX's numbers.
///
/// The kernel takes every flag that is named here and refuses other bits. It
/// allows a process one channel with [`Self::THREAD_DEATH`] and one with
/// [`Self::COID_DISCONNECT`]. Whatever else they promise comes with messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelFlags(u32);

impl ChannelFlags {
    /// Plain.
    pub const NONE: Self = Self(0);
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

    const KNOWN: u32 = Self::FIXED_PRIORITY
        .with(Self::UNBLOCK)
        .with(Self::THREAD_DEATH)
        .with(Self::DISCONNECT)
        .with(Self::SENDER_LEN)
        .with(Self::COID_DISCONNECT)
        .with(Self::REPLY_LEN)
        .with(Self::PULSE_POOL)
        .with(Self::PRIVATE)
        .with(Self::INHERIT_RUNMASK)
        .with(Self::UNBLOCK_TIMER)
        .0;

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
        assert_eq!(ChannelFlags::from_register(0), Ok(ChannelFlags::NONE));
        assert_eq!(ChannelFlags::NONE, ChannelFlags::default());
    }

    #[test]
    fn flags_add_up() {
        let both = ChannelFlags::UNBLOCK.with(ChannelFlags::PRIVATE);
        assert_eq!(both.bits(), 0x1002);
        assert_eq!(ChannelFlags::from_register(0x1002), Ok(both));
        assert!(both.has(ChannelFlags::PRIVATE.with(ChannelFlags::DISCONNECT)));
        assert!(!both.has(ChannelFlags::DISCONNECT));
    }
}
