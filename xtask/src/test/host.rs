// SPDX-License-Identifier: Apache-2.0
//! Tests that cargo runs: the host crates' and the interleaving models'.
//! Counted from what libtest says of each test binary; an ignored test was
//! skipped, and a run that ends badly without a failed test is a failure.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::lint::host_crates;
use crate::process;
use crate::setup::compiler::own_cargo;
use crate::tally::Tally;
use crate::workspace::target_dir;

/// The package of the models.
const MODELS: &str = "skimmer-models";

/// Tests of every crate that the host can build.
///
/// # Errors
/// When cargo cannot be started.
pub fn crates() -> Result<Tally> {
    let mut command = own_cargo();
    command.args(["test", "--no-fail-fast"]);
    counted(host_crates(&mut command)?, |line| println!("{line}"))
}

/// The models: the same source, built for loom, with a target directory of
/// its own because every crate is built differently.
///
/// # Errors
/// When cargo cannot be started.
pub fn models() -> Result<Tally> {
    let mut command = own_cargo();
    command.args(["test", "--release", "--no-fail-fast", "--package", MODELS]);
    command.arg("--target-dir").arg(target_dir().join("loom"));
    command.env("RUSTFLAGS", "--cfg loom");
    counted(&mut command, |line| println!("{line}"))
}

/// Runs tests, shows what they say, counts.
fn counted(command: &mut Command, show: impl Fn(&str)) -> Result<Tally> {
    command.stdout(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", process::line(command)))?;
    let mut count = Count::default();
    if let Some(pipe) = child.stdout.take() {
        for line in BufReader::new(pipe).lines() {
            let line = line?;
            show(&line);
            count.line(&line);
        }
    }
    let good = child.wait()?.success();
    process::check_interrupt()?;
    let mut tally = count.tally;
    let what = process::line(command);
    if tally.failed.is_empty() && !good {
        tally.take(&what, Err("no test failed, and it did".to_owned()));
    } else if tally.failed.is_empty() && tally.passed == 0 {
        tally.take(&what, Err("it ran no test".to_owned()));
    }
    Ok(tally)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    tally: Tally,
    /// Tests of this binary that were said to have failed.
    named: Vec<String>,
    /// Whether libtest lists them.
    lists: bool,
}

impl Count {
    /// Takes in `test result: ok. 3 passed; 0 failed; 1 ignored; …`, and before it
    /// what failed. That is said twice, first among what tests write past libtest: the
    /// list below the last `failures:` counts.
    fn line(&mut self, line: &str) {
        let failed = |name: &str| format!("test {name}: FAILED");
        if line == "failures:" || line.starts_with("running ") {
            (self.named, self.lists) = (Vec::new(), line == "failures:");
        } else if self.lists {
            self.named.extend(line.strip_prefix("    ").map(failed));
        } else {
            let name = line.strip_prefix("test ").and_then(|it| it.strip_suffix(" ... FAILED"));
            self.named.extend(name.map(failed));
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let Some((_, counts)) = result.split_once(". ") else { return };
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let Some(number) = words.next().and_then(|n| n.parse::<usize>().ok()) else { continue };
            match words.next() {
                Some("passed") => self.tally.passed += number,
                Some("failed") => self.failed(number),
                Some("ignored") => self.tally.skipped += number,
                _ => {}
            }
        }
    }

    /// So many have failed: those that were named, and the rest without a name.
    fn failed(&mut self, number: usize) {
        let mut named = std::mem::take(&mut self.named);
        self.lists = false;
        named.resize(number, "a test: FAILED".to_owned());
        self.tally.failed.append(&mut named);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtests_lines_are_counted() {
        let mut count = Count::default();
        count.line("running 3 tests");
        count.line("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        count.line("test that::fails ... FAILED");
        count.line("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s");
        count.line("noise: 7 passed; 9 failed");
        assert_eq!((count.tally.passed, count.tally.skipped), (8, 1));
        assert_eq!(count.tally.failed, ["test that::fails: FAILED", "a test: FAILED"]);
    }

    #[test]
    fn what_failed_is_named_whatever_tests_write() {
        let said = "running 3 tests\ntest first ... noiseFAILED\nnoisetest of::it ... FAILED\n\
            test works ... ok\n\nfailures:\n\n---- first stdout ----\nfailures:\n    nobody\n\
            \x20  3: core::panic\n             at ./src/lib.rs:3\n\n---- of::it stdout ----\n\n\n\
            failures:\n    first\n    of::it\n\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n\
            running 1 test\ntest next ... FAILED\n\
            test result: FAILED. 0 passed; 1 failed; 0 ignored";
        let mut count = Count::default();
        said.lines().for_each(|line| count.line(line));
        let expected = ["test first: FAILED", "test of::it: FAILED", "test next: FAILED"];
        assert_eq!(
            (count.tally.failed, count.tally.passed),
            (expected.map(String::from).into(), 1)
        );
    }

    #[test]
    fn a_run_that_fails_without_a_failed_test_is_a_failure() {
        // Not shown: whoever counts this very test would count its results.
        let counted = |command: &mut Command| counted(command, |_| ());
        let fails = counted(Command::new("sh").args(["-c", "exit 1"])).expect("sh");
        assert_eq!(fails.to_string(), "0 passed, 1 failed, 0 skipped");
        let nothing = counted(Command::new("sh").args(["-c", "exit 0"])).expect("sh");
        assert_eq!(nothing.to_string(), "0 passed, 1 failed, 0 skipped");
        let text = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'";
        let good = counted(Command::new("sh").args(["-c", text])).expect("sh");
        assert_eq!(good.to_string(), "2 passed, 0 failed, 0 skipped");
        let died =
            counted(Command::new("sh").args(["-c", &format!("{text}; exit 1")])).expect("sh");
        assert_eq!(died.to_string(), "2 passed, 1 failed, 0 skipped");
    }
}
