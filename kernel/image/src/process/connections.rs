// SPDX-License-Identifier: Apache-2.0
//! Connections: attached and detached by the client's process, counted by the
//! server's.
//!
//! Locks: the client's directory, then the server's list of clients.

use alloc::vec::Vec;

use core::sync::atomic::Ordering;

use skimmer_abi::{errno::Errno, message};
use skimmer_arch::{
    irq::{Masked, masked},
    rounds::After,
};
use skimmer_core::{
    channel::{
        ChannelFlags, ChannelId,
        connection::{self, ConnectionId, Target},
    },
    frames::FRAME_SIZE,
    table::OutOfMemory,
};
use skimmer_sync::footprint;

use super::{Process, channels::waiters, list, messages};

/// Of the numbers of side channels those from here on are names of clients.
const CLIENTS: u64 = message::SIDE_CHANNEL as u64 | 0x2000_0000;

/// A client's process at one channel.
#[derive(Clone, Copy, Debug)]
struct Client {
    pid: u64,
    channel: ChannelId,
    /// Its number, and which of that number.
    scoid: u64,
    links: u64,
}

/// Who has connections to a process's channels, in the order of pid and channel.
#[derive(Debug)]
pub(super) struct Clients {
    /// The process; 0 while there is none.
    owner: u64,
    next: u64,
    list: Vec<Client>,
}

impl Clients {
    pub(super) const fn new() -> Self {
        Self { owner: 0, next: 0, list: Vec::new() }
    }

    pub(super) fn footprint(&self) -> usize {
        footprint::array::<Client>(self.list.capacity())
    }

    /// A process begins here.
    pub(super) fn open(&mut self, pid: u64) {
        (self.owner, self.next) = (pid, 0);
    }

    fn close(&mut self) {
        *self = Self::new();
    }

    fn place(&self, pid: u64, channel: ChannelId) -> Result<usize, usize> {
        let key = (pid, channel.to_register());
        self.list.binary_search_by_key(&key, |it| (it.pid, it.channel.to_register()))
    }

    /// One more link; returns what the server calls the client.
    fn link(&mut self, server: u64, pid: u64, channel: ChannelId) -> Result<u64, Errno> {
        if self.owner != server {
            return Err(Errno::ESRCH);
        }
        match self.place(pid, channel) {
            Ok(place) => {
                self.list[place].links += 1;
                Ok(self.list[place].scoid)
            }
            Err(place) => {
                self.list.try_reserve(1).map_err(|_| Errno::EAGAIN)?;
                let scoid = self.next << u32::BITS | CLIENTS;
                self.next += 1;
                self.list.insert(place, Client { pid, channel, scoid, links: 1 });
                Ok(scoid)
            }
        }
    }

    fn unlink(&mut self, server: u64, pid: u64, channel: ChannelId) {
        if self.owner != server {
            return;
        }
        if let Ok(place) = self.place(pid, channel) {
            self.list[place].links -= 1;
            if self.list[place].links == 0 {
                self.list.remove(place);
            }
        }
    }
}

/// A new connection of the calling process.
///
/// # Errors
/// As `abi` says.
pub(super) fn attach(
    process: &'static Process,
    [node, pid, channel, index, flags, ..]: [u64; 7],
) -> Result<u64, Errno> {
    if node != 0 {
        return Err(Errno::ENOREMOTE);
    }
    let least = u32::try_from(index).map_err(|_| Errno::EINVAL)?;
    if flags & !message::CLOSE_ON_EXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let pid = if pid == 0 { process.pid() } else { pid };
    let server = list::find(pid)?;
    let channel = ChannelId::from_register(channel).ok_or(Errno::ESRCH)?;
    let flags = masked(|irq| {
        server.channels.with(irq, waiters(), channel, |it| (it.flags(), server.channels.owner()))
    });
    let (flags, _) = flags.ok().filter(|(_, owner)| *owner == pid).ok_or(Errno::ESRCH)?;
    if flags.has(ChannelFlags::PRIVATE) && pid != process.pid() {
        return Err(Errno::EPERM);
    }
    if server.is_ending.load(Ordering::Relaxed) {
        return Err(Errno::ENXIO);
    }
    process.directory.with(|directory| {
        let index = directory.choose(least)?;
        make_room(process, directory, index)?;
        let own = process.pid();
        let scoid = server.clients.with(|clients| clients.link(pid, own, channel))?;
        let target = Target { server, pid, channel, scoid };
        match directory.attach(&Masked, &process.connections, index, &target) {
            Some(id) => Ok(id.to_register()),
            None => {
                server.clients.with(|clients| clients.unlink(pid, own, channel));
                Err(Errno::EAGAIN)
            }
        }
    })
}

/// Memory for an entry of that index, which is paid for beyond the first few.
fn make_room(
    process: &Process,
    directory: &mut connection::Directory,
    index: u32,
) -> Result<(), Errno> {
    let place = index & !message::SIDE_CHANNEL;
    let lacks = masked(|irq| process.connections.lacks(irq, index));
    let (first, bytes) = connection::part_of::<Process>(place);
    // As much again for what the servers keep.
    let frames = if lacks && first > 0 { (2 * bytes).div_ceil(FRAME_SIZE) } else { 0 };
    if !process.line().take(frames) {
        return Err(Errno::EAGAIN);
    }
    match directory.grow(&process.connections, index) {
        Ok(()) => {
            masked(|irq| *process.connections_paid.lock(irq) += frames);
            Ok(())
        }
        Err(OutOfMemory) => {
            process.line().give(frames);
            Err(Errno::EAGAIN)
        }
    }
}

/// Gives one up. Its threads that are blocked on it are told.
///
/// # Errors
/// EINVAL: there is none of that name.
pub(super) fn detach(process: &'static Process, id: u64) -> Result<u64, Errno> {
    let id = ConnectionId::from_register(id);
    let target = process
        .directory
        .with(|directory| directory.detach(&Masked, &process.connections, id))
        .ok_or(Errno::EINVAL)?;
    let own = process.pid();
    target.server.clients.with(|clients| clients.unlink(target.pid, own, target.channel));
    messages::tell_detached(process, id);
    Ok(0)
}

/// Gives all up of a process that has no thread but the caller, and forgets who had
/// some to it.
pub(super) fn empty(process: &'static Process, mut ask: impl FnMut()) {
    let own = process.pid();
    process.directory.with(|directory| {
        let mut from = 0;
        while let Some(id) = directory.next(&Masked, &process.connections, from) {
            let gone = directory.detach(&Masked, &process.connections, id);
            if let Some(Target { server, pid, channel, .. }) = gone {
                server.clients.with(|clients| clients.unlink(pid, own, channel));
            }
            from = id.index();
        }
        *directory = connection::Directory::new();
    });
    process.clients.with(Clients::close);
    for memory in process.connections.retire().into_iter().flatten() {
        memory.free(After(&mut ask));
    }
    let paid = masked(|irq| core::mem::take(&mut *process.connections_paid.lock(irq)));
    process.line().give(paid);
}
