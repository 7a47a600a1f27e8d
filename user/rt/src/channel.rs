// SPDX-License-Identifier: Apache-2.0
//! Channels: where a server receives. (Messages come with milestone 0.5.)

use skimmer_abi::call::Call;

use crate::{Result, raw};

/// The kernel's name of a channel of this process. A name, not the channel:
/// when the channel is gone it is refused, and never means the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u64);

impl ChannelId {
    /// The number itself, as the calls have it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Destroys the channel of that name. Who is blocked on it is woken.
    ///
    /// # Errors
    /// EINVAL: there is none of that name (any more).
    pub fn destroy(self) -> Result<()> {
        // SAFETY: the call touches no memory.
        unsafe { raw::answer(Call::ChannelDestroy, [self.0]) }.map(|_| ())
    }
}

/// How a channel is to behave: none of its flags exist yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelFlags(u64);

impl ChannelFlags {
    /// Plain.
    pub const NONE: Self = Self(0);

    /// Those bits, whether the kernel knows them or not.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A channel of one's own. It is destroyed when this is dropped.
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
}

impl Channel {
    /// A new channel.
    ///
    /// # Errors
    /// EINVAL (flags that do not exist), EAGAIN (the limit of the process),
    /// ENOMEM.
    pub fn create(flags: ChannelFlags) -> Result<Self> {
        // SAFETY: the call touches no memory.
        let id = unsafe { raw::answer(Call::ChannelCreate, [flags.0]) }?;
        Ok(Self { id: ChannelId(id) })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> ChannelId {
        self.id
    }

    /// Leaves it to its name: nothing destroys it but [`ChannelId::destroy`] or
    /// the end of the process.
    #[must_use]
    pub fn into_id(self) -> ChannelId {
        let id = self.id;
        core::mem::forget(self);
        id
    }

    /// Destroys it, and says how that went.
    ///
    /// # Errors
    /// EINVAL: it was destroyed by its name before.
    pub fn destroy(self) -> Result<()> {
        self.into_id().destroy()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // It may have been destroyed by its name.
        let _ = self.id.destroy();
    }
}
