// SPDX-License-Identifier: Apache-2.0
//! What gates the costs: the ceilings, always; the committed table, if the same
//! compiler made it.

use super::{scaling, table::Table};

/// What each may cost at the most, in instructions. The first two are aims of
/// the project; the others are about 15 % above what was measured first.
const CEILINGS: &[(&str, u64)] = &[
    ("null-call", 120),
    ("channel-create-destroy", 900),
    ("thread-create-join", 60_000),
    ("process-spawn-exit", 410_000),
    ("page-fault-death", 210_000),
    ("timer-tick", 1_100),
    ("switch-same-space", 1_000),
    ("switch-other-space", 1_050),
    (EIGHT, 900),
    ("roundtrip-0", 1_600),
    ("roundtrip-32", 1_750),
    ("roundtrip-64", 1_750),
    ("roundtrip-512", 2_250),
    ("roundtrip-0-separate", 3_000),
    ("roundtrip-4k", 4_900),
    ("send-64k", 28_500),
    ("send-1m", 370_000),
    ("roundtrip-cross-hart", 7_500),
    ("blocked-1", 1_600),
    ("blocked-10", 1_600),
    ("blocked-1000", 1_600),
    ("present-10000", 1_600),
    ("pairs-1", 1_600),
    ("pairs-2", 1_600),
    ("pairs-4", 1_600),
    ("pairs-8", 1_600),
    ("pairs-16", 1_600),
    ("interrupt-to-ist-idle", 1_600),
    ("interrupt-to-ist-busy", 1_600),
    ("nvme-submit-4k", 900),
    ("nvme-read-4k", 5_920),
];

const ONE: &str = "channel-create-destroy";
const EIGHT: &str = "channel-create-destroy-8-harts";

/// How far channels on eight harts may be from those on one, in percent.
const APART: u64 = 10;

/// How far a figure may be from the committed one, in percent.
const TOLERANCE: u64 = 2;

/// What the operation of that name may cost.
pub(super) fn ceiling(name: &str) -> Option<u64> {
    CEILINGS.iter().find(|(of, _)| *of == name).map(|(_, most)| *most)
}

/// All that is wrong.
pub(super) fn all(measured: &Table, committed: Option<&Table>) -> Vec<String> {
    let mut problems = bounds(measured);
    match committed {
        None => problems.push("there is no committed table: `cargo xtask bench --update`".into()),
        Some(table) => problems.extend(against(measured, table)),
    }
    problems
}

/// What is wrong whatever was committed.
pub(super) fn bounds(measured: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, most) in CEILINGS {
        match measured.instructions(name) {
            None => problems.push(format!("{name} was not measured")),
            Some(0) => problems.push(format!("{name} costs nothing: the counter is dead")),
            Some(cost) if cost > *most => {
                problems.push(format!("{name} costs {cost} instructions, {most} are allowed"));
            }
            Some(_) => {}
        }
    }
    for cost in measured.figures.iter().filter(|cost| ceiling(&cost.name).is_none()) {
        problems.push(format!("{} has no ceiling", cost.name));
    }
    if let (Some(one), Some(eight)) = (measured.instructions(ONE), measured.instructions(EIGHT))
        && is_apart(eight, one, APART)
    {
        problems.push(format!("{EIGHT} costs {eight}, more than {APART} % from {one} on one hart"));
    }
    problems.extend(scaling::problems(measured));
    problems
}

/// What differs from the committed table. Another compiler makes other code.
pub(super) fn against(measured: &Table, committed: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for cost in &measured.figures {
        let (name, new) = (&cost.name, cost.instructions);
        match committed.instructions(name) {
            None => problems.push(format!("{name} is not in the committed table")),
            Some(old)
                if measured.compiler == committed.compiler && is_apart(new, old, TOLERANCE) =>
            {
                problems.push(format!(
                    "{name} costs {new} instructions, {old} in the committed table: if that is on \
                     purpose, `cargo xtask bench --update`"
                ));
            }
            Some(_) => {}
        }
    }
    problems
}

/// Whether they are further apart than that.
pub(super) const fn is_apart(one: u64, other: u64, percent: u64) -> bool {
    one.abs_diff(other) * 100 > other * percent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(compiler: &str, change: impl Fn(&str, u64) -> u64) -> Table {
        let cost = |name: &str| change(name, ceiling(name).expect("known"));
        let table = Table::of_figures(CEILINGS.iter().map(|(name, _)| *name), cost);
        Table { compiler: compiler.to_owned(), ..table }
    }

    #[test]
    fn what_is_at_its_ceiling_passes_and_more_does_not() {
        let good = table("a", |_, most| most);
        assert_eq!(all(&good, Some(&good)), [""; 0]);
        let over = table("a", |name, most| most + u64::from(name == "null-call"));
        assert!(all(&over, Some(&over))[0].contains("121 instructions, 120 are allowed"));
        let dead = table("a", |name, most| if name == "null-call" { 0 } else { most });
        assert!(all(&dead, Some(&dead))[0].contains("dead"));
        assert!(all(&good, None)[0].contains("no committed table"));
    }

    #[test]
    fn names_must_be_known_and_measured() {
        let good = table("a", |_, most| most);
        let mut fewer = good.clone();
        let mut last = fewer.figures.remove(0);
        assert!(all(&fewer, Some(&good))[0].contains("null-call was not measured"));
        last.name = "other".to_owned();
        let mut more = good.clone();
        more.figures.push(last);
        let problems = all(&more, Some(&good));
        assert!(problems[0].contains("other has no ceiling"));
        assert!(problems[1].contains("other is not in the committed table"));
    }

    #[test]
    fn two_percent_count_with_the_same_compiler_only() {
        let old = table("a", |_, most| most);
        let near = table("a", |_, most| most * 99 / 100);
        let far = |compiler| table(compiler, |_, most| most * 97 / 100);
        assert_eq!(all(&near, Some(&old)), [""; 0]);
        assert_eq!(all(&far("a"), Some(&old)).len(), CEILINGS.len());
        assert_eq!(all(&far("b"), Some(&old)), [""; 0]);
    }

    #[test]
    fn eight_harts_cost_what_one_costs() {
        let with = |eight: u64| {
            let table = table("a", |name, most| match name {
                ONE => 600,
                EIGHT => eight,
                _ => most,
            });
            all(&table, Some(&table)).len()
        };
        assert_eq!([with(540), with(660), with(539), with(661)], [0, 0, 1, 1]);
    }
}
