// SPDX-License-Identifier: Apache-2.0
//! Channels: where a server receives. (Messages come with milestone 0.5.)

use skimmer_abi::call::Call;
pub use skimmer_abi::channel::ChannelFlags;

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

/// A channel of one's own. It is destroyed when this is dropped.
///
/// ```no_run
/// use skimmer_rt::Errno;
/// use skimmer_rt::channel::{Channel, ChannelFlags};
///
/// # fn main() -> skimmer_rt::Result<()> {
/// let deaths = Channel::create(ChannelFlags::THREAD_DEATH)?;
/// // A process has one such channel.
/// let flags = ChannelFlags::THREAD_DEATH.with(ChannelFlags::UNBLOCK);
/// assert_eq!(Channel::create(flags).unwrap_err(), Errno::EBUSY);
/// // Its name is refused once it is gone.
/// let name = deaths.into_id();
/// name.destroy()?;
/// assert_eq!(name.destroy(), Err(Errno::EINVAL));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Channel {
    id: ChannelId,
}

impl Channel {
    /// A new channel.
    ///
    /// # Errors
    /// EBUSY (another channel of the process has a flag that only one may have),
    /// EAGAIN (the limit of the process, or memory is out).
    pub fn create(flags: ChannelFlags) -> Result<Self> {
        // SAFETY: the call touches no memory.
        let id = unsafe { raw::answer(Call::ChannelCreate, [u64::from(flags.bits())]) }?;
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
