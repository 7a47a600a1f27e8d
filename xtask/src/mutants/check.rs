// SPDX-License-Identifier: Apache-2.0
//! What caught a bug: a finished boot held against the check that is meant to
//! catch it. Reads the boot's verdict and its evidence, decides nothing anew.

use std::fmt;

use crate::bench;
use crate::boot::Booted;
use crate::record::Record;
use crate::verdict::cases::line;
use crate::verdict::{Kind, failed_checks};

/// How the names of the files begin that the kernel's own gdb commands write.
const STATE_FILES: &str = "sk-";

/// A check of the kernel or of the harness that can catch a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The kernel panics with a message that contains this.
    Panic {
        /// Part of the message.
        text: &'static str,
    },
    /// A check of the guest's own fails whose name begins like this.
    GuestCheck {
        /// The beginning of its name.
        name: &'static str,
    },
    /// The same of either: chance decides which sees it first.
    EitherCheck {
        /// The beginnings of their names.
        names: [&'static str; 2],
    },
    /// A case of `conform` fails.
    Case {
        /// Its name.
        name: &'static str,
    },
    /// The guest refuses what it was given, in words that contain this.
    BadInput {
        /// Part of the words.
        text: &'static str,
    },
    /// The watchdog ends a hang, and what it saved of the kernel's state says
    /// this.
    Hang {
        /// Part of a line.
        text: &'static str,
    },
    /// The host sees a line that the guest prints while its scenario runs.
    HotPrint,
    /// `cargo xtask bench` finds this figure too far from the good kernel's, whose
    /// boot counts as the committed table.
    Cost {
        /// The figure's name.
        figure: &'static str,
    },
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { text } => write!(f, "panic: {text}"),
            Self::GuestCheck { name } => write!(f, "failed check: {name}"),
            Self::EitherCheck { names: [one, other] } => {
                write!(f, "failed check: {one}, or: {other}")
            }
            Self::Case { name } => write!(f, "failed case: {name}"),
            Self::BadInput { text } => write!(f, "bad input: {text}"),
            Self::Hang { text } => write!(f, "hang: {text}"),
            Self::HotPrint => f.write_str("hot print"),
            Self::Cost { figure } => write!(f, "cost: {figure}"),
        }
    }
}

/// What a boot that failed was caught by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// It was the check that was meant.
    pub as_meant: bool,
    /// The check.
    pub by: String,
    /// What it said.
    pub diagnosis: String,
}

impl Check {
    /// What caught this boot; `None` if it passed.
    #[must_use]
    pub fn catch(&self, booted: &Booted) -> Option<Catch> {
        let first = booted.verdict.problems.first()?;
        Some(match self.said(booted, first.kind, &first.what) {
            Some(said) => {
                Catch { as_meant: true, by: self.to_string(), diagnosis: one_line(&said) }
            }
            None => Catch {
                as_meant: false,
                by: first.kind.name().to_owned(),
                diagnosis: one_line(&other(booted, &first.what)),
            },
        })
    }

    /// What this check has to say of a boot that passed, beside one of the good
    /// kernel.
    #[must_use]
    pub fn catch_beside(&self, booted: &Booted, good: &Booted) -> Option<Catch> {
        let Self::Cost { figure } = self else { return None };
        let problems = bench::against(&booted.records, &good.records);
        let said = problems.into_iter().find(|problem| problem.starts_with(figure))?;
        Some(Catch { as_meant: true, by: self.to_string(), diagnosis: one_line(&said) })
    }

    /// What this check said of a boot whose verdict is `kind`, in the words
    /// `what`; `None` if it was not this check.
    fn said(&self, booted: &Booted, kind: Kind, what: &str) -> Option<String> {
        let contains = |text: &str| what.contains(text).then(|| what.to_owned());
        let has_failed = |names: &[&str]| {
            let is_meant = |failed: &str| names.iter().any(|name| failed.starts_with(name));
            failed_checks(&booted.records).any(is_meant).then(|| what.to_owned())
        };
        match (self, kind) {
            (Self::Panic { text }, Kind::Panic) => contains(text),
            (Self::BadInput { text }, Kind::BadInput) => contains(text),
            (Self::GuestCheck { name }, Kind::GuestErrors) => has_failed(&[name]),
            (Self::EitherCheck { names }, Kind::GuestErrors) => has_failed(names),
            (Self::Case { name }, Kind::GuestErrors) => {
                booted.records.iter().find_map(|r| match r {
                    Record::Case(case) if !case.holds && case.name == *name => Some(line(case)),
                    _ => None,
                })
            }
            (Self::Hang { text }, Kind::Hang) => state_line(booted, text),
            (Self::HotPrint, Kind::HotPrint) => Some(what.to_owned()),
            _ => None,
        }
    }
}

/// What another check than the one that was meant said.
fn other(booted: &Booted, what: &str) -> String {
    let names: Vec<&str> = failed_checks(&booted.records).collect();
    if names.is_empty() {
        return what.to_owned();
    }
    format!("{what}; failed checks: {}", names.join(", "))
}

/// The first line that contains `text` in what was saved of the state of the
/// kernel.
fn state_line(booted: &Booted, text: &str) -> Option<String> {
    let is_state = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STATE_FILES))
    };
    booted.evidence.iter().filter(is_state).find_map(|path| {
        let saved = std::fs::read(path).ok()?;
        let saved = String::from_utf8_lossy(&saved);
        saved.lines().find(|line| line.contains(text)).map(ToOwned::to_owned)
    })
}

/// The same text on one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::record::CaseTold;
    use crate::verdict::{Ending, Problem, Verdict};

    /// A boot with that verdict.
    pub(in crate::mutants) fn booted(problems: &[(Kind, &str)]) -> Booted {
        let problem =
            |(kind, what): &(Kind, &str)| Problem { kind: *kind, what: (*what).to_owned() };
        Booted {
            verdict: Verdict { problems: problems.iter().map(problem).collect() },
            ending: Ending::Exited(0),
            records: vec![],
            texts: vec![],
            took: Duration::from_millis(1500),
            harts: vec![],
            rings: vec![],
            disks: vec![],
            evidence: vec![],
        }
    }

    fn is_meant(check: Check, booted: &Booted) -> bool {
        check.catch(booted).is_some_and(|catch| catch.as_meant)
    }

    #[test]
    fn a_pass_is_no_catch() {
        assert_eq!(Check::HotPrint.catch(&booted(&[])), None);
    }

    #[test]
    fn a_panic_is_told_by_its_own_message_only() {
        let check = Check::Panic { text: "broken law" };
        assert!(is_meant(check, &booted(&[(Kind::Panic, "the broken law: x")])));
        let other = booted(&[(Kind::Panic, "another"), (Kind::Panic, "broken law")]);
        let catch = check.catch(&other).expect("it failed");
        assert_eq!((catch.as_meant, catch.by.as_str()), (false, "panic"));
        assert_eq!(catch.diagnosis, "another");
        assert!(!is_meant(check, &booted(&[(Kind::BadInput, "broken law")])));
        assert!(!is_meant(check, &booted(&[(Kind::Hang, "broken law")])));
    }

    #[test]
    fn bad_input_and_hot_prints() {
        let check = Check::BadInput { text: "device tree" };
        assert!(is_meant(check, &booted(&[(Kind::BadInput, "no device tree")])));
        assert!(!is_meant(check, &booted(&[(Kind::BadInput, "a key")])));
        assert!(!is_meant(check, &booted(&[(Kind::Panic, "no device tree")])));
        assert!(is_meant(Check::HotPrint, &booted(&[(Kind::HotPrint, "printed: x")])));
        assert!(!is_meant(Check::HotPrint, &booted(&[(Kind::Hang, ""), (Kind::HotPrint, "")])));
    }

    #[test]
    fn a_check_of_the_guests_must_be_named() {
        let check = Check::GuestCheck { name: "ids-never-alias" };
        let mut boot = booted(&[(Kind::GuestErrors, "the guest counted 1 errors")]);
        assert!(!is_meant(check, &boot));
        let failed = |name: &str| Record::CheckFailed { name: name.to_owned() };
        boot.records = vec![failed("another")];
        let catch = check.catch(&boot).expect("it failed");
        assert!(!catch.as_meant && catch.diagnosis.contains("failed checks: another"), "{catch:?}");
        let either = Check::EitherCheck { names: ["ids-never", "the other"] };
        assert!(!is_meant(either, &boot));
        boot.records.push(failed("ids-never-alias: nobody wakes"));
        assert!(is_meant(either, &boot));
        let catch = check.catch(&boot).expect("it failed");
        assert!(catch.as_meant, "{catch:?}");
        boot.verdict.problems[0].kind = Kind::NumbersWrong;
        assert!(!is_meant(check, &boot));
    }

    #[test]
    fn a_case_must_be_named_and_have_failed() {
        let told = |name: &str, holds| {
            Record::Case(CaseTold { name: name.to_owned(), holds, ..CaseTold::default() })
        };
        let check = Check::Case { name: "ids/stale" };
        let mut boot = booted(&[(Kind::GuestErrors, "case ids/other (1): FAILS: x, 1")]);
        boot.records = vec![told("ids/other", false), told("ids/stale", true)];
        assert!(!is_meant(check, &boot));
        boot.records.push(told("ids/stale", false));
        let catch = check.catch(&boot).expect("it failed");
        assert!(catch.as_meant && catch.diagnosis.contains("ids/stale"), "{catch:?}");
        boot.verdict.problems[0].kind = Kind::NumbersWrong;
        assert!(!is_meant(check, &boot));
    }

    #[test]
    fn a_cost_is_told_by_its_own_figure_beside_the_good_kernels() {
        let told = |name: &str, instructions| Booted {
            records: vec![Record::Figure {
                name: name.to_owned(),
                operations: 100,
                instructions,
                counts: None,
            }],
            ..booted(&[])
        };
        let check = Check::Cost { figure: "null-call" };
        let good = told("null-call", 10_000);
        assert_eq!(check.catch_beside(&told("null-call", 10_200), &good), None);
        let catch = check.catch_beside(&told("null-call", 10_300), &good).expect("caught");
        assert!(catch.as_meant && catch.diagnosis.contains("103 instructions, 100"), "{catch:?}");
        assert_eq!(check.catch_beside(&told("other", 1), &told("other", 9)), None);
        assert_eq!(Check::HotPrint.catch_beside(&told("null-call", 1), &good), None);
    }

    #[test]
    fn a_hang_is_told_by_the_saved_state() {
        let dir = tempfile::tempdir().expect("a directory");
        let save = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writable");
            path
        };
        let check = Check::Hang { text: "mail pending" };
        let mut boot = booted(&[(Kind::Hang, "every hart sleeps")]);
        boot.evidence = vec![save("harts-gdb.txt", "mail pending"), save("sk-state.txt", "fine")];
        assert!(!is_meant(check, &boot));
        boot.evidence.push(save("sk-harts.txt", "one\n  hart 3:  mail pending\n"));
        let catch = check.catch(&boot).expect("it failed");
        assert_eq!((catch.as_meant, catch.diagnosis.as_str()), (true, "hart 3: mail pending"));
        boot.evidence.push(Path::new("/nowhere/sk-x.txt").to_path_buf());
        boot.verdict.problems[0].kind = Kind::Timeout;
        assert!(!is_meant(check, &boot));
    }
}
