// SPDX-License-Identifier: Apache-2.0
//! The storm in which everybody may die: clients and servers are killed, servers end or
//! destroy their channel while somebody waits for them, connections are given up under
//! a call, calls have deadlines. Whatever is done, each call ends with what
//! [`rules`] allows, and what is right besides is as it was sent.

mod client;
mod kinds;
mod parent;
mod reaper;
mod rules;
mod server;
mod sleeper;

use core::fmt;
use core::time::Duration;

use skimmer_rt::random::mix;
use skimmer_rt::report::{Check, Report, report};
use skimmer_rt::{thread, time};

use crate::letter::Letter;
use crate::note::Bill;
use crate::sizes::Sizes;

pub(crate) use client::run as client;
pub(crate) use parent::run as parent;
pub(crate) use server::run as server;

/// What one life of a client sends as its `sequence`th message; who it is, is in it.
fn message(sizes: &Sizes, client: u64, sequence: u64, length: usize) -> Letter {
    Letter::message(client, sequence, length, key(sizes, client, sequence))
}

/// What it is answered.
fn answer(sizes: &Sizes, client: u64, sequence: u64, length: usize) -> Letter {
    Letter::answer(client, sequence, length, key(sizes, client, sequence))
}

const fn key(sizes: &Sizes, client: u64, sequence: u64) -> u64 {
    mix(sizes.seed ^ mix(client << 32 | sequence))
}

/// The longest that it takes from a process's end to that of its last thread: of guest
/// time, of which a busy host makes much.
const AGONY: Duration = Duration::from_millis(300);

/// Tells of what is wrong, unless whoever finds it is being killed: what calls answer
/// then is nobody's business.
fn wrong(check: Check, why: fmt::Arguments<'_>) {
    let since = time::now();
    while time::now() - since < AGONY {
        thread::yield_now();
    }
    let mut bill = Bill::default();
    bill.fail(check, why);
    let _ = report(&Report { errors: 1, failed: check as u64, ..Report::default() });
}
