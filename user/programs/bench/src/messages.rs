// SPDX-License-Identifier: Apache-2.0
//! Messages between two processes: this one is the client, a child the server.
//!
//! The payload is looked at outside of what is timed: the server says how many
//! messages it has seen, and adds one to each byte of the last.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::message;
use skimmer_rt::process::{self, Child, Program};
use skimmer_rt::{Args, Errno, Result};

use super::{NAME, now, step, tell_in_steps};

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Bytes of message and answer.
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    /// One kernel entry per message, or two.
    pub(crate) is_combined: bool,
    /// The server's hart.
    pub(crate) hart: u64,
    pub(crate) times: u64,
    /// Channels of the server; the one in the middle is used.
    pub(crate) channels: u64,
    /// Messages that the server receives first and never answers.
    pub(crate) held: u64,
}

const fn on_one(name: &'static str, sent: usize, answered: usize, times: u64) -> Way {
    Way { name, sent, answered, is_combined: true, hart: 0, times, channels: 1, held: 0 }
}

/// A message of no bytes, on one hart.
pub(crate) const fn empty(name: &'static str, times: u64) -> Way {
    on_one(name, 0, 0, times)
}

const WAYS: &[Way] = &[
    on_one("roundtrip-0", 0, 0, 1_000),
    on_one("roundtrip-32", 32, 32, 1_000),
    on_one("roundtrip-64", 64, 64, 1_000),
    on_one("roundtrip-512", 512, 512, 1_000),
    Way { is_combined: false, ..on_one("roundtrip-0-separate", 0, 0, 1_000) },
    on_one("roundtrip-4k", 4096, 4096, 200),
    on_one("send-64k", 64 << 10, 0, 20),
    on_one("send-1m", 1 << 20, 0, 4),
];

const LARGEST: usize = 1 << 20;

/// Measures all that happens on one hart, or only what has that name. How many
/// figures were told.
pub(crate) fn one_hart(only: Option<&str>) -> Result<u64> {
    let asked = || WAYS.iter().filter(|way| only.is_none_or(|name| name == way.name));
    asked().try_for_each(|way| measure(way, 1))?;
    Ok(asked().count() as u64)
}

/// Two harts, a process on each. The counter goes on by `step` for an instruction of
/// either.
pub(crate) fn two_harts() -> Result<u64> {
    measure(&Way { hart: 1, ..empty("roundtrip-cross-hart", 500) }, step())?;
    Ok(1)
}

fn measure(way: &Way, step: u64) -> Result<()> {
    let mut line = Line::open(Server::start(way)?)?;
    line.measure(step)?;
    line.close()
}

/// A server that was started, and what it has said of itself.
pub(crate) struct Server {
    way: Way,
    child: Child,
    /// Where it says things.
    meeting: Channel,
    /// Its channels, in the order in which they were made.
    pub(crate) chids: Vec<u64>,
}

impl Server {
    /// Starts it, and waits until it has said what its channels are.
    pub(crate) fn start(way: &Way) -> Result<Self> {
        let meeting = Channel::create(ChannelFlags::NONE)?;
        let word = |key: &str, value: u64| format!("{key}={value}");
        let child = Program::new(NAME)
            .arg("serve")
            .arg(&word("pid", process::id()?.number()))
            .arg(&word("chid", meeting.id().number()))
            .arg(&word("sent", way.sent as u64))
            .arg(&word("answered", way.answered as u64))
            .arg(&word("channels", way.channels))
            .arg(&word("held", way.held))
            .arg(if way.is_combined { "calls=1" } else { "calls=2" })
            .hart(way.hart)
            .spawn()?;
        let mut names = vec![0; way.channels as usize * size_of::<u64>()];
        let said = meeting.receive(&mut names)?;
        said.reply(0, &[])?;
        let (words, _) = names.as_chunks();
        let chids = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Ok(Self { way: *way, child, meeting, chids })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u64 {
        self.child.id().number()
    }

    /// The channel that is used.
    pub(crate) fn chid(&self) -> u64 {
        self.chids[self.chids.len() / 2]
    }

    /// Waits until it has as many messages as it never answers.
    pub(crate) fn wait_until_held(&self) -> Result<()> {
        self.meeting.receive(&mut [])?.reply(0, &[])
    }

    /// Ends it.
    pub(crate) fn end(self) -> Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).map(|_| ())
    }
}

/// A connection to a server, and what went over it.
pub(crate) struct Line {
    server: Server,
    connection: Connection,
    sent: Vec<u8>,
    answer: Vec<u8>,
    total: u64,
}

impl Line {
    /// Connects to the server's channel.
    pub(crate) fn open(server: Server) -> Result<Self> {
        let connection = Connection::attach(server.pid(), server.chid())?;
        let sent = (0..server.way.sent).map(|place| place as u8).collect();
        let answer = vec![0; server.way.answered];
        Ok(Self { server, connection, sent, answer, total: 0 })
    }

    /// Sends so many messages. When that began, and when it was over.
    pub(crate) fn run(&mut self, n: u64) -> (u64, u64) {
        self.total += n;
        let coid = self.connection.id().number();
        let (sent, answer) = (&self.sent[..], &mut self.answer[..]);
        let start = now();
        for _ in 0..n {
            // A call that fails is found at the end: the server has not seen it.
            let _ = message::send(coid, sent, answer);
        }
        (start, now())
    }

    /// Tells what a message costs.
    pub(crate) fn measure(&mut self, step: u64) -> Result<()> {
        let Way { name, times, .. } = self.server.way;
        tell_in_steps(name, times, (1, 0), step, |n| {
            let (start, end) = self.run(n);
            end - start
        })
    }

    /// Verifies what went over it, and ends the server.
    pub(crate) fn close(mut self) -> Result<()> {
        let name = self.server.way.name;
        let right = |(got, gave): (&u8, &u8)| *got == gave.wrapping_add(1);
        let is_right = self.answer.iter().zip(&self.sent).all(right);
        // The server answers each with how many there were before it.
        let seen = self.connection.send(&self.sent, &mut self.answer)?;
        assert!(is_right, "{name}: the answer is not what is due");
        assert_eq!(seen.cast_unsigned(), self.total, "{name}: messages that the server saw");
        self.connection.detach()?;
        self.server.end()
    }
}

/// The server.
pub(crate) fn serve(args: Args) -> Result<()> {
    let number = |key| args.number(key, 0_u64).map_err(|_| Errno::EINVAL);
    let channels: Vec<Channel> = (0..number("channels")?)
        .map(|_| Channel::create(ChannelFlags::NONE))
        .collect::<Result<_>>()?;
    let names: Vec<u8> = channels.iter().flat_map(|it| it.id().number().to_le_bytes()).collect();
    let home = Connection::attach(number("pid")?, number("chid")?)?;
    home.send(&names, &mut [])?;
    let chid = channels.get(channels.len() / 2).ok_or(Errno::EINVAL)?.id().number();
    let held = number("held")?;
    for _ in 0..held {
        message::receive(chid, &mut [])?;
    }
    if held > 0 {
        home.send(&[], &mut [])?;
    }
    let buffer = vec![0; LARGEST.min(number("sent")? as usize)];
    let answer: Vec<u8> =
        (0..number("answered")?).map(|place| (place as u8).wrapping_add(1)).collect();
    answer_all(chid, buffer, &answer, number("calls")? == 1)
}

/// Answers each message with how many there were before it.
fn answer_all(chid: u64, mut buffer: Vec<u8>, answer: &[u8], is_combined: bool) -> Result<()> {
    let mut seen = 0;
    let mut next = message::receive(chid, &mut buffer)?;
    if is_combined {
        loop {
            let done = message::reply_receive(next.id.number(), seen, answer, chid, &mut buffer);
            next = done.map_err(|_| Errno::ESRCH)?;
            seen += 1;
        }
    }
    loop {
        message::reply(next.id.number(), seen, answer)?;
        seen += 1;
        next = message::receive(chid, &mut buffer)?;
    }
}
