// SPDX-License-Identifier: Apache-2.0
//! Channels: where a server receives, and what it receives there.

use core::time::Duration;

use skimmer_abi::call::Call;
pub use skimmer_abi::channel::ChannelFlags;

use crate::{Result, message, raw};

mod answer;
mod serve;

pub use answer::{Message, Waiting};
pub use serve::{Answer, Request};
pub(crate) use serve::{Kernel, Turn, run};

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

    /// Waits for a message, the first of those of the highest priority; as much of
    /// it as `buffer` holds is written there. The thread has the client's priority
    /// from now on.
    ///
    /// # Errors
    /// See [`message::receive`].
    ///
    /// ```no_run
    /// use skimmer_rt::channel::{Channel, ChannelFlags};
    ///
    /// # fn main() -> skimmer_rt::Result<()> {
    /// let channel = Channel::create(ChannelFlags::NONE)?;
    /// let mut buffer = [0; 64];
    /// let message = channel.receive(&mut buffer)?;
    /// let bytes = message.bytes();
    /// // The client's `send` returns 0, and has its message back.
    /// message.reply(0, bytes)?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> Result<Message<'b>> {
        let received = message::receive(self.id.0, buffer)?;
        Ok(Message::new(received, buffer))
    }

    /// The same, but not for longer than `time`.
    ///
    /// # Errors
    /// As [`Self::receive`]. ETIMEDOUT: no message came in that time.
    pub fn receive_within<'b>(&self, time: Duration, buffer: &'b mut [u8]) -> Result<Message<'b>> {
        message::timeout_after(message::states::RECEIVE, time)?;
        self.receive(buffer)
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
