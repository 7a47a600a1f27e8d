// SPDX-License-Identifier: Apache-2.0
//! Messages between two processes: this one is the client, a child the server.
//!
//! The payload is looked at outside of what is timed: the server says how many
//! messages it has seen, and adds one to each byte of the last.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::message;
use skimmer_rt::process::{self, Child, Program};
use skimmer_rt::{Args, Errno, Result};

use super::{NAME, step, tell_in_steps, timed};

/// What is measured.
struct Way {
    name: &'static str,
    /// Bytes of message and answer.
    sent: usize,
    answered: usize,
    /// One kernel entry per message, or two.
    is_combined: bool,
    /// The server's hart.
    hart: u64,
    times: u64,
}

const fn on_one(name: &'static str, sent: usize, answered: usize, times: u64) -> Way {
    Way { name, sent, answered, is_combined: true, hart: 0, times }
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
    measure(&Way { hart: 1, ..on_one("roundtrip-cross-hart", 0, 0, 500) }, step())?;
    Ok(1)
}

fn measure(way: &Way, step: u64) -> Result<()> {
    let (server, connection) = begin(way)?;
    let (mut sent, mut answer) = (vec![0_u8; way.sent], vec![0_u8; way.answered]);
    for (byte, place) in sent.iter_mut().zip(0_usize..) {
        *byte = place as u8;
    }
    let coid = connection.id().number();
    let mut total = 0;
    let last = &mut answer;
    tell_in_steps(way.name, way.times, (1, 0), step, |n| {
        total += n;
        timed(|| {
            for _ in 0..n {
                // A call that fails is found below: the server has not seen it.
                let _ = message::send(coid, &sent, last);
            }
        })
    })?;
    let right = answer.iter().zip(&sent).all(|(got, gave)| *got == gave.wrapping_add(1));
    // The server answers each with how many there were before it.
    let seen = connection.send(&sent, &mut answer)?;
    assert!(right, "{}: the answer is not what is due", way.name);
    assert_eq!(seen.cast_unsigned(), total, "{}: messages that the server saw", way.name);
    connection.detach()?;
    server.kill().and_then(|()| server.wait()).map(|_| ())
}

/// Starts a server, and finds its channel.
fn begin(way: &Way) -> Result<(Child, Connection)> {
    let meeting = Channel::create(ChannelFlags::NONE)?;
    let server = Program::new(NAME)
        .arg("serve")
        .arg(&process::id()?.number().to_string())
        .arg(&meeting.id().number().to_string())
        .arg(&way.sent.to_string())
        .arg(&way.answered.to_string())
        .arg(if way.is_combined { "combined" } else { "separate" })
        .hart(way.hart)
        .spawn()?;
    let mut name = [0; 8];
    let said = meeting.receive(&mut name)?;
    said.reply(0, &[])?;
    let connection = Connection::attach(server.id().number(), u64::from_le_bytes(name))?;
    Ok((server, connection))
}

/// The server.
pub(crate) fn serve(args: Args) -> Result<()> {
    let number = |place: usize| args.iter().nth(place).and_then(|it| it.parse::<u64>().ok());
    let (Some(pid), Some(meeting)) = (number(1), number(2)) else { return Err(Errno::EINVAL) };
    let (Some(sent), Some(answered)) = (number(3), number(4)) else { return Err(Errno::EINVAL) };
    let channel = Channel::create(ChannelFlags::NONE)?;
    let mut buffer = vec![0; LARGEST.min(sent as usize)];
    let answer: Vec<u8> = (0..answered).map(|place| (place as u8).wrapping_add(1)).collect();
    let chid = channel.id().number();
    Connection::attach(pid, meeting)?.send(&chid.to_le_bytes(), &mut [])?;
    let mut seen = 0;
    let mut next = message::receive(chid, &mut buffer)?;
    if args.iter().nth(5) == Some("combined") {
        loop {
            let done = message::reply_receive(next.id.number(), seen, &answer, chid, &mut buffer);
            next = done.map_err(|_| Errno::ESRCH)?;
            seen += 1;
        }
    }
    loop {
        message::reply(next.id.number(), seen, &answer)?;
        seen += 1;
        next = message::receive(chid, &mut buffer)?;
    }
}
