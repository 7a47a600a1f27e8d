// SPDX-License-Identifier: Apache-2.0
//! A server that keeps values by their keys, and two clients that use it at once.
//!
//! Argument: `keys=500`, how many keys each client puts, gets and removes. The first
//! process is the server. Ends with 0 only if the clients found what they put there,
//! and nothing is left.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::process::{self, ExitStatus, Program};
use skimmer_rt::typed::Question;
use skimmer_rt::{Args, Errno, println, thread};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

skimmer_rt::program!(main);

/// What a client asks. The answer is the value that the key had before.
#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Ask {
    what: What,
    key: u64,
    /// For [`What::Put`].
    value: u64,
}

/// What is to be done with the key.
#[derive(Clone, Copy, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(u64)]
enum What {
    Get,
    Put,
    Remove,
}

/// What the server answers. A key that it does not have is the error ENOENT.
#[derive(TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Value(u64);

impl Question for Ask {
    type Answer = Value;
}

fn main(args: Args) -> Result<(), String> {
    let number = |key, usual| args.number(key, usual).map_err(|bad| bad.to_string());
    let (keys, first) = (number("keys", 500)?, number("first", 0)?);
    let (pid, chid) = (number("pid", 0)?, number("chid", 0)?);
    let ended = match args.first() {
        Some("client") => client(pid, chid, first..first + keys),
        _ => server(keys),
    };
    ended.map_err(|errno| errno.to_string())
}

/// Serves two clients until both have ended.
fn server(keys: u64) -> Result<(), Errno> {
    let channel = Channel::create(ChannelFlags::NONE)?;
    let name = channel.id();
    let serving = thread::spawn(move || {
        let mut values = BTreeMap::new();
        let why = channel.answer(|ask: &Ask, _| {
            let had = match ask.what {
                What::Get => values.get(&ask.key).copied(),
                What::Put => values.insert(ask.key, ask.value).or(Some(0)),
                What::Remove => values.remove(&ask.key),
            };
            had.map(Value).ok_or(Errno::ENOENT)
        });
        (why, values.len())
    })?;

    // The clients cannot know where we are, so we tell them.
    let where_we_are = format!("pid={}", process::id()?.number());
    let channel = format!("chid={}", name.number());
    let start = |first: u64| {
        let (keys, first) = (format!("keys={keys}"), format!("first={first}"));
        Program::new("kv").args(["client", &where_we_are, &channel, &keys, &first]).spawn()
    };
    let clients: Vec<_> = [start(0)?, start(keys)?].into();
    let ends = clients.into_iter().map(process::Child::wait).collect::<Result<Vec<_>, _>>()?;

    // Without its channel the loop ends.
    name.destroy()?;
    assert_eq!(ends, [ExitStatus::Exited(0); 2], "how the clients ended");
    assert_eq!(serving.join()?, (Errno::ESRCH, 0), "what ended the server, and what was left");
    println!("kv: two clients had {keys} keys each");
    Ok(())
}

/// Puts values under some keys, which are nobody else's, finds them and removes them.
fn client(pid: u64, chid: u64, keys: core::ops::Range<u64>) -> Result<(), Errno> {
    let server = Connection::attach(pid, chid)?;
    let ask = |what, key, value| server.ask(&Ask { what, key, value }).map(|Value(value)| value);
    for key in keys.clone() {
        assert_eq!(ask(What::Get, key, 0), Err(Errno::ENOENT), "nobody has put {key}");
        assert_eq!(ask(What::Put, key, key * 3)?, 0, "{key} is new");
    }
    for key in keys {
        assert_eq!(ask(What::Get, key, 0)?, key * 3, "what {key} has");
        assert_eq!(ask(What::Put, key, !key)?, key * 3, "what {key} had");
        assert_eq!(ask(What::Remove, key, 0)?, !key, "what {key} had last");
        assert_eq!(ask(What::Remove, key, 0), Err(Errno::ENOENT), "{key} is gone");
    }
    // What is no question is refused, and the server goes on.
    assert_eq!(server.send(b"what?", &mut []), Err(Errno::EINVAL));
    Ok(())
}
