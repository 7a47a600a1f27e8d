// SPDX-License-Identifier: Apache-2.0
//! The host tool as a user meets it: bad input gets a reason and a failing
//! status before anything is built or started, and help is there.

use std::process::{Command, Output};

fn xtask(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(words).output().expect("it starts")
}

/// What a refused command line says.
fn refused(words: &[&str]) -> String {
    let output = xtask(words);
    assert!(!output.status.success(), "{words:?} must fail");
    assert!(output.stdout.is_empty(), "{words:?} must not begin anything");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unknown_scenario_lists_the_known_ones() {
    let said = refused(&["run", "--scenario", "nonsense"]);
    assert!(
        said.contains("nonsense") && said.contains("ports") && said.contains("flood"),
        "{said}"
    );
}

#[test]
fn programs_that_are_not_there_and_names_that_cannot_be_are_refused() {
    let said = refused(&["run", "--program", "nonsense"]);
    assert!(said.contains("nonsense") && said.contains("hello"), "{said}");
    assert!(refused(&["new-program", "No Good"]).contains("small letters"));
    assert!(refused(&["new-program", "../escape"]).contains("small letters"));
    assert!(refused(&["new-program", "hello"]).contains("already"));
}

#[test]
fn zero_harts_are_refused() {
    assert!(refused(&["run", "--harts", "0"]).contains("at least one hart"));
    assert!(refused(&["soak", "--boots", "1", "--harts", "0"]).contains("at least one hart"));
}

#[test]
fn a_device_tree_that_cannot_be_read_is_refused() {
    let said = refused(&["run", "--dtb", "/nowhere/tree.dtb"]);
    assert!(said.contains("/nowhere/tree.dtb") && said.contains("No such file"), "{said}");
    // A directory is there and cannot be read as a file.
    let said = refused(&["soak", "--boots", "1", "--dtb", "/"]);
    assert!(said.contains("--dtb /") && said.contains("no regular file"), "{said}");
}

#[test]
fn a_file_that_is_no_device_tree_is_refused() {
    let said = refused(&["run", "--dtb", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert!(said.contains("Cargo.toml: it is no device tree"), "{said}");
}

#[test]
fn bad_numbers_are_refused() {
    for words in [
        &["run", "--rounds", "ten"][..],
        &["run", "--seed", "-1"],
        &["run", "--memory", "12Q"],
        &["run", "--memory", "1M"],
        &["run", "--timeout", "0"],
        &["soak", "--boots", "0"],
        &["soak", "--boots", "many"],
        &["soak", "--boots", "1", "--jobs", "0"],
        &["soak"],
        &["run", "--append", "no-value"],
        &["run", "--release", "--debug"],
        &["nonsense"],
    ] {
        assert!(refused(words).contains("error"), "{words:?}");
    }
}

#[test]
fn an_emulator_that_is_not_there_is_refused() {
    let said = refused(&["run", "--qemu", "/nowhere/qemu", "--no-install"]);
    assert!(said.contains("/nowhere/qemu"), "{said}");
}

#[test]
fn an_output_that_nobody_reads_is_no_panic() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["setup", "--no-install"])
        .stdout(writer)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // Where something is missing, that is said; and that is all.
    assert!(said.is_empty() || said.starts_with("error: missing"), "{said}");
}

#[test]
fn everything_has_help() {
    for command in ["", "run", "soak", "test", "lint", "setup"] {
        let words: Vec<&str> = [command, "--help"].into_iter().filter(|w| !w.is_empty()).collect();
        let output = xtask(&words);
        assert!(output.status.success(), "{command}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("Usage: cargo xtask"), "{text}");
    }
}
