// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask soak`: many boots of one kernel, each with its own seed.
//!
//! State: the soak's directory, named by a hash of the build and of every
//! argument that changes what a boot does. Invariant: each boot is made once
//! and counted once, or left out because it repeats an earlier one; a failure
//! is never tried again and never left out; what is interrupted is not counted
//! and can be resumed.

pub mod record;
pub mod summary;
pub mod tally;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};

use crate::boot::{Boot, boot};
use crate::build::{self, Kernel};
use crate::claim::Claim;
use crate::cli::{MachineArgs, SoakArgs, one_of, run_line};
use crate::evidence::file;
use crate::process;
use crate::setup::{self, Tools};
use crate::verdict::Kind;
use crate::workspace::{root, short, target_dir};
use record::{BootRecord, derive_seed, name};
use summary::{About, Summary};
use tally::{Next, Tally, attempts};

/// Digits of the hash in a soak's directory name.
const HASH_DIGITS: usize = 12;

/// What the soak with these arguments is about, in its directory.
const MANIFEST: &str = "soak.txt";

/// How often a worker without work looks whether there is some.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Everything that the boots of one soak share.
struct Soak<'a> {
    args: &'a SoakArgs,
    tools: &'a Tools,
    kernel: &'a Kernel,
    dir: PathBuf,
}

/// Makes the boots, shows how they go, sums up. `true` if all passed.
///
/// # Errors
/// When a boot could not be made at all, or the user interrupted.
pub fn soak(args: &SoakArgs) -> Result<bool> {
    args.machine.check()?;
    let tools = setup::ensure(&args.machine.wishes())?;
    let kernel = build::kernel(&tools.compiler, &args.build.profile())?;
    let identity = identity(args, &tools, &kernel);
    let dir = target_dir().join("soak").join(directory_name(&args.workload.scenario, &identity));
    let claim = Claim::wait(&dir)?;
    let done = prepare(args, &claim, &identity, &kernel.identity)?;
    let kernel = kernel.keep_copy(&dir)?;
    let soak = Soak { args, tools: &tools, kernel: &kernel, dir };
    println!("soak: {} boots of {}, in {}", args.boots, soak.what(), short(&soak.dir));
    let records = soak.all_boots(done)?;
    let summary = Summary::of(&records);
    println!("\n{}", summary.text());
    if let Some(report) = &args.report {
        soak.write_report(report, &summary)?;
    }
    let interrupted = process::interrupted();
    if interrupted {
        println!("interrupted after {} of {} boots: --resume goes on", summary.boots, args.boots);
    } else if summary.boots < args.boots as usize {
        println!(
            "only {} of {} boots differ from each other, and {} of {} were made: this workload on \
             this schedule repeats itself. Ask for fewer boots, another schedule, or more harts",
            summary.boots,
            args.boots,
            records.len(),
            attempts(args.boots)
        );
    }
    println!("{}", summary.closing_line());
    Ok(!interrupted && summary.failed() == 0 && summary.boots == args.boots as usize)
}

/// Every argument that changes what a boot does, and the build, in words.
fn identity(args: &SoakArgs, tools: &Tools, kernel: &Kernel) -> String {
    let mut words = args.workload.words(args.workload.seed);
    words.extend(args.machine.words());
    let dtb = args.machine.dtb.as_ref().and_then(|path| build::identity(path).ok());
    format!(
        "arguments: {}\nkernel: {}\ndevice tree: {}\nQEMU: {}\n",
        words.join(" "),
        kernel.identity,
        dtb.unwrap_or_default(),
        tools.qemu_version
    )
}

fn directory_name(scenario: &str, identity: &str) -> String {
    let hash = build::hex(&Sha256::digest(identity.as_bytes()));
    format!("{scenario}-{}", &hash[..HASH_DIGITS])
}

/// Makes the directory ready; gives the boots that are done already.
fn prepare(args: &SoakArgs, claim: &Claim, identity: &str, build: &str) -> Result<Vec<BootRecord>> {
    let dir = claim.dir();
    let same = std::fs::read_to_string(dir.join(MANIFEST)).is_ok_and(|text| text == identity);
    if args.resume && same {
        let done: Vec<BootRecord> =
            (0..attempts(args.boots)).filter_map(|n| BootRecord::load(dir, n, build)).collect();
        let counted = done.iter().filter(|r| !r.duplicate).count();
        println!("soak: resuming, {counted} of {} boots are done", args.boots);
        return Ok(done);
    }
    if args.resume {
        println!("soak: nothing to resume for this build and these arguments: starting fresh");
    }
    claim.clear()?;
    record::write_whole(&dir.join(MANIFEST), identity)?;
    Ok(Vec::new())
}

impl Soak<'_> {
    fn what(&self) -> String {
        let MachineArgs { machine, harts, memory, schedule, .. } = &self.args.machine;
        let scenario = &self.args.workload.scenario;
        format!("{scenario} on {machine}, {harts} hart(s), {memory}, schedule {schedule}")
    }

    /// Makes the boots that are not done, `jobs` at a time.
    fn all_boots(&self, done: Vec<BootRecord>) -> Result<Vec<BootRecord>> {
        let tally = Mutex::new(Tally::new(self.args.boots, &done));
        let mut progress = Progress::new(self.args.boots, &done);
        let (sender, receiver) = channel();
        let mut records = done;
        std::thread::scope(|scope| -> Result<()> {
            for _ in 0..self.args.jobs {
                let (sender, tally) = (sender.clone(), &tally);
                scope.spawn(move || self.work(tally, &sender));
            }
            drop(sender);
            self.collect(&receiver, &mut progress, &mut records)
        })?;
        progress.end();
        records.sort_by_key(|r| r.boot);
        Ok(records)
    }

    fn work(&self, tally: &Mutex<Tally>, sender: &Sender<Result<BootRecord>>) {
        let locked = || tally.lock().unwrap_or_else(PoisonError::into_inner);
        while !process::interrupted() {
            let next = locked().take();
            let number = match next {
                Next::Make(number) => number,
                Next::Wait => {
                    std::thread::sleep(WAIT_STEP);
                    continue;
                }
                Next::Stop => break,
            };
            let mut record = self.one_boot(number);
            match &mut record {
                Ok(record) => locked().made(record),
                Err(_) => locked().give_up(),
            }
            if sender.send(record).is_err() {
                break;
            }
        }
    }

    fn collect(
        &self,
        receiver: &Receiver<Result<BootRecord>>,
        progress: &mut Progress,
        records: &mut Vec<BootRecord>,
    ) -> Result<()> {
        for record in receiver {
            let record = record?;
            if record.verdict.kind() == Some(Kind::Interrupted) {
                continue;
            }
            record.save(&self.dir)?;
            if !record.verdict.passed() {
                let why = record.verdict.problems.first().map(ToString::to_string);
                progress.say(&format!(
                    "boot {} FAILED (seed {}): {} · evidence in {}",
                    record.boot,
                    record.seed,
                    why.unwrap_or_default(),
                    short(&self.dir.join(name(record.boot)))
                ));
            }
            if !record.duplicate {
                progress.count(record.verdict.passed());
            }
            records.push(record);
        }
        Ok(())
    }

    fn one_boot(&self, number: u32) -> Result<BootRecord> {
        let seed = derive_seed(self.args.workload.seed, number);
        let (workload_args, machine) = one_of(&self.args.workload, &self.args.machine, seed);
        let reproduce = run_line(&workload_args, &machine, &self.args.build, seed);
        let workload = workload_args.workload(seed);
        let dir = self.dir.join(name(number));
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        let spec = Boot {
            machine: &machine.machine(self.tools, seed),
            elf: &self.kernel.elf,
            gdb: &self.tools.gdb,
            workload: &workload,
            dir: &dir,
            timeout: self.args.machine.timeout(),
            wait: false,
            reproduce: &reproduce,
        };
        let booted = boot(&spec, &mut |_| {}).with_context(|| format!("boot {number}"))?;
        if booted.verdict.passed() {
            let log = self.dir.join(format!("{}.log", name(number)));
            std::fs::rename(dir.join(file::CONSOLE), log)?;
            std::fs::remove_dir_all(&dir)?;
        }
        Ok(BootRecord::new(number, &self.kernel.identity, &spec, &booted))
    }

    fn write_report(&self, path: &Path, summary: &Summary) -> Result<()> {
        let about = About {
            command: self.args.command_line(),
            commit: commit(),
            build: self.kernel.identity.clone(),
            qemu: self.tools.qemu_version.clone(),
            compiler: self.tools.compiler.version(),
            machine: self.what(),
            scenario: self.args.workload.scenario.clone(),
        };
        std::fs::write(path, summary.markdown(&about))
            .with_context(|| format!("cannot write the report {}", path.display()))?;
        println!("report: {}", path.display());
        Ok(())
    }
}

/// The checkout's commit, and whether it has changes on top.
fn commit() -> String {
    let mut git = std::process::Command::new("git");
    git.current_dir(root()).args(["describe", "--always", "--dirty", "--abbrev=12"]);
    process::read(&mut git).unwrap_or_else(|_| "unknown".to_owned())
}

/// A bar where there is a terminal, else a line now and then.
struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    passed: usize,
    failed: usize,
}

impl Progress {
    /// Lines that a soak without a terminal prints, at most about so many.
    const LINES: usize = 20;

    fn new(total: u32, done: &[BootRecord]) -> Self {
        let counts = || done.iter().filter(|r| !r.duplicate);
        let passed = counts().filter(|r| r.verdict.passed()).count();
        let failed = counts().count() - passed;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(u64::from(total)).with_position((passed + failed) as u64);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} · {elapsed}, {eta} to go")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_secs(1));
            bar
        });
        Self { bar, total: total as usize, passed, failed }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{line}")),
            None => println!("{line}"),
        }
    }

    fn count(&mut self, passed: bool) {
        *(if passed { &mut self.passed } else { &mut self.failed }) += 1;
        let done = self.passed + self.failed;
        let words = format!("{} passed, {} failed", self.passed, self.failed);
        match &self.bar {
            Some(bar) => {
                bar.set_message(words);
                bar.inc(1);
            }
            None if done.is_multiple_of(self.total.div_ceil(Self::LINES)) || done == self.total => {
                println!("{done}/{} {words}", self.total);
            }
            None => {}
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_build_or_argument_is_another_directory() {
        let one = directory_name("ports", "kernel: a");
        assert_eq!(one, directory_name("ports", "kernel: a"));
        assert_ne!(one, directory_name("ports", "kernel: b"));
        assert!(one.starts_with("ports-"));
        assert_eq!(one.len(), "ports-".len() + HASH_DIGITS);
    }
}
