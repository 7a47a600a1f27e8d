// SPDX-License-Identifier: Apache-2.0
//! The host tool as a library: set-up, build, boot, judge, and the checks.
//! `main.rs` only parses the command line and calls in here, so that the
//! tests of the harness itself can use every module.
//!
//! A boot passes from left to right through [`setup`] → [`build`] → [`qemu`]
//! → [`console`] and [`watchdog`] → [`verdict`] → [`evidence`]. Only
//! [`verdict`] says what counts as a pass.
#![forbid(unsafe_code)]

// First, for its `println!` holds in what comes after it.
#[macro_use]
pub mod out;

pub mod bench;
pub mod boot;
pub mod build;
pub mod claim;
pub mod cli;
pub mod console;
pub mod disk;
pub mod evidence;
pub mod faults;
pub mod fuzz;
pub mod gdb;
pub mod gdb_test;
pub mod image;
pub mod inspect;
pub mod lint;
pub mod live;
pub mod milestones;
pub mod mutants;
pub mod off_times;
pub mod process;
pub mod programs;
pub mod qemu;
pub mod ram;
pub mod readme;
pub mod record;
pub mod round_trips;
pub mod rounds;
pub mod run;
pub mod schedule;
pub mod setup;
pub mod show;
pub mod size;
pub mod soak;
pub mod spec;
pub mod symbols;
pub mod tally;
pub mod test;
pub mod trace;
pub mod tree;
pub mod verdict;
pub mod watchdog;
pub mod workloads;
pub mod workspace;
