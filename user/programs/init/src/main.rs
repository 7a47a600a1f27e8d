// SPDX-License-Identifier: Apache-2.0
//! Runs the program that its first argument names, with the others as its
//! arguments, and waits for it. Ends with 0 only if that did.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use skimmer_rt::Args;
use skimmer_rt::process::{ExitStatus, Program};

skimmer_rt::program!(main);

fn main(args: Args) -> Result<(), String> {
    let mut words = args.iter();
    let name = words.next().ok_or("no program is named: its name is the first argument")?;
    let child = Program::new(name).args(words).spawn();
    let child = child.map_err(|errno| format!("{name} cannot be started: {errno}"))?;
    let status = child.wait().map_err(|errno| format!("{name} cannot be waited for: {errno}"))?;
    match status {
        ExitStatus::Exited(0) => Ok(()),
        status => Err(format!("{name} {status}")),
    }
}
