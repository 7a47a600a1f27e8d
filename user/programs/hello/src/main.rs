// SPDX-License-Identifier: Apache-2.0
//! The first program: prints what it is given.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

use skimmer_rt::{Args, println};

skimmer_rt::program!(main);

fn main(args: Args) {
    println!("hello, {}", args.first().unwrap_or("world"));
}
