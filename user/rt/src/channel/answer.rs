// SPDX-License-Identifier: Apache-2.0
//! A message that was received, and a client that waits for its answer: each is
//! answered exactly once, because the answer takes it away.

use crate::message::{self, MsgInfo, ReceiveId, Received};
use crate::{Errno, Result};

/// A client that waits for the answer to its message: what is kept of a message
/// that is answered later, maybe by another thread. It is answered once, because
/// [`Self::reply`] and [`Self::error`] take it away. One that is dropped is answered
/// with ECANCELED.
///
/// ```compile_fail,E0382
/// fn twice(client: skimmer_rt::channel::Waiting) {
///     let _ = client.reply(0, b"once");
///     let _ = client.reply(0, b"twice");
/// }
/// ```
///
/// ```
/// fn once(client: skimmer_rt::channel::Waiting) {
///     let _ = client.reply(0, b"once");
/// }
/// ```
#[derive(Debug)]
#[must_use = "a client that is dropped is answered with ECANCELED"]
pub struct Waiting {
    id: ReceiveId,
}

impl Waiting {
    /// The one whose message has that name. Nobody else answers it.
    #[inline]
    pub(super) const fn new(id: ReceiveId) -> Self {
        Self { id }
    }

    /// The name of its message.
    #[inline]
    #[must_use]
    pub const fn id(&self) -> ReceiveId {
        self.id
    }

    /// Who it is.
    ///
    /// # Errors
    /// ESRCH: it no longer waits.
    pub fn info(&self) -> Result<MsgInfo> {
        message::info(self.id.number())
    }

    /// Answers: its `send` returns `status`, and has as much of `answer` as it has
    /// room for.
    ///
    /// # Errors
    /// See [`message::reply`]. It does not wait any more, however that went.
    #[inline]
    pub fn reply(self, status: i64, answer: &[u8]) -> Result<()> {
        message::reply(self.into_id().number(), status, answer)
    }

    /// Lets its `send` fail.
    ///
    /// # Errors
    /// ESRCH: it no longer waits.
    #[inline]
    pub fn error(self, errno: Errno) -> Result<()> {
        message::error(self.into_id().number(), Some(errno))
    }

    /// Its message's name, for who answers now.
    #[inline]
    const fn into_id(self) -> ReceiveId {
        let id = self.id;
        core::mem::forget(self);
        id
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have left already.
        let _ = message::error(self.id.number(), Some(Errno::ECANCELED));
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
    client: Waiting,
    bytes: &'b [u8],
    sent: usize,
}

impl<'b> Message<'b> {
    /// What was received into that buffer.
    #[inline]
    pub(super) fn new(received: Received, buffer: &'b [u8]) -> Self {
        let bytes = &buffer[..received.copied.min(buffer.len())];
        Self { client: Waiting::new(received.id), bytes, sent: received.sent }
    }

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
        self.sent
    }

    /// Its name.
    #[inline]
    #[must_use]
    pub const fn id(&self) -> ReceiveId {
        self.client.id()
    }

    /// Who has sent it.
    ///
    /// # Errors
    /// ESRCH: the client no longer waits.
    pub fn info(&self) -> Result<MsgInfo> {
        self.client.info()
    }

    /// Answers it: the client's `send` returns `status`, and has as much of
    /// `answer` as it has room for.
    ///
    /// # Errors
    /// See [`message::reply`]. The message is gone, however that went.
    #[inline]
    pub fn reply(self, status: i64, answer: &[u8]) -> Result<()> {
        self.client.reply(status, answer)
    }

    /// Lets the client's `send` fail.
    ///
    /// # Errors
    /// ESRCH: the client no longer waits.
    #[inline]
    pub fn error(self, errno: Errno) -> Result<()> {
        self.client.error(errno)
    }

    /// Gives the buffer back, and keeps the client, to answer later.
    #[inline]
    pub fn later(self) -> Waiting {
        self.client
    }
}
