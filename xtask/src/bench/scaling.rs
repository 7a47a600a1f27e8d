// SPDX-License-Identifier: Apache-2.0
//! What a message costs where there is much else: more pairs on more harts, more
//! clients of the server, more channels and connections. The law is that it costs what
//! it costs alone.

use std::fmt::Write as _;

use super::table::Table;

/// How far each may be from what it costs alone, in percent.
pub(super) const APART: u64 = 5;

/// A message where there is much else.
struct Row {
    name: &'static str,
    /// The same, alone.
    alone: &'static str,
    /// What there is.
    with: &'static str,
}

const fn pairs(name: &'static str, with: &'static str) -> Row {
    Row { name, alone: "pairs-1", with }
}

const fn crowd(name: &'static str, with: &'static str) -> Row {
    Row { name, alone: "roundtrip-0", with }
}

const ROWS: &[Row] = &[
    pairs("pairs-1", "one pair on one hart"),
    pairs("pairs-2", "2 pairs on as many harts, at the same time"),
    pairs("pairs-4", "4 pairs on as many harts"),
    pairs("pairs-8", "8 pairs on as many harts"),
    pairs("pairs-16", "16 pairs on as many harts"),
    crowd("blocked-1", "one other client of the server blocked"),
    crowd("blocked-10", "10 other clients of the server blocked"),
    crowd("blocked-1000", "1,000 other clients of the server blocked"),
    crowd("present-10000", "10,000 channels and as many connections of the two"),
];

/// All that costs more or less than alone.
pub(super) fn problems(measured: &Table) -> Vec<String> {
    let problem = |row: &Row| {
        // What was not measured is said by who asks for ceilings.
        let (cost, alone) = (measured.instructions(row.name)?, measured.instructions(row.alone)?);
        is_apart(cost, alone).then(|| {
            let Row { name, alone: than, .. } = row;
            format!("{name} costs {cost}, more than {APART} % from the {alone} of {than}")
        })
    };
    ROWS.iter().filter_map(problem).collect()
}

const fn is_apart(cost: u64, alone: u64) -> bool {
    super::judge::is_apart(cost, alone, APART)
}

/// The figures, for README and docs.
pub(super) fn markdown(measured: &Table) -> String {
    let mut text = "| operation | a message while there are | instructions | alone | more |\n\
                    |---|---|---:|---:|---:|\n"
        .to_owned();
    for Row { name, alone, with } in ROWS {
        let costs = measured.instructions(name).zip(measured.instructions(alone));
        let cells = costs.map_or_else(|| "none | none | none".to_owned(), cells);
        let _ = writeln!(text, "| {name} | {with} | {cells} |");
    }
    text
}

fn cells((cost, alone): (u64, u64)) -> String {
    let more = (cost as f64 / alone as f64 - 1.0) * 100.0;
    // No minus before nothing.
    let more = if more.abs() < 0.05 { 0.0 } else { more };
    let broken = if is_apart(cost, alone) { ", too much" } else { "" };
    format!("{cost} | {alone} | {more:.1} %{broken}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All cost 1,000 but for one.
    fn table(name: &str, cost: u64) -> Table {
        Table::of_figures(ROWS.iter().flat_map(|row| [row.name, row.alone]), |it| {
            if it == name { cost } else { 1_000 }
        })
    }

    #[test]
    fn five_percent_pass_and_six_are_refused() {
        for row in ROWS.iter().filter(|row| row.name != row.alone) {
            for cost in [950, 1_000, 1_050] {
                assert_eq!(problems(&table(row.name, cost)), [""; 0], "{} at {cost}", row.name);
            }
            for cost in [940, 1_060] {
                let said = problems(&table(row.name, cost));
                assert_eq!(said.len(), 1, "{} at {cost}", row.name);
                assert!(said[0].starts_with(&format!("{} costs {cost}, more than 5 %", row.name)));
            }
        }
    }

    #[test]
    fn each_is_held_to_what_it_is_alone() {
        assert_eq!(problems(&table("pairs-1", 1_060)).len(), 4);
        assert_eq!(problems(&table("roundtrip-0", 1_060)).len(), 4);
    }

    #[test]
    fn the_table_says_how_much_more_it_is() {
        let text = markdown(&table("pairs-16", 1_060));
        assert!(text.contains("| 1060 | 1000 | 6.0 %, too much |\n"), "{text}");
        assert!(text.contains("as many harts | 1000 | 1000 | 0.0 % |\n"), "{text}");
    }
}
