// SPDX-License-Identifier: Apache-2.0
//! Hogs.
#![no_std]
#![no_main]
#![deny(unsafe_code)]
skimmer_rt::program!(main);
fn main(_: skimmer_rt::Args) {}
