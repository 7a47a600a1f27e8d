// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask fuzz`: the fuzz targets of `tests/fuzz`, which libFuzzer drives
//! by what code each input reaches.
//!
//! The counters of coverage are the pinned compiler's (`sancov-module`, a pass
//! of LLVM); cargo-fuzz and a nightly are not needed, a C++ compiler is. Every
//! run begins with the committed seeds alone; what it found on the way stays
//! under `target/fuzz-runs`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use crate::build::identity;
use crate::claim::Claim;
use crate::process;
use crate::setup::compiler::own_cargo;
use crate::soak::commit;
use crate::workspace::{root, short, target_dir};

/// What the compiler is told, of this workspace's crates and all others.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Seconds that one input may take.
const PATIENCE: u32 = 10;

/// How much longer than asked for a run may take before it is ended.
const GRACE: Duration = Duration::from_secs(300);

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Device trees (`drivers/fdt`).
    Fdt,
    /// Programs (`drivers/program`).
    Elf,
    /// Archives (`drivers/program`).
    Cpio,
    /// What an NVMe drive says of itself (`drivers/nvme`).
    NvmeIdentify,
}

impl Target {
    const ALL: [Self; 4] = [Self::Fdt, Self::Elf, Self::Cpio, Self::NvmeIdentify];

    const fn name(self) -> &'static str {
        match self {
            Self::Fdt => "fdt",
            Self::Elf => "elf",
            Self::Cpio => "cpio",
            Self::NvmeIdentify => "nvme-identify",
        }
    }

    /// The longest input, and the seeds. Beside them it is told where they are from.
    const fn corpus(self) -> (u32, &'static [&'static str]) {
        match self {
            Self::Fdt => (
                8192,
                &[
                    "drivers/fdt/tests/trees/dense.dtb",
                    "drivers/fdt/tests/trees/qemu-spike-2.dtb",
                    "drivers/fdt/tests/trees/qemu-virt-3-initrd.dtb",
                    "drivers/fdt/tests/trees/qemu-virt-aia-2.dtb",
                    "drivers/fdt/tests/trees/qemu-sifive-u-5.dtb",
                ],
            ),
            Self::Elf => (
                4096,
                &[
                    "drivers/program/tests/programs/little-fixed.elf",
                    "drivers/program/tests/programs/little-pie.elf",
                ],
            ),
            Self::Cpio => (
                4096,
                &[
                    "drivers/program/tests/archives/one.cpio",
                    "drivers/program/tests/archives/usual.cpio",
                ],
            ),
            Self::NvmeIdentify => (
                12_292,
                &[
                    "drivers/nvme/tests/words/qemu-4096-limited.words",
                    "drivers/nvme/tests/words/qemu-512.words",
                ],
            ),
        }
    }
}

/// Options of `fuzz`.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Only these targets.
    #[arg(value_enum)]
    pub targets: Vec<Target>,
    /// How long each runs.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub minutes: u64,
    /// The seed of libFuzzer's choices. Where inputs lead is seen by the clock
    /// too, so the same seed need not find the same.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
    /// Write what came of it as markdown.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl FuzzArgs {
    fn command_line(&self) -> String {
        let mut line = "cargo xtask fuzz".to_owned();
        for target in &self.targets {
            let _ = write!(line, " {}", target.name());
        }
        let _ = write!(line, " --minutes {} --seed {}", self.minutes, self.seed);
        line
    }
}

/// What came of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    inputs: u64,
    accepted: u64,
    refused: u64,
    /// Seconds of the processor.
    processor: u64,
    /// As libFuzzer words it.
    coverage: String,
}

/// Runs what was asked for. `true` without a finding.
///
/// # Errors
/// When a target cannot be built or run.
pub fn fuzz(args: &FuzzArgs) -> Result<bool> {
    let targets = if args.targets.is_empty() { &Target::ALL } else { args.targets.as_slice() };
    let mut report = String::new();
    let mut findings = 0;
    // Before, because a checkout may move on while targets run.
    let commit = commit();
    for &target in targets {
        process::check_interrupt()?;
        let (outcome, found, hash) = one(target, args)?;
        findings += found.len();
        print!("{}: {}", target.name(), told(&outcome, &found));
        report += &section(target, args, &outcome, &found, [&commit, &hash])?;
    }
    if let Some(file) = &args.report {
        std::fs::write(file, report).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{} target(s), {findings} finding(s)", targets.len());
    Ok(findings == 0)
}

/// One target: what came of it, the inputs that broke it, and the hash of what ran.
fn one(target: Target, args: &FuzzArgs) -> Result<(Outcome, Vec<PathBuf>, String)> {
    let name = target.name();
    let claim = Claim::wait(&target_dir().join("fuzz-runs").join(name))?;
    claim.clear()?;
    let dir = claim.dir();
    let (most, seeds) = target.corpus();
    let (corpus, broken) = (dir.join("corpus"), dir.join("findings"));
    for new in [&corpus, &broken] {
        std::fs::create_dir_all(new).with_context(|| format!("cannot make {}", short(new)))?;
    }
    for (number, seed) in seeds.iter().enumerate() {
        let copy = corpus.join(format!("seed-{number}"));
        std::fs::copy(root().join(seed), copy).with_context(|| format!("cannot copy {seed}"))?;
    }
    let program = dir.join(name);
    std::fs::copy(build(target)?, &program).with_context(|| format!("cannot copy {name}"))?;
    let seconds = args.minutes * 60;
    let mut command = Command::new(&program);
    command.arg(format!("-seed={}", args.seed)).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={most}")).arg(format!("-timeout={PATIENCE}"));
    command.arg(format!("-artifact_prefix={}/", broken.display()));
    command.args(["-print_final_stats=1", "-use_value_profile=1"]).arg(&corpus);
    println!("{name}: {} minutes, seed {}", args.minutes, args.seed);
    let output = process::output_within(&command, Duration::from_secs(seconds) + GRACE)?;
    process::check_interrupt()?;
    let output = output.with_context(|| format!("{name} did not end"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let log = dir.join("log.txt");
    std::fs::write(&log, said.as_bytes())?;
    let found = files(&broken)?;
    ensure!(
        output.status.success() == found.is_empty(),
        "{name} ended with {} and {} finding(s): see {}",
        output.status,
        found.len(),
        short(&log)
    );
    let outcome = read(&said);
    // Who is ended by a finding does not count to its end.
    let counted = outcome.accepted + outcome.refused;
    ensure!(!found.is_empty() || counted >= outcome.inputs && counted > 0, "{name}: {outcome:?}");
    Ok((outcome, found, identity(&program)?))
}

/// Builds the target with counters of coverage.
fn build(target: Target) -> Result<PathBuf> {
    let compiler = process::read(Command::new("rustc").current_dir(root()).arg("-vV"))?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: "));
    // With a target named, what runs while building has no counters.
    let host = host.context("rustc does not say what it builds for")?;
    let (into, name) = (target_dir().join("fuzz"), target.name());
    let mut cargo = own_cargo();
    cargo.args(["build", "--quiet", "--release", "--locked", "--target", host, "--bin", name]);
    cargo.args(["--manifest-path", "tests/fuzz/Cargo.toml", "--target-dir"]).arg(&into);
    process::run(cargo.env("RUSTFLAGS", FLAGS)).context("cannot build the fuzz targets")?;
    Ok(into.join(host).join("release").join(name))
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", short(dir)))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    paths.collect()
}

/// What libFuzzer and the target told.
fn read(said: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
        match words.first() {
            Some(&"stat::number_of_executed_units:") => outcome.inputs = number(1),
            Some(&"tally:") => {
                (outcome.accepted, outcome.refused) = (number(1), number(3));
                outcome.processor = number(5);
            }
            Some(_) if words.get(1) == Some(&"DONE") => {
                let end = words.iter().position(|word| *word == "lim:").unwrap_or(words.len());
                outcome.coverage = words.get(2..end).unwrap_or_default().join(" ");
            }
            _ => {}
        }
    }
    outcome
}

fn told(outcome: &Outcome, found: &[PathBuf]) -> String {
    let Outcome { inputs, accepted, refused, processor, coverage } = outcome;
    let mut text = format!(
        "{inputs} inputs, {accepted} accepted, {refused} refused, {} finding(s); {coverage}; \
         {processor} s of processor\n",
        found.len()
    );
    for path in found {
        let _ = writeln!(text, "  {}", short(path));
    }
    text
}

fn section(
    target: Target,
    args: &FuzzArgs,
    outcome: &Outcome,
    found: &[PathBuf],
    [commit, hash]: [&str; 2],
) -> Result<String> {
    let rows = [
        ("command", format!("`{}`", args.command_line())),
        ("target", format!("{}, 1 process of 1 thread", target.name())),
        ("seeds", target.corpus().1.join(", ")),
        ("seed of choices", args.seed.to_string()),
        ("minutes", args.minutes.to_string()),
        ("seconds of processor", outcome.processor.to_string()),
        ("niceness", niceness()),
        ("inputs", outcome.inputs.to_string()),
        ("accepted", outcome.accepted.to_string()),
        ("refused", outcome.refused.to_string()),
        ("coverage at the end (libFuzzer)", outcome.coverage.clone()),
        ("findings", found.len().to_string()),
        ("commit", commit.to_owned()),
        ("program (SHA-256)", hash.to_owned()),
        ("compiler", process::read(Command::new("rustc").current_dir(root()).arg("-V"))?),
    ];
    let mut text = format!("# Fuzzing: {}\n\n| | |\n|---|---|\n", target.name());
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    Ok(text + "\n")
}

/// At which this runs, and so what it starts: field 19 of proc_pid_stat(5).
fn niceness() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().nth(16).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let said = "#2\tINITED cov: 1 ft: 2 corp: 1/1b exec/s: 0 rss: 26Mb\n\
            #99\tDONE   cov: 20 ft: 31 corp: 4/40b lim: 64 exec/s: 9 rss: 40Mb\n\
            stat::number_of_executed_units: 99\n\
            tally: 70 accepted, 30 refused, 7 s of processor\n";
        let (inputs, accepted, refused, processor) = (99, 70, 30, 7);
        let coverage = "cov: 20 ft: 31 corp: 4/40b".to_owned();
        assert_eq!(read(said), Outcome { inputs, accepted, refused, processor, coverage });
    }

    #[test]
    fn every_target_has_seeds_that_are_small() {
        for target in Target::ALL {
            let (most, seeds) = target.corpus();
            for seed in seeds {
                let size = std::fs::metadata(root().join(seed)).expect(seed).len();
                assert!(size > 0 && size <= u64::from(most), "{seed}: {size}");
            }
            assert!(seeds.len() > 1);
        }
    }
}
