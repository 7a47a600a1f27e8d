// SPDX-License-Identifier: Apache-2.0
//! What stands beside our figures of messages: what they are to be, and seL4's. And
//! the tables in README, which are written with the others.

use std::fmt::Write as _;

use anyhow::Result;

use super::{scaling, table::Table};
use crate::readme::Place;

/// Where the tables are in README.
const COSTS: Place = Place { name: "costs", command: "cargo xtask bench --update" };
const SCALING: Place = Place { name: "scaling", command: "cargo xtask bench --update" };

/// A message.
struct Row {
    name: &'static str,
    /// What milestone 0.5 asks for.
    aim: u64,
    /// What it costs on seL4, if it was measured: one core without floating point,
    /// one core with it, several cores.
    sel4: Option<[u64; 3]>,
}

const ROWS: &[Row] = &[
    Row { name: "roundtrip-0", aim: 450, sel4: Some([538, 739, 1_139]) },
    Row { name: "roundtrip-32", aim: 500, sel4: Some([587, 788, 1_188]) },
    Row { name: "roundtrip-64", aim: 560, sel4: Some([1_872, 2_069, 2_945]) },
    Row { name: "roundtrip-512", aim: 1_000, sel4: Some([2_544, 2_741, 3_617]) },
    Row { name: "roundtrip-0-separate", aim: 650, sel4: None },
    Row { name: "roundtrip-cross-hart", aim: 2_200, sel4: None },
];

/// What is said of seL4's figures wherever they stand.
pub(super) const HOW: &str = "\
seL4's are those of seL4 16.0.0-dev on the same QEMU with its fast path on, built for one core without floating
point, for one core with it, and for several cores (SMP); they were measured the same way: a message and its
answer, the server's loop one call that replies and then receives, instructions of both modes.
";

/// Our figures beside the aims and seL4's.
pub(super) fn markdown(measured: &Table) -> String {
    let mut text =
        "| operation | ours | aim of 0.5 | seL4, one core, no FPU | seL4, one core, FPU | \
                    seL4, SMP |\n|---|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for Row { name, aim, sel4 } in ROWS {
        let ours = measured.instructions(name);
        let is_reached = ours.is_some_and(|ours| ours <= *aim);
        let reached = if is_reached { "" } else { ", not reached" };
        let ours = ours.map_or_else(|| "none".to_owned(), |ours| ours.to_string());
        let sel4 =
            sel4.map_or(["none"; 3].map(ToOwned::to_owned), |it| it.map(|it| it.to_string()));
        let _ = writeln!(text, "| {name} | {ours} | {aim}{reached} | {} |", sel4.join(" | "));
    }
    text
}

/// Writes our figures into README.
///
/// # Errors
/// When it has no place for them.
pub(super) fn commit(measured: &Table) -> Result<()> {
    COSTS.write(&markdown(measured))?;
    SCALING.write(&scaling::markdown(measured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_has_the_committed_figures() {
        let committed = Table::committed().expect("readable").expect("there");
        for (place, due) in
            [(COSTS, markdown(&committed)), (SCALING, scaling::markdown(&committed))]
        {
            let readme = place.read().expect("a place");
            assert!(
                readme == due,
                "README.md is not docs/costs.json: `cargo xtask bench --update`"
            );
        }
    }
}
