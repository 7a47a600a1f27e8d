// SPDX-License-Identifier: Apache-2.0
//! What came of the bugs: a table for the terminal, and markdown for
//! docs/evidence.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Row as Line, Table, Width, presets};

use super::table::{BUGS, ON_FAKES};
use super::trial::Row;
use super::{fakes, tally};
use crate::show;
use crate::soak::summary::{markdown_cell, markdown_facts};
use crate::tally::Tally;

/// The columns, as the terminal and the report show them.
const COLUMNS: [&str; 6] = ["bug", "caught by", "boots", "time", "control", "diagnosis"];

/// The columns that are never cut.
const WHOLE: [usize; 4] = [0, 2, 3, 4];

/// The least that is left of a column that is cut.
const NARROWEST: u16 = 12;

/// Digits of a kernel's hash that the report's table shows.
const HASH_DIGITS: usize = 12;

/// The circumstances of the trials, for their report.
#[derive(Clone, Debug)]
pub struct About {
    /// The command.
    pub command: String,
    /// The commit of the checkout.
    pub commit: String,
    /// QEMU's version.
    pub qemu: String,
    /// The compiler.
    pub compiler: String,
}

/// The table, one line for each bug, cut to `width` columns.
#[must_use]
pub fn table(rows: &[Row], width: Option<u16>) -> String {
    let lines = rows.iter().map(|row| cells(row).to_vec());
    aligned(&COLUMNS, lines, &WHOLE, width)
}

/// Every bug and what it is tried with.
#[must_use]
pub fn list(width: Option<u16>) -> String {
    let on_fakes = ON_FAKES.iter().map(|bug| {
        let test = format!("test {} of {}", bug.test, bug.package);
        vec![bug.name.to_owned(), test, bug.says.to_owned(), "default".to_owned()]
    });
    let lines = BUGS.iter().map(|bug| {
        vec![bug.name.to_owned(), bug.in_words(), bug.check.to_string(), bug.control_name()]
    });
    aligned(
        &["bug", "booted with", "meant to be caught by", "control"],
        lines.chain(on_fakes),
        &[0, 3],
        width,
    )
}

/// Lines under a header, in columns; those not in `whole` are cut where the
/// terminal is too narrow.
fn aligned(
    header: &[&str],
    lines: impl Iterator<Item = Vec<String>>,
    whole: &[usize],
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    let mut header = Line::from(header.to_vec());
    header.max_height(1);
    table.load_style(presets::NOTHING).set_header(header);
    for line in lines {
        let mut line = Line::from(line);
        line.max_height(1);
        table.add_row(line);
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_constraint(if whole.contains(&at) {
                ColumnConstraint::ContentWidth
            } else {
                ColumnConstraint::LowerBoundary(Width::Fixed(NARROWEST))
            });
        }
    }
    table.trim_fmt()
}

/// What a row shows in each column.
fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let (by, diagnosis) = match &row.catch {
        Some(catch) if catch.as_meant => (catch.by.clone(), catch.diagnosis.clone()),
        Some(catch) => (format!("another: {}", catch.by), catch.diagnosis.clone()),
        None => ("nothing".to_owned(), row.wrong.first().cloned().unwrap_or_default()),
    };
    [
        row.bug.name.to_owned(),
        by,
        row.seeds.len().to_string(),
        format!("{:.1} s", row.took.as_secs_f64()),
        format!("{}: {}/{} passed", row.bug.control_name(), row.passed, row.control_boots),
        diagnosis,
    ]
}

/// Everything that is not as it must be, a line each.
#[must_use]
pub fn wrong(rows: &[Row]) -> Vec<String> {
    let of = |row: &Row| {
        let name = row.bug.name;
        row.wrong.iter().map(|why| format!("{name}: {why}")).collect::<Vec<_>>()
    };
    rows.iter().flat_map(of).collect()
}

/// The last line.
#[must_use]
pub fn closing_line(rows: &[Row], on_fakes: &[fakes::Row]) -> String {
    let Tally { passed, failed, .. } = tally(rows, on_fakes);
    let failed = failed.len();
    format!("{} bugs: {passed} caught as meant, {failed} not", passed + failed)
}

/// For docs/evidence.
#[must_use]
pub fn markdown(rows: &[Row], on_fakes: &[fakes::Row], about: &About) -> String {
    let mut text = String::from("# Named bugs\n\n");
    text += &markdown_facts(&facts(rows, about));
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| markdown_cell(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let header = COLUMNS.iter().chain(&["booted with", "kernel"]).map(ToString::to_string);
    let header: Vec<String> = header.collect();
    let _ = write!(text, "\n{}|{}\n", line(&header), "---|".repeat(header.len()));
    for row in rows {
        let mut all = cells(row).to_vec();
        let kernel = row.kernel.as_deref().map_or("none", |hash| &hash[..HASH_DIGITS]);
        all.extend([row.bug.in_words(), kernel.to_owned()]);
        text += &line(&all);
    }
    section(&mut text, "On fake devices", &on_fakes.iter().map(on_fake).collect::<Vec<_>>());
    section(&mut text, "Not as it must be", &wrong(rows));
    let again = rows.iter().filter_map(|row| row.reproduce.as_ref().map(|it| format!("`{it}`")));
    section(&mut text, "To see them again", &again.collect::<Vec<_>>());
    let _ = write!(text, "\n{}\n", closing_line(rows, on_fakes));
    text
}

fn on_fake(row: &fakes::Row) -> String {
    let bug = row.bug;
    let said = row.wrong.as_ref().map_or(bug.says, String::as_str);
    let caught = if row.wrong.is_none() { "caught by" } else { "not as it must be:" };
    format!("{}: {caught} `{}` of {}: {}", bug.name, bug.test, bug.package, markdown_cell(said))
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(text, "\n{title}:\n\n");
    for line in lines {
        let _ = writeln!(text, "- {line}");
    }
}

/// What is said once, before the table.
fn facts(rows: &[Row], about: &About) -> Vec<(String, String)> {
    let mut good: Vec<(String, String)> = rows
        .iter()
        .filter_map(|row| Some((row.bug.control_name(), row.good.clone()?)))
        .map(|(name, hash)| (format!("good kernel, {name} (SHA-256)"), hash))
        .collect();
    good.sort();
    good.dedup();
    let firmware = rows.iter().find_map(|row| row.firmware);
    let mut facts = vec![
        ("command".to_owned(), format!("`{}`", about.command)),
        ("commit".to_owned(), about.commit.clone()),
    ];
    facts.extend(good);
    facts.extend([
        ("compiler".to_owned(), about.compiler.clone()),
        ("QEMU".to_owned(), about.qemu.clone()),
        ("firmware".to_owned(), firmware.map_or_else(|| "not seen".to_owned(), show::firmware)),
    ]);
    facts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::check::Catch;
    use super::*;

    fn good() -> Row {
        let diagnosis = "broken law: ".to_owned() + &"a long story | ".repeat(20);
        Row {
            kernel: Some("0123456789abcdef".to_owned()),
            good: Some("fedcba".to_owned()),
            seeds: vec![7, 8],
            took: Duration::from_millis(2500),
            catch: Some(Catch { as_meant: true, by: "panic: broken law".to_owned(), diagnosis }),
            reproduce: Some("cargo xtask run --seed 8".to_owned()),
            control_boots: 2,
            passed: 2,
            firmware: Some((1, 0x1_0001)),
            ..Row::new(&BUGS[0])
        }
    }

    /// One that was caught, and one that was not.
    fn on_fakes() -> [fakes::Row; 2] {
        [None, Some("no reason".to_owned())].map(|wrong| fakes::Row { bug: &ON_FAKES[0], wrong })
    }

    fn bad() -> Row {
        Row {
            seeds: vec![7],
            wrong: vec![
                "not caught in 1 boots".to_owned(),
                "the good kernel fails seed 7: x".to_owned(),
            ],
            ..Row::new(&BUGS[1])
        }
    }

    #[test]
    fn the_terminal_gets_one_line_for_each_bug() {
        let rows = [good(), bad()];
        for width in [80, 120] {
            let text = table(&rows, Some(width));
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
            assert!(text.contains(BUGS[0].name) && text.contains("2.5 s"), "{text}");
        }
        let text = table(&rows, None);
        assert!(text.contains(good().catch.expect("caught").diagnosis.trim()), "{text}");
        assert!(text.contains("default: 2/2 passed") && text.contains("not caught"), "{text}");
    }

    #[test]
    fn the_control_shows_its_own_number_of_boots() {
        let bug = BUGS.iter().find(|bug| bug.delay().is_some()).expect("one has a delay");
        let row = Row { seeds: vec![7], control_boots: 20, passed: 20, ..Row::new(bug) };
        let text = table(&[row], None);
        assert!(text.contains(&format!("{}: 20/20 passed", bug.control_name())), "{text}");
    }

    #[test]
    fn the_list_names_every_bug() {
        let text = list(None);
        assert!(BUGS.iter().all(|bug| text.contains(bug.name)), "{text}");
    }

    #[test]
    fn a_row_with_a_reason_is_not_caught_as_meant() {
        assert_eq!(closing_line(&[good(), bad()], &[]), "2 bugs: 1 caught as meant, 1 not");
        let fails = Row { wrong: vec!["the good kernel fails seed 7: x".to_owned()], ..good() };
        assert_eq!(closing_line(&[fails], &[]), "1 bugs: 0 caught as meant, 1 not");
        let [caught, missed] = on_fakes();
        assert_eq!(closing_line(&[good()], &[caught]), "2 bugs: 2 caught as meant, 0 not");
        assert_eq!(closing_line(&[good()], &[missed]), "2 bugs: 1 caught as meant, 1 not");
        assert_eq!(wrong(&[good(), bad()]).len(), 2);
    }

    #[test]
    fn the_report_has_everything_in_full() {
        let about = About {
            command: "cargo xtask mutants".to_owned(),
            commit: "c0ffee".to_owned(),
            qemu: "7.2".to_owned(),
            compiler: "rustc".to_owned(),
        };
        let text = markdown(&[good(), bad()], &on_fakes(), &about);
        let diagnosis = good().catch.expect("caught").diagnosis.replace('|', "\\|");
        for part in [
            "c0ffee",
            "OpenSBI 1.1",
            "| good kernel, default (SHA-256) | fedcba |",
            "| 0123456789ab |",
            diagnosis.trim(),
            "switch-window: the good kernel fails seed 7: x",
            "- `cargo xtask run --seed 8`",
            "On fake devices:\n\n- plic-eoi-order: caught by `named::",
            "- plic-eoi-order: not as it must be: `named::",
            "\n4 bugs: 2 caught as meant, 2 not\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
