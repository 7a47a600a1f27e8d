// SPDX-License-Identifier: Apache-2.0
//! Channels: where a server receives, and what it receives there.

use core::time::Duration;

use skimmer_abi::call::Call;
pub use skimmer_abi::channel::ChannelFlags;

use crate::message::{self, MsgInfo, ReceiveId, Received};
use crate::{Errno, Result, raw};

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
        let bytes = &buffer[..received.copied.min(buffer.len())];
        Ok(Message { received, bytes })
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

/// A message that was received and must be answered: the client waits for that. It
/// is answered once, because [`Self::reply`] and [`Self::error`] take it away. One
/// that is dropped is answered with ECANCELED.
///
/// ```compile_fail,E0382
/// fn twice(message: skimmer_rt::channel::Message) {
///     let _ = message.reply(0, b"once");
///     let _ = message.reply(0, b"twice");
/// }
/// ```
///
/// ```
/// fn once(message: skimmer_rt::channel::Message) {
///     let _ = message.reply(0, b"once");
/// }
/// ```
///
/// It lies in the buffer that it was received into, which is nobody else's
/// meanwhile, and lives longer:
///
/// ```compile_fail,E0515
/// # use skimmer_rt::channel::{Channel, Message};
/// fn kept<'b>(channel: &Channel) -> skimmer_rt::Result<Message<'b>> {
///     let mut buffer = [0; 64];
///     channel.receive(&mut buffer)
/// }
/// ```
///
/// ```
/// # use skimmer_rt::channel::{Channel, Message};
/// fn kept<'b>(channel: &Channel, buffer: &'b mut [u8]) -> skimmer_rt::Result<Message<'b>> {
///     channel.receive(buffer)
/// }
/// ```
#[derive(Debug)]
#[must_use = "a message that is dropped is answered with ECANCELED"]
pub struct Message<'b> {
    received: Received,
    bytes: &'b [u8],
}

impl<'b> Message<'b> {
    /// What of it was received.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Bytes that the client has sent. More than there are in [`Self::bytes`] if the
    /// buffer was too short; the rest is lost.
    #[inline]
    #[must_use]
    pub const fn sent(&self) -> usize {
        self.received.sent
    }

    /// Its name.
    #[inline]
    #[must_use]
    pub const fn id(&self) -> ReceiveId {
        self.received.id
    }

    /// Who has sent it.
    ///
    /// # Errors
    /// ESRCH: the client no longer waits.
    pub fn info(&self) -> Result<MsgInfo> {
        message::info(self.id().number())
    }

    /// Answers it: the client's `send` returns `status`, and has as much of
    /// `answer` as it has room for.
    ///
    /// # Errors
    /// See [`message::reply`]. The message is gone anyhow.
    #[inline]
    pub fn reply(self, status: i64, answer: &[u8]) -> Result<()> {
        message::reply(self.into_id().number(), status, answer)
    }

    /// Lets the client's `send` fail.
    ///
    /// # Errors
    /// ESRCH: the client no longer waits.
    #[inline]
    pub fn error(self, errno: Errno) -> Result<()> {
        message::error(self.into_id().number(), Some(errno))
    }

    /// It will be answered here.
    #[inline]
    const fn into_id(self) -> ReceiveId {
        let id = self.received.id;
        core::mem::forget(self);
        id
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        // The client may have left already.
        let _ = message::error(self.received.id.number(), Some(Errno::ECANCELED));
    }
}
