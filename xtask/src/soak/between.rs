// SPDX-License-Identifier: Apache-2.0
//! How long round trips between programs took in the boots of a soak, by schedule: each
//! makes another clock of the guest's.

use std::collections::BTreeMap;

use super::record::BootRecord;
use crate::round_trips::{RoundTrips, micros};
use crate::schedule::Schedule;

/// Round trips in boots that passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BetweenPrograms {
    boots: BTreeMap<Schedule, Vec<RoundTrips>>,
}

impl BetweenPrograms {
    /// Of those boots; none where none told of any.
    #[must_use]
    pub fn of<'a>(passed: impl Iterator<Item = &'a BootRecord>) -> Option<Self> {
        let mut all = Self::default();
        for record in passed {
            if let Some(told) = record.between_programs {
                all.boots.entry(record.schedule).or_default().push(told);
            }
        }
        (!all.boots.is_empty()).then_some(all)
    }

    /// What there is to say, and what it is.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let names = std::iter::once("between programs").chain(std::iter::repeat(""));
        names.zip(self.boots.iter().map(|(schedule, boots)| row(*schedule, boots))).collect()
    }
}

/// The least and the greatest of all boots, and the boot in the middle by each of the
/// other two.
fn row(schedule: Schedule, boots: &[RoundTrips]) -> String {
    let sorted = |of: fn(&RoundTrips) -> u64| {
        let mut values: Vec<u64> = boots.iter().map(of).collect();
        values.sort_unstable();
        values
    };
    let middle = |values: Vec<u64>| values.get(values.len() / 2).copied().unwrap_or(0);
    let count: u64 = boots.iter().map(|told| told.count).sum();
    let least = sorted(|told| told.least).first().copied().unwrap_or(0);
    let most = sorted(|told| told.most).last().copied().unwrap_or(0);
    format!(
        "{schedule}: {count} round trips of short messages, min {} µs, median {}, 99 % {}, max {}",
        micros(least),
        micros(middle(sorted(|told| told.median))),
        micros(middle(sorted(|told| told.percent99))),
        micros(most)
    )
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::sample;
    use super::*;

    #[test]
    fn each_schedule_is_summed_up_by_itself() {
        let boot = |schedule, least, median, percent99, most| {
            let told = RoundTrips { count: 10, least, median, percent99, most };
            BootRecord { schedule, between_programs: Some(told), ..sample(0, 1, None) }
        };
        let boots = [
            boot(Schedule::Parallel, 3_000, 5_000, 9_000, 9_900),
            boot(Schedule::Parallel, 1_000, 7_000, 8_000, 8_800),
            boot(Schedule::Parallel, 2_000, 6_000, 7_000, 7_700),
            boot(Schedule::Rr(0), 4_000, 4_000, 4_000, 4_000),
        ];
        let rows = BetweenPrograms::of(boots.iter()).expect("told").rows();
        let due = "parallel: 30 round trips of short messages, min 1.0 µs, median 6.0, 99 % 8.0, \
                   max 9.9";
        assert_eq!(rows[0], ("between programs", due.to_owned()));
        assert!(rows[1].0.is_empty() && rows[1].1.starts_with("rr: 10 "), "{rows:?}");
        assert_eq!(BetweenPrograms::of([sample(0, 1, None)].iter()), None);
    }
}
