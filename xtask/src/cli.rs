// SPDX-License-Identifier: Apache-2.0
//! The command line: what can be asked, and what of it is refused before
//! anything is started.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use skimmer_abi::scenario::Scenario;

use crate::bench;
use crate::build::Profile;
use crate::gdb::GdbArgs;
use crate::mutants;
use crate::mutants::table::{BUGS, features};
use crate::process;
use crate::programs;
use crate::schedule::{Plan, Schedule};
use crate::setup::compiler::Choice;
use crate::setup::{self, Tools, Wishes};
use crate::spec::{Machine, MemorySize, Workload, usual_rounds};
use crate::test::{Part, off_times};
use crate::tree::Tree;
use crate::watchdog::DEFAULT_TIMEOUT;

/// The most harts that QEMU's `virt` takes.
const MOST_HARTS: u32 = 512;

/// The most harts that boot reliably with debug triggers.
const MOST_HARTS_WITH_TRIGGERS: u32 = 32;

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
    /// bounds` or what is not.
    Bench(BenchArgs),
    /// Makes a program from the template: a package under user/programs.
    NewProgram {
        /// Its name: small letters, digits, hyphens.
        name: String,
    },
    /// Builds all programs and packs them (run does this by itself).
    Package(SetupArgs),
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

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// Write the figures as a list of {"name": …, "instructions": …, …}.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the table as markdown.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Take the figures as those to hold others against (docs/costs.json and
    /// docs/costs.md). Ceilings are not moved by it.
    #[arg(long)]
    pub update: bool,
}

impl BenchArgs {
    /// The command that does this again, without what it writes.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = ["cargo", "xtask", "bench"].map(ToOwned::to_owned).to_vec();
        if let Some(qemu) = &self.setup.qemu {
            words.extend(["--qemu".to_owned(), qemu.display().to_string()]);
        }
        if self.setup.compiler != Choice::Auto {
            words.extend(["--compiler".to_owned(), self.setup.compiler.name().to_owned()]);
        }
        quoted(&words)
    }
}

/// Options of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// Take the present amount of unsafe code as the known one.
    #[arg(long)]
    pub update_census: bool,
}

/// Options of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// Only this part (repeatable).
    #[arg(long, value_name = "PART")]
    pub only: Vec<Part>,
    /// Of the boots, only those whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub boot: Option<String>,
}

/// Options of `setup`.
#[derive(Clone, Debug, Args)]
pub struct SetupArgs {
    /// This emulator in place of the one on the search path.
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// Which compiler builds the kernel.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub compiler: Choice,
    /// Install nothing: say what is missing and fail.
    #[arg(long)]
    pub no_install: bool,
}

impl SetupArgs {
    /// The same, as set-up reads it.
    #[must_use]
    pub fn wishes(&self) -> Wishes {
        Wishes { qemu: self.qemu.clone(), compiler: self.compiler, no_install: self.no_install }
    }
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The workload.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// The machine.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The build.
    #[command(flatten)]
    pub build: BuildArgs,
    /// Wait for a debugger before the first instruction.
    #[arg(long)]
    pub gdb: bool,
    /// Show the firmware's lines too.
    #[arg(long, short)]
    pub verbose: bool,
}

impl RunArgs {
    /// The command that does the same again.
    #[must_use]
    pub fn command_line(&self) -> String {
        run_line(&self.workload, &self.machine, &self.build, self.workload.seed)
    }
}

/// Options of `soak`.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// The workload; its seed is the base of the boots' seeds.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// The machine.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The build.
    #[command(flatten)]
    pub build: BuildArgs,
    /// How many boots.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub boots: u32,
    /// How many boots at a time.
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub jobs: u32,
    /// Count boots that repeat an earlier one, event by event, too: for
    /// workloads so small that they know few schedules. The summary says how
    /// many differ.
    #[arg(long)]
    pub repeats: bool,
    /// Go on with an interrupted soak of this build and these arguments.
    #[arg(long)]
    pub resume: bool,
    /// Write the summary as markdown, for docs/evidence.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl SoakArgs {
    /// The command that does this soak again.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = ["cargo", "xtask", "soak", "--boots"].map(ToOwned::to_owned).to_vec();
        words.extend([self.boots.to_string(), "--jobs".to_owned(), self.jobs.to_string()]);
        words.extend(self.repeats.then(|| "--repeats".to_owned()));
        words.extend(self.workload.words(self.workload.seed));
        words.extend(self.machine.words());
        words.extend(self.build.words());
        words.extend(self.workload.last_words());
        quoted(&words)
    }
}

/// Options of `mutants`.
#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// Only these bugs.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(BUGS.iter().map(|b| b.name)))]
    pub names: Vec<String>,
    /// What set-up must know.
    #[command(flatten)]
    pub setup: SetupArgs,
    /// In how many boots a bug must be caught.
    #[arg(long, value_name = "N", default_value_t = mutants::BOOTS, value_parser = clap::value_parser!(u32).range(1..))]
    pub boots: u32,
    /// What the seeds of the boots are derived from.
    #[arg(long, value_name = "S", default_value_t = mutants::SEED)]
    pub seed: u64,
    /// Write the table as markdown, for docs/evidence.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Only show the bugs and what is meant to catch each.
    #[arg(long)]
    pub list: bool,
}

impl MutantsArgs {
    /// The command that does this again.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = ["cargo", "xtask", "mutants"].map(ToOwned::to_owned).to_vec();
        words.extend(self.names.clone());
        words.extend(["--boots".to_owned(), self.boots.to_string()]);
        words.extend(["--seed".to_owned(), self.seed.to_string()]);
        if let Some(qemu) = &self.setup.qemu {
            words.extend(["--qemu".to_owned(), qemu.display().to_string()]);
        }
        if self.setup.compiler != Choice::Auto {
            words.extend(["--compiler".to_owned(), self.setup.compiler.name().to_owned()]);
        }
        quoted(&words)
    }
}

/// Options of `trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// The workload.
    #[command(flatten)]
    pub workload: WorkloadArgs,
    /// The machine.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// The build.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Turns a plan into one boot: the same arguments with that seed, the schedule
/// that it gives, and the rounds that are left where it cuts them.
#[must_use]
pub fn one_of(
    workload: &WorkloadArgs,
    machine: &MachineArgs,
    seed: u64,
) -> (WorkloadArgs, MachineArgs) {
    let (mut workload, mut machine) = (workload.clone(), machine.clone());
    let plan = machine.schedule;
    workload.seed = seed;
    if plan.part(seed) > 1 {
        let usual = usual_rounds(workload.workload(seed).scenario, machine.harts);
        workload.rounds = workload.rounds.or(usual).map(|rounds| (rounds / plan.part(seed)).max(1));
    }
    machine.schedule = Plan::Always(plan.schedule(seed));
    (workload, machine)
}

/// The `run` command for one boot.
#[must_use]
pub fn run_line(
    workload: &WorkloadArgs,
    machine: &MachineArgs,
    build: &BuildArgs,
    seed: u64,
) -> String {
    let mut words = ["cargo", "xtask", "run"].map(ToOwned::to_owned).to_vec();
    words.extend(workload.words(seed));
    words.extend(machine.words());
    words.extend(build.words());
    words.extend(workload.last_words());
    quoted(&words)
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|w| process::quote(w)).collect::<Vec<_>>().join(" ")
}

/// What the guest is asked to do.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workload")]
pub struct WorkloadArgs {
    /// The scenario to run.
    #[arg(long, value_name = "NAME", default_value = "ports", value_parser = scenario_names())]
    pub scenario: String,
    /// Run this program of the boot package (a folder of user/programs). What
    /// follows `--` are its arguments.
    #[arg(long, value_name = "NAME", conflicts_with = "scenario", value_parser = program)]
    pub program: Option<String>,
    /// The program's arguments. The kernel's command line has no way to say
    /// spaces and commas.
    #[arg(last = true, value_name = "ARGUMENT", requires = "program", value_parser = argument)]
    pub arguments: Vec<String>,
    /// How much of it (for `ports`: round trips; 14 unless told).
    #[arg(long, value_name = "N")]
    pub rounds: Option<u64>,
    /// What the data, the priorities and the order of the workload are drawn
    /// from. (It delays nothing.)
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// One more `key=value` for the kernel's command line (repeatable).
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub append: Vec<String>,
}

impl WorkloadArgs {
    /// The scenario.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        match self.program {
            Some(_) => Scenario::Program,
            // The parser admits the names of scenarios only.
            None => Scenario::from_name(&self.scenario).unwrap_or(Scenario::Ports),
        }
    }

    /// The words of the program's arguments, which come after all others.
    #[must_use]
    pub fn last_words(&self) -> Vec<String> {
        let dashes = (!self.arguments.is_empty()).then(|| "--".to_owned());
        dashes.into_iter().chain(self.arguments.iter().cloned()).collect()
    }

    /// The workload with that seed.
    #[must_use]
    pub fn workload(&self, seed: u64) -> Workload {
        Workload {
            scenario: self.scenario(),
            rounds: self.rounds,
            seed,
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            append: self.append.clone(),
        }
    }

    /// The words that ask for it with that seed.
    #[must_use]
    pub fn words(&self, seed: u64) -> Vec<String> {
        let mut words = match &self.program {
            Some(program) => vec!["--program".to_owned(), program.clone()],
            None => vec!["--scenario".to_owned(), self.scenario.clone()],
        };
        if let Some(rounds) = self.rounds {
            words.extend(["--rounds".to_owned(), rounds.to_string()]);
        }
        words.extend(["--seed".to_owned(), seed.to_string()]);
        for more in &self.append {
            words.extend(["--append".to_owned(), more.clone()]);
        }
        words
    }
}

/// The machine that QEMU is asked for.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// How many harts.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = harts)]
    pub harts: u32,
    /// How much memory: 256M, 1G.
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub memory: MemorySize,
    /// QEMU's `-cpu` (for `virt` unless told: rv64, on more than 32 harts
    /// rv64,debug=off).
    #[arg(long, value_name = "CPU")]
    pub cpu: Option<String>,
    /// QEMU's `-machine`.
    #[arg(long, value_name = "MACHINE", default_value = "virt")]
    pub machine: String,
    /// This emulator in place of the one on the search path.
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// One more argument for QEMU (repeatable).
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub qemu_arg: Vec<String>,
    /// How the harts take turns: parallel (a host thread each), rr (one after
    /// the other on a clock of instructions; the same seed gives the same
    /// run), rr-shift=N (with 2^N ns an instruction, N at most 7), one-insn
    /// (parallel, an instruction at a time), mix (chosen by the seed).
    #[arg(long, value_name = "SCHEDULE", default_value = "parallel", verbatim_doc_comment)]
    pub schedule: Plan,
    /// A device tree blob in place of QEMU's own.
    #[arg(long, value_name = "FILE")]
    pub dtb: Option<PathBuf>,
    /// End a boot that gets nothing done for this many seconds. (The watchdog
    /// ends most of them sooner. Slow schedules get more: rr four times,
    /// one-insn eight times.)
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Which compiler builds the kernel.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub compiler: Choice,
    /// Install nothing: say what is missing and fail.
    #[arg(long)]
    pub no_install: bool,
}

impl MachineArgs {
    /// Refuses what can be seen to be wrong before anything starts.
    ///
    /// # Errors
    /// When the device tree cannot be read, is none, or was cut.
    pub fn check(&self) -> Result<()> {
        if let Some(dtb) = &self.dtb {
            Tree::load(dtb).with_context(|| format!("--dtb {}", dtb.display()))?;
        }
        Ok(())
    }

    /// What set-up must know.
    #[must_use]
    pub fn wishes(&self) -> Wishes {
        Wishes { qemu: self.qemu.clone(), compiler: self.compiler, no_install: self.no_install }
    }

    /// The machine for the boot with that seed, with the tools that were
    /// found.
    #[must_use]
    pub fn machine(&self, tools: &Tools, seed: u64) -> Machine {
        let mut machine = Machine {
            qemu: tools.qemu.clone(),
            version: tools.qemu_release,
            machine: self.machine.clone(),
            cpu: self.cpu.clone(),
            harts: self.harts,
            memory: self.memory,
            schedule: self.schedule.schedule(seed),
            dtb: self.dtb.clone(),
            initrd: None,
            extra: self.qemu_arg.clone(),
        };
        if machine.cpu.is_none() && machine.name() == "virt" {
            machine.cpu = Some(usual_cpu(self.harts).to_owned());
        }
        machine
    }

    /// The backstop.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The words that ask for this machine.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut put = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        put("harts", self.harts.to_string());
        put("memory", self.memory.to_string());
        put("machine", self.machine.clone());
        if self.schedule != Plan::Always(Schedule::Parallel) {
            put("schedule", self.schedule.to_string());
        }
        if let Some(cpu) = &self.cpu {
            put("cpu", cpu.clone());
        }
        if let Some(qemu) = &self.qemu {
            put("qemu", qemu.display().to_string());
        }
        if let Some(dtb) = &self.dtb {
            put("dtb", dtb.display().to_string());
        }
        if self.compiler != Choice::Auto {
            put("compiler", self.compiler.name().to_owned());
        }
        put("timeout", self.timeout.to_string());
        for arg in &self.qemu_arg {
            words.push(format!("--qemu-arg={arg}"));
        }
        words
    }
}

/// How the kernel is built.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Build")]
pub struct BuildArgs {
    /// Optimised (the default).
    #[arg(long, conflicts_with = "debug")]
    pub release: bool,
    /// Little optimised (opt-level 1), with debug assertions.
    #[arg(long)]
    pub debug: bool,
    /// A cargo feature of the kernel (repeatable): off-times measures how long
    /// interrupts stay masked and preemption deferred (in instructions with
    /// --schedule rr); bug-NAME builds in a deliberate bug (`cargo xtask mutants
    /// --list` names them), delay-NAME only the delay that such a bug has to
    /// widen its window, if it has one.
    #[arg(long, value_name = "FEATURE", value_delimiter = ',', value_parser = feature)]
    pub features: Vec<String>,
}

impl BuildArgs {
    /// The same as a profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile { debug: self.debug, features: self.features.clone() }
    }

    /// The words that ask for it.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.debug {
            words.push("--debug".to_owned());
        }
        for feature in &self.features {
            words.extend(["--features".to_owned(), feature.clone()]);
        }
        words
    }
}

/// The CPU of `virt` unless another is asked for. OpenSBI 1.5 (QEMU 9 and 10
/// bring it) gives each hart that has debug triggers some kilobytes of a heap
/// that is too small for many of them: those that get none hang in the
/// firmware. The kernel uses no triggers.
#[must_use]
pub const fn usual_cpu(harts: u32) -> &'static str {
    if harts > MOST_HARTS_WITH_TRIGGERS { "rv64,debug=off" } else { "rv64" }
}

fn scenario_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Scenario::ALL.iter().map(|s| s.name()))
}

fn feature(text: &str) -> Result<String, String> {
    let known: Vec<String> = features()
        .into_iter()
        .chain([off_times::FEATURE.to_owned(), bench::FEATURE.to_owned()])
        .collect();
    if known.iter().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(format!("the kernel has none of that name, only {}", known.join(", ")))
}

fn program(text: &str) -> Result<String, String> {
    let names = programs::names().map_err(|error| format!("{error:#}"))?;
    if names.iter().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(format!("there is none of that name, only {}", names.join(", ")))
}

fn argument(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) {
        return Err("a program's argument cannot be empty or have spaces or commas".to_owned());
    }
    Ok(text.to_owned())
}

fn harts(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("a machine needs at least one hart".to_owned()),
        Ok(count) if count > MOST_HARTS => Err(format!("QEMU has at most {MOST_HARTS} harts")),
        Ok(count) => Ok(count),
        Err(_) => Err("not a number of harts".to_owned()),
    }
}

fn key_value(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.to_owned())
        }
        _ => Err("write it as key=value, without spaces".to_owned()),
    }
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
        Command::NewProgram { name } => programs::command::new_program(&name),
        Command::Package(args) => programs::command::package(&args.wishes()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &[&str]) -> String {
        let all = ["cargo xtask"].iter().chain(words).copied();
        parse(all).map(|_| ()).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_input_is_refused_with_a_reason() {
        let said = refused(&["run", "--scenario", "nonsense"]);
        for scenario in Scenario::ALL {
            assert!(said.contains(scenario.name()), "{said}");
        }
        assert!(refused(&["run", "--harts", "0"]).contains("at least one hart"));
        assert!(refused(&["run", "--harts", "many"]).contains("not a number"));
        assert!(refused(&["run", "--memory", "12Q"]).contains("no unit"));
        assert!(refused(&["run", "--rounds", "ten"]).contains("invalid digit"));
        assert!(refused(&["run", "--timeout", "0"]).contains("timeout"));
        assert!(refused(&["run", "--append", "a b"]).contains("key=value"));
        assert!(refused(&["run", "--features", "bug-nonsense"]).contains("bug-crit-switch"));
        assert!(refused(&["run", "--program", "nonsense"]).contains("hello, hostile, init"));
        assert!(refused(&["run", "--program", "hello", "--", "a b"]).contains("spaces"));
        assert!(refused(&["run", "--program", "hello", "--", "a,b"]).contains("commas"));
        assert!(
            refused(&["run", "--program", "init", "--scenario", "ports"]).contains("--scenario")
        );
        assert!(refused(&["run", "--", "world"]).contains("--program"));
        assert!(refused(&["mutants", "nonsense"]).contains("crit-switch"));
        assert!(refused(&["mutants", "--boots", "0"]).contains("boots"));
    }

    #[test]
    fn the_command_of_the_mutants_parses_to_the_same() {
        let parse_mutants = |line: &str| {
            let words = std::iter::once("cargo xtask").chain(line.split_whitespace());
            match parse(words).expect("parses").command {
                Command::Mutants(args) => args,
                other => panic!("{other:?}"),
            }
        };
        let line = parse_mutants("mutants crit-switch bss-args --seed 7 --qemu /q").command_line();
        let again = line.strip_prefix("cargo xtask ").expect("prefix");
        assert_eq!(parse_mutants(again).command_line(), line);
        assert!(line.contains("crit-switch bss-args --boots 20 --seed 7 --qemu /q"), "{line}");
    }

    #[test]
    fn a_mix_becomes_one_schedule_and_its_rounds() {
        let words = ["cargo xtask", "soak", "--boots", "1", "--schedule", "mix", "--harts", "2"];
        let Command::Soak(args) = parse(words).expect("parses").command else { panic!("soak") };
        let mut args = *args;
        args.workload.scenario = "flood".to_owned();
        let cut = |rounds: Option<u64>, schedule: Schedule| {
            let workload = WorkloadArgs { rounds, ..args.workload.clone() };
            let seed = (0..).find(|s| Plan::Mix.schedule(*s) == schedule).expect("some seed");
            let (workload, machine) = one_of(&workload, &args.machine, seed);
            assert_eq!(machine.schedule, Plan::Always(schedule));
            assert_eq!(workload.seed, seed);
            workload.rounds
        };
        assert_eq!(cut(None, Schedule::Parallel), None);
        assert_eq!(cut(Some(7), Schedule::Rr(2)), Some(7));
        assert_eq!(cut(None, Schedule::OneInsn), Some(100));
        assert_eq!(cut(Some(7), Schedule::OneInsn), Some(1));
    }

    #[test]
    fn the_command_to_reproduce_parses_to_the_same() {
        let words = "run --scenario flood --rounds 5 --seed 7 --harts 3 --memory 1G --schedule rr-shift=2 \
                     --qemu-arg=-icount --qemu-arg shift=0 --append x=1 --debug";
        let parse_run = |line: &str| {
            let words = std::iter::once("cargo xtask").chain(line.split_whitespace());
            match parse(words).expect("parses").command {
                Command::Run(args) => args,
                other => panic!("{other:?}"),
            }
        };
        for program in [
            "run --program hello --seed 7 -- world rounds=3",
            "run --program init --harts 2 --debug",
        ] {
            let line = parse_run(program).command_line();
            let again = line.strip_prefix("cargo xtask ").expect("prefix");
            assert_eq!(parse_run(again).command_line(), line);
            assert!(!line.contains("--scenario"), "{line}");
        }
        let line = parse_run(words).command_line();
        let again = line.strip_prefix("cargo xtask ").expect("prefix");
        assert_eq!(parse_run(again).command_line(), line);
        assert!(line.contains("--schedule rr-shift=2"), "{line}");
        assert!(line.contains("--seed 7") && line.contains("--qemu-arg=-icount"), "{line}");
    }
}
