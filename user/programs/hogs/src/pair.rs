// SPDX-License-Identifier: Apache-2.0
//! The client and the server, and who tells them when to talk.
//!
//! The client asks the first process what to do, and is told a priority for itself,
//! one for the server, and when to stop. It counts the round trips that are over by
//! then, and asks again, with the count. Who asks is answered when there is something
//! to do, so the pair does nothing in between.

use alloc::format;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::message::{self, states};
use skimmer_rt::process::{self, Child, Program};
use skimmer_rt::{Args, Errno, Result, thread, time};

use crate::NAME;

/// The most urgent that the pair may be.
const HIGHEST: u8 = 90;

/// How long is counted, in nanoseconds: ten slices.
const STRETCH: u64 = 100_000_000;

/// What the server is sent: a question; or its own priority.
const QUESTION: u8 = 0;

fn now() -> u64 {
    u64::try_from(time::now().as_nanos()).unwrap_or(u64::MAX)
}

/// The pair, for the first process.
#[derive(Debug)]
pub(crate) struct Pair {
    server: Child,
    control: Channel,
    /// Where it waits for the time to come.
    nobody: Channel,
    /// The client's message that is not answered.
    waits: u64,
}

impl Pair {
    /// Starts it. The client is the server's child: they are one family.
    pub(crate) fn start() -> Result<Self> {
        // Who tells them when to stop stays more urgent than all.
        let control = Channel::create(ChannelFlags::FIXED_PRIORITY)?;
        let nobody = Channel::create(ChannelFlags::NONE)?;
        let server = Program::new(NAME)
            .arg("server")
            .arg(&format!("pid={}", process::id()?))
            .arg(&format!("chid={}", control.id().number()))
            .priority(HIGHEST)
            .hart(0)
            .spawn()?;
        let waits = message::receive(control.id().number(), &mut [0; 8])?.id.number();
        Ok(Self { server, control, nobody, waits })
    }

    /// Lets it talk for a stretch of time, with the client's priority and the server's
    /// own; then does what ends the hogs. The round trips in that time.
    pub(crate) fn count(
        &mut self,
        (client, server): (u8, u8),
        end: impl FnOnce() -> Result<()>,
    ) -> Result<u64> {
        let stop = now() + STRETCH;
        let mut told = [0; 10];
        told[..8].copy_from_slice(&stop.to_le_bytes());
        (told[8], told[9]) = (client, server);
        message::reply(self.waits, 0, &told)?;
        message::timeout_at(states::RECEIVE, stop)?;
        let waited = message::receive(self.nobody.id().number(), &mut []);
        if waited != Err(Errno::ETIMEDOUT) {
            return Err(waited.err().unwrap_or(Errno::EINVAL));
        }
        end()?;
        let mut count = [0; 8];
        self.waits = message::receive(self.control.id().number(), &mut count)?.id.number();
        Ok(u64::from_le_bytes(count))
    }

    /// Ends it.
    pub(crate) fn end(self) -> Result<()> {
        self.server.kill()?;
        self.server.wait().map(|_| ())
    }
}

/// Where the first process, or the server, is to be found.
fn address(args: Args) -> Result<(u64, u64)> {
    let number = |key| args.number(key, 0).map_err(|_| Errno::EINVAL);
    Ok((number("pid")?, number("chid")?))
}

/// Is the server, and starts the client.
pub(crate) fn server(args: Args) -> Result<()> {
    let (pid, chid) = address(args)?;
    let channel = Channel::create(ChannelFlags::NONE)?;
    let own = (process::id()?, channel.id().number());
    let _client = Program::new(NAME)
        .args(["client", &format!("pid={pid}"), &format!("chid={chid}")])
        .args([&*format!("server={}", own.0), &format!("at={}", own.1)])
        .priority(HIGHEST)
        .hart(0)
        .spawn()?;
    let mut question = [0; 16];
    let mut received = message::receive(own.1, &mut question)?;
    loop {
        let id = received.id.number();
        if question[0] != QUESTION {
            // The client has it first: we may be less urgent than hogs then, until it
            // sends again and raises us.
            message::reply(id, 0, &[])?;
            thread::set_priority(question[0])?;
            received = message::receive(own.1, &mut question)?;
            continue;
        }
        received = message::reply_receive(id, 0, &[1; 16], own.1, &mut question)
            .map_err(|_| Errno::ESRCH)?;
    }
}

/// Is the client.
pub(crate) fn client(args: Args) -> Result<()> {
    let (pid, chid) = address(args)?;
    let number = |key| args.number(key, 0).map_err(|_| Errno::EINVAL);
    let control = Connection::attach(pid, chid)?;
    let server = Connection::attach(number("server")?, number("at")?)?;
    let mut count = 0_u64;
    loop {
        let mut told = [0; 10];
        control.send(&count.to_le_bytes(), &mut told)?;
        let [stop @ .., own, theirs] = told;
        let stop = u64::from_le_bytes(stop);
        server.send(&[theirs], &mut [])?;
        thread::set_priority(own)?;
        count = 0;
        loop {
            let mut answer = [0; 16];
            let status = server.send(&[QUESTION; 16], &mut answer)?;
            if now() >= stop {
                break;
            }
            count += u64::from(status == 0 && answer == [1; 16]);
        }
        // Ready for what comes next, whatever it is.
        thread::set_priority(HIGHEST)?;
    }
}
