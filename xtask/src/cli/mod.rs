// SPDX-License-Identifier: Apache-2.0
//! The command line: what can be asked, and what of it is refused before
//! anything is started. Each room has the options of one subject; those that
//! several commands share are flattened into them.

mod boot;
mod boots;
mod build;
mod disk;
mod machine;
#[cfg(test)]
mod tests;
mod tool;
mod workload;

use std::ffi::OsString;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::bench;
use crate::fuzz::{self, FuzzArgs};
use crate::gdb::GdbArgs;
use crate::programs;
use crate::setup;

pub use boot::BootArgs;
pub use boots::{MutantsArgs, RunArgs, SoakArgs, TraceArgs};
pub use build::BuildArgs;
pub use disk::DiskArgs;
pub use machine::{MachineArgs, usual_cpu};
pub use tool::{BenchArgs, ImageArgs, LintArgs, MilestonesArgs, SetupArgs, SizeArgs, TestArgs};
pub use workload::WorkloadArgs;

/// Skimmer's host tool: builds the kernel, boots it in QEMU, and says whether
/// it passed. Sets up what is missing.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 90)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boots the kernel once and shows what happens.
    ///
    /// Sets up what is missing, builds, boots QEMU, runs a scenario and ends
    /// with a summary. Exits with 0 only if the guest reported success as a
    /// record and as an exit status.
    Run(Box<RunArgs>),
    /// Boots the kernel many times, each time with another seed, and counts.
    ///
    /// Each boot's record is kept under target/soak, so that --resume can go
    /// on with an interrupted soak of the same build and arguments. A boot
    /// that did what an earlier one did, event by event, is left out and
    /// replaced by one with another seed. The last line says `N boots, P
    /// passed, F failed`.
    Soak(Box<SoakArgs>),
    /// Builds each named bug in, and shows what catches it and how soon.
    ///
    /// A bug must be caught within so many boots, by the check that is meant
    /// for it, and the good kernel must pass the same seeds. The last line says
    /// `N bugs: C caught as meant, F not`.
    Mutants(Box<MutantsArgs>),
    /// Boots once and writes what every hart did, for the Perfetto viewer.
    ///
    /// The file opens in <https://ui.perfetto.dev>: a track for each hart with
    /// its threads, arrows for wakes and messages, counters for queues.
    Trace(Box<TraceArgs>),
    /// Measures what system calls cost, in instructions, and holds it against
    /// the committed table.
    ///
    /// Boots the program `bench` on a clock of instructions, each boot twice:
    /// the figures must be the same. The last line says `N figures: all within
    /// bounds` or what is not. --profile shows where those of one message go.
    Bench(BenchArgs),
    /// Shows how large the kernel is, crate by crate.
    ///
    /// Lines of code are those with a token on them: no blank lines, comments,
    /// documentation, tests; of assembly, those that are no comment. Unsafe blocks
    /// are those of the census of `lint`. A byte of machine code belongs to the crate
    /// whose source it was made from, as the release build's debug information says:
    /// what is inlined is its author's, not its caller's, but what is inlined from
    /// Rust's libraries is its caller's. What is made for several types counts each
    /// time.
    Size(SizeArgs),
    /// Shows the reference's milestones beside our soaks.
    ///
    /// Numbers are those of the reports in docs/evidence, of the soak of the
    /// milestone's scenario on the usual machine that has the most boots.
    Milestones(MilestonesArgs),
    /// Fuzzes the readers of untrusted bytes, guided by coverage.
    ///
    /// Begins with the committed seeds. What a target accepts is held against
    /// what it promises and against a second reader. The last line says `N
    /// target(s), F finding(s)`; inputs that broke one are kept and named.
    Fuzz(FuzzArgs),
    /// Makes a program from the template: a package under user/programs.
    NewProgram {
        /// Its name: small letters, digits, hyphens.
        name: String,
    },
    /// Builds all programs and packs them (run does this by itself).
    Package(SetupArgs),
    /// Makes the flat image of the kernel, for a board's boot loader.
    ///
    /// It is the linked kernel, byte for byte as it lies in memory, with the
    /// header of a Linux RISC-V boot image, by which U-Boot's `booti` starts it.
    Image(ImageArgs),
    /// Opens the debugger on a machine, with commands that know the kernel.
    ///
    /// Starts a boot that waits before its first instruction, or attaches to
    /// one that runs or hangs. `sk-help` lists the commands.
    Gdb(Box<GdbArgs>),
    /// Checks the source: format, clippy, arrows between crates, unsafe code,
    /// licences, docs.
    Lint(LintArgs),
    /// Runs everything the project can check: lint, host tests, models, boots.
    ///
    /// The last line says `N passed, N failed`; exits with 0 only if nothing
    /// failed.
    Test(TestArgs),
    /// Sets up what is missing (run, soak and test do this by themselves).
    Setup(SetupArgs),
}

/// Does what was asked. `true` for a pass.
///
/// # Errors
/// When it could not be done.
pub fn dispatch(cli: Cli) -> Result<bool> {
    match cli.command {
        Command::Run(args) => crate::run::run(&args),
        Command::Soak(args) => crate::soak::soak(&args),
        Command::Mutants(args) => crate::mutants::mutants(&args),
        Command::Trace(args) => crate::trace::command::trace(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Size(args) => crate::size::size(&args),
        Command::Milestones(args) => crate::milestones::milestones(&args),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::NewProgram { name } => programs::command::new_program(&name),
        Command::Package(args) => programs::command::package(&args.wishes()),
        Command::Image(args) => crate::image::command::image(&args),
        Command::Gdb(args) => crate::gdb::gdb(&args),
        Command::Lint(args) => crate::lint::lint(&args),
        Command::Test(args) => crate::test::test(&args),
        Command::Setup(args) => setup::ensure(&args.wishes()).map(|_| true),
    }
}

/// Parses a command line, for tests.
///
/// # Errors
/// As `clap` words them.
pub fn parse(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(words)
}
