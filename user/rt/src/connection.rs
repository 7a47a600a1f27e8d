// SPDX-License-Identifier: Apache-2.0
//! Connections: where a client sends.

use core::time::Duration;

use skimmer_abi::call::Call;
pub use skimmer_abi::message::{CLOSE_ON_EXEC, SIDE_CHANNEL};

use crate::message::{self, states};
use crate::{Result, raw};

/// The kernel's name of a connection of this process. A name, not the connection:
/// when the connection is gone it is refused, and never means the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The number itself, as the calls have it.
    #[inline]
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Gives the connection of that name up. Threads that are blocked on it are
    /// told EBADF.
    ///
    /// # Errors
    /// EINVAL: there is none of that name (any more).
    pub fn detach(self) -> Result<()> {
        // SAFETY: the call touches no memory.
        unsafe { raw::answer(Call::ConnectDetach, [self.0]) }.map(|_| ())
    }
}

/// A connection of one's own to a channel. All threads may send on it. It is
/// given up when this is dropped.
///
/// ```no_run
/// use skimmer_rt::connection::Connection;
///
/// # fn main() -> skimmer_rt::Result<()> {
/// # let (pid, chid) = (1, 1);
/// // Who starts a client tells it these two numbers of the server.
/// let server = Connection::attach(pid, chid)?;
/// let mut answer = [0; 16];
/// let status = server.send(b"question", &mut answer)?;
/// # let _ = status;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
}

impl Connection {
    /// A connection to the channel `chid` of the process `pid`, which is 0 for
    /// this process.
    ///
    /// # Errors
    /// ESRCH (no such process or channel), EPERM (a private channel of another
    /// process), ENXIO (the server is ending), EMFILE (no index is left), EAGAIN (a
    /// limit of the process, or memory is out).
    pub fn attach(pid: u64, chid: u64) -> Result<Self> {
        // A server is no file: its connection takes no number of theirs.
        Self::attach_at(pid, chid, SIDE_CHANNEL, 0)
    }

    /// The same at an index of at least `index`, the lowest that is free, which is the
    /// lower half of its name; [`SIDE_CHANNEL`] is for one outside of the numbers of
    /// files. `flags` are 0 or [`CLOSE_ON_EXEC`].
    ///
    /// # Errors
    /// As [`Self::attach`]. EINVAL: `index` or `flags` make no sense.
    pub fn attach_at(pid: u64, chid: u64, index: u32, flags: u64) -> Result<Self> {
        let arguments = [0, pid, chid, u64::from(index), flags];
        // SAFETY: the call touches no memory.
        let id = unsafe { raw::answer(Call::ConnectAttach, arguments) }?;
        Ok(Self { id: ConnectionId(id) })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// Leaves it to its name: nothing gives it up but [`ConnectionId::detach`] or
    /// the end of the process.
    #[must_use]
    pub fn into_id(self) -> ConnectionId {
        let id = self.id;
        core::mem::forget(self);
        id
    }

    /// Sends a message and waits until it is answered; the answer goes to `reply`,
    /// as much as it holds. The status that the server gave.
    ///
    /// # Errors
    /// See [`message::send`].
    #[inline]
    pub fn send(&self, message: &[u8], reply: &mut [u8]) -> Result<i64> {
        message::send(self.id.0, message, reply)
    }

    /// The same, but not for longer than `time`, of which both count: until the
    /// message is received, and until it is answered.
    ///
    /// # Errors
    /// As [`Self::send`]. ETIMEDOUT: there was no answer in that time. The server may
    /// have received the message, and its answer is refused then.
    pub fn send_within(&self, time: Duration, message: &[u8], reply: &mut [u8]) -> Result<i64> {
        message::timeout_after(states::SEND | states::REPLY, time)?;
        self.send(message, reply)
    }

    /// Gives it up, and says how that went.
    ///
    /// # Errors
    /// EINVAL: it was given up by its name before.
    pub fn detach(self) -> Result<()> {
        self.into_id().detach()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It may have been given up by its name.
        let _ = self.id.detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn what_cannot_be_attached_is_told() {
        assert_eq!(Connection::attach(0, 1).map(|_| ()), Err(Errno::ENOSYS));
        assert_eq!(ConnectionId(3).detach(), Err(Errno::ENOSYS));
    }
}
