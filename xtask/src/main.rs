// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask`: parses the command line, calls the library, and turns the
//! answer into an exit status (0 passed, 1 failed or could not run).
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use xtask::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = xtask::process::end_children_on_interrupt() {
        eprintln!("xtask: {error:#}");
        return ExitCode::FAILURE;
    }
    match xtask::cli::dispatch(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Who closed our output wants to hear no more.
        Err(_) if xtask::out::is_closed() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
