// SPDX-License-Identifier: Apache-2.0
//! What a Skimmer program links.
//!
//! Entry, panic handler, heap, debug console, and a typed interface to the
//! system calls: [`thread`], [`process`], [`channel`], [`connection`], [`message`],
//! [`typed`], [`memory`], [`time`], [`report`], [`measure`]. `alloc` works. Beside
//! it lie a seeded generator ([`random`]) and a digest ([`digest`]), which do no
//! calls.
//!
//! A whole program:
//!
//! ```text
#![doc = include_str!("../../programs/hello/src/main.rs")]
//! ```
//!
//! `main` may return nothing, an `i32` (the exit status), or a `Result` whose
//! error is printed and makes the status 1. A panic anywhere, in any thread,
//! ends the process with status [`process::PANICKED`].
//!
//! Errors of calls are [`Errno`]. On the host the crate compiles, so that what
//! needs no kernel can be tested; every call answers `ENOSYS` there.
#![no_std]

extern crate alloc;

pub mod args;
pub mod channel;
pub mod connection;
mod console;
pub mod env;
#[cfg(target_os = "none")]
mod heap;
mod lock;
pub mod measure;
pub mod memory;
pub mod message;
pub mod process;
pub mod raw;
pub mod report;
#[cfg(target_os = "none")]
pub mod start;
pub mod thread;
pub mod time;
pub mod typed;

pub use args::Args;
pub use console::{eprint_line, print};
pub use lock::Lock;
pub use process::Ending;
pub use skimmer_abi::errno::Errno;
pub use skimmer_abi::{digest, random};

/// The guide to messages, whose programs are compiled here.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/ipc.md")]
mod guide {}

/// What a call comes back with.
pub type Result<T> = core::result::Result<T, Errno>;

/// Makes `$main` what the program runs. It takes [`Args`] and returns what is an
/// [`Ending`]. Once in a program; twice does not link.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[allow(unsafe_code, reason = "the run-time library calls the program by this name")]
        const _: () = {
            // The run-time library declares it with just this type, and a second
            // definition does not link.
            #[unsafe(no_mangle)]
            fn skimmer_main(args: $crate::Args) -> i64 {
                $crate::Ending::status($main(args))
            }
        };
    };
}
