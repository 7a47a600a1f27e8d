// SPDX-License-Identifier: Apache-2.0
//! Bugs that no boot can show: a driver's tests are built with each of them. The
//! test that is meant to catch it must fail, in the words that are meant, and
//! pass without it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::check::one_line;
use super::table::OnFake;
use crate::process;
use crate::setup::compiler::own_cargo;

/// How long a build and a test may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What came of one.
#[derive(Clone, Debug)]
pub struct Row {
    /// The bug and its test.
    pub bug: &'static OnFake,
    /// What is not as it must be.
    pub wrong: Option<String>,
}

/// A test that was run.
#[derive(Clone, Debug)]
struct Ran {
    passed: bool,
    said: String,
}

/// Tries these bugs, one after the other, and shows what came of them.
///
/// # Errors
/// When cargo cannot be started, or the user interrupts.
pub fn try_all(bugs: &[&'static OnFake]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for bug in bugs {
        let wrong = judge(bug, &run(bug, "")?, &run(bug, &bug.feature())?);
        let verdict = wrong.as_ref().map_or_else(
            || format!("caught as meant: {}", bug.says),
            |why| format!("FAILED: {why}"),
        );
        println!("mutants: on a fake device: {}: {}: {verdict}", bug.name, bug.test);
        rows.push(Row { bug, wrong });
    }
    Ok(rows)
}

/// Runs its test in a build with these features.
fn run(bug: &OnFake, features: &str) -> Result<Ran> {
    process::check_interrupt()?;
    let mut command = own_cargo();
    command.args(["test", "--offline", "--package", bug.package, "--test", "suite"]);
    command.args(["--features", features, "--", "--exact", bug.test]);
    // A failure that was found here is no regression to be kept. Which of a test's
    // words come last depends on where its inputs begin: they begin at the same place.
    command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true").env("RUST_BACKTRACE", "0");
    command.env("PROPTEST_RNG_SEED", "3");
    let output = process::output_within(&command, LIMIT)?;
    process::check_interrupt()?;
    let output = output.with_context(|| format!("{} does not end", bug.test))?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Ran { passed: output.status.success(), said })
}

/// What is not as it must be, of the test without the bug and with it.
fn judge(bug: &OnFake, good: &Ran, bad: &Ran) -> Option<String> {
    let all = |ran: &Ran| one_line(&ran.said);
    for ran in [good, bad] {
        if !ran.said.contains("running 1 test\n") {
            return Some(format!("the test did not run: {}", all(ran)));
        }
    }
    match (good.passed, bad.passed) {
        (false, _) => Some(format!("the test fails without it: {}", all(good))),
        (true, true) => Some("the test passes with it".to_owned()),
        (true, false) if bad.said.contains(bug.says) => None,
        (true, false) => Some(format!("caught, but not by `{}`: {}", bug.says, all(bad))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::ON_FAKES;
    use super::*;

    #[test]
    fn only_the_words_that_are_meant_are_a_catch() {
        let bug = &ON_FAKES[0];
        let ran = |passed, said: &str| Ran { passed, said: format!("running 1 test\n{said}") };
        let (good, caught) = (ran(true, ""), ran(false, bug.says));
        let wrong = |good: &Ran, bad: &Ran| judge(bug, good, bad).expect("it is wrong");
        assert_eq!(judge(bug, &good, &caught), None);
        assert!(wrong(&good, &good).contains("passes with it"));
        assert!(wrong(&caught, &caught).contains("without it"));
        assert!(wrong(&good, &ran(false, "it starts: TimedOut")).contains("not by"));
        let nothing = Ran { passed: false, said: format!("error: {}", bug.says) };
        assert!(wrong(&good, &nothing).contains("did not run"));
        assert!(wrong(&nothing, &caught).contains("did not run"));
    }
}
