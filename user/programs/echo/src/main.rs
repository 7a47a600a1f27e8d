// SPDX-License-Identifier: Apache-2.0
//! A server that gives back what it is sent, and its client, which checks that.
//!
//! Argument: `rounds=1000`, how many messages. The first process is the server. It
//! starts this program once more, as the client. Ends with 0 only if every message
//! came back as it was.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString as _};

use skimmer_rt::channel::{Channel, ChannelFlags};
use skimmer_rt::connection::Connection;
use skimmer_rt::process::{self, ExitStatus, Program};
use skimmer_rt::{Args, Errno, println, thread};

skimmer_rt::program!(main);

/// The longest message.
const LONGEST: usize = 256;

fn main(args: Args) -> Result<(), String> {
    let number = |key, usual| args.number(key, usual).map_err(|bad| bad.to_string());
    let (rounds, pid, chid) = (number("rounds", 1000)?, number("pid", 0)?, number("chid", 0)?);
    if args.first() == Some("client") {
        return client(pid, chid, rounds);
    }
    server(rounds).map_err(|errno| errno.to_string())
}

/// Serves one client until it has ended.
fn server(rounds: u64) -> Result<(), Errno> {
    let channel = Channel::create(ChannelFlags::NONE)?;
    let name = channel.id();
    let serving = thread::spawn(move || {
        channel.serve(&mut [0; LONGEST], |request| {
            // The message lies in the buffer, and so does the answer.
            let length = request.bytes().len();
            request.reply_in_place(length as i64, length)
        })
    })?;

    // The client cannot know where we are, so we tell it.
    let pid = process::id()?.number();
    let told =
        [format!("pid={pid}"), format!("chid={}", name.number()), format!("rounds={rounds}")];
    let client =
        Program::new("echo").arg("client").args(told.iter().map(String::as_str)).spawn()?;
    let status = client.wait()?;

    // Without its channel the loop ends.
    name.destroy()?;
    assert_eq!(status, ExitStatus::Exited(0), "how the client ended");
    assert_eq!(serving.join()?, Errno::ESRCH, "what ended the server");
    println!("echo: {rounds} messages came back");
    Ok(())
}

/// Sends messages of all lengths, and checks what comes back.
fn client(pid: u64, chid: u64, rounds: u64) -> Result<(), String> {
    let server = Connection::attach(pid, chid).map_err(|errno| errno.to_string())?;
    for round in 0..rounds {
        let length = round as usize % (LONGEST + 1);
        let mut message = [0; LONGEST];
        message[..length].fill(round as u8);
        let mut answer = [!0; LONGEST];
        let status = server.send(&message[..length], &mut answer);
        let untouched = answer[length..].iter().all(|&byte| byte == !0);
        if status != Ok(length as i64) || answer[..length] != message[..length] || !untouched {
            return Err(format!("message {round}, of {length} bytes, came back wrong: {status:?}"));
        }
    }
    Ok(())
}
