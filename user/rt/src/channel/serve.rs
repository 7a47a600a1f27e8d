// SPDX-License-Identifier: Apache-2.0
//! The loop of a server: one call of the kernel for each message, which gives the
//! answer and waits for the next.
//!
//! A client that is gone when its answer comes is its own business: the loop goes
//! on. It ends when the server cannot receive.

use core::marker::PhantomData;

use crate::message::{self, MsgInfo, ReceiveId, Received, ReplyReceiveError};
use crate::{Errno, Result, raw};

use super::{Channel, ChannelId, Waiting};

/// A message that [`Channel::serve`] has received. It turns into the [`Answer`] that
/// the loop wants, and nothing else does: so it is answered exactly once.
///
/// ```compile_fail,E0382
/// use skimmer_rt::channel::{Answer, Request};
///
/// fn twice<'b>(request: Request<'b>) -> Answer<'b> {
///     let _first = request.reply(0, b"once");
///     request.reply(0, b"twice")
/// }
/// ```
///
/// ```
/// use skimmer_rt::channel::{Answer, Request};
///
/// fn once<'b>(request: Request<'b>) -> Answer<'b> {
///     request.reply(0, b"once")
/// }
/// ```
///
/// An answer to one is not taken for another:
///
/// ```compile_fail
/// use skimmer_rt::channel::{Answer, Request};
///
/// fn swapped<'a, 'b>(one: Request<'a>, _other: Request<'b>) -> Answer<'b> {
///     one.reply(0, b"yours?")
/// }
/// ```
#[derive(Debug)]
#[must_use = "a request turns into an answer"]
pub struct Request<'b> {
    received: Received,
    buffer: &'b mut [u8],
    brand: Brand<'b>,
}

/// A lifetime that fits itself only: what has it comes from the same request.
type Brand<'b> = PhantomData<fn(&'b ()) -> &'b ()>;

impl<'b> Request<'b> {
    fn new(received: Received, buffer: &'b mut [u8]) -> Self {
        Self { received, buffer, brand: PhantomData }
    }

    /// What of the message was received.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.received.copied.min(self.buffer.len())]
    }

    /// The server's whole buffer: the message, and what is behind it. For an answer
    /// that is written in place; see [`Self::reply_in_place`].
    #[inline]
    #[must_use]
    pub fn buffer(&mut self) -> &mut [u8] {
        self.buffer
    }

    /// Bytes that the client has sent. More than there are in [`Self::bytes`] if the
    /// buffer was too short; the rest is lost.
    #[inline]
    #[must_use]
    pub const fn sent(&self) -> usize {
        self.received.sent
    }

    /// The message's name.
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

    /// The client's `send` shall return `status`, and have `answer`, which goes
    /// through the buffer: of a longer one, as much as that holds.
    #[inline]
    pub fn reply(self, status: i64, answer: &[u8]) -> Answer<'b> {
        let length = answer.len().min(self.buffer.len());
        self.buffer[..length].copy_from_slice(&answer[..length]);
        self.reply_in_place(status, length)
    }

    /// The same with the first `length` bytes of the buffer as the answer; of more
    /// than it has, with all.
    #[inline]
    pub fn reply_in_place(self, status: i64, length: usize) -> Answer<'b> {
        let answer = &self.buffer[..length.min(self.buffer.len())];
        Answer::new(Turn::reply(status, answer))
    }

    /// The client's `send` shall fail.
    #[inline]
    pub fn error(self, errno: Errno) -> Answer<'b> {
        Answer::new(Turn::Error(errno))
    }

    /// The client shall wait on, while the loop serves others: who has what is
    /// returned first answers it.
    #[inline]
    pub fn later(self) -> (Waiting, Answer<'b>) {
        (Waiting::new(self.received.id), Answer::new(Turn::Later))
    }
}

/// What becomes of a [`Request`].
#[derive(Debug)]
#[must_use = "the loop of the server wants it"]
pub struct Answer<'b> {
    turn: Turn,
    brand: Brand<'b>,
}

impl Answer<'_> {
    const fn new(turn: Turn) -> Self {
        Self { turn, brand: PhantomData }
    }
}

/// What the loop does with a message that was received.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    /// Answers it.
    Reply {
        /// With that status,
        status: i64,
        /// and what lies there until the answer is given:
        address: u64,
        /// so many bytes.
        length: u64,
    },
    /// Lets the client's call fail.
    Error(Errno),
    /// Nothing: somebody else answers.
    Later,
}

impl Turn {
    /// An answer that lies there until it is given.
    #[inline]
    pub(crate) fn reply(status: i64, answer: &[u8]) -> Self {
        let address = raw::address(answer.as_ptr());
        Self::Reply { status, address, length: answer.len() as u64 }
    }
}

impl Channel {
    /// Serves for ever: receives into `buffer`, lets `answer` say what is answered,
    /// gives that answer and receives the next message in one call of the kernel.
    ///
    /// Returns the error that ended it: ESRCH, because somebody destroyed the
    /// channel; see [`message::receive`]. What a client does wrong, or that it is
    /// gone, does not end it.
    ///
    /// ```no_run
    /// use skimmer_rt::channel::{Channel, ChannelFlags};
    ///
    /// # fn main() -> skimmer_rt::Result<()> {
    /// let channel = Channel::create(ChannelFlags::NONE)?;
    /// let mut served = 0_u64;
    /// let why = channel.serve(&mut [0; 64], |request| {
    ///     served += 1;
    ///     request.reply(0, &served.to_le_bytes())
    /// });
    /// # let _ = why;
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve(
        &self,
        buffer: &mut [u8],
        mut answer: impl for<'b> FnMut(Request<'b>) -> Answer<'b>,
    ) -> Errno {
        let turn = |received, buffer: &mut [u8]| answer(Request::new(received, buffer)).turn;
        // SAFETY: a request answers from the buffer, or from nowhere.
        unsafe { run(&mut Kernel(self.id()), buffer, turn) }
    }
}

/// The calls of the loop.
pub(crate) trait Calls {
    /// [`message::receive`].
    fn receive(&mut self, into: &mut [u8]) -> Result<Received>;

    /// [`message::reply_receive`], of bytes that may be those of `into`.
    ///
    /// # Safety
    /// The answer's bytes can be read until this returns.
    unsafe fn reply_receive(
        &mut self,
        id: ReceiveId,
        answer: (i64, u64, u64),
        into: &mut [u8],
    ) -> core::result::Result<Received, ReplyReceiveError>;

    /// [`message::error`].
    fn error(&mut self, id: ReceiveId, errno: Errno) -> Result<()>;
}

/// The kernel's.
pub(crate) struct Kernel(pub(crate) ChannelId);

impl Calls for Kernel {
    #[inline]
    fn receive(&mut self, into: &mut [u8]) -> Result<Received> {
        message::receive(self.0.number(), into)
    }

    #[inline]
    unsafe fn reply_receive(
        &mut self,
        id: ReceiveId,
        (status, address, length): (i64, u64, u64),
        into: &mut [u8],
    ) -> core::result::Result<Received, ReplyReceiveError> {
        let (id, chid, room) = (id.number(), self.0.number(), into.len() as u64);
        let into = raw::address(into.as_mut_ptr());
        // SAFETY: our caller answers for the answer; the other place is ours.
        let (next, copied, sent) =
            unsafe { message::raw::reply_receive(id, status, address, length, chid, into, room) };
        message::received_next(next, copied, sent)
    }

    #[inline]
    fn error(&mut self, id: ReceiveId, errno: Errno) -> Result<()> {
        message::error(id.number(), Some(errno))
    }
}

/// The loop itself: what was received, and the buffer with it, goes to `turn`. What
/// ended it.
///
/// # Safety
/// The answers that `turn` returns can be read until it is called again.
#[inline]
pub(crate) unsafe fn run(
    calls: &mut impl Calls,
    buffer: &mut [u8],
    mut turn: impl FnMut(Received, &mut [u8]) -> Turn,
) -> Errno {
    let mut next = calls.receive(buffer);
    loop {
        let received = match next {
            Ok(received) => received,
            Err(errno) => return errno,
        };
        next = match turn(received, buffer) {
            Turn::Reply { status, address, length } => {
                // SAFETY: our caller answers for that.
                let next =
                    unsafe { calls.reply_receive(received.id, (status, address, length), buffer) };
                match next {
                    Ok(received) => Ok(received),
                    Err(ReplyReceiveError::Receive(errno)) => Err(errno),
                    // The client is gone, or gave us no room: it knows.
                    Err(ReplyReceiveError::Reply(_)) => calls.receive(buffer),
                }
            }
            Turn::Error(errno) => {
                // The client may be gone.
                let _ = calls.error(received.id, errno);
                calls.receive(buffer)
            }
            Turn::Later => calls.receive(buffer),
        };
    }
}

#[cfg(test)]
mod tests;
