// SPDX-License-Identifier: Apache-2.0
//! The tests can fail: copies of the kernel that are broken on purpose, each
//! in a few characters, and for each the test that catches it and what it
//! says. What is broken stands in mutants/, by subject; what was seen is in MUTATIONS.md.
//!
//! Takes a build for each, so it runs when it is asked for:
//! `cargo test -p skimmer-core-tests --test mutants -- --ignored --nocapture`,
//! with `MUTANTS_OF` only those of a file, or those that a test binary catches.

#[path = "mutants/channels.rs"]
mod channels;
#[path = "mutants/files.rs"]
mod files;
#[path = "mutants/mail.rs"]
mod mail;
#[path = "mutants/rendezvous.rs"]
mod rendezvous;
#[path = "mutants/scheduling.rs"]
mod scheduling;
#[path = "mutants/straight.rs"]
mod straight;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// One broken copy.
struct Mutant {
    name: &'static str,
    file: &'static str,
    /// Stands in the file once.
    good: &'static str,
    bad: &'static str,
    /// The test binary and the test that catch it.
    test: (&'static str, &'static str),
    /// What that test says.
    says: &'static str,
}

/// All, by what they are about.
const TABLES: &[&[Mutant]] = &[
    mail::MUTANTS,
    scheduling::MUTANTS,
    channels::MUTANTS,
    rendezvous::MUTANTS,
    straight::MUTANTS,
];

fn mutants() -> impl Iterator<Item = &'static Mutant> {
    TABLES.iter().copied().flatten()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("space for the copy");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("a readable directory");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("space for the copy");
        }
    }
}

/// The workspace, as far as these tests need it.
fn copy_workspace(to: &Path) {
    let _none = fs::remove_dir_all(to);
    let members = ["abi", "kernel/core", "kernel/sync", "tests/core"];
    for member in members {
        copy(&root().join(member), &to.join(member));
    }
    fs::copy(root().join("Cargo.lock"), to.join("Cargo.lock")).expect("a lock file");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let (_, rest) = manifest.split_once("[workspace.package]").expect("a workspace");
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[workspace.package]{rest}"
    );
    fs::write(to.join("Cargo.toml"), manifest).expect("space for the copy");
}

/// Runs one test of the copy: whether it passed, and what was said.
fn run(copy: &Path, (binary, test): (&str, &str)) -> (bool, String) {
    let log = copy.join("log");
    let out = fs::File::create(&log).expect("space for the log");
    let mut cargo = Command::new(env!("CARGO"))
        .args(["test", "--offline", "-p", "skimmer-core-tests", "--test", binary, "--"])
        .args(["--exact", test])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.with_extension("target"))
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stderr(out.try_clone().expect("a file"))
        .stdout(out)
        .spawn()
        .expect("cargo runs");
    let begun = Instant::now();
    let passed = loop {
        if let Some(status) = cargo.try_wait().expect("our child") {
            break status.success();
        }
        if begun.elapsed() > Duration::from_secs(180) {
            cargo.kill().expect("our child");
            cargo.wait().expect("our child");
            break false;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let said = String::from_utf8_lossy(&fs::read(&log).expect("the log")).into_owned();
    assert!(said.contains("running 1 test"), "{binary} {test} did not run:\n{said}");
    (passed, said)
}

/// The line of a log that says what went wrong.
fn complaint(said: &str) -> &str {
    let at = said.lines().skip_while(|line| !line.contains("panicked at"));
    at.skip(1).find(|line| !line.is_empty()).unwrap_or("(killed)")
}

/// What is to be broken was not rewritten since: this takes no build, and runs with the
/// other tests.
#[test]
fn every_mutant_has_its_place() {
    let has_place = |Mutant { file, good, .. }: &Mutant| {
        let source = fs::read_to_string(root().join(file)).expect("a source file");
        source.matches(good).count() == 1
    };
    let gone: Vec<&str> = mutants().filter(|it| !has_place(it)).map(|it| it.name).collect();
    assert!(gone.is_empty(), "not once in its file: {gone:#?}");
}

#[test]
#[ignore = "a build for each mutant: minutes"]
fn every_mutant_is_caught() {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    copy_workspace(&copy);
    let mut missed = Vec::new();
    let only = std::env::var("MUTANTS_OF").unwrap_or_default();
    let wanted = || mutants().filter(|it| it.file.contains(&only) || it.test.0 == only);
    for mutant in wanted() {
        let (passed, said) = run(&copy, mutant.test);
        assert!(passed, "{} fails without a mutant:\n{said}", mutant.test.1);
    }
    for mutant in wanted() {
        let file = copy.join(mutant.file);
        let source = fs::read_to_string(&file).expect("a source file");
        assert_eq!(source.matches(mutant.good).count(), 1, "{}: `{}`", mutant.name, mutant.good);
        fs::write(&file, source.replace(mutant.good, mutant.bad)).expect("space for the copy");
        let (passed, said) = run(&copy, mutant.test);
        fs::write(&file, source).expect("space for the copy");
        let (binary, test) = mutant.test;
        println!("| {} | `{binary}` `{test}` | `{}` |", mutant.name, complaint(&said));
        if passed || !said.contains(mutant.says) {
            missed.push((mutant.name, said));
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}
