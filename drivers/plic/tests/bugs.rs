// SPDX-License-Identifier: Apache-2.0
//! The named bugs of this crate, and for each the test that catches it and
//! what it says. No boot shows the first: QEMU takes every completion. The second
//! is caught in boots of `ist` as well. docs/races.md has their stories.
//!
//! Builds the suite once more for each, in the same target directory.

use std::process::{Command, Stdio};

/// Feature, test in the suite, what the test says.
const BUGS: &[(&str, &str, &str)] = &[
    ("bug-plic-eoi-order", "named::a_line_that_was_served_comes_again", "the line is lost"),
    ("bug-plic-eoi-order", "traffic::no_line_is_lost", "is lost: its device has work"),
    ("bug-irq-two-harts", "named::a_source_interrupts_one_hart", "one-irq-one-hart"),
    ("bug-irq-two-harts", "traffic::no_line_is_lost", "one-irq-one-hart"),
];

/// Runs one test in a build with these features: whether it passed, and what
/// was said.
fn run(features: &str, test: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline", "--package", "skimmer-plic", "--test", "suite"])
        .args(["--features", features, "--", "--exact", test])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // A failure that was found here is no regression to be kept.
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("running 1 test"), "{test} did not run:\n{said}");
    (output.status.success(), said)
}

#[test]
fn every_named_bug_is_caught() {
    for (feature, test, says) in BUGS {
        let (passed, said) = run("", test);
        assert!(passed, "{test} fails without {feature}:\n{said}");
        let (passed, said) = run(feature, test);
        assert!(!passed && said.contains(says), "{feature}: not caught by {test}:\n{said}");
        println!("{feature}: {test}: {says}");
    }
}
