// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask milestones`: what the reference system reached, milestone by milestone,
//! beside our own soaks, as their reports in docs/evidence have them. And the tables
//! of it in README. Nothing is reckoned here that is not in those files.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::cli::{Command, MilestonesArgs, SoakArgs, parse};
use crate::readme::Place;
use crate::workspace::root;

/// Where the tables are in README.
const PLACE: Place = Place { name: "milestones", command: "cargo xtask milestones --update" };

/// Where the reports are.
const FOLDER: &str = "docs/evidence";

/// A milestone of the reference.
struct Milestone {
    name: &'static str,
    /// What it is, and what proves it.
    what: &'static str,
    /// Boots of the reference, all of which passed.
    boots: u64,
    /// The scenario that does the same here.
    scenario: &'static str,
    /// The soak that is due.
    due: &'static str,
}

const MILESTONES: &[Milestone] = &[
    Milestone {
        name: "0.1",
        what: "harts, threads, ports: a server and a client on each other hart, fourteen round trips",
        boots: 20,
        scenario: "ports",
        due: "cargo xtask soak --boots 20 --repeats --scenario ports",
    },
    Milestone {
        name: "0.2",
        what: "traps, preemption, doorbells: 8 servers × 8 clients × 128 round trips",
        boots: 200,
        scenario: "msgstorm",
        due: "cargo xtask soak --boots 200 --scenario msgstorm --append with=kstress --schedule mix",
    },
    Milestone {
        name: "0.3",
        what: "user mode, address spaces, channels: 16 threads × 1,000 × 128 channels created and \
               destroyed, `kstress` beside them",
        boots: 50,
        scenario: "chanstorm",
        due: "cargo xtask soak --boots 50 --scenario chanstorm --append with=kstress --schedule mix",
    },
    Milestone {
        name: "0.4",
        what: "interrupts, PCI, NVMe: `msgstorm`, `kstress`, `chanstorm` and verified reads at once; \
               the reference's boots had 27,600 reads on average, ours must have as many each",
        boots: 25,
        scenario: "all",
        due: "cargo xtask soak --boots 25 --scenario all --schedule mix --disk 256M",
    },
    Milestone {
        name: "0.5",
        what: "messages between programs: a server, 16 clients × 1,000 messages, verified both ways, \
               beside all stressers",
        boots: 500,
        scenario: "ipcstorm",
        due: "cargo xtask soak --boots 500 --scenario ipcstorm --schedule mix",
    },
];

/// A report of a soak.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Soaked {
    /// Its file's name without the ending.
    file: String,
    /// The shortest command that means the same.
    command: String,
    scenario: String,
    /// Whether it was on the machine that is meant where nothing is said.
    is_usual: bool,
    boots: u64,
    passes: u64,
    commit: String,
    /// Further facts, as they are told there.
    told: Vec<String>,
}

/// Shows the tables, and writes README's if that is asked for.
///
/// # Errors
/// When a report makes no sense, or README cannot be written.
pub fn milestones(args: &MilestonesArgs) -> Result<bool> {
    let text = markdown(&all()?);
    print!("{text}");
    if args.update {
        PLACE.write(&text)?;
        println!("README.md has it now");
    }
    Ok(true)
}

/// Every report of a soak, by name.
fn all() -> Result<Vec<Soaked>> {
    let mut soaked = Vec::new();
    for entry in std::fs::read_dir(root().join(FOLDER)).context(FOLDER)? {
        let path = entry?.path();
        let Some(name) = file_name(&path) else { continue };
        let text = std::fs::read_to_string(&path).with_context(|| format!("{FOLDER}/{name}"))?;
        if text.starts_with("# Soak of ") {
            soaked.push(Soaked::read(name, &text).with_context(|| format!("{FOLDER}/{name}"))?);
        }
    }
    soaked.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(soaked)
}

fn file_name(path: &Path) -> Option<&str> {
    path.extension().filter(|kind| *kind == "md")?;
    path.file_stem()?.to_str()
}

impl Soaked {
    /// Reads a report.
    fn read(file: &str, text: &str) -> Result<Self> {
        let fact = |name: &str| fact(text, name).with_context(|| format!("no `{name}`"));
        let first_number = |text: &str| text.split(' ').next().unwrap_or_default().parse::<u64>();
        let asked = soak(fact("command")?.trim_matches('`')).context("the command is no soak")?;
        let boot = &asked.boot;
        let usual = soak(&format!("cargo xtask soak --boots 1 --scenario {}", scenario(&asked)))
            .context("the scenario is none")?
            .boot;
        let told = ["round trips", "reads"].into_iter().filter_map(|name| {
            let said = fact(name).ok()?;
            Some(if name == "reads" {
                format!("reads: {said}")
            } else {
                said.replace(" verified", " units of work verified")
            })
        });
        Ok(Self {
            file: file.to_owned(),
            command: shortest(&asked),
            scenario: scenario(&asked),
            is_usual: (boot.machine.harts, boot.machine.machine.as_str(), boot.workload.rounds)
                == (usual.machine.harts, usual.machine.machine.as_str(), None)
                && boot.workload.arguments.is_empty(),
            boots: first_number(fact("boots")?)?,
            passes: first_number(fact("passes")?)?,
            commit: fact("commit")?.to_owned(),
            told: told.collect(),
        })
    }

    fn link(&self) -> String {
        format!("[{}]({FOLDER}/{}.md)", self.file, self.file)
    }
}

/// A row of a report's table.
fn fact<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let begin = format!("| {name} | ");
    text.lines().find_map(|line| line.strip_prefix(&begin)?.strip_suffix(" |"))
}

/// The options of a command that soaks.
fn soak(command: &str) -> Option<SoakArgs> {
    let words = command.strip_prefix("cargo xtask ")?.split(' ');
    match parse(std::iter::once("cargo xtask").chain(words)).ok()?.command {
        Command::Soak(args) => Some(SoakArgs { boot: args.boot.clone().complete(), ..*args }),
        _ => None,
    }
}

/// The name of what was asked for.
fn scenario(args: &SoakArgs) -> String {
    args.boot.workload.name().to_owned()
}

/// The same soak without what goes without saying.
fn shortest(args: &SoakArgs) -> String {
    // How many at a time changes nothing that is told.
    let whole = SoakArgs { jobs: 1, report: None, ..args.clone() }.command_line();
    let mut words: Vec<String> = whole.split(' ').map(ToOwned::to_owned).collect();
    let mut at = 0;
    while at < words.len() {
        let fewer = [&words[..at], words.get(at + 2..).unwrap_or_default()].concat();
        let same = soak(&fewer.join(" ")).is_some_and(|args| args.command_line() == whole);
        // Which workload it is must be seen.
        if words[at].starts_with("--") && words[at] != "--scenario" && same {
            words = fewer;
        } else {
            at += 1;
        }
    }
    words.join(" ")
}

/// The soak that shows that milestone: of those on the usual machine the one with the
/// most boots.
fn best<'a>(milestone: &Milestone, soaked: &'a [Soaked]) -> Option<&'a Soaked> {
    let fits = |it: &&Soaked| {
        let of_it = it.file.strip_prefix(milestone.name).is_some_and(|rest| rest.starts_with('-'));
        of_it && it.is_usual && it.scenario == milestone.scenario
    };
    soaked.iter().rev().filter(fits).max_by_key(|it| it.boots)
}

/// Both tables.
fn markdown(soaked: &[Soaked]) -> String {
    let mut text = "\
| milestone | what proves it | reference's boots, all passed | our command | our boots | our passes | kernel of commit | evidence |
|---|---|---:|---|---:|---:|---|---|
"
    .to_owned();
    for milestone in MILESTONES {
        let Milestone { name, what, boots, due, .. } = milestone;
        let ours = match best(milestone, soaked) {
            Some(it) => {
                let told = if it.told.is_empty() {
                    String::new()
                } else {
                    format!(": {}", it.told.join("; "))
                };
                let Soaked { command, boots, passes, commit, .. } = it;
                format!("`{command}` | {boots} | {passes} | {commit} | {}{told}", it.link())
            }
            None => format!("`{due}` | not run yet | not run yet | none | none yet"),
        };
        let _ = writeln!(text, "| {name} | {what} | {boots} | {ours} |");
    }
    text + "\nEvery other soak:\n\n" + &others(soaked)
}

/// The soaks that stand for no milestone.
fn others(soaked: &[Soaked]) -> String {
    let mut text = "| evidence | command | boots | passes |\n|---|---|---:|---:|\n".to_owned();
    let shown: Vec<&Soaked> = MILESTONES.iter().filter_map(|it| best(it, soaked)).collect();
    for it in soaked.iter().filter(|it| !shown.contains(it)) {
        let Soaked { command, boots, passes, .. } = it;
        let _ = writeln!(text, "| {} | `{command}` | {boots} | {passes} |", it.link());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "# Soak of `ports`\n\n| | |\n|---|---|\n\
        | command | `cargo xtask soak --boots 20 --jobs 2 --repeats --scenario ports --seed 1 \
        --harts 8 --memory 256M --machine virt --timeout 120` |\n\
        | commit | c0ffee |\n| boots | 20 of 30 that were asked for |\n| passes | 19 |\n\
        | round trips | 280 verified |\n";

    fn read(file: &str, text: &str) -> Soaked {
        Soaked::read(file, text).expect("a report")
    }

    #[test]
    fn readme_has_what_the_evidence_says() {
        let due = markdown(&all().expect("readable"));
        let said = PLACE.read().expect("a place");
        assert!(said == due, "README.md is not docs/evidence: `{}`", PLACE.command);
    }

    #[test]
    fn a_report_is_read_and_its_command_cut_to_what_matters() {
        let it = read("0.1-ports-8-harts", REPORT);
        assert_eq!((it.boots, it.passes, it.is_usual), (20, 19, true));
        assert_eq!(it.command, MILESTONES[0].due);
        assert_eq!(it.told, ["280 units of work verified"]);
        assert!(Soaked::read("x", &REPORT.replace("| passes", "| losses")).is_err());
        assert!(Soaked::read("x", &REPORT.replace("xtask soak", "xtask fuzz")).is_err());
    }

    #[test]
    fn what_was_not_run_is_said_and_what_failed_is_not_hidden() {
        let none = markdown(&[]);
        assert_eq!(none.matches("| not run yet | not run yet |").count(), MILESTONES.len());
        let said = markdown(&[read("0.1-ports-8-harts", REPORT)]);
        assert!(said.contains("| 20 | 19 | c0ffee | [0.1-ports-8-harts]"), "{said}");
        assert_eq!(said.matches("not run yet |").count(), 2 * (MILESTONES.len() - 1));
        // Evidence of another milestone, machine or amount is none of this one.
        for (file, text) in [
            ("0.2-ports", REPORT.to_owned()),
            ("0.1-ports", REPORT.replace("--harts 8", "--harts 3")),
            ("0.1-ports", REPORT.replace("ports --seed", "ports --rounds 9 --seed")),
            ("0.1-ports", REPORT.replace("scenario ports", "scenario flood")),
        ] {
            assert!(best(&MILESTONES[0], &[read(file, &text)]).is_none(), "{text}");
        }
    }

    #[test]
    fn the_soaks_that_are_due_can_be_asked_for() {
        for Milestone { name, due, scenario: usual, boots, .. } in MILESTONES {
            let asked = soak(due).expect(name);
            assert_eq!((scenario(&asked), u64::from(asked.boots)), ((*usual).to_owned(), *boots));
            assert_eq!(shortest(&asked), *due, "{name}");
        }
    }
}
