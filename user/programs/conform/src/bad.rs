// SPDX-License-Identifier: Apache-2.0
//! What programs must not do, and this one does on purpose: bad addresses, threads
//! that are ended from outside, calls with arguments that the library does not let
//! through. Nothing else here has unsafe code.
//!
//! Addresses come as a [`Place`], of which there are two kinds: such as nothing of
//! ours is at, and pages of a [`Doomed`], which nobody reaches but the kernel. So no
//! value of this program is changed behind its back.

use skimmer_abi::call::{Call, MsgInfo};
use skimmer_rt::memory::{Mapping, PAGE};
use skimmer_rt::message::raw as calls;
use skimmer_rt::raw;
use skimmer_rt::thread::ThreadId;
use skimmer_rt::{Errno, Result};

/// An address and a length, as calls take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: u64,
    pub(crate) length: u64,
}

/// Where nothing is: far above what the kernel gives programs, and in their half.
const HOLE: u64 = 0x3f_dead_0000;

impl Place {
    /// Nothing, nowhere.
    pub(crate) const NONE: Self = Self { address: 0, length: 0 };

    /// Where nothing is mapped, in the programs' half.
    pub(crate) const fn hole(length: u64) -> Self {
        Self { address: HOLE, length }
    }

    /// Below all that is ever mapped.
    pub(crate) const fn null(length: u64) -> Self {
        Self { address: 0, length }
    }

    /// In the kernel's half, where the kernel has memory.
    pub(crate) const fn kernel(length: u64) -> Self {
        Self { address: 0xffff_ffc0_8020_0000, length }
    }

    /// Over the end of the programs' half.
    pub(crate) const fn over_the_edge(length: u64) -> Self {
        Self { address: (1 << 38) - length / 2, length }
    }

    /// Over the end of all addresses.
    pub(crate) const fn around(length: u64) -> Self {
        Self { address: (length / 2).wrapping_neg(), length }
    }

    /// Addresses that can be refused before anybody looks at what is mapped.
    pub(crate) const fn ranges(length: u64) -> [(&'static str, Self); 3] {
        [
            ("the kernel's half", Self::kernel(length)),
            ("over the edge", Self::over_the_edge(length)),
            ("around the end", Self::around(length)),
        ]
    }
}

/// Pages that go while the kernel still has their address.
#[derive(Debug)]
pub(crate) struct Doomed {
    pages: Mapping,
}

impl Doomed {
    /// So many pages, full of that byte.
    pub(crate) fn new(pages: usize, byte: u8) -> Result<Self> {
        let mut pages = Mapping::new(pages * PAGE)?;
        pages.fill(byte);
        Ok(Self { pages })
    }

    /// All of it.
    pub(crate) fn place(&self) -> Place {
        Place { address: raw::address(self.pages.as_ptr()), length: self.pages.len() as u64 }
    }

    /// Takes its last page away. What is left stays as long as the process: where that
    /// ends.
    pub(crate) fn cut(self) -> Result<Edge> {
        let pages = core::mem::ManuallyDrop::new(self.pages);
        let end = raw::address(pages.as_ptr()) + (pages.len() - PAGE) as u64;
        // SAFETY: it is ours, and nobody has a reference to it any more.
        unsafe { raw::answer(Call::MemoryUnmap, [end, PAGE as u64]) }?;
        Ok(Edge { end })
    }

    /// Takes it away.
    pub(crate) fn unmap(self) -> Result<()> {
        self.pages.unmap().map_err(|(errno, _)| errno)
    }
}

/// The end of memory that only the kernel reaches, with nothing behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    end: u64,
}

impl Edge {
    /// So many bytes, of which those are there.
    pub(crate) const fn over(self, there: u64, length: u64) -> Place {
        Place { address: self.end - there, length }
    }
}

/// Sends from one place, with another for the answer.
pub(crate) fn send(coid: u64, message: Place, room: Place) -> Result<i64> {
    // SAFETY: nothing of ours is at such places.
    let (status, errno) =
        unsafe { calls::send(coid, message.address, message.length, room.address, room.length) };
    if errno == 0 {
        return Ok(status);
    }
    Err(Errno::from_status(status).unwrap_or(Errno::ENOSYS))
}

/// Receives into a place: the message's number, bytes copied, bytes sent.
pub(crate) fn receive(chid: u64, room: Place) -> Result<(u64, u64, u64)> {
    // SAFETY: nothing of ours is at such places.
    let (id, copied, sent) = unsafe { calls::receive(chid, room.address, room.length, 0) };
    number(id).map(|id| (id, copied, sent))
}

/// Receives with the kernel telling who has sent it.
pub(crate) fn receive_with_info(chid: u64) -> Result<(u64, MsgInfo)> {
    let mut info = MsgInfo::default();
    // SAFETY: the kernel writes a `MsgInfo` there, which is ours.
    let (id, ..) = unsafe { calls::receive(chid, 0, 0, raw::address(&raw mut info)) };
    number(id).map(|id| (id, info))
}

/// The same with a place for that where nothing of ours is.
pub(crate) fn receive_with_info_at(chid: u64, info: Place) -> Result<u64> {
    // SAFETY: nothing of ours is at such places.
    let (id, ..) = unsafe { calls::receive(chid, 0, 0, info.address) };
    number(id)
}

/// Answers out of a place.
pub(crate) fn reply(id: u64, status: i64, answer: Place) -> Result<()> {
    // SAFETY: the kernel only reads it.
    number(unsafe { calls::reply(id, status, answer.address, answer.length) }).map(|_| ())
}

/// Answers out of a place and receives into another. What a1 says if it fails.
pub(crate) fn reply_receive(
    id: u64,
    answer: Place,
    chid: u64,
    room: Place,
) -> core::result::Result<u64, (Errno, u64)> {
    // SAFETY: nothing of ours is at such places.
    let (next, step, _) = unsafe {
        calls::reply_receive(id, 0, answer.address, answer.length, chid, room.address, room.length)
    };
    number(next).map_err(|errno| (errno, step))
}

/// Asks who has sent a message, with a place where nothing of ours is.
pub(crate) fn info(id: u64, place: Place) -> Result<()> {
    // SAFETY: nothing of ours is at such places.
    number(unsafe { calls::info(id, place.address) }).map(|_| ())
}

/// Lets a client's call fail with any number.
pub(crate) fn error(id: u64, errno: u64) -> Result<()> {
    // SAFETY: the call touches no memory.
    number(unsafe { calls::error(id, errno) }).map(|_| ())
}

/// Attaches with any arguments.
pub(crate) fn attach(node: u64, pid: u64, chid: u64, index: u64, flags: u64) -> Result<u64> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::ConnectAttach, [node, pid, chid, index, flags]) }
}

/// Gives a connection up by its number.
pub(crate) fn detach(coid: u64) -> Result<()> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::ConnectDetach, [coid]) }.map(|_| ())
}

/// Creates a channel with any flags.
pub(crate) fn create(flags: u64) -> Result<u64> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::ChannelCreate, [flags]) }
}

/// Destroys a channel by its number.
pub(crate) fn destroy(chid: u64) -> Result<()> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::ChannelDestroy, [chid]) }.map(|_| ())
}

/// Arms a timeout with any arguments.
pub(crate) fn timeout(clock: u64, states: u64, time: u64, is_since_boot: u64) -> Result<()> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::TimerTimeout, [clock, states, time, is_since_boot]) }.map(|_| ())
}

/// A call that tells something.
pub(crate) fn who_calls() -> Result<u64> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::ThreadSelf, []) }
}

/// A call that does nothing.
pub(crate) fn nothing() -> Result<u64> {
    // SAFETY: the call touches no memory.
    unsafe { raw::answer(Call::Nop, []) }
}

/// Ends a thread that is blocked in a call of messages, and waits until it has
/// ended.
pub(crate) fn end(thread: ThreadId) -> Result<()> {
    // SAFETY: such a thread holds no lock, and nobody counts on its stack: what it
    // returns is dropped.
    unsafe { thread.destroy() }?;
    thread.join().map(|_| ())
}

/// The result or the error that a number stands for.
fn number(status: i64) -> Result<u64> {
    u64::try_from(status).map_err(|_| Errno::from_status(status).unwrap_or(Errno::ENOSYS))
}
