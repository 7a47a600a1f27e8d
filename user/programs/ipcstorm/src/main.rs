// SPDX-License-Identifier: Apache-2.0
//! A storm of messages between processes. Clients send messages of sizes drawn
//! from the seed to servers, which answer; every byte of both is checked, and some
//! around them.
//!
//! Arguments, all of the form `key=value`: `clients` (16), processes of one thread;
//! `rounds` (1000) messages of each; `servers` (1), processes; `threads` (1) of each
//! that receive from its one channel; `seed` (1); `deaths` (0): if not 0, so many
//! lives of each client, in which clients, servers, channels and connections die at
//! random; `chanstorm` (0): if not 0, `chanstorm` with so many rounds is run beside
//! it again and again. With several servers the last has a channel of fixed priority,
//! and the one before it receives no more than the beginning of a long message.
//! `role` and all that follows it are what we tell our own children.
//!
//! The first process starts the others and collects what they tell, by messages to
//! a channel of its own. It watches that all of them go on, too: no call may hang.
//!
//! Reports the messages whose answer was verified (with `deaths`: the lives that
//! ended as they should), and a digest of all contents as they came, which does not
//! depend on any order. The host reckons it again from the seed. Tells how long round
//! trips took, as figures.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod beside;
mod client;
mod collector;
mod deaths;
mod histogram;
mod letter;
mod note;
mod parent;
mod plan;
mod room;
mod server;
mod sizes;
mod watch;

use alloc::format;
use alloc::string::String;

use skimmer_rt::Args;

use sizes::Sizes;

skimmer_rt::program!(main);

/// Our name in the boot package.
const NAME: &str = "ipcstorm";

fn main(args: Args) -> Result<(), String> {
    let sizes = Sizes::of(args)?;
    match (args.value("role"), sizes.deaths) {
        (None, 0) => parent::run(&sizes),
        (None, _) => deaths::parent(&sizes),
        (Some("client"), 0) => client::run(&sizes, args),
        (Some("client"), _) => deaths::client(&sizes, args),
        (Some("server"), 0) => server::run(&sizes, args),
        (Some("server"), _) => deaths::server(&sizes, args),
        (Some(role), _) => Err(format!("role={role}: there is none")),
    }
}
