// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask soak`: many boots of one kernel, each with its own seed.
//!
//! State: the soak's directory, named by a hash of the build and of every
//! argument that changes what a boot does. Invariant: each boot is made once
//! and counted once, or left out because it repeats an earlier one; a failure
//! is never tried again and never left out; what is interrupted is not counted
//! and can be resumed. A boot that cannot be made is a failure, and the last.

pub mod between;
pub mod drives;
pub mod part;
pub mod record;
pub mod summary;
pub mod tally;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};

use crate::boot::{Boot, boot};
use crate::build::{self, Kernel};
use crate::claim::Claim;
use crate::cli::{MachineArgs, SoakArgs};
use crate::disk;
use crate::evidence::file;
use crate::process;
use crate::programs;
use crate::qemu::cpu;
use crate::setup::{self, Tools};
use crate::verdict::Kind;
use crate::workspace::{root, short, target_dir};
use part::Part;
use record::{BootRecord, derive_seed, name};
use summary::{About, Summary};
use tally::{Next, Tally};

/// Digits of the hash in a soak's directory name.
const HASH_DIGITS: usize = 12;

/// What the soak with these arguments is about, in its directory.
const MANIFEST: &str = "soak.txt";

/// How often a worker without work looks whether there is some.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Everything that the boots of one soak share.
struct Soak<'a> {
    args: &'a SoakArgs,
    part: Part,
    tools: &'a Tools,
    kernel: &'a Kernel,
    /// The checkout's when the kernel was built.
    commit: String,
    /// The boot package, if a program is to run.
    package: Option<PathBuf>,
    dir: PathBuf,
}

/// Makes the boots, shows how they go, sums up. `true` if all passed.
///
/// # Errors
/// When it could not begin.
pub fn soak(args: &SoakArgs) -> Result<bool> {
    let args = &SoakArgs { boot: args.boot.clone().complete(), ..args.clone() };
    args.boot.check()?;
    let part = Part::new(args.first, args.boots)?;
    let tools = setup::ensure(&args.boot.machine.setup.wishes())?;
    cpu::demand(&args.boot.machine.machine(&tools, args.boot.workload.seed))?;
    let commit = commit();
    let kernel = build::kernel(&tools.compiler, &args.boot.build.profile())?;
    let workload = args.boot.workload.workload(args.boot.workload.seed);
    let made = target_dir().join("soak");
    std::fs::create_dir_all(&made)?;
    // Kept apart from the next build until the directory is known.
    let scratch = tempfile::tempdir_in(&made)?;
    disk::prepare(&args.boot.machine.disks.disks())?;
    let package = programs::for_boot(&tools.compiler, &workload, scratch.path())?;
    let identity = identity(args, &tools, &kernel, package.as_deref());
    let name = args.boot.workload.name();
    let dir = made.join(directory_name(name, &identity));
    let claim = Claim::wait(&dir)?;
    let done = prepare(args.resume, part, &claim, &identity, &kernel.identity)?;
    let kernel = kernel.keep_copy(&dir)?;
    let soak = Soak { args, part, tools: &tools, kernel: &kernel, commit, package, dir };
    println!("soak: {} boots of {}, in {}", args.boots, soak.what(), short(&soak.dir));
    let records = soak.all_boots(done);
    let summary = Summary::of(&records);
    println!("\n{}", summary.text());
    if let Some(report) = &args.report {
        soak.write_report(report, &records, &summary)?;
    }
    let interrupted = process::interrupted();
    if interrupted {
        println!("interrupted after {} of {} boots: --resume goes on", summary.boots, args.boots);
    } else if records.iter().any(|r| !r.was_made()) {
        println!("ended early: a boot could not be made; --resume goes on");
    } else if summary.boots < args.boots as usize {
        println!(
            "only {} of {} boots differ from each other, and {} of {} were made: this workload on \
             this schedule repeats itself. Ask for fewer boots, another schedule, or more harts",
            summary.boots,
            args.boots,
            records.len(),
            part.attempts()
        );
    }
    println!("{}", summary.closing_line());
    Ok(!interrupted && summary.failed() == 0 && summary.boots == args.boots as usize)
}

/// Every argument that changes what a boot does, and the build, in words.
fn identity(args: &SoakArgs, tools: &Tools, kernel: &Kernel, package: Option<&Path>) -> String {
    let mut words = args.boot.workload.words(args.boot.workload.seed);
    words.extend(args.boot.machine.words());
    words.extend(args.boot.workload.last_words());
    let first = args.first;
    let dtb = args.boot.machine.dtb.as_ref().and_then(|path| build::identity(path).ok());
    format!(
        "arguments: {}\nfirst boot: {first}\nkernel: {}\nprograms: {}\ndevice tree: {}\nQEMU: {} {}\nhost tool: {}\n",
        words.join(" "),
        kernel.identity,
        programs::identity(package),
        dtb.unwrap_or_default(),
        tools.qemu_version,
        file_in_words(&tools.qemu),
        own_identity(),
    )
}

/// Which build of this program runs: it judges the boots.
fn own_identity() -> String {
    std::env::current_exe().ok().and_then(|exe| build::identity(&exe).ok()).unwrap_or_default()
}

/// A file's path, size and time of change: what tells one build of a program
/// from the next.
fn file_in_words(path: &Path) -> String {
    let about = std::fs::metadata(path).ok().map(|about| {
        let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        format!("{} bytes, changed at {:?}", about.len(), changed.unwrap_or_default())
    });
    format!("{}, {}", path.display(), about.unwrap_or_default())
}

fn directory_name(scenario: &str, identity: &str) -> String {
    let hash = build::hex(&Sha256::digest(identity.as_bytes()));
    format!("{scenario}-{}", &hash[..HASH_DIGITS])
}

/// Makes the directory ready; gives the boots of `part` that are done already, if the soak is
/// to go on.
fn prepare(
    resume: bool,
    part: Part,
    claim: &Claim,
    identity: &str,
    build: &str,
) -> Result<Vec<BootRecord>> {
    let dir = claim.dir();
    let same = std::fs::read_to_string(dir.join(MANIFEST)).is_ok_and(|text| text == identity);
    if resume && same {
        let numbers = part.numbers().chain(part.substitutes());
        let done: Vec<BootRecord> =
            numbers.filter_map(|n| BootRecord::load(dir, n, build)).collect();
        let counted = done.iter().filter(|r| !r.duplicate).count();
        println!("soak: resuming, {counted} of {} boots are done", part.boots());
        return Ok(done);
    }
    if resume {
        println!("soak: nothing to resume for this build and these arguments: starting fresh");
    }
    claim.clear()?;
    record::write_whole(&dir.join(MANIFEST), identity)?;
    Ok(Vec::new())
}

/// Takes in the boots as they are made: shows, keeps and counts them. One
/// that the user ended is none of them.
fn collect(
    dir: &Path,
    receiver: &Receiver<BootRecord>,
    progress: &mut Progress,
    records: &mut Vec<BootRecord>,
) {
    for mut record in receiver {
        if record.verdict.kind() == Some(Kind::Interrupted) {
            continue;
        }
        if record.was_made()
            && let Err(why) = record.save(dir)
        {
            record = BootRecord::not_made(record.boot, record.seed, &record.build, &why);
        }
        if !record.verdict.passed() {
            let why = record.verdict.problems.first().map(ToString::to_string);
            progress.say(&format!(
                "boot {} FAILED (seed {}): {} · evidence in {}",
                record.boot,
                record.seed,
                why.unwrap_or_default(),
                short(&dir.join(name(record.boot)))
            ));
        }
        if !record.duplicate {
            progress.count(record.verdict.passed());
        }
        records.push(record);
    }
}

impl Soak<'_> {
    fn what(&self) -> String {
        let MachineArgs { machine, harts, memory, schedule, .. } = &self.args.boot.machine;
        let scenario = self.args.boot.workload.name();
        format!("{scenario} on {machine}, {harts} hart(s), {memory}, schedule {schedule}")
    }

    /// Makes the boots that are not done, `jobs` at a time.
    fn all_boots(&self, done: Vec<BootRecord>) -> Vec<BootRecord> {
        let tally = Mutex::new(Tally::new(self.part, &done).with_repeats(self.args.repeats));
        let mut progress = Progress::new(self.args.boots, &done);
        let (sender, receiver) = channel();
        let mut records = done;
        std::thread::scope(|scope| {
            for _ in 0..self.args.jobs {
                let (sender, tally) = (sender.clone(), &tally);
                scope.spawn(move || self.work(tally, &sender));
            }
            drop(sender);
            collect(&self.dir, &receiver, &mut progress, &mut records);
        });
        progress.end();
        records.sort_by_key(|r| r.boot);
        records
    }

    fn work(&self, tally: &Mutex<Tally>, sender: &Sender<BootRecord>) {
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
            let record = match self.one_boot(number) {
                Ok(mut record) => {
                    locked().made(&mut record);
                    record
                }
                // The user's wish to stop is no failure of the boot.
                Err(_) if process::interrupted() => break,
                Err(why) => {
                    locked().give_up();
                    let seed = derive_seed(self.args.boot.workload.seed, number);
                    BootRecord::not_made(number, seed, &self.kernel.identity, &why)
                }
            };
            if sender.send(record).is_err() {
                break;
            }
        }
    }

    fn one_boot(&self, number: u32) -> Result<BootRecord> {
        let seed = derive_seed(self.args.boot.workload.seed, number);
        let one = self.args.boot.one_of(seed);
        let dir = self.dir.join(name(number));
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        let mut spec = Boot::of(&one, self.tools, &self.kernel.elf, &dir);
        spec.machine.initrd.clone_from(&self.package);
        let booted = boot(&spec, &mut |_| {}).with_context(|| format!("boot {number}"))?;
        if booted.verdict.passed() {
            let log = self.dir.join(format!("{}.log", name(number)));
            std::fs::rename(dir.join(file::CONSOLE), log)?;
            std::fs::remove_dir_all(&dir)?;
        }
        Ok(BootRecord::new(number, &self.kernel.identity, &spec, &booted))
    }

    fn write_report(&self, path: &Path, records: &[BootRecord], summary: &Summary) -> Result<()> {
        let counted = records.iter().filter(|r| !r.duplicate).map(|r| r.boot);
        let about = About {
            command: self.args.command_line(),
            part: self.part.in_words(self.args.boot.workload.seed, counted),
            commit: self.commit.clone(),
            asked: self.args.boots as usize,
            build: self.kernel.identity.clone(),
            qemu: self.tools.qemu_version.clone(),
            compiler: self.tools.compiler.version(),
            machine: self.what(),
            scenario: self.args.boot.workload.name().to_owned(),
        };
        std::fs::write(path, summary.markdown(&about))
            .with_context(|| format!("cannot write the report {}", path.display()))?;
        println!("report: {}", path.display());
        Ok(())
    }
}

/// The checkout's commit, and whether it has changes on top.
#[must_use]
pub fn commit() -> String {
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
    use super::part::MOST;
    use super::record::tests::sample;
    use super::*;
    use crate::cli::{Command, parse};
    use crate::setup::compiler::Compiler;

    fn arguments(more: &[&str]) -> SoakArgs {
        let words = ["cargo xtask", "soak", "--boots", "3"].iter().chain(more).copied();
        match parse(words).expect("parses").command {
            Command::Soak(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    /// Makes ready for boots of the soak `it`, or resumes it.
    fn ready(resume: bool, first: u32, claim: &Claim, it: &str, build: &str) -> Vec<BootRecord> {
        let part = Part::new(first, 3).expect("a part");
        prepare(resume, part, claim, it, build).expect("ready")
    }

    fn claim() -> (tempfile::TempDir, Claim) {
        let temp = tempfile::tempdir().expect("a directory");
        let claim = Claim::wait(&temp.path().join("soak")).expect("free");
        (temp, claim)
    }

    /// What becomes of these boots, and what is kept of them in `dir`.
    fn collected(dir: &Path, boots: Vec<BootRecord>) -> Vec<BootRecord> {
        let (sender, receiver) = channel();
        for boot in boots {
            sender.send(boot).expect("the receiver is there");
        }
        drop(sender);
        let mut records = Vec::new();
        collect(dir, &receiver, &mut Progress::new(3, &[]), &mut records);
        records
    }

    #[test]
    fn another_build_or_argument_is_another_directory() {
        let one = directory_name("ports", "kernel: a");
        assert_eq!(one, directory_name("ports", "kernel: a"));
        assert_ne!(one, directory_name("ports", "kernel: b"));
        assert!(one.starts_with("ports-"));
        assert_eq!(one.len(), "ports-".len() + HASH_DIGITS);
    }

    #[test]
    fn what_was_interrupted_is_not_counted_and_made_again() {
        let (_temp, claim) = claim();
        assert!(ready(true, 0, &claim, "it", "abc").is_empty());
        let boots = vec![sample(0, 1, None), sample(1, 1, Some(Kind::Interrupted))];
        let records = collected(claim.dir(), boots);
        assert_eq!(records, [sample(0, 1, None)]);
        assert_eq!(Summary::of(&records).closing_line(), "1 boots, 1 passed, 0 failed");
        assert_eq!(ready(true, 0, &claim, "it", "abc"), records);
    }

    #[test]
    fn a_boot_that_cannot_be_made_is_a_failure_that_is_not_kept() {
        let (_temp, claim) = claim();
        ready(true, 0, &claim, "it", "abc");
        let why = anyhow::anyhow!("no memory").context("boot 1");
        let boots = vec![sample(0, 1, None), BootRecord::not_made(1, 7, "abc", &why)];
        let records = collected(claim.dir(), boots);
        let summary = Summary::of(&records);
        assert_eq!(summary.closing_line(), "2 boots, 1 passed, 1 failed");
        assert!(summary.text().contains("1 not-made"), "{}", summary.text());
        assert_eq!(ready(true, 0, &claim, "it", "abc"), [sample(0, 1, None)]);
    }

    #[test]
    fn a_record_that_cannot_be_kept_is_a_failure() {
        let records = collected(Path::new("/nowhere"), vec![sample(0, 1, None)]);
        assert_eq!(Summary::of(&records).closing_line(), "1 boots, 0 passed, 1 failed");
    }

    #[test]
    fn another_manifest_or_build_is_not_resumed() {
        let (_temp, claim) = claim();
        let fill = || {
            assert!(ready(false, 0, &claim, "it", "abc").is_empty());
            collected(claim.dir(), vec![sample(0, 1, None), sample(2, 1, Some(Kind::Hang))]);
        };
        fill();
        assert_eq!(ready(true, 0, &claim, "it", "abc").len(), 2);
        // The same manifest cannot be of another build, but nobody relies on it.
        assert!(ready(true, 0, &claim, "it", "another").is_empty());
        assert!(ready(true, 0, &claim, "another", "abc").is_empty());
        assert!(ready(true, 0, &claim, "it", "abc").is_empty(), "all was cleared");
        fill();
        assert!(ready(false, 0, &claim, "it", "abc").is_empty(), "--resume was not asked");
        assert!(ready(true, 0, &claim, "it", "abc").is_empty());
    }

    #[test]
    fn a_part_goes_on_with_its_own_boots_and_their_substitutes() {
        let (_temp, claim) = claim();
        ready(true, 257, &claim, "it", "abc");
        let mine = [257, 259, MOST + 257].map(|boot| sample(boot, 1, None));
        let others = [0, 256, 260, MOST, MOST + 260].map(|boot| sample(boot, 1, None));
        collected(claim.dir(), [mine.to_vec(), others.to_vec()].concat());
        assert_eq!(ready(true, 257, &claim, "it", "abc"), mine);
    }

    #[test]
    fn a_part_is_told_in_the_command_that_does_it_again() {
        let args = arguments(&["--first", "257", "--scenario", "ports"]);
        let said = SoakArgs { boot: args.boot.clone().complete(), ..args }.command_line();
        assert!(said.starts_with("cargo xtask soak --boots 3 --first 257 --jobs 1 "), "{said}");
        let words = said.strip_prefix("cargo ").expect("a command").split(' ').skip(1);
        match parse(std::iter::once("cargo xtask").chain(words)).expect("parses").command {
            Command::Soak(again) => assert_eq!((again.first, again.command_line()), (257, said)),
            other => panic!("{other:?}"),
        }
        assert!(!arguments(&[]).command_line().contains("--first"));
    }

    #[test]
    fn the_emulator_and_this_program_are_part_of_what_a_soak_is() {
        let temp = tempfile::tempdir().expect("a directory");
        let qemu = temp.path().join("qemu");
        std::fs::write(&qemu, "one").expect("writable");
        let tools = Tools {
            qemu: qemu.clone(),
            qemu_asked: None,
            qemu_version: "7.2".to_owned(),
            qemu_release: (7, 2),
            compiler: Compiler::Rustup { version: "1".to_owned() },
            gdb: "gdb".into(),
            no_install: false,
        };
        let kernel = Kernel { elf: "kernel".into(), identity: "abc".to_owned() };
        let args = arguments(&[]);
        let one = identity(&args, &tools, &kernel, None);
        assert_eq!(one, identity(&args, &tools, &kernel, None));
        let own = build::identity(&std::env::current_exe().expect("a program")).expect("readable");
        assert!(one.contains(&own) && one.contains(&qemu.display().to_string()), "{one}");
        std::fs::write(&qemu, "another").expect("writable");
        assert_ne!(one, identity(&args, &tools, &kernel, None));
        let next = arguments(&["--first", "3"]);
        assert_ne!(identity(&args, &tools, &kernel, None), identity(&next, &tools, &kernel, None));
        let other = Kernel { identity: "abd".to_owned(), ..kernel.clone() };
        assert_ne!(identity(&args, &tools, &kernel, None), identity(&args, &tools, &other, None));
    }
}
