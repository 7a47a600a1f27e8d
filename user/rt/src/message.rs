// SPDX-License-Identifier: Apache-2.0
//! Messages by number: every call of them as it is, but safe.
//!
//! A client sends and waits; a server receives and answers. Programs use
//! [`Connection`](crate::connection::Connection) and
//! [`Channel`](crate::channel::Channel), which own what these functions take by
//! number. Tests and workloads, which say wrong numbers on purpose, use these.

use core::fmt;
use core::time::Duration;

use skimmer_abi::call::Call;
pub use skimmer_abi::call::MsgInfo;
use skimmer_abi::message::MONOTONIC;
pub use skimmer_abi::message::states;

use crate::{Errno, Result, raw as calls};

pub mod raw;

/// The name of a message that was received, for the process that received it:
/// who answers says it. After the answer it is refused, and never means the next
/// message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiveId(u64);

impl ReceiveId {
    /// The number itself, as the calls have it.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its name: for the answer.
    pub id: ReceiveId,
    /// Bytes of it that were copied into the receiver's buffer.
    pub copied: usize,
    /// Bytes that the client has sent. More than `copied` where the buffer is
    /// shorter; the rest is lost.
    pub sent: usize,
}

/// Why [`reply_receive`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyReceiveError {
    /// The answer: see [`reply`]. Nothing was received.
    Reply(Errno),
    /// To receive: see [`receive`]. The answer was given.
    Receive(Errno),
}

impl fmt::Display for ReplyReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(errno) => write!(f, "the answer: {errno}"),
            Self::Receive(errno) => write!(f, "to receive: {errno}"),
        }
    }
}

impl core::error::Error for ReplyReceiveError {}

/// Sends a message on a connection and waits until it is answered. As much of the
/// answer as `reply` holds is written there. The status that the server gave,
/// which may be any number.
///
/// # Errors
/// EBADF (no such connection, its channel is gone, or it was detached
/// meanwhile), ESRCH (the server died, or destroyed the channel, before it
/// answered), ENXIO (the server is ending), ESRVRFAULT (the server's answer could
/// not be read), ETIMEDOUT and EINTR (something ended the wait), and whatever
/// the server says with [`error`].
#[inline]
pub fn send(coid: u64, message: &[u8], reply: &mut [u8]) -> Result<i64> {
    let (from, into) = (calls::address(message.as_ptr()), calls::address(reply.as_mut_ptr()));
    // SAFETY: the kernel reads the one and writes the other, which are ours until it is back.
    let (status, errno) =
        unsafe { raw::send(coid, from, message.len() as u64, into, reply.len() as u64) };
    if errno == 0 { Ok(status) } else { Err(failure(status)) }
}

/// Waits for a message at a channel of this process: the one of the highest
/// priority, and of these the oldest. As much of it as `into` holds is written
/// there. The thread has the client's priority from now on, unless the channel is
/// one of [`FIXED_PRIORITY`](crate::channel::ChannelFlags::FIXED_PRIORITY).
///
/// # Errors
/// ESRCH (the process has no such channel, or it was destroyed meanwhile),
/// ETIMEDOUT and EINTR (something ended the wait).
#[inline]
pub fn receive(chid: u64, into: &mut [u8]) -> Result<Received> {
    let address = calls::address(into.as_mut_ptr());
    // SAFETY: the kernel writes what is ours until it is back, and no `MsgInfo`.
    let (id, copied, sent) = unsafe { raw::receive(chid, address, into.len() as u64, 0) };
    if id < 0 { Err(failure(id)) } else { Ok(received(id, copied, sent)) }
}

/// Answers a message: the client's [`send`] returns `status`, and has as much of
/// `answer` as it has room for. Never waits. A negative `status` is allowed.
///
/// # Errors
/// ESRCH (nobody waits for that: it was answered, the client ended or its time
/// was up), EFAULT (the client's room for the answer cannot be written; it was
/// told the same).
#[inline]
pub fn reply(id: u64, status: i64, answer: &[u8]) -> Result<()> {
    let from = calls::address(answer.as_ptr());
    // SAFETY: the kernel only reads it.
    done(unsafe { raw::reply(id, status, from, answer.len() as u64) })
}

/// Answers a message and waits for the next one, in one call: [`reply`], then
/// [`receive`].
///
/// # Errors
/// What the answer fails with, and then nothing was received; or what receiving
/// fails with, and then the answer was given.
#[inline]
pub fn reply_receive(
    id: u64,
    status: i64,
    answer: &[u8],
    chid: u64,
    into: &mut [u8],
) -> core::result::Result<Received, ReplyReceiveError> {
    let (from, room) = (calls::address(answer.as_ptr()), calls::address(into.as_mut_ptr()));
    // SAFETY: the kernel reads the one and then writes the other, which are ours until it is back.
    let (next, copied, sent) = unsafe {
        raw::reply_receive(id, status, from, answer.len() as u64, chid, room, into.len() as u64)
    };
    received_next(next, copied, sent)
}

/// Lets a client's [`send`] fail with `errno`; without one it succeeds with status
/// 0 and no answer. ERESTART makes the client send again.
///
/// # Errors
/// ESRCH: nobody waits for that.
#[inline]
pub fn error(id: u64, errno: Option<Errno>) -> Result<()> {
    // SAFETY: the call touches no memory.
    done(unsafe { raw::error(id, errno.map_or(0, |errno| errno as u64)) })
}

/// Who has sent a message that is not answered yet.
///
/// # Errors
/// ESRCH: nobody waits for that.
pub fn info(id: u64) -> Result<MsgInfo> {
    let mut info = MsgInfo::default();
    // SAFETY: the kernel writes a `MsgInfo` there, which is ours.
    done(unsafe { raw::info(id, calls::address(&raw mut info)) })?;
    Ok(info)
}

/// Leaves the channel that this thread received from last: its clients no longer
/// raise the thread's priority.
///
/// # Errors
/// None is known.
pub fn leave_channel() -> Result<()> {
    // SAFETY: the call touches no memory: there is no room for a message.
    done(unsafe { raw::receive(u64::MAX, 0, 0, 0) }.0)
}

/// Ends the next call of this thread with ETIMEDOUT when it has waited for so
/// many nanoseconds in one of `states` ([`states`]). It counts for that one call,
/// whichever it is and whether it waits or not; so nothing comes in between, no
/// allocation for one.
///
/// # Errors
/// EINVAL: bits that are none of these states.
///
/// ```no_run
/// use skimmer_rt::channel::{Channel, ChannelFlags};
/// use skimmer_rt::{Errno, message};
///
/// # fn main() -> skimmer_rt::Result<()> {
/// let nobody_knows = Channel::create(ChannelFlags::NONE)?;
/// message::timeout(message::states::RECEIVE, 1_000_000)?;
/// assert_eq!(nobody_knows.receive(&mut []).err(), Some(Errno::ETIMEDOUT));
/// # Ok(())
/// # }
/// ```
pub fn timeout(states: u64, nanoseconds: u64) -> Result<()> {
    arm(states, nanoseconds, false)
}

/// The same, when that time has come: nanoseconds since boot, as
/// [`time::now`](crate::time::now) counts. A time that was is up at once.
///
/// # Errors
/// As [`timeout`].
pub fn timeout_at(states: u64, nanoseconds_since_boot: u64) -> Result<()> {
    arm(states, nanoseconds_since_boot, true)
}

/// [`timeout`], of a duration; one that no number of nanoseconds holds is the
/// longest there is.
pub(crate) fn timeout_after(states: u64, time: Duration) -> Result<()> {
    timeout(states, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

fn arm(states: u64, nanoseconds: u64, is_since_boot: bool) -> Result<()> {
    let arguments = [MONOTONIC, states, nanoseconds, u64::from(is_since_boot)];
    // SAFETY: the call touches no memory.
    unsafe { calls::answer(Call::TimerTimeout, arguments) }.map(|_| ())
}

/// What a call of [`raw::reply_receive`] came back with.
#[inline]
pub(crate) fn received_next(
    id: i64,
    copied: u64,
    sent: u64,
) -> core::result::Result<Received, ReplyReceiveError> {
    if id >= 0 {
        Ok(received(id, copied, sent))
    } else if copied == raw::ANSWERED {
        Err(ReplyReceiveError::Receive(failure(id)))
    } else {
        Err(ReplyReceiveError::Reply(failure(id)))
    }
}

#[inline]
const fn received(id: i64, copied: u64, sent: u64) -> Received {
    let id = ReceiveId(id.cast_unsigned());
    Received { id, copied: copied as usize, sent: sent as usize }
}

/// What a call says that has no result.
#[inline]
fn done(status: i64) -> Result<()> {
    if status < 0 { Err(failure(status)) } else { Ok(()) }
}

/// The error of a call that has failed. Apart from what succeeds, where every
/// instruction counts.
#[cold]
fn failure(status: i64) -> Errno {
    match Errno::from_status(status) {
        Some(errno) => errno,
        None => panic!("the kernel answered {status}, which is no error of the contract"),
    }
}

/// The name with that number.
#[cfg(test)]
pub(crate) const fn receive_id(number: u64) -> ReceiveId {
    ReceiveId(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_answer_is_told_from_a_failed_receive() {
        let esrch = Errno::ESRCH.status();
        let of = |id, a1| received_next(id, a1, 9);
        assert_eq!(of(esrch, 1), Err(ReplyReceiveError::Reply(Errno::ESRCH)));
        assert_eq!(of(esrch, 2), Err(ReplyReceiveError::Receive(Errno::ESRCH)));
        let next = Received { id: ReceiveId(5), copied: 2, sent: 9 };
        assert_eq!(of(5, 2), Ok(next));
    }

    #[test]
    fn on_the_host_there_is_no_such_call() {
        let enosys = Errno::ENOSYS;
        assert_eq!(send(1, b"a", &mut []), Err(enosys));
        assert_eq!(receive(1, &mut [0]), Err(enosys));
        assert_eq!(reply(1, 0, b"b"), Err(enosys));
        let both = reply_receive(1, 0, &[], 1, &mut []);
        assert_eq!(both, Err(ReplyReceiveError::Reply(enosys)));
        assert_eq!(error(1, None), Err(enosys));
        assert_eq!(info(1), Err(enosys));
        assert_eq!(leave_channel(), Err(enosys));
        assert_eq!(timeout(states::ALL, 1), Err(enosys));
        assert_eq!(timeout_at(states::ALL, 1), Err(enosys));
    }
}
